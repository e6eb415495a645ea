//! MMDB files (MaxMind DB 2.0) as GeoLite2 and DB-IP make them: `country.iso_code` and `autonomous_system_number`, in
//! one file or in two. Every network is read once; equal records are decoded once. The bytes are outside bytes.

use crate::base::{Addr, AsNumber, Country};
use crate::firewall::NetOf;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader};
use std::collections::HashMap;
use std::fmt;

/// Networks of one file. The largest in use have some two million; a broken tree could name any number.
const NETWORKS_MAX: usize = 1 << 24;

/// Why a database was not read.
#[derive(Debug)]
pub enum MmdbError {
    /// The file is no MMDB, or a broken one.
    Broken(MaxMindDbError),
    /// No record has the field that is wanted.
    NoField(&'static str),
    /// It names more networks than byway holds.
    TooMany,
}

impl fmt::Display for MmdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "is no right MMDB: {error}"),
            Self::NoField(field) => write!(f, "no record has `{field}`: is it the right database?"),
            Self::TooMany => write!(f, "names more than {NETWORKS_MAX} networks"),
        }
    }
}

impl From<MaxMindDbError> for MmdbError {
    fn from(error: MaxMindDbError) -> Self {
        Self::Broken(error)
    }
}

type Found<'a> = LookupResult<'a, Vec<u8>>;

/// The autonomous system of each network of a database.
///
/// # Errors
/// See `MmdbError`.
pub fn read_asns(bytes: Vec<u8>) -> Result<Vec<NetOf<AsNumber>>, MmdbError> {
    let path = [PathElement::Key("autonomous_system_number")];
    let value = |found: &Found<'_>| {
        let number: Option<u32> = found.decode_path(&path)?;
        Ok(number.filter(|number| *number != 0).map(AsNumber))
    };
    read(bytes, "autonomous_system_number", value)
}

/// The country of each network of a database. A code that is not two letters counts as none.
///
/// # Errors
/// See `MmdbError`.
pub fn read_countries(bytes: Vec<u8>) -> Result<Vec<NetOf<Country>>, MmdbError> {
    let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
    let value = |found: &Found<'_>| {
        let code: Option<String> = found.decode_path(&path)?;
        Ok(code.as_deref().and_then(Country::new))
    };
    read(bytes, "country.iso_code", value)
}

fn read<T: Copy>(
    bytes: Vec<u8>,
    field: &'static str,
    value: impl Fn(&Found<'_>) -> Result<Option<T>, MaxMindDbError>,
) -> Result<Vec<NetOf<T>>, MmdbError> {
    let reader = Reader::from_source(bytes)?;
    let mut decoded: HashMap<usize, Option<T>> = HashMap::new();
    let mut nets = Vec::new();
    // IPv4 networks come as such, and not again under the prefixes that alias them.
    for (count, found) in reader.networks(Default::default())?.enumerate() {
        if count == NETWORKS_MAX {
            return Err(MmdbError::TooMany);
        }
        let found = found?;
        let Some(offset) = found.offset() else { continue };
        let known = match decoded.get(&offset) {
            Some(known) => *known,
            None => {
                let known = value(&found)?;
                decoded.insert(offset, known);
                known
            }
        };
        let network = found.network()?;
        if let Some(value) = known {
            nets.push(NetOf { first: Addr::from(network.ip()), length: network.prefix(), value });
        }
    }
    if nets.is_empty() { Err(MmdbError::NoField(field)) } else { Ok(nets) }
}
