//! Which verb of `byway admin` does what.

use super::args::{
    AdminBackupArgs, AdminCallArgs, AdminCommand, AdminImportCommand, AdminImportVerb, AdminPrefixCommand,
};
use super::ask::{answered, ask, result};
use super::{history, init, moving, restore, secrets, trial};
use crate::cli::check::boot_spec;
use crate::cli::cloudflare;
use crate::cli::command::{fail, tell, tell_json};
use crate::cli::estate;
use crate::control::config::boot::ApiSpec;
use crate::vault::{Vault, back_up};
use nix::unistd::Uid;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

/// Does it.
pub fn run(command: &AdminCommand) -> ExitCode {
    match command {
        AdminCommand::Init(args) => match init::init(args) {
            Ok(words) => tell_json(&words),
            Err(why) => fail(why),
        },
        AdminCommand::Call(args) => call(args),
        AdminCommand::Prefix(command) => prefix(command),
        AdminCommand::Token(command) => secrets::token(command),
        AdminCommand::Key(command) => secrets::key(command),
        AdminCommand::Backup(args) => match backup(args) {
            Ok(()) => tell(format_args!("{} is a copy of the store", args.to.display())),
            Err(why) => fail(why),
        },
        AdminCommand::Restore(args) => restore::run(args),
        AdminCommand::Export(args) => moving::export(args),
        AdminCommand::Import(verb) => import(verb),
        AdminCommand::History(args) => history::history(args),
        AdminCommand::Rollback(args) => history::roll_back(args),
        AdminCommand::Try(args) => trial::begin(args),
    }
}

fn import(verb: &AdminImportVerb) -> ExitCode {
    match (&verb.from, verb.of_file()) {
        (Some(AdminImportCommand::Cloudflare(args)), _) => cloudflare::run(args),
        (None, Some(args)) => moving::import(&args),
        (None, None) => fail("name a file that `byway admin export` wrote, or `cloudflare`"),
    }
}

/// What a boot config says of the API.
///
/// # Errors
/// One line.
pub fn api_of(config: &Path) -> Result<ApiSpec, String> {
    boot_spec(config)?.api.ok_or_else(|| format!("{}: [api] names no store", config.display()))
}

/// Who runs this, for the history.
pub fn who() -> String {
    format!("local user {}", Uid::current())
}

fn backup(args: &AdminBackupArgs) -> Result<(), String> {
    let api = api_of(&args.config)?;
    if !api.store.exists() {
        return Err(format!("{}: is not there", api.store.display()));
    }
    let to = std::path::absolute(&args.to).map_err(|error| format!("{}: {error}", args.to.display()))?;
    if api.socket.exists() {
        let body = json!({ "to": to }).to_string();
        if let Ok(answer) = ask(&api.socket, "POST", "/byway/backup", Some(body)) {
            return result(answer).map(|_| ());
        }
    }
    let vault: Mutex<Box<dyn Vault>> = Mutex::new(Box::new(estate::vault(&api.store)?));
    back_up(&vault, &to).map_err(|error| error.to_string())
}

fn call(args: &AdminCallArgs) -> ExitCode {
    let body = match args.body.as_deref() {
        Some("-") => match std::io::read_to_string(std::io::stdin()) {
            Ok(text) => Some(text),
            Err(error) => return fail(format_args!("standard input: {error}")),
        },
        body => body.map(str::to_owned),
    };
    answered(ask(&args.socket, &args.method, &args.path, body))
}

fn prefix(command: &AdminPrefixCommand) -> ExitCode {
    let (id, verb, body, socket) = match command {
        AdminPrefixCommand::Approve { id, force, socket } => {
            (id, "approve", json!({ "force": force }), socket)
        }
        AdminPrefixCommand::Revoke { id, socket } => (id, "revoke", json!({}), socket),
    };
    answered(ask(socket, "POST", &format!("/byway/prefixes/{id}/{verb}"), Some(body.to_string())))
}
