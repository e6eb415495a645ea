//! What Cloudflare's API does not have (`api::own`), this document, and the probes.

use crate::api::code::ApiCode;
use crate::api::history::{self, VERSIONS_MAX};
use crate::api::openapi::schema::{
    body, count, described, flag, id, list, named, object, or_null, pattern, stamp, text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::api::{own, probes, trial};
use crate::base::TRIAL_S_MAX;
use crate::control::config::tables::Code;
use crate::estate::{Kind, Permission};
use crate::vault::AuditVerb;
use serde_json::{Value, json};

/// What `api::own` and `api::probes` answer.
pub fn operations() -> Vec<Operation> {
    [store(), trial(), document(), probes()].concat()
}

fn store() -> Vec<Operation> {
    let to = pattern("^/");
    let version = described("The number of a version.", whole(0, i64::MAX));
    vec![
        Operation::post("/byway/backup", own::backup)
            .named("byway_backup", "Copy the store to a file of this machine")
            .wants(Want::Socket)
            .at_once()
            .takes(body([("to", short_path())], []))
            .answers(object([("to", to)], [])),
        Operation::get("/byway/history", history::list)
            .named("byway_history_list", "The last changes, newest first")
            .wants(Want::Box(Permission::AccountSettings))
            .asks("before", whole(1, i64::MAX))
            .asks("limit", whole(1, VERSIONS_MAX as i64))
            .asks("details", described("Whether entities are told as they were and became.", flag()))
            .answers(list(change())),
        Operation::get("/byway/history/{version}", history::edits)
            .named("byway_history_get", "What a change did to entities, in order")
            .wants(Want::Box(Permission::AccountSettings))
            .at("version", version.clone())
            .pages(edit())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post("/byway/rollback", own::roll_back)
            .named(
                "byway_rollback",
                "Put everything but users, tokens and letters back to what it was after a version",
            )
            .wants(Want::Box(Permission::AccountSettings))
            .takes(body([("version", version)], [("confirm_within", confirm_within())]))
            .answers(gone_back())
            .fails(400, &[ApiCode::InUse])
            .fails(400, &[Code::PoolEmpty]),
    ]
}

/// Seconds until a change goes back by itself.
pub fn confirm_within() -> Value {
    let words = "Seconds until it goes back by itself, unless it is confirmed; over the admin socket alone.";
    described(words, whole(1, i64::from(TRIAL_S_MAX)))
}

fn gone_back() -> Value {
    named("GoneBack", object([("version", count()), ("changes", count())], []))
}

fn trial() -> Vec<Operation> {
    let ends = |operation: Operation| {
        operation.wants(Want::Socket).answers(gone_back()).fails(404, &[ApiCode::NotFound])
    };
    vec![
        Operation::get("/byway/trial", trial::look)
            .named(
                "byway_trial_get",
                "What is on trial: changes that go back by themselves unless they are confirmed",
            )
            .wants(Want::Box(Permission::AccountSettings))
            .answers(held()),
        Operation::post("/byway/trial", trial::begin)
            .named("byway_trial_begin", "Put all changes from now on on trial")
            .wants(Want::Socket)
            .takes(body([("confirm_within", confirm_within())], []))
            .answers(held())
            .fails(400, &[ApiCode::InUse]),
        ends(Operation::post("/byway/trial/confirm", trial::confirm))
            .named("byway_trial_confirm", "Keep what changed on trial"),
        ends(Operation::post("/byway/trial/revert", trial::revert))
            .named("byway_trial_revert", "Take back now what changed on trial"),
    ]
}

fn held() -> Value {
    let trial = object(
        [
            ("version", count()),
            ("began", stamp()),
            ("until", stamp()),
            ("within", whole(1, i64::from(TRIAL_S_MAX))),
            ("seconds_left", count()),
            ("actor", text()),
            ("action", text()),
            ("problem", or_null(text())),
        ],
        [],
    );
    named("HeldTrial", object([("trial", or_null(named("Trial", trial)))], []))
}

fn short_path() -> Value {
    json!({ "type": "string", "pattern": "^/", "maxLength": 4_096 })
}

fn edit() -> Value {
    // What is shown of an entity is the store's own form of it, which is not the API's to promise.
    let shown = json!({ "type": ["object", "null"] });
    let edit = object([("kind", kind()), ("id", id()), ("before", shown.clone()), ("after", shown)], []);
    named("ChangedEntity", edit)
}

fn kind() -> Value {
    word(Kind::ALL.iter().map(|kind| kind.name()))
}

fn change() -> Value {
    let verb = word(AuditVerb::ALL.map(AuditVerb::name));
    let tally = object([("kind", kind()), ("verb", verb), ("count", count())], []);
    let not_shown =
        "Changes whose details are kept and not in `changes`: the version's own path has them all.";
    let change = object(
        [
            ("version", count()),
            ("when", stamp()),
            ("actor", text()),
            ("action", text()),
            ("on_trial", flag()),
            ("counts", described("How many changes are kept, by what they did to which kind.", list(tally))),
            ("changes", list(edit())),
            ("not_shown", described(not_shown, count())),
            ("forgotten", described("Changes whose details are not kept any more.", count())),
        ],
        [],
    );
    named("Change", change)
}

fn document() -> Vec<Operation> {
    vec![
        Operation::get("/openapi.json", probes::openapi)
            .named("openapi_get", "This document")
            .answers_plain(json!({ "type": "object", "required": ["openapi", "info", "paths"] })),
    ]
}

fn probes() -> Vec<Operation> {
    let state = |words: &[&'static str]| object([("status", word(words.iter().copied()))], []);
    let open = |operation: Operation| Operation { failures: [].into(), ..operation }.wants(Want::Nothing);
    vec![
        open(Operation::get("/healthz", probes::healthz))
            .named("healthz", "Whether byway is alive")
            .answers(state(&["ok"]))
            .fails(503, &[ApiCode::Internal]),
        open(Operation::get("/readyz", probes::readyz))
            .named("readyz", "Whether byway carries traffic")
            .answers(state(&["ready", "degraded"]))
            .fails(503, &[ApiCode::Internal]),
    ]
}
