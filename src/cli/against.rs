//! `byway check FILE --against running`: what a table file would add, change and remove of the table in force, field by
//! field, and whose sessions would end.

use super::client::Client;
use crate::base::{Addr, Endpoint};
use crate::control::ask::{Ask, RulesPage, SESSIONS_PER_REPLY_MAX, SessionsAsk};
use crate::control::{Loaded, rule_value, table_rows};
use crate::firewall::Judgement;
use crate::snapshot::Snapshot;
use crate::wire::Protocol;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// How often pages are asked for anew where the table changes in between.
const TRIES: usize = 5;
/// Fields that no operator writes.
const STAMPS: [&str; 2] = ["created_on", "modified_on"];

/// Entities by kind and name.
type Table = BTreeMap<(String, String), Map<String, Value>>;

/// What a file would bring about.
pub struct Against {
    changes: Vec<Value>,
    ending: Vec<Value>,
    /// Seconds that a trial has left, where what runs is on trial.
    trial_left_s: Option<u64>,
}

/// Holds a file's table against the one in force.
///
/// # Errors
/// One line.
pub fn against(socket: &Path, loaded: &Loaded) -> Result<Against, String> {
    let mut client = Client::connect(socket)?;
    let running = running(&mut client)?;
    let next = of_file(loaded);
    let ending = ending(&mut client, &loaded.compiled.snapshot)?;
    let trial_left_s = client.ask(&Ask::Status)?["trial_seconds_left"].as_u64();
    Ok(Against { changes: changes(&running, &next), ending, trial_left_s })
}

fn running(client: &mut Client) -> Result<Table, String> {
    for _ in 0..TRIES {
        let (mut table, first) = (Table::new(), client.ask(&Ask::Status)?["epoch"].clone());
        pages(client, Ask::Tables, "rows", |row| {
            let (kind, value) = (row["kind"].as_str().unwrap_or_default(), &row["value"]);
            put(&mut table, kind, value);
        })?;
        pages(client, Ask::Rules, "rules", |row| put(&mut table, "rule", &rule_of(&row)))?;
        if client.ask(&Ask::Status)?["epoch"] == first {
            return Ok(table);
        }
    }
    Err("the table in force changes all the time: try again".into())
}

/// All pages of a list.
fn pages(
    client: &mut Client,
    ask: impl Fn(RulesPage) -> Ask,
    list: &str,
    mut take: impl FnMut(Value),
) -> Result<(), String> {
    let mut page = RulesPage { cursor: 0, limit: SESSIONS_PER_REPLY_MAX };
    loop {
        let mut reply = client.ask(&ask(page))?;
        if let Value::Array(rows) = reply[list].take() {
            rows.into_iter().for_each(&mut take);
        }
        match reply["next"].as_u64().and_then(|next| u32::try_from(next).ok()) {
            Some(next) if next > page.cursor => page.cursor = next,
            Some(_) | None => return Ok(()),
        }
    }
}

/// A rule's row without what is not the rule's own.
fn rule_of(row: &Value) -> Value {
    let keys = ["scope", "target", "value", "mode", "notes", "id"];
    keys.iter().map(|key| ((*key).to_owned(), row[*key].clone())).collect::<Map<_, _>>().into()
}

fn of_file(loaded: &Loaded) -> Table {
    let mut table = Table::new();
    let (_, rows) = table_rows(&loaded.spec, 0, usize::MAX);
    for row in rows {
        put(&mut table, row["kind"].as_str().unwrap_or_default(), &row["value"]);
    }
    for (kind, id, rules) in loaded.spec.scopes() {
        rules.iter().for_each(|rule| put(&mut table, "rule", &rule_value((kind, id), rule)));
    }
    table
}

fn put(table: &mut Table, kind: &str, value: &Value) {
    let word = |key: &str| value[key].as_str().unwrap_or("-");
    let name = match kind {
        "prefix" => word("cidr").to_owned(),
        "rule" => format!("{} {} of {}", word("target"), word("value"), word("scope")),
        _ => word("id").to_owned(),
    };
    let mut fields = value.as_object().cloned().unwrap_or_default();
    fields.retain(|key, value| !value.is_null() && !STAMPS.contains(&key.as_str()));
    table.insert((kind.to_owned(), name), fields);
}

fn changes(running: &Table, next: &Table) -> Vec<Value> {
    let keys: BTreeSet<_> = running.keys().chain(next.keys()).collect();
    let change = |key: &(String, String)| {
        let (before, after) = (running.get(key), next.get(key));
        let (what, differs) = match (before, after) {
            (Some(before), Some(after)) if before == after => return None,
            (Some(before), Some(after)) => ("changed", differs(before, after)),
            (None, _) => ("added", Value::Null),
            (Some(_), None) => ("removed", Value::Null),
        };
        Some(json!({ "kind": key.0, "name": key.1, "what": what, "fields": differs }))
    };
    keys.into_iter().filter_map(change).collect()
}

/// Fields that differ, before and after.
fn differs(before: &Map<String, Value>, after: &Map<String, Value>) -> Value {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let pair = |key: &String| json!({ "field": key, "before": before.get(key), "after": after.get(key) });
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).map(pair).collect()
}

/// Live sessions that would not stand under the new table, by app and reason.
fn ending(client: &mut Client, next: &Snapshot) -> Result<Vec<Value>, String> {
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let mut page = SessionsAsk { worker: 0, cursor: 0, limit: SESSIONS_PER_REPLY_MAX };
    loop {
        let mut reply = client.ask(&Ask::Sessions(page))?;
        for row in reply["sessions"].as_array().into_iter().flatten() {
            if let Some(why) = why_ended(row, next) {
                let app = row["app"].as_str().unwrap_or("-").to_owned();
                *counts.entry((app, why)).or_default() += 1;
            }
        }
        match serde_json::from_value::<Option<(u8, u32)>>(reply["next"].take()).unwrap_or(None) {
            Some(next) => (page.worker, page.cursor) = next,
            None => break,
        }
    }
    let row = |((app, why), sessions)| json!({ "app": app, "sessions": sessions, "why": why });
    Ok(counts.into_iter().map(row).collect())
}

/// Why a session ends under a table, as workers judge it; `None`: it stands.
fn why_ended(row: &Value, next: &Snapshot) -> Option<&'static str> {
    let end =
        |key: &str| row[key].as_str().and_then(|text| text.parse::<SocketAddr>().ok()).map(Endpoint::from);
    let (client, edge) = (end("client")?, end("edge")?);
    let protocol = if row["protocol"] == "udp" { Protocol::Udp } else { Protocol::Tcp };
    let slot = next.table.find(edge.addr, protocol, edge.port).ok();
    let app = slot.and_then(|slot| next.table.app(slot)).filter(|app| row["app"] == app.id.as_str());
    let from: Addr = client.addr;
    match app.map(|app| next.judge(app, from)) {
        None => Some("its app goes or leaves the address: drains, then is reset"),
        Some(Judgement::Block(_)) => Some("a rule blocks its client: ends at once"),
        Some(Judgement::Pass(_)) => None,
    }
}

impl Against {
    /// For programs.
    pub fn json(&self) -> Value {
        let sum: u64 = self.ending.iter().filter_map(|row| row["sessions"].as_u64()).sum();
        json!({
            "changes": self.changes,
            "ending": self.ending,
            "sessions_ending": sum,
            "trial_seconds_left": self.trial_left_s,
        })
    }

    /// For people: a line a change, its fields below it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        if let Some(left_s) = self.trial_left_s {
            let _ = writeln!(text, "what is in force is on trial, and goes by itself in {left_s} s");
        }
        for change in &self.changes {
            let word = |key: &str| change[key].as_str().unwrap_or("?").to_owned();
            let sign = match word("what").as_str() {
                "added" => '+',
                "removed" => '-',
                _ => '~',
            };
            let _ = writeln!(text, "{sign} {} {}", word("kind"), word("name"));
            for field in change["fields"].as_array().into_iter().flatten() {
                let name = field["field"].as_str().unwrap_or("?");
                let _ = writeln!(text, "    {name}: {} -> {}", field["before"], field["after"]);
            }
        }
        if self.changes.is_empty() {
            let _ = writeln!(text, "nothing would change");
        }
        for row in &self.ending {
            let word = |key: &str| row[key].as_str().unwrap_or("?").to_owned();
            let _ = writeln!(text, "{} session(s) of app {}: {}", row["sessions"], word("app"), word("why"));
        }
        if self.ending.is_empty() {
            let _ = writeln!(text, "no session would end");
        }
        text
    }
}
