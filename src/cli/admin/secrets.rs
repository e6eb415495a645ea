//! `byway admin token` and `byway admin key`, over the admin socket: what users open the API with.

use super::args::{AdminKeyCommand, AdminTokenCommand, AdminTokenCreateArgs};
use super::ask::{ask, result};
use super::hand_out::Outlet;
use crate::cli::command::{fail, tell, tell_json};
use crate::cli::text::TextTable;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Does it to tokens.
pub fn token(command: &AdminTokenCommand) -> ExitCode {
    match command {
        AdminTokenCommand::List { user, json, socket } => list((user.as_deref(), *json), socket),
        AdminTokenCommand::Create(args) => said(create(args)),
        AdminTokenCommand::Roll { id, token_file, socket } => {
            said(roll_token(socket, id, token_file.as_deref()))
        }
        AdminTokenCommand::Revoke { id, socket } => said(revoke_token(socket, id)),
    }
}

/// Does it to keys.
pub fn key(command: &AdminKeyCommand) -> ExitCode {
    said(match command {
        AdminKeyCommand::Roll { user, key_file, socket } => roll_key(socket, user, key_file.as_deref()),
        AdminKeyCommand::Revoke { user, socket } => revoke_key(socket, user),
    })
}

fn said(answer: Result<Value, String>) -> ExitCode {
    match answer {
        Ok(answer) => tell_json(&answer),
        Err(why) => fail(why),
    }
}

/// `result` of one request.
fn call(socket: &Path, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
    let body = body.map(|body| body.to_string());
    ask(socket, method, path, body).and_then(result).map(|(answer, _)| answer)
}

fn list((user, as_json): (Option<&str>, bool), socket: &Path) -> ExitCode {
    match tokens(socket, user) {
        Ok(tokens) if as_json => tell_json(&Value::Array(tokens)),
        Ok(tokens) => tell(token_table(&tokens)),
        Err(why) => fail(why),
    }
}

fn token_table(tokens: &[Value]) -> String {
    let mut table = TextTable::new(&["id", "name", "user", "status", "issued", "expires", "last used"]);
    for token in tokens {
        let word = |key: &str| token[key].as_str().unwrap_or("-").to_owned();
        let keys = ["id", "name", "user", "status", "issued_on", "expires_on", "last_used_on"];
        table.row(keys.map(word));
    }
    table.text()
}

/// Tokens of a user, or of all, each with its user's address as `user`.
fn tokens(socket: &Path, user: Option<&str>) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    for user in users(socket, user)? {
        let answer = call(socket, "GET", &format!("/byway/users/{}/tokens", id_of(&user)?), None)?;
        for token in answer.as_array().into_iter().flatten() {
            let mut token = token.clone();
            token["user"] = user["email"].clone();
            token["user_id"] = user["id"].clone();
            all.push(token);
        }
    }
    Ok(all)
}

/// Those users that `wanted` names by address or id; all where nothing is named.
fn users(socket: &Path, wanted: Option<&str>) -> Result<Vec<Value>, String> {
    let Value::Array(all) = call(socket, "GET", "/byway/users", None)? else {
        return Err("the answer is no list of users".into());
    };
    let Some(wanted) = wanted else { return Ok(all) };
    let is_it = |user: &Value| {
        let email = user["email"].as_str().unwrap_or_default();
        user["id"] == wanted || email.eq_ignore_ascii_case(wanted)
    };
    let found: Vec<Value> = all.into_iter().filter(is_it).collect();
    match found.is_empty() {
        true => Err(format!("no user has the address or id {wanted}")),
        false => Ok(found),
    }
}

fn user_id(socket: &Path, wanted: &str) -> Result<String, String> {
    users(socket, Some(wanted))?.first().map_or_else(|| Err("there is no such user".into()), id_of)
}

fn id_of(entity: &Value) -> Result<String, String> {
    entity["id"].as_str().map(str::to_owned).ok_or_else(|| "the answer names no id".into())
}

/// The path of a token, whoever's it is.
fn path_of(socket: &Path, id: &str) -> Result<String, String> {
    let all = tokens(socket, None)?;
    let token = all.iter().find(|token| token["id"] == id);
    let token = token.ok_or_else(|| format!("no user has a token with the id {id}"))?;
    let user = token["user_id"].as_str().ok_or("the answer names no user")?;
    Ok(format!("/byway/users/{user}/tokens/{id}"))
}

fn create(args: &AdminTokenCreateArgs) -> Result<Value, String> {
    let socket = &args.socket;
    let user = user_id(socket, &args.user)?;
    let policies = match &args.policies {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => everything(&call(socket, "GET", "/user/tokens/permission_groups", None)?),
    };
    let mut body = json!({ "name": args.name, "policies": policies });
    if let Some(until) = &args.expires_on {
        body["expires_on"] = until.as_str().into();
    }
    let mut outlet = Outlet::open(args.token_file.as_deref(), "--token-file")?;
    let mut made = call(socket, "POST", &format!("/byway/users/{user}/tokens"), Some(body))?;
    let value = made["value"].take();
    let id = id_of(&made)?;
    let written = value.as_str().ok_or("the answer has no token".to_owned());
    if let Err(why) = written.and_then(|value| outlet.write(value)) {
        // Nobody has it.
        let taken = call(socket, "DELETE", &format!("/byway/users/{user}/tokens/{id}"), None);
        let rest =
            taken.map_or_else(|error| format!("revoke {id} by hand: {error}"), |_| "it was revoked".into());
        return Err(format!("{why}; {rest}"));
    }
    Ok(json!({ "user_id": user, "token_id": id, "name": made["name"], "expires_on": made["expires_on"] }))
}

/// Every group for writing, over the whole box.
fn everything(groups: &Value) -> Value {
    let writes = groups.as_array().into_iter().flatten();
    let writes = writes.filter(|group| group["name"].as_str().is_some_and(|name| name.ends_with(" Write")));
    let ids: Vec<Value> = writes.map(|group| json!({ "id": group["id"] })).collect();
    json!([{
        "effect": "allow",
        "permission_groups": ids,
        "resources": { "com.cloudflare.api.account.*": "*" },
    }])
}

fn roll_token(socket: &Path, id: &str, file: Option<&Path>) -> Result<Value, String> {
    let path = path_of(socket, id)?;
    let mut outlet = Outlet::open(file, "--token-file")?;
    let value = call(socket, "PUT", &format!("{path}/value"), None)?;
    let written = value.as_str().ok_or("the answer has no token".to_owned());
    written.and_then(|value| outlet.write(value)).map_err(lost)?;
    Ok(json!({ "token_id": id }))
}

/// What to say where nobody has the new secret.
fn lost(why: String) -> String {
    format!("{why}; the old one is worth nothing any more and the new one is lost: roll it again")
}

fn revoke_token(socket: &Path, id: &str) -> Result<Value, String> {
    call(socket, "DELETE", &path_of(socket, id)?, None)
}

fn roll_key(socket: &Path, user: &str, file: Option<&Path>) -> Result<Value, String> {
    let user = user_id(socket, user)?;
    let mut outlet = Outlet::open(file, "--key-file")?;
    let answer = call(socket, "PUT", &format!("/byway/users/{user}/key"), None)?;
    let written = answer["key"].as_str().ok_or("the answer has no key".to_owned());
    written.and_then(|key| outlet.write(key)).map_err(lost)?;
    Ok(json!({ "user_id": user, "email": answer["email"] }))
}

fn revoke_key(socket: &Path, user: &str) -> Result<Value, String> {
    let user = user_id(socket, user)?;
    call(socket, "DELETE", &format!("/byway/users/{user}/key"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_token_has_every_group_for_writing_and_no_other() {
        let groups = json!([
            { "id": "1", "name": "DNS Read" }, { "id": "2", "name": "DNS Write" }, { "id": "3", "name": "Zone Write" },
        ]);
        let policies = everything(&groups);
        assert_eq!(policies[0]["permission_groups"], json!([{ "id": "2" }, { "id": "3" }]));
    }

    #[test]
    fn a_token_is_a_line_with_whose_it_is() {
        let tokens = [json!({
            "id": "0a", "name": "ci", "user": "ops@example.net", "status": "active", "issued_on": "2026-01-02T03:04:05.000000Z",
        })];
        let text = token_table(&tokens);
        let row: Vec<&str> = text.lines().last().expect("a row").split_whitespace().collect();
        assert_eq!(row, ["0a", "ci", "ops@example.net", "active", "2026-01-02T03:04:05.000000Z", "-", "-"]);
    }
}
