//! What zones around a name have at it and below it. Once a zone of that name is made these are the new zone's names: what
//! stays in the outer zone is neither found nor replaced by anybody who looks in the nearer one.

use super::dns::{DnsRecord, RecordType};
use super::entity::{App, Zone};
use super::holdings::Estate;
use std::fmt;
use std::sync::Arc;

/// Something of an outer zone under a name.
#[derive(Clone, Debug)]
pub enum Below {
    /// An app.
    App(Arc<App>),
    /// A DNS record.
    Record(Arc<DnsRecord>),
}

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app) => {
                write!(f, "app {} ({} at {})", app.id, app.spec.edge, app.spec.dns.name.as_str())
            }
            Self::Record(record) => {
                write!(f, "DNS record {} ({} {})", record.id, record.data.kind().name(), record.name.as_str())
            }
        }
    }
}

/// Apps and records that zones around `name` have at it or below it, in the order of their names. Name servers at the name
/// itself are how an outer zone says that it ends there.
pub fn below(estate: &Estate, name: &str) -> Vec<Below> {
    let outer = |zone: &&Arc<Zone>| zone.name != name && lies_in(name, &zone.name);
    let mut found: Vec<(String, Below)> = Vec::new();
    for zone in estate.zones.iter().filter(outer) {
        let apps = estate.apps_of(zone.id).filter(|app| lies_in(app.spec.dns.name.as_str(), name));
        found.extend(apps.map(|app| (app.spec.dns.name.as_str().to_owned(), Below::App(app.clone()))));
        let records = estate.records_of(zone.id).filter(|record| lies_in(record.name.as_str(), name));
        let records = records.filter(|record| !delegates(record, name));
        found.extend(records.map(|record| (record.name.as_str().to_owned(), Below::Record(record.clone()))));
    }
    found.sort_by(|one, two| one.0.cmp(&two.0));
    found.into_iter().map(|(_, below)| below).collect()
}

/// Whether a record is a name server at the name of a zone.
pub(super) fn delegates(record: &DnsRecord, zone: &str) -> bool {
    record.data.kind() == RecordType::Ns && record.name.as_str() == zone
}

fn lies_in(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
