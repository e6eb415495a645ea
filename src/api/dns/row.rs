//! A record as lists have it: one that its operator made, or one that apps have (`estate::said`). A list is filtered and
//! sorted as lines, which only point into the estate; a row is made of those that are answered.

use crate::control::{parse_rfc3339, rfc3339};
use crate::estate::{
    App, DnsRecord, Estate, Id, RecordData, RecordName, RecordSettings, RecordType, Said, Stamp, TargetName,
    Zone, dynamic_name, has_dynamic_names, said, said_id,
};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::net::IpAddr;

/// Apps of one record that are named: any number may share an address and a name.
const APPS_NAMED_MAX: usize = 10;

/// A record of a list, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Line<'e> {
    name: &'e str,
    zone: &'e Zone,
    source: Source<'e>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
enum Source<'e> {
    /// Its operator made it.
    Plain(&'e DnsRecord),
    /// Apps say so.
    Managed(Said),
}

/// A record and the apps that it is managed by; none: its operator made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    record: DnsRecord,
    /// The first of its apps.
    apps: Vec<Id>,
    /// How many apps it has.
    apps_count: usize,
}

/// All records of a zone: one for each name and address of apps, however many apps share it.
pub fn lines<'e>(estate: &'e Estate, zone: &'e Zone) -> Vec<Line<'e>> {
    let says = |app: &'e App| said(app).map(move |said| (app.spec.dns.name.as_str(), said));
    let is_there = |said: Said| said != Said::Dynamic || has_dynamic_names(&zone.name);
    let all = estate.apps_of(zone.id).flat_map(|app| says(app));
    let mut managed: Vec<(&str, Said)> = all.filter(|(_, said)| is_there(*said)).collect();
    managed.sort_unstable();
    managed.dedup();
    let plain = estate.records_of(zone.id).map(|record| (record.name.as_str(), Source::Plain(record)));
    let managed = managed.into_iter().map(|(name, said)| (name, Source::Managed(said)));
    plain.chain(managed).map(|(name, source)| Line { name, zone, source }).collect()
}

/// The record of apps of a zone with this id.
pub fn managed(estate: &Estate, zone: &Zone, id: Id) -> Option<Row> {
    let mut apps = estate.apps_saying(zone.id, id).peekable();
    let (first, said) = *apps.peek()?;
    // An app's name was read as a host name.
    let name = RecordName::whole(first.spec.dns.name.as_str()).ok()?;
    let data = data(said, name.as_str(), zone)?;
    let mut row = Row { record: made(id, name, data, zone), apps: Vec::new(), apps_count: 0 };
    apps.for_each(|(app, _)| row.add(app));
    Some(row)
}

fn data(said: Said, name: &str, zone: &Zone) -> Option<RecordData> {
    match said {
        Said::Address(addr) => Some(match addr.to_ip() {
            IpAddr::V4(v4) => RecordData::A(v4),
            IpAddr::V6(v6) => RecordData::Aaaa(v6),
        }),
        Said::Dynamic => {
            TargetName::host(&dynamic_name(zone.id, &zone.name, name)).ok().map(RecordData::Cname)
        }
    }
}

fn made(id: Id, name: RecordName, data: RecordData, zone: &Zone) -> DnsRecord {
    DnsRecord {
        id,
        zone: zone.id,
        name,
        data,
        ttl: 1,
        proxied: false,
        settings: RecordSettings::default(),
        comment: None,
        tags: Vec::new(),
        created_on: Stamp(u64::MAX),
        modified_on: Stamp(0),
        comment_modified_on: None,
        tags_modified_on: None,
    }
}

fn stamp(text: Option<&str>) -> Stamp {
    Stamp(text.and_then(parse_rfc3339).unwrap_or(0))
}

impl<'e> Line<'e> {
    /// The record where its operator made it.
    pub const fn plain(&self) -> Option<&'e DnsRecord> {
        match self.source {
            Source::Plain(record) => Some(record),
            Source::Managed(_) => None,
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'e str {
        self.name
    }

    /// Its type.
    pub const fn kind(&self) -> RecordType {
        match self.source {
            Source::Plain(record) => record.data.kind(),
            Source::Managed(Said::Address(addr)) if addr.is_v4() => RecordType::A,
            Source::Managed(Said::Address(_)) => RecordType::Aaaa,
            Source::Managed(Said::Dynamic) => RecordType::Cname,
        }
    }

    /// `content`.
    pub fn content(&self) -> String {
        match self.source {
            Source::Plain(record) => record.data.to_string(),
            Source::Managed(Said::Address(addr)) => addr.to_string(),
            Source::Managed(Said::Dynamic) => dynamic_name(self.zone.id, &self.zone.name, self.name),
        }
    }

    /// `ttl`; 1: as long as byway likes.
    pub fn ttl(&self) -> u32 {
        self.plain().map_or(1, |record| record.ttl)
    }

    /// `proxied`.
    pub fn is_proxied(&self) -> bool {
        self.plain().is_some_and(|record| record.proxied)
    }

    /// By name, type and what they say: no two are equal.
    pub fn order(&self, other: &Self) -> Ordering {
        let heads = (self.name, self.kind().name()).cmp(&(other.name, other.kind().name()));
        heads.then_with(|| match (self.source, other.source) {
            (Source::Plain(one), Source::Plain(two)) => (&one.data, one.id).cmp(&(&two.data, two.id)),
            (Source::Managed(one), Source::Managed(two)) => one.cmp(&two),
            (Source::Plain(_), Source::Managed(_)) => Ordering::Less,
            (Source::Managed(_), Source::Plain(_)) => Ordering::Greater,
        })
    }

    /// As it is answered.
    pub fn json(&self, estate: &Estate) -> Value {
        self.row(estate).map(|row| row.json()).unwrap_or_default()
    }

    /// The id of its record.
    pub fn id(&self) -> Id {
        match self.source {
            Source::Plain(record) => record.id,
            Source::Managed(said) => said_id(self.zone.id, self.name, said),
        }
    }

    /// When it changed last.
    pub fn modified_on(&self, estate: &Estate) -> Option<Stamp> {
        match self.source {
            Source::Plain(record) => Some(record.modified_on),
            Source::Managed(_) => self.row(estate).map(|row| row.record.modified_on),
        }
    }

    fn row(&self, estate: &Estate) -> Option<Row> {
        match self.source {
            Source::Plain(record) => Some(Row::plain(record.clone())),
            Source::Managed(_) => managed(estate, self.zone, self.id()),
        }
    }
}

impl Row {
    /// Of a record that its operator made.
    pub const fn plain(record: DnsRecord) -> Self {
        Self { record, apps: Vec::new(), apps_count: 0 }
    }

    /// One more app has the record.
    fn add(&mut self, app: &App) {
        let (made, changed) = (stamp(app.spec.created_on.as_deref()), stamp(app.spec.modified_on.as_deref()));
        self.record.created_on = self.record.created_on.min(made);
        self.record.modified_on = self.record.modified_on.max(changed);
        self.apps_count += 1;
        if self.apps.len() < APPS_NAMED_MAX {
            self.apps.push(app.id);
        }
    }

    /// The record alone.
    pub fn into_record(self) -> DnsRecord {
        self.record
    }

    /// Its apps, for people.
    pub fn holders(&self) -> String {
        let named = self.apps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self.apps_count - self.apps.len() {
            0 => format!("app {named}"),
            more => format!("app {named} and {more} more"),
        }
    }

    /// As it is answered.
    pub fn json(&self) -> Value {
        let record = &self.record;
        let is_managed = self.apps_count > 0;
        let mut meta = json!({});
        if is_managed {
            let apps = self.apps.iter().map(ToString::to_string).collect::<Vec<_>>();
            meta = json!({
                "auto_added": true,
                "read_only": true,
                "spectrum_apps": apps,
                "spectrum_apps_count": self.apps_count,
            });
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
