//! A commit of the book on its way: cells into their rows, then out with what is too old or too much. Touches the one
//! transaction that it is given, and counts rows beside it, so that a commit that fails leaves the counts as they were.

use super::cell::Cell;
use super::gather::Place;
use super::key::{Key, Tag};
use super::plan::{Minute, Resolution};
use super::row::{self, blob, whole};
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows by what they are of.
pub type Census = HashMap<(Resolution, Tag), i64>;

/// A commit on its way.
pub struct Turn<'a> {
    /// Its transaction.
    pub transaction: &'a Transaction<'a>,
    /// Rows that there are.
    pub held: Census,
    /// From where on rows are whole.
    pub floors: HashMap<(Resolution, Tag), Minute>,
}

impl Turn<'_> {
    /// Adds a cell to its three rows.
    pub fn add(&mut self, place: &Place, cell: &Cell) -> rusqlite::Result<()> {
        for resolution in Resolution::ALL {
            let minute = place.minute.floor(resolution);
            let floor = self.floors.get(&(resolution, place.key.zone)).copied().unwrap_or(Minute(0));
            // Rows that went must not come back in part.
            if minute < floor {
                continue;
            }
            self.add_row(resolution, minute, &place.key, cell)?;
        }
        Ok(())
    }

    fn add_row(
        &mut self,
        resolution: Resolution,
        minute: Minute,
        key: &Key,
        cell: &Cell,
    ) -> rusqlite::Result<()> {
        let mut select = self.transaction.prepare_cached(
            "SELECT count, ingress, egress, timed, duration_ms, durations FROM cell
             WHERE resolution = ?1 AND zone = ?2 AND minute = ?3 AND app = ?4 AND event = ?5 AND ip = ?6 AND colo = ?7",
        )?;
        let (zone, app) = (blob(key.zone), key.app.map(blob));
        let app = app.as_ref().map_or(&[][..], |app| &app[..]);
        let at =
            params![resolution as u8, zone, minute.0 as i64, app, key.event as u8, key.ip as u8, &*key.colo];
        let before = select.query_row(at, row::cell).optional()?;
        let is_new = before.is_none();
        let mut sum = before.unwrap_or_default();
        sum.merge(cell);
        let mut put = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO cell (resolution, zone, minute, app, event, ip, colo, count, ingress, egress, timed,
             duration_ms, durations) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        put.execute(params![
            resolution as u8,
            zone,
            minute.0 as i64,
            app,
            key.event as u8,
            key.ip as u8,
            &*key.colo,
            whole(sum.count),
            whole(sum.ingress),
            whole(sum.egress),
            whole(sum.timed),
            whole(sum.duration_ms),
            sum.durations.encode()
        ])?;
        *self.held.entry((resolution, key.zone)).or_default() += i64::from(is_new);
        Ok(())
    }

    /// Lets go what is too old.
    pub fn age(&mut self, now: Minute) -> rusqlite::Result<()> {
        let all: Vec<(Resolution, Tag)> = self.held.keys().copied().collect();
        for (resolution, zone) in all {
            self.remove_before(resolution, zone, resolution.oldest(now))?;
        }
        self.held.retain(|_, rows| *rows > 0);
        Ok(())
    }

    /// Lets go what is too much, of the zone that holds most, until the rest fits. How many rows went.
    pub fn evict(&mut self, rows_max: &[u64; 3], now: Minute) -> rusqlite::Result<u64> {
        let mut evicted = 0;
        for (resolution, rows_max) in Resolution::ALL.into_iter().zip(rows_max) {
            while total(&self.held, resolution) > *rows_max as i64 {
                let of = self.held.iter().filter(|((of, _), _)| *of == resolution);
                let Some((&(_, zone), _)) = of.max_by_key(|((_, zone), rows)| (**rows, zone.bits())) else {
                    break;
                };
                let gone = self.shrink(resolution, zone, now)?;
                if gone == 0 {
                    break;
                }
                evicted += gone;
            }
        }
        Ok(evicted)
    }

    /// Lets the oldest unit of a zone go. The present one stays as long as its apps can share rows: without it the rest of
    /// the hour or day would be told by other rows alone. How many rows went.
    fn shrink(&mut self, resolution: Resolution, zone: Tag, now: Minute) -> rusqlite::Result<u64> {
        let oldest: Option<i64> = self.transaction.query_row(
            "SELECT min(minute) FROM cell WHERE resolution = ?1 AND zone = ?2",
            params![resolution as u8, blob(zone)],
            |row| row.get(0),
        )?;
        let Some(oldest) = oldest.map(|minute| Minute(minute as u64)) else { return Ok(0) };
        if oldest >= now.floor(resolution.unit()) {
            let shared = self.share(resolution, zone)?;
            if shared > 0 {
                return Ok(shared);
            }
        }
        let floor = Minute(oldest.0 + 1).ceil(resolution.unit());
        let gone = self.remove_before(resolution, zone, floor)?;
        self.transaction.execute(
            "INSERT OR REPLACE INTO floor (resolution, zone, minute) VALUES (?1, ?2, ?3)",
            params![resolution as u8, blob(zone), floor.0 as i64],
        )?;
        self.floors.insert((resolution, zone), floor);
        Ok(gone)
    }

    /// Makes the rows of a zone's apps one, by minute, event, IP version and site. How many fewer there are.
    fn share(&mut self, resolution: Resolution, zone: Tag) -> rusqlite::Result<u64> {
        let before = self.held.get(&(resolution, zone)).copied().unwrap_or(0);
        let of_apps = params![resolution as u8, blob(zone)];
        let mut sums: HashMap<Place, Cell> = HashMap::new();
        let mut select = self.transaction.prepare_cached(
            "SELECT count, ingress, egress, timed, duration_ms, durations, minute, x'', event, ip, colo FROM cell
             WHERE resolution = ?1 AND zone = ?2",
        )?;
        let (mut rows, mut colo) = (select.query(of_apps)?, Arc::from(""));
        while let Some(row) = rows.next()? {
            sums.entry(row::place(row, zone, &mut colo)?).or_default().merge(&row::cell(row)?);
        }
        if sums.len() as i64 >= before {
            return Ok(0);
        }
        let mut remove =
            self.transaction.prepare_cached("DELETE FROM cell WHERE resolution = ?1 AND zone = ?2")?;
        remove.execute(of_apps)?;
        self.held.insert((resolution, zone), 0);
        for (place, sum) in sums {
            self.add_row(resolution, place.minute, &place.key, &sum)?;
        }
        Ok((before - self.held.get(&(resolution, zone)).copied().unwrap_or(0)).max(0) as u64)
    }

    fn remove_before(&mut self, resolution: Resolution, zone: Tag, minute: Minute) -> rusqlite::Result<u64> {
        let mut remove = self
            .transaction
            .prepare_cached("DELETE FROM cell WHERE resolution = ?1 AND zone = ?2 AND minute < ?3")?;
        let gone = remove.execute(params![resolution as u8, blob(zone), minute.0 as i64])?;
        *self.held.entry((resolution, zone)).or_default() -= gone as i64;
        Ok(gone as u64)
    }
}

/// Rows of a resolution.
pub fn total(held: &Census, resolution: Resolution) -> i64 {
    held.iter().filter(|((of, _), _)| *of == resolution).map(|(_, rows)| rows).sum()
}
