//! The book's file: opened for its owner alone, set up, brought to the newest schema, put aside where it is damaged.

use super::schema::{APPLICATION_ID, NEWEST, STEPS};
use crate::vault::{VaultError, make_file, prepare_file, sqlite_error};
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};

/// How much of SQLite's log stays after a great commit, in bytes.
const LOG_BYTES_KEPT: i64 = 8 << 20;

/// Opens, sets up, and brings to the newest schema.
pub fn opened(path: &Path, version: &str) -> Result<Connection, VaultError> {
    prepare_file(path)?;
    let told = |error| sqlite_error(path, error);
    let mut connection = Connection::open(path).map_err(told)?;
    set_up(&connection).map_err(told)?;
    migrate(path, &mut connection, version)?;
    Ok(connection)
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
        let old = beside(path, &format!(".schema-{schema}"));
        if make_file(&old)? {
            connection.execute("VACUUM INTO ?1", [old.to_string_lossy()]).map_err(told)?;
        }
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

/// A damaged file makes room for a new one, and stays for whoever wants to look at it.
pub fn put_aside(path: &Path) -> Result<(), VaultError> {
    let failed = |error: std::io::Error| VaultError::Failed(path.to_owned(), error.to_string());
    std::fs::rename(path, beside(path, ".damaged")).map_err(failed)?;
    for suffix in ["-wal", "-shm"] {
        // What belongs to the damaged file must not be taken for the new one's.
        match std::fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
