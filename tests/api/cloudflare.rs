//! What is taken over from Cloudflare: ids stay, nothing is overwritten unasked, everything that is not here as it was
//! there is told, and a second time changes nothing.

use crate::stand::{Reply, Stand};
use axum::http::Method;
use byway::estate::{Approval, Id};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
pub const ZONE: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
pub const PREFIX: &str = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3";
pub const THEN: &str = "2024-05-06T07:08:09.123456Z";

/// An id that ends in `number`.
pub fn id(number: u32) -> String {
    format!("d4d4d4d4d4d4d4d4d4d4d4d4{number:08x}")
}

fn app(number: u32, port: &str, name: &str, more: Value) -> Value {
    let mut app = json!({
        "id": id(number), "protocol": port, "dns": {"type": "ADDRESS", "name": name}, "origin_direct": ["tcp://192.0.2.7:80"],
        "ip_firewall": false, "proxy_protocol": "off", "tls": "off", "traffic_type": "direct", "argo_smart_routing": false,
        "created_on": THEN, "modified_on": THEN,
    });
    for (key, value) in more.as_object().expect("an object") {
        app[key] = value.clone();
    }
    app
}

fn dynamic(number: u32, port: &str, name: &str, connectivity: &str) -> Value {
    let dns = json!({"type": "CNAME", "name": name});
    app(
        number,
        port,
        name,
        json!({"dns": dns, "edge_ips": {"type": "dynamic", "connectivity": connectivity}}),
    )
}

pub fn rule(number: u32, mode: &str, value: &str, scope: &str) -> Value {
    json!({
        "id": id(number), "paused": false, "mode": mode, "notes": "theirs", "configuration": {"target": "ip", "value": value},
        "scope": {"id": scope, "type": "zone"}, "allowed_modes": ["block"], "created_on": THEN, "modified_on": THEN,
    })
}

fn record(number: u32, kind: &str, name: &str, content: &str) -> Value {
    json!({
        "id": id(number), "type": kind, "name": name, "content": content, "ttl": 300, "proxied": false, "proxiable": true,
        "meta": {}, "settings": {}, "tags": [], "comment": null, "created_on": THEN, "modified_on": THEN,
    })
}

fn fixed(ips: &[&str]) -> Value {
    json!({"edge_ips": {"type": "static", "ips": ips}})
}

/// The lists of the other side.
pub fn lists() -> Value {
    let zone = json!({"id": ZONE, "name": "moved.example", "account": {"id": ACCOUNT, "name": "theirs"}, "created_on": THEN});
    let prefix = json!({
        "id": PREFIX, "account_id": ACCOUNT, "cidr": "198.51.100.0/24", "asn": 64500, "description": "moved", "approved": "V",
        "advertised": true, "on_demand_enabled": true, "on_demand_locked": true, "loa_document_id": id(90), "created_at": THEN,
        "modified_at": THEN,
    });
    let mut https = fixed(&["198.51.100.9"]);
    https["traffic_type"] = "https".into();
    let mut argo = fixed(&["198.51.100.3"]);
    argo["argo_smart_routing"] = true.into();
    let mut proxied = record(34, "CNAME", "shop.moved.example", "www.moved.example");
    (proxied["proxied"], proxied["ttl"]) = (true.into(), 1.into());
    json!({
        "accounts": [{"id": ACCOUNT, "name": "theirs", "created_on": THEN}],
        "zones": [zone],
        (format!("accounts/{ACCOUNT}/addressing/prefixes")): [prefix],
        (format!("accounts/{ACCOUNT}/addressing/prefixes/{PREFIX}/bindings")): [
            {"id": id(2), "cidr": "198.51.100.64/28", "service_id": id(91), "service_name": "CDN"},
            {"id": id(1), "cidr": "198.51.100.0/24", "service_id": id(92), "service_name": "Spectrum"},
            {"id": id(3), "cidr": "198.51.100.128/28", "service_id": id(93), "service_name": "Egress"},
        ],
        (format!("accounts/{ACCOUNT}/addressing/prefixes/{PREFIX}/bgp/prefixes")): [
            {"id": id(4), "cidr": "198.51.100.0/24", "asn_prepend_count": 2, "on_demand": {"advertised": true}, "created_at": THEN},
        ],
        (format!("accounts/{ACCOUNT}/firewall/access_rules/rules")): [rule(20, "block", "192.0.2.66", ACCOUNT)],
        (format!("zones/{ZONE}/spectrum/apps")): [
            app(10, "tcp/22", "ssh.moved.example", fixed(&["198.51.100.1"])),
            dynamic(11, "tcp/25", "mail.moved.example", "ipv4"),
            dynamic(12, "tcp/587", "mail.moved.example", "all"),
            app(13, "tcp/443", "web.moved.example", https),
            app(14, "tcp/80", "argo.moved.example", argo),
            app(15, "tcp/80", "cdn.moved.example", fixed(&["198.51.100.65"])),
        ],
        (format!("zones/{ZONE}/firewall/access_rules/rules")): [
            rule(21, "js_challenge", "192.0.2.67", ZONE),
            rule(20, "block", "192.0.2.66", ACCOUNT),
        ],
        (format!("zones/{ZONE}/dns_records")): [
            record(30, "A", "www.moved.example", "192.0.2.80"),
            record(31, "TXT", "ssh.moved.example", "\"beside the app\""),
            record(32, "A", "ssh.moved.example", "198.51.100.1"),
            record(33, "LOC", "moved.example", "51 30 0.000 N 0 7 0.000 W 0.00m 0m 0m 0m"),
            proxied,
        ],
    })
}

pub fn import(stand: &Stand, lists: &Value, wishes: Value) -> Reply {
    let mut body = json!({"source": "https://api.example/client/v4", "lists": lists});
    for (key, value) in wishes.as_object().expect("an object") {
        body[key] = value.clone();
    }
    stand.admin(Method::POST, "/byway/import/cloudflare", body)
}

/// Counts of one kind: made, changed, same, kept, left out.
pub fn counts(reply: &Reply, kind: &str) -> [u64; 5] {
    let rows = reply.result()["counts"].as_array().expect("a list").iter();
    let row = rows.clone().find(|row| row["kind"] == kind).unwrap_or(&Value::Null);
    ["made", "changed", "same", "kept", "left_out"].map(|fate| row[fate].as_u64().unwrap_or(0))
}

/// Why a note is there about `id`.
pub fn why(reply: &Reply, id: &str) -> String {
    let notes = reply.result()["notes"].as_array().expect("a list").iter();
    let of_id = notes.filter(|note| note["id"] == id);
    of_id.map(|note| format!("{}: {}", note["what"], note["why"])).collect::<Vec<_>>().join("; ")
}

pub fn version(stand: &Stand) -> u64 {
    stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number")
}

#[test]
fn everything_comes_under_its_id_and_what_differs_is_told() {
    let stand = Stand::new();
    let reply = import(&stand, &lists(), json!({"trust_approvals": true}));
    assert_eq!(counts(&reply, "account"), [1, 0, 0, 0, 0], "once, though its zone names it, too");
    assert_eq!(counts(&reply, "zone"), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&reply, "prefix"), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&reply, "binding"), [2, 0, 0, 0, 1]);
    assert_eq!(counts(&reply, "bgp_prefix"), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&reply, "app"), [4, 0, 0, 0, 2]);
    assert_eq!(counts(&reply, "rule"), [2, 0, 0, 0, 0]);
    assert_eq!(counts(&reply, "dns_record"), [3, 0, 0, 0, 2]);
    for (id, words) in [
        (PREFIX.to_owned(), &["loa_document_id", "on_demand_locked"][..]),
        (id(3), &["no service", "Egress"]),
        (id(4), &["advertised there", "withdrawn here"]),
        (id(11), &["mapped", "198.51.100.2"]),
        (id(12), &["mapped", "198.51.100.2", "both families"]),
        (id(13), &["left_out", "/traffic_type", "(11000)"]),
        (id(14), &["not_in_force", "argo_smart_routing"]),
        (id(15), &["left_out", "bound to CDN", "(11019)"]),
        (id(21), &["js_challenge", "does nothing at layer 4"]),
        (id(32), &["left_out", "a Spectrum app has its name"]),
        (id(33), &["left_out", "(9002)"]),
        (id(34), &["not_in_force", "proxied"]),
    ] {
        let said = why(&reply, &id);
        assert!(words.iter().all(|word| said.contains(word)), "{id}: {said}");
    }
    let apps = stand.get(&format!("/zones/{ZONE}/spectrum/apps")).result().clone();
    let ssh =
        apps.as_array().expect("a list").iter().find(|app| app["id"] == id(10)).expect("kept under its id");
    assert_eq!((&ssh["created_on"], &ssh["modified_on"]), (&json!(THEN), &json!(THEN)));
    let mail =
        apps.as_array().expect("a list").iter().find(|app| app["id"] == id(12)).expect("kept under its id");
    assert_eq!(
        (&mail["dns"]["type"], &mail["edge_ips"]["ips"]),
        (&json!("ADDRESS"), &json!(["198.51.100.2"]))
    );
    let account = Id::parse(ACCOUNT).expect("an id");
    let prefix = stand.estate().prefixes.get(Id::parse(PREFIX).expect("an id")).cloned().expect("made");
    assert_eq!((prefix.account, prefix.approved, prefix.asn), (account, Approval::Approved, 64_500));
    assert!(
        stand.outside.announced.lock().expect("no panic").iter().all(Vec::is_empty),
        "nothing is announced"
    );
    let record = stand.get(&format!("/zones/{ZONE}/dns_records/{}", id(30))).result().clone();
    assert_eq!((&record["created_on"], &record["ttl"]), (&json!(THEN), &json!(300)));
    assert_eq!(
        stand.get("/byway/history?limit=1").result()[0]["action"],
        "import from https://api.example/client/v4"
    );
}

#[test]
fn a_second_time_changes_nothing_and_what_was_changed_here_stays_unless_asked() {
    let stand = Stand::new();
    let all = lists();
    import(&stand, &all, json!({"trust_approvals": true})).result();
    let before = version(&stand);
    let again = import(&stand, &all, json!({"trust_approvals": true, "update": true}));
    assert_eq!(version(&stand), before, "{:?}", again.body);
    assert_eq!((counts(&again, "app"), counts(&again, "dns_record")), ([0, 0, 4, 0, 2], [0, 0, 3, 0, 2]));
    assert_eq!((counts(&again, "rule"), counts(&again, "binding")), ([0, 0, 2, 0, 0], [0, 0, 2, 0, 1]));
    assert_eq!((counts(&again, "prefix"), counts(&again, "bgp_prefix")), ([0, 0, 1, 0, 0], [0, 0, 1, 0, 0]));
    let one = format!("/zones/{ZONE}/spectrum/apps/{}", id(10));
    stand.call(Method::PATCH, &one, json!({"ip_firewall": true})).result();
    let at = format!("/zones/{ZONE}/dns_records/{}", id(30));
    stand.call(Method::PATCH, &at, json!({"content": "192.0.2.81"})).result();
    let mut all = all;
    all[format!("zones/{ZONE}/firewall/access_rules/rules")][0]["mode"] = "block".into();
    let before = version(&stand);
    let kept = import(&stand, &all, json!({}));
    assert_eq!(version(&stand), before);
    assert_eq!(
        (counts(&kept, "app")[3], counts(&kept, "dns_record")[3], counts(&kept, "rule")[3]),
        (1, 1, 1)
    );
    assert!(why(&kept, &id(10)).contains("differs"), "{}", why(&kept, &id(10)));
    let dry = stand.admin(
        Method::POST,
        "/byway/import/cloudflare?dry_run=true",
        json!({"lists": all, "update": true}),
    );
    assert_eq!((counts(&dry, "app")[1], version(&stand)), (1, before));
    let updated = import(&stand, &all, json!({"update": true}));
    assert_eq!(
        (counts(&updated, "app")[1], counts(&updated, "dns_record")[1], counts(&updated, "rule")[1]),
        (1, 1, 1)
    );
    assert_eq!(stand.get(&one).result()["ip_firewall"], false);
    assert_eq!(stand.get(&at).result()["content"], "192.0.2.80");
    assert_eq!(version(&stand), before + 1, "all of it is one change");
    let stand = stand.restarted();
    assert_eq!(stand.get(&one).result()["created_on"], THEN);
}

#[test]
fn without_trust_a_prefix_waits_and_what_needs_it_comes_the_next_time() {
    let stand = Stand::new();
    let first = import(&stand, &lists(), json!({}));
    assert!(why(&first, PREFIX).contains(&format!("byway admin prefix approve {PREFIX}")));
    assert_eq!(
        (counts(&first, "binding"), counts(&first, "app")[0]),
        ([0, 0, 0, 0, 3], 2),
        "dynamic ones alone"
    );
    let prefix = stand.estate().prefixes.get(Id::parse(PREFIX).expect("an id")).cloned().expect("made");
    assert_eq!(prefix.approved, Approval::Pending);
    stand.admin(Method::POST, &format!("/byway/prefixes/{PREFIX}/approve"), json!({"force": true})).result();
    let second = import(&stand, &lists(), json!({}));
    assert_eq!((counts(&second, "binding"), counts(&second, "app")), ([2, 0, 0, 0, 1], [2, 0, 2, 0, 2]));
    assert_eq!(
        stand.get(&format!("/zones/{ZONE}/spectrum/apps/{}", id(11))).result()["dns"]["type"],
        "CNAME"
    );
}

#[test]
fn what_is_here_by_name_is_taken_for_the_same_and_others_stay_out() {
    let stand = Stand::new();
    let mut all = lists();
    all["zones"][0]["name"] = "example.net".into();
    let refused = import(&stand, &all, json!({"trust_approvals": true}));
    assert!(why(&refused, ZONE).contains("another account's"), "{}", why(&refused, ZONE));
    assert_eq!((counts(&refused, "app"), counts(&refused, "prefix")[0]), ([0; 5], 1));
    let stand = Stand::new();
    let into = json!({"into": stand.account.to_string(), "trust_approvals": true});
    let mapped = import(&stand, &all, into);
    assert_eq!((counts(&mapped, "account"), counts(&mapped, "zone")), ([0, 0, 1, 0, 0], [0, 0, 1, 0, 0]));
    assert_eq!(counts(&mapped, "prefix"), [1, 0, 0, 0, 0]);
    let prefix = stand.estate().prefixes.get(Id::parse(PREFIX).expect("an id")).cloned().expect("made");
    assert_eq!(prefix.account, stand.account);
    assert!(why(&mapped, &id(10)).contains("(16001)"), "names of another zone: {}", why(&mapped, &id(10)));
    let mut overlaps = lists();
    overlaps[format!("accounts/{ACCOUNT}/addressing/prefixes")][0]["cidr"] = "203.0.113.0/24".into();
    let other = import(&Stand::new(), &overlaps, json!({"trust_approvals": true}));
    assert!(why(&other, PREFIX).contains("invalid_network_cidr"), "{}", why(&other, PREFIX));
}

#[test]
fn what_is_no_import_is_refused_and_the_net_imports_nothing() {
    let stand = Stand::new();
    let before = version(&stand);
    let post = |body: Value| stand.admin(Method::POST, "/byway/import/cloudflare", body);
    assert_eq!(post(json!({})).failure(), (400, 10011, Some("/lists")));
    assert_eq!(post(json!({"lists": {"zones": {}}})).failure(), (400, 10011, Some("/lists/zones")));
    assert_eq!(post(json!({"lists": {"zones": [1]}})).failure(), (400, 10011, Some("/lists/zones")));
    assert_eq!(post(json!({"lists": {}, "update": 1})).failure(), (400, 10011, Some("/update")));
    assert_eq!(post(json!({"lists": {}, "into": id(1)})).failure(), (400, 10011, Some("/into")));
    assert_eq!(post(json!({"lists": {}, "owner": "nobody@x"})).failure(), (400, 10011, Some("/owner")));
    assert_eq!(
        stand.post("/byway/import/cloudflare", json!({"lists": lists()})).failure(),
        (403, 9109, None)
    );
    assert_eq!(post(json!({"lists": {}})).result()["counts"], json!([]));
    let odd = json!({
        "accounts": [{"id": "../../x", "name": 5}], "zones": [{"id": ZONE}, {"name": "x"}],
        (format!("zones/{ZONE}/spectrum/apps")): [{"id": id(1)}],
    });
    let told = post(json!({"lists": odd}));
    assert_eq!((counts(&told, "account")[4], counts(&told, "zone")[4]), (1, 2));
    assert_eq!(version(&stand), before);
}
