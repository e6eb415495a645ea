//! The schema of the rows' file, and how an older one becomes the present one. A step is never edited: a change is a new
//! step.

/// `PRAGMA application_id` of the file: "bwa" and 1.
pub const APPLICATION_ID: i32 = 0x6277_6101;

/// What brings schema n to n + 1. The newest schema is their count.
pub const STEPS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE cell (
        resolution INTEGER NOT NULL,
        zone BLOB NOT NULL,
        minute INTEGER NOT NULL,
        app BLOB NOT NULL,
        event INTEGER NOT NULL,
        ip INTEGER NOT NULL,
        colo TEXT NOT NULL,
        count INTEGER NOT NULL,
        ingress INTEGER NOT NULL,
        egress INTEGER NOT NULL,
        timed INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        durations BLOB NOT NULL,
        PRIMARY KEY (resolution, zone, minute, app, event, ip, colo)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE floor (
        resolution INTEGER NOT NULL,
        zone BLOB NOT NULL,
        minute INTEGER NOT NULL,
        PRIMARY KEY (resolution, zone)
    ) STRICT, WITHOUT ROWID;
"];

/// The newest schema.
pub const NEWEST: u32 = STEPS.len() as u32;
