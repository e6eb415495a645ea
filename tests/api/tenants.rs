//! Accounts and zones through the API.

use crate::stand::Stand;
use axum::http::Method;
use byway::estate::{Grant, Level, Permission, Reach};
use serde_json::{Value, json};

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
    for name in ["net", "com", "app.example.net"] {
        assert_eq!(make(name), 400, "{name}");
    }
    assert_eq!(make("example.org"), 200);
    assert_eq!(make("sub.example.org"), 200, "inside its own");
}
