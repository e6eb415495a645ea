//! `byway admin`: the first user and token, calls over the admin socket, copies of the store.

use super::args::{AdminBackupArgs, AdminCallArgs, AdminCommand, AdminInitArgs, AdminPrefixCommand};
use super::check::boot_spec;
use super::command::{fail, tell, tell_json};
use super::estate;
use crate::api::{Secret, TokenText, new_id};
use crate::base::OsClock;
use crate::control::config::boot::ApiSpec;
use crate::estate::{Account, Change, Grant, Stamp, Token, User};
use crate::vault::Vault;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use nix::unistd::{Uid, chown};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an answer may take: longer than the API itself waits.
const PATIENCE: Duration = Duration::from_secs(90);

/// Does it.
pub fn run(command: &AdminCommand) -> ExitCode {
    match command {
        AdminCommand::Init(args) => match init(args) {
            Ok(words) => tell_json(&words),
            Err(why) => fail(why),
        },
        AdminCommand::Call(args) => call(args),
        AdminCommand::Prefix(command) => prefix(command),
        AdminCommand::Backup(args) => match backup(args) {
            Ok(()) => tell(format_args!("{} is a copy of the store", args.to.display())),
            Err(why) => fail(why),
        },
    }
}

fn api_of(config: &Path) -> Result<ApiSpec, String> {
    boot_spec(config)?.api.ok_or_else(|| format!("{}: [api] names no store", config.display()))
}

/// Makes user, account and root token, in one change; the token is out before it is worth anything.
fn init(args: &AdminInitArgs) -> Result<Value, String> {
    let api = api_of(&args.config)?;
    let Some(at) = args.email.find('@').filter(|at| *at > 0) else {
        return Err(format!("{} is no address of a user: write one such as root@example.com", args.email));
    };
    if args.email.len() > 254
        || args.email[at + 1..].is_empty()
        || !args.email.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err("an address of a user has up to 254 plain letters around its @".into());
    }
    let mut vault = estate::vault(&api.store)?;
    if !vault.load().map_err(|error| error.to_string())?.is_empty() {
        return Err(format!("{}: holds something already; nothing was changed", api.store.display()));
    }
    let now = Stamp(OsClock::unix_micros());
    let text = TokenText { id: new_id()?, secret: Secret::draw()? };
    let user = User { id: new_id()?, email: args.email.clone(), key_hash: None, created_on: now };
    let account = Account { id: new_id()?, name: args.account.clone(), owner: user.id, created_on: now };
    let token = Token {
        id: text.id,
        name: "root".into(),
        user: user.id,
        hash: text.secret.hash(&vault.hash_key()),
        grants: Grant::everything(),
        enabled: true,
        issued_on: now,
        modified_on: now,
        expires_on: None,
    };
    let words = json!({ "user_id": user.id.to_string(), "account_id": account.id.to_string(), "token_id": text.id.to_string() });
    let mut change = Change::default();
    change.make(user);
    change.make(account);
    change.make(token);
    hand_out(&text.text(), args.token_file.as_deref())?;
    let who = format!("local user {}", Uid::current());
    let entry = crate::api::entry(who, "byway admin init".into(), &change, now);
    let kept = vault.commit(&entry).map_err(|error| error.to_string());
    if kept.is_err()
        && let Some(path) = &args.token_file
    {
        let _ = std::fs::remove_file(path);
    }
    kept?;
    hand_over(&api.store);
    Ok(words)
}

/// Root's new file in a folder of the user that byway becomes is that user's.
fn hand_over(store: &Path) {
    let Some(folder) = store.parent().and_then(|folder| std::fs::metadata(folder).ok()) else { return };
    if Uid::effective().is_root() {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = store.as_os_str().to_owned();
            path.push(suffix);
            // `run` gives it away once more, and says where that fails.
            let _ = chown(Path::new(&path), Some(folder.uid().into()), Some(folder.gid().into()));
        }
    }
}

/// Writes the token where only its owner reads it.
fn hand_out(token: &str, file: Option<&Path>) -> Result<(), String> {
    let Some(path) = file else {
        let mut terminal = std::io::stderr();
        if !terminal.is_terminal() {
            return Err("standard error is no terminal: name a --token-file, which only you can read".into());
        }
        return writeln!(terminal, "{token}").map_err(|error| error.to_string());
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| writeln!(file, "{token}").and_then(|()| file.sync_all()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

fn backup(args: &AdminBackupArgs) -> Result<(), String> {
    let api = api_of(&args.config)?;
    if !api.store.exists() {
        return Err(format!("{}: is not there", api.store.display()));
    }
    let to = std::path::absolute(&args.to).map_err(|error| format!("{}: {error}", args.to.display()))?;
    if api.socket.exists() {
        let body = json!({ "to": to }).to_string();
        if let Ok((status, answer)) = ask(&api.socket, "POST", "/byway/backup", Some(body)) {
            return if status.is_success() { Ok(()) } else { Err(first_error(&answer)) };
        }
    }
    let mut vault = estate::vault(&api.store)?;
    vault.backup(&to).map_err(|error| error.to_string())
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

fn answered(answer: Result<(StatusCode, Value), String>) -> ExitCode {
    match answer {
        Ok((status, answer)) => match (tell_json(&answer), status.is_success()) {
            (code, true) => code,
            (_, false) => fail(first_error(&answer)),
        },
        Err(why) => fail(why),
    }
}

fn first_error(answer: &Value) -> String {
    let error = &answer["errors"][0];
    match (error["message"].as_str(), error["code"].as_u64()) {
        (Some(message), Some(code)) => format!("{message} ({code})"),
        (_, _) => "the answer says no error".into(),
    }
}

/// One request over the admin socket.
///
/// # Errors
/// One line; nobody is known to have answered.
fn ask(socket: &Path, method: &str, path: &str, body: Option<String>) -> Result<(StatusCode, Value), String> {
    let method: Method = method.parse().map_err(|_| format!("{method} is no method"))?;
    let request = Request::builder()
        .method(method)
        .uri(format!("/client/v4{path}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())));
    let request = request.map_err(|error| format!("{path}: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let told = |why: String| format!("{}: {why}", socket.display());
    let answered = runtime.block_on(async {
        let exchange = async {
            let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
            let shaken = http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok::<_, String>((status, bytes))
        };
        timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("no answer in time".into()))
    });
    let (status, bytes) = answered.map_err(told)?;
    let answer =
        serde_json::from_slice(&bytes).map_err(|error| told(format!("the answer is not JSON: {error}")))?;
    Ok((status, answer))
}
