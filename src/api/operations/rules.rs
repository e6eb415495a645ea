//! IP access rules of zones, accounts and users (`api::rules`).

use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    any_of, body, id, id_alone, list, list_of, named, object, only, or_null, short_text, some_text, stamp,
    text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::api::rules::{self, BATCH_MAX, CASCADES, TARGETS};
use crate::estate::{Level, Permission};
use crate::firewall::Mode;
use serde_json::Value;

/// The six operations of one scope.
macro_rules! scope {
    ($at:literal, $want:ident, $whose:literal, $name:literal:
     $list:ident, $create:ident, $batch:ident, $get:ident, $edit:ident, $delete:ident) => {
        vec![
            listed(Operation::get(concat!($at, "/firewall/access_rules/rules"), rules::$list))
                .named(concat!($name, "_access_rules_list"), concat!("Access rules of ", $whose))
                .wants(Want::$want(Permission::Firewall, Level::Read)),
            Operation::post(concat!($at, "/firewall/access_rules/rules"), rules::$create)
                .named(concat!($name, "_access_rules_create"), concat!("Make an access rule of ", $whose))
                .wants(Want::$want(Permission::Firewall, Level::Write))
                .takes(asked())
                .answers(rule())
                .fails(400, &[ApiCode::DuplicateRule])
                .fails(403, &[ApiCode::Quota])
                .fails(404, &[ApiCode::NotFound]),
            Operation::post(concat!($at, "/firewall/access_rules/rules/batch"), rules::$batch)
                .named(
                    concat!($name, "_access_rules_batch"),
                    concat!("Make many access rules of ", $whose, ", or none"),
                )
                .wants(Want::$want(Permission::Firewall, Level::Write))
                .takes(body([("rules", list_of(asked(), (1, BATCH_MAX)))], []))
                .answers(list(rule()))
                .fails(400, &[ApiCode::DuplicateRule])
                .fails(403, &[ApiCode::Quota])
                .fails(404, &[ApiCode::NotFound]),
            Operation::get(concat!($at, "/firewall/access_rules/rules/{rule_id}"), rules::$get)
                .named(concat!($name, "_access_rules_get"), concat!("An access rule of ", $whose))
                .wants(Want::$want(Permission::Firewall, Level::Read))
                .answers(rule())
                .fails(404, &[ApiCode::NotFound]),
            Operation::patch(concat!($at, "/firewall/access_rules/rules/{rule_id}"), rules::$edit)
                .named(
                    concat!($name, "_access_rules_edit"),
                    concat!("Change mode and notes of an access rule of ", $whose),
                )
                .wants(Want::$want(Permission::Firewall, Level::Write))
                .takes(patch())
                .answers(rule())
                .fails(404, &[ApiCode::NotFound]),
            Operation::delete(concat!($at, "/firewall/access_rules/rules/{rule_id}"), rules::$delete)
                .named(concat!($name, "_access_rules_delete"), concat!("Delete an access rule of ", $whose))
                .wants(Want::$want(Permission::Firewall, Level::Write))
                .may_take(body([], [("cascade", word(CASCADES))]))
                .answers(id_alone())
                .fails(404, &[ApiCode::NotFound]),
        ]
    };
}

/// What `api::rules` answers.
pub fn operations() -> Vec<Operation> {
    let zone = scope!("/zones/{zone_id}", There, "a zone", "zone":
        zone_list, zone_create, zone_batch, zone_get, zone_edit, zone_delete);
    let account = scope!("/accounts/{account_id}", There, "an account", "account":
        account_list, account_create, account_batch, account_get, account_edit, account_delete);
    let user = scope!("/user", Anywhere, "the user", "user":
        user_list, user_create, user_batch, user_get, user_edit, user_delete);
    [zone, account, user].concat()
}

fn listed(operation: Operation) -> Operation {
    operation
        .asks("mode", modes())
        .asks("configuration.target", word(TARGETS))
        .asks("configuration.value", some_text())
        .asks("notes", some_text())
        .asks("match", word(["any", "all"]))
        .asks("order", word(["configuration.target", "configuration.value", "mode"]))
        .directed()
        .pages(rule())
        .fails(404, &[ApiCode::NotFound])
}

fn modes() -> Value {
    word(Mode::ALL.map(Mode::name))
}

/// A rule as it is answered.
fn rule() -> Value {
    let configuration = object([("target", word(TARGETS)), ("value", text())], []);
    let of_zone = object([("id", id())], []);
    let of_account = object([("id", id()), ("type", only("organization"))], []);
    let of_user = object([("id", id()), ("email", or_null(text())), ("type", only("user"))], []);
    let rule = object(
        [
            ("id", id()),
            ("paused", only(false)),
            ("modified_on", stamp()),
            ("allowed_modes", list(modes())),
            ("mode", modes()),
            ("notes", text()),
            ("configuration", configuration),
            ("scope", any_of([of_zone, of_account, of_user])),
            ("created_on", stamp()),
        ],
        [],
    );
    named("AccessRule", rule)
}

/// A rule as a client sends it. The number of an AS may stand without quotes.
fn asked() -> Value {
    let value = any_of([short_text(200), whole(1, u32::MAX.into())]);
    let configuration = body([("target", word(TARGETS)), ("value", value)], []);
    let notes = or_null(serde_json::json!({ "type": "string", "maxLength": 1_000 }));
    named("AccessRuleBody", body([("mode", modes()), ("configuration", configuration)], [("notes", notes)]))
}

fn patch() -> Value {
    let configuration = body(
        [],
        [("target", word(TARGETS)), ("value", any_of([short_text(200), whole(1, u32::MAX.into())]))],
    );
    let notes = serde_json::json!({ "type": "string", "maxLength": 1_000 });
    named(
        "AccessRulePatch",
        body([], [("mode", modes()), ("notes", notes), ("configuration", configuration)]),
    )
}
