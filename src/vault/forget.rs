//! What the log of changes forgets. The last `VERSIONS_BACK_MAX` versions stay whole: one goes back over them. Of older ones
//! so many are kept, and of those so many edits; beyond, whoever holds more than an even share loses its oldest, so that
//! nobody's changes push out another's.
//!
//! ```text
//!   kept       shares of a bound of 9: a level at which all that lies above it is just too much
//!   A ######   -> ####  its two oldest go
//!   B ##       -> ##
//!   C ###      -> ###
//! ```

use crate::base::limits::{VERSION_EDITS_KEPT_MAX, VERSIONS_BACK_MAX, VERSIONS_KEPT_MAX};
use rusqlite::{Transaction, params};

/// How full the log is: known without asking the store again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fill {
    /// Versions.
    versions: u64,
    /// Edits of those that are too old to go back over.
    old_edits: u64,
}

/// What is bounded.
#[derive(Clone, Copy)]
enum Bound {
    /// Versions themselves.
    Versions,
    /// Edits of versions, which stay without them.
    Edits,
}

impl Fill {
    /// Of a store as it stands.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read(connection: &rusqlite::Connection) -> rusqlite::Result<Self> {
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(number), 0) FROM version", [], |row| row.get(0))?;
        let counts = "SELECT count(*), coalesce(sum(kept) FILTER (WHERE number <= ?1), 0) FROM version";
        connection.query_row(counts, [newest - VERSIONS_BACK_MAX as i64], |row| {
            let (versions, old_edits): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Self { versions: versions as u64, old_edits: old_edits as u64 })
        })
    }

    /// After version `number` was put in: forgets what goes beyond the bounds.
    ///
    /// # Errors
    /// SQLite's.
    pub fn after(mut self, transaction: &Transaction<'_>, number: u64) -> rusqlite::Result<Self> {
        self.versions += 1;
        let old = number as i64 - VERSIONS_BACK_MAX as i64;
        // Whole bodies hold secrets, and are worth keeping only as long as one may go back to them.
        transaction
            .prepare_cached("UPDATE edit SET undo = NULL WHERE version = ?1 AND undo IS NOT NULL")?
            .execute([old])?;
        let kept: i64 = transaction
            .prepare_cached("SELECT coalesce(sum(kept), 0) FROM version WHERE number = ?1")?
            .query_row([old], |row| row.get(0))?;
        self.old_edits += kept as u64;
        if self.versions > VERSIONS_KEPT_MAX as u64 {
            self.forget(transaction, old, Bound::Versions)?;
        }
        if self.old_edits > VERSION_EDITS_KEPT_MAX as u64 {
            self.forget(transaction, old, Bound::Edits)?;
        }
        Ok(self)
    }

    /// Takes the oldest from those who hold most, until the rest is within the bound.
    fn forget(&mut self, transaction: &Transaction<'_>, old: i64, bound: Bound) -> rusqlite::Result<()> {
        let (held, max) = match bound {
            // Those that one may go back over are among the versions, and stay.
            Bound::Versions => ("count(*)", VERSIONS_KEPT_MAX - VERSIONS_BACK_MAX),
            Bound::Edits => ("sum(kept)", VERSION_EDITS_KEPT_MAX),
        };
        let shares =
            format!("SELECT tenant, {held} FROM version WHERE number <= ?1 GROUP BY tenant ORDER BY 2 DESC");
        let mut select = transaction.prepare_cached(&shares)?;
        let shares = select.query_map([old], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let shares = shares.collect::<rusqlite::Result<Vec<(String, i64)>>>()?;
        let held: Vec<u64> = shares.iter().map(|(_, held)| *held as u64).collect();
        let level = level(&held, max as u64);
        let mut too_many = held.iter().sum::<u64>().saturating_sub(max as u64);
        for ((tenant, _), held) in shares.iter().zip(held) {
            let above = held.saturating_sub(level).min(too_many);
            too_many -= self.take(transaction, (old, tenant), (bound, above))?.min(too_many);
        }
        Ok(())
    }

    /// Takes at least `wanted` of the oldest of a tenant; how many it came to.
    fn take(
        &mut self,
        transaction: &Transaction<'_>,
        (old, tenant): (i64, &str),
        (bound, wanted): (Bound, u64),
    ) -> rusqlite::Result<u64> {
        let mut select = transaction.prepare_cached(
            "SELECT number, kept FROM version WHERE tenant = ?1 AND number <= ?2 ORDER BY number",
        )?;
        let mut rows = select.query(params![tenant, old])?;
        let (mut taken, mut gone) = (0, Vec::new());
        while taken < wanted
            && let Some(row) = rows.next()?
        {
            let (number, kept): (i64, i64) = (row.get(0)?, row.get(1)?);
            taken += match bound {
                Bound::Versions => 1,
                Bound::Edits => kept as u64,
            };
            gone.push((number, kept as u64));
        }
        for (number, kept) in gone {
            match bound {
                Bound::Versions => {
                    transaction.prepare_cached("DELETE FROM version WHERE number = ?1")?.execute([number])?;
                    self.versions -= 1;
                }
                Bound::Edits if kept == 0 => continue,
                Bound::Edits => {
                    transaction.prepare_cached("DELETE FROM edit WHERE version = ?1")?.execute([number])?;
                    transaction
                        .prepare_cached("UPDATE version SET kept = 0 WHERE number = ?1")?
                        .execute([number])?;
                }
            }
            self.old_edits -= kept.min(self.old_edits);
        }
        Ok(taken)
    }
}

/// The highest level at which shares that are cut down to it come to `max` at most; `held` from most to least.
fn level(held: &[u64], max: u64) -> u64 {
    let mut rest: u64 = held.iter().sum();
    for (place, share) in held.iter().enumerate() {
        // All shares before this one are cut to the level; this one and those after it are below it.
        let above = place as u64;
        if place > 0 && rest + above * share <= max {
            return (max - rest) / above;
        }
        rest -= share;
    }
    max / (held.len() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_cuts_the_largest_shares_alone_and_no_more_than_is_wanted() {
        for (held, max, wanted) in [
            (&[6, 3, 2][..], 9, 4),
            (&[6, 6, 2], 9, 3),
            (&[10], 9, 9),
            (&[5, 5, 5], 9, 3),
            (&[100, 1, 1, 1], 10, 7),
            (&[], 9, 9),
        ] {
            assert_eq!(level(held, max), wanted, "{held:?} {max}");
            assert!(held.iter().map(|share| share.min(&wanted)).sum::<u64>() <= max);
        }
    }
}
