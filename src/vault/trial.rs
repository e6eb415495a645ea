//! A trial in SQLite: what it goes back to is noted with each change, in the change's own transaction.
//!
//! ```text
//!  a change --> first undo of each entity noted --> confirmed: undos go, the changes stay
//!   (begins)                                  `---> taken back: a change made of the undos, with which they go
//! ```
//!
//! There are as many undos as entities differ, or fewer, however many changes there were: one that was made and is gone
//! again has none.

use super::promise::{Entry, RowEdit, Trial, TrialStep, Undo};
use crate::base::TrialTime;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Takes the step of a change that became version `number`; the trial after it.
///
/// # Errors
/// SQLite's: also where one is to begin beside another.
pub fn step(
    transaction: &Transaction<'_>,
    (number, entry): (u64, &Entry),
    held: Option<&Trial>,
) -> rusqlite::Result<Option<Trial>> {
    let next = match entry.trial {
        TrialStep::GoesOn => held.cloned(),
        TrialStep::Begins(time) => Some(begin(transaction, (number, entry), time)?),
        TrialStep::Ends => {
            transaction.execute("DELETE FROM trial", [])?;
            transaction.execute("DELETE FROM trial_undo", [])?;
            None
        }
    };
    if next.is_some() {
        note(transaction, &entry.edits)?;
    }
    Ok(next)
}

fn begin(
    transaction: &Transaction<'_>,
    (number, entry): (u64, &Entry),
    time: TrialTime,
) -> rusqlite::Result<Trial> {
    let base = number.saturating_sub(1);
    transaction.execute(
        "INSERT INTO trial (one, base, at, until, within, who, what) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
        params![base as i64, entry.at as i64, time.until_unix_s as i64, time.within_s, entry.who, entry.what],
    )?;
    Ok(Trial { base, at: entry.at, time, who: entry.who.clone(), what: entry.what.clone() })
}

/// Notes what was there before, of entities that are not noted yet. Those whose kind never goes back say nothing of it.
fn note(transaction: &Transaction<'_>, edits: &[RowEdit]) -> rusqlite::Result<()> {
    let mut first = transaction.prepare_cached(
        "INSERT INTO trial_undo (kind, id, undo) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO NOTHING",
    )?;
    let mut forget =
        transaction.prepare_cached("DELETE FROM trial_undo WHERE kind = ?1 AND id = ?2 AND undo IS NULL")?;
    for edit in edits {
        if edit.undo.is_some() || edit.before.is_none() {
            first.execute(params![edit.kind, edit.id, edit.undo])?;
        }
        if edit.body.is_none() {
            forget.execute(params![edit.kind, edit.id])?;
        }
    }
    Ok(())
}

/// The trial that a store is on.
///
/// # Errors
/// SQLite's.
pub fn held(connection: &Connection) -> rusqlite::Result<Option<Trial>> {
    let select = "SELECT base, at, until, within, who, what FROM trial";
    let row = connection.query_row(select, [], |row| {
        let (base, at, until): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let time = TrialTime { until_unix_s: until as u64, within_s: row.get(3)? };
        Ok(Trial { base: base as u64, at: at as u64, time, who: row.get(4)?, what: row.get(5)? })
    });
    row.optional()
}

/// All undos.
///
/// # Errors
/// SQLite's.
pub fn undos(connection: &Connection) -> rusqlite::Result<Vec<Undo>> {
    let mut select = connection.prepare("SELECT kind, id, undo FROM trial_undo")?;
    let rows =
        select.query_map([], |row| Ok(Undo { kind: row.get(0)?, id: row.get(1)?, body: row.get(2)? }))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Folder, edit, entry, open};
    use super::super::{RowEdit, SqliteVault, Vault};
    use super::*;

    const TIME: TrialTime = TrialTime { until_unix_s: 1_060, within_s: 60 };

    fn turn(id: &str, before: &str, after: Option<&str>) -> RowEdit {
        RowEdit { undo: Some(before.into()), before: Some(before.into()), ..edit(id, after) }
    }

    fn begins(edits: Vec<RowEdit>) -> Entry {
        Entry { trial: TrialStep::Begins(TIME), ..entry(edits) }
    }

    fn noted(vault: &mut SqliteVault) -> Vec<(String, Option<String>)> {
        let undos = vault.undos().expect("readable").into_iter();
        undos.map(|undo| (undo.id, undo.body)).collect()
    }

    #[test]
    fn a_trial_notes_what_was_there_first_and_is_there_for_the_next_one() {
        let folder = Folder::new("trial");
        let mut vault = open(&folder.store()).expect("made");
        vault.commit(&entry(vec![edit("a", Some("1")), edit("b", Some("1"))])).expect("kept");
        assert_eq!((vault.trial(), noted(&mut vault)), (None, vec![]));
        assert_eq!(vault.commit(&begins(vec![turn("a", "1", Some("2"))])).expect("kept"), 2);
        let trial = vault.trial().expect("one");
        assert_eq!((trial.base, trial.at, trial.time, trial.who.as_str()), (1, 5, TIME, "me"));
        vault
            .commit(&entry(vec![turn("a", "2", None), edit("c", Some("1")), edit("d", Some("1"))]))
            .expect("kept");
        vault
            .commit(&entry(vec![turn("b", "1", None), turn("c", "1", None), edit("a", Some("9"))]))
            .expect("kept");
        drop(vault);
        let mut vault = open(&folder.store()).expect("opened");
        assert_eq!(vault.trial(), Some(trial));
        let one = |id: &str, body: Option<&str>| (id.to_owned(), body.map(str::to_owned));
        // Made and gone again: c was never there, as far as anybody can tell.
        assert_eq!(noted(&mut vault), [one("a", Some("1")), one("b", Some("1")), one("d", None)]);
        vault.commit(&Entry { trial: TrialStep::Ends, ..entry(vec![]) }).expect("kept");
        assert_eq!((vault.trial(), noted(&mut vault)), (None, vec![]));
        assert_eq!(open(&folder.0.join("other")).expect("made").trial(), None);
    }

    #[test]
    fn no_trial_begins_beside_another_and_what_was_to_begin_it_is_not_kept() {
        let folder = Folder::new("trials");
        let mut vault = open(&folder.store()).expect("made");
        vault.commit(&begins(vec![])).expect("kept");
        let trial = vault.trial();
        assert!(vault.commit(&begins(vec![edit("a", Some("1"))])).is_err());
        assert_eq!((vault.trial(), noted(&mut vault)), (trial, vec![]));
        assert!(vault.load().expect("readable").is_empty());
        assert_eq!(vault.history(None, 9).expect("readable").len(), 1);
    }

    #[test]
    fn a_kind_that_never_goes_back_is_not_noted_where_it_was_there() {
        let folder = Folder::new("stays");
        let mut vault = open(&folder.store()).expect("made");
        let revoked = RowEdit { before: Some("shown".into()), ..edit("token", None) };
        vault.commit(&begins(vec![revoked])).expect("kept");
        assert_eq!(noted(&mut vault), []);
    }
}
