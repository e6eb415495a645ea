//! IP access rules through the API.

use crate::stand::Stand;
use axum::http::Method;
use serde_json::{Value, json};

fn rule(mode: &str, target: &str, value: &str) -> Value {
    json!({"mode": mode, "configuration": {"target": target, "value": value}, "notes": format!("{mode} {value}")})
}

fn zone_rules(stand: &Stand) -> String {
    format!("/zones/{}/firewall/access_rules/rules", stand.zone)
}

#[test]
fn a_rule_is_made_normalised_read_edited_and_deleted_in_each_scope() {
    let stand = Stand::new();
    let account = format!("/accounts/{}/firewall/access_rules/rules", stand.account);
    let scopes = [
        (zone_rules(&stand), Value::Null),
        (account, json!("organization")),
        ("/user/firewall/access_rules/rules".into(), json!("user")),
    ];
    for (path, kind) in scopes {
        let made = stand.post(&path, rule("block", "ip6", "2001:DB8::1")).result().clone();
        assert_eq!(made["configuration"]["value"], "2001:0db8:0000:0000:0000:0000:0000:0001");
        assert_eq!((&made["scope"]["type"], &made["mode"]), (&kind, &json!("block")));
        assert_eq!(made["allowed_modes"].as_array().map(Vec::len), Some(5));
        let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
        assert_eq!(stand.get(&one).result(), &made);
        let same = json!({"target": "ip6", "value": "2001:db8::1"});
        let edited = stand
            .call(Method::PATCH, &one, json!({"mode": "whitelist", "configuration": same}))
            .result()
            .clone();
        assert_eq!((&edited["mode"], &edited["notes"]), (&json!("whitelist"), &made["notes"]));
        let other = json!({"configuration": {"target": "ip", "value": "192.0.2.1"}});
        assert_eq!(stand.call(Method::PATCH, &one, other).failure(), (400, 10011, Some("/configuration")));
        assert_eq!(stand.post(&path, rule("block", "ip6", "2001:db8:0::1")).failure(), (400, 10009, None));
        assert_eq!(stand.call(Method::DELETE, &one, json!({"cascade": "all"})).failure().2, Some("/cascade"));
        assert_eq!(
            stand.call(Method::DELETE, &one, json!({"cascade": "none"})).result(),
            &json!({"id": made["id"]})
        );
        assert_eq!(stand.get(&one).failure().0, 404);
    }
    for (target, value, kept) in
        [("asn", "as112", "AS112"), ("asn", "112", ""), ("country", "de", "DE"), ("country", "t1", "T1")]
    {
        let made = stand.post(&zone_rules(&stand), rule("block", target, value));
        if !kept.is_empty() {
            assert_eq!(made.result()["configuration"]["value"], kept);
        } else {
            assert_eq!(made.failure().1, 10009);
        }
    }
}

#[test]
fn a_list_is_narrowed_by_its_filters() {
    let stand = Stand::new();
    let path = zone_rules(&stand);
    for (mode, target, value) in [
        ("block", "ip", "192.0.2.1"),
        ("whitelist", "ip_range", "192.0.2.0/24"),
        ("block", "country", "DE"),
        ("challenge", "asn", "AS112"),
    ] {
        stand.post(&path, rule(mode, target, value)).result();
    }
    let values = |query: &str| -> Vec<String> {
        let reply = stand.get(&format!("{path}{query}"));
        let rows = reply.result().as_array().expect("a list").clone();
        rows.iter().map(|row| row["configuration"]["value"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(values("").len(), 4);
    assert_eq!(values("?mode=block&order=configuration.value"), ["192.0.2.1", "DE"]);
    assert_eq!(values("?configuration.target=country"), ["DE"]);
    assert_eq!(values("?configuration.value=as112"), ["AS112"]);
    assert_eq!(values("?notes=BLOCK%20de"), ["DE"]);
    assert_eq!(
        values("?mode=block&configuration.target=asn&match=any&order=configuration.value"),
        ["192.0.2.1", "AS112", "DE"]
    );
    assert_eq!(values("?mode=block&configuration.target=asn"), Vec::<String>::new());
    assert_eq!(values("?order=mode&direction=desc&per_page=1"), ["192.0.2.0/24"]);
    for query in ["?mode=deny", "?mode=", "?configuration.value=", "?match=some", "?value=1"] {
        assert_eq!(stand.get(&format!("{path}{query}")).failure().1, 10014, "{query}");
    }
}

#[test]
fn a_batch_is_whole_or_nothing_and_points_at_what_is_wrong() {
    let stand = Stand::new();
    let path = format!("{}/batch", zone_rules(&stand));
    let good: Vec<Value> =
        (0..2_000).map(|n| rule("block", "ip", &format!("198.18.{}.{}", n / 250, n % 250))).collect();
    let made = stand.post(&path, json!({"rules": good}));
    assert_eq!(made.result().as_array().map(Vec::len), Some(2_000));
    assert_eq!(stand.estate().rules.len(), 2_000);
    let bad = json!({"rules": [rule("block", "ip", "192.0.2.1"), rule("block", "ip", "x"), rule("block", "ip", "198.18.0.0"), rule("block", "ip", "192.0.2.1")]});
    let refused = stand.post(&path, bad);
    let errors: Vec<_> = refused.body["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| (error["code"].as_u64(), error["source"]["pointer"].as_str()))
        .collect();
    assert_eq!(
        errors,
        [
            (Some(10011), Some("/rules/1/configuration/value")),
            (Some(10009), Some("/rules/2")),
            (Some(10009), Some("/rules/3"))
        ]
    );
    assert_eq!(stand.estate().rules.len(), 2_000);
    assert_eq!(stand.post(&path, json!({"rules": []})).failure().2, Some("/rules"));
    let stand = stand.restarted();
    assert_eq!(stand.estate().rules.len(), 2_000);
}

#[test]
fn blocks_that_nobody_could_pass_are_warned_of() {
    let stand = Stand::new();
    let path = zone_rules(&stand);
    let blocks: Vec<Value> = (1..=223)
        .filter(|n| *n != 127 && *n != 100)
        .map(|n| rule("block", "ip_range", &format!("{n}.0.0.0/8")))
        .collect();
    let some = stand.post(&format!("{path}/batch"), json!({"rules": blocks}));
    some.result();
    assert_eq!(some.body["messages"], json!([]));
    let last = stand.post(&path, rule("block", "ip_range", "100.0.0.0/8"));
    assert!(
        last.body["messages"][0]["message"].as_str().expect("a text").contains("none could pass"),
        "{last:?}"
    );
    let eased = stand.post(&path, rule("whitelist", "ip", "192.0.2.1"));
    assert_eq!((eased.status.as_u16(), &eased.body["messages"]), (200, &json!([])));
}

/// Blocks of /8 that are all of the space of clients together, but the one with this first number.
fn blocks_without(left: u32, from: std::ops::RangeInclusive<u32>) -> Value {
    let all = from.filter(|n| *n != 127 && *n != left);
    let all: Vec<Value> = all.map(|n| rule("block", "ip_range", &format!("{n}.0.0.0/8"))).collect();
    json!({ "rules": all })
}

#[test]
fn rules_of_zone_account_and_user_are_looked_at_together() {
    let user = "/user/firewall/access_rules/rules".to_owned();
    let last = || rule("block", "ip_range", "100.0.0.0/8");
    // What lets whom in, in which scope; whether nobody could pass all the same.
    for (scope, target, value, is_locked) in [
        (None, "", "", true),
        (Some(0), "ip", "198.51.100.7", false),
        (Some(1), "ip_range", "198.51.100.0/24", false),
        (Some(2), "asn", "AS64496", false),
        (Some(2), "country", "DE", false),
        (Some(1), "ip6", "2001:db8::1", true),
    ] {
        for place in 0..3 {
            let stand = Stand::new();
            let account = format!("/accounts/{}/firewall/access_rules/rules", stand.account);
            let scopes = [zone_rules(&stand), account, user.clone()];
            let mut kept = Vec::new();
            if let Some(scope) = scope {
                let made = stand.post(&scopes[scope], rule("whitelist", target, value)).result().clone();
                kept.push(format!("{}/{}", scopes[scope], made["id"].as_str().expect("an id")));
            }
            // A third of the space in each scope, and none of the last piece.
            for (path, third) in scopes.iter().zip([1..=99, 100..=170, 171..=223]) {
                let some = stand.post(&format!("{path}/batch"), blocks_without(100, third));
                some.result();
                assert_eq!(some.body["messages"], json!([]), "100.0.0.0/8 is open");
            }
            let what = format!("{scope:?} {target} {value}, the last one in scope {place}");
            let made = stand.post(&scopes[place], last());
            let text = made.body["messages"][0]["message"].as_str().unwrap_or("");
            assert_eq!(
                text.contains("every IPv4 client of example.net: none could pass"),
                is_locked,
                "{what}: {made:?}"
            );
            // The allow was all that let anybody in.
            for allow in kept.iter().filter(|_| !is_locked) {
                let gone = stand.call(Method::DELETE, allow, Value::Null);
                assert!(gone.body["messages"].to_string().contains("none could pass"), "{what}: {gone:?}");
            }
        }
    }
}

#[test]
fn zones_that_nobody_could_reach_are_named_and_others_are_not() {
    let stand = Stand::new();
    let account = format!("/accounts/{}/firewall/access_rules/rules", stand.account);
    let zone = |name: &str| {
        let body = json!({"name": name, "account": {"id": stand.account.to_string()}});
        stand.post("/zones", body).result()["id"].as_str().expect("an id").to_owned()
    };
    let (open, half) = (zone("open.example.org"), zone("half.example.org"));
    let rules = |zone: &str| format!("/zones/{zone}/firewall/access_rules/rules");
    stand.post(&rules(&open), rule("whitelist", "ip", "198.51.100.7")).result();
    stand.post(&rules(&half), rule("block", "ip_range", "100.0.0.0/8")).result();
    let all = stand.post(&format!("{account}/batch"), blocks_without(100, 1..=223));
    assert!(all.body["messages"].to_string().contains("client of half.example.org: none"), "{all:?}");
    let last = stand.post(&account, rule("block", "ip_range", "100.0.0.0/8"));
    let told = last.body["messages"].to_string();
    assert!(told.contains("client of example.net, half.example.org: none"), "{told}");
    // Rules of an account act on zones of others as little as those of another zone.
    let other = stand.post("/accounts", json!({"name": "other"})).result()["id"].clone();
    let body = json!({"name": "example.org", "account": {"id": other}});
    let apart = stand.post("/zones", body).result()["id"].as_str().expect("an id").to_owned();
    let made = stand.post(&rules(&apart), rule("block", "ip", "192.0.2.1"));
    assert_eq!(made.body["messages"], json!([]));
}

#[test]
fn another_zones_rules_are_not_there() {
    let stand = Stand::new();
    let id = stand.post(&zone_rules(&stand), rule("block", "ip", "192.0.2.1")).result()["id"].clone();
    let account =
        format!("/accounts/{}/firewall/access_rules/rules/{}", stand.account, id.as_str().expect("an id"));
    assert_eq!(stand.get(&account).failure().0, 404);
}
