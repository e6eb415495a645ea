//! `byway where`: what a packet would get, from a running byway or from files.

use super::args::{ProtoArg, WhereArgs};
use super::check::{boot_spec, table};
use super::client::Client;
use super::command::{fail, tell, tell_json};
use super::show::fields;
use crate::control::ask::{Ask, WhereAsk};
use crate::control::whereabouts::{Surroundings, answer};
use crate::table::Reserved;
use crate::wire::Protocol;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::Value;
use std::process::ExitCode;

/// Asks and prints.
pub fn run(args: &WhereArgs) -> ExitCode {
    if args.from.is_ipv4() != args.to.is_ipv4() {
        return fail("--from and --to are of different families");
    }
    let protocol = match args.proto {
        ProtoArg::Tcp => Protocol::Tcp,
        ProtoArg::Udp => Protocol::Udp,
    };
    let ask = WhereAsk { from: args.from.into(), to: args.to.into(), protocol };
    let from_files = args.config.is_some() || args.tables.is_some();
    let found = if from_files { ask_files(args, &ask) } else { ask_running(args, ask) };
    match found {
        Ok(value) if args.json => tell_json(&value),
        Ok(value) => tell(fields(&value)),
        Err(lines) => fail(lines),
    }
}

fn ask_running(args: &WhereArgs, ask: WhereAsk) -> Result<Value, String> {
    Client::connect(&args.socket.socket)?.ask(&Ask::Where(ask))
}

fn ask_files(args: &WhereArgs, ask: &WhereAsk) -> Result<Value, String> {
    let spec = args.config.as_deref().map(boot_spec).transpose()?;
    let tables = args.tables.as_deref().or(spec.as_ref().map(|spec| spec.tables.as_path()));
    let file = tables.ok_or("--tables names no file")?;
    let (workshop, loaded) = table(file, spec.as_ref()).map_err(|lines| lines.join("; "))?;
    let workers = spec.map_or(0, |spec| spec.workers.count() as u8);
    let around = Surroundings { reserved: &workshop.reserved, compiler: &workshop.compiler, workers };
    Ok(answer(ask, &loaded, &around))
}

/// Nothing is taken, documentation nets may be onboarded and origins may lie anywhere: a table file by itself.
pub fn lab() -> Reserved {
    let everywhere = [IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
    Reserved { lab: true, origin_allow: everywhere.to_vec(), ..Reserved::default() }
}
