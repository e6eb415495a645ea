//! From arguments to a verb, and from its failure to one line and an exit code.

use super::args::{BenchCommand, Cli, Command, ConfigCommand};
use super::{admin, apply, bench, check, generate, init, inspect, replay, rules, run, show, whereabouts};
use crate::base::outside::{OneLine, plain_json};
use clap::Parser;
use serde_json::Value;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Runs the command line; the exit code is the process's.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Bench(BenchCommand::Session { quick, udp, tls, telling }) => match (udp, tls) {
            (true, _) => bench::bench_udp(quick, telling),
            (_, true) => bench::bench_tls(quick, telling),
            (false, false) => bench::bench_session(quick, telling),
        },
        Command::Bench(BenchCommand::Handshakes { telling }) => bench::bench_handshakes(telling),
        Command::Bench(BenchCommand::Flood { telling }) => bench::bench_flood(telling),
        Command::Bench(BenchCommand::List { json }) => bench::list(json),
        Command::Bench(BenchCommand::Report { folder, before }) => {
            bench::report_results(&folder, before.as_ref())
        }
        #[cfg(feature = "dpdk")]
        Command::Bench(BenchCommand::Forward(args)) => bench::bench_forward(&args),
        #[cfg(feature = "dpdk")]
        Command::Bench(BenchCommand::ForwardProbe(probe)) => bench::run_forward_probe(&probe),
        Command::Bench(BenchCommand::Connect { telling }) => bench::bench_connect(telling),
        Command::Bench(BenchCommand::Bulk { args, telling }) => bench::bench_bulk(args, telling),
        Command::Bench(BenchCommand::Idle { args, telling }) => bench::bench_idle(args, telling),
        Command::Bench(BenchCommand::Control { args, telling }) => bench::bench_control(args, telling),
        Command::Bench(BenchCommand::ControlProbe(probe)) => bench::run_control_probe(&probe),
        Command::Bench(BenchCommand::IdleProbe(probe)) => bench::run_idle_probe(&probe),
        Command::Bench(BenchCommand::ConnectProbe(probe)) => bench::run_connect_probe(&probe),
        Command::Bench(BenchCommand::Lossy { args, telling }) => bench::bench_lossy(args, telling),
        Command::Bench(BenchCommand::Goodput { args, telling }) => bench::bench_goodput(args, telling),
        Command::Bench(BenchCommand::Proxy { args, telling }) => bench::bench_proxy(args, telling),
        Command::Bench(BenchCommand::TlsProbe(probe)) => bench::run_tls_probe(&probe),
        Command::Bench(BenchCommand::UdpProbe(probe)) => bench::run_udp_probe(&probe),
        Command::Bench(BenchCommand::SynProbe(probe)) => bench::run_syn_probe(&probe),
        Command::Bench(BenchCommand::SessionProbe(probe)) => bench::run_probe(&probe),
        Command::Gen(command) => generate::run(command),
        Command::Admin(command) => admin::run(&command),
        Command::Check(args) => check::run(&args),
        Command::Apply(args) => apply::apply(&args),
        Command::Confirm(args) => apply::confirm(&args),
        Command::Config(ConfigCommand::Init { path }) => init::run(path.as_deref()),
        Command::Show(args) => show::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Rules(command) => rules::run(&command),
        Command::Where(args) => whereabouts::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Doctor(args) => inspect::run(&args),
    }
}

/// Says in one line on standard error why the verb failed.
pub fn fail(why: impl Display) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}

/// One thing that is wrong, on a line of standard error.
pub fn complain(what: impl Display) {
    // A closed standard error leaves nothing to do about it.
    let _ = writeln!(std::io::stderr(), "byway: error: {}", OneLine(what));
}

/// Writes JSON to standard output.
pub fn tell_json(value: &Value) -> ExitCode {
    tell(plain_json(format!("{value:#}")))
}

/// Writes text whose outside parts are escaped to standard output; a reader that went away (`| head`) is no failure.
pub fn tell(text: impl Display) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("cannot write to standard output: {error}")),
    }
}
