//! Users and their keys, for those who rule the box.

use crate::stand::{Reply, Stand};
use axum::body::Body;
use axum::http::{Method, Request};
use byway::estate::{Grant, Level, Permission, Reach};
use serde_json::{Value, json};

/// `GET /user` by a key.
fn by_key(stand: &Stand, email: &str, key: &str) -> u16 {
    let request = Request::builder().uri("/client/v4/user");
    let request = request.header("x-auth-email", email).header("x-auth-key", key);
    stand.send(request.body(Body::empty()).expect("a request")).status.as_u16()
}

fn key_of(reply: &Reply) -> String {
    reply.result()["key"].as_str().expect("a key").to_owned()
}

#[test]
fn a_users_key_is_given_rolled_and_revoked_and_the_old_one_opens_nothing() {
    let stand = Stand::new();
    let (path, email) = (format!("/byway/users/{}/key", stand.user), "ops@example.net");
    let put = || stand.call(Method::PUT, &path, Value::Null);
    assert_eq!(stand.get("/byway/users").result()[0]["has_key"], false, "none was given");
    let first = key_of(&put());
    assert_eq!(by_key(&stand, email, &first), 200);
    let dry = stand.call(Method::PUT, &format!("{path}?dry_run=true"), Value::Null);
    assert_eq!((dry.result()["has_key"].as_bool(), dry.result().get("key")), (Some(true), None));
    let second = key_of(&put());
    assert_ne!(first, second);
    assert_eq!((by_key(&stand, email, &first), by_key(&stand, email, &second)), (401, 200));
    let stand = stand.restarted();
    assert_eq!((by_key(&stand, email, &first), by_key(&stand, email, &second)), (401, 200));
    let shut = stand.call(Method::DELETE, &path, Value::Null);
    assert_eq!((shut.result()["has_key"].as_bool(), shut.result().get("key")), (Some(false), None));
    assert_eq!(by_key(&stand, email, &second), 401);
    let history = stand.get("/byway/history?limit=1").result().clone();
    assert_eq!(history[0]["action"], format!("DELETE {path}"));
    assert!(!history.to_string().contains(&second), "no key is told");
}

#[test]
fn nobody_gives_a_key_that_opens_more_than_they_hold() {
    let stand = Stand::new();
    let path = format!("/byway/users/{}/key", stand.user);
    let box_wide = |permission| Grant { permission, level: Level::Write, reach: Reach::All };
    let users = stand.token(vec![box_wide(Permission::ApiTokens)]);
    let all = stand.token(Grant::everything());
    for method in [Method::PUT, Method::DELETE] {
        let by = |token: &str| stand.call_by(token, method.clone(), &path, Value::Null).status.as_u16();
        assert_eq!((by(&users), by(&all)), (403, 200), "{method}: its accounts hold more than tokens");
    }
}

#[test]
fn a_user_goes_when_nothing_refers_to_it_and_a_refusal_names_what_does() {
    let stand = Stand::new();
    let user = stand.post("/byway/users", json!({"email": "gone@example.net"})).result().clone();
    let (id, key) = (user["id"].as_str().expect("an id"), user["key"].as_str().expect("a key"));
    let delete = || stand.call(Method::DELETE, &format!("/byway/users/{id}"), Value::Null);
    let account = stand.post("/accounts", json!({"name": "two", "owner": {"id": id}})).result()["id"].clone();
    let account = account.as_str().expect("an id");
    let rules = Request::post("/client/v4/user/firewall/access_rules/rules");
    let rules = rules.header("x-auth-email", "gone@example.net").header("x-auth-key", key);
    let rule = json!({"mode": "block", "configuration": {"target": "ip", "value": "192.0.2.1"}});
    let rule =
        stand.send(rules.body(Body::from(rule.to_string())).expect("a request")).result()["id"].clone();
    let rule = rule.as_str().expect("an id");
    let refused = delete();
    assert_eq!(refused.failure(), (400, 10016, None));
    assert_eq!(
        refused.body["errors"][0]["message"],
        format!("the user still has 1 account(s) ({account}); 1 access rule(s) ({rule}): delete them first")
    );
    let own = format!("/client/v4/user/firewall/access_rules/rules/{rule}");
    let own = Request::delete(own).header("x-auth-email", "gone@example.net").header("x-auth-key", key);
    stand.send(own.body(Body::empty()).expect("a request")).result();
    stand.call(Method::DELETE, &format!("/accounts/{account}"), Value::Null).result();
    assert_eq!(delete().result()["id"], id);
    assert_eq!(by_key(&stand, "gone@example.net", key), 401);
    assert_eq!(delete().failure(), (404, 10006, None));
    // The operator's own token refers to its user.
    let own = stand.call(Method::DELETE, &format!("/byway/users/{}", stand.user), Value::Null);
    let message = own.body["errors"][0]["message"].as_str().expect("a text");
    assert!(message.contains("1 account(s) (") && message.contains("1 token(s) ("), "{message}");
}

#[test]
fn the_admin_socket_lists_makes_rolls_and_revokes_tokens_of_any_user() {
    let stand = Stand::new();
    let user = stand.post("/byway/users", json!({"email": "tenant@example.net"})).result()["id"].clone();
    let path = format!("/byway/users/{}/tokens", user.as_str().expect("an id"));
    let groups = stand.admin(Method::GET, "/user/tokens/permission_groups", Value::Null).result().clone();
    let writes = groups.as_array().expect("a list").iter();
    let writes = writes.filter(|group| group["name"].as_str().is_some_and(|name| name.ends_with(" Write")));
    let ids: Vec<Value> = writes.map(|group| json!({"id": group["id"]})).collect();
    let root = json!({"name": "second root", "policies": [{"effect": "allow", "permission_groups": ids,
        "resources": {"com.cloudflare.api.account.*": "*"}}]});
    let made = stand.admin(Method::POST, &path, root).result().clone();
    let (id, value) = (made["id"].as_str().expect("an id"), made["value"].as_str().expect("a token"));
    let rules = |token: &str| stand.call_by(token, Method::GET, "/byway/users", Value::Null).status.as_u16();
    assert_eq!(rules(value), 200, "it rules the box as the first did");
    let listed = stand.admin(Method::GET, &path, Value::Null).result().clone();
    assert_eq!((&listed[0]["id"], listed[0].get("value")), (&made["id"], None));
    // Another user's path does not lead to it.
    let astray = format!("/byway/users/{}/tokens/{id}", stand.user);
    assert_eq!(stand.admin(Method::DELETE, &astray, Value::Null).failure(), (404, 10006, None));
    let rolled = stand.admin(Method::PUT, &format!("{path}/{id}/value"), Value::Null).result().clone();
    let rolled = rolled.as_str().expect("a token");
    assert_eq!((rules(value), rules(rolled)), (401, 200));
    stand.admin(Method::DELETE, &format!("{path}/{id}"), Value::Null).result();
    assert_eq!(rules(rolled), 401);
    let history = stand.get("/byway/history?limit=1").result().clone();
    assert_eq!(history[0]["actor"], "local user 0");
}

#[test]
fn a_dry_run_shows_no_secret() {
    let stand = Stand::new();
    let user = stand.post("/byway/users?dry_run=true", json!({"email": "new@example.net"}));
    assert_eq!((user.result()["has_key"].as_bool(), user.result().get("key")), (Some(true), None));
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let policy = json!({"effect": "allow", "permission_groups": [{"id": groups[0]["id"]}],
        "resources": {"com.cloudflare.api.account.*": "*"}});
    let token = json!({"name": "n", "policies": [policy]});
    let of_user = format!("/byway/users/{}/tokens", stand.user);
    for path in ["/user/tokens", of_user.as_str()] {
        let made = stand.post(&format!("{path}?dry_run=true"), token.clone());
        assert_eq!((made.result()["name"].as_str(), made.result().get("value")), (Some("n"), None));
    }
    let own = stand.get("/user/tokens/verify").result()["id"].as_str().expect("an id").to_owned();
    let rolled = stand.call(Method::PUT, &format!("/user/tokens/{own}/value?dry_run=true"), Value::Null);
    assert_eq!(rolled.result(), &Value::Null);
    assert_eq!(stand.get("/user/tokens").result().as_array().map(Vec::len), Some(1), "nothing was made");
}
