//! A record as lists have it: one that its operator made, or one that apps have. An app with static addresses has an A
//! or AAAA record for each; a host name with dynamic ones is a CNAME of a name that byway alone gives out.

use crate::control::{parse_rfc3339, rfc3339};
use crate::estate::{
    App, DnsRecord, Estate, Id, RecordData, RecordName, RecordSettings, Stamp, TargetName, Zone,
};
use crate::table::{DnsKind, EdgeIps};
use aws_lc_rs::digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the first label of dynamic names begins with; behind it stand 16 hex digits.
const DYNAMIC: &str = "spectrum-";

/// A record and the apps that it is managed by; none: its operator made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The record.
    pub record: DnsRecord,
    /// Its apps.
    pub apps: Vec<Id>,
}

/// All records of a zone.
pub fn rows(estate: &Estate, zone: &Zone) -> Vec<Row> {
    let plain = estate.records_of(zone.id);
    let plain = plain.map(|record| Row { record: DnsRecord::clone(record), apps: Vec::new() });
    plain.chain(managed(estate, zone)).collect()
}

/// Those of apps: one for each name and address, however many apps share it.
pub fn managed(estate: &Estate, zone: &Zone) -> impl Iterator<Item = Row> {
    let mut rows: BTreeMap<(RecordName, RecordData), Row> = BTreeMap::new();
    for app in estate.apps_of(zone.id) {
        // An app's name was read as a host name.
        let Ok(name) = RecordName::whole(app.spec.dns.name.as_str()) else { continue };
        for data in said_by(app, zone) {
            let key = (name.clone(), data.clone());
            let row =
                rows.entry(key).or_insert_with(|| Row { record: made(&name, data, zone), apps: Vec::new() });
            let (made, changed) =
                (stamp(app.spec.created_on.as_deref()), stamp(app.spec.modified_on.as_deref()));
            let first = row.apps.is_empty();
            row.record.created_on = if first { made } else { row.record.created_on.min(made) };
            row.record.modified_on = row.record.modified_on.max(changed);
            row.apps.push(app.id);
        }
    }
    rows.into_values()
}

/// Whether a name is one of those that dynamic apps lead to.
pub fn is_dynamic(name: &str, zone: &str) -> bool {
    let label = name.strip_suffix(zone).and_then(|rest| rest.strip_suffix('.'));
    let hex = label.and_then(|label| label.strip_prefix(DYNAMIC));
    hex.is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn said_by(app: &App, zone: &Zone) -> Vec<RecordData> {
    match (app.spec.dns.kind, &app.spec.edge_ips) {
        (DnsKind::Address, EdgeIps::Static(addrs)) => addrs
            .iter()
            .map(|addr| match addr.to_ip() {
                IpAddr::V4(v4) => RecordData::A(v4),
                IpAddr::V6(v6) => RecordData::Aaaa(v6),
            })
            .collect(),
        // A zone whose own name leaves no room for one more label has no names for dynamic apps.
        (DnsKind::Cname, EdgeIps::Dynamic(_)) => {
            dynamic(app.spec.dns.name.as_str(), zone).into_iter().map(RecordData::Cname).collect()
        }
        // An app's reader lets neither through.
        (DnsKind::Address, EdgeIps::Dynamic(_)) | (DnsKind::Cname, EdgeIps::Static(_)) => Vec::new(),
    }
}

fn dynamic(name: &str, zone: &Zone) -> Option<TargetName> {
    let hex = hashed(&["dynamic", &zone.id.to_string(), name]).to_string();
    TargetName::host(&format!("{DYNAMIC}{}.{}", &hex[..16], zone.name)).ok()
}

fn made(name: &RecordName, data: RecordData, zone: &Zone) -> DnsRecord {
    let words = ["record", &zone.id.to_string(), name.as_str(), data.kind().name(), &data.to_string()];
    DnsRecord {
        id: hashed(&words),
        zone: zone.id,
        name: name.clone(),
        data,
        ttl: 1,
        proxied: false,
        settings: RecordSettings::default(),
        comment: None,
        tags: Vec::new(),
        created_on: Stamp(0),
        modified_on: Stamp(0),
        comment_modified_on: None,
        tags_modified_on: None,
    }
}

/// An id that is the same for the same words, as long as there are such words.
fn hashed(words: &[&str]) -> Id {
    let digest = digest::digest(&digest::SHA256, words.join("\n").as_bytes());
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest.as_ref()[..16]);
    Id::from_bits(u128::from_be_bytes(bits))
}

fn stamp(text: Option<&str>) -> Stamp {
    Stamp(text.and_then(parse_rfc3339).unwrap_or(0))
}

impl Row {
    /// As it is answered.
    pub fn json(&self) -> Value {
        let record = &self.record;
        let is_managed = !self.apps.is_empty();
        let mut meta = json!({});
        if is_managed {
            let apps = self.apps.iter().map(ToString::to_string).collect::<Vec<_>>();
            meta = json!({ "auto_added": true, "read_only": true, "spectrum_apps": apps });
        }
        let mut row = json!({
            "id": record.id.to_string(),
            "name": record.name.as_str(),
            "type": record.data.kind().name(),
            "content": record.data.to_string(),
            "proxiable": record.data.kind().is_proxiable() && !is_managed,
            "proxied": record.proxied,
            "ttl": record.ttl,
            "settings": settings(record.settings),
            "meta": meta,
            "comment": record.comment,
            "tags": record.tags,
            "created_on": rfc3339(record.created_on.0),
            "modified_on": rfc3339(record.modified_on.0),
        });
        for (key, stamp) in [
            ("comment_modified_on", record.comment_modified_on),
            ("tags_modified_on", record.tags_modified_on),
        ] {
            if let Some(stamp) = stamp {
                row[key] = rfc3339(stamp.0).into();
            }
        }
        for (key, value) in parts(&record.data) {
            row[key] = value;
        }
        row
    }
}

fn settings(settings: RecordSettings) -> Value {
    let said = [
        ("ipv4_only", settings.ipv4_only),
        ("ipv6_only", settings.ipv6_only),
        ("flatten_cname", settings.flatten_cname),
    ];
    let said = said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into())));
    Value::Object(said.collect())
}

/// What stands beside `content`.
fn parts(data: &RecordData) -> Vec<(&'static str, Value)> {
    match data {
        RecordData::A(_)
        | RecordData::Aaaa(_)
        | RecordData::Cname(_)
        | RecordData::Ns(_)
        | RecordData::Txt(_) => Vec::new(),
        RecordData::Mx { priority, .. } => vec![("priority", (*priority).into())],
        RecordData::Srv { priority, weight, port, target } => {
            let data =
                json!({ "priority": priority, "weight": weight, "port": port, "target": target.as_str() });
            vec![("priority", (*priority).into()), ("data", data)]
        }
        RecordData::Caa { flags, property } => {
            vec![("data", json!({ "flags": flags, "tag": property.tag(), "value": property.value() }))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_names_are_known_again() {
        let id = Id::from_bits(7);
        let name = "example.net".to_owned();
        let zone = Zone { id, name, account: id, created_on: Stamp(0), modified_on: Stamp(0) };
        let target = dynamic("ssh.example.net", &zone).expect("a name");
        assert!(is_dynamic(target.as_str(), &zone.name), "{target:?}");
        assert_eq!(dynamic("ssh.example.net", &zone), Some(target));
        for other in ["spectrum-0.example.net", "example.net", "x.spectrum-0123456789abcdef.example.net"] {
            assert!(!is_dynamic(other, &zone.name), "{other}");
        }
    }
}
