//! Everything as one document, and back (`api::moving`).

use super::own::confirm_within;
use crate::api::code::ApiCode;
use crate::api::moving;
use crate::api::openapi::schema::{body, count, flag, id, list, named, object, word};
use crate::api::openapi::{Operation, Want};
use crate::control::config::tables::Code;
use crate::estate::Kind;
use serde_json::{Value, json};

/// What `api::moving` answers.
pub fn operations() -> Vec<Operation> {
    // Both are the store's own form of its entities, which the API does not promise.
    let (document, secrets) = (json!({ "type": "object" }), json!({ "type": ["object", "null"] }));
    vec![
        Operation::get("/byway/export", moving::export)
            .named("byway_export", "Everything as one document")
            .wants(Want::Socket)
            .asks("secrets", flag())
            .answers(object([("document", document.clone()), ("secrets", secrets.clone())], [])),
        Operation::post("/byway/import", moving::import)
            .named("byway_import", "Make and change what a document names, all of it or nothing")
            .wants(Want::Socket)
            .takes(body(
                [("document", document)],
                [("secrets", secrets), ("leave_out", flag()), ("confirm_within", confirm_within())],
            ))
            .answers(moved())
            .fails(400, &[ApiCode::InUse])
            .fails(400, &[Code::PoolEmpty]),
    ]
}

fn moved() -> Value {
    let kind = word(Kind::ALL.iter().map(|kind| kind.name()));
    let change = object([("kind", kind), ("id", id()), ("what", word(["made", "changed"]))], []);
    named("Moved", object([("made", count()), ("changed", count()), ("changes", list(change))], []))
}
