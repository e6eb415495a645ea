//! Rows of minutes, hours and days in a SQLite file of their own: write-ahead log, synced at each commit, one process.
//!
//! Each cell goes into its minute's row, its hour's and its day's, so that old minutes can go while their hour stays. Of a
//! zone, app, event, IP version and site there are at most 1,500 minutes (the present hour and 24 before it), 768 hours (the
//! present day and 31) and 401 days; of all together as many as `base::limits` says. Beyond that the zone that holds most
//! loses its oldest hour of minutes, day of hours or day, and it is known from where on its rows are whole. Of the present
//! hour or day its apps share rows before those go, too.
//!
//! A file that cannot be written is tried again at the next commit. A damaged one is put aside, whenever that shows.

use super::cell::Cell;
use super::file::{check, opened, put_aside};
use super::gather::Place;
use super::key::Tag;
use super::plan::{Floors, Minute, Resolution, Segment};
use super::row::{self, blob, damaged};
use super::turn::{Census, Turn, total};
use crate::base::limits::{ANALYTICS_DAY_ROWS_MAX, ANALYTICS_HOUR_ROWS_MAX, ANALYTICS_MINUTE_ROWS_MAX};
use crate::vault::{VaultError, sqlite_error};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The rows.
pub struct Book {
    path: PathBuf,
    version: String,
    /// Open, but nobody has looked at what is in it.
    unchecked: Option<Connection>,
    connection: Option<Connection>,
    is_damaged: bool,
    said: Option<String>,
    held: Census,
    floors: HashMap<(Resolution, Tag), Minute>,
    aged: Minute,
    evicted: u64,
    rows_max: [u64; 3],
}

impl Book {
    /// Opens the file, or makes it; `check` looks at what is in it. One that cannot be opened now is tried again later.
    ///
    /// # Errors
    /// What no later try mends: a mode that lets others read, a file that is none of these, one of a newer byway.
    pub fn open(path: &Path, version: &str) -> Result<Self, VaultError> {
        let unchecked = match opened(path, version) {
            Ok(connection) => Some(connection),
            Err(error @ (VaultError::Mode(..) | VaultError::Newer { .. } | VaultError::Foreign(_))) => {
                return Err(error);
            }
            // `check` meets it again, and says so.
            Err(
                VaultError::Damaged(..)
                | VaultError::Held(_)
                | VaultError::Full(_)
                | VaultError::Exists(_)
                | VaultError::Failed(..),
            ) => None,
        };
        Ok(Self {
            path: path.to_owned(),
            version: version.to_owned(),
            unchecked,
            connection: None,
            is_damaged: false,
            said: None,
            held: HashMap::new(),
            floors: HashMap::new(),
            aged: Minute(0),
            evicted: 0,
            rows_max: [ANALYTICS_MINUTE_ROWS_MAX, ANALYTICS_HOUR_ROWS_MAX, ANALYTICS_DAY_ROWS_MAX],
        })
    }

    /// With other bounds.
    #[cfg(test)]
    pub fn with_rows_max(self, rows_max: [u64; 3]) -> Self {
        Self { rows_max, ..self }
    }

    /// Adds cells to their rows, all or none, and lets go what is too old or too much.
    ///
    /// # Errors
    /// See `VaultError`; nothing was kept then.
    pub fn keep<'a>(
        &mut self,
        cells: impl Iterator<Item = (&'a Place, &'a Cell)>,
        now: Minute,
    ) -> Result<(), VaultError> {
        self.check()?;
        let done = self.commit(cells, now);
        self.heed(done)
    }

    fn commit<'a>(
        &mut self,
        cells: impl Iterator<Item = (&'a Place, &'a Cell)>,
        now: Minute,
    ) -> Result<(), VaultError> {
        let Self { path, connection, held, floors, aged, rows_max, .. } = self;
        let Some(connection) = connection else { return Ok(()) };
        let told = |error| sqlite_error(path, error);
        let transaction = connection.transaction().map_err(told)?;
        let mut turn = Turn { transaction: &transaction, held: held.clone(), floors: floors.clone() };
        for (place, cell) in cells {
            turn.add(place, cell).map_err(told)?;
        }
        let hour = now.floor(Resolution::Hour);
        if hour != *aged {
            turn.age(now).map_err(told)?;
        }
        let evicted = turn.evict(rows_max, now).map_err(told)?;
        let (new_held, new_floors) = (turn.held, turn.floors);
        transaction.commit().map_err(told)?;
        (*held, *floors, *aged) = (new_held, new_floors, hour);
        self.evicted += evicted;
        Ok(())
    }

    /// From where on the rows of a zone are whole.
    pub fn floors(&self, zone: Tag, now: Minute) -> Floors {
        let of = |resolution| self.floors.get(&(resolution, zone)).copied().unwrap_or(Minute(0));
        let by_number = Floors {
            minutes: of(Resolution::Minute),
            hours: of(Resolution::Hour),
            days: of(Resolution::Day),
        };
        by_number.max(Floors::at(now))
    }

    /// Shows the rows of a zone in a segment while `show` wants more; without durations, each of them, where they are not
    /// asked for.
    ///
    /// # Errors
    /// See `VaultError`.
    pub fn read(
        &mut self,
        zone: Tag,
        segment: Segment,
        durations: bool,
        show: &mut dyn FnMut(Place, Cell) -> bool,
    ) -> Result<(), VaultError> {
        self.check()?;
        let done = self.show(zone, segment, durations, show);
        self.heed(done)
    }

    fn show(
        &self,
        zone: Tag,
        segment: Segment,
        durations: bool,
        show: &mut dyn FnMut(Place, Cell) -> bool,
    ) -> Result<(), VaultError> {
        let (Some(connection), path) = (&self.connection, &self.path) else { return Ok(()) };
        let told = |error| sqlite_error(path, error);
        let durations = if durations { "durations" } else { "x''" };
        let text = format!(
            "SELECT count, ingress, egress, timed, duration_ms, {durations}, minute, app, event, ip, colo FROM cell
             WHERE resolution = ?1 AND zone = ?2 AND minute >= ?3 AND minute < ?4"
        );
        let mut select = connection.prepare_cached(&text).map_err(told)?;
        let (from, until) = (segment.moments.from.0 as i64, segment.moments.until.0 as i64);
        let wanted = params![segment.resolution as u8, blob(zone), from, until];
        let mut rows = select.query(wanted).map_err(told)?;
        let mut colo: Arc<str> = "".into();
        while let Some(row) = rows.next().map_err(told)? {
            let read = row::place(row, zone, &mut colo).and_then(|place| Ok((place, row::cell(row)?)));
            let (place, cell) = read.map_err(told)?;
            if !show(place, cell) {
                break;
            }
        }
        Ok(())
    }

    /// Rows by resolution.
    pub fn rows(&self) -> [u64; 3] {
        Resolution::ALL.map(|resolution| total(&self.held, resolution).max(0) as u64)
    }

    /// Rows that went before their time, those whose apps share one now among them.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// What is to be said of the file.
    pub fn said(&mut self) -> Option<String> {
        self.said.take()
    }

    /// Makes sure of a connection to a file that holds; a damaged one makes room for a new one.
    ///
    /// # Errors
    /// See `VaultError`.
    pub fn check(&mut self) -> Result<(), VaultError> {
        let first = self.connect();
        match self.heed(first) {
            Err(VaultError::Damaged(..)) => self.connect(),
            other => other,
        }
    }

    fn connect(&mut self) -> Result<(), VaultError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let path = &self.path;
        if self.is_damaged {
            let aside = put_aside(path)?;
            self.is_damaged = false;
            let (path, aside) = (path.display(), aside.display());
            self.said =
                Some(format!("analytics: {path} was damaged and lies at {aside} now; a new one begins"));
        }
        let connection = match self.unchecked.take() {
            Some(connection) => connection,
            None => opened(path, &self.version)?,
        };
        check(path, &connection)?;
        let told = |error| sqlite_error(path, error);
        self.held = census(&connection).map_err(told)?;
        self.floors = floors(&connection).map_err(told)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Lets go of a file that has shown damage: the next one who wants it puts it aside.
    fn heed<T>(&mut self, done: Result<T, VaultError>) -> Result<T, VaultError> {
        if matches!(done, Err(VaultError::Damaged(..))) {
            (self.connection, self.unchecked, self.is_damaged) = (None, None, true);
        }
        done
    }
}

fn census(connection: &Connection) -> rusqlite::Result<Census> {
    let mut select =
        connection.prepare("SELECT resolution, zone, count(*) FROM cell GROUP BY resolution, zone")?;
    let rows = select.query_map([], |row| Ok((owner(row)?, row.get(2)?)))?;
    rows.collect()
}

fn floors(connection: &Connection) -> rusqlite::Result<HashMap<(Resolution, Tag), Minute>> {
    let mut select = connection.prepare("SELECT resolution, zone, minute FROM floor")?;
    let rows = select.query_map([], |row| Ok((owner(row)?, Minute(row.get::<_, i64>(2)? as u64))))?;
    rows.collect()
}

/// Resolution and zone, in the first two columns.
fn owner(row: &Row<'_>) -> rusqlite::Result<(Resolution, Tag)> {
    let (resolution, zone): (u8, [u8; 16]) = (row.get(0)?, row.get(1)?);
    let resolution = Resolution::ALL.get(usize::from(resolution)).copied().ok_or_else(damaged)?;
    Ok((resolution, Tag::from_bits(u128::from_be_bytes(zone))))
}
