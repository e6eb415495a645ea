//! DNS records where zones, apps and bad requests meet them.

use crate::dns::{a, app, dynamic, make, one, path};
use crate::stand::Stand;
use axum::http::Method;
use serde_json::{Value, json};

#[test]
fn a_record_takes_no_name_of_a_zone_that_is_nearer() {
    let stand = Stand::new();
    let kept = make(&stand, a("x.sub", "192.0.2.1"));
    let child = json!({"name": "sub.example.net", "account": {"id": stand.account.to_string()}});
    stand.post("/zones", child).result();
    for name in ["sub", "y.sub", "*.sub"] {
        let refused = stand.post(&path(&stand), a(name, "192.0.2.1"));
        assert_eq!(refused.failure(), (400, 9000, Some("/name")), "{name}");
    }
    make(&stand, a("notsub", "192.0.2.1"));
    stand.call(Method::PATCH, &one(&stand, &kept), json!({"ttl": 60})).result();
}

#[test]
fn what_follows_from_data_is_not_merged_beside_it() {
    let stand = Stand::new();
    let data = json!({"priority": 10, "weight": 5, "port": 8443, "target": "node.example.net"});
    let made = make(&stand, json!({"type": "SRV", "name": "_sip._tcp", "data": data}));
    let patch = |body: Value| stand.call(Method::PATCH, &one(&stand, &made), body);
    assert_eq!(patch(json!({"priority": 5})).failure(), (400, 9100, Some("/priority")));
    assert_eq!(patch(json!({"content": "1 2 3 x"})).failure(), (400, 9100, Some("/content")));
    assert_eq!(patch(json!({"data": {"target": 7}})).failure().2, Some("/data/target"));
    assert_eq!(patch(json!({"data": {"priority": 5}})).result()["priority"], 5);
    patch(made.clone()).result();
}

#[test]
fn no_app_takes_a_name_that_dynamic_apps_lead_to() {
    let stand = Stand::new();
    stand.post(&stand.apps(), dynamic("ssh.example.net", 22)).result();
    let led = stand.get(&format!("{}?type=CNAME", path(&stand))).result()[0]["content"].clone();
    let mut other = dynamic("x", 23);
    other["dns"]["name"] = led;
    assert_eq!(stand.post(&stand.apps(), other).failure(), (400, 16001, Some("/dns/name")));
}

#[test]
fn a_path_of_broken_text_is_no_path() {
    let stand = Stand::new();
    for broken in ["%FF", "%C3", "a%80"] {
        let at = format!("/zones/{broken}/dns_records");
        assert_eq!(stand.get(&at).failure(), (404, 7003, None), "{broken}");
    }
}

#[test]
fn a_page_has_a_bound_and_names_some_of_many_apps() {
    let stand = Stand::new();
    for port in 1..=12 {
        stand.post(&stand.apps(), app("many.example.net", port, &["203.0.113.1"])).result();
    }
    let list = stand.get(&path(&stand)).result().clone();
    assert_eq!(list[0]["meta"]["spectrum_apps"].as_array().map(Vec::len), Some(10));
    assert_eq!(
        (list.as_array().map(Vec::len), &list[0]["meta"]["spectrum_apps_count"]),
        (Some(1), &json!(12))
    );
    let refused = stand.call(Method::DELETE, &one(&stand, &list[0]), Value::Null);
    assert!(
        refused.body["errors"][0]["message"].as_str().expect("a text").ends_with("and 2 more"),
        "{refused:?}"
    );
    let posts: Vec<Value> = (0..110).map(|last| a("wide", &format!("192.0.2.{last}"))).collect();
    stand.post(&format!("{}/batch", path(&stand)), json!({"posts": posts})).result();
    let page = stand.get(&path(&stand));
    assert_eq!(
        (page.result().as_array().map(Vec::len), &page.body["result_info"]["total_count"]),
        (Some(100), &json!(111))
    );
}
