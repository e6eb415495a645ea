//! Fetches or reads everything first, and only then asks the running byway to take it.

use super::args::CloudflareArgs;
use super::live::Live;
use super::saved::Saved;
use super::walk::{Found, Scope, walk};
use crate::cli::admin::{ask, result};
use crate::cli::command::{fail, tell_json};
use crate::control::{Fetcher, certificates};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Does it.
pub fn run(args: &CloudflareArgs) -> ExitCode {
    match imported(args) {
        Ok(report) => tell_json(&report),
        Err(why) => fail(why),
    }
}

fn imported(args: &CloudflareArgs) -> Result<Value, String> {
    let (source, found) = found(args)?;
    let Found { lists, missing, .. } = found;
    let body = json!({
        "source": source,
        "lists": lists,
        "update": args.update,
        "trust_approvals": args.trust_approvals,
        "into": args.into,
        "owner": args.owner,
        "confirm_within": args.confirm_within,
    });
    let path = format!("/byway/import/cloudflare?dry_run={}", args.dry_run);
    let (mut report, messages) = ask(&args.socket, "POST", &path, Some(body.to_string())).and_then(result)?;
    report["missing"] = missing.into();
    let (trial, states): (Vec<String>, _) =
        messages.into_iter().partition(|message| message.starts_with("on trial until "));
    report["trial"] = trial.first().cloned().into();
    // What apps go without, once they are compiled.
    report["states"] = states.into();
    Ok(report)
}

fn found(args: &CloudflareArgs) -> Result<(String, Found), String> {
    let scope = Scope {
        account: args.account.clone(),
        zones: args.zone.clone(),
        skip_forbidden: args.skip_forbidden,
    };
    if let Some(folder) = &args.from {
        let found = walk(&mut Saved(folder.clone()), &scope)?;
        return Ok((folder.display().to_string(), found));
    }
    let file =
        args.token_file.as_deref().ok_or("name a --token-file, or replies that were saved with --from")?;
    let trust = certificates::trust(args.ca_bundle.as_deref())?;
    let fetcher = Fetcher::new(&args.base_url, &token(file)?, trust.strict())?;
    let source = fetcher.base().to_owned();
    let found = walk(&mut Live::new(fetcher, args.save.as_deref())?, &scope)?;
    Ok((source, found))
}

/// A token that nobody else can read.
fn token(path: &Path) -> Result<String, String> {
    let told = |why: String| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| told(error.to_string()))?;
    let mode = file.metadata().map_err(|error| told(error.to_string()))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(told(format!("its mode is {mode:04o}, and it holds a secret: chmod 0600 it")));
    }
    let mut text = String::new();
    file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(|error| told(error.to_string()))?;
    let token = text.trim();
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token.to_owned()),
        false => Err(told("holds no token: one word on one line".into())),
    }
}
