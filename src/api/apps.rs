//! Spectrum apps of a zone: list, create, get, update, merge, delete (`reference/spectrum.md`, sections 1 and 2).

use super::answer::{Answer, Failure, Success, said};
use super::ask::{Ask, path_id};
use super::list::Listed;
use super::office::{Office, Plan, Terms};
use super::query::Direction;
use super::{app_rules, merge, quotas};
use crate::control::config::tables::{AppGround, Code, OneApp, app_json, one_app};
use crate::control::rfc3339;
use crate::estate::{App, Change, Entity, Estate, Id, Level, Permission, Stamp, Zone};
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const READ: (Permission, Level) = (Permission::ZoneSettings, Level::Read);
const WRITE: (Permission, Level) = (Permission::ZoneSettings, Level::Write);

/// Fields that only byway writes; what a client sends of them is left aside, as Cloudflare does.
const READ_ONLY: [&str; 3] = ["id", "created_on", "modified_on"];

/// `GET /zones/{zone}/spectrum/apps`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &zone, &ask)).await
}

fn page(estate: &Estate, zone: &str, ask: &Ask) -> Listed {
    let zone = ask.zone(zone, estate, READ)?;
    let order = ask.query.word("order", &["protocol", "app_id", "created_on", "modified_on", "dns"])?;
    let direction = ask.query.direction()?;
    let page = ask.query.page()?;
    ask.query.close()?;
    let mut apps: Vec<&Arc<App>> = estate.apps_of(zone.id).collect();
    sort(&mut apps, order.unwrap_or("dns"));
    if direction == Direction::Desc {
        apps.reverse();
    }
    Ok(page.list(apps, |app| app_json(&app.spec)))
}

/// By the field, and by id where that is equal.
fn sort(apps: &mut [&Arc<App>], order: &str) {
    match order {
        "app_id" => apps.sort_by_key(|app| app.id),
        "protocol" => apps.sort_by_cached_key(|app| (app.spec.edge.to_string(), app.id)),
        "created_on" => apps.sort_by(|a, b| (&a.spec.created_on, a.id).cmp(&(&b.spec.created_on, b.id))),
        "modified_on" => apps.sort_by(|a, b| (&a.spec.modified_on, a.id).cmp(&(&b.spec.modified_on, b.id))),
        _ => apps.sort_by(|a, b| (&a.spec.dns.name, a.id).cmp(&(&b.spec.dns.name, b.id))),
    }
}

/// `POST /zones/{zone}/spectrum/apps`.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (id, terms) = (office.new_id()?, office.terms.clone());
    let plan = move |estate: &Estate, now| {
        let zone = ask.zone(&zone, estate, WRITE)?;
        quotas::apps(estate, zone.account, terms.apps_per_account)?;
        let stamp: Box<str> = rfc3339(Stamp::micros(now)).into();
        let (app, messages) = read(&ask, ask.object()?, (estate, &zone, id), &terms)?;
        let spec = crate::table::AppSpec { created_on: Some(stamp.clone()), modified_on: Some(stamp), ..app };
        let mut change = Change::default();
        let answer = Success::of(app_json(&spec)).saying(messages);
        let asked = vec![spec.id];
        change.make(App { id, zone: zone.id, spec });
        Ok(Plan { change, asked, answer: Some(answer) })
    };
    office.change(errand, plan).await
}

/// `GET /zones/{zone}/spectrum/apps/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let zone = ask.zone(&zone, &estate, READ)?;
    let app = find(&estate, &zone, &id)?;
    Ok(Success::of(app_json(&app.spec)))
}

/// `PUT /zones/{zone}/spectrum/apps/{id}`: replaces it.
///
/// # Errors
/// See `Failure`.
pub async fn update(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let terms = office.terms.clone();
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let app = find(estate, &zone, &id)?;
            replace(&ask, ask.object()?, (estate, &zone, &app), (&terms, now))
        })
        .await
}

/// `PATCH /zones/{zone}/spectrum/apps/{id}`: merges the body into it (RFC 7396); `null` leaves a field out.
///
/// # Errors
/// See `Failure`.
pub async fn edit(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let terms = office.terms.clone();
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let app = find(estate, &zone, &id)?;
            let mut whole = app_json(&app.spec);
            merge::merge(&mut whole, Value::Object(ask.object()?));
            let Value::Object(whole) = whole else {
                return Err(super::office::internal("an app is an object"));
            };
            replace(&ask, whole, (estate, &zone, &app), (&terms, now))
        })
        .await
}

/// `DELETE /zones/{zone}/spectrum/apps/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let app = find(estate, &zone, &id)?;
            let mut change = Change::default();
            let answer = Some(Success::of(json!({ "id": app.id.to_string() })));
            change.remove(Entity::App(app));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// The app of a path.
fn find(estate: &Estate, zone: &Zone, id: &str) -> Result<Arc<App>, Failure> {
    let app = estate.apps.get(path_id(id)?).filter(|app| app.zone == zone.id);
    app.cloned().ok_or_else(|| Failure::not_found("app in this zone"))
}

fn replace(
    ask: &Ask,
    body: Map<String, Value>,
    (estate, zone, old): (&Estate, &Zone, &Arc<App>),
    (terms, now): (&Terms, Stamp),
) -> Result<Plan, Failure> {
    let (spec, messages) = read(ask, body, (estate, zone, old.id), terms)?;
    if spec.dns.kind != old.spec.dns.kind {
        let text = "cannot be changed: delete the app and make it anew";
        return Err(Failure::field(Code::DnsType.number(), "/dns/type", text));
    }
    let stamps = |modified| (old.spec.created_on.clone(), modified);
    let (created_on, modified_on) = stamps(old.spec.modified_on.clone());
    let mut spec = crate::table::AppSpec { created_on, modified_on, ..spec };
    if spec != old.spec {
        spec.modified_on = Some(rfc3339(now.micros()).into());
    }
    let (mut change, asked) = (Change::default(), vec![spec.id]);
    let answer = Some(Success::of(app_json(&spec)).saying(messages));
    change.turn(Entity::App(old.clone()), App { id: old.id, zone: zone.id, spec });
    Ok(Plan { change, asked, answer })
}

/// Reads a body as an app of a zone, and holds it against all others.
///
/// # Errors
/// See `Failure`; all that is wrong at once.
pub fn read(
    ask: &Ask,
    mut body: Map<String, Value>,
    (estate, zone, id): (&Estate, &Zone, Id),
    terms: &Terms,
) -> Result<(crate::table::AppSpec, Vec<String>), Failure> {
    READ_ONLY.iter().for_each(|key| drop(body.remove(*key)));
    // Sent by older clients; says nothing.
    body.insert("id".into(), id.to_string().into());
    let (scope, prefixes) = (zone.id.scope(), estate.prefix_map());
    let has_certificates = estate.certificates_of(zone.id).next().is_some();
    let ground = AppGround { reserved: &terms.reserved, prefixes: &prefixes, zone: &scope, has_certificates };
    let text = Value::Object(body).to_string();
    let OneApp { spec, messages } = one_app(text.as_bytes(), ground)?;
    app_rules::hold(ask, &spec, (estate, zone, id))?;
    quotas::origins(estate, zone.account, (&spec, id), terms.origins_per_account)?;
    quotas::names(estate, zone, (spec.dns.name.as_str(), id), terms.names_per_account)?;
    Ok((spec, said(&messages)))
}

/// `GET /zones/{zone}/spectrum/protocols`: what may stand in `protocol`; without `ports` any port may.
///
/// # Errors
/// See `Failure`.
pub async fn protocols(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    ask.zone(&zone, &office.estate(), READ)?;
    ask.query.close()?;
    let row = |name: &str, description: &str, transport: &str, ports: &[u16]| json!({ "name": name, "description": description, "transport": transport, "ports": ports });
    Ok(Success::of(json!([
        row("ssh", "Secure Shell", "tcp", &[22]),
        row("rdp", "Remote Desktop Protocol", "tcp", &[3389]),
        row("tcp", "Any TCP port or range of ports: tcp/N, tcp/A-B", "tcp", &[]),
        row("udp", "Any UDP port or range of ports: udp/N, udp/A-B", "udp", &[]),
    ])))
}
