//! Calls about DNS records, and what may stand at one name.

use super::files::{self, ZoneFile};
use super::model::{Model, NEW, Record};
use super::verbs::{NOBODY, Request, pick};
use axum::http::Method;
use byway::base::Rng;
use serde_json::{Value, json};

/// Types that records have here.
const KINDS: [&str; 9] = ["A", "A", "A", "AAAA", "CNAME", "CNAME", "TXT", "NS", "NS"];

/// A call about a record.
#[derive(Clone, PartialEq, Debug)]
pub enum RecordVerb {
    Make(Record),
    /// The record as it is to be; by the fields that are sent, or all of them.
    Turn(Record, Option<&'static str>),
    Drop {
        zone: String,
        id: String,
    },
    Import(ZoneFile),
}

/// Draws one for a box as it stands.
pub fn draw(rng: &mut Rng, model: &Model, zone: String) -> RecordVerb {
    if rng.chance_ppm(200_000) {
        return RecordVerb::Import(files::draw(rng, model, zone));
    }
    let Some(old) = pick(rng, &model.records).cloned().filter(|_| rng.chance_ppm(500_000)) else {
        return RecordVerb::Make(record(rng, model, zone));
    };
    // Now and then by another zone's path.
    let zone = if rng.chance_ppm(950_000) { old.zone.clone() } else { zone };
    let id = if rng.chance_ppm(950_000) { old.id.clone() } else { NOBODY.into() };
    let new = Record { id: id.clone(), ..record(rng, model, zone.clone()) };
    match rng.below(8) {
        0 | 1 => RecordVerb::Drop { zone, id },
        2..=4 => RecordVerb::Turn(new, None),
        5 => RecordVerb::Turn(Record { id, zone, name: new.name, ..old }, Some("name")),
        6 => {
            let content = content(rng, old.kind);
            RecordVerb::Turn(Record { id, zone, content, ..old }, Some("content"))
        }
        _ => RecordVerb::Turn(Record { id, zone, proxied: new.proxied, ..old }, Some("proxied")),
    }
}

pub fn record(rng: &mut Rng, model: &Model, zone: String) -> Record {
    let domain = model.zone(&zone).map_or("example.net", |zone| &zone.name);
    let name = match rng.below(10) {
        0 => domain.to_owned(),
        // It may belong to a nearer zone.
        1 => format!("n{}.sub.{domain}", rng.below(2)),
        _ => format!("n{}.{domain}", rng.below(4)),
    };
    let kind = if rng.chance_ppm(20_000) { "LOC" } else { KINDS[rng.below(KINDS.len() as u64) as usize] };
    let proxied = rng.chance_ppm(150_000);
    let ttl = if rng.chance_ppm(30_000) { 5 } else { [1, 1, 300, 86_400][rng.below(4) as usize] };
    let content = if kind == "CNAME" && rng.chance_ppm(100_000) { name.clone() } else { content(rng, kind) };
    Record { id: NEW.into(), zone, name, kind, content, ttl, proxied }
}

/// Few enough, so that records say the same twice.
fn content(rng: &mut Rng, kind: &str) -> String {
    let (number, is_bad) = (rng.below(2), rng.chance_ppm(40_000));
    match kind {
        "A" | "AAAA" if is_bad => "192.0.2".into(),
        "A" => format!("192.0.2.{number}"),
        "AAAA" => format!("2001:db8::{}", number + 1),
        "TXT" => format!("\"text {number}\""),
        _ => format!("host{number}.elsewhere.test"),
    }
}

impl RecordVerb {
    pub fn request(&self) -> Request {
        let of = |zone: &str| format!("/zones/{zone}/dns_records");
        match self {
            Self::Make(record) => Request::by(Method::POST, of(&record.zone), body(record)),
            Self::Turn(record, None) => {
                Request::by(Method::PUT, format!("{}/{}", of(&record.zone), record.id), body(record))
            }
            Self::Turn(record, Some(field)) => {
                let merged = json!({ (*field): body(record)[field] });
                Request::by(Method::PATCH, format!("{}/{}", of(&record.zone), record.id), merged)
            }
            Self::Drop { zone, id } => Request::by(Method::DELETE, format!("{}/{id}", of(zone)), Value::Null),
            Self::Import(file) => file.request(),
        }
    }

    /// What the box is afterwards.
    ///
    /// # Errors
    /// The code by which the call is refused.
    pub fn after(&self, model: &Model) -> Result<Model, u64> {
        let mut next = model.clone();
        match self {
            Self::Make(record) => {
                model.zone(&record.zone).ok_or(10_006_u64)?;
                if let Taken::New(record) = taken(model, record, None, |_| false)? {
                    next.records.push(record);
                }
            }
            Self::Turn(record, _) => {
                let place = found(model, (&record.zone, &record.id))?;
                let old = &model.records[place];
                if let Taken::New(record) = taken(model, record, Some(old), |record| record == old)? {
                    next.records[place] = record;
                }
            }
            Self::Drop { zone, id } => drop(next.records.remove(found(model, (zone, id))?)),
            Self::Import(file) => return file.after(model),
        }
        Ok(next)
    }
}

fn body(record: &Record) -> Value {
    json!({
        "type": record.kind, "name": record.name, "content": record.content, "ttl": record.ttl, "proxied": record.proxied,
    })
}

fn found(model: &Model, (zone, id): (&str, &str)) -> Result<usize, u64> {
    model.zone(zone).ok_or(10_006_u64)?;
    model.records.iter().position(|one| one.id == id && one.zone == zone).ok_or(81_044)
}

/// What comes of a record that is sent.
pub enum Taken {
    /// As it is kept.
    New(Record),
    /// It changes nothing.
    AsItIs,
}

/// Whether a record is right, and may stand where it is to stand; what changes nothing is not asked the second.
///
/// # Errors
/// The code by which it is refused.
pub fn taken(
    model: &Model,
    record: &Record,
    old: Option<&Record>,
    is_there: impl Fn(&Record) -> bool,
) -> Result<Taken, u64> {
    let is_host = ["A", "AAAA", "CNAME"].contains(&record.kind);
    match record.kind {
        "LOC" => return Err(9_002),
        "A" if record.content == "192.0.2" => return Err(9_005),
        "AAAA" if record.content == "192.0.2" => return Err(9_006),
        "CNAME" if record.content == record.name => return Err(9_007),
        _ if record.proxied && !is_host => return Err(9_004),
        _ if record.ttl == 5 => return Err(9_021),
        _ => {}
    }
    let record = Record { ttl: if record.proxied { 1 } else { record.ttl }, ..record.clone() };
    if is_there(&record) {
        return Ok(Taken::AsItIs);
    }
    let keeps_name = old.is_some_and(|old| old.name == record.name);
    if !keeps_name && model.home(&record.name).map(|home| &home.id) != Some(&record.zone) {
        return Err(9_000);
    }
    match clash(model, &record) {
        None => Ok(Taken::New(record)),
        Some(code) => Err(code),
    }
}

fn clash(model: &Model, record: &Record) -> Option<u64> {
    let others = || {
        let at = model.records.iter().filter(|one| one.zone == record.zone && one.name == record.name);
        // One that the same call made has no id of its own yet.
        at.filter(|one| one.id != record.id || one.id == NEW)
    };
    if let Some(same) = others().find(|one| (one.kind, &one.content) == (record.kind, &record.content)) {
        let is_identical = (same.ttl, same.proxied) == (record.ttl, record.proxied);
        return Some(if is_identical { 81_058 } else { 81_057 });
    }
    let has = |kinds: &[&str]| others().any(|one| kinds.contains(&one.kind));
    let by_app = model.apps.iter().any(|app| app.zone == record.zone && app.name == record.name);
    let apex = model.zone(&record.zone).is_some_and(|zone| zone.name == record.name);
    let (address, cname) = (has(&["A", "AAAA"]) || by_app, has(&["CNAME"]));
    match record.kind {
        "CNAME" if address || cname => Some(81_053),
        "A" | "AAAA" | "CNAME" if has(&["NS"]) && !apex => Some(81_056),
        "A" | "AAAA" if cname => Some(81_054),
        "A" | "AAAA" if by_app => Some(81_053),
        "NS" if (address || cname) && !apex => Some(81_055),
        _ => None,
    }
}
