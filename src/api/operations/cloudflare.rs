//! What is taken over from Cloudflare (`api::cloudflare`).

use super::own::confirm_within;
use crate::api::cloudflare::{self, About, Fate};
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{body, count, flag, id, list, named, object, short_text, text, word};
use crate::api::openapi::{Operation, Want};
use crate::control::config::tables::Code;
use crate::estate::Kind;
use serde_json::{Value, json};

/// What `api::cloudflare` answers.
pub fn operations() -> Vec<Operation> {
    // Rows as the other side answers them, which is no promise of byway's.
    let lists = json!({ "type": "object", "additionalProperties": { "type": "array", "items": { "type": "object" } } });
    let wishes = [
        ("source", short_text(1_024)),
        ("update", flag()),
        ("trust_approvals", flag()),
        ("into", id()),
        ("owner", short_text(254)),
        ("confirm_within", confirm_within()),
    ];
    vec![
        Operation::post("/byway/import/cloudflare", cloudflare::import)
            .named("byway_import_cloudflare", "Take over what lists of Cloudflare's API hold, as one change")
            .wants(Want::Socket)
            .takes(body([("lists", lists)], wishes))
            .answers(report())
            .fails(400, &[ApiCode::InUse])
            .fails(400, &[Code::PoolEmpty]),
    ]
}

fn report() -> Value {
    let kind = || word(Kind::ALL.iter().map(|kind| kind.name()));
    let mut counts = object([("kind", kind())], []);
    for fate in Fate::ALL {
        counts["properties"][fate.name()] = count();
        if let Some(required) = counts["required"].as_array_mut() {
            required.push(fate.name().into());
        }
    }
    let what = word(About::ALL.map(About::name));
    let note = [("what", what), ("kind", kind()), ("id", text()), ("name", text()), ("why", text())];
    let fields = [("counts", list(counts)), ("notes", list(object(note, []))), ("more_notes", count())];
    named("ImportReport", object(fields, []))
}
