//! Access rules that are taken over from Cloudflare, as many as an account may have: each against its like and the quota.

use crate::cloudflare::{ACCOUNT, THEN, counts, id, import, rule, version, why};
use crate::stand::Stand;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Zones that the rules are spread over.
const ZONES: u32 = 5;
/// Rules of each: together what one account may have where the boot config says nothing.
const RULES_PER_ZONE: u32 = 10_000;

fn zone(number: u32) -> String {
    format!("b2b2b2b2b2b2b2b2b2b2b2b2{number:08x}")
}

fn path(zone: &str) -> String {
    format!("zones/{zone}/firewall/access_rules/rules")
}

/// An account with zones, and whatever lists there are beside.
fn lists(zones: u32, more: Value) -> Value {
    let row = |number| json!({"id": zone(number), "name": format!("z{number}.example"), "account": {"id": ACCOUNT, "name": "theirs"}, "created_on": THEN});
    let mut all = more;
    all["accounts"] = json!([{"id": ACCOUNT, "name": "theirs", "created_on": THEN}]);
    all["zones"] = (0..zones).map(row).collect();
    all
}

/// Rules of one zone; the addresses of every zone are the same.
fn many(number: u32) -> Value {
    let zone = zone(number);
    let address = |at| Ipv4Addr::from(0x0b00_0000 + at).to_string();
    let own = |at| rule(number * RULES_PER_ZONE + at, "block", &address(at), &zone);
    (0..RULES_PER_ZONE).map(own).collect()
}

#[test]
fn as_many_rules_as_an_account_may_have_come_in_and_a_second_time_change_nothing() {
    let quota = (ZONES * RULES_PER_ZONE) as usize;
    let stand = Stand::new().restarted_with(|terms| terms.rules_per_account = quota);
    let mut all = lists(ZONES, json!({}));
    (0..ZONES).for_each(|number| all[path(&zone(number))] = many(number));
    // Behind the last: one about the same, one about the same that says something else, and one too many.
    let (last, spare) = (zone(ZONES - 1), ZONES * RULES_PER_ZONE);
    let rows = all[path(&last)].as_array_mut().expect("a list");
    rows.push(rule(spare, "block", "11.0.0.7", &last));
    rows.push(rule(spare + 1, "whitelist", "11.0.0.7", &last));
    rows.push(rule(spare + 2, "block", "12.0.0.1", &last));
    let reply = import(&stand, &all, json!({}));
    assert_eq!(counts(&reply, "rule"), [quota as u64, 0, 1, 0, 2]);
    let twin = id((ZONES - 1) * RULES_PER_ZONE + 7);
    assert!(why(&reply, &id(spare + 1)).contains(&format!("rule {twin} is about the same and says block")));
    assert!(why(&reply, &id(spare + 2)).contains("(10015)"), "{}", why(&reply, &id(spare + 2)));
    assert_eq!(stand.estate().rules.len(), quota);
    let again = import(&stand, &all, json!({"update": true}));
    assert_eq!(counts(&again, "rule"), [0, 0, quota as u64 + 1, 0, 2]);
}

#[test]
fn a_rule_is_held_against_those_of_its_scope_and_the_quota_of_its_account() {
    let stand = Stand::new().restarted_with(|terms| terms.rules_per_account = 3);
    let (one, other) = (zone(0), zone(1));
    let user = |number, value| {
        let mut rule = rule(number, "block", value, &id(99));
        (rule["scope"]["type"], rule["scope"]["email"]) = ("user".into(), "they@there.example".into());
        rule
    };
    let all = lists(
        2,
        json!({
            "user/firewall/access_rules/rules": [user(1, "11.0.0.1"), user(2, "11.0.0.2"), user(3, "11.0.0.1")],
            (format!("accounts/{ACCOUNT}/firewall/access_rules/rules")): [rule(4, "block", "11.0.0.1", ACCOUNT)],
            (path(&one)): [
                rule(5, "block", "11.0.0.1", &one),
                rule(6, "block", "11.0.0.1", &one),
                rule(7, "whitelist", "11.0.0.1", &one),
                rule(8, "whitelist", "11.0.0.2", &one),
                rule(9, "block", "11.0.0.3", &one),
            ],
            (path(&other)): [rule(10, "block", "11.0.0.4", &other), rule(5, "block", "11.0.0.1", &other)],
        }),
    );
    let first = import(&stand, &all, json!({}));
    assert_eq!(counts(&first, "rule"), [5, 0, 2, 0, 4]);
    let told =
        |number: u32, word: &str| assert!(why(&first, &id(number)).contains(word), "{number}: {first:?}");
    told(7, &format!("rule {} is about the same and says block", id(5)));
    told(9, "there are 3 access rules of 3, which is the quota (10015)");
    told(10, "there are 3 access rules of 3, which is the quota (10015)");
    told(5, "its id is that of a rule of another scope");
    let before = version(&stand);
    let again = import(&stand, &all, json!({"update": true}));
    assert_eq!(counts(&again, "rule"), [0, 0, 7, 0, 4]);
    assert_eq!(version(&stand), before);
}
