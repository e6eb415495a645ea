//! Errors of addressing, which begin with Cloudflare's words in snake case, and fields that its bodies share.

use crate::api::answer::{ErrorItem, Failure};
use crate::api::ask::{Ask, path_id};
use crate::api::code::ApiCode;
use crate::api::fields;
use crate::estate::{Estate, Id, Level, Permission, Prefix};
use axum::http::StatusCode;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Looking at prefixes and what belongs to them.
pub const READ: (Permission, Level) = (Permission::IpPrefixes, Level::Read);
/// Changing them.
pub const WRITE: (Permission, Level) = (Permission::IpPrefixes, Level::Write);

/// 404: no such prefix, delegation, map or document for this caller.
pub fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, ApiCode::AddressingNotFound, "not_found")
}

/// 404: no such binding or route of the prefix.
pub fn not_found_within() -> Failure {
    not_found().with_code(ApiCode::AddressingNotWithin)
}

/// 400 about a range.
pub fn bad_cidr(pointer: &str, why: impl std::fmt::Display) -> Failure {
    let text = format!("invalid_network_cidr: {why}");
    Failure::field(ApiCode::AddressingCidr.number(), pointer, text)
}

/// 400: it does not go with things as they stand.
pub fn conflict(word: &str, why: impl std::fmt::Display) -> Failure {
    let error = ErrorItem::new(ApiCode::AddressingState, format!("{word}: {why}"));
    Failure::of(StatusCode::BAD_REQUEST, error)
}

/// 403: a quota of the account is used up.
pub fn quota(what: impl std::fmt::Display) -> Failure {
    Failure::unauthorized(format!("the account has {what}, which is its quota")).with_code(ApiCode::Quota)
}

/// The prefix of a path.
///
/// # Errors
/// 404 where there is none for this caller, 403 where this may not be done.
pub fn find(
    ask: &Ask,
    estate: &Estate,
    (account, id): (&str, &str),
    want: (Permission, Level),
) -> Result<Arc<Prefix>, Failure> {
    let account = ask.account(account, estate, want)?;
    let prefix = estate.prefixes.get(path_id(id)?).filter(|prefix| prefix.account == account.id);
    prefix.cloned().ok_or_else(not_found)
}

/// True, false, or left out.
///
/// # Errors
/// 400 with the field's pointer.
pub fn flag(body: &Map<String, Value>, key: &str) -> Result<Option<bool>, Failure> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(fields::wrong(key, "must be true or false")),
    }
}

/// An id that must be there.
///
/// # Errors
/// 400 with the field's pointer.
pub fn id(body: &Map<String, Value>, key: &str) -> Result<Id, Failure> {
    let text = fields::text(body, key, 64)?;
    Id::parse(&text).ok_or_else(|| fields::wrong(key, "must be an id of 32 hex digits"))
}

/// `cidr`: a range that must be there, host bits zero.
///
/// # Errors
/// 400 with the field's pointer.
pub fn cidr(body: &Map<String, Value>) -> Result<IpNet, Failure> {
    let bad = |why: &str| bad_cidr("/cidr", why);
    let text = body.get("cidr").and_then(Value::as_str);
    let text = text.ok_or_else(|| bad("is missing: a range such as \"203.0.113.0/24\""))?;
    let net: IpNet = text.parse().map_err(|_| bad("must be a range such as \"203.0.113.0/24\""))?;
    match net.addr() == net.network() {
        true => Ok(net),
        false => {
            Err(bad_cidr("/cidr", format_args!("bits behind the length are set; write {}", net.trunc())))
        }
    }
}

/// `cidr` within a prefix.
///
/// # Errors
/// 400 with the field's pointer.
pub fn cidr_within(body: &Map<String, Value>, prefix: &Prefix) -> Result<IpNet, Failure> {
    let (net, whole) = (cidr(body)?, prefix.net.net());
    match whole.contains(&net) {
        true => Ok(net),
        false => Err(bad_cidr("/cidr", format_args!("{net} does not lie in {whole}"))),
    }
}
