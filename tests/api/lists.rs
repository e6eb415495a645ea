//! Lists of many rows: written while they are read, all from one estate, and no row of what is over stays.

use crate::book::BOOK;
use crate::stand::{MADE, Stand};
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, Method};
use byway::api::new_id;
use byway::estate::{App, Entity, Rule, RuleHolder, Zone};
use byway::firewall::RuleSpec;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Bytes of a list that may be ahead of its reader.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// The path of the zone's rules.
fn rules(stand: &Stand) -> String {
    format!("/zones/{}/firewall/access_rules/rules", stand.zone)
}

/// A stand whose zone has so many access rules.
fn ruled(count: u32) -> Stand {
    let stand = Stand::new();
    let rule = |number: u32| -> Entity {
        let target = std::net::Ipv4Addr::from(0x0b00_0000 + number).to_string();
        let text = json!({"mode": "block", "configuration": {"target": "ip", "value": target}});
        let spec: RuleSpec = byway::control::config::tables::one_rule(&text.to_string()).expect("a rule");
        let (id, holder) = (new_id().expect("random"), RuleHolder::Zone(stand.zone));
        Rule { id, holder, spec, created_on: MADE, modified_on: MADE }.into()
    };
    stand.put((0..count).map(rule).collect());
    stand
}

/// The next chunk of a body.
fn chunk(runtime: &Runtime, body: &mut Body) -> Option<Vec<u8>> {
    runtime.block_on(body.frame()).map(|frame| frame.expect("no error").into_data().expect("data").to_vec())
}

/// All that is left of a body; no chunk is larger than what may be ahead.
fn rest(runtime: &Runtime, body: &mut Body, mut text: Vec<u8>) -> Vec<u8> {
    while let Some(more) = chunk(runtime, body) {
        assert!(more.len() <= AHEAD_BYTES_MAX, "a chunk of {} bytes", more.len());
        text.extend_from_slice(&more);
    }
    text
}

/// An answer, which is what the document says.
fn held(path: &str, headers: &HeaderMap, text: &[u8]) -> Value {
    let uri = format!("/client/v4{path}").parse().expect("a path");
    BOOK.hold((&Method::GET, &uri, b""), (200, headers, text));
    serde_json::from_slice(text).expect("JSON")
}

fn values(answer: &Value) -> Vec<&str> {
    let rows = answer["result"].as_array().expect("a list").iter();
    rows.map(|row| row["configuration"]["value"].as_str().expect("a value")).collect()
}

#[test]
fn a_long_list_is_whole_in_order_and_counted_and_later_pages_are_empty() {
    let stand = ruled(3_000);
    let path = format!("{}?order=configuration.value&direction=desc", rules(&stand));
    let (runtime, headers, mut body) = stand.begun(&path);
    assert_eq!(body.size_hint().exact(), None, "written while it is read");
    let text = rest(runtime, &mut body, Vec::new());
    assert!(text.len() > 10 * AHEAD_BYTES_MAX, "{}", text.len());
    let answer = held(&path, &headers, &text);
    let all = values(&answer);
    assert!(all.len() == 3_000 && all.is_sorted_by(|one, two| one > two));
    let info = json!({"page": 1, "per_page": 3_000, "count": 3_000, "total_count": 3_000, "total_pages": 1});
    assert_eq!(answer["result_info"], info);

    let second = stand.get(&format!("{path}&page=2"));
    let info = json!({"page": 2, "per_page": 3_000, "count": 0, "total_count": 3_000, "total_pages": 1});
    assert_eq!((second.result(), &second.body["result_info"]), (&json!([]), &info));
    let cut = format!("{path}&page=3&per_page=1000");
    assert_eq!(values(&stand.get(&cut).body), all[2_000..]);
    let short = stand.begun(&format!("{path}&per_page=5")).2;
    assert!(short.size_hint().exact().is_some(), "a short page has its length");
}

#[test]
fn nothing_of_a_list_is_written_before_it_is_wanted_and_what_its_reader_leaves_is_freed() {
    let stand = ruled(3_000);
    let one = stand.estate().rules.iter().last().expect("a rule").clone();
    let (runtime, _, mut body) = stand.begun(&rules(&stand));
    let first = chunk(runtime, &mut body).expect("a chunk");
    assert!(first.len() <= AHEAD_BYTES_MAX, "{}", first.len());
    // Everything goes, while the reader has a row of ten.
    let gone = stand.call(Method::DELETE, &format!("/zones/{}", stand.zone), Value::Null);
    assert!(gone.status.is_success(), "{gone:?}");
    assert_eq!(stand.get(&rules(&stand)).status, 404);
    assert!(Arc::strong_count(&one) > 1, "the reader's list has it still");
    drop(body);
    for _ in 0..10_000 {
        if Arc::strong_count(&one) == 1 {
            return;
        }
        stand.go_on();
    }
    panic!("somebody has it, though its reader has gone away");
}

#[test]
fn a_list_that_is_being_read_says_what_was_there_when_it_began() {
    let stand = ruled(3_000);
    let path = rules(&stand);
    let (runtime, headers, mut body) = stand.begun(&path);
    let first = chunk(runtime, &mut body).expect("a chunk");
    let last = stand.get(&format!("{path}?direction=desc&per_page=1")).result()[0].clone();
    let id = last["id"].as_str().expect("an id");
    assert!(stand.call(Method::DELETE, &format!("{path}/{id}"), Value::Null).status.is_success());
    stand.post(&path, json!({"mode": "block", "configuration": {"target": "ip", "value": "192.0.2.9"}}));
    let answer = held(&path, &headers, &rest(runtime, &mut body, first));
    let values = values(&answer);
    assert_eq!((values.len(), &answer["result_info"]["count"]), (3_000, &json!(3_000)));
    assert!(values.contains(&last["configuration"]["value"].as_str().expect("a value")));
    assert!(!values.contains(&"192.0.2.9"));
}

#[test]
fn apps_and_zones_are_written_while_they_are_read_too() {
    let stand = Stand::new();
    let app = json!({
        "protocol": "tcp/22",
        "dns": { "type": "ADDRESS", "name": "ssh.example.net" },
        "origin_direct": ["tcp://192.0.2.7:22"],
        "edge_ips": { "type": "static", "ips": ["203.0.113.1"] },
    });
    stand.post(&stand.apps(), app);
    let model = stand.estate().apps.iter().next().expect("an app").clone();
    // Apps of the bench's zones lie in the estate alone: the tables would refuse so many on one address.
    let zone = |number: usize| -> Entity {
        let (id, name) = (new_id().expect("random"), format!("z{number}.test"));
        Zone { id, name, account: stand.account, created_on: MADE, modified_on: MADE }.into()
    };
    stand.put((0..200).map(zone).collect());
    let (runtime, headers, mut body) = stand.begun("/zones");
    assert_eq!(body.size_hint().exact(), None);
    let answer = held("/zones", &headers, &rest(runtime, &mut body, Vec::new()));
    assert_eq!(answer["result_info"]["count"], 201);

    let port = |number: u16| -> Entity {
        let mut app = App::clone(&model);
        app.id = new_id().expect("random");
        app.spec.id = app.id.app();
        app.spec.edge.ports = byway::table::PortRange::one(number).expect("a port");
        app.into()
    };
    stand.put((1_000..1_400).map(port).collect());
    let path = stand.apps();
    let (runtime, headers, mut body) = stand.begun(&path);
    assert_eq!(body.size_hint().exact(), None);
    let answer = held(&path, &headers, &rest(runtime, &mut body, Vec::new()));
    assert_eq!(answer["result_info"]["total_count"], 401);
}
