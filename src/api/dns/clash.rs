//! What may stand at one host name (RFC 1034 3.6.2, and Cloudflare's own rules): a CNAME beside no address and no other
//! CNAME, none of them where the name is delegated, nothing twice; and what apps have is theirs alone. Texts may stand
//! beside a CNAME, as Cloudflare allows.

use crate::api::answer::{ErrorItem, Failure};
use crate::api::code::ApiCode;
use crate::estate::{DnsRecord, Estate, Id, RecordType, Zone};
use crate::table::{AppSpec, DnsKind};
use axum::http::StatusCode;

/// What a host name has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Held {
    address: bool,
    cname: bool,
    ns: bool,
    /// An app has it.
    by_app: bool,
}

/// Holds a record that is to be against all others of its zone but the one that it follows.
///
/// # Errors
/// 400 with 81053 to 81058.
pub fn record_clash(estate: &Estate, zone: &Zone, record: &DnsRecord) -> Result<(), Failure> {
    let name = record.name.as_str();
    let mut others = estate.records_saying(zone.id, name, &record.data);
    if let Some(same) = others.find(|other| other.id != record.id) {
        let is_identical = (same.ttl, same.proxied) == (record.ttl, record.proxied);
        return Err(match is_identical {
            true => refused(ApiCode::RecordIdentical, "/content", "An identical record already exists."),
            false => refused(
                ApiCode::RecordThere,
                "/content",
                "The record already exists, with another ttl or proxied: change that one.",
            ),
        });
    }
    let held = held(estate, zone, name, Some(record.id)).with(apps(estate, zone, name, None));
    let ns = held.ns && name != zone.name;
    match record.data.kind() {
        RecordType::Cname if held.address || held.cname => Err(host_taken(held.by_app)),
        // The apex has name servers of its own, beside which addresses stand.
        RecordType::A | RecordType::Aaaa | RecordType::Cname if ns => Err(delegated()),
        RecordType::A | RecordType::Aaaa if held.cname => Err(cname_there(held.by_app)),
        RecordType::A | RecordType::Aaaa if held.by_app => Err(host_taken(true)),
        RecordType::Ns if (held.address || held.cname) && name != zone.name => {
            Err(refused(ApiCode::NotDelegated, "/name", "Non-NS records with that host already exist."))
        }
        RecordType::A
        | RecordType::Aaaa
        | RecordType::Caa
        | RecordType::Cname
        | RecordType::Mx
        | RecordType::Ns
        | RecordType::Srv
        | RecordType::Txt => Ok(()),
    }
}

/// Holds the name of an app that is to be against the zone's records and its apps of the other kind. One that has the
/// name already keeps it.
pub fn app_clash(spec: &AppSpec, estate: &Estate, (zone, id): (&Zone, Id)) -> Option<ErrorItem> {
    let name = spec.dns.name.as_str();
    if estate.apps.get(id).is_some_and(|old| old.zone == zone.id && old.spec.dns == spec.dns) {
        return None;
    }
    let apps = apps(estate, zone, name, Some(id));
    let plain = held(estate, zone, name, None);
    let failure = match spec.dns.kind {
        DnsKind::Address | DnsKind::Cname if plain.address || plain.cname => host_taken(false),
        DnsKind::Address | DnsKind::Cname if plain.ns && name != zone.name => delegated(),
        DnsKind::Address if apps.cname => cname_there(true),
        DnsKind::Cname if apps.address => host_taken(true),
        DnsKind::Address | DnsKind::Cname => return None,
    };
    failure.errors.into_iter().next().map(|error| ErrorItem { pointer: Some("/dns/name".into()), ..error })
}

fn held(estate: &Estate, zone: &Zone, name: &str, without: Option<Id>) -> Held {
    let has = |kind| {
        let mut records = estate.records_named(zone.id, name, kind);
        records.any(|record| Some(record.id) != without)
    };
    Held {
        address: has(RecordType::A) || has(RecordType::Aaaa),
        cname: has(RecordType::Cname),
        ns: has(RecordType::Ns),
        by_app: false,
    }
}

/// All apps of one name are of one kind: one of them says what it is.
fn apps(estate: &Estate, zone: &Zone, name: &str, without: Option<Id>) -> Held {
    let other = estate.apps_named(zone.id, name).find(|app| Some(app.id) != without);
    other.map_or_else(Held::default, |app| Held::of_app(app.spec.dns.kind))
}

impl Held {
    const fn of_app(kind: DnsKind) -> Self {
        let is_cname = match kind {
            DnsKind::Cname => true,
            DnsKind::Address => false,
        };
        Self { address: !is_cname, cname: is_cname, ns: false, by_app: true }
    }

    const fn with(self, other: Self) -> Self {
        Self {
            address: self.address || other.address,
            cname: self.cname || other.cname,
            ns: self.ns || other.ns,
            by_app: self.by_app || other.by_app,
        }
    }
}

fn host_taken(by_app: bool) -> Failure {
    let text = "An A, AAAA, or CNAME record with that host already exists.";
    refused(ApiCode::HostTaken, "/name", &told(text, by_app))
}

fn cname_there(by_app: bool) -> Failure {
    refused(ApiCode::CnameThere, "/name", &told("A CNAME record with that host already exists.", by_app))
}

fn delegated() -> Failure {
    refused(ApiCode::Delegated, "/name", "NS records with that host already exist.")
}

fn told(text: &str, by_app: bool) -> String {
    if by_app { format!("{text} It is that of a Spectrum app.") } else { text.to_owned() }
}

fn refused(code: ApiCode, pointer: &str, text: &str) -> Failure {
    Failure::of(StatusCode::BAD_REQUEST, ErrorItem::at(code.number(), pointer, text))
}
