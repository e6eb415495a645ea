//! Everything as one document, and back: what comes in is one change, and nothing changes where it is from.

use crate::stand::Stand;
use axum::http::Method;
use serde_json::{Value, json};

fn udp(last: u8) -> Value {
    json!({
        "protocol": "udp/53", "dns": {"type": "ADDRESS", "name": format!("n{last}.example.net")},
        "origin_direct": ["udp://192.0.2.7:53"], "edge_ips": {"type": "static", "ips": [format!("203.0.113.{last}")]},
    })
}

const CHAIN: &str = include_str!("../certs/edge.pem");
const KEY: &str = include_str!("../certs/edge.key");
const OTHER_CHAIN: &str = include_str!("../certs/edge-rsa.pem");
const OTHER_KEY: &str = include_str!("../certs/edge-rsa.key");

fn version(stand: &Stand) -> u64 {
    stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number")
}

#[test]
fn an_export_of_the_same_estate_changes_nothing_and_one_of_another_comes_whole() {
    let stand = Stand::new();
    stand.post(&stand.apps(), udp(1)).result();
    let rule = json!({"mode": "block", "configuration": {"target": "ip", "value": "192.0.2.66"}});
    stand.post(&format!("/zones/{}/firewall/access_rules/rules", stand.zone), rule).result();
    let export = || stand.admin(Method::GET, "/byway/export?secrets=true", Value::Null).result().clone();
    let (whole, before) = (export(), version(&stand));
    let import = json!({"document": whole["document"], "secrets": whole["secrets"]});
    let said = stand.admin(Method::POST, "/byway/import", import.clone()).result().clone();
    assert_eq!(said, json!({"made": 0, "changed": 0, "changes": []}));
    assert_eq!(version(&stand), before, "no change, no version");
    let apps = stand.get(&stand.apps()).result().clone();
    let path = format!("{}/{}", stand.apps(), apps[0]["id"].as_str().expect("an id"));
    stand.call(Method::DELETE, &path, Value::Null).result();
    let dry = stand.admin(Method::POST, "/byway/import?dry_run=true", import.clone());
    assert_eq!((&dry.result()["made"], stand.estate().apps.len()), (&json!(1), 0));
    stand.admin(Method::POST, "/byway/import", import).result();
    assert_eq!(stand.get(&stand.apps()).result(), &apps);
    assert_eq!(export(), whole);
    let stand = stand.restarted();
    assert_eq!(stand.get(&stand.apps()).result(), &apps);
}

#[test]
fn an_import_that_is_wrong_anywhere_changes_nothing_and_says_all_of_it() {
    let stand = Stand::new();
    let app = stand.post(&stand.apps(), udp(1)).result().clone();
    let whole = stand.admin(Method::GET, "/byway/export", Value::Null).result().clone();
    assert_eq!(whole["secrets"], Value::Null);
    let (mut document, before) = (whole["document"].clone(), version(&stand));
    let mut other = document["entities"]["app"][0].clone();
    // The same address and port again, and an address that nobody onboarded.
    other["id"] = "1".repeat(32).into();
    other["app"]["id"] = other["id"].clone();
    let mut third = other.clone();
    third["id"] = "2".repeat(32).into();
    third["app"]["id"] = third["id"].clone();
    third["app"]["edge_ips"]["ips"] = json!(["198.18.0.1"]);
    document["entities"]["zone"][0]["name"] = "example.org".into();
    document["entities"]["app"] = json!([document["entities"]["app"][0], other]);
    let post = |document: &Value| stand.admin(Method::POST, "/byway/import", json!({"document": document}));
    let refused = post(&document);
    let errors: Vec<String> = refused.body["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| format!("{} {}", error["source"]["pointer"], error["message"]))
        .collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    let told =
        |place: &str, what: &str| errors.iter().any(|error| error.contains(place) && error.contains(what));
    assert!(told("/entities/app/0", "does not lie in zone example.org"), "{errors:?}");
    assert!(told("/entities/app/1", "does not lie in zone example.org"), "{errors:?}");
    assert!(told("/entities/app/", "is taken by app"), "{errors:?}");
    document["entities"]["app"] = json!([third]);
    assert_eq!(post(&document).failure(), (400, 10011, Some("/entities/app/0")));
    assert_eq!(post(&json!({})).failure(), (400, 10011, Some("/byway_export")));
    assert_eq!(post(&Value::Null).failure(), (400, 10011, Some("/document")));
    assert_eq!(version(&stand), before);
    assert_eq!(stand.get(&stand.apps()).result(), &json!([app]));
}

#[test]
fn nobody_moves_the_box_over_the_net() {
    let stand = Stand::new();
    assert_eq!(stand.get("/byway/export?secrets=true").failure().0, 403);
    assert_eq!(stand.post("/byway/import", json!({"document": {}})).failure().0, 403);
}

#[test]
fn a_key_goes_with_its_own_chain_alone_and_a_dry_run_says_so_too() {
    let stand = Stand::new();
    let zone = json!({"name": "example.com", "account": {"id": stand.account.to_string()}});
    let zone = stand.post("/zones", zone).result()["id"].as_str().expect("an id").to_owned();
    let path = format!("/zones/{zone}/custom_certificates");
    let made = stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result().clone();
    let old = stand.admin(Method::GET, "/byway/export", Value::Null).result()["document"].clone();
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    let renewed = json!({"certificate": OTHER_CHAIN, "private_key": OTHER_KEY});
    stand.call(Method::PATCH, &one, renewed).result();
    let before = version(&stand);
    for dry_run in [true, false] {
        let path = format!("/byway/import?dry_run={dry_run}");
        let import = |document: &Value| stand.admin(Method::POST, &path, json!({"document": document}));
        let refused = import(&old);
        assert_eq!(refused.failure(), (400, 10011, Some("/entities/certificate/0/key")));
        let mut wrong = old.clone();
        wrong["entities"]["certificate"][0]["key"] = OTHER_KEY.into();
        assert_eq!(import(&wrong).failure().0, 400, "a chain of another key's");
        wrong["entities"]["certificate"][0]["key"] = KEY.into();
        import(&wrong).result();
        assert_eq!(version(&stand), before + u64::from(!dry_run));
    }
    stand.restarted();
}

#[test]
fn a_chain_comes_in_without_a_key_and_without_what_else_stands_beside_its_certificates() {
    let stand = Stand::new();
    let zone = json!({"name": "example.com", "account": {"id": stand.account.to_string()}});
    let zone = stand.post("/zones", zone).result()["id"].as_str().expect("an id").to_owned();
    let path = format!("/zones/{zone}/custom_certificates");
    let made = stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result().clone();
    let whole = stand.admin(Method::GET, "/byway/export?secrets=true", Value::Null).result().clone();
    let import = |chain: String| {
        let mut body = json!({"document": whole["document"], "secrets": whole["secrets"]});
        body["document"]["entities"]["certificate"][0]["chain"] = chain.into();
        stand.admin(Method::POST, "/byway/import", body)
    };
    let refused = import(format!("{CHAIN}{KEY}"));
    assert_eq!(refused.failure(), (400, 10011, Some("/entities/certificate/0/chain")));
    assert!(refused.body.to_string().contains("holds a private key"), "{refused:?}");
    assert_eq!(import("x".into()).failure().2, Some("/entities/certificate/0/chain"));
    let before = version(&stand);
    import(format!("hidden\n{CHAIN}hidden")).result();
    assert_eq!(version(&stand), before, "the same certificates are no change");
    stand
        .call(Method::DELETE, &format!("{path}/{}", made["id"].as_str().expect("an id")), Value::Null)
        .result();
    import(format!("hidden\n{CHAIN}hidden")).result();
    let estate = stand.estate();
    let kept: Vec<&str> = estate.certificates.iter().map(|one| &*one.held.chain).collect();
    assert_eq!(kept, [CHAIN]);
}

#[test]
fn an_import_warns_of_secrets_that_open_the_box_again() {
    let stand = Stand::new();
    let token = stand.token(byway::estate::Grant::everything());
    let id = stand.call_by(&token, Method::GET, "/user/tokens/verify", Value::Null).result()["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    let whole = stand.admin(Method::GET, "/byway/export?secrets=true", Value::Null).result().clone();
    let import = |dry_run: bool| {
        let body = json!({"document": whole["document"], "secrets": whole["secrets"]});
        let reply = stand.admin(Method::POST, &format!("/byway/import?dry_run={dry_run}"), body);
        reply.result();
        let said = reply.body["messages"].as_array().expect("a list").iter();
        let said = said.filter_map(|said| said["message"].as_str());
        said.filter(|said| said.starts_with("warning: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(import(true), [""; 0]);
    let path = format!("/user/tokens/{id}");
    stand.call(Method::PUT, &format!("{path}/value"), json!({})).result();
    let (dry, done) = (import(true), import(false));
    assert!(dry.len() == 1 && dry[0].contains(&id) && dry[0].contains("if it was rolled"), "{dry:?}");
    assert_eq!(dry, done);
    stand.call(Method::DELETE, &path, Value::Null).result();
    let dry = import(true);
    assert!(dry.len() == 1 && dry[0].contains(&id) && dry[0].contains("if it was revoked"), "{dry:?}");
}
