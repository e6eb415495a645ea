//! Services and service bindings: which service the addresses of a prefix belong to, the most specific binding first.

use super::apps_at;
use super::words::{READ, WRITE, cidr_within, conflict, find, id as id_of, not_found_within, quota};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::code::ApiCode;
use crate::api::list::Listed;
use crate::api::office::{Office, Plan};
use crate::base::limits::BINDINGS_PER_PREFIX_MAX;
use crate::estate::{Approval, BgpPrefix, Binding, Change, Entity, Estate, Id, Prefix, Service, Stamp};
use crate::table::Reserved;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET .../services`.
///
/// # Errors
/// See `Failure`.
pub async fn services(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Answer {
    ask.query.close()?;
    ask.account(&account, &office.estate(), READ)?;
    let row = |service: Service| json!({ "id": service.id().to_string(), "name": service.name() });
    Ok(Success::of(Service::ALL.map(row).to_vec()))
}

/// `GET .../prefixes/{id}/bindings`.
///
/// # Errors
/// See `Failure`.
pub async fn list(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Listed {
    office.look(move |estate| page(estate, (&account, &id), &ask)).await
}

fn page(estate: &Estate, of: (&str, &str), ask: &Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    let prefix = find(ask, estate, of, READ)?;
    let mut rows: Vec<_> = estate.bindings_of(prefix.id).collect();
    rows.sort_by_key(|binding| (binding.cidr, binding.id));
    Ok(page.list(rows, binding_json))
}

/// `GET .../prefixes/{id}/bindings/{binding}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(
    State(office): State<Arc<Office>>,
    Path((account, id, binding)): Path<(String, String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let prefix = find(&ask, &estate, (&account, &id), READ)?;
    let binding = binding_of(&estate, &prefix, &binding)?;
    Ok(Success::of(binding_json(&binding)))
}

fn binding_of(estate: &Estate, prefix: &Prefix, id: &str) -> Result<Arc<Binding>, Failure> {
    let binding = estate.bindings.get(path_id(id)?).filter(|binding| binding.prefix == prefix.id);
    binding.cloned().ok_or_else(not_found_within)
}

/// `POST .../prefixes/{id}/bindings`: the first one equals the prefix and brings its route, which is withdrawn.
///
/// # Errors
/// See `Failure`.
pub async fn create(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let (binding, route, reserved) = (office.new_id()?, office.new_id()?, office.terms.reserved.clone());
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let binding = read(&ask.object()?, estate, &prefix, (binding, now))?;
            let mut change = Change::default();
            change.make(binding.clone());
            if estate.routes_of(prefix.id).all(|route| route.cidr != prefix.net.net()) {
                change.make(BgpPrefix::withdrawn(route, (prefix.id, prefix.net.net()), now));
            }
            keeps_apps(&ask, estate, (&change, &binding), &reserved)?;
            let answer = Success::of(binding_json(&binding)).status(StatusCode::CREATED);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// Reads a body as a binding, and holds it against those that its prefix has.
///
/// # Errors
/// See `Failure`.
pub fn read(
    body: &Map<String, Value>,
    estate: &Estate,
    prefix: &Prefix,
    (id, created_at): (Id, Stamp),
) -> Result<Binding, Failure> {
    if prefix.approved == Approval::Pending {
        let why = "the prefix is not approved: POST .../validate says what is missing";
        return Err(conflict("prefix_not_valid_and_approved", why));
    }
    let service = id_of(body, "service_id")?;
    let service = Service::ALL.into_iter().find(|known| known.id() == service).ok_or_else(|| {
        let text = "not_found: no such service; GET .../addressing/services lists them";
        Failure::field(ApiCode::AddressingNotFound.number(), "/service_id", text)
    })?;
    let (cidr, whole) = (cidr_within(body, prefix)?, prefix.net.net());
    let unsupported = |why: String| Err(conflict("unsupported_binding_configuration", why));
    let present: Vec<_> = estate.bindings_of(prefix.id).collect();
    if present.iter().any(|binding| binding.cidr == cidr) {
        return unsupported(format!("{cidr} is bound already"));
    }
    if present.is_empty() && cidr != whole {
        return unsupported(format!("the first binding of a prefix is of the whole of it: {whole}"));
    }
    if cidr != whole && service == Service::MagicTransit {
        return unsupported(format!("{} takes whole prefixes only", service.name()));
    }
    if present.len() >= BINDINGS_PER_PREFIX_MAX {
        return Err(quota(format_args!("{BINDINGS_PER_PREFIX_MAX} bindings of this prefix")));
    }
    Ok(Binding { id, prefix: prefix.id, cidr, service, created_at })
}

/// `DELETE .../prefixes/{id}/bindings/{binding}`.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((account, id, binding)): Path<(String, String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let reserved = office.terms.reserved.clone();
    office
        .change(errand, move |estate, _| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let binding = binding_of(estate, &prefix, &binding)?;
            if binding.cidr == prefix.net.net() {
                if estate.bindings_of(prefix.id).nth(1).is_some() {
                    let why = "delete the more specific bindings of the prefix first";
                    return Err(conflict("unsupported_binding_configuration", why));
                }
                if estate.routes_of(prefix.id).any(|route| route.advertised) {
                    return Err(conflict("prefix_is_advertised", "withdraw the routes of the prefix first"));
                }
            }
            let mut change = Change::default();
            change.remove(Entity::Binding(binding.clone()));
            keeps_apps(&ask, estate, (&change, &binding), &reserved)?;
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::bare()) })
        })
        .await
}

/// No app loses its Spectrum binding.
fn keeps_apps(
    ask: &Ask,
    estate: &Estate,
    (change, binding): (&Change, &Binding),
    reserved: &Reserved,
) -> Result<(), Failure> {
    let apps = apps_at::unbound(estate, &estate.with(change), (binding.cidr, reserved));
    if apps.is_empty() {
        return Ok(());
    }
    let names = apps_at::names(ask, estate, &apps);
    Err(conflict(
        "service_binding_in_use",
        format_args!("addresses would not be Spectrum's any more: {names}"),
    ))
}

fn binding_json(binding: &Binding) -> Value {
    json!({
        "id": binding.id.to_string(),
        "cidr": binding.cidr.to_string(),
        "service_id": binding.service.id().to_string(),
        "service_name": binding.service.name(),
        "provisioning": { "state": "active" },
    })
}
