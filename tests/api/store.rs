//! What the API's store keeps over a restart, and what it remembers.

use crate::stand::Stand;
use axum::http::Method;
use byway::api::new_id;
use byway::base::limits::{HISTORY_EDITS_MAX, VERSIONS_BACK_MAX};
use byway::estate::{Entity, Rule, RuleHolder, Stamp};
use byway::firewall::RuleSpec;
use serde_json::{Value, json};
use std::sync::mpsc::channel;
use std::time::Duration;

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let stand = Stand::new();
    let app = json!({
        "protocol": "udp/53", "dns": {"type": "ADDRESS", "name": "dns.example.net"},
        "origin_direct": ["udp://192.0.2.7:53"], "edge_ips": {"type": "static", "ips": ["203.0.113.53"]},
        "proxy_protocol": "simple",
    });
    let app = stand.post(&stand.apps(), app).result().clone();
    let (zones, tokens) = (stand.get("/zones").result().clone(), stand.get("/user/tokens").result().clone());
    let stand = stand.restarted();
    assert_eq!(stand.get(&stand.apps()).result(), &json!([app]));
    assert_eq!(stand.get("/zones").result(), &zones);
    let after = stand.get("/user/tokens").result().clone();
    assert_eq!((&after[0]["id"], &after[0]["policies"]), (&tokens[0]["id"], &tokens[0]["policies"]));
}

#[test]
fn the_history_says_who_what_before_and_after_and_no_secret() {
    let stand = Stand::new();
    let zone = json!({"name": "example.org", "account": {"id": stand.account.to_string()}});
    let id = stand.post("/zones", zone).result()["id"].clone();
    stand.post("/byway/users", json!({"email": "x@example.net"})).result();
    stand.call(Method::DELETE, &format!("/zones/{}", id.as_str().expect("an id")), Value::Null).result();
    let history = stand.get("/byway/history?limit=3").result().clone();
    assert_eq!(history[0]["changes"][0]["before"]["name"], "example.org");
    assert_eq!(history[0]["changes"][0]["after"], Value::Null);
    assert_eq!(history[2]["action"], "POST /zones");
    assert!(history[2]["actor"].as_str().expect("a text").starts_with("token "));
    assert_eq!(history[1]["changes"][0]["after"]["key_hash"], "kept");
    let older = stand.get(&format!("/byway/history?before={}", history[2]["version"]));
    assert_eq!(older.result()[0]["action"], "set-up");
    assert!(
        !older.body.to_string().contains("\"hash\":\"0")
            && older.result()[0]["changes"].to_string().contains("\"hash\":\"\"")
    );
}

#[test]
fn a_long_version_is_counted_whole_told_in_part_and_read_by_pages() {
    let (stand, more) = (Stand::new(), 100);
    let rule = |number: usize| -> Entity {
        let target = std::net::Ipv4Addr::from(0x0b00_0000 + number as u32).to_string();
        let text = json!({"mode": "block", "configuration": {"target": "ip", "value": target}});
        let spec: RuleSpec = byway::control::config::tables::one_rule(&text.to_string()).expect("a rule");
        let (id, holder) = (new_id().expect("random"), RuleHolder::Zone(stand.zone));
        Rule { id, holder, spec, created_on: Stamp(0), modified_on: Stamp(0) }.into()
    };
    stand
        .post("/zones", json!({"name": "example.org", "account": {"id": stand.account.to_string()}}))
        .result();
    stand.put((0..HISTORY_EDITS_MAX + more).map(rule).collect());
    let told = stand.get("/byway/history?limit=2").result().clone();
    let (long, short) = (&told[0], &told[1]);
    let counts = json!([{"kind": "rule", "verb": "add", "count": HISTORY_EDITS_MAX + more}]);
    assert_eq!((&long["counts"], &long["not_shown"]), (&counts, &json!(more)));
    let shown = long["changes"].as_array().expect("a list");
    assert_eq!(shown.len(), HISTORY_EDITS_MAX);
    assert_eq!((&short["not_shown"], short["changes"].as_array().map(Vec::len)), (&json!(0), Some(1)));
    assert_eq!(short["counts"].as_array().map(Vec::len), Some(1));
    let path = format!("/byway/history/{}", long["version"]);
    let page = |query: &str| stand.get(&format!("{path}{query}")).body.clone();
    let first = page("");
    assert_eq!(first["result"].as_array().expect("a list"), shown, "as the list has it");
    assert_eq!(first["result_info"]["total_count"], HISTORY_EDITS_MAX + more);
    let second = page("?page=2");
    assert_eq!(second["result"].as_array().map(Vec::len), Some(more));
    assert!(second["result"][0]["after"].is_object() && !shown.contains(&second["result"][0]));
    assert_eq!(page("?page=3&per_page=7")["result"].as_array().expect("a list"), &shown[14..21]);
    let plain = stand.get("/byway/history?limit=1&details=false").result()[0].clone();
    assert_eq!((&plain["counts"], &plain["changes"]), (&counts, &json!([])));
    assert_eq!(plain["not_shown"], HISTORY_EDITS_MAX + more);
    let newest = long["version"].as_u64().expect("a number");
    for (version, code) in [("x".to_owned(), 7003), ("+1".into(), 7003), ((newest + 1).to_string(), 10006)] {
        let refused = stand.get(&format!("/byway/history/{version}"));
        assert_eq!(refused.failure(), (404, code, None), "{version}");
    }
}

fn udp(last: u8) -> Value {
    json!({
        "protocol": "udp/53", "dns": {"type": "ADDRESS", "name": format!("n{last}.example.net")},
        "origin_direct": ["udp://192.0.2.7:53"], "edge_ips": {"type": "static", "ips": [format!("203.0.113.{last}")]},
    })
}

#[test]
fn one_goes_back_to_a_version_and_what_was_revoked_stays_revoked() {
    let stand = Stand::new();
    let version = || stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number");
    let first = stand.post(&stand.apps(), udp(1)).result().clone();
    let token = stand.token(byway::estate::Grant::everything());
    let then = (version(), stand.get(&stand.apps()).result().clone());
    let path = format!("{}/{}", stand.apps(), first["id"].as_str().expect("an id"));
    stand.call(Method::PATCH, &path, json!({"ip_firewall": true})).result();
    stand.post(&stand.apps(), udp(2)).result();
    stand.call(Method::DELETE, &path, Value::Null).result();
    let id = stand.call_by(&token, Method::GET, "/user/tokens/verify", Value::Null).result()["id"].clone();
    stand
        .call(Method::DELETE, &format!("/user/tokens/{}", id.as_str().expect("an id")), Value::Null)
        .result();
    let dry = stand.post("/byway/rollback?dry_run=true", json!({"version": then.0}));
    assert_eq!((dry.result()["changes"].as_u64(), stand.estate().apps.len()), (Some(2), 1));
    assert_eq!(stand.post("/byway/rollback", json!({"version": then.0})).result()["changes"], 2);
    assert_eq!(stand.get(&stand.apps()).result(), &then.1);
    assert_eq!(stand.call_by(&token, Method::GET, "/zones", Value::Null).status.as_u16(), 401);
    let stand = stand.restarted();
    assert_eq!(stand.get(&stand.apps()).result(), &then.1);
}

#[test]
fn one_goes_back_over_so_many_versions_and_no_further() {
    let stand = Stand::new();
    let apps = stand.apps();
    let id = stand.post(&apps, udp(1)).result()["id"].as_str().expect("an id").to_owned();
    for number in 0..VERSIONS_BACK_MAX as u32 + 3 {
        let limits = json!({"limits": {"connections": number + 1}});
        stand.call(Method::PATCH, &format!("{apps}/{id}"), limits).result();
    }
    let newest = stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number");
    for version in [newest, newest + 1, newest - VERSIONS_BACK_MAX as u64 - 1, 0] {
        assert_eq!(
            stand.post("/byway/rollback", json!({"version": version})).failure(),
            (400, 10011, Some("/version")),
            "{version}"
        );
    }
    let oldest = newest - VERSIONS_BACK_MAX as u64;
    stand.post("/byway/rollback", json!({"version": oldest})).result();
    assert_eq!(stand.get(&format!("{apps}/{id}")).result()["limits"]["connections"], 3);
}

#[test]
fn others_are_answered_while_a_change_is_planned() {
    let stand = Stand::new();
    let ((start, started), (answer, answered)) = (channel(), channel());
    let change = stand.begin(move || {
        start.send(()).expect("somebody waits for it");
        answered.recv_timeout(Duration::from_secs(20)).expect("somebody was answered meanwhile");
    });
    while started.try_recv().is_err() {
        stand.go_on();
    }
    stand.get("/zones").result();
    answer.send(()).expect("the plan goes on");
    assert!(stand.end(change));
}

#[test]
fn when_a_token_was_used_last_survives_a_restart_and_costs_a_write_an_hour() {
    let stand = Stand::new();
    let token = stand.token(byway::estate::Grant::everything());
    let id = stand.call_by(&token, Method::GET, "/user/tokens/verify", Value::Null).result()["id"].clone();
    let path = format!("/user/tokens/{}", id.as_str().expect("an id"));
    let used = stand.get(&path).result()["last_used_on"].clone();
    assert!(used.is_string());
    assert_eq!(stand.keep_uses(), 2, "its own, and that of the token that looks");
    stand.call_by(&token, Method::GET, "/user/tokens/verify", Value::Null).result();
    assert_eq!(stand.keep_uses(), 0, "both were written within this hour");
    assert_ne!(stand.get(&path).result()["last_used_on"], used, "what is told is exact while byway runs");
    let stand = stand.restarted();
    assert_eq!(stand.get(&path).result()["last_used_on"], used);
}

#[test]
fn a_change_that_waits_for_its_turn_is_refused_when_its_token_was_rolled_meanwhile() {
    let stand = Stand::new();
    let made = stand.token(byway::estate::Grant::everything());
    let id = stand.call_by(&made, Method::GET, "/user/tokens/verify", Value::Null).result()["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    let account = stand.post("/accounts", json!({"name": "two"})).result()["id"].clone();
    let account = format!("/accounts/{}", account.as_str().expect("an id"));
    let ((start, started), (answer, answered)) = (channel(), channel());
    let slow = stand.begin(move || {
        start.send(()).expect("somebody waits for it");
        answered.recv_timeout(Duration::from_secs(20)).expect("the others are in the queue");
    });
    while started.try_recv().is_err() {
        stand.go_on();
    }
    // They come to their turns in this order.
    let roll = stand.begin_call(&stand.root, Method::PUT, &format!("/user/tokens/{id}/value"));
    stand.go_on();
    let late = stand.begin_call(&made, Method::DELETE, &account);
    stand.go_on();
    answer.send(()).expect("the plan goes on");
    assert!(stand.end(slow));
    assert_eq!((stand.end_call(roll), stand.end_call(late)), (200, 401));
    stand.get(&account).result();
}
