//! DNS records: those of operators and those of apps, and what may stand at one name.

use crate::stand::{Reply, Stand};
use axum::http::Method;
use byway::estate::{Grant, Level, Permission, Reach};
use serde_json::{Value, json};

pub fn path(stand: &Stand) -> String {
    format!("/zones/{}/dns_records", stand.zone)
}

pub fn one(stand: &Stand, row: &Value) -> String {
    format!("{}/{}", path(stand), row["id"].as_str().expect("an id"))
}

pub fn make(stand: &Stand, body: Value) -> Value {
    stand.post(&path(stand), body).result().clone()
}

pub fn a(name: &str, content: &str) -> Value {
    json!({"type": "A", "name": name, "content": content})
}

fn txt(name: &str, content: &str) -> Value {
    json!({"type": "TXT", "name": name, "content": content})
}

pub fn app(name: &str, port: u16, ips: &[&str]) -> Value {
    json!({
        "protocol": format!("tcp/{port}"),
        "dns": {"type": "ADDRESS", "name": name},
        "origin_direct": ["tcp://192.0.2.7:80"],
        "edge_ips": {"type": "static", "ips": ips},
    })
}

pub fn dynamic(name: &str, port: u16) -> Value {
    json!({
        "protocol": format!("tcp/{port}"),
        "dns": {"type": "CNAME", "name": name},
        "origin_direct": ["tcp://192.0.2.7:80"],
    })
}

fn names(reply: &Reply) -> Vec<String> {
    let rows = reply.result().as_array().expect("a list").iter();
    rows.map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn each_type_is_kept_answered_and_sent_back_without_a_difference() {
    let stand = Stand::new();
    let srv = json!({"priority": 10, "weight": 5.0, "port": 8443, "target": "Node.Example.net."});
    let caa = json!({"flags": 0, "tag": "issue", "value": "ca.example"});
    let rows = [
        (a("www", "192.0.2.1"), "www.example.net", "192.0.2.1"),
        (
            json!({"type": "AAAA", "name": "WWW.example.net.", "content": "2001:DB8:0:0::1", "ttl": 60}),
            "www.example.net",
            "2001:db8::1",
        ),
        (
            json!({"type": "CNAME", "name": "*.a", "content": "Host.Example."}),
            "*.a.example.net",
            "host.example",
        ),
        (txt("@", "\"v=spf1 \" \"-all\""), "example.net", "\"v=spf1 \" \"-all\""),
        (
            json!({"type": "MX", "name": "@", "content": "mail.example.net", "priority": 10}),
            "example.net",
            "mail.example.net",
        ),
        (json!({"type": "MX", "name": "none", "content": ".", "priority": 0}), "none.example.net", "."),
        (json!({"type": "NS", "name": "sub", "content": "ns1.example."}), "sub.example.net", "ns1.example"),
        (
            json!({"type": "SRV", "name": "_sip._tcp", "data": srv}),
            "_sip._tcp.example.net",
            "10 5 8443 node.example.net",
        ),
        (json!({"type": "CAA", "name": "@", "data": caa}), "example.net", "0 issue \"ca.example\""),
    ];
    let mut kept = Vec::new();
    for (body, name, content) in rows {
        let made = make(&stand, body.clone());
        assert_eq!((&made["name"], &made["content"]), (&json!(name), &json!(content)), "{body}");
        assert_eq!((&made["type"], &made["meta"]), (&body["type"], &json!({})), "{body}");
        let put = stand.call(Method::PUT, &one(&stand, &made), made.clone());
        assert_eq!(put.result(), &made, "an answer sent back changes nothing, not even its time");
        assert_eq!(stand.get(&one(&stand, &made)).result(), &made);
        kept.push(made);
    }
    let list = stand.get(&path(&stand)).result().clone();
    assert_eq!(list.as_array().map(Vec::len), Some(kept.len()));
    let history = stand.get("/byway/history?limit=1").result().clone();
    assert_eq!(
        history[0]["changes"][0]["kind"], "dns_record",
        "nothing was written for what changed nothing"
    );
    assert_eq!(history[0]["action"], format!("POST {}", path(&stand)));
    let stand = stand.restarted();
    assert_eq!(stand.get(&path(&stand)).result(), &list);
}

#[test]
fn what_is_wrong_is_refused_by_its_field() {
    let stand = Stand::new();
    let of = |kind: &str, content: &str| json!({"type": kind, "name": "x", "content": content});
    let with = |key: &str, value: Value| {
        let mut body = a("x", "192.0.2.1");
        body[key] = value;
        body
    };
    let srv = |data: Value| json!({"type": "SRV", "name": "x", "data": data});
    let caa = |data: Value| json!({"type": "CAA", "name": "x", "data": data});
    for (body, code, pointer) in [
        (json!({"name": "x", "content": "192.0.2.1"}), 9002, "/type"),
        (of("LOC", "x"), 9002, "/type"),
        (json!({"type": "A", "content": "192.0.2.1"}), 9000, "/name"),
        (a("a..b", "192.0.2.1"), 9000, "/name"),
        (a("a.*.b", "192.0.2.1"), 9000, "/name"),
        (a("spectrum-0123456789abcdef", "192.0.2.1"), 9000, "/name"),
        (of("A", "2001:db8::1"), 9005, "/content"),
        (of("A", ""), 9100, "/content"),
        (of("AAAA", "192.0.2.1"), 9006, "/content"),
        (of("CNAME", "192.0.2.1"), 9007, "/content"),
        (of("CNAME", "x.example.net"), 9007, "/content"),
        (of("CNAME", "."), 9007, "/content"),
        (of("NS", "."), 9009, "/content"),
        (of("MX", "mail.example.net"), 9008, "/priority"),
        (json!({"type": "MX", "name": "x", "content": "a b", "priority": 1}), 9009, "/content"),
        (json!({"type": "MX", "name": "x", "content": "a.example", "priority": 65536}), 9008, "/priority"),
        (of("TXT", "\"open"), 9100, "/content"),
        (of("SRV", "1 2 3 a.example"), 9100, "/data"),
        (srv(json!({"priority": 1, "weight": 2, "target": "a.example"})), 9100, "/data/port"),
        (srv(json!({"priority": 1, "weight": 2, "port": 3})), 9009, "/data/target"),
        (caa(json!({"flags": 256, "tag": "issue", "value": ""})), 9100, "/data/flags"),
        (caa(json!({"flags": 0, "tag": "is sue", "value": ""})), 9100, "/data"),
        (with("ttl", json!(29)), 9021, "/ttl"),
        (with("ttl", json!(86_401)), 9021, "/ttl"),
        (with("ttl", json!("60")), 9021, "/ttl"),
        (with("ttl", json!(60.5)), 9021, "/ttl"),
        (json!({"type": "TXT", "name": "x", "content": "a", "proxied": true}), 9004, "/proxied"),
        (with("proxied", json!("yes")), 10011, "/proxied"),
        (with("comment", json!("x".repeat(501))), 10011, "/comment"),
        (with("comment", json!("a\nb")), 10011, "/comment"),
        (with("tags", json!(["a b"])), 10011, "/tags/0"),
        (with("tags", json!(["a:1", "A:1"])), 10011, "/tags/1"),
        (with("tags", json!(vec!["a"; 21])), 10011, "/tags"),
        (with("settings", json!({"ipv4_only": 1})), 10011, "/settings/ipv4_only"),
    ] {
        let reply = stand.post(&path(&stand), body.clone());
        assert_eq!(reply.failure(), (400, code, Some(pointer)), "{body}");
    }
    assert!(stand.estate().dns_records.is_empty());
    let none = format!("{}/{}", path(&stand), "0".repeat(32));
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(stand.call(method, &none, a("x", "192.0.2.1")).failure(), (404, 81044, None));
    }
}

#[test]
fn ttl_comment_tags_and_proxied_follow_their_rules() {
    let stand = Stand::new();
    let mut body = a("x", "192.0.2.1");
    body["comment"] = json!("one");
    body["tags"] = json!(["team:edge", "old"]);
    let reply = stand.post(&path(&stand), body);
    let made = reply.result().clone();
    assert_eq!(
        (&made["ttl"], &made["proxied"], &made["proxiable"]),
        (&json!(1), &json!(false), &json!(true))
    );
    assert_eq!(made["comment_modified_on"], made["created_on"]);
    assert_eq!(reply.body["messages"], json!([]));
    let edited = stand.call(Method::PATCH, &one(&stand, &made), json!({"ttl": 300, "comment": null}));
    assert_eq!((&edited.result()["ttl"], &edited.result()["comment"]), (&json!(300), &Value::Null));
    assert!(edited.result().get("comment_modified_on").is_none());
    assert_eq!(edited.result()["tags_modified_on"], made["tags_modified_on"]);
    assert_eq!(edited.result()["created_on"], made["created_on"]);
    assert_ne!(edited.result()["modified_on"], made["modified_on"]);
    let proxied = stand.call(Method::PATCH, &one(&stand, &made), json!({"proxied": true}));
    assert_eq!((&proxied.result()["proxied"], &proxied.result()["ttl"]), (&json!(true), &json!(1)));
    let said = proxied.body["messages"][0]["message"].as_str().expect("a word");
    assert!(said.contains("proxied") && said.contains("does nothing"), "{said}");
    let gone = stand.call(Method::DELETE, &one(&stand, &made), Value::Null);
    assert_eq!(gone.result(), &json!({"id": made["id"]}));
    assert_eq!(stand.get(&one(&stand, &made)).failure(), (404, 81044, None));
}

#[test]
fn records_of_one_name_conflict_by_their_codes() {
    let stand = Stand::new();
    let of = |kind: &str, name: &str, content: &str| json!({"type": kind, "name": name, "content": content});
    for body in [
        a("addr", "192.0.2.1"),
        of("CNAME", "alias", "host.example"),
        of("NS", "sub", "ns.example"),
        of("NS", "@", "ns.example"),
        txt("addr", "one"),
        txt("alias", "beside a CNAME, as Cloudflare has it"),
    ] {
        make(&stand, body);
    }
    let mut other_ttl = a("addr", "192.0.2.1");
    other_ttl["ttl"] = json!(600);
    for (body, code, pointer) in [
        (a("addr", "192.0.2.1"), 81058, "/content"),
        (other_ttl, 81057, "/content"),
        (txt("addr", "\"one\""), 81058, "/content"),
        (of("CNAME", "addr", "host.example"), 81053, "/name"),
        (of("CNAME", "alias", "other.example"), 81053, "/name"),
        (a("alias", "192.0.2.1"), 81054, "/name"),
        (of("AAAA", "alias", "2001:db8::1"), 81054, "/name"),
        (of("NS", "addr", "ns.example"), 81055, "/name"),
        (of("NS", "alias", "ns.example"), 81055, "/name"),
        (a("sub", "192.0.2.1"), 81056, "/name"),
        (of("CNAME", "sub", "host.example"), 81056, "/name"),
    ] {
        let reply = stand.post(&path(&stand), body.clone());
        assert_eq!(reply.failure(), (400, code, Some(pointer)), "{body}");
    }
    for body in [
        a("addr", "192.0.2.2"),
        of("AAAA", "addr", "2001:db8::1"),
        of("NS", "sub", "ns2.example"),
        a("@", "192.0.2.1"),
        txt("addr", "two"),
    ] {
        make(&stand, body);
    }
    let second = make(&stand, a("other", "192.0.2.1"));
    let moved = stand.call(Method::PATCH, &one(&stand, &second), json!({"name": "alias"}));
    assert_eq!(moved.failure(), (400, 81054, Some("/name")), "a change is held against the others, too");
    let turned = of("CNAME", "other", "host.example");
    assert_eq!(stand.call(Method::PUT, &one(&stand, &second), turned).result()["type"], "CNAME");
}

#[test]
fn texts_of_a_name_have_a_bound_together() {
    let stand = Stand::new();
    for number in 0..4 {
        make(&stand, txt("long", &format!("{number}{}", "x".repeat(2_047))));
    }
    assert_eq!(stand.post(&path(&stand), txt("long", "x")).failure(), (400, 9100, Some("/content")));
    make(&stand, txt("longer", "x"));
}

#[test]
fn records_of_apps_are_shown_and_change_with_their_apps_alone() {
    let stand = Stand::new();
    let first = stand
        .post(&stand.apps(), app("www.example.net", 80, &["203.0.113.1", "203.0.113.2"]))
        .result()
        .clone();
    let second = stand.post(&stand.apps(), app("www.example.net", 443, &["203.0.113.1"])).result().clone();
    stand.post(&stand.apps(), dynamic("ssh.example.net", 22)).result();
    stand.post(&stand.apps(), dynamic("ssh.example.net", 23)).result();
    let list = stand.get(&path(&stand)).result().clone();
    let rows: Vec<_> =
        list.as_array().expect("a list").iter().map(|row| (&row["type"], &row["content"])).collect();
    let target = list[0]["content"].as_str().expect("a name");
    assert!(target.starts_with("spectrum-") && target.ends_with(".example.net"), "{target}");
    let [a, cname] = [json!("A"), json!("CNAME")];
    assert_eq!(rows, [(&cname, &json!(target)), (&a, &json!("203.0.113.1")), (&a, &json!("203.0.113.2"))]);
    let apps = list[1]["meta"]["spectrum_apps"].as_array().expect("a list");
    assert!(apps.len() == 2 && apps.contains(&first["id"]) && apps.contains(&second["id"]));
    assert_eq!((&list[1]["meta"]["read_only"], &list[1]["proxiable"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&list[1]["created_on"], &list[1]["modified_on"]),
        (&first["created_on"], &second["modified_on"])
    );
    let path_of = one(&stand, &list[1]);
    assert_eq!(stand.get(&path_of).result(), &list[1]);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let reply = stand.call(method, &path_of, self::a("www", "192.0.2.1"));
        assert_eq!(reply.failure(), (400, 10016, None));
        assert!(reply.body["errors"][0]["message"].as_str().expect("a text").contains("app"), "{reply:?}");
    }
    let one_app = format!("{}/{}", stand.apps(), first["id"].as_str().expect("an id"));
    stand.call(Method::DELETE, &one_app, Value::Null).result();
    let left = stand.get(&format!("{}?type=A", path(&stand))).result().clone();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    assert_eq!((&left[0]["id"], &left[0]["meta"]["spectrum_apps"]), (&list[1]["id"], &json!([second["id"]])));
}

#[test]
fn names_of_apps_and_plain_records_keep_clear_of_each_other() {
    let stand = Stand::new();
    let of = |kind: &str, name: &str, content: &str| json!({"type": kind, "name": name, "content": content});
    make(&stand, a("addr", "192.0.2.1"));
    make(&stand, of("CNAME", "alias", "host.example"));
    make(&stand, of("NS", "sub", "ns.example"));
    make(&stand, txt("text", "x"));
    for (name, code) in [("addr", 81053), ("alias", 81053), ("sub", 81056)] {
        let name = format!("{name}.example.net");
        for body in [app(&name, 80, &["203.0.113.1"]), dynamic(&name, 80)] {
            assert_eq!(stand.post(&stand.apps(), body).failure(), (400, code, Some("/dns/name")), "{name}");
        }
    }
    let made = stand.post(&stand.apps(), app("text.example.net", 80, &["203.0.113.1"])).result().clone();
    stand.post(&stand.apps(), dynamic("ssh.example.net", 22)).result();
    for (body, code) in [
        (a("text", "192.0.2.1"), 81053),
        (of("AAAA", "text", "2001:db8::1"), 81053),
        (of("CNAME", "text", "host.example"), 81053),
        (of("NS", "text", "ns.example"), 81055),
        (a("ssh", "192.0.2.1"), 81054),
        (of("CNAME", "ssh", "host.example"), 81053),
        (of("NS", "ssh", "ns.example"), 81055),
    ] {
        let reply = stand.post(&path(&stand), body.clone());
        assert_eq!(reply.failure(), (400, code, Some("/name")), "{body}");
    }
    make(&stand, txt("text", "y"));
    make(&stand, json!({"type": "MX", "name": "ssh", "content": "mail.example", "priority": 1}));
    assert_eq!(stand.post(&stand.apps(), dynamic("text.example.net", 81)).failure().1, 81053);
    assert_eq!(stand.post(&stand.apps(), app("ssh.example.net", 80, &["203.0.113.2"])).failure().1, 81054);
    let one_app = format!("{}/{}", stand.apps(), made["id"].as_str().expect("an id"));
    let moved = json!({"dns": {"type": "ADDRESS", "name": "addr.example.net"}});
    let refused = stand.call(Method::PATCH, &one_app, moved);
    assert_eq!(refused.failure(), (400, 81053, Some("/dns/name")));
    stand.call(Method::PATCH, &one_app, json!({"ip_firewall": true})).result();
}

#[test]
fn lists_are_narrowed_sorted_and_cut_into_pages() {
    let stand = Stand::new();
    stand.post(&stand.apps(), app("app.example.net", 80, &["203.0.113.1"])).result();
    let body = |kind: &str, name: &str, content: &str, comment: Option<&str>, tags: Value| {
        make(
            &stand,
            json!({"type": kind, "name": name, "content": content, "comment": comment, "tags": tags, "ttl": 60 + name.len()}),
        )
    };
    body("A", "alpha", "192.0.2.1", Some("The First"), json!(["team:Edge", "blue"]));
    body("A", "beta", "192.0.2.2", None, json!(["team:core"]));
    body("TXT", "gamma", "Hello", Some("second"), json!([]));
    for (query, wanted) in [
        ("type=TXT", "gamma"),
        ("type=LOC", ""),
        ("name=ALPHA.example.net", "alpha"),
        ("name.exact=beta.example.net", "beta"),
        ("name.contains=ALPH", "alpha"),
        ("name.startswith=be", "beta"),
        ("name.endswith=example.net", "alpha app beta gamma"),
        ("content=192.0.2.1", "alpha"),
        ("content.contains=hell", "gamma"),
        ("content.startswith=192.0.2.", "alpha beta"),
        ("comment.exact=the%20first", "alpha"),
        ("comment.present=true", "alpha gamma"),
        ("comment.absent=true", "app beta"),
        ("tag.present=TEAM", "alpha beta"),
        ("tag.absent=team", "app gamma"),
        ("tag.exact=team:edge", "alpha"),
        ("tag.endswith=team:ore", "beta"),
        ("tag=team:core&tag.present=blue", ""),
        ("tag=team:core&tag.present=blue&tag_match=any", "alpha beta"),
        ("type=TXT&name.startswith=be&match=any", "beta gamma"),
        ("type=A&name.startswith=be&match=all", "beta"),
        ("search=second", "gamma"),
        ("search=edge&type=A", "alpha"),
        ("proxied=true", ""),
        ("proxied=false&order=ttl&direction=desc", "gamma alpha beta app"),
        ("order=type&direction=desc", "gamma beta app alpha"),
        ("order=content", "alpha beta app gamma"),
        ("per_page=2&page=2", "beta gamma"),
        ("page=2", ""),
    ] {
        let reply = stand.get(&format!("{}?{query}", path(&stand)));
        let found: Vec<String> = names(&reply).iter().map(|name| name.replace(".example.net", "")).collect();
        assert_eq!(found.join(" "), wanted, "{query}");
    }
    for query in ["name=", "order=id", "proxied=maybe", "match=none", "shadowed_by_name=x", "tag.present="] {
        let reply = stand.get(&format!("{}?{query}", path(&stand)));
        assert_eq!(reply.failure(), (400, 10014, None), "{query}");
    }
    assert_eq!(stand.get(&format!("{}?per_page=2", path(&stand))).body["result_info"]["total_count"], 4);
}

#[test]
fn a_batch_is_carried_out_whole_or_not_at_all() {
    let stand = Stand::new();
    let batch = format!("{}/batch", path(&stand));
    let [old, kept, put] = ["old", "kept", "put"].map(|name| make(&stand, a(name, "192.0.2.1")));
    let before = stand.get(&path(&stand)).result().clone();
    let mut replaced = a("put", "192.0.2.9");
    replaced["id"] = put["id"].clone();
    let mut body = json!({
        "deletes": [{"id": old["id"]}],
        "patches": [{"id": kept["id"], "ttl": 300}],
        "puts": [replaced],
        "posts": [a("old", "192.0.2.3"), {"type": "CNAME", "name": "alias", "content": "old.example.net"}, a("alias", "192.0.2.1")],
    });
    assert_eq!(stand.post(&batch, body.clone()).failure(), (400, 81054, Some("/posts/2/name")));
    assert_eq!(stand.get(&path(&stand)).result(), &before, "nothing of it is there");
    body["posts"].as_array_mut().expect("a list").pop();
    let done = stand.post(&batch, body).result().clone();
    assert_eq!((&done["deletes"][0]["id"], &done["patches"][0]["ttl"]), (&old["id"], &json!(300)));
    assert_eq!(
        (&done["puts"][0]["content"], done["posts"].as_array().map(Vec::len)),
        (&json!("192.0.2.9"), Some(2))
    );
    let reply = stand.get(&path(&stand));
    assert_eq!(names(&reply), ["alias", "kept", "old", "put"].map(|name| format!("{name}.example.net")));
    for wrong in
        [json!({}), json!({"posts": {}}), json!({"deletes": [{"id": old["id"]}]}), json!({"patches": [{}]})]
    {
        assert!(stand.post(&batch, wrong.clone()).status.is_client_error(), "{wrong}");
    }
    let stand = stand.restarted();
    assert_eq!(stand.get(&path(&stand)).result(), reply.result());
}

#[test]
fn records_want_the_dns_permission_of_their_zone() {
    let stand = Stand::new();
    let made = make(&stand, a("x", "192.0.2.1"));
    let grant = |permission, level, reach: &Reach| vec![Grant { permission, level, reach: reach.clone() }];
    let zone = Reach::Zones(vec![stand.zone]);
    let reader = stand.token(grant(Permission::Dns, Level::Read, &zone));
    let other = stand.token(grant(Permission::ZoneSettings, Level::Write, &zone));
    let stranger = stand.token(grant(Permission::Dns, Level::Write, &Reach::Zones(vec![stand.user])));
    let paths = [path(&stand), one(&stand, &made)];
    for at in &paths {
        assert!(stand.call_by(&reader, Method::GET, at, Value::Null).status.is_success());
        assert_eq!(stand.call_by(&other, Method::GET, at, Value::Null).failure(), (403, 9109, None));
        assert_eq!(stand.call_by(&stranger, Method::GET, at, Value::Null).failure(), (404, 10006, None));
    }
    let body = a("y", "192.0.2.1");
    for (method, at) in [
        (Method::POST, &paths[0]),
        (Method::POST, &format!("{}/batch", paths[0])),
        (Method::PUT, &paths[1]),
        (Method::PATCH, &paths[1]),
        (Method::DELETE, &paths[1]),
    ] {
        assert_eq!(stand.call_by(&reader, method.clone(), at, body.clone()).failure(), (403, 9109, None));
        assert_eq!(stand.call_by(&stranger, method, at, body.clone()).failure(), (404, 10006, None));
    }
}

#[test]
fn names_and_origins_of_an_account_have_quotas() {
    let stand = Stand::new();
    for number in 0..110 {
        make(&stand, a(&format!("n{number}"), "192.0.2.1"));
    }
    for number in 0..10 {
        stand
            .post(
                &stand.apps(),
                app(&format!("a{number}.example.net"), 80, &[&format!("203.0.113.{number}")]),
            )
            .result();
    }
    assert_eq!(stand.post(&path(&stand), a("more", "192.0.2.1")).failure(), (403, 10015, None));
    let body = app("more.example.net", 80, &["203.0.113.20"]);
    assert_eq!(stand.post(&stand.apps(), body).failure(), (403, 10015, None));
    make(&stand, a("n1", "192.0.2.2"));
    // One that gives its only name up may have another one for it.
    let alone = stand.get(&format!("{}?name=n2.example.net", path(&stand))).result()[0].clone();
    stand.call(Method::PATCH, &one(&stand, &alone), json!({"name": "m2"})).result();
    let shared = stand.get(&format!("{}?name=n1.example.net", path(&stand))).result()[0].clone();
    let refused = stand.call(Method::PATCH, &one(&stand, &shared), json!({"name": "m1"}));
    assert_eq!(refused.failure(), (403, 10015, None));
    let wide = |port, count| {
        let mut body = app("a1.example.net", port, &["203.0.113.1"]);
        body["origin_direct"] = (1..=count).map(|last| format!("tcp://192.0.2.{last}:80")).collect();
        body
    };
    stand.post(&stand.apps(), wide(81, 64)).result();
    let made = stand.post(&stand.apps(), wide(82, 36)).result().clone();
    assert_eq!(stand.post(&stand.apps(), wide(83, 1)).failure(), (403, 10015, None));
    let one_app = format!("{}/{}", stand.apps(), made["id"].as_str().expect("an id"));
    stand.call(Method::PATCH, &one_app, json!({"ip_firewall": true})).result();
    assert_eq!(stand.call(Method::PUT, &one_app, wide(82, 37)).failure(), (403, 10015, None));
    stand.call(Method::PUT, &one_app, wide(82, 35)).result();
    stand.post(&stand.apps(), wide(83, 1)).result();
}

#[test]
fn records_go_back_with_everything_else_and_go_with_their_zone() {
    let stand = Stand::new();
    let made = make(&stand, a("x", "192.0.2.1"));
    let version = stand.get("/byway/history?limit=1").result()[0]["version"].clone();
    stand.call(Method::PATCH, &one(&stand, &made), json!({"content": "192.0.2.2"})).result();
    make(&stand, a("y", "192.0.2.1"));
    let dry = stand.call(Method::DELETE, &format!("{}?dry_run=true", one(&stand, &made)), Value::Null);
    assert!(
        dry.body["messages"][0]["message"].as_str().expect("a text").contains("would be removed"),
        "{dry:?}"
    );
    assert_eq!(stand.post("/byway/rollback", json!({"version": version})).result()["changes"], 2);
    assert_eq!(stand.get(&path(&stand)).result(), &json!([made]));
    stand.call(Method::DELETE, &format!("/zones/{}", stand.zone), Value::Null).result();
    assert!(stand.estate().dns_records.is_empty());
}

#[test]
fn going_back_over_a_batch_that_edits_a_record_twice_finds_what_was_there_before() {
    let stand = Stand::new();
    let made = make(&stand, a("x", "192.0.2.1"));
    let version = stand.get("/byway/history?limit=1").result()[0]["version"].clone();
    let mut put = a("x", "192.0.2.3");
    put["id"] = made["id"].clone();
    let body = json!({"patches": [{"id": made["id"], "content": "192.0.2.2"}], "puts": [put]});
    stand.post(&format!("{}/batch", path(&stand)), body).result();
    assert_eq!(stand.get(&one(&stand, &made)).result()["content"], "192.0.2.3");
    let changes = stand.get("/byway/history?limit=1").result()[0]["changes"].clone();
    assert_eq!(changes.as_array().map(Vec::len), Some(1), "{changes}");
    stand.post("/byway/rollback", json!({"version": version})).result();
    assert_eq!(stand.get(&one(&stand, &made)).result(), &made);
    let stand = stand.restarted();
    assert_eq!(stand.get(&one(&stand, &made)).result(), &made);
}

#[test]
fn records_are_exported_and_imported_and_conflicts_are_told() {
    let stand = Stand::new();
    let made = make(&stand, a("x", "192.0.2.1"));
    make(&stand, txt("x", "\"text\""));
    let whole = stand.admin(Method::GET, "/byway/export", Value::Null).result()["document"].clone();
    let import = |document: &Value| stand.admin(Method::POST, "/byway/import", json!({"document": document}));
    assert_eq!(import(&whole).result()["changes"], json!([]));
    stand.call(Method::DELETE, &one(&stand, &made), Value::Null).result();
    assert_eq!(import(&whole).result()["made"], 1);
    assert_eq!(stand.get(&one(&stand, &made)).result(), &made);
    let at = whole["entities"]["dns_record"].as_array().expect("a list").iter();
    let at = at.clone().position(|row| row["id"] == made["id"]).expect("the record");
    for (key, value, word) in [
        ("name", json!("x.example.org"), "does not lie in its zone"),
        ("name", json!("a b"), "characters other than"),
        ("data", json!({"txt": "text"}), "twice"),
        ("zone", json!("1".repeat(32)), "there is no zone"),
    ] {
        let mut document = whole.clone();
        document["entities"]["dns_record"][at][key] = value;
        let refused = import(&document);
        assert_eq!((refused.failure().0, refused.failure().1), (400, 10011), "{key}");
        let said = refused.body["errors"].to_string();
        assert!(said.contains(word), "{said}");
    }
    let mut document = whole;
    document["entities"]["dns_record"][at]["data"] = json!({"cname": "host.example"});
    import(&document).result();
    document["entities"]["dns_record"][1 - at]["data"] = json!({"a": "192.0.2.9"});
    assert!(import(&document).body["errors"].to_string().contains("beside it"));
    // What the store has is no place of a document's.
    let alone = json!({"byway_export": 1, "entities": {"dns_record": [document["entities"]["dns_record"][1 - at].clone()]}});
    let refused = import(&alone);
    let error = &refused.body["errors"][0];
    let is_place =
        |error: &Value| error["source"]["pointer"].as_str().is_none_or(|place| place.starts_with('/'));
    assert!(is_place(error), "{refused:?}");
}
