//! What each operation is refused for, as far as the tests of what it is about do not meet it: a body, the code that comes of it.

use crate::book::{BOOK, Operation};
use crate::codes::ask;
use crate::leave::Side;
use crate::stand::{MADE, Stand};
use crate::world::World;
use axum::body::Body;
use axum::http::Method;
use byway::api::new_id;
use byway::base::limits::{
    ADDRESS_MAP_MEMBERS_MAX, ADDRESS_MAPS_PER_ACCOUNT_MAX, BINDINGS_PER_PREFIX_MAX,
    CERTIFICATES_PER_ZONE_MAX, TOKENS_PER_USER_MAX,
};
use byway::estate::{
    AddressMap, BgpPrefix, Binding, Certificate, Delegation, Entity, Id, MapIp, Member, MemberKind, Service,
    Token,
};
use serde_json::{Value, json};

fn operation(name: &str) -> &'static Operation {
    BOOK.operations.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("{name} is an operation"))
}

/// Asks for an operation with `body`, and wants `code` among what is wrong.
#[track_caller]
fn refused(world: &World, name: &str, body: &Value, (status, code): (u16, u64)) {
    let operation = operation(name);
    let path = world.path(operation, |place| world.ours(operation, place));
    let body = (!body.is_null()).then(|| Body::from(body.to_string()));
    let (got, codes) = ask(world, operation, (&path, ""), body);
    assert!(got == status && codes.contains(&code), "{name} wants {status} {code}: {got} {codes:?}");
}

#[test]
fn fields_that_are_wrong_are_refused_with_their_codes() {
    let world = World::new();
    let bad = json!({ "mode": "deny" });
    let taken =
        json!({ "rules": [{ "mode": "block", "configuration": { "target": "ip", "value": "192.0.2.1" } }] });
    for scope in ["zone", "account", "user"] {
        refused(&world, &format!("{scope}_access_rules_create"), &bad, (400, 10011));
        refused(&world, &format!("{scope}_access_rules_batch"), &json!({ "rules": [bad] }), (400, 10011));
        refused(&world, &format!("{scope}_access_rules_batch"), &taken, (400, 10009));
    }
    for (name, body) in [
        ("accounts_create", json!({ "name": "" })),
        ("zones_create", json!({ "name": "x.example.org", "account": { "id": "xyz" } })),
        ("zones_edit", json!({ "paused": true })),
        ("custom_certificates_prioritize", json!({ "certificates": [{ "id": "xyz", "priority": 1 }] })),
        ("custom_certificates_edit", json!({ "bundle_method": "none" })),
        ("tokens_update", json!({ "name": "" })),
        ("byway_users_tokens_create", json!({ "name": "" })),
        ("byway_prefixes_approve", json!({ "force": "yes" })),
        ("service_bindings_create", json!({ "cidr": "2001:db8:13::/48", "service_id": 7 })),
        ("advertisement_status_edit", json!({})),
        ("byway_backup", json!({ "to": "copy" })),
        ("byway_users_create", json!({ "email": "nobody" })),
    ] {
        refused(&world, name, &body, (400, 10011));
    }
}

/// Fields that spoil an app, and the code that says so.
fn spoilt() -> Vec<(Value, u64)> {
    let by_name =
        |name: &str| json!({ "origin_direct": null, "origin_dns": { "name": name }, "origin_port": 22 });
    let network = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";
    let mut without_direct = by_name("o.example.org");
    without_direct["virtual_network_id"] = network.into();
    vec![
        (json!({ "ip_firewall": "yes" }), 10011),
        (json!({ "tls": "on" }), 11000),
        (json!({ "origin_direct": null, "origin_dns": { "name": "o.example.org" } }), 11001),
        (json!({ "origin_direct": ["tcp://127.0.0.1:22"] }), 11002),
        (json!({ "dns": { "type": "CNAME", "name": "ssh.ours.example.com" } }), 11004),
        (json!({ "edge_ips": { "type": "static", "ips": ["198.51.100.1"] } }), 11019),
        (json!({ "protocol": "tcp/25" }), 11033),
        (without_direct, 11041),
        (
            json!({ "virtual_network_id": network, "origin_direct": ["tcp://192.0.2.7:22", "tcp://192.0.2.8:22"] }),
            11042,
        ),
        (json!({ "virtual_network_id": network, "protocol": "tcp/22-23" }), 11043),
        (json!({ "virtual_network_id": network }), 11044),
        (json!({ "virtual_network_id": "none" }), 11045),
        (by_name("o.second.example.com"), 11050),
        (json!({ "protocol": "minecraft" }), 13002),
        (json!({ "dns": { "type": "ADDRESS", "name": "ssh.theirs.example.com" } }), 16001),
        (json!({ "dns": { "type": "ADDRESS", "name": "addr.ours.example.com" } }), 81053),
        (json!({ "dns": { "type": "ADDRESS", "name": "dynamic.ours.example.com" } }), 81054),
        (json!({ "dns": { "type": "ADDRESS", "name": "sub.ours.example.com" } }), 81056),
    ]
}

#[test]
fn an_app_is_refused_alike_when_it_is_made_replaced_and_merged() {
    let world = World::new();
    let apps = format!("/zones/{}/spectrum/apps", world.ours.zone);
    world.stand.post(&apps, world.app(25)).result();
    let mut dynamic = world.app(26);
    dynamic["dns"] = json!({ "type": "CNAME", "name": "dynamic.ours.example.com" });
    dynamic["edge_ips"] = json!({ "type": "dynamic", "connectivity": "all" });
    world.stand.post(&apps, dynamic).result();
    make_records(&world);
    let second = json!({ "name": "second.example.com", "account": { "id": world.ours.account.to_string() } });
    world.stand.post("/zones", second).result();
    for (spoil, code) in spoilt() {
        let mut whole = world.app(22);
        for (key, value) in spoil.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        refused(&world, "spectrum_apps_create", &whole, (400, code));
        refused(&world, "spectrum_apps_update", &whole, (400, code));
        refused(&world, "spectrum_apps_edit", &spoil, (400, code));
    }
    // What is not enabled is told before what is wrong beside it.
    let spoil = json!({ "traffic_type": "ftp", "tls": "on" });
    let mut whole = world.app(22);
    (whole["traffic_type"], whole["tls"]) = ("ftp".into(), "on".into());
    for (name, body) in
        [("spectrum_apps_create", &whole), ("spectrum_apps_update", &whole), ("spectrum_apps_edit", &spoil)]
    {
        refused(&world, name, body, (403, 11014));
    }
}

/// A name with an address, one with a CNAME, one that is delegated.
fn make_records(world: &World) {
    for (kind, name, content) in
        [("A", "addr", "192.0.2.1"), ("CNAME", "alias", "host.example"), ("NS", "sub", "ns.example")]
    {
        let record = json!({ "type": kind, "name": name, "content": content });
        world.stand.post(&format!("/zones/{}/dns_records", world.ours.zone), record).result();
    }
}

/// Records that are wrong or stand where they may not, and the code that says so.
fn spoilt_records() -> Vec<(Value, u64)> {
    let of =
        |kind: &str, name: &str, content: &str| json!({ "type": kind, "name": name, "content": content });
    let with = |mut record: Value, key: &str, value: Value| {
        record[key] = value;
        record
    };
    vec![
        (of("A", "a..b", "192.0.2.1"), 9000),
        (of("LOC", "x", "x"), 9002),
        (with(of("TXT", "x", "x"), "proxied", true.into()), 9004),
        (of("A", "x", "2001:db8::1"), 9005),
        (of("AAAA", "x", "192.0.2.1"), 9006),
        (of("CNAME", "x", "192.0.2.1"), 9007),
        (of("MX", "x", "mail.example"), 9008),
        (of("NS", "x", "."), 9009),
        (with(of("A", "x", "192.0.2.1"), "ttl", 29.into()), 9021),
        (of("TXT", "x", "\"open"), 9100),
        (with(of("A", "x", "192.0.2.1"), "comment", "x".repeat(501).into()), 10011),
        (of("CNAME", "addr", "host.example"), 81053),
        (of("A", "alias", "192.0.2.1"), 81054),
        (of("NS", "addr", "ns.example"), 81055),
        (of("A", "sub", "192.0.2.1"), 81056),
        (with(of("A", "addr", "192.0.2.1"), "ttl", 600.into()), 81057),
        (of("A", "addr", "192.0.2.1"), 81058),
    ]
}

#[test]
fn a_record_is_refused_alike_when_it_is_made_replaced_merged_and_in_a_batch() {
    let world = World::new();
    make_records(&world);
    for (record, code) in spoilt_records() {
        for name in ["dns_records_create", "dns_records_update", "dns_records_edit"] {
            refused(&world, name, &record, (400, code));
        }
        refused(&world, "dns_records_batch", &json!({ "posts": [record] }), (400, code));
    }
    let records = world.stand.get(&format!("/zones/{}/dns_records", world.ours.zone));
    let mut of_apps = records.result().as_array().expect("a list").iter();
    let of_app = of_apps.find(|record| record["meta"]["read_only"] == true).expect("one");
    refused(&world, "dns_records_batch", &json!({ "deletes": [{ "id": of_app["id"] }] }), (400, 10016));
}

#[test]
fn quotas_of_the_boot_config_are_403() {
    let world = World::new();
    // A record that is the last of its name could give that up for another.
    let second = json!({ "type": "TXT", "name": "www", "content": "of the same name" });
    world.stand.post(&format!("/zones/{}/dns_records", world.ours.zone), second).result();
    let world = world.rested_with(|terms| {
        (terms.apps_per_account, terms.rules_per_account) = (0, 0);
        (terms.prefixes_per_account, terms.loa_bytes_per_account) = (0, 0);
        (terms.names_per_account, terms.origins_per_account) = (0, 0);
    });
    let more = json!({ "origin_direct": ["tcp://192.0.2.7:22", "tcp://192.0.2.8:22"] });
    refused(&world, "spectrum_apps_edit", &more, (403, 10015));
    let record = json!({ "type": "A", "name": "more", "content": "192.0.2.1" });
    for name in ["dns_records_create", "dns_records_update", "dns_records_edit"] {
        refused(&world, name, &record, (403, 10015));
    }
    refused(&world, "dns_records_batch", &json!({ "posts": [record] }), (403, 10015));
    refused(&world, "spectrum_apps_create", &world.app(26), (403, 10015));
    let rule = json!({ "mode": "block", "configuration": { "target": "ip", "value": "192.0.2.9" } });
    for scope in ["zone", "account", "user"] {
        refused(&world, &format!("{scope}_access_rules_create"), &rule, (403, 10015));
        refused(&world, &format!("{scope}_access_rules_batch"), &json!({ "rules": [rule] }), (403, 10015));
    }
    refused(&world, "prefixes_create", &json!({ "cidr": "2001:db8:e1::/48", "asn": 64_496 }), (403, 10015));
}

#[test]
fn bounds_of_the_build_are_403() {
    let world = World::new();
    let stand = &world.stand;
    let place = |name: &str| Id::parse(&world.ours(operation("spectrum_apps_list"), name)).expect("an id");
    let prefix = place("prefix_id");
    stand.put(crowd(stand, &world, prefix));
    refused(&world, "custom_certificates_create", &Value::Null, (403, 10015));
    let groups = world.body("tokens_create", Side::Ours);
    refused(&world, "tokens_create", &groups, (403, 10015));
    refused(&world, "byway_users_tokens_create", &groups, (403, 10015));
    let cidr = "2001:db8:14::/48";
    let spectrum = Service::Spectrum.id().to_string();
    refused(
        &world,
        "service_bindings_create",
        &json!({ "cidr": cidr, "service_id": spectrum }),
        (403, 10015),
    );
    refused(&world, "bgp_prefixes_create", &json!({ "cidr": cidr }), (403, 10015));
    let delegated = json!({ "cidr": cidr, "delegated_account_id": stand.account.to_string() });
    refused(&world, "delegations_create", &delegated, (403, 10015));
    refused(&world, "address_maps_create", &json!({}), (403, 10015));
    let map = stand.estate().address_maps.iter().find(|map| map.ips.len() > 1).expect("the full one").id;
    for (part, member) in [
        ("ips", "2001:db8:10::9".to_owned()),
        ("zones", world.ours.zone.to_string()),
        ("accounts", world.ours.account.to_string()),
    ] {
        let path = format!("/accounts/{}/addressing/address_maps/{map}/{part}/{member}", world.ours.account);
        assert_eq!(stand.call(Method::PUT, &path, Value::Null).failure(), (403, 10015, None), "{part}");
    }
}

/// As many of everything as there may be.
fn crowd(stand: &Stand, world: &World, prefix: Id) -> Vec<Entity> {
    let id = || new_id().expect("random");
    let net = |number: usize| format!("2001:db8:10:{number:x}::/64").parse().expect("a range");
    let estate = stand.estate();
    let certificate = estate.certificates_of(world.ours.zone).next().expect("one").clone();
    let token = estate.tokens.iter().find(|token| token.user == world.ours.user).expect("one").clone();
    let map = estate.address_maps.iter().find(|map| map.account == world.ours.account).expect("one").clone();
    let mut all: Vec<Entity> = Vec::new();
    for number in 0..BINDINGS_PER_PREFIX_MAX {
        let cidr = net(number);
        all.push(Binding { id: id(), prefix, cidr, service: Service::Spectrum, created_at: MADE }.into());
        all.push(BgpPrefix::withdrawn(id(), (prefix, cidr), MADE).into());
        all.push(Delegation { id: id(), prefix, cidr, account: stand.account, created_at: MADE }.into());
    }
    let certificates =
        (0..CERTIFICATES_PER_ZONE_MAX).map(|_| Certificate { id: id(), ..Certificate::clone(&certificate) });
    all.extend(certificates.map(Entity::from));
    all.extend((0..TOKENS_PER_USER_MAX).map(|_| Entity::from(Token { id: id(), ..Token::clone(&token) })));
    let maps = (1..ADDRESS_MAPS_PER_ACCOUNT_MAX).map(|_| AddressMap {
        id: id(),
        ips: Vec::new(),
        ..AddressMap::clone(&map)
    });
    all.extend(maps.map(Entity::from));
    let ip = |number: usize| format!("2001:db8:10::{number:x}:1").parse().expect("an address");
    let member = |_| Member { kind: MemberKind::Zone, identifier: id(), created_at: MADE };
    let full = AddressMap {
        id: id(),
        ips: (0..ADDRESS_MAP_MEMBERS_MAX).map(|number| MapIp { ip: ip(number), created_at: MADE }).collect(),
        memberships: (0..ADDRESS_MAP_MEMBERS_MAX).map(member).collect(),
        ..AddressMap::clone(&map)
    };
    all.push(full.into());
    all
}

#[test]
fn a_route_of_a_prefix_that_is_not_deployed_is_not_announced_and_a_claim_of_approved_space_not_approved() {
    let stand = Stand::new();
    let (mine, cidr) = (stand.addressing("prefixes"), "198.51.100.0/24");
    let claim = json!({ "cidr": cidr, "asn": 64_496 });
    let first = stand.post(&mine, claim.clone()).result()["id"].as_str().expect("an id").to_owned();
    let two =
        stand.post("/accounts", json!({ "name": "two" })).result()["id"].as_str().expect("an id").to_owned();
    let second = stand.post(&format!("/accounts/{two}/addressing/prefixes"), claim).result()["id"].clone();
    let approve = |id: &str| stand.admin(Method::POST, &format!("/byway/prefixes/{id}/approve"), json!({}));
    approve(&first).result();
    assert_eq!(approve(second.as_str().expect("an id")).failure(), (400, 1001, Some("/cidr")));
    let within = format!("{mine}/{first}");
    let bind = json!({ "cidr": cidr, "service_id": Service::Spectrum.id().to_string() });
    let binding = stand.post(&format!("{within}/bindings"), bind).result()["id"].clone();
    let path = format!("{within}/bindings/{}", binding.as_str().expect("an id"));
    stand.call(Method::DELETE, &path, Value::Null).result();
    let routes = format!("{within}/bgp/prefixes");
    let route = stand.get(&routes).result()[0]["id"].as_str().expect("an id").to_owned();
    let announce = json!({ "on_demand": { "advertised": true } });
    let early = stand.call(Method::PATCH, &format!("{routes}/{route}"), announce);
    assert_eq!(early.failure(), (400, 1003, None));
}
