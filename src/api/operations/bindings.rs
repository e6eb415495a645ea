//! Services and service bindings of prefixes (`api::addressing::bindings`).

use crate::api::addressing::bindings;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{body, cidr, id, list, named, object, only, word};
use crate::api::openapi::{Operation, Want};
use crate::control::config::tables::Code;
use crate::estate::{Level, Permission, Service};
use serde_json::Value;

const READ: Want = Want::There(Permission::IpPrefixes, Level::Read);
const WRITE: Want = Want::There(Permission::IpPrefixes, Level::Write);

/// What `api::addressing::bindings` answers.
pub fn operations() -> Vec<Operation> {
    let all = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/bindings";
    let one = "/accounts/{account_id}/addressing/prefixes/{prefix_id}/bindings/{binding_id}";
    let service = object([("id", id()), ("name", word(Service::ALL.map(Service::name)))], []);
    vec![
        Operation::get("/accounts/{account_id}/addressing/services", bindings::services)
            .named("services_list", "What addresses may be bound to")
            .wants(READ)
            .answers(list(named("Service", service)))
            .fails(404, &[ApiCode::NotFound]),
        Operation::get(all, bindings::list)
            .named("service_bindings_list", "Bindings of a prefix")
            .wants(READ)
            .pages(binding())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::post(all, bindings::create)
            .named("service_bindings_create", "Bind a prefix, or a range of it, to a service")
            .wants(WRITE)
            .takes(named("BindingBody", body([("cidr", cidr()), ("service_id", id())], [])))
            .creates(binding())
            .fails(400, &[ApiCode::AddressingNotFound, ApiCode::AddressingCidr, ApiCode::AddressingState])
            .fails(400, &[Code::PoolEmpty])
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::get(one, bindings::get)
            .named("service_bindings_get", "A binding")
            .wants(READ)
            .answers(binding())
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound, ApiCode::AddressingNotWithin]),
        Operation::delete(one, bindings::delete)
            .named("service_bindings_delete", "Take a binding away that no app needs")
            .wants(WRITE)
            .fails(400, &[ApiCode::AddressingState])
            .fails(400, &[Code::PoolEmpty])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound, ApiCode::AddressingNotWithin]),
    ]
}

fn binding() -> Value {
    let binding = object(
        [
            ("id", id()),
            ("cidr", cidr()),
            ("service_id", id()),
            ("service_name", word(Service::ALL.map(Service::name))),
            ("provisioning", object([("state", only("active"))], [])),
        ],
        [],
    );
    named("ServiceBinding", binding)
}
