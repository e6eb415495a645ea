//! Versions and their edits, read in parts: a version may have a million edits. What only counts or asks whether something
//! was there reads no body.

use super::promise::{AuditVerb, EditSpan, Tally, ToldEdit, Version, WayBack};
use rusqlite::{Connection, params};
use std::ops::Range;

/// The last versions, newest first.
///
/// # Errors
/// SQLite's.
pub fn versions(
    connection: &Connection,
    before: Option<u64>,
    count: usize,
) -> rusqlite::Result<Vec<Version>> {
    let before = before.map_or(i64::MAX, whole);
    let mut select = connection.prepare_cached(
        "SELECT number, at, who, what, tenant, kept, edits - kept FROM version WHERE number < ?1 \
         ORDER BY number DESC LIMIT ?2",
    )?;
    let rows = select.query_map(params![before, count as i64], |row| {
        let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (kept, forgotten): (i64, i64) = (row.get(5)?, row.get(6)?);
        let (who, what, tenant) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let (number, at, kept, forgotten) = (number as u64, at as u64, kept as u64, forgotten as u64);
        Ok(Version { number, at, who, what, tenant, kept, forgotten })
    })?;
    rows.collect()
}

/// Edits of a version, in order.
///
/// # Errors
/// SQLite's.
pub fn edits(connection: &Connection, version: u64, span: EditSpan) -> rusqlite::Result<Vec<ToldEdit>> {
    let mut select = connection.prepare_cached(
        "SELECT kind, id, before, after FROM edit WHERE version = ?1 AND place >= ?2 ORDER BY place LIMIT ?3",
    )?;
    let mut rows = select.query(params![whole(version), whole(span.from), span.count as i64])?;
    let (mut edits, mut bytes) = (Vec::new(), 0);
    while bytes < span.bytes
        && let Some(row) = rows.next()?
    {
        let edit = ToldEdit { kind: row.get(0)?, id: row.get(1)?, before: row.get(2)?, after: row.get(3)? };
        bytes += edit.bytes();
        edits.push(edit);
    }
    Ok(edits)
}

/// How many edits at these places did what, by kind. Whether a column is NULL stands at the head of its row.
///
/// # Errors
/// SQLite's.
pub fn tally(connection: &Connection, version: u64, places: Range<u64>) -> rusqlite::Result<Vec<Tally>> {
    let mut select = connection.prepare_cached(
        "SELECT kind, before IS NOT NULL, after IS NOT NULL, count(*) FROM edit \
         WHERE version = ?1 AND place >= ?2 AND place < ?3 GROUP BY 1, 2, 3",
    )?;
    let span = params![whole(version), whole(places.start), whole(places.end)];
    let rows = select.query_map(span, |row| {
        let (verb, count) = (AuditVerb::of(row.get(1)?, row.get(2)?), row.get::<_, i64>(3)?);
        Ok(Tally { kind: row.get(0)?, verb, count: count as u64 })
    })?;
    rows.collect()
}

/// What takes the edits of a version back, in order.
///
/// # Errors
/// SQLite's.
pub fn ways_back(connection: &Connection, version: u64) -> rusqlite::Result<Vec<WayBack>> {
    let mut select = connection.prepare_cached(
        "SELECT kind, id, undo, before IS NOT NULL FROM edit WHERE version = ?1 ORDER BY place",
    )?;
    let rows = select.query_map([whole(version)], |row| {
        Ok(WayBack { kind: row.get(0)?, id: row.get(1)?, undo: row.get(2)?, was_there: row.get(3)? })
    })?;
    rows.collect()
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
