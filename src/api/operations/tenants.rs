//! Accounts, zones and the user (`api::tenants`).

use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    body, described, flag, id, id_alone, list, list_of, named, object, only, or_null, short_text, some_text,
    stamp, text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::api::tenants::{self, NAME_BYTES_MAX};
use crate::estate::{Level, Permission};
use serde_json::{Value, json};

/// What `api::tenants` answers.
pub fn operations() -> Vec<Operation> {
    [accounts(), zones()].concat()
}

fn accounts() -> Vec<Operation> {
    let owner = body([("id", id())], []);
    vec![
        Operation::get("/accounts", tenants::accounts)
            .named("accounts_list", "Accounts")
            .asks("name", some_text())
            .directed()
            .pages(account()),
        Operation::post("/accounts", tenants::make_account)
            .named("accounts_create", "Make an account")
            .wants(Want::Box(Permission::AccountSettings))
            .takes(body_with_owner(owner))
            .answers(account()),
        Operation::get("/accounts/{account_id}", tenants::account)
            .named("accounts_get", "An account")
            .answers(account())
            .fails(404, &[ApiCode::NotFound]),
        Operation::delete("/accounts/{account_id}", tenants::delete_account)
            .named("accounts_delete", "Delete an account without zones and prefixes")
            .wants(Want::Box(Permission::AccountSettings))
            .answers(id_alone())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound]),
        Operation::get("/user", tenants::user)
            .named("user_get", "The user behind the credentials")
            .answers(user())
            .fails(404, &[ApiCode::NotFound]),
    ]
}

/// `owner` is not `null` where it is said.
fn body_with_owner(owner: Value) -> Value {
    let mut account = body([("name", short_text(NAME_BYTES_MAX))], []);
    account["properties"]["owner"] = owner;
    named("AccountBody", account)
}

fn zones() -> Vec<Operation> {
    let types = [
        ("type", only("full")),
        ("paused", only(false)),
        ("vanity_name_servers", list_of(text(), (0, 0))),
        ("plan", json!({ "type": "null" })),
    ];
    let account = || body([("id", id())], []);
    let mut asked = body([("name", short_text(253))], types.clone());
    asked["properties"]["account"] = account();
    asked["properties"]["organization"] = described("the older name of `account`", account());
    asked["anyOf"] = json!([{ "required": ["account"] }, { "required": ["organization"] }]);
    vec![
        Operation::get("/zones", tenants::zones)
            .named("zones_list", "Zones")
            .asks("name", some_text())
            .asks("account.id", id())
            .asks("status", only("active"))
            .asks("match", only("all"))
            .asks("order", word(["name", "account.id", "status"]))
            .directed()
            .pages(zone()),
        Operation::post("/zones", tenants::make_zone)
            .named("zones_create", "Make a zone of an account")
            .wants(Want::Anywhere(Permission::Zone, Level::Write))
            .takes(named("ZoneBody", asked))
            .answers(zone())
            .fails(400, &[ApiCode::NameOfAnotherZone, ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound]),
        Operation::get("/zones/{zone_id}", tenants::zone)
            .named("zones_get", "A zone")
            .answers(zone())
            .fails(404, &[ApiCode::NotFound]),
        Operation::patch("/zones/{zone_id}", tenants::edit_zone)
            .named("zones_edit", "Say of a zone what it is already; nothing else is served")
            .wants(Want::There(Permission::Zone, Level::Write))
            .takes(named("ZonePatch", body([], types)))
            .answers(zone())
            .fails(404, &[ApiCode::NotFound]),
        Operation::delete("/zones/{zone_id}", tenants::delete_zone)
            .named("zones_delete", "Delete a zone with its apps, rules, certificates and DNS records")
            .wants(Want::There(Permission::Zone, Level::Write))
            .answers(id_alone())
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn account() -> Value {
    let account = object(
        [
            ("id", id()),
            ("name", text()),
            ("type", only("standard")),
            ("created_on", stamp()),
            ("settings", object([("enforce_twofactor", flag())], [])),
        ],
        [],
    );
    named("Account", account)
}

fn user() -> Value {
    let user = object(
        [
            ("id", id()),
            ("email", text()),
            ("created_on", stamp()),
            ("suspended", only(false)),
            ("two_factor_authentication_enabled", only(false)),
            ("two_factor_authentication_locked", only(false)),
        ],
        [],
    );
    named("User", user)
}

fn zone() -> Value {
    let owner = object([("id", or_null(id())), ("type", only("user")), ("name", or_null(text()))], []);
    let zone = object(
        [
            ("id", id()),
            ("name", text()),
            ("status", only("active")),
            ("paused", only(false)),
            ("type", only("full")),
            ("development_mode", only(0)),
            ("account", object([("id", id()), ("name", or_null(text()))], [])),
            ("owner", owner),
            ("plan", plan()),
            ("meta", meta()),
            ("name_servers", list(text())),
            ("original_name_servers", json!({ "type": "null" })),
            ("original_registrar", json!({ "type": "null" })),
            ("original_dnshost", json!({ "type": "null" })),
            ("created_on", stamp()),
            ("modified_on", stamp()),
            ("activated_on", stamp()),
        ],
        [],
    );
    named("Zone", zone)
}

fn plan() -> Value {
    object(
        [
            ("id", text()),
            ("name", text()),
            ("price", whole(0, 0)),
            ("currency", text()),
            ("frequency", text()),
            ("is_subscribed", flag()),
            ("can_subscribe", flag()),
            ("legacy_id", text()),
            ("legacy_discount", flag()),
            ("externally_managed", flag()),
        ],
        [],
    )
}

fn meta() -> Value {
    object(
        [
            ("cdn_only", flag()),
            ("custom_certificate_quota", whole(0, i64::MAX)),
            ("dns_only", flag()),
            ("foundation_dns", flag()),
            ("page_rule_quota", whole(0, i64::MAX)),
            ("phishing_detected", flag()),
            ("step", whole(0, i64::MAX)),
        ],
        [],
    )
}
