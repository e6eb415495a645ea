//! Spectrum apps through the API.

use crate::stand::{Loop, Stand, binding, prefix};
use axum::http::Method;
use byway::api::new_id;
use byway::estate::{Approval, Grant, Level, Permission, Prefix, Reach, Service, Zone};
use serde_json::{Value, json};

/// The documentation's app, on an address of the stand's prefix.
fn ssh(last: u8) -> Value {
    json!({
        "protocol": "tcp/22",
        "dns": { "type": "ADDRESS", "name": "ssh.example.net" },
        "origin_direct": ["tcp://192.0.2.7:22"],
        "edge_ips": { "type": "static", "ips": [format!("203.0.113.{last}")] },
    })
}

#[test]
fn an_app_is_made_read_listed_replaced_merged_and_deleted() {
    let stand = Stand::new();
    let made = stand.post(&stand.apps(), ssh(1));
    let app = made.result().clone();
    let id = app["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.len(), 32);
    let stamp = app["created_on"].as_str().expect("a time");
    assert!(stamp.ends_with('Z') && stamp.len() == "2026-01-02T03:04:05.678901Z".len(), "{stamp}");
    assert_eq!(app["created_on"], app["modified_on"]);
    assert_eq!(
        (&app["tls"], &app["proxy_protocol"], &app["traffic_type"]),
        (&json!("off"), &json!("off"), &json!("direct"))
    );
    let path = format!("{}/{id}", stand.apps());
    assert_eq!(stand.get(&path).result(), &app);
    assert_eq!(stand.get(&stand.apps()).result(), &json!([app]));

    let mut next = ssh(1);
    next["ip_firewall"] = true.into();
    let put = stand.call(Method::PUT, &path, next.clone());
    assert_eq!(put.result()["ip_firewall"], true);
    assert_eq!(put.result()["created_on"], app["created_on"]);
    assert_ne!(put.result()["modified_on"], app["modified_on"]);
    let again = stand.call(Method::PUT, &path, next);
    assert_eq!(again.result(), put.result(), "a PUT that changes nothing changes no stamp");

    let merged = stand.call(Method::PATCH, &path, json!({"proxy_protocol": "v2", "ip_firewall": null}));
    assert_eq!(
        (&merged.result()["proxy_protocol"], &merged.result()["ip_firewall"]),
        (&json!("v2"), &json!(false))
    );

    assert_eq!(stand.call(Method::DELETE, &path, Value::Null).result(), &json!({ "id": id }));
    assert_eq!(stand.get(&path).failure().0, 404);
    assert_eq!(stand.get(&stand.apps()).result(), &json!([]));
    assert!(stand.estate().apps.is_empty());
}

#[test]
fn ids_and_stamps_of_a_client_are_left_aside() {
    let stand = Stand::new();
    let mut body = ssh(1);
    body["id"] = "mine".into();
    body["created_on"] = "0001-01-01T00:00:00Z".into();
    let app = stand.post(&stand.apps(), body).result().clone();
    assert_ne!(app["id"], "mine");
    let path = format!("{}/{}", stand.apps(), app["id"].as_str().expect("an id"));
    let mut echoed = app.clone();
    echoed["id"] = "other".into();
    assert_eq!(stand.call(Method::PUT, &path, echoed).result(), &app);
}

#[test]
fn every_rule_is_told_with_its_code_and_place() {
    let stand = Stand::new();
    type Row = (&'static str, fn(&mut Value), u64, &'static str);
    let rows: [Row; 13] = [
        ("two origins", |app| app["origin_dns"] = json!({"name": "o.example.com"}), 11000, "/origin_dns"),
        (
            "no origin",
            |app| drop(app.as_object_mut().expect("one").remove("origin_direct")),
            11000,
            "/origin_direct",
        ),
        ("CNAME with static addresses", |app| app["dns"]["type"] = "CNAME".into(), 11004, "/dns/type"),
        (
            "IPv6 without brackets",
            |app| app["origin_direct"] = json!(["tcp://2001:db8::1:22"]),
            11002,
            "/origin_direct/0",
        ),
        ("loopback", |app| app["origin_direct"] = json!(["tcp://127.0.0.1:22"]), 11002, "/origin_direct/0"),
        (
            "another scheme",
            |app| app["origin_direct"] = json!(["udp://192.0.2.7:22"]),
            11000,
            "/origin_direct/0",
        ),
        ("outside", |app| app["edge_ips"]["ips"] = json!(["198.51.100.1"]), 11019, "/edge_ips/ips/0"),
        ("minecraft", |app| app["protocol"] = "minecraft".into(), 13002, "/protocol"),
        ("https", |app| app["traffic_type"] = "https".into(), 11000, "/traffic_type"),
        ("TLS without a certificate", |app| app["tls"] = "full".into(), 11000, "/tls"),
        ("another zone's name", |app| app["dns"]["name"] = "ssh.example.org".into(), 16001, "/dns/name"),
        ("a suffix that is no label", |app| app["dns"]["name"] = "notexample.net".into(), 16001, "/dns/name"),
        ("a flag that is none", |app| app["ip_firewall"] = "yes".into(), 10011, "/ip_firewall"),
    ];
    for (what, spoil, code, pointer) in rows {
        let mut app = ssh(1);
        spoil(&mut app);
        let reply = stand.post(&stand.apps(), app);
        let (status, first, _) = reply.failure();
        let errors = reply.body["errors"].as_array().expect("a list");
        let told = errors.iter().any(|error| error["code"] == code && error["source"]["pointer"] == pointer);
        assert!(status == 400 && told, "{what}: {status} {first} {errors:?}");
        assert!(stand.estate().apps.is_empty(), "{what}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let stand = Stand::new();
    let mut app = ssh(1);
    app["dns"]["name"] = "-".into();
    app["proxy_protocol"] = "v3".into();
    let reply = stand.post(&stand.apps(), app);
    let pointers: Vec<_> = reply.body["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| &error["source"]["pointer"])
        .collect();
    assert_eq!(pointers, [&json!("/dns/name"), &json!("/proxy_protocol")]);
}

#[test]
fn a_body_that_is_no_object_is_6007() {
    let stand = Stand::new();
    for body in [json!([]), json!("x"), json!(1)] {
        assert_eq!(stand.post(&stand.apps(), body).failure(), (400, 6007, None));
    }
    assert_eq!(stand.post(&stand.apps(), Value::Null).failure(), (400, 6007, None));
}

#[test]
fn a_repeated_post_makes_no_second_app_and_names_the_first() {
    let stand = Stand::new();
    let first = stand.post(&stand.apps(), ssh(1)).result()["id"].clone();
    let again = stand.post(&stand.apps(), ssh(1));
    assert_eq!(again.failure(), (400, 11033, Some("/edge_ips/ips/0")));
    let message = again.body["errors"][0]["message"].as_str().expect("a text");
    assert!(message.contains(first.as_str().expect("an id")) && message.contains("example.net"), "{message}");
    assert_eq!(stand.estate().apps.len(), 1);
    let mut range = ssh(1);
    range["protocol"] = "tcp/20-30".into();
    range["origin_direct"] = json!(["tcp://192.0.2.7:20-30"]);
    assert_eq!(stand.post(&stand.apps(), range).failure().1, 11033);
    let mut other = ssh(1);
    other["protocol"] = "udp/22".into();
    other["origin_direct"] = json!(["udp://192.0.2.7:22"]);
    assert!(stand.post(&stand.apps(), other).status.is_success(), "another protocol is another place");
}

#[test]
fn an_address_belongs_to_one_zone_and_its_holder_is_named_only_to_those_who_may_read_it() {
    let stand = Stand::new();
    let other = Zone {
        id: new_id().expect("random"),
        name: "example.com".into(),
        account: stand.account,
        created_on: crate::stand::MADE,
        modified_on: crate::stand::MADE,
    };
    let other_id = other.id;
    stand.put(vec![other.into()]);
    assert!(stand.post(&stand.apps(), ssh(1)).status.is_success());
    let mut app = ssh(1);
    app["protocol"] = "tcp/80".into();
    app["origin_direct"] = json!(["tcp://192.0.2.7:80"]);
    app["dns"]["name"] = "www.example.com".into();
    let path = format!("/zones/{other_id}/spectrum/apps");
    let refused = stand.post(&path, app.clone());
    assert_eq!(refused.failure(), (400, 11033, Some("/edge_ips/ips/0")));
    assert!(refused.body["errors"][0]["message"].as_str().expect("a text").contains("zone example.net"));
    let grants = vec![
        Grant {
            permission: Permission::ZoneSettings,
            level: Level::Write,
            reach: Reach::Zones(vec![other_id]),
        },
        Grant {
            permission: Permission::IpPrefixes,
            level: Level::Write,
            reach: Reach::Accounts(vec![stand.account]),
        },
    ];
    let narrow = stand.token(grants);
    let refused = stand.call_by(&narrow, Method::POST, &path, app.clone());
    let message = refused.body["errors"][0]["message"].as_str().expect("a text");
    assert!(message.contains("an app of another zone") && !message.contains("example.net"), "{message}");

    assert!(stand.call(Method::DELETE, &format!("/zones/{}", stand.zone), Value::Null).status.is_success());
    assert!(stand.post(&path, app).status.is_success(), "a zone that goes frees its addresses");
}

#[test]
fn a_static_address_wants_its_prefix_approved_bound_and_permitted() {
    let stand = Stand::new();
    let pending = Prefix { approved: Approval::Pending, ..prefix(stand.account, "198.51.100.0/24") };
    let unbound = prefix(stand.account, "192.0.2.0/24");
    let mut cdn = prefix(stand.account, "2001:db8:5::/48");
    cdn.description = "cdn".into();
    let elsewhere = byway::estate::Binding { service: Service::Cdn, ..binding(&cdn) };
    stand.put(vec![binding(&pending).into(), pending.into(), unbound.into(), elsewhere.into(), cdn.into()]);
    for (ip, code) in [("198.51.100.1", 11019), ("192.0.2.1", 11019), ("2001:db8:5::1", 11019)] {
        let mut app = ssh(1);
        app["edge_ips"]["ips"] = json!([ip]);
        assert_eq!(stand.post(&stand.apps(), app).failure(), (400, code, Some("/edge_ips/ips/0")), "{ip}");
    }
    let settings = Grant { permission: Permission::ZoneSettings, level: Level::Write, reach: Reach::All };
    let token = stand.token(vec![settings]);
    let refused = stand.call_by(&token, Method::POST, &stand.apps(), ssh(1));
    assert_eq!(refused.failure(), (400, 11019, Some("/edge_ips/ips/0")));
    assert!(refused.body["errors"][0]["message"].as_str().expect("a text").contains("IP Prefixes Write"));
}

#[test]
fn the_record_type_of_an_app_does_not_change() {
    let stand = Stand::new();
    let app = stand.post(&stand.apps(), ssh(1)).result().clone();
    let path = format!("{}/{}", stand.apps(), app["id"].as_str().expect("an id"));
    let cname = json!({"dns": {"type": "CNAME", "name": "ssh.example.net"}, "edge_ips": {"type": "dynamic", "connectivity": "all", "ips": null}});
    assert_eq!(stand.call(Method::PATCH, &path, cname).failure(), (400, 11004, Some("/dns/type")));
}

#[test]
fn a_list_follows_the_one_paging_rule() {
    let stand = Stand::new();
    for last in 1..=5 {
        let mut app = ssh(last);
        app["dns"]["name"] = format!("{}.example.net", 9 - last).into();
        assert!(stand.post(&stand.apps(), app).status.is_success());
    }
    let names = |query: &str| -> Vec<String> {
        let reply = stand.get(&format!("{}{query}", stand.apps()));
        let rows = reply.result().as_array().expect("a list").clone();
        rows.iter().map(|app| app["dns"]["name"].as_str().expect("a name")[..1].to_owned()).collect()
    };
    assert_eq!(names(""), ["4", "5", "6", "7", "8"]);
    assert_eq!(names("?page=1"), ["4", "5", "6", "7", "8"]);
    assert!(names("?page=2").is_empty());
    assert_eq!(names("?page=2&per_page=2"), ["6", "7"]);
    assert_eq!(names("?direction=desc&per_page=2"), ["8", "7"]);
    assert_eq!(names("?order=created_on&per_page=2"), ["8", "7"]);
    let info = stand.get(&format!("{}?page=3&per_page=2", stand.apps())).body["result_info"].clone();
    assert_eq!(info, json!({"page": 3, "per_page": 2, "count": 1, "total_count": 5, "total_pages": 3}));
    for query in ["?page=", "?pending_delete=", "?order=size", "?per_page=0", "?direction=up"] {
        assert_eq!(stand.get(&format!("{}{query}", stand.apps())).failure(), (400, 10014, None), "{query}");
    }
}

#[test]
fn a_dry_run_answers_what_would_happen_and_changes_nothing() {
    let stand = Stand::new();
    let dry = stand.post(&format!("{}?dry_run=true", stand.apps()), ssh(1));
    assert_eq!(dry.result()["protocol"], "tcp/22");
    let message = dry.body["messages"][0]["message"].as_str().expect("a text");
    assert!(message.starts_with("dry run: app") && message.ends_with("would be made"), "{message}");
    assert!(stand.estate().apps.is_empty());
    assert_eq!(stand.post(&format!("{}?dry_run=", stand.apps()), ssh(1)).failure().1, 10014);
    assert_eq!(stand.post(&format!("{}?dry_run=true", stand.apps()), json!({})).failure().0, 400);
}

#[test]
fn a_change_that_no_worker_confirms_is_taken_back() {
    let stand = Stand::new();
    *stand.mood.lock().expect("no panic") = Loop::IsLate;
    let late = stand.post(&stand.apps(), ssh(1));
    assert_eq!(late.failure(), (503, 10002, None));
    assert!(late.headers.contains_key("retry-after"));
    assert!(stand.estate().apps.is_empty());
    assert!(stand.post(&stand.apps(), ssh(1)).status.is_success(), "nothing of it is left");
    let stand = stand.restarted();
    assert_eq!(stand.estate().apps.len(), 1);
}

#[test]
fn fields_that_are_not_in_force_are_named() {
    let stand = Stand::new();
    let mut app = ssh(1);
    app["argo_smart_routing"] = true.into();
    app["not_a_field"] = 1.into();
    let reply = stand.post(&stand.apps(), app);
    reply.result();
    let messages = reply.body["messages"].to_string();
    assert!(messages.contains("not_a_field") && messages.contains("argo_smart_routing"), "{messages}");
}

#[test]
fn a_dry_run_names_the_fields_that_would_not_be_in_force() {
    let stand = Stand::new();
    let names = |reply: &crate::stand::Reply| {
        reply.result();
        let messages = reply.body["messages"].to_string();
        (messages.contains("dry run: "), messages.contains("argo_smart_routing"))
    };
    let mut app = ssh(1);
    app["argo_smart_routing"] = true.into();
    assert_eq!(names(&stand.post(&format!("{}?dry_run=true", stand.apps()), app.clone())), (true, true));
    assert_eq!(names(&stand.post(&format!("{}?dry_run=true", stand.apps()), ssh(1))), (true, false));
    let id = stand.post(&stand.apps(), app).result()["id"].as_str().expect("an id").to_owned();
    let path = format!("{}/{id}", stand.apps());
    let dry = stand.call(Method::PATCH, &format!("{path}?dry_run=true"), json!({"ip_firewall": true}));
    assert_eq!(names(&dry), (true, true));
    // With a rule beside it everything is compiled anew.
    let rule = json!({"mode": "block", "configuration": {"target": "ip", "value": "192.0.2.1"}});
    let rules = format!("/zones/{}/firewall/access_rules/rules", stand.zone);
    let rule = stand.post(&rules, rule).result()["id"].as_str().expect("an id").to_owned();
    let document = stand.admin(Method::GET, "/byway/export", Value::Null).result()["document"].clone();
    stand.call(Method::DELETE, &path, Value::Null).result();
    stand.call(Method::DELETE, &format!("{rules}/{rule}"), Value::Null).result();
    let dry = stand.admin(Method::POST, "/byway/import?dry_run=true", json!({ "document": document }));
    assert_eq!((names(&dry), dry.result()["made"].as_u64()), ((true, true), Some(2)));
}

#[test]
fn origin_port_is_a_number_or_a_text_and_comes_back_as_a_number() {
    let stand = Stand::new();
    for (last, port) in [(1, json!(22)), (2, json!("22"))] {
        let mut app = ssh(last);
        app["origin_port"] = port;
        app["dns"]["name"] = format!("p{last}.example.net").into();
        assert_eq!(stand.post(&stand.apps(), app).result()["origin_port"], 22);
    }
}

#[test]
fn protocols_have_their_four_keys() {
    let stand = Stand::new();
    let reply = stand.get(&format!("/zones/{}/spectrum/protocols", stand.zone));
    for row in reply.result().as_array().expect("a list") {
        for key in ["name", "description", "transport", "ports"] {
            assert!(row.get(key).is_some(), "{row}");
        }
    }
}

#[test]
fn a_key_that_is_no_plain_text_is_told_in_plain_text() {
    let stand = Stand::new();
    let mut body = ssh(1);
    body["ip\u{7f}\u{202e}x"] = 1.into();
    let made = stand.post(&stand.apps(), body);
    made.result();
    let message = made.body["messages"][0]["message"].as_str().expect("a text");
    assert!(message.contains("is dropped") && message.is_ascii(), "{message}");
    assert!(!message.contains('\u{7f}'), "{message:?}");
}
