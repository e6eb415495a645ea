//! A row of the book as SQLite gives it and takes it.

use super::cell::Cell;
use super::durations::Durations;
use super::gather::Place;
use super::key::{EventName, IpVersion, Key, Tag};
use super::plan::Minute;
use rusqlite::Row;
use std::sync::Arc;

/// The numbers, in the first six columns.
pub fn cell(row: &Row<'_>) -> rusqlite::Result<Cell> {
    let number = |at| row.get::<_, i64>(at).map(|number| number as u64);
    let durations = Durations::decode(row.get_ref(5)?.as_blob()?).ok_or_else(damaged)?;
    Ok(Cell {
        count: number(0)?,
        ingress: number(1)?,
        egress: number(2)?,
        timed: number(3)?,
        duration_ms: number(4)?,
        durations,
    })
}

/// Minute, app, event, IP version and site, behind the numbers. The site is mostly that of the row before.
pub fn place(row: &Row<'_>, zone: Tag, colo: &mut Arc<str>) -> rusqlite::Result<Place> {
    let app = match row.get_ref(7)?.as_blob()? {
        [] => None,
        bytes => Some(Tag::from_bits(u128::from_be_bytes(bytes.try_into().map_err(|_| damaged())?))),
    };
    let event = EventName::of_number(row.get(8)?).ok_or_else(damaged)?;
    let ip = IpVersion::of_number(row.get(9)?).ok_or_else(damaged)?;
    let name = row.get_ref(10)?.as_str()?;
    if name != &**colo {
        *colo = name.into();
    }
    let key = Key { zone, app, event, ip, colo: colo.clone() };
    Ok(Place { key, minute: Minute(row.get::<_, i64>(6)? as u64) })
}

/// As SQLite says of a page that it cannot read.
pub fn damaged() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some("a row that byway did not write".into()))
}

/// A tag as a value.
pub const fn blob(tag: Tag) -> [u8; 16] {
    tag.bits().to_be_bytes()
}

/// A number as a value.
pub fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
