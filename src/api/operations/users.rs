//! Users of the box (`api::users`).

use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    body, flag, id, id_alone, named, object, pattern, short_text, stamp, text,
};
use crate::api::openapi::{Operation, Want};
use crate::api::users;
use crate::estate::Permission;
use serde_json::Value;

const WANT: Want = Want::Box(Permission::ApiTokens);

/// What `api::users` answers.
pub fn operations() -> Vec<Operation> {
    let key = "/byway/users/{user_id}/key";
    vec![
        Operation::get("/byway/users", users::list)
            .named("byway_users_list", "Users")
            .wants(WANT)
            .pages(user()),
        Operation::post("/byway/users", users::create)
            .named("byway_users_create", "Make a user; its key is shown this once")
            .wants(WANT)
            .takes(body([("email", short_text(254))], []))
            .answers(with_key()),
        Operation::delete("/byway/users/{user_id}", users::delete)
            .named("byway_users_delete", "Delete a user without accounts, tokens and access rules")
            .wants(WANT)
            .answers(id_alone())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound]),
        Operation::put(key, users::roll_key)
            .named(
                "byway_users_key_update",
                "Give a user a new key, shown this once; the old one is worth nothing from then on",
            )
            .wants(Want::BoxAndAll(Permission::ApiTokens))
            .answers(with_key())
            .fails(404, &[ApiCode::NotFound]),
        Operation::delete(key, users::revoke_key)
            .named("byway_users_key_delete", "Revoke the key of a user, and give none")
            .wants(Want::BoxAndAll(Permission::ApiTokens))
            .answers(user())
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn fields() -> [(&'static str, Value); 4] {
    [("id", id()), ("email", text()), ("has_key", flag()), ("created_on", stamp())]
}

fn user() -> Value {
    named("BoxUser", object(fields(), []))
}

/// A dry run makes no key.
fn with_key() -> Value {
    named("BoxUserWithKey", object(fields(), [("key", pattern("^[0-9a-f]{64}$"))]))
}
