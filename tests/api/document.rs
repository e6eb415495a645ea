//! The OpenAPI document: true of the router in both directions, and whole.

use crate::book::{BASE, BOOK, Operation};
use crate::stand::Stand;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use byway::api::{Peer, new_id};
use serde_json::Value;
use std::collections::BTreeSet;

const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE];

/// A path with something in place of its parameters.
fn filled(operation: &Operation) -> String {
    let part = |part: &str| match part.starts_with('{') {
        true => new_id().expect("random").to_string(),
        false => part.to_owned(),
    };
    operation.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn ask(stand: &Stand, method: &Method, path: &str) -> (StatusCode, Option<String>, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {}", stand.root));
    let request = request.body(Body::empty()).expect("a request");
    let (status, headers, bytes) = stand.raw(Peer::Net(([192, 0, 2, 1], 40_000).into()), request);
    let allow = headers.get("allow").map(|value| value.to_str().expect("a text").to_owned());
    (status, allow, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[test]
fn every_path_of_the_document_is_served_by_its_methods_and_no_others() {
    let stand = Stand::new();
    let paths: BTreeSet<&str> = BOOK.operations.iter().map(|one| one.path.as_str()).collect();
    for path in paths {
        let documented: Vec<&Operation> = BOOK.operations.iter().filter(|one| one.path == path).collect();
        for method in METHODS {
            let place = filled(documented[0]);
            let found = documented.iter().any(|one| one.method == method);
            let (status, allow, body) = ask(&stand, &method, &place);
            let (code, message) = (&body["errors"][0]["code"], body["errors"][0]["message"].to_string());
            let nowhere = *code == 7003 && message.contains("Could not route to \\\"");
            assert_eq!(!nowhere && status != 405, found, "{method} {path}: {status} {body}");
            if status == 405 {
                let allow = allow.expect("RFC 9110 15.5.6: 405 says what is allowed");
                let named = documented.iter().all(|one| allow.contains(one.method.as_str()));
                assert!(named, "{method} {path}: {allow}");
            }
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_closed_replies() {
    let names: BTreeSet<&str> = BOOK.operations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), BOOK.operations.len(), "two operations share a name");
    for operation in &BOOK.operations {
        assert!(!operation.name.is_empty() && operation.words["summary"] != "", "{operation:?}");
        let used: BTreeSet<&str> =
            operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let named = operation.parameters("path");
        assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), used);
        for (status, response) in operation.words["responses"].as_object().expect("an object") {
            let schema = &response["content"]["application/json"]["schema"];
            if schema.is_object() && operation.name != "openapi_get" {
                assert_closed(schema, &format!("{} {status}", operation.name));
            }
        }
    }
}

/// Every object of a reply says which fields it has, but those of the store's own form.
fn assert_closed(schema: &Value, place: &str) {
    let schema = BOOK.resolved(schema);
    if let Some(fields) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "{place}: {schema}");
        fields.iter().for_each(|(key, field)| assert_closed(field, &format!("{place}/{key}")));
    }
    if schema["items"].is_object() {
        assert_closed(&schema["items"], &format!("{place}/items"));
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        assert_closed(choice, place);
    }
}

#[test]
fn the_document_is_served_to_whoever_has_credentials() {
    let stand = Stand::new();
    let (headers, bytes) = stand.file("/openapi.json");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&bytes).expect("JSON"), BOOK.document);
    let bare = Request::builder().uri(format!("{BASE}/openapi.json")).body(Body::empty()).expect("a request");
    assert_eq!(stand.send(bare).failure(), (400, 9106, None));
    let schemes: Vec<&String> =
        BOOK.document["components"]["securitySchemes"].as_object().expect("an object").keys().collect();
    assert_eq!(schemes, ["token", "email", "key", "service_key"]);
}
