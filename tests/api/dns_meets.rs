//! DNS records where zones, apps and bad requests meet them.

use crate::dns::{a, app, dynamic, make, one, path};
use crate::stand::Stand;
use axum::http::Method;
use serde_json::{Value, json};

#[test]
fn a_record_takes_no_name_of_a_zone_that_is_nearer() {
    let stand = Stand::new();
    let server = json!({"type": "NS", "name": "sub", "content": "ns1.example."});
    let kept = make(&stand, server);
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
fn no_zone_is_made_over_what_an_outer_one_has_below_its_name() {
    let stand = Stand::new();
    let zone = |name: &str| json!({"name": name, "account": {"id": stand.account.to_string()}});
    let record = make(&stand, a("www.sub", "192.0.2.1"));
    let wild = make(&stand, a("*.sub", "192.0.2.1"));
    let app = stand.post(&stand.apps(), app("sub.example.net", 22, &["203.0.113.1"])).result().clone();
    make(&stand, json!({"type": "NS", "name": "sub.deep", "content": "ns1.example."}));
    make(&stand, a("notsub", "192.0.2.1"));
    let texts = |name: &str| {
        let refused = stand.post("/zones?dry_run=true", zone(name));
        assert_eq!(refused.failure(), (400, 10016, Some("/name")), "{name}");
        refused.body["errors"][0]["message"].as_str().expect("a text").to_owned()
    };
    let [record_id, wild_id, app_id] = [&record, &wild, &app].map(|one| one["id"].as_str().expect("an id"));
    let told = texts("sub.example.net");
    for part in [
        format!("DNS record {wild_id} (A *.sub.example.net), app {app_id} (tcp/22 at sub.example.net), "),
        format!("DNS record {record_id} (A www.sub.example.net) first"),
    ] {
        assert!(told.contains(&part), "{part} in {told}");
    }
    assert!(texts("www.sub.example.net").contains(record_id));
    assert!(texts("deep.example.net").contains("NS sub.deep.example.net"), "not at the name itself");
    for name in ["sub.deep.example.net", "ub.example.net", "other.example.net"] {
        stand.post("/zones?dry_run=true", zone(name)).result();
    }
    let many: Vec<Value> = (0..12).map(|one| a(&format!("n{one:02}.many"), "192.0.2.1")).collect();
    stand.post(&format!("{}/batch", path(&stand)), json!({"posts": many})).result();
    let told = texts("many.example.net");
    assert!(
        told.contains("n09.many") && !told.contains("n10.many") && told.contains(" and 2 more"),
        "{told}"
    );

    stand.call(Method::DELETE, &format!("{}/{app_id}", stand.apps()), Value::Null).result();
    for one in [&record, &wild] {
        stand.call(Method::DELETE, &crate::dns::one(&stand, one), Value::Null).result();
    }
    let then = stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number");
    let made = stand.post("/zones", zone("sub.example.net")).result().clone();
    // Going back and importing keep to it, too.
    let back = stand.post("/byway/rollback", json!({"version": then - 1}));
    assert_eq!(back.result()["changes"], 2, "the zone goes and the record comes");
    let document = stand.admin(Method::GET, "/byway/export", Value::Null).result()["document"].clone();
    let mut entities = document.clone();
    entities["entities"] = json!({ "zone": [{
        "id": made["id"], "name": "sub.example.net", "account": stand.account.to_string(), "created_on": 7, "modified_on": 7,
    }]});
    let refused = stand.admin(Method::POST, "/byway/import", json!({"document": entities}));
    assert_eq!(refused.status, 400);
    let text = refused.body["errors"][0]["message"].as_str().expect("a text");
    assert!(text.contains("lies in zone sub.example.net, which is nearer"), "{text}");
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
