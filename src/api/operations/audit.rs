//! The audit logs of accounts and of the user (`api::audit`).

use crate::api::audit;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    address, any_of, described, flag, id, named, object, or_null, some_text, stamp, text, word,
};
use crate::api::openapi::{Operation, Want};
use crate::estate::{Kind, Level, Permission};
use crate::vault::AuditVerb;
use serde_json::{Value, json};

/// What `api::audit` answers.
pub fn operations() -> Vec<Operation> {
    let (group, level) = (Permission::AccountSettings, Level::Read);
    vec![
        listed(Operation::get("/accounts/{account_id}/audit_logs", audit::of_account))
            .named(
                "account_audit_logs_list",
                "Changes of an account and its zones, newest first; 100 a page where per_page is left out",
            )
            .wants(Want::There(group, level)),
        listed(Operation::get("/user/audit_logs", audit::of_user))
            .named(
                "user_audit_logs_list",
                "Changes of what belongs to the user, newest first; 100 a page where per_page is left out",
            )
            .wants(Want::Anywhere(group, level)),
    ]
}

fn listed(operation: Operation) -> Operation {
    operation
        .asks("id", id())
        .asks("since", described("Not before", moment()))
        .asks("before", described("Before", moment()))
        .asks("actor.email", some_text())
        .asks("actor.ip", address())
        .asks("zone.name", some_text())
        .asks("action.type", verb())
        .asks("hide_user_logs", described("Leave out what is the user's own", flag()))
        .directed()
        .pages(entry())
        .fails(404, &[ApiCode::NotFound])
}

/// A time, or a day.
fn moment() -> Value {
    any_of([
        json!({ "type": "string", "format": "date-time" }),
        json!({ "type": "string", "format": "date" }),
    ])
}

fn verb() -> Value {
    word(AuditVerb::ALL.map(AuditVerb::name))
}

fn entry() -> Value {
    let kind = word(Kind::ALL.iter().map(|kind| kind.name()));
    let actor = object(
        [
            ("id", or_null(id())),
            ("email", or_null(text())),
            ("ip", or_null(address())),
            ("type", word(["user", "admin"])),
        ],
        [],
    );
    let metadata = object([("request", text())], [("credentials", text()), ("zone_name", text())]);
    let shown = || described("The entity as the store has it, without secrets: JSON.", or_null(text()));
    let fields = object(
        [
            ("id", id()),
            ("action", object([("type", verb()), ("result", flag())], [])),
            ("actor", actor),
            ("interface", word(["API", "admin socket"])),
            ("metadata", metadata),
            ("newValue", shown()),
            ("oldValue", shown()),
            ("owner", object([("id", or_null(id()))], [])),
            ("resource", object([("id", id()), ("type", kind)], [])),
            ("when", stamp()),
        ],
        [],
    );
    named("AuditLog", fields)
}
