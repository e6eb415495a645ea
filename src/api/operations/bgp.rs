//! Routes of prefixes (`api::addressing::bgp`).

use crate::api::addressing::bgp::{self, PREPENDS_MAX};
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{body, cidr, flag, id, named, object, only, or_null, stamp, whole};
use crate::api::openapi::{Operation, Want};
use crate::estate::{Level, Permission};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::BgpOnDemand, Level::Read);
const WRITE: Want = Want::There(Permission::BgpOnDemand, Level::Write);

/// What `api::addressing::bgp` answers.
pub fn operations() -> Vec<Operation> {
    [routes(), status()].concat()
}

fn routes() -> Vec<Operation> {
    let all = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/bgp/prefixes";
    let one = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/bgp/prefixes/{bgp_prefix_id}";
    vec![
        Operation::get(all, bgp::list)
            .named("bgp_prefixes_list", "Routes of a prefix")
            .wants(READ)
            .pages(route())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::post(all, bgp::create)
            .named("bgp_prefixes_create", "Make a more specific route, not announced")
            .wants(WRITE)
            .takes(body([("cidr", cidr())], []))
            .answers(route())
            .fails(400, &[ApiCode::AddressingCidr, ApiCode::AddressingState])
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::get(one, bgp::get)
            .named("bgp_prefixes_get", "A route")
            .wants(READ)
            .answers(route())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound, ApiCode::AddressingNotWithin]),
        Operation::patch(one, bgp::edit)
            .named("bgp_prefixes_edit", "Announce a route or withdraw it, and say how")
            .wants(WRITE)
            .takes(patch())
            .answers(route())
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound, ApiCode::AddressingNotWithin]),
        Operation::delete(one, bgp::delete)
            .named("bgp_prefixes_delete", "Delete a route that is withdrawn")
            .wants(WRITE)
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound, ApiCode::AddressingNotWithin]),
    ]
}

fn status() -> Vec<Operation> {
    let status = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/bgp/status";
    let answer = object([("advertised", flag()), ("advertised_modified_at", or_null(stamp()))], []);
    let answer = named("AdvertisementStatus", answer);
    vec![
        Operation::get(status, bgp::status)
            .named("advertisement_status_get", "Whether the route of the whole prefix is announced")
            .wants(READ)
            .answers(answer.clone())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::patch(status, bgp::set_status)
            .named("advertisement_status_edit", "Announce the route of the whole prefix, or withdraw it")
            .wants(WRITE)
            .takes(body([("advertised", flag())], []))
            .answers(answer)
            .fails(400, &[ApiCode::AddressingState])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
    ]
}

fn patch() -> Value {
    let optional = [
        ("on_demand", body([], [("advertised", flag())])),
        ("asn_prepend_count", whole(0, PREPENDS_MAX as i64)),
        ("auto_advertise_withdraw", flag()),
    ];
    named("BgpPrefixPatch", body([], optional))
}

fn route() -> Value {
    let signals = object([("enabled", only(false)), ("modified_at", json!({ "type": "null" }))], []);
    let on_demand = object(
        [
            ("advertised", flag()),
            ("advertised_modified_at", or_null(stamp())),
            ("on_demand_enabled", only(true)),
            ("on_demand_locked", only(false)),
        ],
        [],
    );
    let route = object(
        [
            ("id", id()),
            ("cidr", cidr()),
            ("asn", whole(1, u32::MAX.into())),
            ("asn_prepend_count", whole(0, PREPENDS_MAX as i64)),
            ("auto_advertise_withdraw", flag()),
            ("bgp_signal_opts", signals),
            ("on_demand", on_demand),
            ("created_at", stamp()),
            ("modified_at", stamp()),
        ],
        [],
    );
    named("BgpPrefix", route)
}
