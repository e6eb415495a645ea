//! What is taken over from Cloudflare beside what carries traffic: letters, address maps, the user's own access rules; and
//! certificates, whose keys stay there, as a list of what is to be uploaded.

use crate::cloudflare::{ACCOUNT, PREFIX, THEN, ZONE, counts, id, import, lists, rule, version, why};
use crate::stand::{MADE, Stand};
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byway::api::new_id;
use byway::estate::{Account, Id, User};
use serde_json::{Value, json};

const CHAIN: &str = include_str!("../certs/edge.pem");
const KEY: &str = include_str!("../certs/edge.key");

fn below(path: &str) -> String {
    format!("accounts/{ACCOUNT}/addressing/{path}")
}

fn letter(number: u32, file: &str) -> Value {
    json!({"id": id(number), "content": STANDARD.encode(file)})
}

/// A map as it is answered by itself.
fn map(number: u32, ips: &[&str], members: &[(&str, &str)]) -> Value {
    let ips: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip, "created_at": THEN})).collect();
    let member = |(kind, id): &(&str, &str)| json!({"kind": kind, "identifier": id, "can_delete": true, "created_at": THEN});
    json!({
        "id": id(number), "description": "theirs", "enabled": true, "default_sni": "lab.moved.example", "can_delete": true,
        "can_modify_ips": true, "created_at": THEN, "modified_at": THEN, "ips": ips,
        "memberships": members.iter().map(member).collect::<Value>(),
    })
}

/// The lists of the other side, with what is beside.
fn more() -> Value {
    let mut all = lists();
    let mut mine = rule(50, "block", "192.0.2.50", "e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7");
    (mine["scope"]["type"], mine["scope"]["email"]) = ("user".into(), "they@there.example".into());
    let mut of_account = rule(51, "block", "192.0.2.51", ACCOUNT);
    of_account["scope"]["type"] = "organization".into();
    all["user/firewall/access_rules/rules"] = json!([mine, of_account]);
    all[below("loa_documents")] = json!([letter(90, "%PDF-1.4 theirs")]);
    let members = [("zone", ZONE), ("account", ACCOUNT), ("zone", "f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8")];
    let whole = map(40, &["198.51.100.9", "192.0.2.1"], &members);
    all[below(&format!("address_maps/{}", id(40)))] = json!([whole]);
    all[below("address_maps")] = json!([whole, {"id": id(41), "description": "unread"}]);
    all[format!("zones/{ZONE}/custom_certificates")] = json!([
        {"id": id(60), "hosts": ["lab.example.com", "www.wild.example.com"], "status": "active", "expires_on": "2027-01-02T03:04:05Z"},
    ]);
    all
}

#[test]
fn letters_maps_and_the_users_rules_come_and_certificates_are_told() {
    let stand = Stand::new();
    let all = more();
    let reply = import(&stand, &all, json!({"trust_approvals": true}));
    for (kind, expected) in [
        ("loa_document", [1, 0, 0, 0, 0]),
        ("address_map", [1, 0, 0, 0, 1]),
        ("certificate", [0, 0, 0, 0, 1]),
        ("rule", [3, 0, 0, 0, 0]),
    ] {
        assert_eq!(counts(&reply, kind), expected, "{kind}");
    }
    assert!(!why(&reply, PREFIX).contains("loa_document_id"), "{}", why(&reply, PREFIX));
    let account = format!("/accounts/{ACCOUNT}/addressing");
    assert_eq!(stand.file(&format!("{account}/loa_documents/{}/download", id(90))).1, b"%PDF-1.4 theirs");
    assert_eq!(stand.get(&format!("{account}/prefixes/{PREFIX}")).result()["loa_document_id"], id(90));
    let map = stand.get(&format!("{account}/address_maps/{}", id(40))).result().clone();
    assert_eq!(map["ips"], json!([{"ip": "198.51.100.9", "created_at": THEN}]));
    assert_eq!(map["memberships"].as_array().map(Vec::len), Some(2), "{map}");
    assert_eq!((&map["created_at"], &map["modified_at"]), (&json!(THEN), &json!(THEN)));
    assert_eq!((&map["default_sni"], &map["enabled"]), (&json!("lab.moved.example"), &json!(true)));
    for words in [
        "ips: invalid_network_cidr",
        "lies in no approved prefix of this account",
        "f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8",
        "is no zone and no account that is imported",
        "no zone is answered with the map's addresses here",
        "no certificate of the account's zones holds lab.moved.example",
    ] {
        assert!(why(&reply, &id(40)).contains(words), "{words}: {}", why(&reply, &id(40)));
    }
    assert!(why(&reply, &id(41)).contains("left_out"), "{}", why(&reply, &id(41)));
    let mine = stand.get("/user/firewall/access_rules/rules").result().clone();
    assert_eq!(
        (&mine[0]["id"], mine.as_array().map(Vec::len)),
        (&json!(id(50)), Some(1)),
        "not the account's"
    );
    let said = why(&reply, "e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7");
    assert!(said.contains("mapped") && said.contains("ops@example.net"), "{said}");
    let said = why(&reply, &id(60));
    for words in [
        "to_be_uploaded",
        "lab.example.com",
        "2027-01-02T03:04:05Z",
        &format!("/zones/{ZONE}/custom_certificates"),
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }

    let before = version(&stand);
    let again = import(&stand, &all, json!({"trust_approvals": true, "update": true}));
    assert_eq!(version(&stand), before, "{:?}", again.body);
    assert_eq!(
        (counts(&again, "loa_document"), counts(&again, "address_map")),
        ([0, 0, 1, 0, 0], [0, 0, 1, 0, 1])
    );
    assert_eq!((counts(&again, "rule"), counts(&again, "prefix")), ([0, 0, 3, 0, 0], [0, 0, 1, 0, 0]));
    let path = format!("/zones/{ZONE}/custom_certificates");
    stand.post(&path, json!({"certificate": CHAIN, "private_key": KEY})).result();
    let last = import(&stand, &all, json!({"trust_approvals": true}));
    assert_eq!((counts(&last, "certificate"), why(&last, &id(60)).as_str()), ([0, 0, 1, 0, 0], ""));
}

#[test]
fn what_a_map_lacks_comes_the_next_time_and_what_it_says_here_stays_unless_asked() {
    let stand = Stand::new();
    let mut all = more();
    let first = import(&stand, &all, json!({}));
    assert_eq!((counts(&first, "loa_document")[0], counts(&first, "address_map")[0]), (1, 1));
    let path = format!("/accounts/{ACCOUNT}/addressing/address_maps/{}", id(40));
    assert_eq!(stand.get(&path).result()["ips"], json!([]), "its prefix waits");
    stand.admin(Method::POST, &format!("/byway/prefixes/{PREFIX}/approve"), json!({"force": true})).result();
    stand.call(Method::PATCH, &path, json!({"description": "ours"})).result();
    let second = import(&stand, &all, json!({}));
    assert_eq!(counts(&second, "address_map"), [0, 1, 0, 0, 1]);
    assert!(why(&second, &id(40)).contains("differs"), "{}", why(&second, &id(40)));
    let map = stand.get(&path).result().clone();
    assert_eq!((&map["description"], &map["ips"][0]["ip"]), (&json!("ours"), &json!("198.51.100.9")));
    let third = import(&stand, &all, json!({}));
    assert_eq!((counts(&third, "address_map"), counts(&third, "prefix")), ([0, 0, 0, 1, 1], [0, 0, 1, 0, 0]));
    all[below("loa_documents")] = json!([letter(90, "%PDF-1.4 renewed")]);
    let kept = import(&stand, &all, json!({}));
    assert_eq!(counts(&kept, "loa_document"), [0, 0, 0, 1, 0]);
    let followed = import(&stand, &all, json!({"update": true}));
    assert_eq!((counts(&followed, "loa_document")[1], counts(&followed, "address_map")[1]), (1, 1));
    let map = stand.get(&path).result().clone();
    assert_eq!((&map["description"], map["ips"].as_array().map(Vec::len)), (&json!("theirs"), Some(1)));
    let letter = format!("/accounts/{ACCOUNT}/addressing/loa_documents/{}/download", id(90));
    let stand = stand.restarted();
    assert_eq!(stand.file(&letter).1, b"%PDF-1.4 renewed");
}

#[test]
fn letters_and_maps_that_break_a_rule_are_left_out_with_its_words() {
    let stand = Stand::new();
    let mut all = more();
    all[below("loa_documents")] = json!([
        letter(90, "no letter"), letter(91, &format!("%PDF-{}", "x".repeat(96))), {"id": id(92), "content": "?"},
        {"id": "../x"}, letter(93, "%PDF-1.4"),
    ]);
    let mut odd = map(42, &[], &[("user", ACCOUNT), ("zone", "none")]);
    odd["default_sni"] = "a..b".into();
    let mut many = map(43, &[], &[("user", ACCOUNT), ("zone", "none")]);
    many["ips"] = json!([{"ip": 5}, "x"]);
    all[below(&format!("address_maps/{}", id(42)))] = json!([odd]);
    all[below(&format!("address_maps/{}", id(43)))] = json!([many]);
    all[below("address_maps")] = json!([odd, many]);
    let reply = import(&stand, &all, json!({"trust_approvals": true}));
    assert_eq!(
        (counts(&reply, "loa_document"), counts(&reply, "address_map")),
        ([1, 0, 0, 0, 4], [1, 0, 0, 0, 1])
    );
    for (number, words) in
        [(90, "no PDF (1001)"), (91, "(10015)"), (92, "/content must be base64"), (42, "/default_sni")]
    {
        assert!(why(&reply, &id(number)).contains(words), "{number}: {}", why(&reply, &id(number)));
    }
    assert_eq!(why(&reply, &id(43)).matches("not_in_force").count(), 5, "{}", why(&reply, &id(43)));
    let said = why(&reply, PREFIX);
    assert!(said.contains("loa_document_id: the prefix does not name that letter here"), "{said}");
    // The same ids, of another account of this box.
    let mut other = lists();
    let theirs = id(95);
    other["accounts"] = json!([{"id": theirs, "name": "second"}]);
    other["zones"] = json!([]);
    other[format!("accounts/{theirs}/addressing/loa_documents")] = json!([letter(93, "%PDF-1.4")]);
    other[format!("accounts/{theirs}/addressing/address_maps")] = json!([many]);
    other[format!("accounts/{theirs}/addressing/address_maps/{}", id(43))] = json!([many]);
    let reply = import(&stand, &other, json!({}));
    assert!(
        why(&reply, &id(93)).contains("another account") && why(&reply, &id(43)).contains("another account")
    );
}

#[test]
fn the_users_rules_are_those_of_the_owner_and_accounts_of_others_are_named() {
    let stand = Stand::new();
    let other = new_id().expect("random");
    let account = Account {
        id: Id::parse(ACCOUNT).expect("an id"),
        name: "theirs".into(),
        owner: other,
        created_on: MADE,
    };
    let email = "else@example.net".to_owned();
    stand.put(vec![User { id: other, email, key_hash: None, created_on: MADE }.into(), account.into()]);
    let reply = import(&stand, &more(), json!({"owner": "ops@example.net"}));
    let said = why(&reply, ACCOUNT);
    assert!(said.contains("not_in_force") && said.contains("those of ops@example.net"), "{said}");
    let reply = import(&Stand::new(), &more(), json!({}));
    assert_eq!(why(&reply, ACCOUNT), "", "an account that is made is the owner's");
}
