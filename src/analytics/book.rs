//! Rows of minutes, hours and days in a SQLite file of their own: write-ahead log, synced at each commit, one process.
//!
//! Each cell goes into its minute's row, its hour's and its day's, so that old minutes can go while their hour stays. Of a
//! zone, app, event, IP version and site there are at most 1,500 minutes (the present hour and 24 before it), 768 hours (the
//! present day and 31) and 401 days; of all together as many as `base::limits` says. Beyond that the zone that holds most
//! loses its oldest hour of minutes, day of hours or day, and it is known from where on its rows are whole. Of the present
//! hour or day its apps share rows before those go, too.
//!
//! A file that cannot be written is tried again at the next commit. A damaged one is put aside.

use super::cell::Cell;
use super::durations::Durations;
use super::gather::Place;
use super::key::{EventName, IpVersion, Key, Tag};
use super::plan::{Floors, Minute, Resolution, Segment};
use super::schema::{APPLICATION_ID, NEWEST, STEPS};
use crate::base::limits::{ANALYTICS_DAY_ROWS_MAX, ANALYTICS_HOUR_ROWS_MAX, ANALYTICS_MINUTE_ROWS_MAX};
use crate::vault::{VaultError, make_file, prepare_file, sqlite_error};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of SQLite's log stays after a great commit, in bytes.
const LOG_BYTES_KEPT: i64 = 8 << 20;

/// Rows by what they are of.
type Census = HashMap<(Resolution, Tag), i64>;

/// The rows.
pub struct Book {
    path: PathBuf,
    version: String,
    connection: Option<Connection>,
    /// Whether the file was checked and its rows were counted, which takes seconds where there are many.
    is_surveyed: bool,
    held: Census,
    floors: HashMap<(Resolution, Tag), Minute>,
    aged: Minute,
    evicted: u64,
    rows_max: [u64; 3],
}

impl Book {
    /// Opens the file, or makes it. One that cannot be opened now is tried again later: `false` behind the book then.
    ///
    /// # Errors
    /// What no later try mends: a mode that lets others read, a file that is none of these, one of a newer byway.
    pub fn open(path: &Path, version: &str) -> Result<(Self, Option<VaultError>), VaultError> {
        let mut book = Self {
            path: path.to_owned(),
            version: version.to_owned(),
            connection: None,
            is_surveyed: false,
            held: HashMap::new(),
            floors: HashMap::new(),
            aged: Minute(0),
            evicted: 0,
            rows_max: [ANALYTICS_MINUTE_ROWS_MAX, ANALYTICS_HOUR_ROWS_MAX, ANALYTICS_DAY_ROWS_MAX],
        };
        match book.reach() {
            Ok(()) => Ok((book, None)),
            Err(error @ (VaultError::Mode(..) | VaultError::Newer { .. } | VaultError::Foreign(_))) => {
                Err(error)
            }
            Err(error) => Ok((book, Some(error))),
        }
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
        self.connect()?;
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
        self.connect()?;
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
            let read = place(row, zone, &mut colo).and_then(|place| Ok((place, cell(row)?)));
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

    /// Opens the file where it is not, and looks through it where that was not done yet.
    ///
    /// # Errors
    /// See `VaultError`.
    pub fn connect(&mut self) -> Result<(), VaultError> {
        if self.is_surveyed {
            return Ok(());
        }
        self.reach()?;
        match self.survey() {
            Err(VaultError::Damaged(..)) => {
                self.connection = None;
                put_aside(&self.path)?;
                self.reach()?;
                self.survey()?;
            }
            other => other?,
        }
        self.is_surveyed = true;
        Ok(())
    }

    /// Opens the file where it is not.
    fn reach(&mut self) -> Result<(), VaultError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let connection = match opened(&self.path, &self.version) {
            Err(VaultError::Damaged(path, _)) => {
                put_aside(&path)?;
                opened(&self.path, &self.version)?
            }
            other => other?,
        };
        self.connection = Some(connection);
        Ok(())
    }

    /// Checks the file and counts its rows.
    fn survey(&mut self) -> Result<(), VaultError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let told = |error| sqlite_error(&self.path, error);
        let check: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(told)?;
        if check != "ok" {
            return Err(VaultError::Damaged(self.path.clone(), check));
        }
        self.held = census(connection).map_err(told)?;
        self.floors = floors(connection).map_err(told)?;
        Ok(())
    }
}

/// A commit on its way.
struct Turn<'a> {
    transaction: &'a Transaction<'a>,
    held: Census,
    floors: HashMap<(Resolution, Tag), Minute>,
}

impl Turn<'_> {
    /// Adds a cell to its three rows.
    fn add(&mut self, place: &Place, cell: &Cell) -> rusqlite::Result<()> {
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
        let before = select.query_row(at, self::cell).optional()?;
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
    fn age(&mut self, now: Minute) -> rusqlite::Result<()> {
        let all: Vec<(Resolution, Tag)> = self.held.keys().copied().collect();
        for (resolution, zone) in all {
            self.remove_before(resolution, zone, resolution.oldest(now))?;
        }
        self.held.retain(|_, rows| *rows > 0);
        Ok(())
    }

    /// Lets go what is too much, of the zone that holds most, until the rest fits. How many rows went.
    fn evict(&mut self, rows_max: &[u64; 3], now: Minute) -> rusqlite::Result<u64> {
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
            sums.entry(place(row, zone, &mut colo)?).or_default().merge(&cell(row)?);
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

fn total(held: &Census, resolution: Resolution) -> i64 {
    held.iter().filter(|((of, _), _)| *of == resolution).map(|(_, rows)| rows).sum()
}

/// Opens, sets up, and brings to the newest schema.
fn opened(path: &Path, version: &str) -> Result<Connection, VaultError> {
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
fn put_aside(path: &Path) -> Result<(), VaultError> {
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

/// The numbers, in the first six columns.
fn cell(row: &Row<'_>) -> rusqlite::Result<Cell> {
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
fn place(row: &Row<'_>, zone: Tag, colo: &mut Arc<str>) -> rusqlite::Result<Place> {
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
fn damaged() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some("a row that byway did not write".into()))
}

const fn blob(tag: Tag) -> [u8; 16] {
    tag.bits().to_be_bytes()
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
