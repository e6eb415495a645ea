//! What the API's store keeps over a restart, and what it remembers.

use crate::stand::Stand;
use axum::http::Method;
use serde_json::{Value, json};

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let stand = Stand::new();
    let app = json!({
        "protocol": "udp/53", "dns": {"type": "ADDRESS", "name": "dns.example.net"},
        "origin_direct": ["udp://192.0.2.7:53"], "edge_ips": {"type": "static", "ips": ["203.0.113.53"]},
        "proxy_protocol": "simple",
    });
    let app = stand.post(&stand.apps(), app).result().clone();
    let (zones, tokens) = (stand.get("/zones").result().clone(), stand.get("/user/tokens").result().clone());
    let stand = stand.restarted();
    assert_eq!(stand.get(&stand.apps()).result(), &json!([app]));
    assert_eq!(stand.get("/zones").result(), &zones);
    let after = stand.get("/user/tokens").result().clone();
    assert_eq!((&after[0]["id"], &after[0]["policies"]), (&tokens[0]["id"], &tokens[0]["policies"]));
}

#[test]
fn the_history_says_who_what_before_and_after_and_no_secret() {
    let stand = Stand::new();
    let zone = json!({"name": "example.org", "account": {"id": stand.account.to_string()}});
    let id = stand.post("/zones", zone).result()["id"].clone();
    stand.post("/byway/users", json!({"email": "x@example.net"})).result();
    stand.call(Method::DELETE, &format!("/zones/{}", id.as_str().expect("an id")), Value::Null).result();
    let history = stand.get("/byway/history?limit=3").result().clone();
    assert_eq!(history[0]["changes"][0]["before"]["name"], "example.org");
    assert_eq!(history[0]["changes"][0]["after"], Value::Null);
    assert_eq!(history[2]["action"], "POST /zones");
    assert!(history[2]["actor"].as_str().expect("a text").starts_with("token "));
    assert_eq!(history[1]["changes"][0]["after"]["key_hash"], "kept");
    let older = stand.get(&format!("/byway/history?before={}", history[2]["version"]));
    assert_eq!(older.result()[0]["action"], "set-up");
    assert!(
        !older.body.to_string().contains("\"hash\":\"0")
            && older.result()[0]["changes"].to_string().contains("\"hash\":\"\"")
    );
}
