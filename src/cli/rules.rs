//! `byway rules`: lists the access rules of a running byway and changes some of them, in force at once.

use super::args::{RulesAt, RulesCommand, SocketArgs};
use super::client::Client;
use super::command::{fail, tell, tell_json};
use super::show::rule_table;
use crate::base::outside::OneLine;
use crate::control::ask::{Ask, RulesPage, SESSIONS_PER_REPLY_MAX};
use crate::control::config::tables::{one_configuration, one_rule};
use crate::firewall::{RuleSpec, Target};
use crate::snapshot::{RuleChange, RuleScope};
use crate::table::ScopeName;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::ExitCode;

/// Changes in one request: their line has to fit.
const CHANGES_PER_REQUEST_MAX: usize = 12;

/// Runs one verb.
pub fn run(command: &RulesCommand) -> ExitCode {
    match command {
        RulesCommand::List { json, socket } => list(*json, socket),
        RulesCommand::Add { mode, values, notes, at } => {
            let rule =
                |value: &String| rule_of(mode, value, notes.as_deref()).map(|rule| (rule.target, Some(rule)));
            change(at, values.iter().map(rule))
        }
        RulesCommand::Remove { values, at } => {
            change(at, values.iter().map(|value| target_of(value).map(|target| (target, None))))
        }
    }
}

fn list(json: bool, socket: &SocketArgs) -> ExitCode {
    match Client::connect(&socket.socket).and_then(|mut client| all_rules(&mut client)) {
        Ok(rules) if json => tell_json(&json!({ "ok": true, "rules": rules })),
        Ok(rules) => tell(rule_table(&rules)),
        Err(why) => fail(why),
    }
}

/// All pages of rules as one list.
fn all_rules(client: &mut Client) -> Result<Value, String> {
    let (mut page, mut rules) = (RulesPage { cursor: 0, limit: SESSIONS_PER_REPLY_MAX }, Vec::new());
    loop {
        let mut reply = client.ask(&Ask::Rules(page))?;
        if let Value::Array(rows) = reply["rules"].take() {
            rules.extend(rows);
        }
        match reply["next"].as_u64().and_then(|next| u32::try_from(next).ok()) {
            Some(next) => page.cursor = next,
            None => return Ok(rules.into()),
        }
    }
}

type Wanted = Result<(Target, Option<RuleSpec>), String>;

fn change(at: &RulesAt, wanted: impl Iterator<Item = Wanted>) -> ExitCode {
    match scope_of(at).and_then(|scope| send(at, &scope, wanted.collect::<Result<_, _>>()?)) {
        Ok(reply) if at.json => tell_json(&reply),
        Ok(reply) => tell(format_args!("in force: {}", OneLine(reply["summary"].as_str().unwrap_or("?")))),
        Err(why) => fail(why),
    }
}

/// Sends the changes, some at once; the last reply.
fn send(at: &RulesAt, scope: &RuleScope, wanted: Vec<(Target, Option<RuleSpec>)>) -> Result<Value, String> {
    let mut client = Client::connect(&at.socket.socket)?;
    let change = |(target, rule): &(Target, Option<RuleSpec>)| RuleChange {
        scope: scope.clone(),
        target: *target,
        rule: rule.clone(),
    };
    let mut reply = Value::Null;
    for some in wanted.chunks(CHANGES_PER_REQUEST_MAX) {
        reply = client.ask(&Ask::ChangeRules(some.iter().map(change).collect()))?;
    }
    Ok(reply)
}

fn scope_of(at: &RulesAt) -> Result<RuleScope, String> {
    let name = |id: &str| ScopeName::new(id).map_err(str::to_owned);
    match (&at.zone, &at.account, at.user) {
        (Some(id), None, false) => name(id).map(RuleScope::Zone),
        (None, Some(id), false) => name(id).map(RuleScope::Account),
        (None, None, true) => Ok(RuleScope::User),
        (_, _, _) => Err("say whose rules: --zone ID, --account ID or --user".into()),
    }
}

fn rule_of(mode: &str, value: &str, notes: Option<&str>) -> Result<RuleSpec, String> {
    let rule = json!({ "mode": mode, "configuration": configuration(value), "notes": notes });
    one_rule(&rule.to_string()).map_err(|why| format!("{value}: {why}"))
}

fn target_of(value: &str) -> Result<Target, String> {
    one_configuration(&configuration(value).to_string()).map_err(|why| format!("{value}: {why}"))
}

/// A value with the word for its kind, told by its form.
fn configuration(value: &str) -> Value {
    let kind = match (value.parse::<IpAddr>(), value.parse::<IpNet>()) {
        (Ok(IpAddr::V4(_)), _) => "ip",
        (Ok(IpAddr::V6(_)), _) => "ip6",
        (Err(_), Ok(_)) => "ip_range",
        (Err(_), Err(_)) if value.len() == 2 => "country",
        (Err(_), Err(_)) => "asn",
    };
    json!({ "target": kind, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_its_kind_by_its_form() {
        for (value, kind) in [
            ("203.0.113.66", "ip"),
            ("2001:db8::1", "ip6"),
            ("203.0.113.0/24", "ip_range"),
            ("as64496", "asn"),
            ("t1", "country"),
        ] {
            assert_eq!(target_of(value).map(Target::kind), Ok(kind), "{value}");
        }
        assert!(target_of("example.com").expect_err("a name").contains("AS64496"));
        assert!(rule_of("stop", "DE", None).expect_err("no mode").contains("/mode"));
    }
}
