//! The audit logs of accounts and of the user: who changed what, for whom it was, and for nobody else.

use crate::stand::Stand;
use crate::world::World;
use axum::body::Body;
use axum::http::{Method, Request};
use byway::api::Peer;
use byway::estate::{Grant, Level, Permission, Reach};
use serde_json::{Value, json};

fn log(stand: &Stand) -> String {
    format!("/accounts/{}/audit_logs", stand.account)
}

fn app(last: u8) -> Value {
    json!({
        "protocol": "tcp/22",
        "dns": { "type": "ADDRESS", "name": format!("n{last}.example.net") },
        "origin_direct": ["tcp://192.0.2.7:22"],
        "edge_ips": { "type": "static", "ips": [format!("203.0.113.{last}")] },
    })
}

/// The rows that a query leaves, as `type kind`.
fn rows(stand: &Stand, query: &str) -> Vec<String> {
    let answer = stand.get(&format!("{}?{query}", log(stand)));
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let row = |row: &Value| format!("{} {}", word(&row["action"]["type"]), word(&row["resource"]["type"]));
    answer.result().as_array().expect("a list").iter().map(row).collect()
}

#[test]
fn a_change_is_told_with_who_when_and_what_it_was_before() {
    let stand = Stand::new();
    let made = stand.post(&stand.apps(), app(1)).result().clone();
    let path = format!("{}/{}", stand.apps(), made["id"].as_str().expect("an id"));
    stand.call(Method::PATCH, &path, json!({ "ip_firewall": true })).result();
    stand.call(Method::DELETE, &path, Value::Null).result();
    let answer = stand.get(&format!("{}?per_page=3", log(&stand)));
    let [gone, changed, added] = &answer.result().as_array().expect("a list")[..] else {
        panic!("{answer:?}")
    };
    let user = stand.user.to_string();
    for (row, verb, method) in
        [(added, "add", "POST"), (changed, "change", "PATCH"), (gone, "delete", "DELETE")]
    {
        assert_eq!(row["action"], json!({ "type": verb, "result": true }));
        let actor = json!({ "id": user, "email": "ops@example.net", "ip": "192.0.2.1", "type": "user" });
        assert_eq!((&row["actor"], &row["interface"]), (&actor, &json!("API")));
        assert_eq!(
            (&row["owner"]["id"], &row["metadata"]["zone_name"]),
            (&json!(user), &json!("example.net"))
        );
        let request = row["metadata"]["request"].as_str().expect("a text");
        assert!(request.starts_with(&format!("{method} /zones/")), "{request}");
        assert_eq!(row["resource"], json!({ "id": made["id"], "type": "app" }));
    }
    let value = |row: &Value, key: &str| -> Value {
        let text = row[key].as_str().unwrap_or_else(|| panic!("{key}: {row}"));
        serde_json::from_str(text).expect("JSON")
    };
    assert_eq!((&added["oldValue"], &gone["newValue"]), (&Value::Null, &Value::Null));
    assert_eq!(value(added, "newValue"), value(changed, "oldValue"));
    assert_eq!(value(changed, "newValue"), value(gone, "oldValue"));
    assert_eq!(value(changed, "newValue")["app"]["ip_firewall"], true);
    let one = stand.get(&format!("{}?id={}", log(&stand), changed["id"].as_str().expect("an id")));
    assert_eq!(one.result(), &json!([changed]));
    // Who rules the machine has no address and no user.
    let zone = json!({ "name": "example.org", "account": { "id": stand.account.to_string() } });
    stand.admin(Method::POST, "/zones", zone).result();
    let row = stand.get(&format!("{}?per_page=1", log(&stand))).result()[0].clone();
    assert_eq!((&row["actor"]["type"], &row["actor"]["ip"]), (&json!("admin"), &Value::Null));
    assert_eq!(row["interface"], "admin socket");
    let stand = stand.restarted();
    assert_eq!(
        stand.get(&format!("{}?id={}", log(&stand), row["id"].as_str().expect("an id"))).result()[0],
        row
    );
}

#[test]
fn the_log_is_narrowed_by_time_actor_zone_and_verb_and_comes_in_pages() {
    let stand = Stand::new();
    let start = rows(&stand, "");
    assert_eq!(start, ["add prefix", "add binding", "add zone", "add account"], "newest first");
    let path = format!(
        "{}/{}",
        stand.apps(),
        stand.post(&stand.apps(), app(1)).result()["id"].as_str().expect("an id")
    );
    stand.call(Method::DELETE, &path, Value::Null).result();
    let zone = json!({ "name": "example.org", "account": { "id": stand.account.to_string() } });
    stand.post("/zones", zone).result();
    for (query, want) in [
        ("zone.name=example.org", &["add zone"][..]),
        ("zone.name=EXAMPLE.net", &["delete app", "add app", "add zone"]),
        ("action.type=delete", &["delete app"]),
        ("action.type=change", &[]),
        ("actor.email=OPS@example.net", &["add zone", "delete app", "add app"]),
        ("actor.email=other@example.net", &[]),
        ("actor.ip=192.0.2.1&action.type=delete", &["delete app"]),
        ("actor.ip=192.0.2.2", &[]),
        ("before=2023-11-15", &["add prefix", "add binding", "add zone", "add account"]),
        ("before=2023-11-14T22:13:20Z", &[]),
        ("since=2023-11-14T22:13:21Z", &["add zone", "delete app", "add app"]),
        ("since=2023-11-15T00:13:21%2B02:00&direction=asc", &["add app", "delete app", "add zone"]),
        ("hide_user_logs=true&per_page=1", &["add zone"]),
        ("per_page=2&page=2", &["add app", "add prefix"]),
        ("per_page=2&page=9", &[]),
    ] {
        assert_eq!(rows(&stand, query), want, "{query}");
    }
    let info = stand.get(&format!("{}?per_page=2&page=4", log(&stand))).body["result_info"].clone();
    assert_eq!(info, json!({ "page": 4, "per_page": 2, "count": 1, "total_count": 7, "total_pages": 4 }));
    for query in
        ["since=yesterday", "action.type=add%20", "actor.ip=example.net", "export=true", "id=7", "before="]
    {
        let refused = stand.get(&format!("{}?{query}", log(&stand)));
        assert_eq!(refused.failure(), (400, 10014, None), "{query}");
    }
}

#[test]
fn more_entries_than_a_page_come_by_a_hundred_and_end() {
    let stand = Stand::new();
    let rule = |number: u32| json!({"mode": "block", "configuration": {"target": "asn", "value": format!("AS{number}")}});
    let rules: Vec<Value> = (1..=150).map(rule).collect();
    let path = format!("/accounts/{}/firewall/access_rules/rules/batch", stand.account);
    stand.post(&path, json!({ "rules": rules })).result();
    let lengths = ["page=1", "page=2", "page=3", "per_page=1000"].map(|query| rows(&stand, query).len());
    assert_eq!(lengths, [100, 54, 0, 154]);
    let ids = |query: &str| -> Vec<String> {
        let answer = stand.get(&format!("{}?{query}", log(&stand)));
        let rows = answer.result().as_array().expect("a list").iter();
        rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!([ids(""), ids("page=2")].concat(), ids("per_page=1000"), "no entry twice and none left out");
}

#[test]
fn nobody_reads_of_another_account_nor_a_secret_and_tenants_not_who_runs_the_box() {
    let world = World::new();
    let by_key = |path: &str, mine: bool| {
        let tenant = if mine { &world.ours } else { &world.theirs };
        let request = Request::get(format!("/client/v4{path}"));
        let request = request.header("x-auth-email", &tenant.email).header("x-auth-key", &tenant.key);
        world.stand.send(request.body(Body::empty()).expect("a request"))
    };
    let of = |account: byway::estate::Id| format!("/accounts/{account}/audit_logs?per_page=1000");
    let (ours, theirs) =
        (by_key(&of(world.ours.account), true), by_key("/user/audit_logs?per_page=1000", false));
    for (answer, tenant, other) in
        [(&ours, &world.ours, &world.theirs), (&theirs, &world.theirs, &world.ours)]
    {
        let rows = answer.result().as_array().expect("a list");
        assert!(rows.len() > 10, "{answer:?}");
        let text = answer.body.to_string();
        assert!(text.contains(tenant.domain) && text.contains(&tenant.account.to_string()));
        for not in [other.domain, &other.account.to_string(), &other.email, "PRIVATE KEY", "ops@example.net"]
        {
            assert!(!text.contains(not), "{not} in {text}");
        }
        for row in rows.iter().filter(|row| row["actor"]["type"] == "admin") {
            let actor = json!({ "id": null, "email": null, "ip": null, "type": "admin" });
            assert_eq!((&row["actor"], row["metadata"].get("credentials")), (&actor, None));
        }
    }
    let kinds = |answer: &crate::stand::Reply, kind: &str| {
        answer
            .result()
            .as_array()
            .expect("a list")
            .iter()
            .filter(|row| row["resource"]["type"] == kind)
            .count()
    };
    assert_eq!(
        kinds(&ours, "token") + kinds(&ours, "user"),
        0,
        "what is the user's own is not the account's"
    );
    assert!(kinds(&theirs, "token") > 0 && kinds(&theirs, "user") > 0 && kinds(&theirs, "app") > 0);
    let hidden = by_key("/user/audit_logs?per_page=1000&hide_user_logs=true", false);
    assert_eq!(kinds(&hidden, "token") + kinds(&hidden, "user"), 0);
    assert_eq!(by_key(&of(world.ours.account), false).status, 404);
    // Nobody finds out by asking who it was.
    for email in ["ops@example.net", "OPS@EXAMPLE.NET"] {
        let looked = by_key(&format!("{}&actor.email={email}", of(world.ours.account)), true);
        assert_eq!(looked.result(), &json!([]));
    }
    let root = world.stand.get(&format!("{}&actor.email=ops@example.net", of(world.ours.account)));
    assert!(kinds(&root, "app") > 0, "who runs the box may look for itself: {root:?}");
}

#[test]
fn a_token_reads_what_it_reaches_and_tokens_with_their_group_alone() {
    let stand = Stand::new();
    let other = stand.post("/accounts", json!({ "name": "other" })).result()["id"].clone();
    let grant = |permission, reach| Grant { permission, level: Level::Read, reach };
    let here = || Reach::Accounts(vec![stand.account]);
    let narrow = stand.token(vec![grant(Permission::AccountSettings, here())]);
    let with_tokens =
        stand.token(vec![grant(Permission::AccountSettings, here()), grant(Permission::ApiTokens, here())]);
    let kinds = |token: &str| -> Vec<String> {
        let answer = stand.call_by(token, Method::GET, "/user/audit_logs", Value::Null);
        assert!(!answer.body.to_string().contains(other.as_str().expect("an id")), "{answer:?}");
        let mut kinds: Vec<String> = answer
            .result()
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| row["resource"]["type"].as_str().expect("a text").to_owned())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&narrow), ["account", "binding", "prefix", "zone"]);
    assert_eq!(kinds(&with_tokens), ["account", "binding", "prefix", "token", "user", "zone"]);
    let zone_only = stand.token(vec![grant(Permission::AccountSettings, Reach::Zones(vec![stand.zone]))]);
    assert_eq!(stand.call_by(&zone_only, Method::GET, &log(&stand), Value::Null).status, 404);
    assert_eq!(
        stand.call_by(&zone_only, Method::GET, "/user/audit_logs", Value::Null).result(),
        &json!([]),
        "it reaches no account"
    );
    let socket = Request::get("/client/v4/user/audit_logs").body(Body::empty()).expect("a request");
    assert_eq!(stand.send_from(Peer::Local { uid: 0 }, socket).failure().0, 404, "nobody's user");
}
