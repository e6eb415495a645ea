//! What each field is refused for, with code, pointer and what would be right; what is accepted though it is old or unknown.

use super::tests::{SSH, bad, flat, good, with};
use super::*;
use crate::table::{AppState, Missing};

/// Rows: a field, a value, pointer and code of the refusal, and a word of what would be right.
#[test]
fn each_refusal_has_its_code_its_pointer_and_what_would_be_right() {
    for (key, value, place, right) in [
        ("protocol", "22", "/protocol 13002 ", "a text"),
        ("protocol", r#""tcp/2000-1000""#, "/protocol 13002 ", "tcp/1000-2000"),
        ("protocol", r#""tcp/0""#, "/protocol 13002 ", "tcp/22"),
        ("protocol", r#""tcp/70000""#, "/protocol 13002 ", "tcp/22"),
        ("protocol", r#""TCP/22""#, "/protocol 13002 ", "tcp/22"),
        ("protocol", r#""minecraft""#, "/protocol 13002 ", "tcp/25565"),
        ("dns", r#"{"type":"A","name":"a.example.com"}"#, "/dns/type 11004 ", "ADDRESS"),
        ("dns", r#"{"type":"ADDRESS"}"#, "/dns/name ", "host name"),
        ("origin_direct", r#"["tcp://192.0.2.1:0"]"#, "/origin_direct/0 11000 ", "1000-1999"),
        ("origin_direct", r#"["sctp://192.0.2.1:22"]"#, "/origin_direct/0 11000 ", "write tcp://"),
        ("origin_direct", r#"["tcp://[x]:22"]"#, "/origin_direct/0 11000 ", "tcp://[2001:db8::1]:22"),
        ("origin_direct", "[22]", "/origin_direct/0 11000 ", "a text"),
        ("origin_port", r#""22-""#, "/origin_port 11001 ", "1000-1999"),
        ("origin_port", r#""22-30""#, "/origin_port 11001 ", "write as many"),
        ("origin_port", "0", "/origin_port 11001 ", "from 1 to 65535"),
        ("proxy_protocol", "1", "/proxy_protocol 11000 ", "a text"),
        ("spp", r#""yes""#, "/spp 11000 ", "true or false"),
        ("tls", "true", "/tls 11000 ", "a text"),
        ("tls", r#""on""#, "/tls 11000 ", "\"strict\""),
        ("tls", r#""strict""#, "/tls 11000 ", "certificates"),
        ("traffic_type", r#""worker""#, "/traffic_type 11000 ", "write direct"),
        ("traffic_type", r#""ftp""#, "/traffic_type 11014 ", "write direct"),
        ("traffic_type", r#""smtp""#, "/traffic_type 11000 ", "direct or http"),
        ("virtual_network_id", "7", "/virtual_network_id 11045 ", "a text"),
        ("edge_ips", r#"{"type":"anycast"}"#, "/edge_ips/type ", "static or dynamic"),
        ("edge_ips", r#"{"type":"static","ips":[]}"#, "/edge_ips/ips ", "1 to 1024"),
        ("probe", r#""maybe""#, "/probe ", "\"on\" or \"off\""),
        ("limits", r#"{"connections":-1}"#, "/limits/connections ", "a whole number"),
        ("ip_firewall", r#""true""#, "/ip_firewall ", "true or false"),
    ] {
        let errors = bad(&with(key, value));
        let found = errors.iter().any(|error| {
            error
                .strip_prefix("/apps/0")
                .is_some_and(|error| error.starts_with(place) && error.contains(right))
        });
        assert!(found, "{key} = {value}: {errors:#?}");
    }
    let udp = |field: &str| {
        let app = SSH.replace("tcp", "udp").replace(r#""spp":false,"#, "");
        bad(&flat(&app.replace(r#""proxy_protocol":false"#, field)))
    };
    let tls = bad(&flat(&SSH.replace("tcp", "udp").replace(r#""tls":"off""#, r#""tls":"full""#)));
    assert!(tls.iter().any(|error| error.starts_with("/apps/0/tls 11000 TLS is for TCP only")), "{tls:#?}");
    for (field, expected) in [
        (r#""proxy_protocol":true"#, "/apps/0/proxy_protocol 11000 v1 is for TCP only"),
        (r#""probe":"on""#, "/apps/0/probe on is for TCP apps only"),
    ] {
        assert!(udp(field).iter().any(|error| error.starts_with(expected)), "{field}: {:#?}", udp(field));
    }
}

#[test]
fn older_booleans_are_read_and_never_written() {
    let printed = |fields: &str, scheme: &str| {
        let app = SSH.replace("tcp", scheme).replace(r#""proxy_protocol":false,"spp":false"#, fields);
        let file = good(&flat(&app));
        let json = app_json(&file.spec.accounts[0].zones[0].apps[0]);
        assert_eq!((json.get("spp"), file.messages.len()), (None, 0), "{fields}");
        json["proxy_protocol"].as_str().expect("a word").to_owned()
    };
    for (fields, scheme, word) in [
        (r#""proxy_protocol":false"#, "tcp", "off"),
        (r#""proxy_protocol":true"#, "tcp", "v1"),
        (r#""proxy_protocol":true,"spp":false"#, "tcp", "v1"),
        (r#""proxy_protocol":"v2","spp":null"#, "tcp", "v2"),
        (r#""spp":true"#, "udp", "simple"),
        (r#""proxy_protocol":false,"spp":true"#, "udp", "simple"),
    ] {
        assert_eq!(printed(fields, scheme), word, "{fields}");
    }
}

#[test]
fn unknown_fields_are_dropped_and_named_wherever_they_stand() {
    let app = SSH
        .replacen('{', r#"{"argo_smart_routing":true,"origin_worker_id":"w","#, 1)
        .replace(r#""type":"ADDRESS""#, r#""type":"ADDRESS","ttl":1"#)
        .replace(r#""type":"static""#, r#""type":"static","connectivity":"all""#);
    let text = format!(
        r#"{{"a":1,"prefixes":["2001:db8::/48",{{"cidr":"198.51.100.0/24","asn":1}}],"accounts":[{{"id":"x","b":1,"zones":[
        {{"id":"y","c":1,"apps":[{app}],"access_rules":[{{"mode":"block","d":1,"scope":{{}},
        "configuration":{{"target":"ip","value":"192.0.2.1","e":1}}}}]}}]}}]}}"#
    );
    let file = good(&text);
    let places: Vec<&str> = file.messages.iter().map(|message| message.pointer.as_str()).collect();
    let zone = "/accounts/0/zones/0";
    let expected = [
        "/prefixes/1/asn".to_owned(),
        format!("{zone}/apps/0/dns/ttl"),
        format!("{zone}/apps/0/edge_ips/connectivity"),
        format!("{zone}/apps/0/origin_worker_id"),
        format!("{zone}/access_rules/0/configuration/e"),
        format!("{zone}/access_rules/0/d"),
        format!("{zone}/c"),
        "/accounts/0/b".to_owned(),
        "/a".to_owned(),
    ];
    assert_eq!(places, expected);
    assert!(file.messages.iter().all(|message| message.text.contains("is dropped")));
    let app = &file.spec.accounts[0].zones[0].apps[0];
    let state = AppState::of(app, false, false, false);
    assert_eq!(state, AppState::InForce { without: vec![Missing::Argo] }, "carried, and said to be idle");
    assert!(Missing::Argo.text().contains("not in force"));
    let printed = live_json(&file.spec).to_string();
    assert!(!printed.contains("origin_worker_id") && printed.contains(r#""argo_smart_routing":true"#));
}
