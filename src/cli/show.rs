//! `byway show`: asks a running byway and prints its answer as a table or as JSON.

use super::args::{ShowArgs, ShowWhat};
use super::client::Client;
use super::command::{fail, tell, tell_json};
use super::text::TextTable;
use crate::control::ask::{Ask, SESSIONS_PER_REPLY_MAX, SessionsAsk};
use serde_json::{Value, json};
use std::process::ExitCode;

/// A column: its head, and where its cell lies in a row (JSON pointer).
type Column = (&'static str, &'static str);

const APPS: &[Column] = &[
    ("app", "/id"),
    ("zone", "/zone"),
    ("protocol", "/protocol"),
    ("name", "/dns"),
    ("edge", "/edge_ips"),
    ("origin", "/origins"),
    ("state", "/state"),
    ("sessions", "/connections"),
    ("bytes in", "/bytes_in"),
    ("bytes out", "/bytes_out"),
    ("refused", "/refused"),
    ("why", "/reasons"),
];
const ORIGINS: &[Column] = &[
    ("app", "/app"),
    ("name", "/name"),
    ("origin", "/origin"),
    ("priority", "/priority"),
    ("state", "/state"),
    ("last probe", "/probe"),
    ("rtt us", "/rtt_us"),
    ("answer", "/answer"),
    ("age s", "/age_s"),
    ("why", "/error"),
];
const SESSIONS: &[Column] = &[
    ("worker", "/worker"),
    ("phase", "/phase"),
    ("app", "/app"),
    ("client", "/client"),
    ("edge", "/edge"),
    ("egress", "/egress"),
    ("origin", "/origin"),
    ("from client", "/client_bytes"),
    ("from origin", "/origin_bytes"),
    ("age s", "/age_s"),
];
const COUNTERS: &[Column] = &[("name", "/name"), ("labels", "/labels"), ("value", "/value")];
const PORTS: &[Column] = &[
    ("port", "/name"),
    ("driver", "/driver"),
    ("mac", "/mac"),
    ("link", "/link"),
    ("mtu", "/mtu"),
    ("queues", "/queues"),
    ("rss", "/rss"),
    ("in software", "/software"),
    ("rx", "/stats/rx_frames"),
    ("tx", "/stats/tx_frames"),
    ("rx lost", "/stats/rx_lost"),
    ("rx errors", "/stats/rx_errors"),
    ("tx errors", "/stats/tx_errors"),
];
const WORKERS: &[Column] = &[
    ("worker", "/worker"),
    ("busy %", "/busy_percent"),
    ("hot", "/hot"),
    ("sessions", "/sessions"),
    ("spliced", "/spliced"),
    ("udp", "/udp_sessions"),
    ("received", "/received"),
    ("handed over", "/handed_over"),
    ("naps", "/naps"),
    ("interrupt waits", "/interrupt_waits"),
    ("epoch", "/epoch"),
];
const NEIGHBORS: &[Column] =
    &[("address", "/address"), ("mac", "/mac"), ("port", "/port"), ("state", "/state")];

const RULES: &[Column] = &[
    ("scope", "/scope"),
    ("mode", "/mode"),
    ("target", "/target"),
    ("value", "/value"),
    ("state", "/state"),
    ("from", "/from"),
    ("id", "/id"),
    ("notes", "/notes"),
];

/// Access rules as a table.
pub fn rule_table(list: &Value) -> String {
    rows(RULES, list)
}

/// Asks and prints.
pub fn run(args: &ShowArgs) -> ExitCode {
    let answer = Client::connect(&args.socket.socket).and_then(|mut client| ask(&mut client, args.what));
    match answer {
        Ok(value) if args.json => tell_json(&value),
        Ok(value) => tell(shown(args.what, &value)),
        Err(why) => fail(why),
    }
}

fn ask(client: &mut Client, what: ShowWhat) -> Result<Value, String> {
    match what {
        ShowWhat::Apps => client.ask(&Ask::Apps),
        ShowWhat::Origins => client.ask(&Ask::Origins),
        ShowWhat::Sessions => all_sessions(client),
        ShowWhat::Counters => client.ask(&Ask::Counters),
        ShowWhat::Ports => client.ask(&Ask::Ports),
        ShowWhat::Neighbors => client.ask(&Ask::Neighbors),
        ShowWhat::Workers => client.ask(&Ask::Workers),
        ShowWhat::Status => client.ask(&Ask::Status),
    }
}

/// All pages of sessions as one answer.
fn all_sessions(client: &mut Client) -> Result<Value, String> {
    let mut page = SessionsAsk { worker: 0, cursor: 0, limit: SESSIONS_PER_REPLY_MAX };
    let mut sessions = Vec::new();
    loop {
        let mut reply = client.ask(&Ask::Sessions(page))?;
        if let Value::Array(rows) = reply["sessions"].take() {
            sessions.extend(rows);
        }
        let next: Option<(u8, u32)> = serde_json::from_value(reply["next"].take()).unwrap_or(None);
        match next {
            Some(next) => (page.worker, page.cursor) = next,
            None => return Ok(json!({ "ok": true, "sessions": sessions })),
        }
    }
}

fn shown(what: ShowWhat, value: &Value) -> String {
    match what {
        ShowWhat::Apps => app_table(&value["apps"]),
        ShowWhat::Origins => rows(ORIGINS, &value["origins"]),
        ShowWhat::Sessions => rows(SESSIONS, &value["sessions"]),
        ShowWhat::Counters => rows(COUNTERS, &value["counters"]),
        ShowWhat::Ports => rows(PORTS, &value["ports"]),
        ShowWhat::Neighbors => rows(NEIGHBORS, &value["neighbors"]),
        ShowWhat::Workers => rows(WORKERS, &value["workers"]),
        ShowWhat::Status => fields(value),
    }
}

/// Apps as a table; columns of counters are left out where the rows have none (`byway check`).
pub fn app_table(apps: &Value) -> String {
    let counted = apps.pointer("/0/connections").is_some();
    let columns: Vec<Column> = APPS
        .iter()
        .filter(|(_, pointer)| {
            counted || !["/connections", "/bytes_in", "/bytes_out", "/refused"].contains(pointer)
        })
        .copied()
        .collect();
    rows(&columns, apps)
}

fn rows(columns: &[Column], rows: &Value) -> String {
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let mut table = TextTable::new(&heads);
    for row in rows.as_array().into_iter().flatten() {
        table.row(columns.iter().map(|(_, pointer)| row.pointer(pointer).map_or("-".into(), cell)));
    }
    table.text()
}

/// The fields of an object, one a line.
pub fn fields(value: &Value) -> String {
    let mut table = TextTable::new(&["", ""]);
    for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| *name != "ok") {
        table.row([name.clone(), cell(value)]);
    }
    table.text().trim_start_matches('\n').to_owned()
}

/// A value as one cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "-".into(),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(map) if map.is_empty() => "-".into(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.into(),
        Value::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_aligned_cells_and_gaps_a_dash() {
        let value = json!({ "neighbors": [
            { "address": "10.0.0.2", "mac": "02:00:00:00:00:02", "port": "north", "state": "reachable" },
            { "address": "10.0.0.3", "mac": null, "port": "north", "state": "incomplete" },
        ] });
        let text = shown(ShowWhat::Neighbors, &value);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "address   mac                port   state");
        assert_eq!(lines[2], "10.0.0.3  -                  north  incomplete");
    }

    #[test]
    fn labels_and_lists_are_told_in_words() {
        assert_eq!(cell(&json!({ "worker": "0", "reason": "land" })), "worker=0 reason=land");
        assert_eq!(cell(&json!(["a", "b"])), "a, b");
        assert_eq!(cell(&json!([])), "-");
    }
}
