//! Apps with dynamic addresses, and a pool that is used up (12005): whatever brings it about, nothing is changed.

use crate::stand::{Reply, Stand};
use axum::http::Method;
use byway::estate::Service;
use serde_json::{Value, json};

fn app(name: &str, connectivity: &str) -> Value {
    json!({
        "protocol": "tcp/22",
        "dns": { "type": "CNAME", "name": format!("{name}.example.net") },
        "origin_direct": ["tcp://192.0.2.7:22"],
        "edge_ips": { "type": "dynamic", "connectivity": connectivity },
    })
}

/// A stand with a pool, and apps that have an IPv4 address of it each.
fn stand(nets: &[&str], names: &[&str]) -> (Stand, Vec<String>) {
    let stand = Stand::new().pooled(nets);
    let make = |name: &&str| stand.post(&stand.apps(), app(name, "ipv4")).result()["id"].clone();
    let ids = names.iter().map(|name| make(name).as_str().expect("an id").to_owned()).collect();
    (stand, ids)
}

fn version(stand: &Stand) -> u64 {
    stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number")
}

/// A call that the pool has nothing left for.
#[track_caller]
fn used_up(stand: &Stand, call: impl FnOnce() -> Reply) {
    let (before, apps) = (version(stand), stand.estate().apps.len());
    let refused = call();
    assert_eq!(refused.failure(), (400, 12005, None));
    let text = refused.body["errors"][0]["message"].as_str().expect("a text");
    assert!(text.contains("address is left for"), "{text}");
    assert_eq!((version(stand), stand.estate().apps.len()), (before, apps), "nothing was changed");
}

#[test]
fn an_app_is_made_or_changed_as_far_as_the_pool_goes() {
    let (stand, ids) = stand(&["203.0.113.64/32"], &["a"]);
    used_up(&stand, || stand.post(&stand.apps(), app("b", "ipv4")));
    used_up(&stand, || stand.post(&format!("{}?dry_run=true", stand.apps()), app("b", "ipv4")));
    let one = format!("{}/{}", stand.apps(), ids[0]);
    used_up(&stand, || stand.call(Method::PUT, &one, app("a", "all")));
    let six = json!({ "edge_ips": { "type": "dynamic", "connectivity": "ipv6" } });
    used_up(&stand, || stand.call(Method::PATCH, &one, six));
    stand.call(Method::DELETE, &one, Value::Null).result();
    stand.post(&stand.apps(), app("b", "ipv4")).result();
}

#[test]
fn going_back_and_importing_want_addresses_for_what_they_bring_back() {
    let (stand, ids) = stand(&["203.0.113.64/31"], &["a", "b"]);
    let both = version(&stand);
    let document = stand.admin(Method::GET, "/byway/export", Value::Null).result()["document"].clone();
    stand.call(Method::DELETE, &format!("{}/{}", stand.apps(), ids[0]), Value::Null).result();
    let stand = stand.pooled(&["203.0.113.64/32"]);
    used_up(&stand, || stand.post("/byway/rollback", json!({ "version": both })));
    used_up(&stand, || stand.admin(Method::POST, "/byway/import", json!({ "document": document })));
    let account = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
    let zone = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
    let mut moved = app("moved", "ipv4");
    moved["id"] = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3".into();
    moved["dns"]["name"] = "www.moved.example".into();
    let owner = json!({ "id": account, "name": "theirs" });
    // An account without prefixes keeps its apps dynamic.
    let lists = json!({
        "accounts": [owner],
        "zones": [{ "id": zone, "name": "moved.example", "account": owner }],
        (format!("zones/{zone}/spectrum/apps")): [moved],
    });
    used_up(&stand, || stand.admin(Method::POST, "/byway/import/cloudflare", json!({ "lists": lists })));
    let stand = stand.pooled(&["203.0.113.64/31"]);
    assert_eq!(stand.post("/byway/rollback", json!({ "version": both })).result()["changes"], 1);
}

#[test]
fn a_binding_takes_no_address_of_the_pool_from_an_app() {
    let (stand, _) = stand(&["203.0.113.64/31"], &["a"]);
    let prefix = stand.get(&stand.addressing("prefixes")).result()[0]["id"].clone();
    let bindings = stand.addressing(&format!("prefixes/{}/bindings", prefix.as_str().expect("an id")));
    let bind = |cidr: &str, service: Service| {
        stand.post(&bindings, json!({ "cidr": cidr, "service_id": service.id().to_string() }))
    };
    // What begins with somebody else's addresses is seen by the tables alone.
    bind("203.0.113.0/26", Service::Cdn).result();
    used_up(&stand, || bind("203.0.113.0/25", Service::Cdn));
}

#[test]
fn a_binding_goes_where_no_app_loses_an_address_of_the_pool() {
    let (stand, _) = stand(&["203.0.113.64/31"], &[]);
    let prefix = stand.get(&stand.addressing("prefixes")).result()[0]["id"].clone();
    let bindings = stand.addressing(&format!("prefixes/{}/bindings", prefix.as_str().expect("an id")));
    let bind = |cidr: &str, service: Service| -> String {
        let made = stand.post(&bindings, json!({ "cidr": cidr, "service_id": service.id().to_string() }));
        made.result()["id"].as_str().expect("an id").to_owned()
    };
    let remove = |id: &str| stand.call(Method::DELETE, &format!("{bindings}/{id}"), Value::Null);
    let whole = stand.get(&bindings).result()[0]["id"].as_str().expect("an id").to_owned();
    assert!(remove(&whole).status.is_success());
    bind("203.0.113.0/24", Service::Cdn);
    let half = bind("203.0.113.0/25", Service::Spectrum);
    bind("203.0.113.0/26", Service::Cdn);
    let made = stand.post(&stand.apps(), app("a", "ipv4")).result()["id"].clone();
    used_up(&stand, || remove(&half));
    let one = format!("{}/{}", stand.apps(), made.as_str().expect("an id"));
    stand.call(Method::DELETE, &one, Value::Null).result();
    assert!(remove(&half).status.is_success());
}
