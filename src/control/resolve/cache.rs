//! The last good answers on disk, beside the last good table, so that a restart with dead name servers still serves.
//! What cannot be read is no reason to stop: it is said, and the names are asked for anew.

use crate::base::Addr;
use crate::base::limits::ORIGINS_PER_APP_MAX;
use crate::control::store::Store;
use crate::table::{DnsName, OriginDnsKind, OriginName, OriginRecord};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's name in the state folder.
const NAME: &str = "origins.json";
const VERSION: u32 = 1;

/// An answer as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// What was asked.
    pub question: OriginName,
    /// What was said.
    pub records: Arc<[OriginRecord]>,
    /// When, in seconds since the Unix epoch.
    pub learned_unix_s: u64,
}

/// Where answers are kept.
#[derive(Clone, Debug)]
pub struct OriginCache(Store);

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    names: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    r#type: String,
    learned_unix_s: u64,
    records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default)]
    priority: u16,
    #[serde(default)]
    weight: u16,
}

impl OriginCache {
    /// In `folder`, the state folder.
    pub fn new(folder: &Path) -> Self {
        Self(Store::named(folder, NAME))
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// Replaces what is kept.
    ///
    /// # Errors
    /// The system's; what was kept before is then untouched.
    pub fn save(&self, kept: &[Kept]) -> io::Result<()> {
        let file = File { version: VERSION, names: kept.iter().map(Entry::from).collect() };
        self.0.save(&serde_json::to_string(&file).map_err(io::Error::other)?)
    }

    /// What is kept; nothing where there is no file.
    ///
    /// # Errors
    /// The system's, and `InvalidData` for a file that is not ours.
    pub fn load(&self) -> io::Result<Vec<Kept>> {
        let Some(stored) = self.0.load()? else { return Ok(Vec::new()) };
        let file: File = serde_json::from_str(&stored.text)?;
        if file.version != VERSION {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "is of another version"));
        }
        Ok(file.names.into_iter().filter_map(Entry::read).collect())
    }
}

impl From<&Kept> for Entry {
    fn from(kept: &Kept) -> Self {
        let record = |record: &OriginRecord| Record {
            address: record.addr.to_ip(),
            port: record.port,
            priority: record.priority,
            weight: record.weight,
        };
        Self {
            name: kept.question.name.to_string(),
            r#type: kept.question.kind.name().into(),
            learned_unix_s: kept.learned_unix_s,
            records: kept.records.iter().map(record).collect(),
        }
    }
}

impl Entry {
    fn read(self) -> Option<Kept> {
        let kind = *OriginDnsKind::ALL.iter().find(|kind| kind.name() == self.r#type)?;
        let question = OriginName { name: DnsName::new(&self.name).ok()?, kind };
        let mut records: Vec<OriginRecord> = self.records.into_iter().map(Record::read).collect();
        records.sort_unstable();
        records.dedup();
        records.truncate(ORIGINS_PER_APP_MAX);
        let kept = Kept { question, records: records.into(), learned_unix_s: self.learned_unix_s };
        (!kept.records.is_empty()).then_some(kept)
    }
}

impl Record {
    fn read(self) -> OriginRecord {
        let Self { address, port, priority, weight } = self;
        OriginRecord { priority, addr: Addr::from(address), port: port.filter(|port| *port != 0), weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_kept_reads_back_and_a_foreign_file_is_an_error() {
        let folder = std::env::temp_dir().join(format!("byway-origins-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let cache = OriginCache::new(&folder);
        assert_eq!(cache.load().expect("readable"), []);
        let record =
            |last, port| OriginRecord { priority: 10, addr: Addr::v4([192, 0, 2, last]), port, weight: 3 };
        let kept = |name: &str, kind, port| Kept {
            question: OriginName { name: DnsName::new(name).expect("a name"), kind },
            records: vec![record(1, port), record(2, port)].into(),
            learned_unix_s: 1_700_000_000,
        };
        let all = [kept("o.x", OriginDnsKind::Both, None), kept("_s._tcp.x", OriginDnsKind::Srv, Some(7))];
        cache.save(&all).expect("saved");
        assert_eq!(cache.load().expect("readable"), all);
        for text in ["{", "[]", r#"{"version":2,"names":[]}"#] {
            fs::write(cache.path(), text).expect("written");
            assert!(cache.load().is_err(), "{text}");
        }
        let odd =
            r#"{"version":1,"names":[{"name":"192.0.2.1","type":"A","learned_unix_s":1,"records":[]}]}"#;
        fs::write(cache.path(), odd).expect("written");
        assert_eq!(cache.load().expect("readable"), []);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
