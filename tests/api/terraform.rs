//! Bodies as the Terraform provider sends them, versions 4 (by cloudflare-go 0.x: every field of a struct, its zero times
//! among them) and 5 (attributes that were set). Applied a second time nothing is changed, and what is read says what
//! was sent: a plan after it is empty.

use crate::stand::{Stand, binding, prefix};
use axum::http::Method;
use byway::estate::{Grant, Level, Permission, Reach};
use serde_json::{Value, json};

const CHAIN: &str = include_str!("../certs/edge.pem");
const KEY: &str = include_str!("../certs/edge.key");

/// What cloudflare-go 0.x sends for a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

fn version(stand: &Stand) -> u64 {
    stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number")
}

/// What of `sent` reads otherwise in `got`; lists of addresses are sets to version 4.
fn differences(sent: &Value, got: &Value, place: &str) -> Vec<String> {
    match (sent, got) {
        (Value::Object(sent), Value::Object(_)) => sent
            .iter()
            .flat_map(|(key, value)| differences(value, &got[key], &format!("{place}/{key}")))
            .collect(),
        (Value::Number(_), Value::Number(_)) if sent.as_f64() == got.as_f64() => Vec::new(),
        _ if sent == got => Vec::new(),
        _ => vec![format!("{place}: {sent} became {got}")],
    }
}

/// Makes `body` at `path`, reads it, and applies it again by `again` (with the id, where the provider sends it).
fn apply(stand: &Stand, path: &str, body: &Value, (again, unread): (Method, &[&str])) -> Value {
    let made = stand.post(path, body.clone()).result().clone();
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    let read = stand.get(&one).result().clone();
    assert_eq!(read, made, "what is read is what was answered");
    let mut sent = body.clone();
    unread.iter().for_each(|key| drop(sent.as_object_mut().expect("an object").remove(*key)));
    let differences = differences(&sent, &read, "");
    assert!(differences.is_empty(), "{path}: a plan would show {differences:#?}");
    let before = version(stand);
    let applied = stand.call(again, &one, body.clone()).result().clone();
    assert_eq!((applied, version(stand)), (made, before), "{body}: applied again");
    read
}

fn app(more: Value) -> Value {
    let mut app = json!({"protocol": "tcp/22", "dns": {"type": "ADDRESS", "name": "ssh.example.net"}});
    for (key, value) in more.as_object().expect("an object") {
        app[key] = value.clone();
    }
    app
}

#[test]
fn spectrum_applications_of_version_4_are_applied_twice_without_a_difference() {
    let fixed = json!({"type": "static", "ips": ["203.0.113.1", "203.0.113.2"]});
    let dynamic = |connectivity: &str| json!({"type": "dynamic", "connectivity": connectivity});
    let cname = json!({"type": "CNAME", "name": "ssh.example.net"});
    for body in [
        app(json!({
            "origin_direct": ["tcp://192.0.2.7:22"], "origin_port": 22, "tls": "off", "traffic_type": "direct",
            "proxy_protocol": "off", "edge_ips": fixed,
        })),
        app(json!({
            "dns": cname, "origin_direct": ["tcp://192.0.2.7:22"], "tls": "off", "traffic_type": "direct", "ip_firewall": true,
            "proxy_protocol": "v1", "edge_ips": dynamic("all"),
        })),
        app(json!({
            "protocol": "tcp/22-23", "dns": cname, "origin_dns": {"name": "origin.example.net"}, "origin_port": "2022-2023",
            "tls": "off", "traffic_type": "direct", "proxy_protocol": "off", "edge_ips": dynamic("ipv4"),
        })),
        app(json!({
            "protocol": "udp/53", "origin_direct": ["udp://192.0.2.7:53"], "proxy_protocol": "simple", "tls": "off",
            "traffic_type": "direct", "edge_ips": fixed,
        })),
    ] {
        let stand = Stand::new();
        let read = apply(&stand, &stand.apps(), &body, (Method::PUT, &[]));
        let mut with_id = body.clone();
        with_id["id"] = read["id"].clone();
        let one = format!("{}/{}", stand.apps(), read["id"].as_str().expect("an id"));
        let before = version(&stand);
        assert_eq!(stand.call(Method::PUT, &one, with_id).result(), &read, "an update sends the id along");
        assert_eq!(version(&stand), before);
    }
}

#[test]
fn spectrum_applications_of_version_5_are_applied_twice_without_a_difference() {
    let origin = json!({"name": "origin.example.net", "ttl": 1200, "type": "A"});
    for body in [
        app(
            json!({"origin_direct": ["tcp://192.0.2.7:22"], "edge_ips": {"type": "static", "ips": ["203.0.113.2", "203.0.113.1"]}}),
        ),
        app(
            json!({"origin_direct": ["tcp://192.0.2.7:22"], "origin_port": 22, "edge_ips": {"type": "static", "ips": ["203.0.113.1"]}}),
        ),
        app(json!({
            "dns": {"type": "CNAME", "name": "ssh.example.net"}, "origin_dns": origin, "origin_port": 22, "argo_smart_routing": true,
            "ip_firewall": true, "proxy_protocol": "v2", "tls": "off", "traffic_type": "direct",
            "edge_ips": {"type": "dynamic", "connectivity": "ipv6"},
        })),
        app(json!({
            "protocol": "tcp/8080-8081", "dns": {"type": "CNAME", "name": "ssh.example.net"},
            "origin_dns": {"name": "origin.example.net"}, "origin_port": "8080-8081",
        })),
    ] {
        let stand = Stand::new();
        apply(&stand, &stand.apps(), &body, (Method::PUT, &[]));
    }
}

#[test]
fn addresses_are_answered_as_they_were_sent_and_ports_as_numbers() {
    let stand = Stand::new();
    let six = prefix(stand.account, "2001:db8:1::/48");
    stand.put(vec![binding(&six).into(), six.into()]);
    let body = |ips: &[&str], port: Value| {
        app(json!({
            "origin_direct": ["tcp://192.0.2.7:22"], "origin_port": port, "edge_ips": {"type": "static", "ips": ips},
        }))
    };
    let made = stand.post(&stand.apps(), body(&["203.0.113.1", "2001:db8:1::1"], json!(22))).result().clone();
    let one = format!("{}/{}", stand.apps(), made["id"].as_str().expect("an id"));
    for (ips, port, changes) in [
        (["203.0.113.1", "2001:db8:1::1"], json!("22"), 0),
        (["203.0.113.1", "2001:DB8:1:0::1"], json!("22"), 1),
        (["203.0.113.1", "2001:DB8:1:0::1"], json!(22), 0),
        (["203.0.113.1", "2001:0db8:0001:0000:0000:0000:0000:0001"], json!(22), 1),
        (["2001:db8:1::1", "203.0.113.1"], json!(22), 1),
        (["2001:DB8:1::0.0.0.1", "203.0.113.1"], json!("22"), 1),
        (["2001:DB8:1::0.0.0.1", "203.0.113.1"], json!("22"), 0),
    ] {
        let before = version(&stand);
        let put = stand.call(Method::PUT, &one, body(&ips, port.clone())).result().clone();
        assert_eq!(version(&stand) - before, changes, "{ips:?} {port}: order and spelling are the client's");
        assert_eq!((&put["edge_ips"]["ips"], &put["origin_port"]), (&json!(ips), &json!(22)));
        assert_eq!(stand.get(&one).result(), &put, "a plan after it is empty");
    }
    // What is meant is one address, however it is written.
    let twice = body(&["2001:db8:1::2", "2001:DB8:1:0:0::2"], json!(22));
    assert_eq!(stand.post(&stand.apps(), twice).failure().2, Some("/edge_ips/ips/1"));
    let mut other = body(&["2001:db8:1:0::1"], json!(22));
    other["dns"]["name"] = "other.example.net".into();
    assert_eq!(stand.post(&stand.apps(), other).status, 400, "its port is taken");
    let records = stand.get(&format!("/zones/{}/dns_records?type=AAAA", stand.zone)).result().clone();
    assert_eq!(records[0]["content"], "2001:db8:1::1", "records have one spelling");
    let before = stand.get(&one).result().clone();
    let stand = stand.restarted();
    assert_eq!(stand.get(&one).result(), &before, "the store keeps it");
    stand.call(Method::PATCH, &one, json!({"ip_firewall": true})).result();
    assert_eq!(
        stand.get(&one).result()["edge_ips"],
        before["edge_ips"],
        "so does a change of something else"
    );
}

#[test]
fn addresses_of_every_spelling_are_applied_twice_without_a_difference() {
    for ips in [
        json!(["2001:DB8:1::1"]),
        json!(["2001:db8:1:0:0:0:0:1", "203.0.113.1"]),
        json!(["203.0.113.1", "2001:0db8:0001::0001", "2001:db8:1::2"]),
    ] {
        let stand = Stand::new();
        let six = prefix(stand.account, "2001:db8:1::/48");
        stand.put(vec![binding(&six).into(), six.into()]);
        let edge_ips = json!({"type": "static", "ips": ips});
        let four = app(json!({
            "origin_direct": ["tcp://192.0.2.7:22"], "origin_port": 22, "tls": "off", "traffic_type": "direct",
            "proxy_protocol": "off", "edge_ips": edge_ips,
        }));
        apply(&stand, &stand.apps(), &four, (Method::PUT, &[]));
    }
}

#[test]
fn access_rules_are_applied_twice_without_a_difference() {
    let stand = Stand::new();
    let scopes = [format!("/zones/{}", stand.zone), format!("/accounts/{}", stand.account)];
    for (number, scope) in (1..).zip(scopes) {
        let path = format!("{scope}/firewall/access_rules/rules");
        let five = json!({"mode": "block", "notes": "five", "configuration": {"target": "ip", "value": format!("192.0.2.{number}")}});
        apply(&stand, &path, &five, (Method::PATCH, &[]));
        let four = json!({
            "mode": "challenge", "notes": "four", "configuration": {"target": "asn", "value": "AS64496"}, "scope": {},
            "created_on": NEVER, "modified_on": NEVER,
        });
        apply(&stand, &path, &four, (Method::PATCH, &["scope", "created_on", "modified_on"]));
        for (target, sent, kept) in [
            ("ip6", "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
            ("country", "de", "DE"),
            ("asn", "64497", "AS64497"),
        ] {
            let body = json!({"mode": "block", "configuration": {"target": target, "value": sent}});
            let made = stand.post(&path, body.clone()).result().clone();
            assert_eq!(made["configuration"]["value"], kept, "both versions know these forms as the same");
            let (one, before) = (format!("{path}/{}", made["id"].as_str().expect("an id")), version(&stand));
            assert_eq!(stand.call(Method::PATCH, &one, body).result(), &made);
            assert_eq!(version(&stand), before);
        }
    }
}

#[test]
fn dns_records_are_applied_twice_without_a_difference() {
    let stand = Stand::new();
    let path = format!("/zones/{}/dns_records", stand.zone);
    let four = json!({
        "created_on": NEVER, "modified_on": NEVER, "type": "CNAME", "name": "four.example.net", "content": "www.example.net",
        "proxied": true, "ttl": 1, "meta": {}, "data": null,
    });
    let unread = ["created_on", "modified_on", "meta", "data"];
    apply(&stand, &path, &four, (Method::PATCH, &unread));
    let mx = json!({
        "created_on": NEVER, "modified_on": NEVER, "type": "MX", "name": "example.net", "content": "mail.example.net", "priority": 10,
        "proxied": false, "ttl": 300,
    });
    apply(&stand, &path, &mx, (Method::PATCH, &unread));
    for five in [
        json!({"type": "A", "name": "five.example.net", "content": "192.0.2.1", "ttl": 3600.0, "proxied": false, "comment": "one",
               "tags": ["team:edge"], "settings": {"ipv4_only": false, "ipv6_only": false}}),
        json!({"type": "TXT", "name": "five.example.net", "content": "\"v=spf1 -all\"", "ttl": 1}),
        json!({"type": "SRV", "name": "_sip._tcp.example.net", "ttl": 1,
               "data": {"priority": 1.0, "weight": 2, "port": 5060, "target": "sip.example.net"}}),
        json!({"type": "CAA", "name": "example.net", "ttl": 1, "data": {"flags": 0, "tag": "issue", "value": "ca.example"}}),
    ] {
        apply(&stand, &path, &five, (Method::PUT, &[]));
    }
    let caa = json!({"type": "CAA", "name": "x", "ttl": 1, "data": {"flags": "128", "tag": "issue", "value": "ca.example"}});
    assert_eq!(stand.post(&path, caa).result()["data"]["flags"], 128, "`flags` is of any type to version 5");
}

#[test]
fn byo_ip_prefixes_and_address_maps_are_applied_twice_without_a_difference() {
    let stand = Stand::new();
    let prefixes = stand.addressing("prefixes");
    let made = stand
        .post(&prefixes, json!({"asn": 64_496, "cidr": "198.51.100.0/24", "description": "five"}))
        .result()
        .clone();
    let one = format!("{prefixes}/{}", made["id"].as_str().expect("an id"));
    let before = version(&stand);
    assert_eq!(stand.call(Method::PATCH, &one, json!({"description": "five"})).result(), &made);
    let all = json!({"asn": 64_496, "cidr": "198.51.100.0/24", "description": "five"});
    assert_eq!(
        stand.call(Method::PATCH, &one, all).result(),
        &made,
        "version 5 sends what cannot change, too"
    );
    assert_eq!(version(&stand), before);
    let bound = stand.get(&prefixes).result()[0].clone();
    let status = format!("{prefixes}/{}/bgp/status", bound["id"].as_str().expect("an id"));
    // Version 4 adopts a prefix that is there: its description, its switch, and what of them is read.
    let four = format!("{prefixes}/{}", bound["id"].as_str().expect("an id"));
    for advertised in [true, false] {
        for is_again in [false, true] {
            let before = version(&stand);
            let described = stand.call(Method::PATCH, &four, json!({"description": "four"})).result().clone();
            let switched =
                stand.call(Method::PATCH, &status, json!({"advertised": advertised})).result().clone();
            assert_eq!(
                (&described["description"], &switched["advertised"]),
                (&json!("four"), &json!(advertised))
            );
            assert_eq!(stand.get(&four).result()["description"], "four");
            assert_eq!(stand.get(&status).result(), &switched, "a plan after it is empty");
            assert!(!is_again || version(&stand) == before, "applied again");
        }
    }
    let maps = stand.addressing("address_maps");
    let zone = json!({"identifier": stand.zone.to_string(), "kind": "zone"});
    let map = json!({"description": "five", "enabled": true, "ips": ["203.0.113.9"], "memberships": [zone]});
    let made = stand.post(&maps, map).result().clone();
    let one = format!("{maps}/{}", made["id"].as_str().expect("an id"));
    let read = stand.get(&one).result().clone();
    assert_eq!((&read["description"], &read["ips"][0]["ip"]), (&json!("five"), &json!("203.0.113.9")));
    assert_eq!(read["memberships"][0]["identifier"], stand.zone.to_string());
    let before = version(&stand);
    let update = json!({"description": "five", "enabled": true});
    assert_eq!(stand.call(Method::PATCH, &one, update).result()["modified_at"], made["modified_at"]);
    for member in ["ips/203.0.113.9".to_owned(), format!("zones/{}", stand.zone)] {
        let again = stand.call(Method::PUT, &format!("{one}/{member}"), json!({}));
        assert!(again.status.is_success(), "version 4 puts members one by one: {again:?}");
    }
    assert_eq!(version(&stand), before);
}

/// Whatever is said of a thing that is there already, as often as one likes, changes nothing.
fn same(stand: &Stand, (method, path): (Method, &str), body: &Value) -> Value {
    let before = version(stand);
    let replies = [(); 2].map(|()| stand.call(method.clone(), path, body.clone()).result().clone());
    assert_eq!(replies[0], replies[1]);
    assert_eq!(version(stand), before, "{path}: {body}: nothing changes");
    replies[0].clone()
}

#[test]
fn zones_are_applied_twice_without_a_difference() {
    let stand = Stand::new();
    let account = stand.account.to_string();
    // By cloudflare-go 0.x, which names the account as it was named once, with a time that was never set.
    let four = json!({
        "name": "four.example.org", "jump_start": false, "type": "full",
        "organization": {"id": account, "created_on": NEVER},
    });
    let made = stand.post("/zones", four).result().clone();
    let one = format!("/zones/{}", made["id"].as_str().expect("an id"));
    // It says the type once more by itself, and whether the zone rests where that was set.
    for body in [json!({"type": "full"}), json!({"paused": false}), json!({"vanity_name_servers": []})] {
        assert_eq!(same(&stand, (Method::PATCH, &one), &body), made);
    }
    let read = stand.get(&one).result().clone();
    assert_eq!(read, made);
    let state = json!({"account": {"id": account}, "name": "four.example.org", "type": "full", "paused": false, "status": "active"});
    assert!(differences(&state, &read, "").is_empty(), "{read}");
    // To a plan that is left out a text is enough; lists of name servers are lists.
    assert!(read["plan"]["legacy_id"].is_string() && read["name_servers"].is_array());

    let five =
        json!({"account": {"id": account}, "name": "five.example.org", "type": "full", "paused": false});
    let made = stand.post("/zones", five.clone()).result().clone();
    let one = format!("/zones/{}", made["id"].as_str().expect("an id"));
    let read = stand.get(&one).result().clone();
    assert_eq!(read, made);
    assert!(differences(&five, &read, "").is_empty(), "{read}");
    assert_eq!(same(&stand, (Method::PATCH, &one), &five), made, "version 5 sends what it has");

    // What would read otherwise is refused and not dropped: a plan after it would never be empty.
    for (key, value) in [
        ("type", json!("partial")),
        ("paused", json!(true)),
        ("vanity_name_servers", json!(["ns1.example.org"])),
        ("plan", json!({"id": "free"})),
    ] {
        let pointer = format!("/{key}");
        let refused = stand.call(Method::PATCH, &one, json!({ key: value }));
        assert_eq!(refused.failure(), (400, 10011, Some(&*pointer)), "{value}");
        let mut other = json!({"account": {"id": account}, "name": "other.example.org"});
        other[key] = value;
        assert_eq!(stand.post("/zones", other).failure(), (400, 10011, Some(&*pointer)));
    }
}

#[test]
fn custom_certificates_are_applied_twice_without_a_difference() {
    let stand = Stand::new();
    let path = format!("/zones/{}/custom_certificates", stand.zone);
    let pair = |more: Value| {
        let mut pair = json!({"certificate": CHAIN, "private_key": KEY, "bundle_method": "ubiquitous", "type": "legacy_custom"});
        for (key, value) in more.as_object().expect("an object") {
            pair[key] = value.clone();
        }
        pair
    };
    // Both versions keep what is never answered: the pair and its type.
    let unread = ["certificate", "private_key", "type"];
    let four = apply(&stand, &path, &pair(json!({"bundle_method": "force"})), (Method::PATCH, &unread));
    // Version 4 waits until it is in force, and reads the times.
    assert_eq!(four["status"], "active");
    for key in ["uploaded_on", "modified_on", "expires_on"] {
        assert!(four[key].as_str().is_some_and(|text| text.ends_with('Z')), "{key}: {four}");
    }
    let five = apply(&stand, &path, &pair(json!({})), (Method::PATCH, &unread));
    // Priorities by cloudflare-go 0.x, which writes `ID`.
    let ids = [&four, &five].map(|one| one["id"].clone());
    let priorities = json!({"certificates": [{"ID": ids[0], "priority": 1}, {"ID": ids[1], "priority": 2}]});
    let prioritize = format!("{path}/prioritize");
    let rows = stand.call(Method::PUT, &prioritize, priorities.clone()).result().clone();
    assert_eq!((&rows[0]["id"], &rows[0]["priority"]), (&ids[1], &json!(2)));
    assert_eq!(same(&stand, (Method::PUT, &prioritize), &priorities), rows);
    let one = format!("{path}/{}", ids[0].as_str().expect("an id"));
    assert_eq!(stand.get(&one).result()["priority"], 1);
}

#[test]
fn api_tokens_are_applied_twice_without_a_difference() {
    let stand = Stand::new();
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let group = |name: &str| {
        let mut all = groups.as_array().expect("a list").iter();
        all.find(|group| group["name"] == name).expect("one")["id"].clone()
    };
    let account = format!("com.cloudflare.api.account.{}", stand.account);
    let zone = format!("com.cloudflare.api.account.zone.{}", stand.zone);
    let named = |names: &[&str]| names.iter().map(|name| json!({"id": group(name)})).collect::<Value>();
    let policy = |names: &[&str], resources: Value| json!({"effect": "allow", "permission_groups": named(names), "resources": resources});
    let unlike = ["SSL and Certificates Read", "DNS Write", "Zone Settings Read"];
    for policies in [
        json!([policy(&["DNS Read"], json!({&account: "*"}))]),
        // Groups in any order, over resources of both kinds.
        json!([policy(&unlike, json!({&account: "*", &zone: "*"}))]),
        // Two that say the same of the same, and one beside them.
        json!([
            policy(&["DNS Read"], json!({&zone: "*"})),
            policy(&["DNS Write"], json!({&zone: "*"})),
            policy(&["DNS Read"], json!({"com.cloudflare.api.account.*": "*", &account: "*"})),
        ]),
    ] {
        let body = json!({"name": "terraform", "policies": policies, "expires_on": "2130-01-31T12:00:00Z"});
        let made = stand.post("/user/tokens", body.clone()).result().clone();
        let one = format!("/user/tokens/{}", made["id"].as_str().expect("an id"));
        let read = stand.get(&one).result().clone();
        let (sent, got) =
            (policies.as_array().expect("a list"), read["policies"].as_array().expect("a list"));
        assert_eq!(sent.len(), got.len(), "{body} became {read}");
        for (sent, got) in sent.iter().zip(got) {
            let ids = |policy: &Value| -> Vec<Value> {
                let groups = policy["permission_groups"].as_array().expect("a list").iter();
                groups.map(|group| group["id"].clone()).collect()
            };
            assert_eq!((ids(sent), &sent["effect"]), (ids(got), &got["effect"]));
            // Version 5 compares the text.
            assert_eq!(sent["resources"].to_string(), got["resources"].to_string());
        }
        let ids =
            got.iter().map(|policy| policy["id"].to_string()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(ids.len(), got.len(), "policies have ids of their own");
        assert_eq!(
            (&read["status"], &read["expires_on"]),
            (&json!("active"), &json!("2130-01-31T12:00:00.000000Z"))
        );
        assert_eq!(same(&stand, (Method::PUT, &one), &body), read, "version 4 sends no status");
        let mut five = body.clone();
        five["status"] = "active".into();
        assert_eq!(same(&stand, (Method::PUT, &one), &five), read);
    }
    // What would bind a token, and is not served, is refused and not dropped.
    let body = |key: &str, value: Value| json!({"name": "bound", "policies": [policy(&["DNS Read"], json!({&zone: "*"}))], key: value});
    for (key, value) in [
        ("condition", json!({"request_ip": {"in": ["192.0.2.0/24"]}})),
        ("condition", json!({"request_ip": {"not_in": ["192.0.2.0/24"]}})),
        ("not_before", json!("2030-01-31T12:00:00Z")),
    ] {
        let pointer = format!("/{key}");
        assert_eq!(stand.post("/user/tokens", body(key, value)).failure(), (400, 10011, Some(&*pointer)));
    }
    stand.post("/user/tokens", body("condition", json!({"request_ip": {"in": [], "not_in": null}}))).result();
}

#[test]
fn tokens_keep_their_policies_over_a_restart_and_older_ones_show_a_policy_for_each_grant() {
    let stand = Stand::new();
    let reach = Reach::Zones(vec![stand.zone]);
    let grants = [Level::Read, Level::Write];
    let grants = grants.map(|level| Grant { permission: Permission::Dns, level, reach: reach.clone() });
    stand.token(grants.to_vec());
    let list = stand.get("/user/tokens").result().clone();
    let older =
        list.as_array().expect("a list").iter().find(|token| token["name"] == "t").expect("one").clone();
    assert_eq!(older["policies"].as_array().map(Vec::len), Some(2));
    let policy = |policy: &Value| json!({"effect": "allow", "permission_groups": [policy["permission_groups"][0].clone()], "resources": policy["resources"]});
    let [read, write] = [policy(&older["policies"][0]), policy(&older["policies"][1])];
    let mut both = read.clone();
    both["permission_groups"] = json!([write["permission_groups"][0], read["permission_groups"][0]]);
    let made = stand.post("/user/tokens", json!({"name": "new", "policies": [both, read]})).result().clone();
    let stand = stand.restarted();
    let one = format!("/user/tokens/{}", made["id"].as_str().expect("an id"));
    assert_eq!(stand.get(&one).result()["policies"], made["policies"]);
    assert_eq!(made["policies"][0]["permission_groups"].as_array().map(Vec::len), Some(2));
}
