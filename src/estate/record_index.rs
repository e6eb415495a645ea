//! Where DNS records are: by zone, host name, type and what they say, with the bytes of their texts. So that one more record
//! is held against its like, and not against all of them.

use super::app_index::hashed;
use super::dns::{DnsRecord, RecordData, RecordType};
use super::id::Id;
use crate::base::SharedMap;

/// Zone, hash of the host name, type, hash of what it says, record.
type Place = (Id, u64, RecordType, u64, Id);

/// Ids of records by what finds them.
#[derive(Clone, Debug, Default)]
pub struct RecordIndex {
    /// Bytes of text by place.
    places: SharedMap<Place, usize>,
    /// Records of each zone that has any.
    counts: SharedMap<Id, usize>,
}

impl RecordIndex {
    /// A record was put in the place of another, or one of the two is none.
    pub fn turn(&mut self, old: Option<&DnsRecord>, new: Option<&DnsRecord>) {
        if let Some(old) = old {
            self.places.remove(&place(old));
            match self.count(old.zone) {
                0 | 1 => self.counts.remove(&old.zone),
                count => self.counts.insert(old.zone, count - 1),
            };
        }
        if let Some(new) = new {
            self.places.insert(place(new), text_bytes(&new.data));
            self.counts.insert(new.zone, self.count(new.zone) + 1);
        }
    }

    /// How many records a zone has.
    pub fn count(&self, zone: Id) -> usize {
        self.counts.get(&zone).copied().unwrap_or_default()
    }

    /// The records of a zone, in no order that means anything.
    pub fn of_zone(&self, zone: Id) -> impl Iterator<Item = Id> {
        let from = (zone, 0, RecordType::A, 0, Id::from_bits(0));
        self.places
            .iter_from(&from)
            .map(|(key, _)| *key)
            .take_while(move |key| key.0 == zone)
            .map(|key| key.4)
    }

    /// The records of a type under a host name, and now and then another one, with the bytes of their texts.
    pub fn at_name(&self, zone: Id, name: &str, kind: RecordType) -> impl Iterator<Item = (Id, usize)> {
        let here = (zone, hashed(name), kind);
        let from = (here.0, here.1, here.2, 0, Id::from_bits(0));
        let all = self.places.iter_from(&from).map(|(key, bytes)| (*key, *bytes));
        all.take_while(move |(key, _)| (key.0, key.1, key.2) == here).map(|(key, bytes)| (key.4, bytes))
    }

    /// The records under a host name that say the same, and now and then another one.
    pub fn saying(&self, zone: Id, name: &str, data: &RecordData) -> impl Iterator<Item = Id> {
        let here = (zone, hashed(name), data.kind(), hash_of(data));
        let from = (here.0, here.1, here.2, here.3, Id::from_bits(0));
        let all = self.places.iter_from(&from).map(|(key, _)| *key);
        all.take_while(move |key| (key.0, key.1, key.2, key.3) == here).map(|key| key.4)
    }
}

fn place(record: &DnsRecord) -> Place {
    let DnsRecord { id, zone, name, data, .. } = record;
    (*zone, hashed(name.as_str()), data.kind(), hash_of(data), *id)
}

/// The same for two that are the same (`RecordData::is_same`).
fn hash_of(data: &RecordData) -> u64 {
    match data {
        RecordData::Txt(text) => hashed(&text.bytes()),
        RecordData::A(_)
        | RecordData::Aaaa(_)
        | RecordData::Caa { .. }
        | RecordData::Cname(_)
        | RecordData::Mx { .. }
        | RecordData::Ns(_)
        | RecordData::Srv { .. } => hashed(data),
    }
}

fn text_bytes(data: &RecordData) -> usize {
    if let RecordData::Txt(text) = data { text.bytes().len() } else { 0 }
}
