//! What is announced of a prefix, and who else may use it.

use crate::addressing::{OTHER, app, approved, bind, claim, delete, id_of, message};
use crate::stand::Stand;
use axum::http::Method;
use byway::estate::{Grant, Level, Permission, Reach, Service};
use serde_json::{Value, json};

fn patch(stand: &Stand, path: &str, body: Value) -> crate::stand::Reply {
    stand.call(Method::PATCH, path, body)
}

/// What was handed over for announcing last.
fn announced(stand: &Stand) -> Vec<String> {
    let lists = stand.outside.announced.lock().expect("no panic");
    let last = lists.last().cloned().unwrap_or_default();
    last.iter().map(|route| format!("{} AS{} +{}", route.cidr, route.asn, route.prepends)).collect()
}

#[test]
fn a_route_is_announced_and_withdrawn_and_goes_only_when_withdrawn() {
    let stand = Stand::new();
    let path = approved(&stand, OTHER);
    let routes = format!("{path}/bgp/prefixes");
    assert_eq!(stand.get(&routes).result(), &json!([]));
    let early = stand.post(&routes, json!({"cidr": OTHER}));
    assert!(message(&early).starts_with("incomplete_bgp_deployment"), "{early:?}");
    assert_eq!(patch(&stand, &format!("{path}/bgp/status"), json!({"advertised": true})).failure().1, 1003);
    let binding = id_of(&bind(&stand, &path, (OTHER, Service::Spectrum)));
    let row = stand.get(&routes).result()[0].clone();
    assert_eq!(
        (&row["cidr"], &row["asn"], &row["asn_prepend_count"]),
        (&json!(OTHER), &json!(64_496), &json!(0))
    );
    assert_eq!(
        row["on_demand"],
        json!({"advertised": false, "advertised_modified_at": null, "on_demand_enabled": true, "on_demand_locked": false})
    );
    assert!(announced(&stand).is_empty());

    let route = format!("{routes}/{}", row["id"].as_str().expect("an id"));
    let up = patch(&stand, &route, json!({"on_demand": {"advertised": true}, "asn_prepend_count": 2}));
    assert_eq!(up.result()["on_demand"]["advertised"], true);
    assert!(up.result()["on_demand"]["advertised_modified_at"].is_string());
    assert_eq!(announced(&stand), ["198.51.100.0/24 AS64496 +2"]);
    assert_eq!(stand.get(&path).result()["advertised"], true);
    assert_eq!(stand.get(&route).result(), up.result());
    assert_eq!(delete(&stand, &route).failure(), (400, 1003, None));
    assert_eq!(
        delete(&stand, &format!("{path}/bindings/{binding}")).failure(),
        (400, 1003, None),
        "it is announced"
    );

    let stand = stand.restarted();
    assert_eq!(announced(&stand), ["198.51.100.0/24 AS64496 +2"], "told at the start");
    let status = format!("{path}/bgp/status");
    assert_eq!(stand.get(&status).result()["advertised"], true);
    assert_eq!(patch(&stand, &status, json!({"advertised": false})).result()["advertised"], false);
    assert!(announced(&stand).is_empty());
    assert_eq!(delete(&stand, &route).result(), &Value::Null);
    assert_eq!(stand.get(&route).failure(), (404, 1002, None));
    assert_eq!(patch(&stand, &status, json!({"advertised": true})).result()["advertised"], true, "made anew");
}

#[test]
fn a_route_lies_in_its_prefix_and_its_fields_are_held_to_their_kinds() {
    let stand = Stand::new();
    let path = approved(&stand, "2001:db8:40::/44");
    bind(&stand, &path, ("2001:db8:40::/44", Service::Spectrum)).result();
    let routes = format!("{path}/bgp/prefixes");
    let narrow = stand.post(&routes, json!({"cidr": "2001:db8:42::/48"}));
    assert_eq!(narrow.result()["on_demand"]["advertised"], false);
    for (cidr, code) in [("2001:db8:42::/48", 1003), ("2001:db8:42::/49", 1001), ("2001:db8:50::/48", 1001)] {
        assert_eq!(stand.post(&routes, json!({"cidr": cidr})).failure().1, code, "{cidr}");
    }
    let route = format!("{routes}/{}", id_of(&narrow));
    for (body, pointer) in [
        (json!({"asn_prepend_count": 4}), "/asn_prepend_count"),
        (json!({"on_demand": true}), "/on_demand"),
        (json!({"on_demand": {"advertised": "yes"}}), "/on_demand/advertised"),
        (json!({"auto_advertise_withdraw": 1}), "/auto_advertise_withdraw"),
    ] {
        assert_eq!(patch(&stand, &route, body).failure(), (400, 10011, Some(pointer)));
    }
    let grant =
        |permission| Grant { permission, level: Level::Write, reach: Reach::Accounts(vec![stand.account]) };
    let other = stand.token(vec![grant(Permission::IpPrefixes)]);
    assert_eq!(stand.call_by(&other, Method::GET, &route, Value::Null).failure(), (403, 9109, None));
    let bgp = stand.token(vec![grant(Permission::BgpOnDemand)]);
    stand.call_by(&bgp, Method::GET, &route, Value::Null).result();
    assert_eq!(stand.call_by(&bgp, Method::GET, &path, Value::Null).failure(), (403, 9109, None));
}

#[test]
fn a_delegation_lets_another_account_have_apps_and_stays_while_it_has() {
    let stand = Stand::new();
    let two = id_of(&stand.post("/accounts", json!({"name": "two"})));
    let zone = id_of(&stand.post("/zones", json!({"name": "example.org", "account": {"id": two}})));
    let apps = format!("/zones/{zone}/spectrum/apps");
    let mut body = app("203.0.113.9");
    body["dns"]["name"] = "ssh.example.org".into();
    assert_eq!(stand.post(&apps, body.clone()).failure(), (400, 11019, Some("/edge_ips/ips/0")));

    let prefix =
        stand.get(&stand.addressing("prefixes")).result()[0]["id"].as_str().expect("an id").to_owned();
    let path = stand.addressing(&format!("prefixes/{prefix}/delegations"));
    let made = stand.post(&path, json!({"cidr": "203.0.113.8/29", "delegated_account_id": two}));
    assert_eq!(
        (&made.result()["parent_prefix_id"], &made.result()["delegated_account_id"]),
        (&json!(prefix), &json!(two))
    );
    assert_eq!(stand.get(&path).result(), &json!([made.result()]));
    assert_eq!(
        stand.post(&path, json!({"cidr": "203.0.113.8/29", "delegated_account_id": two})).failure().1,
        1003
    );
    let own = stand.account.to_string();
    assert_eq!(
        stand.post(&path, json!({"cidr": "203.0.113.8/29", "delegated_account_id": own})).failure().1,
        10011
    );
    assert_eq!(
        stand.post(&path, json!({"cidr": "203.0.112.0/29", "delegated_account_id": two})).failure().1,
        1001
    );

    let made_app = id_of(&stand.post(&apps, body.clone()));
    let mut outside = body;
    outside["edge_ips"]["ips"] = json!(["203.0.113.16"]);
    assert_eq!(stand.post(&apps, outside).failure().1, 11019, "beside the range");
    let one = format!("{path}/{}", id_of(&made));
    let held = delete(&stand, &one);
    assert_eq!(held.failure(), (400, 1003, None));
    assert!(
        message(&held).starts_with("delegation_in_use") && message(&held).contains(&made_app),
        "{held:?}"
    );
    let own = Grant {
        permission: Permission::IpPrefixes,
        level: Level::Write,
        reach: Reach::Accounts(vec![stand.account]),
    };
    let narrow = stand.call_by(&stand.token(vec![own]), Method::DELETE, &one, Value::Null);
    assert!(
        message(&narrow).contains("an app of another zone (tcp/22)") && !message(&narrow).contains(&made_app),
        "{narrow:?}"
    );
    delete(&stand, &format!("{apps}/{made_app}")).result();
    assert_eq!(delete(&stand, &one).result(), &json!({"id": id_of(&made)}));
    assert_eq!(delete(&stand, &one).failure(), (404, 1000, None));

    let pending = id_of(&claim(&stand, OTHER));
    let path = stand.addressing(&format!("prefixes/{pending}/delegations"));
    let early = stand.post(&path, json!({"cidr": OTHER, "delegated_account_id": two}));
    assert!(message(&early).starts_with("prefix_not_valid_and_approved"), "{early:?}");
}
