//! Address maps and letters of authorisation of an account.

use crate::addressing::{OTHER, delete, id_of};
use crate::stand::{Reply, Stand};
use axum::http::Method;
use byway::api::new_id;
use serde_json::{Value, json};

#[test]
fn a_map_has_addresses_and_members_and_goes_once_it_is_disabled() {
    let stand = Stand::new();
    let zone = stand.zone.to_string();
    let body = json!({
        "description": "edge", "enabled": true, "ips": ["203.0.113.1"],
        "memberships": [{"identifier": zone, "kind": "zone"}],
    });
    let made = stand.post(&stand.addressing("address_maps"), body);
    let map = made.result().clone();
    assert_eq!(
        (&map["ips"][0]["ip"], &map["memberships"][0]["identifier"]),
        (&json!("203.0.113.1"), &json!(zone))
    );
    let path = stand.addressing(&format!("address_maps/{}", id_of(&made)));
    assert_eq!(stand.get(&path).result(), &map);
    let put = |place: &str| stand.call(Method::PUT, &format!("{path}/{place}"), Value::Null);
    assert_eq!(put("ips/203.0.113.2").result(), &Value::Null);
    put("ips/203.0.113.2").result();
    put(&format!("accounts/{}", stand.account)).result();
    assert_eq!(put("ips/198.51.100.1").failure().1, 1001, "nobody's");
    assert_eq!(put("ips/x").failure().1, 1001);
    assert_eq!(put(&format!("zones/{}", new_id().expect("random"))).failure(), (404, 1000, None));
    assert_eq!(put("things/x").failure(), (404, 7003, None));
    let whole = stand.get(&path).result().clone();
    let counts = (whole["ips"].as_array().map(Vec::len), whole["memberships"].as_array().map(Vec::len));
    assert_eq!(counts, (Some(2), Some(2)));
    delete(&stand, &format!("{path}/ips/203.0.113.1")).result();
    assert_eq!(delete(&stand, &format!("{path}/ips/203.0.113.1")).failure(), (404, 1000, None));

    let edited =
        stand.call(Method::PATCH, &path, json!({"default_sni": "WWW.example.net", "description": null}));
    assert_eq!(
        (&edited.result()["default_sni"], &edited.result()["description"]),
        (&json!("www.example.net"), &Value::Null)
    );
    let bad = stand.call(Method::PATCH, &path, json!({"default_sni": "a..b"}));
    assert_eq!(bad.failure(), (400, 10011, Some("/default_sni")));
    assert_eq!(delete(&stand, &path).failure(), (400, 1003, None), "it is enabled");
    delete(&stand, &format!("/zones/{zone}")).result();
    assert_eq!(
        stand.get(&path).result()["memberships"].as_array().map(Vec::len),
        Some(1),
        "its zone is gone"
    );
    let stand = stand.restarted();
    stand.call(Method::PATCH, &path, json!({"enabled": false})).result();
    assert_eq!(delete(&stand, &path).result(), &Value::Null);
    assert_eq!(stand.get(&stand.addressing("address_maps")).result(), &json!([]));
}

#[test]
fn what_is_wrong_with_a_new_map_is_told_at_its_place() {
    let stand = Stand::new();
    let post = |body| stand.post(&stand.addressing("address_maps"), body);
    assert_eq!(post(json!({"ips": ["203.0.113.1", OTHER]})).failure(), (400, 1001, Some("/ips/1")));
    assert_eq!(post(json!({"ips": "203.0.113.1"})).failure(), (400, 10011, Some("/ips")));
    let member = |kind: &str| json!({"memberships": [{"kind": kind, "identifier": "0".repeat(32)}]});
    assert_eq!(post(member("zone")).failure(), (400, 1000, Some("/memberships/0/identifier")));
    assert_eq!(post(member("user")).failure(), (400, 10011, Some("/memberships/0")));
    assert!(stand.estate().address_maps.is_empty());
}

fn upload(stand: &Stand, field: &str, file: &str) -> Reply {
    let body = format!("--x\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{file}\r\n--x--\r\n");
    stand.send_form(&stand.addressing("loa_documents"), body)
}

#[test]
fn a_letter_is_uploaded_without_a_file_name_and_comes_back_as_it_was() {
    let stand = Stand::new();
    let made = upload(&stand, "loa_document", "%PDF-1.4 one");
    assert_eq!(made.status, 201);
    assert_eq!((&made.result()["size_bytes"], &made.result()["verified"]), (&json!(12), &json!(false)));
    let path = stand.addressing(&format!("loa_documents/{}", id_of(&made)));
    let (headers, bytes) = stand.file(&format!("{path}/download"));
    assert_eq!(
        (&headers["content-type"], &bytes[..]),
        (&"application/pdf".parse().expect("a value"), &b"%PDF-1.4 one"[..])
    );

    let body = json!({"asn": 64_496, "cidr": OTHER, "loa_document_id": id_of(&made)});
    let prefix = stand.post(&stand.addressing("prefixes"), body);
    assert_eq!(prefix.result()["loa_document_id"], made.result()["id"]);
    assert_eq!(delete(&stand, &path).failure(), (400, 1003, None), "a prefix names it");
    assert!(
        !stand.get("/byway/history?limit=9").body.to_string().contains("JVBER"),
        "no file in the history"
    );
    let stand = stand.restarted();
    assert_eq!(stand.file(&format!("{path}/download")).1, b"%PDF-1.4 one");

    assert_eq!(upload(&stand, "other", "%PDF-1.4").failure(), (400, 1001, None));
    assert_eq!(upload(&stand, "loa_document", "hello").failure(), (400, 1001, None));
    assert_eq!(stand.post(&stand.addressing("loa_documents"), json!({})).failure(), (400, 1001, None));
    assert_eq!(
        upload(&stand, "loa_document", &format!("%PDF-{}", "x".repeat(90))).failure(),
        (403, 10015, None)
    );
    let big = upload(&stand, "loa_document", &format!("%PDF-{}", "x".repeat(10_000_000)));
    assert_eq!(big.failure(), (400, 1001, None));
    assert_eq!(
        stand.get(&stand.addressing(&format!("loa_documents/{}/download", "0".repeat(32)))).failure(),
        (404, 1000, None)
    );
}
