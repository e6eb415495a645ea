//! `byway apply` and `byway confirm`: a table file in force, for good or until it was not confirmed in time. What the API has
//! on trial is confirmed by the same verb.

use super::admin;
use super::args::{ApplyArgs, ConfirmArgs};
use super::client::Client;
use super::command::{fail, tell};
use crate::control::Trial;
use crate::control::ask::{ApplyAsk, Ask};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How long a table is on trial that is confirmed at once.
const AT_ONCE_S: u32 = 60;

/// Puts a table file in force.
pub fn apply(args: &ApplyArgs) -> ExitCode {
    match applied(args) {
        Ok(words) => tell(words),
        Err(why) => fail(why),
    }
}

fn applied(args: &ApplyArgs) -> Result<String, String> {
    let file = fs::canonicalize(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let within_s = args.confirm_within.unwrap_or(AT_ONCE_S);
    let mut client = Client::connect(&args.socket.socket)?;
    let done = client.ask(&Ask::Apply(ApplyAsk { file, within_s }))?;
    let summary = done["summary"].as_str().unwrap_or_default().to_owned();
    if args.confirm_within.is_none() {
        return confirmed(&mut client);
    }
    Ok(format!(
        "in force for {within_s} s: {summary}\n`byway confirm` keeps it; without that the table file is in force again then"
    ))
}

/// Keeps what is on trial, or goes back.
pub fn confirm(args: &ConfirmArgs) -> ExitCode {
    match ended(args) {
        Ok(words) => tell(words),
        Err(why) => fail(why),
    }
}

/// Ends the trial that there is: the API's by its admin socket, that of a table file here.
fn ended(args: &ConfirmArgs) -> Result<String, String> {
    let mut client = Client::connect(&args.socket.socket)?;
    let asked = client.ask(&Ask::Trial)?;
    match (asked["admin_socket"].as_str().map(Path::new), args.revert) {
        (Some(socket), true) => admin::revert(socket),
        (Some(socket), false) => admin::confirm(socket),
        (None, true) => reverted(&mut client),
        (None, false) => confirmed(&mut client),
    }
}

fn reverted(client: &mut Client) -> Result<String, String> {
    let done = client.ask(&Ask::Revert)?;
    Ok(format!("the table file is in force again: {}", done["summary"].as_str().unwrap_or_default()))
}

/// Writes the table on trial into the table file, and only then tells byway: whatever happens in between, the file is what
/// is in force after the trial.
fn confirmed(client: &mut Client) -> Result<String, String> {
    let asked = client.ask(&Ask::Trial)?;
    let trial = &asked["trial"];
    let path = |key: &str| trial[key].as_str().map(PathBuf::from);
    let (Some(table), Some(kept)) = (path("table_file"), path("kept")) else {
        return Err("nothing is on trial: `byway apply FILE --confirm-within SECONDS` begins one".into());
    };
    let overtaken = trial["overtaken"] == Value::Bool(true);
    let text = fs::read_to_string(&kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    let trial: Trial = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", kept.display()))?;
    // An earlier confirmation may have come this far and no further.
    let has_it = fs::read_to_string(&table).is_ok_and(|present| present == trial.text);
    if overtaken && !has_it {
        return Err(format!(
            "{} has changed since the trial began: `byway confirm --revert` brings it in force as it is",
            table.display()
        ));
    }
    if !has_it {
        write_over(&table, &trial.text)
            .map_err(|error| format!("{}: cannot be written: {error}", table.display()))?;
    }
    let done = client.ask(&Ask::Confirm)?;
    Ok(format!("{} has it now: {}", table.display(), done["summary"].as_str().unwrap_or_default()))
}

/// Replaces a file whole, with the mode and the owner that it has.
fn write_over(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let meta = fs::metadata(&path)?;
    let beside = path.with_extension("byway-new");
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Err(error) = chown(&beside, Some(meta.uid()), Some(meta.gid()))
            && nix::unistd::Uid::effective().as_raw() != meta.uid()
        {
            return Err(error);
        }
        file.set_permissions(meta.permissions())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    // Half a file helps nobody.
    write().inspect_err(|_| drop(fs::remove_file(&beside)))?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
