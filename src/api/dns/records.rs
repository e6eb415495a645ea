//! `/zones/{zone}/dns_records`: list, create, get, update, merge, delete. Records of apps are in the lists and can be
//! asked for; they change with their apps alone.

use super::clash::record_clash;
use super::filter::Filter;
use super::read;
use super::row::{Line, Row, lines, managed};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::code::ApiCode;
use crate::api::office::{Office, Plan, Terms, internal};
use crate::api::query::{Direction, Page};
use crate::api::tenants::in_use;
use crate::api::{merge, quotas};
use crate::base::limits::{DNS_RECORDS_PER_ZONE_MAX, TXT_BYTES_PER_NAME_MAX};
use crate::estate::{
    Change, DnsRecord, Entity, Estate, Id, Level, Permission, RecordData, RecordType, Stamp, Zone,
};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What reading wants.
pub const READ: (Permission, Level) = (Permission::Dns, Level::Read);
/// What changing wants.
pub const WRITE: (Permission, Level) = (Permission::Dns, Level::Write);

/// Records of a page where the client does not say, as Cloudflare has it: a zone may have any number.
const PER_PAGE: usize = 100;

/// A record that is to be, and what there is to say of it.
#[derive(Debug)]
pub struct Made {
    /// The record.
    pub record: DnsRecord,
    /// Fields that do nothing.
    pub words: Vec<String>,
}

/// `GET /zones/{zone}/dns_records`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    office.look(move |estate| page(estate, &zone, &ask)).await
}

fn page(estate: &Estate, zone: &str, ask: &Ask) -> Answer {
    let zone = ask.zone(zone, estate, READ)?;
    let filter = Filter::read(&ask.query)?;
    let order = ask.query.word("order", &["type", "name", "content", "ttl", "proxied"])?;
    let (direction, page) = (ask.query.direction()?, ask.query.page()?);
    ask.query.close()?;
    let mut lines = lines(estate, &zone);
    lines.retain(|line| filter.lets(line));
    sort(&mut lines, order.unwrap_or("name"));
    if direction == Direction::Desc {
        lines.reverse();
    }
    let page = Page { per_page: page.per_page.or(Some(PER_PAGE)), ..page };
    Ok(page.answer(lines, |line| line.json(estate)))
}

/// By the field; where that is equal by name, type and what they say, so that pages never overlap.
fn sort(lines: &mut [Line<'_>], order: &str) {
    lines.sort_unstable_by(Line::order);
    match order {
        "type" => lines.sort_by_key(|line| line.kind().name()),
        "content" => lines.sort_by_cached_key(Line::content),
        "ttl" => lines.sort_by_key(Line::ttl),
        "proxied" => lines.sort_by_key(Line::is_proxied),
        _ => {}
    }
}

/// `POST /zones/{zone}/dns_records`.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (id, terms) = (office.new_id()?, office.terms.clone());
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let made = created(&ask.object()?, (estate, &zone), (id, now), &terms)?;
            let mut change = Change::default();
            let answer = made.answer();
            change.make(made.record);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// `GET /zones/{zone}/dns_records/{id}`.
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
    let id = path_id(&id)?;
    let plain = estate.dns_records.get(id).filter(|record| record.zone == zone.id);
    let plain = plain.map(|record| Row::plain(DnsRecord::clone(record)));
    let row = plain.or_else(|| managed(&estate, &zone, id));
    row.map(|row| Success::of(row.json())).ok_or_else(missing)
}

/// `PUT /zones/{zone}/dns_records/{id}`: replaces it.
///
/// # Errors
/// See `Failure`.
pub async fn update(
    State(office): State<Arc<Office>>,
    Path(path): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    follow(office, path, ask, replaced).await
}

/// `PATCH /zones/{zone}/dns_records/{id}`: merges the body into it (RFC 7396); `null` leaves a field out.
///
/// # Errors
/// See `Failure`.
pub async fn edit(State(office): State<Arc<Office>>, Path(path): Path<(String, String)>, ask: Ask) -> Answer {
    follow(office, path, ask, merged).await
}

/// How a body becomes what follows a record.
type Follow = fn(Map<String, Value>, (&Estate, &Zone), (&DnsRecord, Stamp), &Terms) -> Result<Made, Failure>;

async fn follow(office: Arc<Office>, (zone, id): (String, String), ask: Ask, how: Follow) -> Answer {
    let errand = ask.errand()?;
    let terms = office.terms.clone();
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let old = find(estate, &zone, path_id(&id)?)?;
            let made = how(ask.object()?, (estate, &zone), (&old, now), &terms)?;
            let mut change = Change::default();
            let answer = made.answer();
            change.turn(Entity::DnsRecord(old), made.record);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// `DELETE /zones/{zone}/dns_records/{id}`.
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
            let record = find(estate, &zone, path_id(&id)?)?;
            let answer = Some(Success::of(json!({ "id": record.id.to_string() })));
            let mut change = Change::default();
            change.remove(Entity::DnsRecord(record));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// A record that its operator made.
///
/// # Errors
/// 404 with 81044; 400 where apps have it.
pub fn find(estate: &Estate, zone: &Zone, id: Id) -> Result<Arc<DnsRecord>, Failure> {
    if let Some(record) = estate.dns_records.get(id).filter(|record| record.zone == zone.id) {
        return Ok(record.clone());
    }
    let row = managed(estate, zone, id).ok_or_else(missing)?;
    Err(in_use(format!("the record is managed by Spectrum: change or delete {}", row.holders())))
}

/// Reads a new record and holds it against all others.
///
/// # Errors
/// See `Failure`.
pub fn created(
    body: &Map<String, Value>,
    (estate, zone): (&Estate, &Zone),
    (id, now): (Id, Stamp),
    terms: &Terms,
) -> Result<Made, Failure> {
    // A full zone is told before what is wrong with one more.
    refuse_full(estate, zone)?;
    admitted(body, read::record(body, zone, (id, now), None)?, (estate, zone), terms)
}

/// Holds a new record that was read against all others.
///
/// # Errors
/// See `Failure`.
pub fn admitted(
    body: &Map<String, Value>,
    record: DnsRecord,
    (estate, zone): (&Estate, &Zone),
    terms: &Terms,
) -> Result<Made, Failure> {
    refuse_full(estate, zone)?;
    held(body, record, (estate, zone), terms)
}

fn refuse_full(estate: &Estate, zone: &Zone) -> Result<(), Failure> {
    match estate.record_count(zone.id) < DNS_RECORDS_PER_ZONE_MAX {
        true => Ok(()),
        false => Err(quotas::used_up(&format!("the zone has {DNS_RECORDS_PER_ZONE_MAX} DNS records"))),
    }
}

/// Reads what takes a record's place.
///
/// # Errors
/// See `Failure`.
pub fn replaced(
    body: Map<String, Value>,
    (estate, zone): (&Estate, &Zone),
    (old, now): (&DnsRecord, Stamp),
    terms: &Terms,
) -> Result<Made, Failure> {
    let record = read::record(&body, zone, (old.id, now), Some(old))?;
    if record == *old {
        return Ok(Made { words: read::unused(&body, &record), record });
    }
    held(&body, record, (estate, zone), terms)
}

/// Merges a body into a record.
///
/// # Errors
/// See `Failure`.
pub fn merged(
    body: Map<String, Value>,
    place: (&Estate, &Zone),
    (old, now): (&DnsRecord, Stamp),
    terms: &Terms,
) -> Result<Made, Failure> {
    refuse_shadows(&body, old)?;
    let mut whole = Row::plain(old.clone()).json();
    merge::merge(&mut whole, Value::Object(body));
    let Value::Object(whole) = whole else { return Err(internal("a record is an object")) };
    replaced(whole, place, (old, now), terms)
}

/// What follows from `data` cannot be merged beside it.
fn refuse_shadows(body: &Map<String, Value>, old: &DnsRecord) -> Result<(), Failure> {
    let has_data = matches!(old.data.kind(), RecordType::Srv | RecordType::Caa) && !body.contains_key("type");
    let shadow = ["content", "priority"].into_iter().find(|key| body.contains_key(*key));
    match shadow.filter(|_| has_data && !body.contains_key("data")) {
        Some(key) => {
            let text = format!("follows from data of {} records: write data", old.data.kind().name());
            Err(Failure::field(ApiCode::RecordContent.number(), format!("/{key}"), text))
        }
        None => Ok(()),
    }
}

fn held(
    body: &Map<String, Value>,
    record: DnsRecord,
    (estate, zone): (&Estate, &Zone),
    terms: &Terms,
) -> Result<Made, Failure> {
    refuse_name_of_another_zone(estate, zone, &record)?;
    record_clash(estate, zone, &record)?;
    refuse_long_texts(estate, &record)?;
    quotas::names(estate, zone, (record.name.as_str(), record.id), terms.names_per_account)?;
    Ok(Made { words: read::unused(body, &record), record })
}

/// A new name is none that a zone nearer to it has.
fn refuse_name_of_another_zone(estate: &Estate, zone: &Zone, record: &DnsRecord) -> Result<(), Failure> {
    let has_it = estate.dns_records.get(record.id).is_some_and(|old| old.name == record.name);
    if has_it || estate.home(record.name.as_str()).is_none_or(|home| home.id == zone.id) {
        return Ok(());
    }
    let text = "belongs to another zone, which is nearer to it";
    Err(Failure::field(ApiCode::RecordName.number(), "/name", text))
}

/// All texts of a name together have a bound, so that an answer fits a message.
fn refuse_long_texts(estate: &Estate, record: &DnsRecord) -> Result<(), Failure> {
    let RecordData::Txt(text) = &record.data else { return Ok(()) };
    let others = estate.text_bytes(record.zone, record.name.as_str(), record.id);
    if others + text.bytes().len() <= TXT_BYTES_PER_NAME_MAX {
        return Ok(());
    }
    let text = format!("the texts of this name are longer than {TXT_BYTES_PER_NAME_MAX} bytes together");
    Err(Failure::field(ApiCode::RecordContent.number(), "/content", text))
}

fn missing() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, ApiCode::NoRecord, "Record does not exist.")
}

impl Made {
    /// As it is answered.
    pub fn json(&self) -> Value {
        Row::plain(self.record.clone()).json()
    }

    fn answer(&self) -> Success {
        Success::of(self.json()).saying(self.words.clone())
    }
}
