//! `POST /zones/{zone}/dns_records/batch`: deletions, then merges, then replacements, then new ones; all or none. Errors
//! point at the item.

use super::records::{Made, WRITE, created, find, merged, replaced};
use super::row::Row;
use crate::api::answer::{Answer, ErrorItem, Failure, Success};
use crate::api::ask::Ask;
use crate::api::code::ApiCode;
use crate::api::fields;
use crate::api::office::{Office, Plan, Terms};
use crate::base::limits::DNS_BATCH_MAX;
use crate::estate::{Change, DnsRecord, Entity, Estate, Id, Key, Stamp, Zone};
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The lists of a batch, in the order in which they are carried out.
const LISTS: [&str; 4] = ["deletes", "patches", "puts", "posts"];

/// What was planned so far.
struct Draft<'d> {
    estate: Estate,
    change: Change,
    zone: &'d Zone,
    terms: &'d Terms,
    now: Stamp,
    words: Vec<String>,
}

/// See the file's header.
///
/// # Errors
/// See `Failure`.
pub async fn batch(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (first, terms) = (office.new_id()?, office.terms.clone());
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let body = ask.object()?;
            let lists = lists(&body)?;
            let (estate, change, words) = (estate.clone(), Change::default(), Vec::new());
            let mut draft = Draft { estate, change, zone: &zone, terms: &terms, now, words };
            let mut result = json!({});
            for (list, items) in LISTS.iter().zip(lists) {
                let mut rows = Vec::with_capacity(items.len());
                for (at, item) in (0_u128..).zip(items) {
                    let id = Id::from_bits(first.bits().wrapping_add(at));
                    let row = draft.take(list, item, id);
                    rows.push(row.map_err(|failure| within(failure, &format!("/{list}/{at}")))?);
                }
                result[*list] = rows.into();
            }
            let answer = Some(Success::of(result).saying(draft.words));
            Ok(Plan { change: draft.change, asked: Vec::new(), answer })
        })
        .await
}

fn lists(body: &Map<String, Value>) -> Result<[&[Value]; 4], Failure> {
    let mut lists: [&[Value]; 4] = [&[]; 4];
    for (list, key) in lists.iter_mut().zip(LISTS) {
        match body.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => *list = items,
            Some(_) => return Err(fields::wrong(key, "must be a list of records")),
        }
    }
    let count: usize = lists.iter().map(|list| list.len()).sum();
    if count == 0 || count > DNS_BATCH_MAX {
        let text = format!("holds {count} records: a batch has 1 to {DNS_BATCH_MAX}");
        return Err(fields::wrong(LISTS[3], &text));
    }
    Ok(lists)
}

impl Draft<'_> {
    /// Plans one item; the row that is answered.
    fn take(&mut self, list: &str, item: &Value, id: Id) -> Result<Value, Failure> {
        let body = item
            .as_object()
            .ok_or_else(|| Failure::field(ApiCode::BadField.number(), "", "must be an object"))?;
        let place = (&self.estate, self.zone);
        if list == "posts" {
            let made = created(body, place, (id, self.now), self.terms)?;
            let row = made.json();
            self.make(made);
            return Ok(row);
        }
        let old = self.old(body)?;
        if list == "deletes" {
            let row = Row::plain(DnsRecord::clone(&old)).json();
            let old = Entity::DnsRecord(old);
            self.estate.take_out(Key::of(&old));
            self.change.remove(old);
            return Ok(row);
        }
        let follow = if list == "patches" { merged } else { replaced };
        let made = follow(body.clone(), place, (&old, self.now), self.terms)?;
        let row = made.json();
        self.turn(old, made);
        Ok(row)
    }

    fn old(&self, body: &Map<String, Value>) -> Result<Arc<DnsRecord>, Failure> {
        let id = body.get("id").and_then(Value::as_str).and_then(Id::parse);
        let id = id.ok_or_else(|| fields::wrong("id", "must be the id of a record of this zone"))?;
        find(&self.estate, self.zone, id)
    }

    fn make(&mut self, made: Made) {
        self.words.extend(made.words);
        self.estate.put(Entity::from(made.record.clone()));
        self.change.make(made.record);
    }

    fn turn(&mut self, old: Arc<DnsRecord>, made: Made) {
        self.words.extend(made.words);
        self.estate.put(Entity::from(made.record.clone()));
        self.change.turn(Entity::DnsRecord(old), made.record);
    }
}

/// The same failure, of an item of a list.
fn within(mut failure: Failure, place: &str) -> Failure {
    for error in &mut failure.errors {
        let pointer = format!("{place}{}", error.pointer.as_deref().unwrap_or(""));
        *error = ErrorItem { pointer: Some(pointer), ..error.clone() };
    }
    failure
}
