//! `byway admin history` and `byway admin rollback`, over the admin socket.

use super::args::{AdminHistoryArgs, AdminRollbackArgs};
use super::ask::{ask, result};
use crate::cli::command::{fail, tell, tell_json};
use crate::cli::text::TextTable;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Prints who changed what.
pub fn history(args: &AdminHistoryArgs) -> ExitCode {
    let before = args.before.map(|before| format!("&before={before}")).unwrap_or_default();
    // The table counts alone.
    let path = format!("/byway/history?limit={}&details={}{before}", args.limit, args.json);
    match ask(&args.socket, "GET", &path, None).and_then(result) {
        Ok((versions, _)) if args.json => tell_json(&versions),
        Ok((versions, _)) => tell(history_table(&versions)),
        Err(why) => fail(why),
    }
}

fn history_table(versions: &Value) -> String {
    let mut table = TextTable::new(&["version", "when", "who", "what", "changes"]);
    for version in versions.as_array().into_iter().flatten() {
        let word = |key: &str| version[key].as_str().unwrap_or("-").to_owned();
        let number = version["version"].as_u64().unwrap_or(0);
        let on_trial = if version["on_trial"] == Value::Bool(true) { " on trial" } else { "" };
        table.row([
            format!("{number}{on_trial}"),
            word("when"),
            word("actor"),
            word("action"),
            changes(version),
        ]);
    }
    table.text()
}

/// `+2 app, ~1 zone, -1 rule`: made, changed and removed, by kind, and how many the log does not tell of any more.
fn changes(version: &Value) -> String {
    let words = version["counts"].as_array().into_iter().flatten().map(|told| {
        let sign = match told["verb"].as_str() {
            Some("add") => "+",
            Some("delete") => "-",
            Some(_) | None => "~",
        };
        format!("{sign}{} {}", told["count"], told["kind"].as_str().unwrap_or("?"))
    });
    let forgotten = version["forgotten"].as_u64().filter(|count| *count > 0);
    let forgotten = forgotten.map(|count| format!("{count} not kept any more"));
    words.chain(forgotten).collect::<Vec<_>>().join(", ")
}

/// Goes back, or says what that would change.
pub fn roll_back(args: &AdminRollbackArgs) -> ExitCode {
    let path = format!("/byway/rollback?dry_run={}", args.dry_run);
    let body = json!({ "version": args.version, "confirm_within": args.confirm_within }).to_string();
    match ask(&args.socket, "POST", &path, Some(body)).and_then(result) {
        Ok((answer, messages)) => {
            let verb = if args.dry_run { "would be taken back" } else { "are taken back" };
            let mut lines = messages;
            lines.push(format!(
                "{} change(s) {verb}: everything but users, tokens and letters is as it was after version {}",
                answer["changes"], args.version
            ));
            tell(lines.join("\n"))
        }
        Err(why) => fail(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_line_with_what_it_changed_by_kind() {
        let count = |kind: &str, verb: &str, count: u64| json!({"kind": kind, "verb": verb, "count": count});
        let versions = json!([{
            "version": 7, "when": "2026-01-02T03:04:05.000000Z", "actor": "token t", "action": "DELETE /zones/z",
            "counts": [count("app", "delete", 2), count("rule", "add", 1), count("zone", "change", 1)],
            "forgotten": 3,
        }]);
        let text = history_table(&versions);
        assert!(
            text.ends_with(
                "7  2026-01-02T03:04:05.000000Z  token t  DELETE /zones/z  -2 app, +1 rule, ~1 zone, 3 not kept any more"
            ),
            "{text}"
        );
    }
}
