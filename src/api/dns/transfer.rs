//! `/zones/{zone}/dns_records/export` and `/import`: all records of a zone as a zone file, and those of a zone file as new records,
//! all or none. Records that are there already, or that apps have, are passed over, so that a file may be imported again.

use super::read;
use super::records::{READ, WRITE, admitted};
use super::row::{Line, lines, managed};
use super::zone_file::{Entries, Fault, Read, Reader, Wrong, head, title, written};
use crate::api::answer::{Answer, ERRORS_MAX, ErrorItem, Failure, Success};
use crate::api::ask::Ask;
use crate::api::code::ApiCode;
use crate::api::fields::wrong;
use crate::api::form::Upload;
use crate::api::list::streamed;
use crate::api::office::{Office, Plan, Terms};
use crate::base::Addr;
use crate::base::limits::{DNS_FILE_BYTES_MAX, DNS_FILE_RECORDS_MAX};
use crate::control::rfc3339;
use crate::estate::{
    Change, DnsRecord, Entity, Estate, Id, RecordData, RecordType, Said, Stamp, Zone, dynamic_name, said_id,
};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// The form's fields.
const FILE: &str = "file";
const PROXIED: &str = "proxied";
/// Lines of a file that are told by themselves where their records are passed over.
const PASSED_TOLD_MAX: usize = 20;

/// `GET /zones/{zone}/dns_records/export`.
///
/// # Errors
/// See `Failure`.
pub async fn export(
    State(office): State<Arc<Office>>,
    Path(zone): Path<String>,
    ask: Ask,
) -> Result<Response, Failure> {
    let now = office.now();
    let parts = office.look(move |estate| {
        let zone = ask.zone(&zone, estate, READ)?;
        ask.query.close()?;
        let mut lines = lines(estate, &zone);
        lines.sort_unstable_by(|one, other| {
            let kinds = place_of(one.kind()).cmp(&place_of(other.kind()));
            kinds.then_with(|| one.order(other))
        });
        let newest = lines.iter().filter_map(|line| line.modified_on(estate)).max();
        let begin = head(&zone, newest, now);
        // A client that reads slowly holds an id a record: the record is made when its turn comes, of the estate as it is now.
        let ids: Vec<Id> = lines.iter().map(Line::id).collect();
        let (estate, mut section) = (estate.clone(), None);
        let lines = ids.into_iter().filter_map(move |id| {
            let record = shown(id, &estate, &zone)?;
            let kind = record.data.kind();
            let begins = section.replace(kind) != Some(kind);
            Some(if begins { format!("{}{}", title(kind), written(&record)) } else { written(&record) })
        });
        Ok(std::iter::once(begin).chain(lines))
    });
    Ok(streamed(parts.await?, "text/plain; charset=utf-8"))
}

/// The record with this id: one of the operator's, or one that apps have.
fn shown<'e>(id: Id, estate: &'e Estate, zone: &Zone) -> Option<Cow<'e, DnsRecord>> {
    match estate.dns_records.get(id) {
        Some(record) => Some(Cow::Borrowed(record)),
        None => managed(estate, zone, id).map(|row| Cow::Owned(row.into_record())),
    }
}

fn place_of(kind: RecordType) -> Option<usize> {
    RecordType::ALL.iter().position(|one| *one == kind)
}

/// `POST /zones/{zone}/dns_records/import`: `multipart/form-data` with `file`, and `proxied` for records that do not say.
///
/// # Errors
/// See `Failure`; each error of the file names its line, a quota that is used up none.
pub async fn import(
    State(office): State<Arc<Office>>,
    Path(zone): Path<String>,
    Upload { ask, form }: Upload,
) -> Answer {
    let (begun, errand) = (office.now(), ask.errand()?);
    ask.zone(&zone, &office.estate(), WRITE)?;
    let form = form.fields([FILE, PROXIED]).await.map_err(|error| wrong(FILE, &error.to_string()))?;
    let [file, proxied] = form.map(|field| field.map(|field| field.bytes));
    let file = file.ok_or_else(|| wrong(FILE, "is missing: the zone file, as a field of the form"))?;
    if file.len() > DNS_FILE_BYTES_MAX {
        let text = format!("the zone file is larger than {DNS_FILE_BYTES_MAX} bytes");
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, ApiCode::TooLarge, text));
    }
    let file = String::from_utf8(file.into()).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + good.filter(|byte| **byte == b'\n').count();
        wrong(FILE, &format!("line {line}: the text is no UTF-8"))
    })?;
    let proxied = match proxied.as_deref() {
        None | Some(b"" | b"false") => false,
        Some(b"true") => true,
        Some(_) => return Err(wrong(PROXIED, "must be true or false")),
    };
    let (first, terms) = (office.new_id()?, office.terms.clone());
    let answer = office.change(errand, move |estate, now| {
        let zone = ask.zone(&zone, estate, WRITE)?;
        let draft = Draft::new((estate, &zone), (first, now), &terms);
        draft.take_all(&file, Reader::new(&zone.name, proxied))
    });
    let answer = answer.await?;
    let ended = office.now();
    let process_time = ended.micros().saturating_sub(begun.micros()) as f64 / 1e6;
    let timing = json!({
        "start_time": rfc3339(begun.micros()), "end_time": rfc3339(ended.micros()), "process_time": process_time,
    });
    Ok(Success { timing: Some(timing), ..answer })
}

/// What was planned so far.
struct Draft<'d> {
    estate: Estate,
    change: Change,
    zone: &'d Zone,
    terms: &'d Terms,
    first: Id,
    now: Stamp,
    parsed: usize,
    added: usize,
    /// Lines of records that are there already.
    passed: Vec<usize>,
    words: BTreeSet<String>,
    errors: Vec<ErrorItem>,
}

impl<'d> Draft<'d> {
    fn new((estate, zone): (&Estate, &'d Zone), (first, now): (Id, Stamp), terms: &'d Terms) -> Self {
        let (estate, change) = (estate.clone(), Change::default());
        let (passed, words, errors) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { estate, change, zone, terms, first, now, parsed: 0, added: 0, passed, words, errors }
    }

    fn take_all(mut self, file: &str, mut reader: Reader) -> Result<Plan, Failure> {
        for entry in Entries::of(file) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Fault { line, text }) => {
                    self.refuse(line, ApiCode::BadField.number(), text);
                    break;
                }
            };
            match reader.read(&entry) {
                Ok(Read::Directive) => {}
                Ok(Read::Soa) => {
                    self.words.insert("the SOA record is left out: byway answers no DNS".into());
                }
                Ok(Read::Record(_)) if self.parsed == DNS_FILE_RECORDS_MAX => {
                    let text = format!("the file has more than {DNS_FILE_RECORDS_MAX} records");
                    self.refuse(entry.line, ApiCode::BadField.number(), &text);
                    break;
                }
                Ok(Read::Record(body)) => self.record(entry.line, &body)?,
                Err(Wrong { code, text }) => self.refuse(entry.line, code.number(), &text),
            }
            if self.errors.len() >= ERRORS_MAX {
                break;
            }
        }
        self.plan()
    }

    fn record(&mut self, line: usize, body: &Map<String, Value>) -> Result<(), Failure> {
        self.parsed += 1;
        let id = Id::from_bits(self.first.bits().wrapping_add(self.parsed as u128));
        let place = (&self.estate, self.zone);
        let record = match read::record(body, self.zone, (id, self.now), None) {
            Ok(record) if is_there(&record, place) => {
                self.passed.push(line);
                return Ok(());
            }
            Ok(record) => admitted(body, record, place, self.terms),
            Err(failure) => Err(failure),
        };
        match record {
            Ok(made) => {
                self.added += 1;
                self.words.extend(made.words);
                self.estate.put(Entity::from(made.record.clone()));
                self.change.make(made.record);
            }
            Err(failure) if failure.status == StatusCode::BAD_REQUEST => {
                for error in failure.errors {
                    let part = error.pointer.as_deref().unwrap_or("").trim_start_matches('/');
                    self.refuse(line, error.code, &format!("{part}: {}", error.message));
                }
            }
            // A quota: what is wrong beside it is told first.
            Err(failure) if self.errors.is_empty() => return Err(failure),
            Err(_) => {}
        }
        Ok(())
    }

    fn refuse(&mut self, line: usize, code: u32, text: &str) {
        self.errors.push(ErrorItem::at(code, format!("/{FILE}"), format!("line {line}: {text}")));
    }

    fn plan(mut self) -> Result<Plan, Failure> {
        if !self.errors.is_empty() {
            self.errors.truncate(ERRORS_MAX);
            let errors = self.errors;
            return Err(Failure { status: StatusCode::BAD_REQUEST, errors, retry_after_s: None });
        }
        let mut words: Vec<String> = self.words.into_iter().collect();
        let told = self.passed.iter().take(PASSED_TOLD_MAX);
        words.extend(told.map(|line| format!("line {line}: the record is there already")));
        if self.passed.len() > PASSED_TOLD_MAX {
            words.push(format!("and {} more are there already", self.passed.len() - PASSED_TOLD_MAX));
        }
        let result = json!({ "recs_added": self.added, "total_records_parsed": self.parsed });
        let answer = Some(Success::of(result).saying(words));
        Ok(Plan { change: self.change, asked: Vec::new(), answer })
    }
}

/// Whether an operator's record is the same, or apps have it.
fn is_there(record: &DnsRecord, (estate, zone): (&Estate, &Zone)) -> bool {
    let name = record.name.as_str();
    let mut others = estate.records_saying(zone.id, name, &record.data);
    let said = match &record.data {
        RecordData::A(addr) => Some(Said::Address(Addr::from(IpAddr::V4(*addr)))),
        RecordData::Aaaa(addr) => Some(Said::Address(Addr::from(IpAddr::V6(*addr)))),
        RecordData::Cname(host) if host.as_str() == dynamic_name(zone.id, &zone.name, name) => {
            Some(Said::Dynamic)
        }
        RecordData::Cname(_)
        | RecordData::Caa { .. }
        | RecordData::Mx { .. }
        | RecordData::Ns(_)
        | RecordData::Srv { .. }
        | RecordData::Txt(_) => None,
    };
    others.any(|other| (other.ttl, other.proxied) == (record.ttl, record.proxied))
        || said.is_some_and(|said| estate.apps_saying(zone.id, said_id(zone.id, name, said)).next().is_some())
}
