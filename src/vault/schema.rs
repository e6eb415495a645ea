//! The schema, and how an older one becomes the present one. A step is never edited: a change is a new step.

/// `PRAGMA application_id` of a store: "byw" and 1.
pub const APPLICATION_ID: i32 = 0x6279_7701;

/// What brings schema n to n + 1. The newest schema is their count.
pub const STEPS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE entity (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE version (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL
    ) STRICT;
    CREATE TABLE edit (
        version INTEGER NOT NULL REFERENCES version (number) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        before TEXT,
        after TEXT,
        PRIMARY KEY (version, place)
    ) STRICT, WITHOUT ROWID;
",
    // What takes an edit back; empty where there was nothing before, and once the version is too old to go back to.
    "ALTER TABLE edit ADD COLUMN undo TEXT;",
    // DNS records are entities from here on; nothing is laid out anew, but a byway from before must not open the store.
    "",
];

/// The newest schema.
pub const NEWEST: u32 = STEPS.len() as u32;
