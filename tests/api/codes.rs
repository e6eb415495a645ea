//! Every documented code is met: what all operations refuse alike is asked of each here; the rest is met by the tests of what it
//! is about, which run once more in a process of their own that writes down the codes of all answers.

use crate::book::{BOOK, Operation, SEEN};
use crate::leave::{LEAVES, Leave, Side};
use crate::world::World;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use byway::api::{Peer, new_id};
use byway::base::limits::{API_BODY_BYTES_MAX, API_IMPORT_BYTES_MAX};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// A code that no test meets where `at` says so, with the reason.
struct Unmet {
    status: u16,
    code: u64,
    at: fn(&Operation) -> bool,
    why: &'static str,
}

const UNMET: &[Unmet] = &[
    Unmet {
        status: 408,
        code: 6007,
        at: |_| true,
        why: "a body that does not come in 20 s: a test would wait",
    },
    Unmet { status: 500, code: 10002, at: |_| true, why: "byway's own fault: none is known" },
    Unmet {
        status: 503,
        code: 10002,
        at: |_| true,
        why: "one road for all: full_disk meets it at users and rules, apps at a change that is not confirmed",
    },
    Unmet {
        status: 400,
        code: 10011,
        at: |operation| operation.words["requestBody"]["content"]["application/json"].is_null(),
        why: "a limit of the compiled tables: a million apps, four million rules",
    },
    Unmet {
        status: 400,
        code: 10011,
        at: |operation| operation.name == "bgp_prefixes_create",
        why: "its one field is refused with 1001",
    },
];

/// Who meets no refusal, by what an operation wants.
enum Master {
    Root,
    Key,
    Socket,
}

fn master(operation: &Operation) -> Master {
    let leave = LEAVES.iter().find(|(name, _)| *name == operation.name).map(|(_, leave)| *leave);
    match leave.unwrap_or_else(|| panic!("tests/api/leave.rs: what does {} want?", operation.name)) {
        Leave::Socket => Master::Socket,
        Leave::OwnRules(_) | Leave::OwnLog(..) | Leave::OwnTokens | Leave::OwnTokensGiven => Master::Key,
        Leave::Anyone
        | Leave::Zone(..)
        | Leave::Account(..)
        | Leave::ZoneSeen
        | Leave::AccountSeen
        | Leave::NewZone
        | Leave::User
        | Leave::Token
        | Leave::Box(_)
        | Leave::BoxAndAll(_) => Master::Root,
    }
}

/// Operations that want credentials.
pub fn closed() -> impl Iterator<Item = &'static Operation> {
    BOOK.operations.iter().filter(|one| one.words["security"].is_null())
}

pub fn ask(
    world: &World,
    operation: &Operation,
    (path, more): (&str, &str),
    body: Option<Body>,
) -> (u16, Vec<u64>) {
    let (_, own) = world.request(operation, path, Side::Ours);
    let request = Request::builder()
        .method(operation.method.clone())
        .uri(format!("{path}?{}{more}", operation.needed()));
    let request: Builder = match master(operation) {
        Master::Root => request.header("authorization", format!("Bearer {}", world.stand.root)),
        Master::Key => {
            request.header("x-auth-email", &world.ours.email).header("x-auth-key", &world.ours.key)
        }
        Master::Socket => request,
    };
    let request = request.body(body.unwrap_or(own)).expect("a request");
    let peer = match master(operation) {
        Master::Socket => Peer::Local { uid: 0 },
        Master::Root | Master::Key => Peer::Net(([192, 0, 2, 1], 1).into()),
    };
    let (status, _, bytes) = world.stand.raw(peer, request);
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let errors = answer["errors"].as_array().into_iter().flatten();
    (status.as_u16(), errors.filter_map(|error| error["code"].as_u64()).collect())
}

#[test]
fn parameters_ids_and_bodies_that_are_none_are_refused_by_every_operation() {
    let mut world = World::new();
    for (number, operation) in closed().enumerate() {
        let path = world.path(operation, |name| world.ours(operation, name));
        let at = |more: &str| ask(&world, operation, (&path, more), None);
        let name = &operation.name;
        assert_eq!(at("nothing=1"), (400, vec![10014]), "{name}");
        let needed = operation.needed();
        let open = |key: &str| !needed.contains(&format!("{key}="));
        for (key, schema) in operation.parameters("query").into_iter().filter(|(key, _)| open(key)) {
            assert_eq!(at(&format!("{key}=")), (400, vec![10014]), "{name} {key}");
            let schema = BOOK.resolved(&schema);
            let words = schema["enum"].as_array().cloned().unwrap_or_default();
            for word in words.iter().filter_map(Value::as_str) {
                assert_ne!(at(&format!("{key}={word}")).1, [10014], "{name} {key}={word}");
            }
            let is_id = schema["pattern"] == "^[0-9a-f]{32}$";
            if is_id || !words.is_empty() || matches!(schema["type"].as_str(), Some("integer" | "boolean")) {
                assert_eq!(at(&format!("{key}=wrong")), (400, vec![10014]), "{name} {key}");
            }
        }
        for (one, schema) in operation.parameters("path") {
            if BOOK.resolved(&schema)["pattern"] != "^[0-9a-f]{32}$" {
                continue;
            }
            let with = |other: &str| {
                let place =
                    |name: &str| if name == one { other.to_owned() } else { world.ours(operation, name) };
                ask(&world, operation, (&world.path(operation, place), ""), None)
            };
            assert_eq!(with("xyz"), (404, vec![7003]), "{name} {one}");
            assert_eq!(with(&new_id().expect("random").to_string()).0, 404, "{name} {one}");
        }
        if !operation.words["requestBody"]["content"]["application/json"].is_null() {
            for text in ["[", "[]", "\u{7f}"] {
                let refused = ask(&world, operation, (&path, ""), Some(Body::from(text)));
                assert_eq!(refused, (400, vec![6007]), "{name} {text}");
            }
        }
        if number % 25 == 24 {
            world = world.rested();
        }
    }
}

#[test]
fn bodies_that_are_too_large_and_callers_who_ask_too_often_are_refused_by_every_operation() {
    let world = World::new();
    for operation in closed() {
        let path = world.path(operation, |name| world.ours(operation, name));
        let is_import = operation.name.starts_with("byway_import");
        let bytes = if is_import { API_IMPORT_BYTES_MAX } else { API_BODY_BYTES_MAX };
        let large = ask(&world, operation, (&path, ""), Some(Body::from(vec![b' '; bytes + 1])));
        assert_eq!(large, (413, vec![10413]), "{}", operation.name);
    }
    let often = |path: &str, method: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("x-auth-email", &world.ours.email).header("x-auth-key", &world.ours.key);
        world.send(1, request.body(Body::empty()).expect("a request")).0
    };
    while often("/client/v4/user", "GET") != 429 {}
    for operation in closed() {
        let path = world.path(operation, |name| world.ours(operation, name));
        assert_eq!(often(&path, operation.method.as_str()), 429, "{}", operation.name);
    }
}

#[test]
fn every_documented_code_is_met() {
    let file = std::env::temp_dir().join(format!("byway-api-seen-{}", std::process::id()));
    let this = std::env::current_exe().expect("this test's own file");
    let name = "codes::every_documented_code_is_met";
    let ended = Command::new(this)
        .args(["--skip", name])
        .env(SEEN, &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it runs");
    let lines = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(&file);
    assert!(ended.success(), "another test fails, too");
    let seen: BTreeSet<&str> = lines.lines().collect();
    let mut unmet = Vec::new();
    for operation in &BOOK.operations {
        for (status, code) in operation.codes(&BOOK) {
            let line = format!("{} {status} {code}", operation.name);
            let excused =
                UNMET.iter().any(|one| (one.status, one.code) == (status, code) && (one.at)(operation));
            if !seen.contains(line.as_str()) && !excused {
                unmet.push(line);
            }
        }
    }
    assert!(UNMET.iter().all(|one| !one.why.is_empty()));
    assert!(unmet.is_empty(), "{} documented and never met:\n{}", unmet.len(), unmet.join("\n"));
}
