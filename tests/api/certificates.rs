//! Certificates of zones through the API.

use crate::stand::Stand;
use axum::http::Method;
use serde_json::{Value, json};

const CHAIN: &str = include_str!("../certs/edge.pem");
const KEY: &str = include_str!("../certs/edge.key");
const OTHER_CHAIN: &str = include_str!("../certs/other.pem");
const OTHER_KEY: &str = include_str!("../certs/other.key");

fn app(name: &str) -> Value {
    json!({
        "protocol": "tcp/443",
        "dns": {"type": "ADDRESS", "name": name},
        "origin_direct": ["tcp://192.0.2.7:443"],
        "tls": "flexible",
        "edge_ips": {"type": "static", "ips": ["203.0.113.1"]},
    })
}

/// A zone for names that the certificate holds.
fn zone(stand: &Stand) -> String {
    let body = json!({"name": "example.com", "account": {"id": stand.account.to_string()}});
    stand.post("/zones", body).result()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_app_with_tls_wants_a_certificate_that_holds_its_name_and_keeps_it() {
    let stand = Stand::new();
    let zone = zone(&stand);
    let (apps, path) = (format!("/zones/{zone}/spectrum/apps"), format!("/zones/{zone}/custom_certificates"));
    assert_eq!(stand.post(&apps, app("www.example.com")).failure().1, 11000);
    let made = stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result().clone();
    assert_eq!((&made["status"], &made["zone_id"]), (&json!("active"), &json!(zone)));
    let hosts = made["hosts"].as_array().expect("a list");
    let host = hosts
        .iter()
        .filter_map(Value::as_str)
        .find(|host| host.ends_with("example.com"))
        .expect("one of the zone");
    let name = host.replace('*', "any");
    assert!(made["expires_on"].as_str().expect("a time") > "2026", "{made}");
    let refused = stand.post(&apps, app("not.held.by.it.example.com"));
    assert_eq!(refused.failure(), (400, 11000, Some("/tls")));
    stand.post(&apps, app(&name)).result();
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(stand.call(Method::DELETE, &one, Value::Null).failure(), (400, 10016, None));
    let others = json!({"certificate": OTHER_CHAIN, "private_key": OTHER_KEY});
    assert_eq!(
        stand.call(Method::PATCH, &one, others).failure(),
        (400, 10016, None),
        "nor by another's names"
    );
    let second = stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result()["id"].clone();
    let order = json!({"certificates": [{"id": second, "priority": 5}]});
    let sorted = stand.call(Method::PUT, &format!("{path}/prioritize"), order).result().clone();
    assert_eq!((&sorted[0]["id"], &sorted[0]["priority"]), (&second, &json!(5)));
    stand.call(Method::DELETE, &one, Value::Null).result();
    let stand = stand.restarted();
    assert_eq!(stand.get(&path).result().as_array().map(Vec::len), Some(1));
    assert_eq!(stand.get(&apps).result()[0]["tls"], "flexible");
}

#[test]
fn a_key_goes_in_and_never_comes_out() {
    let stand = Stand::new();
    let path = format!("/zones/{}/custom_certificates", stand.zone);
    let made = stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY}));
    made.result();
    assert!(made.body["messages"][0]["message"].as_str().expect("a text").contains("no name of zone"));
    let line = KEY.lines().nth(1).expect("a line");
    let id = made.body["result"]["id"].as_str().expect("an id").to_owned();
    for answer in
        [&made, &stand.get(&path), &stand.get(&format!("{path}/{id}")), &stand.get("/byway/history")]
    {
        let text = answer.body.to_string();
        assert!(!text.contains(line) && !text.contains("PRIVATE KEY"), "{text}");
    }
    let estate = format!("{:?}", stand.estate());
    assert!(!estate.contains(line), "nor is it printed");
}

#[test]
fn a_key_among_certificates_is_refused_and_what_else_stands_beside_them_is_not_kept() {
    let stand = Stand::new();
    let path = format!("/zones/{}/custom_certificates", stand.zone);
    let made = stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result().clone();
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for chain in [
        format!("{CHAIN}{KEY}"),
        format!("{KEY}{CHAIN}"),
        format!("{CHAIN}{}", KEY.replace('\n', "\r\n")),
        format!("{CHAIN}{locked}"),
    ] {
        let body = json!({"certificate": chain, "private_key": KEY});
        for reply in [stand.post(&path, body.clone()), stand.call(Method::PATCH, &one, body)] {
            assert_eq!(reply.failure(), (400, 10011, Some("/certificate")));
            let text = reply.body["errors"][0]["message"].as_str().expect("a text").to_owned();
            assert!(text.contains("holds a private key"), "{text}");
        }
    }
    let beside = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let chain = format!("hidden\n{beside}{}\r\nhidden", CHAIN.replace('\n', "\r\n"));
    stand.post(&path, json!({"certificate": chain, "private_key": KEY})).result();
    let estate = stand.estate();
    let kept: Vec<&str> = estate.certificates.iter().map(|one| &*one.held.chain).collect();
    assert_eq!(kept, [CHAIN, CHAIN]);
    let history = stand.get("/byway/history").body.to_string();
    assert!(history.contains("BEGIN CERTIFICATE") && !history.contains("hidden"), "{history}");
    let same = stand.call(Method::PATCH, &one, json!({"certificate": chain, "private_key": KEY}));
    assert_eq!(same.result()["modified_on"], made["modified_on"], "the same certificates are the same chain");
}

#[test]
fn what_does_not_belong_together_is_refused_by_its_field() {
    let stand = Stand::new();
    let path = format!("/zones/{}/custom_certificates", stand.zone);
    for (chain, key, field) in [
        (CHAIN, OTHER_KEY, "/private_key"),
        (CHAIN, "", "/private_key"),
        (CHAIN, "x", "/private_key"),
        ("x", KEY, "/certificate"),
        ("", KEY, "/certificate"),
    ] {
        let reply = stand.post(&path, json!({"certificate": chain, "private_key": key}));
        assert_eq!(reply.failure(), (400, 10011, Some(field)));
    }
    assert!(stand.estate().certificates.is_empty());
}

#[test]
fn a_maps_name_for_clients_without_one_is_told_to_the_tables_and_what_no_certificate_holds_is_said() {
    let stand = Stand::new();
    let zone = zone(&stand);
    let path = format!("/zones/{zone}/custom_certificates");
    let hosts =
        stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result()["hosts"].clone();
    let host = |at: usize| hosts[at].as_str().expect("a host").replace('*', "any");
    stand.post(&format!("/zones/{zone}/spectrum/apps"), app(&host(0))).result();
    let maps = stand.addressing("address_maps");
    let body = json!({"enabled": true, "ips": ["203.0.113.1", "203.0.113.2"], "default_sni": host(1)});
    let made = stand.post(&maps, body);
    assert_eq!(made.body["messages"], json!([]));
    let names = || {
        let spec = byway::estate::lower(&stand.estate());
        let apps: Vec<_> = spec.zones().flat_map(|(_, zone)| zone.apps.clone()).collect();
        let names = apps[0].nameless.iter().map(|(addr, name)| format!("{addr} {name}"));
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(), [format!("203.0.113.1 {}", host(1))], "of the addresses that the app has");
    let map = format!("{maps}/{}", made.result()["id"].as_str().expect("an id"));
    let other = stand.call(Method::PATCH, &map, json!({"default_sni": "nobody.example.com"}));
    assert!(
        other.body["messages"].to_string().contains("no certificate of the account's zones holds"),
        "{other:?}"
    );
    stand.call(Method::PATCH, &map, json!({"enabled": false})).result();
    assert!(names().is_empty());
}
