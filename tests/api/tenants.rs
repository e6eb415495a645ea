//! Accounts and zones through the API.

use crate::stand::{Reply, Stand};
use axum::http::Method;
use byway::estate::{Grant, Level, Permission, Reach};
use serde_json::{Value, json};
use std::cell::Cell;

#[test]
fn an_account_with_a_zone_is_made_and_goes_once_it_is_empty() {
    let stand = Stand::new();
    let account =
        stand.post("/accounts", json!({"name": "two"})).result()["id"].as_str().expect("an id").to_owned();
    let zone =
        stand.post("/zones", json!({"name": "Example.ORG", "account": {"id": account}})).result().clone();
    assert_eq!((&zone["name"], &zone["account"]["name"]), (&json!("example.org"), &json!("two")));
    let path = format!("/zones/{}", zone["id"].as_str().expect("an id"));
    assert_eq!(stand.get(&path).result(), &zone);
    let of_account = stand.get(&format!("/zones?account.id={account}"));
    assert_eq!(of_account.result().as_array().map(Vec::len), Some(1));
    assert_eq!(
        stand.call(Method::DELETE, &format!("/accounts/{account}"), Value::Null).failure(),
        (400, 10016, None)
    );
    stand.call(Method::DELETE, &path, Value::Null).result();
    assert_eq!(stand.get(&path).failure().0, 404);
    assert_eq!(
        stand.call(Method::DELETE, &format!("/accounts/{account}"), Value::Null).result(),
        &json!({"id": account})
    );
}

#[test]
fn two_zones_share_no_name_and_a_zone_wants_an_account() {
    let stand = Stand::new();
    let account = stand.account.to_string();
    let again = stand.post("/zones", json!({"name": "example.net", "account": {"id": account}}));
    assert_eq!(again.failure(), (400, 10011, Some("/name")));
    assert_eq!(
        stand.post("/zones", json!({"name": "example.org"})).failure(),
        (400, 10011, Some("/account/id"))
    );
    for name in ["", "192.0.2.1", "a..b"] {
        let reply = stand.post("/zones", json!({"name": name, "account": {"id": account}}));
        assert_eq!(reply.failure(), (400, 10011, Some("/name")), "{name}");
    }
}

#[test]
fn nobody_makes_a_zone_around_or_inside_another_accounts() {
    let stand = Stand::new();
    let two =
        stand.post("/accounts", json!({"name": "two"})).result()["id"].as_str().expect("an id").to_owned();
    let id = byway::estate::Id::parse(&two).expect("an id");
    let grant = |permission| Grant { permission, level: Level::Write, reach: Reach::Accounts(vec![id]) };
    let tenant = stand.token(vec![grant(Permission::Zone), grant(Permission::ZoneSettings)]);
    let make = |name: &str| {
        stand
            .call_by(&tenant, Method::POST, "/zones", json!({"name": name, "account": {"id": two}}))
            .status
            .as_u16()
    };
    // Of top-level domains on the list and on none, registries with rules of each kind, a provider; in Latin and not.
    for name in
        ["net", "com", "nowhere", "co.uk", "anything.ck", "s3.amazonaws.com", "xn--p1ai", "xn--55qx5d.cn"]
    {
        assert_eq!(make(name), 400, "{name}");
    }
    assert_eq!(make("app.example.net"), 400, "inside another's");
    for name in ["b.co.uk", "www.ck", "bucket.s3.amazonaws.com", "a.nowhere"] {
        assert_eq!(make(name), 200, "{name}");
    }
    let ruled = stand.post("/zones", json!({"name": "com.au", "account": {"id": two}}));
    assert_eq!(ruled.result()["name"], "com.au", "who rules the box may");
    assert_eq!(make("example.org"), 200);
    assert_eq!(make("sub.example.org"), 200, "inside its own");
}

#[test]
fn a_zone_of_another_account_takes_no_origins_name_and_its_addresses_are_no_origins() {
    let stand = Stand::new();
    let id = |reply: Reply| reply.result()["id"].as_str().expect("an id").to_owned();
    let two = id(stand.post("/accounts", json!({"name": "two"})));
    let zone = |name: &str, account: &str| {
        id(stand.post("/zones", json!({"name": name, "account": {"id": account}})))
    };
    let theirs = zone("theirs.example", &two);
    zone("second.example", &stand.account.to_string());
    let port = Cell::new(21);
    let make = |origin: Value| {
        port.set(port.get() + 1);
        let mut app = json!({
            "protocol": format!("tcp/{}", port.get()),
            "dns": {"type": "ADDRESS", "name": "a.example.net"},
            "edge_ips": {"type": "static", "ips": ["203.0.113.1"]},
        });
        origin.as_object().expect("fields").iter().for_each(|(key, value)| app[key] = value.clone());
        stand.post(&stand.apps(), app)
    };
    let by_name = |name: &str| make(json!({"origin_dns": {"name": name}, "origin_port": 22}));
    by_name("o.theirs.example").result();
    by_name("theirs.example").result();
    by_name("o.example.net").result();
    assert_eq!(by_name("o.second.example").failure(), (400, 11050, Some("/origin_dns/name")));
    let looped = json!({
        "protocol": "tcp/22",
        "dns": {"type": "ADDRESS", "name": "a.theirs.example"},
        "origin_direct": ["tcp://203.0.113.9:22"],
        "edge_ips": {"type": "static", "ips": ["203.0.113.1"]},
    });
    let refused = stand.post(&format!("/zones/{theirs}/spectrum/apps"), looped);
    assert_eq!(
        refused.failure(),
        (400, 11002, Some("/origin_direct/0")),
        "an address of the first account's"
    );
    assert!(refused.body.to_string().contains("onboarded prefix"), "{refused:?}");
}
