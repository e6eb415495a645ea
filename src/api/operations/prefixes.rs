//! Prefixes of an account, and byway's own approval of them (`api::addressing::prefixes`).

use crate::api::addressing::prefixes;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    body, cidr, described, flag, id, named, object, only, or_null, stamp, text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::estate::{CheckState, Level, Permission};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::IpPrefixes, Level::Read);
const WRITE: Want = Want::There(Permission::IpPrefixes, Level::Write);

/// What `api::addressing::prefixes` answers.
pub fn operations() -> Vec<Operation> {
    [of_account(), approval()].concat()
}

fn of_account() -> Vec<Operation> {
    let (all, one) = (
        "/accounts/{account_id}/addressing/prefixes",
        "/accounts/{account_id}/addressing/prefixes/{prefix_id}",
    );
    vec![
        Operation::get(all, prefixes::list)
            .named("prefixes_list", "Prefixes of an account")
            .wants(READ)
            .pages(prefix())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post(all, prefixes::create)
            .named("prefixes_create", "Claim a prefix; it is in no table before it is approved and bound")
            .wants(WRITE)
            .takes(asked())
            .creates(prefix())
            .fails(400, &[ApiCode::AddressingNotFound, ApiCode::AddressingCidr])
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound]),
        Operation::get(one, prefixes::get)
            .named("prefixes_get", "A prefix")
            .wants(READ)
            .answers(prefix())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::patch(one, prefixes::edit)
            .named("prefixes_edit", "Describe a prefix")
            .wants(WRITE)
            .takes(body([], [("description", description())]))
            .answers(prefix())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::delete(one, prefixes::delete)
            .named("prefixes_delete", "Give up a prefix that is not approved")
            .wants(WRITE)
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::post(
            "/accounts/{account_id}/addressing/prefixes/{prefix_id}/validate",
            prefixes::validate,
        )
        .named("prefixes_validate", "Check a prefix now; one that passes is approved")
        .wants(WRITE)
        .answers(prefix())
        .fails(400, &[ApiCode::AddressingCidr])
        .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
    ]
}

fn approval() -> Vec<Operation> {
    vec![
        Operation::post("/byway/prefixes/{prefix_id}/approve", prefixes::approve)
            .named("byway_prefixes_approve", "Approve a prefix; one whose checks failed wants force")
            .wants(Want::Socket)
            .may_take(body([], [("force", flag())]))
            .answers(prefix())
            .fails(400, &[ApiCode::AddressingCidr, ApiCode::AddressingState])
            .fails(404, &[ApiCode::AddressingNotFound]),
        Operation::post("/byway/prefixes/{prefix_id}/revoke", prefixes::revoke)
            .named("byway_prefixes_revoke", "Take the approval of a prefix back")
            .wants(Want::Socket)
            .answers(prefix())
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::AddressingNotFound]),
    ]
}

fn description() -> Value {
    json!({ "type": "string", "maxLength": prefixes::DESCRIPTION_BYTES_MAX })
}

fn asked() -> Value {
    let asn = described("The AS that originates the prefix.", whole(1, u32::MAX.into()));
    let optional =
        [("description", description()), ("loa_document_id", id()), ("delegate_loa_creation", flag())];
    named("PrefixBody", body([("cidr", cidr()), ("asn", asn)], optional))
}

fn prefix() -> Value {
    let state = || {
        let all = [
            CheckState::Pending,
            CheckState::Valid,
            CheckState::Missing,
            CheckState::Invalid,
            CheckState::MismatchAsn,
        ];
        word(all.map(CheckState::name))
    };
    let prefix = object(
        [
            ("id", id()),
            ("account_id", id()),
            ("asn", whole(1, u32::MAX.into())),
            ("cidr", cidr()),
            ("description", text()),
            ("approved", described("P: not yet; V: in use.", word(["P", "V"]))),
            ("advertised", or_null(flag())),
            ("advertised_modified_at", or_null(stamp())),
            ("on_demand_enabled", flag()),
            ("on_demand_locked", only(false)),
            ("loa_document_id", or_null(id())),
            ("delegate_loa_creation", flag()),
            ("irr_validation_state", state()),
            ("rpki_validation_state", state()),
            ("ownership_validation_state", state()),
            ("ownership_validation_token", text()),
            ("created_at", stamp()),
            ("modified_at", stamp()),
        ],
        [],
    );
    named("Prefix", prefix)
}
