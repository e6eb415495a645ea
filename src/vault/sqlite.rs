//! The store in one SQLite file: write-ahead log, every commit synced (`synchronous = FULL`), one process at a time.

use super::audit;
use super::copy::Still;
use super::file;
use super::forget::Fill;
use super::history;
use super::promise::{
    AuditAsk, AuditPage, AuditVerb, EditSpan, Entry, Row, RowEdit, RowOwner, Tally, ToldEdit, Trial, Undo,
    Vault, VaultError, Version, WayBack,
};
use super::schema::{APPLICATION_ID, NEWEST, STEPS, WORKS};
use super::trial;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long a lock of another process is waited for, in milliseconds.
const BUSY_MS: u64 = 2_000;
/// The write-ahead log is cut to this many bytes at the first commit after a checkpoint.
const LOG_BYTES_KEPT: i64 = 8 << 20;

/// The write-ahead log is taken into the file at a commit that leaves more pages in it: as SQLite has it by itself.
const CHECKPOINT_PAGES: u32 = 1_000;
/// While the store is copied nothing is taken out of the log; once it is longer, in bytes, the copy is given up.
const LOG_BYTES_COPYING_MAX: u64 = 1 << 30;

/// A store in a file.
pub struct SqliteVault {
    path: PathBuf,
    connection: Connection,
    /// The same file, to be copied. It is closed after the connection: a process that closes a file anywhere loses its POSIX
    /// locks on it, which are what keeps others out.
    file: Arc<File>,
    copying: Copying,
    pub(super) log_bytes_copying_max: u64,
    hash_key: [u8; 32],
    /// How full the log of changes is: to count it anew with each commit would read it all.
    fill: Fill,
    /// The trial that it is on.
    trial: Option<Trial>,
}

/// Whether the file is being copied, and does not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Copying {
    No,
    Under,
    /// It changed meanwhile.
    GivenUp,
}

impl SqliteVault {
    /// Opens the store, or makes it. `secret` becomes the key of hashes of a new one. An older schema is copied to
    /// `PATH.schema-N` and brought up.
    ///
    /// # Errors
    /// See `VaultError`.
    pub fn open(path: &Path, secret: [u8; 32], version: &str) -> Result<Self, VaultError> {
        file::prepare(path)?;
        Self::opened(path, Some(secret), version)
    }

    /// Opens a copy, which must be a store.
    ///
    /// # Errors
    /// See `VaultError`.
    pub(super) fn open_copy(path: &Path, version: &str) -> Result<Self, VaultError> {
        Self::opened(path, None, version)
    }

    fn opened(path: &Path, secret: Option<[u8; 32]>, version: &str) -> Result<Self, VaultError> {
        let told = |error| told(path, error);
        let found = file::identity(path);
        let mut connection = Connection::open(path).map_err(told)?;
        take(&connection).map_err(told)?;
        // Whoever held the store may have put another in its place while this waited for it.
        if found.is_some() && file::identity(path) != found {
            return Err(VaultError::Held(path.to_owned()));
        }
        let file =
            File::open(path).map_err(|error| VaultError::Failed(path.to_owned(), error.to_string()))?;
        set_up(&connection).map_err(told)?;
        migrate(path, &mut connection, secret, version)?;
        let check: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(told)?;
        if check != "ok" {
            return Err(VaultError::Damaged(path.to_owned(), check));
        }
        let key: Vec<u8> = connection
            .query_row("SELECT value FROM meta WHERE key = 'hash_key'", [], |row| row.get(0))
            .map_err(told)?;
        let hash_key = key
            .try_into()
            .map_err(|_| VaultError::Damaged(path.to_owned(), "its key of hashes has another size".into()))?;
        let fill = Fill::read(&connection).map_err(told)?;
        let trial = trial::held(&connection).map_err(told)?;
        let (path, file, copying) = (path.to_owned(), Arc::new(file), Copying::No);
        let log_bytes_copying_max = LOG_BYTES_COPYING_MAX;
        Ok(Self { path, connection, file, copying, log_bytes_copying_max, hash_key, fill, trial })
    }

    /// Looks at every page, index and reference.
    ///
    /// # Errors
    /// `Damaged` with what is wrong first.
    pub(super) fn look_over(&self) -> Result<(), VaultError> {
        let check: String = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| self.told(error))?;
        let lost = self.connection.query_row("PRAGMA foreign_key_check", [], |_| Ok(())).optional();
        match (check.as_str(), lost.map_err(|error| self.told(error))?) {
            ("ok", None) => Ok(()),
            ("ok", Some(())) => {
                Err(VaultError::Damaged(self.path.clone(), "an edit belongs to no version".into()))
            }
            (_, _) => Err(VaultError::Damaged(self.path.clone(), check)),
        }
    }

    /// Ends it as one file, without a log beside it.
    ///
    /// # Errors
    /// See `VaultError`.
    pub(super) fn into_one_file(self) -> Result<(), VaultError> {
        let mode =
            self.connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
        mode.map_err(|error| self.told(error))?;
        self.connection.close().map_err(|(_, error)| told(&self.path, error))
    }

    /// Makes the key of hashes another store's, where there is nothing yet that was hashed.
    ///
    /// # Errors
    /// See `VaultError`; `Exists` where the store holds something.
    pub fn adopt_key(&mut self, key: [u8; 32]) -> Result<(), VaultError> {
        let held: i64 = self
            .connection
            .query_row("SELECT count(*) FROM entity", [], |row| row.get(0))
            .map_err(|error| self.told(error))?;
        if held > 0 {
            return Err(VaultError::Exists(self.path.clone()));
        }
        self.connection
            .execute("UPDATE meta SET value = ?1 WHERE key = 'hash_key'", params![&key[..]])
            .map_err(|error| self.told(error))?;
        self.hash_key = key;
        Ok(())
    }

    /// Takes all of the log into the file.
    fn take_log_in(&self) -> rusqlite::Result<()> {
        let is_busy = "PRAGMA wal_checkpoint(TRUNCATE)";
        match self.connection.query_row(is_busy, [], |row| row.get::<_, i64>(0))? {
            0 => Ok(()),
            _ => Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                None,
            )),
        }
    }

    /// Takes the log into the file at commits that leave more pages in it; 0: at none.
    fn checkpoint_beyond(&self, pages: u32) -> rusqlite::Result<()> {
        let pragma = format!("PRAGMA wal_autocheckpoint = {pages}");
        self.connection.query_row(&pragma, [], |_| Ok(()))
    }

    /// Gives a copy up during which the log became too long.
    fn bound_log(&mut self) {
        let log = std::fs::metadata(file::with(&self.path, "-wal")).map_or(0, |meta| meta.len());
        // Where SQLite does not take it the next commit asks again.
        if log > self.log_bytes_copying_max && self.checkpoint_beyond(CHECKPOINT_PAGES).is_ok() {
            self.copying = Copying::GivenUp;
        }
    }

    fn told(&self, error: rusqlite::Error) -> VaultError {
        told(&self.path, error)
    }
}

impl Vault for SqliteVault {
    fn load(&mut self) -> Result<Vec<Row>, VaultError> {
        rows(&self.connection).map_err(|error| self.told(error))
    }

    fn commit(&mut self, entry: &Entry) -> Result<u64, VaultError> {
        let (path, fill) = (&self.path, self.fill);
        let mut commit = || -> rusqlite::Result<(u64, Fill, Option<Trial>)> {
            let transaction = self.connection.transaction()?;
            let number = keep(&transaction, entry)?;
            let trial = trial::step(&transaction, (number, entry), self.trial.as_ref())?;
            let fill = fill.after(&transaction, number)?;
            transaction.commit()?;
            Ok((number, fill, trial))
        };
        let (number, fill, trial) = commit().map_err(|error| told(path, error))?;
        (self.fill, self.trial) = (fill, trial);
        if self.copying == Copying::Under {
            self.bound_log();
        }
        Ok(number)
    }

    fn history(&mut self, before: Option<u64>, count: usize) -> Result<Vec<Version>, VaultError> {
        history::versions(&self.connection, before, count).map_err(|error| self.told(error))
    }

    fn edits(&mut self, version: u64, span: EditSpan) -> Result<Vec<ToldEdit>, VaultError> {
        history::edits(&self.connection, version, span).map_err(|error| self.told(error))
    }

    fn tally(&mut self, version: u64, places: Range<u64>) -> Result<Vec<Tally>, VaultError> {
        history::tally(&self.connection, version, places).map_err(|error| self.told(error))
    }

    fn ways_back(&mut self, version: u64) -> Result<Vec<WayBack>, VaultError> {
        history::ways_back(&self.connection, version).map_err(|error| self.told(error))
    }

    fn audit(&mut self, ask: &AuditAsk) -> Result<AuditPage, VaultError> {
        audit::audit(&self.connection, ask).map_err(|error| self.told(error))
    }

    fn trial(&self) -> Option<Trial> {
        self.trial.clone()
    }

    fn undos(&mut self) -> Result<Vec<Undo>, VaultError> {
        trial::undos(&self.connection).map_err(|error| self.told(error))
    }

    fn keep_uses(&mut self, uses: &[(String, u64)]) -> Result<(), VaultError> {
        let path = &self.path;
        let mut keep = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            let mut put = transaction.prepare_cached(
                "INSERT INTO used (token, at) VALUES (?1, ?2) ON CONFLICT (token) DO UPDATE SET at = ?2",
            )?;
            for (token, at) in uses {
                put.execute(params![token, *at as i64])?;
            }
            drop(put);
            let gone = "DELETE FROM used WHERE token NOT IN (SELECT id FROM entity WHERE kind = 'token')";
            transaction.prepare_cached(gone)?.execute([])?;
            transaction.commit()
        };
        keep().map_err(|error| told(path, error))
    }

    fn uses(&mut self) -> Result<Vec<(String, u64)>, VaultError> {
        let read = || -> rusqlite::Result<Vec<(String, u64)>> {
            let mut select = self.connection.prepare("SELECT token, at FROM used")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
            rows.collect()
        };
        read().map_err(|error| self.told(error))
    }

    fn hash_key(&self) -> [u8; 32] {
        self.hash_key
    }

    fn hold_still(&mut self) -> Result<Still, VaultError> {
        if self.copying != Copying::No {
            return Err(VaultError::Failed(self.path.clone(), "is being copied already".into()));
        }
        self.copying = Copying::Under;
        let held = self.checkpoint_beyond(0).and_then(|()| self.take_log_in());
        let held = held.map_err(|error| self.told(error)).and_then(|()| {
            let meta = self.file.metadata();
            meta.map_err(|error| VaultError::Failed(self.path.clone(), error.to_string()))
        });
        match held {
            Ok(meta) => Ok(Still::new(self.file.clone(), meta.len())),
            Err(error) => {
                let _ = self.let_go();
                Err(error)
            }
        }
    }

    fn let_go(&mut self) -> Result<(), VaultError> {
        let was = std::mem::replace(&mut self.copying, Copying::No);
        self.checkpoint_beyond(CHECKPOINT_PAGES).map_err(|error| self.told(error))?;
        match was {
            Copying::No | Copying::Under => Ok(()),
            Copying::GivenUp => Err(VaultError::Failed(
                self.path.clone(),
                "so much was changed while it was copied that the copy was given up: make it again".into(),
            )),
        }
    }
}

/// All entities behind a connection.
pub(super) fn rows(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare("SELECT kind, id, body FROM entity")?;
    let rows =
        select.query_map([], |row| Ok(Row { kind: row.get(0)?, id: row.get(1)?, body: row.get(2)? }))?;
    rows.collect()
}

/// Shares the store with nobody from here on.
fn take(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", "ON")?;
    let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    // A checkpoint follows every few hundred pages; what one great change made of the log is given back after it.
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Brings the file to the newest schema, a copy of the old one beside it.
fn migrate(
    path: &Path,
    connection: &mut Connection,
    secret: Option<[u8; 32]>,
    version: &str,
) -> Result<(), VaultError> {
    let told = |error| told(path, error);
    let schema: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(told)?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(told)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(told)?;
    let fresh = schema == 0 && tables == 0;
    if (fresh && secret.is_none()) || (!fresh && application != APPLICATION_ID) {
        return Err(VaultError::Foreign(path.to_owned()));
    }
    if schema > NEWEST {
        let by = connection
            .query_row("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'written_by'", [], |row| row.get(0))
            .optional();
        let by = by.ok().flatten().unwrap_or_else(|| "of a later version".into());
        return Err(VaultError::Newer { path: path.to_owned(), schema, known: NEWEST, by });
    }
    if schema == NEWEST {
        return Ok(());
    }
    if !fresh {
        keep_old(connection, &file::with(path, &format!(".schema-{schema}")))?;
    }
    let mut step_up = || -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        for (schema, step) in (1..).zip(STEPS).skip(schema as usize) {
            transaction.execute_batch(step)?;
            for (_, work) in WORKS.iter().filter(|(leads_to, _)| *leads_to == schema) {
                work(&transaction)?;
            }
        }
        let put = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        transaction.execute(put, params!["written_by", version.as_bytes()])?;
        if let Some(secret) = secret.filter(|_| fresh) {
            transaction.execute(put, params!["hash_key", &secret[..]])?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", NEWEST)?;
        transaction.commit()
    };
    step_up().map_err(told)
}

/// Keeps a copy of an older schema at `old`, unless there is one. It gets its name once it is whole: half a copy would be
/// taken for a whole one at the next start. (An empty file is what a byway of before this rule left when it was killed.)
fn keep_old(connection: &Connection, old: &Path) -> Result<(), VaultError> {
    if std::fs::metadata(old).is_ok_and(|meta| meta.len() > 0) {
        return Ok(());
    }
    let beside = file::with(old, ".new");
    // What a start that was killed left; where it cannot go, `make` says so.
    let _ = std::fs::remove_file(&beside);
    if !file::make(&beside)? {
        return Err(VaultError::Exists(beside));
    }
    let kept = copy(connection, &beside).map_err(|error| told(&beside, error));
    let kept = kept.and_then(|()| {
        named(&beside, old).map_err(|error| VaultError::Failed(old.to_owned(), error.to_string()))
    });
    kept.inspect_err(|_| drop(std::fs::remove_file(&beside)))
}

/// Gives a file that is on the disk its name.
fn named(beside: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::File::open(beside)?.sync_all()?;
    std::fs::rename(beside, path)?;
    file::sync_folder(path)
}

fn copy(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut target = Connection::open(to)?;
    let backup = rusqlite::backup::Backup::new(connection, &mut target)?;
    backup.run_to_completion(1_024, std::time::Duration::ZERO, None)
}

fn keep(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<u64> {
    transaction.execute(
        "INSERT INTO version (at, who, what, user, email, ip, tenant, edits, kept) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        params![
            entry.at as i64,
            entry.who,
            entry.what,
            entry.actor.user,
            entry.actor.email,
            entry.actor.ip,
            entry.tenant,
            entry.edits.len() as i64
        ],
    )?;
    let number = transaction.last_insert_rowid();
    let mut put = transaction.prepare_cached(
        "INSERT INTO entity (kind, id, body) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE SET body = ?3",
    )?;
    let mut remove = transaction.prepare_cached("DELETE FROM entity WHERE kind = ?1 AND id = ?2")?;
    let mut note = transaction.prepare_cached(
        "INSERT INTO edit (version, place, kind, id, before, after, undo, account, owner, zone, verb)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for (place, edit) in (0_i64..).zip(&entry.edits) {
        match &edit.body {
            Some(body) => put.execute(params![edit.kind, edit.id, body])?,
            None => remove.execute(params![edit.kind, edit.id])?,
        };
        let RowOwner { account, user, zone } = &edit.owner;
        let RowEdit { kind, id, before, after, undo, .. } = edit;
        let verb = AuditVerb::of(before.is_some(), after.is_some()).name();
        note.execute(params![number, place, kind, id, before, after, undo, account, user, zone, verb])?;
    }
    Ok(number as u64)
}

/// What SQLite said, in our words.
pub fn told(path: &Path, error: rusqlite::Error) -> VaultError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => VaultError::Full(path),
        Some(ErrorCode::NotADatabase) => VaultError::Foreign(path),
        Some(ErrorCode::DatabaseCorrupt) => VaultError::Damaged(path, error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => VaultError::Held(path),
        Some(_) | None => VaultError::Failed(path, error.to_string()),
    }
}
