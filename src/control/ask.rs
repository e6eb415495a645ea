//! What the local socket may be asked: one JSON object a line, `{"ask": "sessions", "limit": 100}`. Anything else is
//! refused with the reason, and nothing is guessed.

use super::rule_journal::{change_json, read_change};
use crate::base::{Endpoint, TRIAL_S_MAX};
use crate::snapshot::RuleChange;
use crate::wire::Protocol;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Sessions in one reply at most.
pub const SESSIONS_PER_REPLY_MAX: u32 = 1_000;

/// One question.
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// Apps in force and not in force.
    Apps,
    /// Origins of apps in force: where they come from and how they stand.
    Origins,
    /// A page of live sessions.
    Sessions(SessionsAsk),
    /// Counters and gauges that are not zero.
    Counters,
    /// Ports with report, link and frames.
    Ports,
    /// The neighbour table.
    Neighbors,
    /// How busy each worker is, and what it holds.
    Workers,
    /// What a packet would get.
    Where(WhereAsk),
    /// A page of access rules.
    Rules(RulesPage),
    /// Put rules in force or take them away, one by one.
    ChangeRules(Vec<RuleChange>),
    /// A page of prefixes and apps, as a table file has them.
    Tables(RulesPage),
    /// Put a table file in force on trial.
    Apply(ApplyAsk),
    /// What is on trial.
    Trial,
    /// Keep what is on trial: the table file has it by now.
    Confirm,
    /// End the trial: the table file counts again.
    Revert,
    /// Read the table file now.
    Reload,
    /// Epoch, config, readiness.
    Status,
}

/// Which page of sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsAsk {
    /// The worker to start with.
    #[serde(default)]
    pub worker: u8,
    /// The slot to start with.
    #[serde(default)]
    pub cursor: u32,
    /// Sessions wanted at most.
    #[serde(default = "all_that_fit")]
    pub limit: u32,
}

/// Which page of access rules, or of prefixes and apps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesPage {
    /// The row to start with, counted over all scopes.
    #[serde(default)]
    pub cursor: u32,
    /// Rows wanted at most.
    #[serde(default = "all_that_fit")]
    pub limit: u32,
}

const fn all_that_fit() -> u32 {
    SESSIONS_PER_REPLY_MAX
}

/// A table file, and how long it has to be confirmed.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyAsk {
    /// The file, from the root.
    pub file: PathBuf,
    /// Seconds.
    pub within_s: u32,
}

/// A packet that might come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WhereAsk {
    /// Who would send it.
    pub from: Endpoint,
    /// Where it would go.
    pub to: Endpoint,
    /// With which protocol.
    pub protocol: Protocol,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWhere {
    from: SocketAddr,
    to: SocketAddr,
    #[serde(default = "tcp")]
    protocol: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChanges {
    changes: Vec<Value>,
}

fn tcp() -> String {
    "tcp".into()
}

impl Ask {
    /// Reads one request line.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(mut fields) = value else { return Err("a request is a JSON object".into()) };
        let Some(Value::String(name)) = fields.remove("ask") else {
            return Err("`ask` is missing or not a string".into());
        };
        match name.as_str() {
            "apps" => rest(fields).map(|Nothing {}| Self::Apps),
            "origins" => rest(fields).map(|Nothing {}| Self::Origins),
            "sessions" => rest(fields).and_then(sessions),
            "counters" => rest(fields).map(|Nothing {}| Self::Counters),
            "ports" => rest(fields).map(|Nothing {}| Self::Ports),
            "neighbors" => rest(fields).map(|Nothing {}| Self::Neighbors),
            "workers" => rest(fields).map(|Nothing {}| Self::Workers),
            "where" => rest(fields).and_then(whereabouts),
            "rules" => rest(fields).and_then(rows_page).map(Self::Rules),
            "change_rules" => rest(fields).and_then(change_rules),
            "tables" => rest(fields).and_then(rows_page).map(Self::Tables),
            "apply" => rest(fields).and_then(apply),
            "trial" => rest(fields).map(|Nothing {}| Self::Trial),
            "confirm" => rest(fields).map(|Nothing {}| Self::Confirm),
            "revert" => rest(fields).map(|Nothing {}| Self::Revert),
            "reload" => rest(fields).map(|Nothing {}| Self::Reload),
            "status" => rest(fields).map(|Nothing {}| Self::Status),
            other => Err(format!("no such request: \"{}\"", other.escape_debug())),
        }
    }

    /// The request line, without its end.
    pub fn to_line(&self) -> String {
        let bare = |name: &str| json!({ "ask": name });
        let line = match self {
            Self::Apps => bare("apps"),
            Self::Origins => bare("origins"),
            Self::Sessions(SessionsAsk { worker, cursor, limit }) => {
                json!({ "ask": "sessions", "worker": worker, "cursor": cursor, "limit": limit })
            }
            Self::Counters => bare("counters"),
            Self::Ports => bare("ports"),
            Self::Neighbors => bare("neighbors"),
            Self::Workers => bare("workers"),
            Self::Where(WhereAsk { from, to, protocol }) => {
                let (from, to) = (from.to_string(), to.to_string());
                json!({ "ask": "where", "from": from, "to": to, "protocol": protocol_name(*protocol) })
            }
            Self::Rules(RulesPage { cursor, limit }) => {
                json!({ "ask": "rules", "cursor": cursor, "limit": limit })
            }
            Self::ChangeRules(changes) => {
                json!({ "ask": "change_rules", "changes": changes.iter().map(change_json).collect::<Value>() })
            }
            Self::Tables(RulesPage { cursor, limit }) => {
                json!({ "ask": "tables", "cursor": cursor, "limit": limit })
            }
            Self::Apply(ApplyAsk { file, within_s }) => {
                json!({ "ask": "apply", "file": file, "within_s": within_s })
            }
            Self::Trial => bare("trial"),
            Self::Confirm => bare("confirm"),
            Self::Revert => bare("revert"),
            Self::Reload => bare("reload"),
            Self::Status => bare("status"),
        };
        line.to_string()
    }
}

/// The word for a protocol in requests and replies.
pub const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn rest<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

fn sessions(ask: SessionsAsk) -> Result<Ask, String> {
    if ask.limit == 0 || ask.limit > SESSIONS_PER_REPLY_MAX {
        return Err(format!("`limit` is a number from 1 to {SESSIONS_PER_REPLY_MAX}"));
    }
    Ok(Ask::Sessions(ask))
}

fn rows_page(page: RulesPage) -> Result<RulesPage, String> {
    if page.limit == 0 || page.limit > SESSIONS_PER_REPLY_MAX {
        return Err(format!("`limit` is a number from 1 to {SESSIONS_PER_REPLY_MAX}"));
    }
    Ok(page)
}

fn apply(ask: ApplyAsk) -> Result<Ask, String> {
    if ask.within_s == 0 || ask.within_s > TRIAL_S_MAX {
        return Err(format!("`within_s` is a number from 1 to {TRIAL_S_MAX}"));
    }
    if !ask.file.is_absolute() {
        return Err("`file` is a path from the root".into());
    }
    Ok(Ask::Apply(ask))
}

fn change_rules(raw: RawChanges) -> Result<Ask, String> {
    let numbered = raw.changes.iter().enumerate();
    let changes =
        numbered.map(|(at, value)| read_change(value).map_err(|why| format!("changes[{at}]: {why}")));
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    if changes.is_empty() { Err("`changes` is empty".into()) } else { Ok(Ask::ChangeRules(changes)) }
}

fn whereabouts(raw: RawWhere) -> Result<Ask, String> {
    let protocol = match raw.protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err("`protocol` is \"tcp\" or \"udp\"".into()),
    };
    if raw.from.is_ipv4() != raw.to.is_ipv4() {
        return Err("`from` and `to` are of different families".into());
    }
    Ok(Ask::Where(WhereAsk { from: raw.from.into(), to: raw.to.into(), protocol }))
}

/// A reply that says why there is none.
pub fn refusal(why: impl Into<String>) -> Value {
    json!({ "ok": false, "error": why.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Country};
    use crate::firewall::{Mode, RuleSpec, Target};
    use crate::snapshot::RuleScope;

    fn change(put: bool) -> RuleChange {
        let target = Target::Country(Country::TOR);
        let rule = put.then_some(RuleSpec { target, mode: Mode::Block, id: None, notes: None });
        RuleChange { scope: RuleScope::User, target, rule }
    }

    #[test]
    fn every_request_reads_back_from_its_line() {
        let end = |last: u8| Endpoint { addr: Addr::v4([192, 0, 2, last]), port: 80 };
        let all = [
            Ask::Apps,
            Ask::Origins,
            Ask::Sessions(SessionsAsk { worker: 1, cursor: 77, limit: 10 }),
            Ask::Counters,
            Ask::Ports,
            Ask::Neighbors,
            Ask::Workers,
            Ask::Where(WhereAsk { from: end(1), to: end(2), protocol: Protocol::Udp }),
            Ask::Rules(RulesPage { cursor: 7, limit: 8 }),
            Ask::ChangeRules(vec![change(true), change(false)]),
            Ask::Tables(RulesPage { cursor: 7, limit: 8 }),
            Ask::Apply(ApplyAsk { file: "/a b/t.json".into(), within_s: 60 }),
            Ask::Trial,
            Ask::Confirm,
            Ask::Revert,
            Ask::Reload,
            Ask::Status,
        ];
        for ask in all {
            assert_eq!(Ask::parse(&ask.to_line()), Ok(ask));
        }
    }

    #[test]
    fn bad_requests_are_refused_with_the_reason() {
        for (line, why) in [
            ("", "not JSON"),
            ("[]", "a JSON object"),
            ("{}", "`ask` is missing"),
            (r#"{"ask": 1}"#, "`ask` is missing"),
            (r#"{"ask": "quit"}"#, "no such request: \"quit\""),
            (r#"{"ask": "apps", "x": 1}"#, "unknown field `x`"),
            (r#"{"ask": "sessions", "limit": 0}"#, "`limit` is a number from 1 to 1000"),
            (r#"{"ask": "sessions", "limit": "9"}"#, "invalid type"),
            (r#"{"ask": "rules", "limit": 0}"#, "`limit` is a number from 1 to 1000"),
            (r#"{"ask": "tables", "limit": 0}"#, "`limit` is a number from 1 to 1000"),
            (r#"{"ask": "apply", "file": "t.json", "within_s": 60}"#, "a path from the root"),
            (
                r#"{"ask": "apply", "file": "/t.json", "within_s": 0}"#,
                "`within_s` is a number from 1 to 86400",
            ),
            (r#"{"ask": "change_rules", "changes": []}"#, "`changes` is empty"),
            (r#"{"ask": "change_rules", "changes": [{"rule": {}}]}"#, "changes[0]: names no scope"),
            (r#"{"ask": "where", "from": "1.2.3.4:5"}"#, "missing field `to`"),
            (r#"{"ask": "where", "from": "1.2.3.4:5", "to": "[::1]:5"}"#, "different families"),
            (r#"{"ask": "where", "from": "1.2.3.4", "to": "1.2.3.5:5"}"#, "invalid socket address"),
            (r#"{"ask": "apps"} {"ask": "apps"}"#, "not JSON"),
        ] {
            let found = Ask::parse(line).expect_err(line);
            assert!(found.contains(why), "{line}: {found}");
        }
    }
}
