//! Address maps of an account and their members (`api::addressing::address_maps`).

use crate::api::addressing::address_maps::{self, DESCRIPTION_BYTES_MAX};
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    address, body, flag, id, list, list_of, named, object, only, or_null, stamp, text, word,
};
use crate::api::openapi::{Operation, Want};
use crate::base::limits::ADDRESS_MAP_MEMBERS_MAX;
use crate::estate::{Level, MemberKind, Permission};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::IpPrefixes, Level::Read);
const WRITE: Want = Want::There(Permission::IpPrefixes, Level::Write);

/// What `api::addressing::address_maps` answers.
pub fn operations() -> Vec<Operation> {
    [maps(), members()].concat()
}

fn maps() -> Vec<Operation> {
    let all = "/accounts/{account_id}/addressing/address_maps";
    let one = "/accounts/{account_id}/addressing/address_maps/{address_map_id}";
    vec![
        Operation::get(all, address_maps::list)
            .named("address_maps_list", "Address maps of an account, without their members")
            .wants(READ)
            .pages(head())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post(all, address_maps::create)
            .named("address_maps_create", "Make an address map")
            .wants(WRITE)
            .takes(named("AddressMapBody", body([], asked())))
            .answers(whole())
            .fails(400, &[ApiCode::AddressingNotFound, ApiCode::AddressingCidr])
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound]),
        Operation::get(one, address_maps::get)
            .named("address_maps_get", "An address map")
            .wants(READ)
            .answers(whole())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::patch(one, address_maps::edit)
            .named("address_maps_edit", "Describe, enable or disable an address map")
            .wants(WRITE)
            .takes(named("AddressMapPatch", body([], asked_head())))
            .answers(head())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::delete(one, address_maps::delete)
            .named("address_maps_delete", "Delete an address map that is disabled")
            .wants(WRITE)
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
    ]
}

fn members() -> Vec<Operation> {
    const IP: &str = "/accounts/{account_id}/addressing/address_maps/{address_map_id}/ips/{ip}";
    const ZONE: &str =
        "/accounts/{account_id}/addressing/address_maps/{address_map_id}/zones/{member_zone_id}";
    const ACCOUNT: &str =
        "/accounts/{account_id}/addressing/address_maps/{address_map_id}/accounts/{member_account_id}";
    let put = |operation: Operation| {
        let missing = [ApiCode::NotFound, ApiCode::AddressingNotFound];
        operation.wants(WRITE).fails(403, &[ApiCode::Quota]).fails(404, &missing)
    };
    let remove = |operation: Operation| {
        operation.wants(WRITE).fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound])
    };
    vec![
        put(Operation::put(IP, address_maps::put_ip))
            .named("address_map_ips_update", "Put an address into a map")
            .at("ip", address())
            .fails(400, &[ApiCode::AddressingCidr]),
        remove(Operation::delete(IP, address_maps::remove_ip))
            .named("address_map_ips_delete", "Take an address out of a map")
            .at("ip", address()),
        put(Operation::put(ZONE, address_maps::put_zone))
            .named("address_map_zones_update", "Make a zone of the account a member of a map"),
        remove(Operation::delete(ZONE, address_maps::remove_zone))
            .named("address_map_zones_delete", "Take a zone out of a map"),
        put(Operation::put(ACCOUNT, address_maps::put_account))
            .named("address_map_accounts_update", "Make the account a member of a map"),
        remove(Operation::delete(ACCOUNT, address_maps::remove_account))
            .named("address_map_accounts_delete", "Take the account out of a map"),
    ]
}

fn asked_head() -> [(&'static str, Value); 3] {
    [
        ("description", json!({ "type": "string", "maxLength": DESCRIPTION_BYTES_MAX })),
        ("enabled", flag()),
        ("default_sni", json!({ "type": "string", "maxLength": 253 })),
    ]
}

fn asked() -> [(&'static str, Value); 5] {
    let [description, enabled, default_sni] = asked_head();
    let kinds = [MemberKind::Zone, MemberKind::Account].map(MemberKind::name);
    let member = body([("kind", word(kinds)), ("identifier", id())], []);
    [
        description,
        enabled,
        default_sni,
        ("ips", list_of(address(), (0, ADDRESS_MAP_MEMBERS_MAX))),
        ("memberships", list_of(member, (0, ADDRESS_MAP_MEMBERS_MAX))),
    ]
}

/// A map as lists and edits answer it.
fn head() -> Value {
    named("AddressMapHead", object(head_fields(), []))
}

fn head_fields() -> [(&'static str, Value); 8] {
    [
        ("id", id()),
        ("description", or_null(text())),
        ("enabled", flag()),
        ("default_sni", or_null(text())),
        ("can_delete", only(true)),
        ("can_modify_ips", only(true)),
        ("created_at", stamp()),
        ("modified_at", stamp()),
    ]
}

fn whole() -> Value {
    let ip = object([("ip", address()), ("created_at", stamp())], []);
    let kinds = [MemberKind::Zone, MemberKind::Account].map(MemberKind::name);
    let member = object(
        [("kind", word(kinds)), ("identifier", id()), ("can_delete", only(true)), ("created_at", stamp())],
        [],
    );
    let [a, b, c, d, e, f, g, h] = head_fields();
    let fields = [a, b, c, d, e, f, g, h, ("ips", list(ip)), ("memberships", list(member))];
    named("AddressMap", object(fields, []))
}
