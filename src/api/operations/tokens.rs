//! API tokens (`api::tokens`).

use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    body, described, id, id_alone, list, list_of, named, object, only, or_null, pattern, short_text, stamp,
    text, word,
};
use crate::api::openapi::{Operation, Want};
use crate::api::tokens::{self, NAME_BYTES_MAX, POLICIES_MAX};
use crate::api::user_tokens;
use crate::estate::{Level, Permission};
use serde_json::{Value, json};

const WRITE: Want = Want::Anywhere(Permission::ApiTokens, Level::Write);

/// What `api::tokens` and `api::user_tokens` answer.
pub fn operations() -> Vec<Operation> {
    [own(), of_users()].concat()
}

fn own() -> Vec<Operation> {
    let one = "/user/tokens/{token_id}";
    vec![
        Operation::get("/user/tokens", tokens::list)
            .named("tokens_list", "Tokens of the user")
            .wants(WRITE)
            .directed()
            .pages(token())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post("/user/tokens", tokens::create)
            .named("tokens_create", "Make a token; its value is shown this once")
            .wants(WRITE)
            .takes(asked())
            .answers(new_token())
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound]),
        Operation::get("/user/tokens/verify", tokens::verify)
            .named("tokens_verify", "Whether the token of the request is good")
            .answers(object([("id", id()), ("status", only("active"))], [("expires_on", stamp())]))
            .fails(404, &[ApiCode::NotFound]),
        Operation::get("/user/tokens/permission_groups", tokens::permission_groups)
            .named("tokens_permission_groups_list", "Groups that a policy may name")
            .answers(list(group())),
        Operation::get(one, tokens::get)
            .named("tokens_get", "A token, without its value")
            .wants(WRITE)
            .answers(token())
            .fails(404, &[ApiCode::NotFound]),
        Operation::put(one, tokens::update)
            .named("tokens_update", "Replace name, policies, expiry and status of a token")
            .wants(WRITE)
            .takes(asked())
            .answers(token())
            .fails(404, &[ApiCode::NotFound]),
        Operation::put("/user/tokens/{token_id}/value", tokens::roll)
            .named(
                "tokens_value_update",
                "Give a token a new value; the old one is worth nothing from then on",
            )
            .wants(WRITE)
            .answers(described("`null` of a dry run.", or_null(secret())))
            .fails(404, &[ApiCode::NotFound]),
        Operation::delete(one, tokens::delete)
            .named("tokens_delete", "Revoke a token")
            .wants(WRITE)
            .answers(id_alone())
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn of_users() -> Vec<Operation> {
    let (all, one) = ("/byway/users/{user_id}/tokens", "/byway/users/{user_id}/tokens/{token_id}");
    let want = Want::Box(Permission::ApiTokens);
    vec![
        Operation::get(all, user_tokens::list)
            .named("byway_users_tokens_list", "Tokens of a user")
            .wants(want)
            .directed()
            .pages(token())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post(all, user_tokens::create)
            .named("byway_users_tokens_create", "Make a token of a user; its value is shown this once")
            .wants(want)
            .takes(asked())
            .answers(new_token())
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound]),
        Operation::put("/byway/users/{user_id}/tokens/{token_id}/value", user_tokens::roll)
            .named("byway_users_tokens_value_update", "Give a token of a user a new value")
            .wants(want)
            .answers(described("`null` of a dry run.", or_null(secret())))
            .fails(404, &[ApiCode::NotFound]),
        Operation::delete(one, user_tokens::delete)
            .named("byway_users_tokens_delete", "Revoke a token of a user")
            .wants(want)
            .answers(id_alone())
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn new_token() -> Value {
    let mut token = shown();
    token["properties"]["value"] = described("Left out by a dry run.", secret());
    named("NewToken", token)
}

fn secret() -> Value {
    pattern("^byway_[0-9a-f]{32}_[0-9a-f]{64}$")
}

/// A token as it is shown.
fn token() -> Value {
    named("Token", shown())
}

fn shown() -> Value {
    let policy = object(
        [
            ("id", id()),
            ("effect", only("allow")),
            ("permission_groups", list(object([("id", id()), ("name", text())], []))),
            ("resources", resources()),
        ],
        [],
    );
    object(
        [
            ("id", id()),
            ("name", text()),
            ("status", word(["active", "disabled", "expired"])),
            ("issued_on", stamp()),
            ("modified_on", stamp()),
            ("policies", list(named("Policy", policy))),
        ],
        [("expires_on", stamp()), ("last_used_on", stamp())],
    )
}

/// Accounts and zones by their names, each with `"*"`.
fn resources() -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": r"^com\.cloudflare\.api\.account\.(\*|[0-9a-f]{32}|zone\.[0-9a-f]{32})$" },
        "additionalProperties": { "const": "*" },
    })
}

fn asked() -> Value {
    let groups = list(body([("id", id())], []));
    let policy =
        body([("effect", only("allow")), ("permission_groups", groups), ("resources", resources())], []);
    let token = body(
        [("name", short_text(NAME_BYTES_MAX)), ("policies", list_of(policy, (1, POLICIES_MAX)))],
        [
            ("status", described("Of an update alone.", word(["active", "disabled"]))),
            ("expires_on", json!({ "type": "string", "format": "date-time", "maxLength": 40 })),
            ("condition", described("Not served: empty, or left out.", json!({ "type": "object" }))),
            ("not_before", described("Not served.", json!({ "type": "null" }))),
        ],
    );
    named("TokenBody", token)
}

fn group() -> Value {
    let scopes = list(word(["com.cloudflare.api.account", "com.cloudflare.api.account.zone"]));
    named("PermissionGroup", object([("id", id()), ("name", text()), ("scopes", scopes)], []))
}
