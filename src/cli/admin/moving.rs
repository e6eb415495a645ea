//! `byway admin export` and `byway admin import`: over the admin socket where a byway runs, else with the store itself.

use super::args::{AdminExportArgs, AdminImportArgs};
use super::ask::{ask, result};
use super::init::hand_over;
use super::verb::{api_of, who};
use super::{passphrase, seal};
use crate::base::OsClock;
use crate::cli::check::{boot_spec, read, workshop};
use crate::cli::command::{complain, fail, tell};
use crate::cli::estate::vault;
use crate::cli::run::reserved;
use crate::control::Store;
use crate::control::config::boot::{ApiSpec, BootSpec};
use crate::estate::{Estate, Secrets, Stamp, lower};
use crate::vault::{SqliteVault, Vault};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

/// Writes the document.
pub fn export(args: &AdminExportArgs) -> ExitCode {
    let document = match exported(args) {
        Ok(document) => format!("{document:#}"),
        Err(why) => return fail(why),
    };
    let Some(out) = &args.out else { return tell(document) };
    match write_new(out, &document) {
        Ok(()) => tell(format_args!(
            "{} holds everything{}",
            out.display(),
            if args.with_secrets { "" } else { " but secrets" }
        )),
        Err(error) => fail(format_args!("{}: {error}", out.display())),
    }
}

fn exported(args: &AdminExportArgs) -> Result<Value, String> {
    let api = api_of(&args.config)?;
    // Asked for first: a passphrase that is not taken costs nothing then.
    let passphrase = args.with_secrets.then(|| passphrase::new(&args.passphrase)).transpose()?;
    let (mut document, secrets) = match answers(&api) {
        true => {
            let path = format!("/byway/export?secrets={}", args.with_secrets);
            let (mut whole, _) = ask(&api.socket, "GET", &path, None).and_then(result)?;
            (whole["document"].take(), whole["secrets"].take())
        }
        false => {
            let (vault, estate) = stopped(&api, &args.config)?;
            (crate::estate::export(&estate), crate::api::with_key(&estate, &vault.hash_key()))
        }
    };
    document["secrets"] = match passphrase {
        Some(passphrase) => seal::seal(&secrets, &passphrase)?,
        None => Value::Null,
    };
    Ok(document)
}

fn answers(api: &ApiSpec) -> bool {
    UnixStream::connect(&api.socket).is_ok()
}

/// The store of a byway that does not run.
fn stopped(api: &ApiSpec, config: &Path) -> Result<(SqliteVault, Estate), String> {
    if !api.store.exists() {
        return Err(format!("{}: is not there", api.store.display()));
    }
    let mut vault = vault(&api.store)?;
    let reserved = reserved(&boot_spec(config)?);
    let estate = crate::api::read(&mut vault, &reserved).map_err(|lines| lines.join("; "))?;
    Ok((vault, estate))
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    // Half a file would be taken for a whole one.
    written.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// Takes a document in.
pub fn import(args: &AdminImportArgs) -> ExitCode {
    match imported(args) {
        Ok(lines) => tell(lines.join("\n")),
        Err(mut lines) => {
            let last = lines.pop().unwrap_or_default();
            lines.iter().for_each(complain);
            fail(last)
        }
    }
}

fn imported(args: &AdminImportArgs) -> Result<Vec<String>, Vec<String>> {
    let one = |line: String| vec![line];
    let api = api_of(&args.config).map_err(one)?;
    let text = read(&args.file).map_err(one)?;
    let document: Value = serde_json::from_str(&text)
        .map_err(|error| one(format!("{}: is not JSON (RFC 8259): {error}", args.file.display())))?;
    let secrets = match &document["secrets"] {
        Value::Null => Value::Null,
        sealed => {
            let passphrase = passphrase::known(&args.passphrase).map_err(one)?;
            seal::unseal(sealed, &passphrase).map_err(|why| one(format!("{}: {why}", args.file.display())))?
        }
    };
    let (answer, messages) = match answers(&api) {
        true => by_socket(args, &api, (document, secrets)).map_err(one)?,
        false => by_hand(args, &api, (document, secrets))?,
    };
    Ok(told(args, &answer, messages))
}

fn by_socket(
    args: &AdminImportArgs,
    api: &ApiSpec,
    (document, secrets): (Value, Value),
) -> Result<(Value, Vec<String>), String> {
    let body = json!({
        "document": document,
        "secrets": secrets,
        "leave_out": args.leave_out,
        "confirm_within": args.confirm_within,
    });
    let path = format!("/byway/import?dry_run={}", args.dry_run);
    let (answer, mut messages) = ask(&api.socket, "POST", &path, Some(body.to_string())).and_then(result)?;
    // The answer names the same.
    messages.retain(|message| !message.starts_with("dry run: "));
    Ok((answer, messages))
}

/// Into the store of a byway that does not run. An empty one takes over the key that hashes were made under.
fn by_hand(
    args: &AdminImportArgs,
    api: &ApiSpec,
    (document, secrets): (Value, Value),
) -> Result<(Value, Vec<String>), Vec<String>> {
    let one = |line: String| vec![line];
    if args.confirm_within.is_some() {
        return Err(one(format!(
            "no byway answers on {}: a trial begins and ends in a running one",
            api.socket.display()
        )));
    }
    if args.dry_run && !api.store.exists() {
        return Err(one(format!("{}: is not there", api.store.display())));
    }
    let mut vault = vault(&api.store).map_err(one)?;
    let boot = boot_spec(&args.config).map_err(one)?;
    let reserved = reserved(&boot);
    let estate = crate::api::read(&mut vault, &reserved)?;
    let theirs = secrets["hash_key"].as_str().and_then(key_of);
    let adopts = theirs.filter(|_| estate.all().is_empty());
    let same_key = adopts.is_some() || theirs == Some(vault.hash_key());
    let ways = Secrets { all: &secrets, same_key, leave_out: args.leave_out };
    let change = crate::estate::import(&document, ways, &estate, &reserved);
    let change = change.map_err(|misfits| {
        misfits.into_iter().map(|misfit| format!("{}: {}", misfit.place, misfit.text)).collect::<Vec<_>>()
    })?;
    let answer = (crate::api::told(&change), crate::api::revived(&change, &estate));
    if change.is_empty() {
        return Ok(answer);
    }
    compiles(&estate.with(&change), &boot, &api.store)?;
    if args.dry_run {
        return Ok(answer);
    }
    // A crash in between leaves an empty store with another key, which nothing was hashed under.
    if let Some(key) = adopts {
        vault.adopt_key(key).map_err(|error| one(error.to_string()))?;
    }
    let what = format!("byway admin import {}", args.file.display());
    let entry = crate::api::entry_of(who(), what, (&estate, &change), Stamp(OsClock::unix_micros()));
    vault.commit(&entry).map_err(|error| one(error.to_string()))?;
    let trial = vault.trial();
    drop(vault);
    hand_over(&api.store);
    let (counts, mut lines) = answer;
    // A byway that was stopped, or died, in the middle of a trial.
    lines
        .extend(trial.map(|trial| {
            format!("this is part of a trial, and goes back to version {} with it", trial.base)
        }));
    Ok((counts, lines))
}

/// What goes into a store must be what a start puts in force.
fn compiles(estate: &Estate, boot: &BootSpec, store: &Path) -> Result<(), Vec<String>> {
    let mut workshop = workshop(store, Some(boot), Store::new(&boot.state_dir));
    let tried = workshop.try_spec(lower(estate));
    tried.map(|_| ()).map_err(|error| {
        let mut lines = error.lines();
        lines.push(format!("{}: it could not be put in force; nothing was changed", store.display()));
        lines
    })
}

/// 64 hex digits.
fn key_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    digits.then(|| (0..32).filter_map(byte).collect::<Vec<u8>>())?.try_into().ok()
}

fn told(args: &AdminImportArgs, answer: &Value, messages: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if args.dry_run {
        for change in answer["changes"].as_array().into_iter().flatten() {
            let word = |key: &str| change[key].as_str().unwrap_or("?").to_owned();
            lines.push(format!("{} {} would be {}", word("kind"), word("id"), word("what")));
        }
    }
    lines.extend(messages);
    let verb = if args.dry_run { "would be " } else { "" };
    lines
        .push(format!("{} {verb}made, {} {verb}changed, nothing removed", answer["made"], answer["changed"]));
    lines
}
