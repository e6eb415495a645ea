//! BYOIP through the API: prefixes, their checks and approval, bindings.

use crate::stand::{Reply, Stand, prefix};
use axum::http::Method;
use byway::api::new_id;
use byway::estate::CheckState::{Invalid, MismatchAsn, Missing, Pending, Valid};
use byway::estate::{Account, Approval, Grant, Level, Permission, Prefix, Reach, Service};
use serde_json::{Value, json};

/// A prefix that nobody has.
pub const OTHER: &str = "198.51.100.0/24";

pub fn id_of(reply: &Reply) -> String {
    reply.result()["id"].as_str().expect("an id").to_owned()
}

pub fn claim(stand: &Stand, cidr: &str) -> Reply {
    stand.post(&stand.addressing("prefixes"), json!({ "asn": 64_496, "cidr": cidr }))
}

/// A prefix that is checked and approved.
pub fn approved(stand: &Stand, cidr: &str) -> String {
    let path = stand.addressing(&format!("prefixes/{}", id_of(&claim(stand, cidr))));
    stand.checks([Valid; 3]);
    assert_eq!(stand.post(&format!("{path}/validate"), Value::Null).result()["approved"], "V");
    path
}

pub fn bind(stand: &Stand, path: &str, (cidr, service): (&str, Service)) -> Reply {
    let body = json!({ "cidr": cidr, "service_id": service.id().to_string() });
    stand.post(&format!("{path}/bindings"), body)
}

pub fn delete(stand: &Stand, path: &str) -> Reply {
    stand.call(Method::DELETE, path, Value::Null)
}

pub fn app(ip: &str) -> Value {
    json!({
        "protocol": "tcp/22",
        "dns": { "type": "ADDRESS", "name": "ssh.example.net" },
        "origin_direct": ["tcp://192.0.2.7:22"],
        "edge_ips": { "type": "static", "ips": [ip] },
    })
}

pub fn message(reply: &Reply) -> &str {
    reply.body["errors"][0]["message"].as_str().expect("a text")
}

#[test]
fn a_prefix_is_claimed_checked_bound_used_and_given_back_in_order() {
    let stand = Stand::new();
    let made = claim(&stand, OTHER);
    assert_eq!(made.status, 201);
    let row = made.result().clone();
    assert_eq!((&row["approved"], &row["advertised"]), (&json!("P"), &Value::Null));
    for key in ["irr_validation_state", "rpki_validation_state", "ownership_validation_state"] {
        assert_eq!(row[key], "pending");
    }
    assert_eq!(row["ownership_validation_token"].as_str().map(str::len), Some(32));
    let path = stand.addressing(&format!("prefixes/{}", id_of(&made)));
    assert_eq!(stand.get(&path).result(), &row);

    let early = bind(&stand, &path, (OTHER, Service::Spectrum));
    assert_eq!(early.failure(), (400, 1003, None));
    assert!(message(&early).starts_with("prefix_not_valid_and_approved"), "{early:?}");
    assert_eq!(stand.post(&stand.apps(), app("198.51.100.7")).failure().1, 11019);

    stand.checks([Valid, MismatchAsn, Missing]);
    let checked = stand.post(&format!("{path}/validate"), Value::Null);
    assert_eq!(
        (&checked.result()["approved"], &checked.result()["rpki_validation_state"]),
        (&json!("P"), &json!("mismatch_asn"))
    );
    assert!(checked.body["messages"].to_string().contains("ownership is missing"), "{checked:?}");
    stand.checks([Valid; 3]);
    assert_eq!(stand.post(&format!("{path}/validate"), Value::Null).result()["approved"], "V");

    assert_eq!(stand.post(&stand.apps(), app("198.51.100.7")).failure().1, 11019, "not bound yet");
    let bound = bind(&stand, &path, (OTHER, Service::Spectrum));
    assert_eq!(bound.status, 201);
    assert_eq!(bound.result()["provisioning"]["state"], "active");
    assert_eq!(stand.get(&path).result()["advertised"], false, "its route is there and withdrawn");
    let app = id_of(&stand.post(&stand.apps(), app("198.51.100.7")));

    let binding = format!("{path}/bindings/{}", id_of(&bound));
    assert_eq!(stand.get(&binding).result(), bound.result());
    let held = delete(&stand, &binding);
    assert_eq!(held.failure(), (400, 1003, None));
    assert!(
        message(&held).starts_with("service_binding_in_use") && message(&held).contains(&app),
        "{held:?}"
    );
    assert_eq!(delete(&stand, &path).failure(), (400, 1003, None), "it is approved");
    let revoke = format!("/byway/prefixes/{}/revoke", id_of(&made));
    assert_eq!(stand.admin(Method::POST, &revoke, json!({})).failure(), (400, 1003, None), "it is bound");
    delete(&stand, &format!("{}/{app}", stand.apps())).result();
    assert_eq!(delete(&stand, &binding).result(), &Value::Null);
    assert_eq!(stand.get(&binding).failure(), (404, 1002, None));
    assert_eq!(stand.admin(Method::POST, &revoke, json!({})).result()["approved"], "P");
    assert_eq!(delete(&stand, &path).result(), &Value::Null);
    assert_eq!(stand.get(&path).failure(), (404, 1000, None));
    assert!(stand.estate().bgp_prefixes.is_empty(), "its route went with it");
}

#[test]
fn what_cannot_be_onboarded_is_1001_at_its_place() {
    let stand = Stand::new();
    let path = stand.addressing("prefixes");
    for cidr in [
        "198.51.100.0/25",
        "198.51.100.1/24",
        "10.0.0.0/16",
        "2001:db8::/49",
        "x",
        crate::stand::NET,
        "203.0.112.0/22",
    ] {
        let refused = claim(&stand, cidr);
        assert_eq!(refused.failure(), (400, 1001, Some("/cidr")), "{cidr}");
        assert!(message(&refused).starts_with("invalid_network_cidr: "), "{cidr}");
    }
    for body in [
        json!({}),
        json!({"cidr": OTHER}),
        json!({"cidr": OTHER, "asn": "64496"}),
        json!({"cidr": OTHER, "asn": 0}),
    ] {
        assert_eq!(stand.post(&path, body.clone()).failure(), (400, 10011, Some("/asn")), "{body}");
    }
    let letter = json!({"asn": 64_496, "cidr": OTHER, "loa_document_id": "0".repeat(32)});
    assert_eq!(stand.post(&path, letter).failure(), (400, 1000, None));
    let long = json!({"asn": 64_496, "cidr": OTHER, "description": "x".repeat(1_001)});
    assert_eq!(stand.post(&path, long).failure(), (400, 10011, Some("/description")));
    assert_eq!(stand.estate().prefixes.len(), 1);
    for third in 0..5 {
        claim(&stand, &format!("2001:db8:{third}::/48")).result();
    }
    assert_eq!(claim(&stand, OTHER).failure(), (403, 10015, None), "six are the stand's quota");
}

#[test]
fn a_prefix_that_is_not_approved_keeps_nobody_from_it_and_the_first_approval_counts() {
    let stand = Stand::new();
    let second = Account {
        id: new_id().expect("random"),
        name: "two".into(),
        owner: stand.user,
        created_on: crate::stand::MADE,
    };
    let theirs = Prefix { approved: Approval::Pending, ..prefix(second.id, OTHER) };
    let their_path = format!("/accounts/{}/addressing/prefixes/{}", second.id, theirs.id);
    stand.put(vec![second.into(), theirs.into()]);
    let mine = approved(&stand, OTHER);
    bind(&stand, &mine, (OTHER, Service::Spectrum)).result();
    stand.post(&stand.apps(), app("198.51.100.7")).result();
    let late = stand.post(&format!("{their_path}/validate"), Value::Null);
    assert_eq!(late.failure(), (400, 1001, Some("/cidr")));
    assert_eq!(stand.get(&their_path).result()["approved"], "P");
    assert_eq!(claim(&stand, OTHER).failure().1, 1001, "the account has it already");
    let stand = stand.restarted();
    assert_eq!(stand.get(&mine).result()["approved"], "V");
}

#[test]
fn an_approval_by_hand_wants_force_over_a_failed_check_and_the_history_tells() {
    let stand = Stand::new();
    let id = id_of(&claim(&stand, OTHER));
    let path = format!("/byway/prefixes/{id}/approve");
    stand.checks([Missing, Pending, Invalid]);
    assert_eq!(stand.post(&path, json!({"force": true})).failure(), (403, 9109, None), "not by TCP");
    let refused = stand.admin(Method::POST, &path, json!({}));
    assert_eq!(refused.failure(), (400, 1003, None));
    assert!(message(&refused).contains("irr missing") && message(&refused).contains("ownership invalid"));
    let forced = stand.admin(Method::POST, &path, json!({"force": true}));
    assert_eq!(
        (&forced.result()["approved"], &forced.result()["irr_validation_state"]),
        (&json!("V"), &json!("missing"))
    );
    let action = stand.get("/byway/history?limit=1").result()[0]["action"].clone();
    let action = action.as_str().expect("a text");
    assert!(action.contains("forced over irr missing") && !action.contains("rpki"), "{action}");

    let id = id_of(&claim(&stand, "2001:db8:7::/48"));
    stand.checks([Pending; 3]);
    let approved = stand.admin(Method::POST, &format!("/byway/prefixes/{id}/approve"), json!({}));
    assert_eq!(approved.result()["approved"], "V", "nothing failed");
}

#[test]
fn the_most_specific_binding_counts_and_the_first_is_of_the_whole_prefix() {
    let stand = Stand::new();
    let path = approved(&stand, OTHER);
    let refused = |cidr, service| bind(&stand, &path, (cidr, service)).failure().1;
    assert_eq!(refused("198.51.100.0/25", Service::Spectrum), 1003, "the first one");
    assert_eq!(refused("198.51.101.0/24", Service::Spectrum), 1001, "outside");
    let whole = id_of(&bind(&stand, &path, (OTHER, Service::Spectrum)));
    assert_eq!(refused(OTHER, Service::Cdn), 1003, "twice");
    assert_eq!(refused("198.51.100.0/28", Service::MagicTransit), 1003, "whole prefixes only");
    assert_eq!(refused("198.51.100.9/28", Service::Cdn), 1001, "host bits");
    let unknown =
        stand.post(&format!("{path}/bindings"), json!({"cidr": OTHER, "service_id": "0".repeat(32)}));
    assert_eq!(unknown.failure(), (400, 1000, Some("/service_id")));

    stand.post(&stand.apps(), app("198.51.100.7")).result();
    assert_eq!(refused("198.51.100.0/28", Service::Cdn), 1003, "an app would lose its binding");
    bind(&stand, &path, ("198.51.100.128/25", Service::Cdn)).result();
    let back = id_of(&bind(&stand, &path, ("198.51.100.200/32", Service::Spectrum)));
    let mut other = app("198.51.100.129");
    other["dns"]["name"] = "b.example.net".into();
    assert_eq!(stand.post(&stand.apps(), other.clone()).failure().1, 11019, "it is the CDN's");
    other["edge_ips"]["ips"] = json!(["198.51.100.200"]);
    stand.post(&stand.apps(), other).result();
    assert_eq!(delete(&stand, &format!("{path}/bindings/{back}")).failure().1, 1003);
    assert_eq!(delete(&stand, &format!("{path}/bindings/{whole}")).failure().1, 1003);
    assert_eq!(stand.get(&format!("{path}/bindings")).result().as_array().map(Vec::len), Some(3));
    let services = stand.get(&stand.addressing("services")).result().clone();
    assert_eq!(services[0], json!({"id": Service::Spectrum.id().to_string(), "name": "Spectrum"}));
}

#[test]
fn only_the_description_of_a_prefix_changes() {
    let stand = Stand::new();
    let path = stand.addressing(&format!("prefixes/{}", id_of(&claim(&stand, OTHER))));
    let patch = |body| stand.call(Method::PATCH, &path, body);
    let changed = patch(json!({"description": "edge one", "asn": 64_496}));
    assert_eq!(changed.result()["description"], "edge one");
    assert_ne!(changed.result()["modified_at"], changed.result()["created_at"]);
    assert_eq!(patch(json!({"asn": 1})).failure(), (400, 10011, Some("/asn")));
    assert_eq!(patch(json!({"description": 1})).failure(), (400, 10011, Some("/description")));
    assert_eq!(stand.get(&path).result(), changed.result());
    let list = stand.get(&stand.addressing("prefixes")).result().clone();
    assert_eq!(&list[1], changed.result());
}

#[test]
fn prefixes_want_their_own_permission_and_are_hidden_from_other_tenants() {
    let stand = Stand::new();
    let id = id_of(&claim(&stand, OTHER));
    let path = stand.addressing(&format!("prefixes/{id}"));
    let grant =
        |permission, level, account| Grant { permission, level, reach: Reach::Accounts(vec![account]) };
    let reader = stand.token(vec![grant(Permission::IpPrefixes, Level::Read, stand.account)]);
    let other = stand.token(vec![grant(Permission::ZoneSettings, Level::Write, stand.account)]);
    let stranger = stand.token(vec![grant(Permission::IpPrefixes, Level::Write, new_id().expect("random"))]);
    stand.call_by(&reader, Method::GET, &path, Value::Null).result();
    assert_eq!(stand.call_by(&reader, Method::DELETE, &path, Value::Null).failure(), (403, 9109, None));
    assert_eq!(stand.call_by(&other, Method::GET, &path, Value::Null).failure(), (403, 9109, None));
    assert_eq!(stand.call_by(&stranger, Method::GET, &path, Value::Null).failure().0, 404);
    assert_eq!(stand.get(&stand.addressing("prefixes/x")).failure(), (404, 7003, None));
    let approve = format!("/byway/prefixes/{id}/approve");
    assert_eq!(stand.call_by(&stranger, Method::POST, &approve, json!({})).failure().0, 403);
}

#[test]
fn what_is_bound_to_another_service_is_told_to_the_table() {
    let stand = Stand::new();
    let path = approved(&stand, OTHER);
    let elsewhere = || {
        let spec = byway::estate::lower(&stand.estate());
        let net = OTHER.parse().expect("a net");
        let prefix = spec.prefixes.into_iter().find(|prefix| prefix.prefix.net() == net);
        let stretches = prefix.expect("in force").elsewhere;
        stretches.iter().map(|one| format!("{}-{}", one.first, one.last)).collect::<Vec<_>>()
    };
    bind(&stand, &path, (OTHER, Service::Spectrum)).result();
    assert!(elsewhere().is_empty());
    bind(&stand, &path, ("198.51.100.200/32", Service::Spectrum)).result();
    bind(&stand, &path, ("198.51.100.128/25", Service::Cdn)).result();
    assert_eq!(elsewhere(), ["198.51.100.128-198.51.100.199", "198.51.100.201-198.51.100.255"]);
    bind(&stand, &path, ("198.51.100.192/26", Service::Spectrum)).result();
    assert_eq!(elsewhere(), ["198.51.100.128-198.51.100.191"]);
}
