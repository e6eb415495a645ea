//! Delegations of prefixes (`api::addressing::delegations`).

use crate::api::addressing::delegations;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{body, cidr, id, id_alone, named, object, stamp};
use crate::api::openapi::{Operation, Want};
use crate::estate::{Level, Permission};
use serde_json::Value;

const READ: Want = Want::There(Permission::IpPrefixes, Level::Read);
const WRITE: Want = Want::There(Permission::IpPrefixes, Level::Write);

/// What `api::addressing::delegations` answers.
pub fn operations() -> Vec<Operation> {
    let all = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/delegations";
    let one = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/delegations/{delegation_id}";
    let asked = body([("cidr", cidr()), ("delegated_account_id", id())], []);
    vec![
        Operation::get(all, delegations::list)
            .named("delegations_list", "Delegations of a prefix")
            .wants(READ)
            .pages(delegation())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::post(all, delegations::create)
            .named("delegations_create", "Let another account have apps on a range")
            .wants(WRITE)
            .takes(named("DelegationBody", asked))
            .answers(delegation())
            .fails(400, &[ApiCode::AddressingCidr, ApiCode::AddressingState])
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::delete(one, delegations::delete)
            .named("delegations_delete", "Revoke a delegation that no app needs")
            .wants(WRITE)
            .answers(id_alone())
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
    ]
}

fn delegation() -> Value {
    let delegation = object(
        [
            ("id", id()),
            ("cidr", cidr()),
            ("delegated_account_id", id()),
            ("parent_prefix_id", id()),
            ("created_at", stamp()),
            ("modified_at", stamp()),
        ],
        [],
    );
    named("Delegation", delegation)
}
