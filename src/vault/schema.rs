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
    // Whose an edit is, and who made it by parts, for the audit logs of accounts and users. What is older is asked of its own
    // text; zones and prefixes that are gone are known by the edits that made or removed them.
    "
    ALTER TABLE version ADD COLUMN user TEXT;
    ALTER TABLE version ADD COLUMN email TEXT;
    ALTER TABLE version ADD COLUMN ip TEXT;
    ALTER TABLE edit ADD COLUMN account TEXT;
    ALTER TABLE edit ADD COLUMN owner TEXT;
    ALTER TABLE edit ADD COLUMN zone TEXT;
    CREATE TABLE place (kind TEXT, id TEXT, account TEXT, name TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
    INSERT OR REPLACE INTO place
        SELECT kind, id, json_extract(coalesce(after, before), '$.account'), json_extract(coalesce(after, before), '$.name')
        FROM edit WHERE kind IN ('zone', 'prefix') AND json_valid(coalesce(after, before)) ORDER BY version, place;
    INSERT OR REPLACE INTO place
        SELECT kind, id, json_extract(body, '$.account'), json_extract(body, '$.name')
        FROM entity WHERE kind IN ('zone', 'prefix') AND json_valid(body);
    UPDATE edit SET account = id WHERE kind = 'account';
    UPDATE edit SET owner = id WHERE kind = 'user';
    UPDATE edit SET owner = json_extract(coalesce(after, before), '$.user')
        WHERE kind = 'token' AND json_valid(coalesce(after, before));
    UPDATE edit SET account = json_extract(coalesce(after, before), '$.account')
        WHERE kind IN ('loa_document', 'address_map') AND json_valid(coalesce(after, before));
    UPDATE edit SET account = json_extract(coalesce(after, before), '$.holder.account'),
                    owner = json_extract(coalesce(after, before), '$.holder.user')
        WHERE kind = 'rule' AND json_valid(coalesce(after, before));
    UPDATE edit SET account = place.account, zone = place.name FROM place
        WHERE place.kind = 'zone' AND place.id = CASE iif(json_valid(coalesce(edit.after, edit.before)), edit.kind, '')
            WHEN 'zone' THEN edit.id
            WHEN 'rule' THEN json_extract(coalesce(edit.after, edit.before), '$.holder.zone')
            WHEN 'app' THEN json_extract(coalesce(edit.after, edit.before), '$.zone')
            WHEN 'certificate' THEN json_extract(coalesce(edit.after, edit.before), '$.zone')
            WHEN 'dns_record' THEN json_extract(coalesce(edit.after, edit.before), '$.zone')
            END;
    UPDATE edit SET account = place.account FROM place
        WHERE place.kind = 'prefix' AND place.id = CASE iif(json_valid(coalesce(edit.after, edit.before)), edit.kind, '')
            WHEN 'prefix' THEN edit.id
            WHEN 'binding' THEN json_extract(coalesce(edit.after, edit.before), '$.prefix')
            WHEN 'bgp_prefix' THEN json_extract(coalesce(edit.after, edit.before), '$.prefix')
            WHEN 'delegation' THEN json_extract(coalesce(edit.after, edit.before), '$.prefix')
            END;
    DROP TABLE place;
    CREATE INDEX edit_account ON edit (account, version, place) WHERE account IS NOT NULL;
    CREATE INDEX edit_owner ON edit (owner, version, place) WHERE owner IS NOT NULL;
    ",
    // A trial, of which there is one at most, and the first undo of each entity that changed in it: versions are forgotten.
    "
    CREATE TABLE trial (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        base INTEGER NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER NOT NULL,
        within INTEGER NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL
    ) STRICT;
    CREATE TABLE trial_undo (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        undo TEXT,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
    ",
    // Whose changes the log holds, and how many edits each was made of and are kept: nobody's push out another's.
    "
    ALTER TABLE version ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
    ALTER TABLE version ADD COLUMN edits INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE version ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
    UPDATE version SET edits = (SELECT count(*) FROM edit WHERE edit.version = version.number);
    UPDATE version SET kept = edits;
    CREATE INDEX version_by_tenant ON version (tenant, number, kept);
",
    // When tokens were used last, to the hour.
    "CREATE TABLE used (token TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
];

/// The newest schema.
pub const NEWEST: u32 = STEPS.len() as u32;
