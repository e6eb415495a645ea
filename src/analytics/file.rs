//! The book's file: opened for its owner alone, set up, brought to the newest schema, put aside where it is damaged.

use super::schema::{APPLICATION_ID, NEWEST, STEPS};
use crate::vault::{VaultError, make_file, prepare_file, sqlite_error};
use rusqlite::{Connection, OptionalExtension};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How much of SQLite's log stays after a great commit, in bytes.
const LOG_BYTES_KEPT: i64 = 8 << 20;

/// Opens, sets up, and brings to the newest schema.
pub fn opened(path: &Path, version: &str) -> Result<Connection, VaultError> {
    prepare_file(path)?;
    let mut connection = Connection::open(path).map_err(|error| sqlite_error(path, error))?;
    set_up(&connection).map_err(|error| sqlite_error(path, error))?;
    migrate(path, &mut connection, version)?;
    Ok(connection)
}

/// Looks at all pages: seconds, where there are many.
pub fn check(path: &Path, connection: &Connection) -> Result<(), VaultError> {
    let check = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let check = check.map_err(|error| sqlite_error(path, error))?;
    if check == "ok" { Ok(()) } else { Err(VaultError::Damaged(path.to_owned(), check)) }
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(2_000))?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Brings the file to the newest schema, a copy of the old one beside it.
fn migrate(path: &Path, connection: &mut Connection, version: &str) -> Result<(), VaultError> {
    let told = |error| sqlite_error(path, error);
    let number = |connection: &Connection, name| connection.pragma_query_value(None, name, |row| row.get(0));
    let schema: i64 = number(connection, "user_version").map_err(told)?;
    let application: i64 = number(connection, "application_id").map_err(told)?;
    let schema = u32::try_from(schema).map_err(|_| VaultError::Foreign(path.to_owned()))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(told)?;
    let fresh = schema == 0 && tables == 0;
    if !fresh && application != i64::from(APPLICATION_ID) {
        return Err(VaultError::Foreign(path.to_owned()));
    }
    if schema > NEWEST {
        let by =
            connection.query_row("SELECT value FROM meta WHERE key = 'written_by'", [], |row| row.get(0));
        let by = by.optional().ok().flatten().unwrap_or_else(|| "of a later version".into());
        return Err(VaultError::Newer { path: path.to_owned(), schema, known: NEWEST, by });
    }
    if schema == NEWEST {
        return Ok(());
    }
    if !fresh {
        copy(path, connection, &beside(path, &format!(".schema-{schema}")))?;
    }
    let mut step_up = || -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        for step in STEPS.iter().skip(schema as usize) {
            transaction.execute_batch(step)?;
        }
        transaction
            .execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('written_by', ?1)", [version])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", NEWEST)?;
        transaction.commit()
    };
    step_up().map_err(told)
}

/// A whole copy at `to`, unless there is one: whoever ends in the middle leaves none that is taken for it.
fn copy(path: &Path, connection: &Connection, to: &Path) -> Result<(), VaultError> {
    if fs::metadata(to).is_ok_and(|meta| meta.len() > 0) {
        return Ok(());
    }
    let part = beside(to, ".part");
    remove(&part)?;
    make_file(&part)?;
    let copied = connection.execute("VACUUM INTO ?1", [part.to_string_lossy()]);
    let copied = copied.map_err(|error| sqlite_error(path, error)).and_then(|_| settle(&part, to));
    if copied.is_err() {
        // What is left of it only takes room; the next try removes it, too.
        let _ = remove(&part);
    }
    copied
}

/// Gives a copy its name once it is on the disk.
fn settle(part: &Path, to: &Path) -> Result<(), VaultError> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    let folder = to.parent().unwrap_or(Path::new("/"));
    let settled = sync(part).and_then(|()| fs::rename(part, to)).and_then(|()| sync(folder));
    settled.map_err(|error| failed(to, &error))
}

/// A damaged file makes room for a new one, and stays for whoever wants to look at it: where.
pub fn put_aside(path: &Path) -> Result<PathBuf, VaultError> {
    let aside = beside(path, ".damaged");
    match fs::rename(path, &aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(path, &error)),
        // Somebody else took it away.
        Ok(()) | Err(_) => {}
    }
    for suffix in ["-wal", "-shm"] {
        // What belongs to the damaged file must not be taken for the new one's.
        remove(&beside(path, suffix))?;
    }
    Ok(aside)
}

/// Removes a file, where there is one.
fn remove(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> VaultError {
    VaultError::Failed(path.to_owned(), error.to_string())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Fault;
    use super::super::tests::{Folder, NOON_S, batch, fact, on_a_small_disk, query};
    use super::*;

    #[test]
    fn damage_that_shows_later_puts_the_file_aside_too() {
        let folder = Folder::new();
        let mut ledger = folder.ledger(NOON_S);
        ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S);
        assert_eq!(ledger.keep(NOON_S), None);
        drop(ledger);
        let plain = Connection::open(folder.file()).expect("opened");
        plain.execute("UPDATE cell SET event = 99", []).expect("changed");
        drop(plain);
        let mut ledger = folder.ledger(NOON_S);
        let question = query(1, NOON_S, NOON_S + 1);
        assert_eq!(ledger.answer(&question, NOON_S), Err(Fault::Book));
        assert!(ledger.trouble().is_some_and(|text| text.contains("questions are refused")));
        ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S);
        assert_eq!(ledger.keep(NOON_S), None, "in a new one");
        assert!(ledger.trouble().is_some_and(|text| text.contains("analytics.damaged now")));
        assert!(folder.0.join("analytics.damaged").exists());
        assert_eq!(ledger.answer(&question, NOON_S).expect("answered").totals[0].real(), 1.0);
        assert_eq!(ledger.trouble(), None);
    }

    /// A file of byway's before the first schema, so that it is copied.
    fn old(path: &Path, bytes: i64) {
        prepare_file(path).expect("made");
        let plain = Connection::open(path).expect("opened");
        plain.pragma_update(None, "application_id", APPLICATION_ID).expect("set");
        plain.execute("CREATE TABLE old (bytes BLOB)", []).expect("made");
        plain.execute("INSERT INTO old VALUES (zeroblob(?1))", [bytes]).expect("filled");
    }

    #[test]
    fn a_copy_that_was_cut_off_is_not_taken_for_one() {
        let folder = Folder::new();
        old(&folder.file(), 100);
        let copy = beside(&folder.file(), ".schema-0");
        fs::write(&copy, "").expect("as an earlier byway left it");
        fs::write(beside(&copy, ".part"), "half").expect("as this one leaves it");
        drop(opened(&folder.file(), "1").expect("opened"));
        let plain = Connection::open(&copy).expect("opened");
        let bytes = plain.query_row("SELECT length(bytes) FROM old", [], |row| row.get::<_, i64>(0));
        assert_eq!(bytes.expect("whole"), 100);
        assert!(!beside(&copy, ".part").exists());
    }

    #[test]
    fn a_copy_that_finds_no_room_leaves_nothing_and_the_old_file_as_it_was() {
        let folder = Folder::new();
        on_a_small_disk(&folder.0, || {
            old(&folder.file(), 5 << 20);
            assert!(matches!(opened(&folder.file(), "1"), Err(VaultError::Full(_))));
            let copy = beside(&folder.file(), ".schema-0");
            assert!(!copy.exists() && !beside(&copy, ".part").exists());
            let plain = Connection::open(folder.file()).expect("opened");
            let schema = plain.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
            assert_eq!(schema.expect("read"), 0);
        });
    }
}
