//! Who is let in, and what for.

use crate::stand::Stand;
use axum::body::Body;
use axum::http::{Method, Request};
use byway::api::{Peer, new_id};
use byway::estate::{Grant, Id, Level, Permission, Reach};
use serde_json::{Value, json};

fn with(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().uri("/client/v4/user/tokens/verify");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

#[test]
fn malformed_headers_missing_ones_and_wrong_secrets_are_told_apart() {
    let stand = Stand::new();
    type Row = (&'static [(&'static str, &'static str)], (u16, u64), Option<u64>);
    let rows: [Row; 9] = [
        (&[], (400, 9106), None),
        (&[("authorization", "Bearer")], (400, 6003), Some(6111)),
        (&[("authorization", "Basic abc")], (400, 6003), Some(6111)),
        (&[("authorization", "Bearer a b")], (400, 6003), Some(6111)),
        (&[("x-auth-email", "ops@example.net")], (400, 6003), Some(6103)),
        (&[("x-auth-email", "ops@example.net"), ("x-auth-key", "a b")], (400, 6003), Some(6103)),
        (&[("authorization", "Bearer abc")], (401, 10000), None),
        (&[("x-auth-email", "ops@example.net"), ("x-auth-key", "abc")], (401, 10000), None),
        (&[("x-auth-user-service-key", "v1.0-abc")], (401, 10000), None),
    ];
    for (headers, (status, code), chain) in rows {
        let reply = stand.send(with(headers));
        assert_eq!(reply.failure(), (status, code, None), "{headers:?}");
        assert_eq!(reply.body["errors"][0]["error_chain"][0]["code"].as_u64(), chain, "{headers:?}");
    }
    let mut wrong = stand.root.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    assert_eq!(
        stand.send(with(&[("authorization", &format!("Bearer {wrong}"))])).failure(),
        (401, 10000, None)
    );
    let good = stand.send(with(&[("authorization", &format!("bearer {}", stand.root))]));
    assert_eq!(good.result()["status"], "active");
    assert_eq!(stand.send(with(&[("x-auth-user-service-key", &stand.root)])).result()["status"], "active");
}

#[test]
fn a_users_key_opens_its_accounts_and_nobody_elses() {
    let stand = Stand::new();
    let user = stand.post("/byway/users", json!({"email": "second@example.net"})).result().clone();
    let key = user["key"].as_str().expect("a key");
    let ask = |path: &str| {
        let request = Request::builder().uri(format!("/client/v4{path}"));
        let request = request.header("x-auth-email", "Second@example.net").header("x-auth-key", key);
        stand.send(request.body(Body::empty()).expect("a request"))
    };
    assert_eq!(ask("/user").result()["email"], "second@example.net");
    assert_eq!(ask("/accounts").result(), &json!([]));
    assert_eq!(ask(&stand.apps()).failure().0, 404);
    let owner = json!({"name": "two", "owner": {"id": user["id"]}});
    let account = stand.post("/accounts", owner).result()["id"].clone();
    assert_eq!(ask("/accounts").result()[0]["id"], account);
}

#[test]
fn what_a_token_does_not_reach_is_not_there_and_what_it_may_not_do_is_forbidden() {
    let stand = Stand::new();
    let grant = |permission, level, reach| Grant { permission, level, reach };
    let here = || Reach::Zones(vec![stand.zone]);
    let elsewhere = Reach::Accounts(vec![byway::api::new_id().expect("random")]);
    let reader = stand.token(vec![grant(Permission::ZoneSettings, Level::Read, here())]);
    let stranger = stand.token(vec![grant(Permission::ZoneSettings, Level::Write, elsewhere)]);
    let other_group = stand.token(vec![grant(Permission::Dns, Level::Write, here())]);
    let apps = stand.apps();
    let get = |token: &str| stand.call_by(token, Method::GET, &apps, Value::Null);
    let post = |token: &str| stand.call_by(token, Method::POST, &apps, json!({}));
    get(&reader).result();
    assert_eq!(post(&reader).failure(), (403, 9109, None));
    assert_eq!(get(&stranger).failure(), (404, 10006, None));
    assert_eq!(post(&stranger).failure(), (404, 10006, None));
    assert_eq!(get(&other_group).failure(), (403, 9109, None));
    let zones = stand.call_by(&stranger, Method::GET, "/zones", Value::Null);
    assert_eq!(zones.result(), &json!([]));
    assert_eq!(
        stand.call_by(&reader, Method::GET, "/zones?name=example.net", Value::Null).result()[0]["name"],
        "example.net"
    );
    assert_eq!(stand.call_by(&reader, Method::POST, "/accounts", json!({"name": "x"})).failure().0, 403);
}

#[test]
fn a_revoked_a_disabled_and_a_rolled_token_are_refused_at_once() {
    let stand = Stand::new();
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let group = groups.as_array().expect("a list").iter().find(|group| group["name"] == "Zone Settings Read");
    let policy = json!({
        "effect": "allow",
        "permission_groups": [{"id": group.expect("one")["id"]}],
        "resources": {format!("com.cloudflare.api.account.zone.{}", stand.zone): "*"},
    });
    let made = stand.post("/user/tokens", json!({"name": "reader", "policies": [policy]})).result().clone();
    let (id, value) = (made["id"].as_str().expect("an id"), made["value"].as_str().expect("a token"));
    let get = |token: &str| stand.call_by(token, Method::GET, &stand.apps(), Value::Null).status.as_u16();
    assert_eq!(get(value), 200);
    assert!(stand.get(&format!("/user/tokens/{id}")).result().get("value").is_none(), "shown once");
    let rolled = stand.call(Method::PUT, &format!("/user/tokens/{id}/value"), json!({})).result().clone();
    let rolled = rolled.as_str().expect("a token");
    assert_eq!((get(value), get(rolled)), (401, 200));
    let disabled = json!({"name": "reader", "policies": [policy], "status": "disabled"});
    stand.call(Method::PUT, &format!("/user/tokens/{id}"), disabled).result();
    assert_eq!(get(rolled), 401);
    stand
        .call(
            Method::PUT,
            &format!("/user/tokens/{id}"),
            json!({"name": "r", "policies": [policy], "status": "active"}),
        )
        .result();
    assert_eq!(get(rolled), 200);
    stand.call(Method::DELETE, &format!("/user/tokens/{id}"), Value::Null).result();
    assert_eq!(get(rolled), 401);
    let past = json!({"name": "r", "policies": [policy], "expires_on": "2020-01-01T00:00:00Z"});
    assert_eq!(stand.post("/user/tokens", past).failure(), (400, 10011, Some("/expires_on")));
}

#[test]
fn nobody_gives_away_more_than_they_hold() {
    let stand = Stand::new();
    let grants = vec![
        Grant {
            permission: Permission::ApiTokens,
            level: Level::Write,
            reach: Reach::Zones(vec![stand.zone]),
        },
        Grant { permission: Permission::Dns, level: Level::Read, reach: Reach::Zones(vec![stand.zone]) },
    ];
    let narrow = stand.token(grants);
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let id = |name: &str| {
        groups.as_array().expect("a list").iter().find(|group| group["name"] == name).expect("one")["id"]
            .clone()
    };
    let ask = |group: &str, resource: String| {
        let policy = json!({"effect": "allow", "permission_groups": [{"id": id(group)}], "resources": {resource: "*"}});
        stand
            .call_by(&narrow, Method::POST, "/user/tokens", json!({"name": "n", "policies": [policy]}))
            .status
            .as_u16()
    };
    let zone = format!("com.cloudflare.api.account.zone.{}", stand.zone);
    assert_eq!(ask("DNS Read", zone.clone()), 200);
    assert_eq!(ask("DNS Write", zone), 403);
    assert_eq!(ask("DNS Read", "com.cloudflare.api.account.*".into()), 403);
    // The root token is the same user's, and would be worth stealing.
    let root = stand.get("/user/tokens/verify").result()["id"].clone();
    let roll = format!("/user/tokens/{}/value", root.as_str().expect("an id"));
    assert_eq!(stand.call_by(&narrow, Method::PUT, &roll, json!({})).failure().0, 403);
}

#[test]
fn who_holds_an_account_makes_changes_and_revokes_tokens_of_its_zones_and_of_no_others() {
    let stand = Stand::new();
    let made = |path: &str, body: Value| {
        let id = stand.post(path, body).result()["id"].clone();
        Id::parse(id.as_str().expect("an id")).expect("an id")
    };
    let account = made("/accounts", json!({"name": "two"}));
    let zone = |name: &str| made("/zones", json!({"name": name, "account": {"id": account.to_string()}}));
    let (first, second) = (zone("one.example"), zone("two.example"));
    let grant = |permission, level, reach| Grant { permission, level, reach };
    let holder = stand.token(vec![
        grant(Permission::ApiTokens, Level::Write, Reach::Accounts(vec![account])),
        grant(Permission::Dns, Level::Read, Reach::Accounts(vec![account])),
        grant(Permission::Dns, Level::Write, Reach::Zones(vec![first])),
    ]);
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let group = |name: &str| {
        let mut all = groups.as_array().expect("a list").iter();
        all.find(|group| group["name"] == name).expect("one")["id"].clone()
    };
    let of = |name: &str, zones: &[Id]| {
        let named = zones.iter().map(|id| (format!("com.cloudflare.api.account.zone.{id}"), json!("*")));
        let resources = named.collect::<serde_json::Map<_, _>>();
        json!({"name": "n", "policies": [
            {"effect": "allow", "permission_groups": [{"id": group(name)}], "resources": resources}]})
    };
    let ask = |method, path: &str, body: Value| stand.call_by(&holder, method, path, body);
    let gone = new_id().expect("random");
    for (name, zones) in [
        ("DNS Read", vec![stand.zone]),
        ("DNS Read", vec![first, stand.zone]),
        ("DNS Read", vec![gone]),
        ("DNS Write", vec![second]),
        ("DNS Write", vec![first, second]),
        ("Zone Read", vec![first]),
    ] {
        let refused = ask(Method::POST, "/user/tokens", of(name, &zones));
        assert_eq!(refused.failure().0, 403, "{name} {zones:?}");
    }
    let both = ask(Method::POST, "/user/tokens", of("DNS Read", &[first, second])).result().clone();
    let path = format!("/user/tokens/{}", both["id"].as_str().expect("an id"));
    ask(Method::PUT, &path, of("DNS Write", &[first])).result();
    assert_eq!(ask(Method::PUT, &path, of("DNS Read", &[stand.zone])).failure().0, 403);
    ask(Method::PUT, &path, of("DNS Read", &[second])).result();
    ask(Method::PUT, &format!("{path}/value"), json!({})).result();
    stand.call(Method::DELETE, &format!("/zones/{second}"), Value::Null).result();
    assert_eq!(ask(Method::PUT, &format!("{path}/value"), json!({})).failure().0, 403, "its zone is gone");
    ask(Method::DELETE, &path, Value::Null).result();
    let theirs = stand.post("/user/tokens", of("DNS Read", &[first, stand.zone])).result()["id"].clone();
    let theirs = format!("/user/tokens/{}", theirs.as_str().expect("an id"));
    for (method, path) in
        [(Method::PUT, format!("{theirs}/value")), (Method::PUT, theirs.clone()), (Method::DELETE, theirs)]
    {
        assert_eq!(ask(method, &path, of("DNS Read", &[first])).failure().0, 403, "{path}");
    }
}

#[test]
fn bad_credentials_are_slowed_down_and_never_lock_a_valid_token_out() {
    let stand = Stand::new();
    let wrong = || stand.send(with(&[("authorization", "Bearer abc")])).status.as_u16();
    let answers: Vec<u16> = (0..40).map(|_| wrong()).collect();
    assert_eq!((answers[0], answers[29], answers[30], answers[39]), (401, 401, 429, 429));
    assert_eq!(stand.get("/user/tokens/verify").status, 200, "from the same address");
    let elsewhere = Peer::Net(([198, 51, 100, 9], 1).into());
    assert_eq!(stand.send_from(elsewhere, with(&[("authorization", "Bearer abc")])).status, 401);
}

#[test]
fn a_token_whose_secret_is_guessed_from_everywhere_is_slowed_down_and_still_opens() {
    let stand = Stand::new();
    let mut wrong = stand.root.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let from = |number: u8, token: &str| {
        let peer = Peer::Net(([198, 51, 100, number], 1).into());
        let reply = stand.send_from(peer, with(&[("authorization", &format!("Bearer {token}"))]));
        reply.status.as_u16()
    };
    let answers: Vec<u16> = (0..40).map(|number| from(number, &wrong)).collect();
    assert_eq!(
        (answers[0], answers[29], answers[30], answers[39]),
        (401, 401, 429, 429),
        "each from elsewhere"
    );
    let unknown = format!("byway_{}{}", "f".repeat(32), &wrong[wrong.len() - 65..]);
    assert_eq!(from(50, &unknown), 401, "a token that is none is nobody's to slow down");
    assert_eq!((from(51, &stand.root), from(0, &stand.root)), (200, 200));
}

#[test]
fn requests_of_a_token_are_counted_and_the_admin_socket_is_exempt() {
    let stand = Stand::new();
    let other = stand.token(Grant::everything());
    let first = stand.get("/user/tokens/verify");
    assert_eq!(first.headers["ratelimit"], "\"default\";r=1199;t=300");
    assert_eq!(first.headers["ratelimit-policy"], "\"default\";q=1200;w=300");
    let statuses: Vec<u16> = (0..1_200).map(|_| stand.get("/user/tokens/verify").status.as_u16()).collect();
    assert_eq!((statuses[1_198], statuses[1_199]), (200, 429));
    let over = stand.get("/user/tokens/verify");
    assert_eq!(over.failure(), (429, 10429, None));
    assert!(over.headers.contains_key("retry-after") && over.headers["x-should-retry"] == "true");
    // Another of the same user's goes on.
    let theirs = stand.call_by(&other, Method::GET, "/user/tokens/verify", Value::Null);
    assert_eq!((theirs.status.as_u16(), &theirs.headers["ratelimit"]), (200, &first.headers["ratelimit"]));
    let local = Request::builder().uri("/client/v4/zones").body(Body::empty()).expect("a request");
    let reply = stand.send_from(Peer::Local { uid: 0 }, local);
    assert_eq!(reply.result()[0]["name"], "example.net");
    assert!(!reply.headers.contains_key("ratelimit"));
}

#[test]
fn what_leads_nowhere_is_7003_and_a_wrong_method_405() {
    let stand = Stand::new();
    for path in ["/nowhere", "/zones/xyz", "/zones/xyz/spectrum/apps"] {
        assert_eq!(stand.get(path).failure(), (404, 7003, None), "{path}");
    }
    assert_eq!(stand.call(Method::DELETE, "/user", Value::Null).failure(), (405, 10405, None));
    let bare = Request::builder().uri("/healthz").body(Body::empty()).expect("a request");
    assert_eq!(stand.send(bare).result(), &json!({"status": "ok"}));
}

#[test]
fn a_token_is_bounded_and_lives_no_longer_than_the_one_that_made_it() {
    let stand = Stand::new();
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let of = |name: &str| {
        groups.as_array().expect("a list").iter().find(|group| group["name"] == name).expect("one")["id"]
            .clone()
    };
    let ids = |count: usize| -> Value {
        (0..count)
            .map(|n| (format!("com.cloudflare.api.account.zone.{n:032x}"), json!("*")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let policy = |groups: Vec<Value>, resources: Value| json!({"effect": "allow", "permission_groups": groups, "resources": resources});
    let ask = |policies: Vec<Value>| stand.post("/user/tokens", json!({"name": "n", "policies": policies}));
    let group = json!({"id": of("DNS Read")});
    let crowded = ask(vec![policy(vec![group.clone()], ids(1_001))]);
    assert_eq!(crowded.failure(), (400, 10011, Some("/policies/0/resources")));
    let many = ask(vec![policy(vec![group.clone()], ids(1)); 51]);
    assert_eq!(many.failure(), (400, 10011, Some("/policies")));
    let repeated = ask(vec![policy(vec![group.clone(); 5_000], ids(1_000))]);
    assert_eq!(repeated.result()["policies"].as_array().map(Vec::len), Some(1), "a group counts once");
    let every_zone =
        ask(vec![policy(vec![group.clone()], json!({"com.cloudflare.api.account.zone.*": "*"}))]);
    assert_eq!(every_zone.failure().2, Some("/policies/0/resources"), "all zones are not the whole box");
    let short = json!({"name": "short", "expires_on": "2099-01-01T00:00:00Z", "policies": [
        policy(vec![json!({"id": of("API Tokens Write")}), group.clone()], json!({"com.cloudflare.api.account.*": "*"}))]});
    let short = stand.post("/user/tokens", short).result()["value"].as_str().expect("a token").to_owned();
    let heir = json!({"name": "heir", "policies": [policy(vec![group], json!({"com.cloudflare.api.account.*": "*"}))]});
    let heir = stand.call_by(&short, Method::POST, "/user/tokens", heir);
    assert_eq!(heir.result()["expires_on"], "2099-01-01T00:00:00.000000Z");
}

#[test]
fn a_weaker_token_neither_narrows_nor_removes_a_stronger_one() {
    let stand = Stand::new();
    let grants = vec![Grant {
        permission: Permission::ApiTokens,
        level: Level::Write,
        reach: Reach::Zones(vec![stand.zone]),
    }];
    let narrow = stand.token(grants);
    let root = stand.get("/user/tokens/verify").result()["id"].as_str().expect("an id").to_owned();
    let path = format!("/user/tokens/{root}");
    assert_eq!(stand.call_by(&narrow, Method::DELETE, &path, Value::Null).failure().0, 403);
    assert_eq!(
        stand.call_by(&narrow, Method::PUT, &path, json!({"name": "r", "policies": []})).failure().0,
        403
    );
    stand.get("/user/tokens/verify").result();
    let own = stand.call_by(&narrow, Method::GET, "/user/tokens/verify", Value::Null).result()["id"].clone();
    let own = format!("/user/tokens/{}", own.as_str().expect("an id"));
    stand.call_by(&narrow, Method::DELETE, &own, Value::Null).result();
}

#[test]
fn going_back_wants_leave_for_all_that_it_changes() {
    let stand = Stand::new();
    let version = stand.get("/byway/history?limit=1").result()[0]["version"].clone();
    let rule = json!({"mode": "block", "configuration": {"target": "ip", "value": "192.0.2.1"}});
    stand.post(&format!("/zones/{}/firewall/access_rules/rules", stand.zone), rule).result();
    let only = |permission| Grant { permission, level: Level::Write, reach: Reach::All };
    let settings = stand.token(vec![only(Permission::AccountSettings)]);
    let both = stand.token(vec![only(Permission::AccountSettings), only(Permission::Firewall)]);
    let back = |token: &str| {
        stand
            .call_by(token, Method::POST, "/byway/rollback?dry_run=true", json!({"version": version}))
            .status
            .as_u16()
    };
    assert_eq!((back(&settings), back(&both)), (403, 200));
}
