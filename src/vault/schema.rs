//! The schema, and how an older one becomes the present one. A step is never edited: a change is a new step.

use super::scrub;
use rusqlite::Transaction;

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
    // The step from schema 3 gave old edits to whoever held their zone or prefix last. They are theirs who held it then, as
    // far as the log itself proves that: by the edit of the zone or prefix before or after, or by what is there now, and no
    // version missing in between. What nobody is proven to have held is read by those alone who run the box. What later
    // byways wrote for a user or a tenant is right as it is; the rest of theirs is looked at once more.
    "
    CREATE TABLE whole (version INTEGER PRIMARY KEY, run INTEGER NOT NULL) STRICT;
    INSERT INTO whole
        SELECT number, number - row_number() OVER (ORDER BY number) FROM version WHERE kept = edits;
    CREATE TABLE holding (kind TEXT, id TEXT, version INTEGER, place INTEGER, was TEXT, became TEXT,
        PRIMARY KEY (kind, id, version, place)) WITHOUT ROWID;
    INSERT INTO holding
        SELECT kind, id, version, place,
            CASE WHEN before IS NULL THEN NULL WHEN json_valid(before) THEN coalesce(json_extract(before, '$.account'), '') ELSE '' END,
            CASE WHEN after IS NULL THEN NULL WHEN json_valid(after) THEN coalesce(json_extract(after, '$.account'), '') ELSE '' END
        FROM edit WHERE kind IN ('zone', 'prefix');
    CREATE TABLE claim (version INTEGER, place INTEGER, kind TEXT, id TEXT, account TEXT, owner TEXT,
        PRIMARY KEY (version, place)) WITHOUT ROWID;
    INSERT INTO claim (version, place, kind, id)
        SELECT version, place, min(of), min(whose) FROM (
            SELECT version, place,
                CASE edit WHEN 'zone' THEN 'zone' WHEN 'prefix' THEN 'prefix' WHEN 'account' THEN 'account'
                    WHEN 'user' THEN 'owner' WHEN 'token' THEN 'owner'
                    WHEN 'loa_document' THEN 'account' WHEN 'address_map' THEN 'account'
                    WHEN 'binding' THEN 'prefix' WHEN 'bgp_prefix' THEN 'prefix' WHEN 'delegation' THEN 'prefix'
                    WHEN 'app' THEN 'zone' WHEN 'certificate' THEN 'zone' WHEN 'dns_record' THEN 'zone'
                    WHEN 'rule' THEN CASE WHEN json_extract(body, '$.holder.account') IS NOT NULL THEN 'account'
                        WHEN json_extract(body, '$.holder.user') IS NOT NULL THEN 'owner' ELSE 'zone' END
                    END AS of,
                CASE edit WHEN 'zone' THEN id WHEN 'prefix' THEN id WHEN 'account' THEN id WHEN 'user' THEN id
                    WHEN 'token' THEN json_extract(body, '$.user')
                    WHEN 'loa_document' THEN json_extract(body, '$.account')
                    WHEN 'address_map' THEN json_extract(body, '$.account')
                    WHEN 'binding' THEN json_extract(body, '$.prefix')
                    WHEN 'bgp_prefix' THEN json_extract(body, '$.prefix')
                    WHEN 'delegation' THEN json_extract(body, '$.prefix')
                    WHEN 'app' THEN json_extract(body, '$.zone')
                    WHEN 'certificate' THEN json_extract(body, '$.zone')
                    WHEN 'dns_record' THEN json_extract(body, '$.zone')
                    WHEN 'rule' THEN coalesce(json_extract(body, '$.holder.account'),
                        json_extract(body, '$.holder.user'), json_extract(body, '$.holder.zone'))
                    END AS whose
            FROM (
                SELECT e.version, e.place, e.kind AS edit, e.id, iif(json_valid(text), text, '{}') AS body
                FROM (
                    SELECT version, place, kind, id, before AS text FROM edit WHERE before IS NOT NULL
                    UNION ALL SELECT version, place, kind, id, after FROM edit WHERE after IS NOT NULL
                ) e JOIN version v ON v.number = e.version
                WHERE v.user IS NULL AND v.tenant = ''
            )
        )
        GROUP BY version, place
        HAVING count(of) = count(*) AND count(whose) = count(*) AND count(DISTINCT of || whose) = 1;
    UPDATE claim SET account = id WHERE kind = 'account';
    UPDATE claim SET owner = id WHERE kind = 'owner';
    UPDATE claim SET account = CASE
        WHEN EXISTS (SELECT 1 FROM holding h WHERE h.kind = claim.kind AND h.id = claim.id AND h.version = claim.version)
        THEN (SELECT iif(count(DISTINCT held) = 1, min(held), '') FROM (
            SELECT was AS held FROM holding h WHERE h.kind = claim.kind AND h.id = claim.id AND h.version = claim.version
            UNION ALL
            SELECT became FROM holding h WHERE h.kind = claim.kind AND h.id = claim.id AND h.version = claim.version))
        ELSE coalesce(
            (SELECT coalesce(became, '') FROM holding h JOIN whole w ON w.version = h.version
                WHERE h.kind = claim.kind AND h.id = claim.id AND h.version < claim.version
                    AND w.run = (SELECT run FROM whole WHERE whole.version = claim.version)
                ORDER BY h.version DESC, h.place DESC LIMIT 1),
            (SELECT coalesce(was, '') FROM holding h JOIN whole w ON w.version = h.version
                WHERE h.kind = claim.kind AND h.id = claim.id AND h.version > claim.version
                    AND w.run = (SELECT run FROM whole WHERE whole.version = claim.version)
                ORDER BY h.version, h.place LIMIT 1),
            (SELECT json_extract(body, '$.account') FROM entity
                WHERE entity.kind = claim.kind AND entity.id = claim.id AND json_valid(body)
                    AND (SELECT run FROM whole WHERE whole.version = claim.version)
                        = (SELECT run FROM whole WHERE whole.version = (SELECT max(number) FROM version))))
        END
        WHERE kind IN ('zone', 'prefix');
    UPDATE edit SET account = (SELECT nullif(c.account, '') FROM claim c WHERE c.version = edit.version AND c.place = edit.place)
        WHERE account IS NOT NULL AND version IN (SELECT number FROM version WHERE user IS NULL AND tenant = '');
    UPDATE edit SET owner = (SELECT c.owner FROM claim c WHERE c.version = edit.version AND c.place = edit.place)
        WHERE owner IS NOT NULL AND version IN (SELECT number FROM version WHERE user IS NULL AND tenant = '');
    DROP TABLE whole;
    DROP TABLE holding;
    DROP TABLE claim;
    ",
    // What an edit did, in a word, so that an index answers a question to the audit log and how many entries it has in all:
    // no body is read but those of the page.
    "
    ALTER TABLE edit ADD COLUMN verb TEXT;
    UPDATE edit SET verb = CASE WHEN before IS NULL THEN 'add' WHEN after IS NULL THEN 'delete' ELSE 'change' END;
    DROP INDEX edit_account;
    DROP INDEX edit_owner;
    CREATE INDEX edit_account ON edit (account, version, place, zone, verb) WHERE account IS NOT NULL;
    CREATE INDEX edit_owner ON edit (owner, version, place, zone, verb, account) WHERE owner IS NOT NULL;
    ",
    // Chains of certificates were kept as they came, and who sent a private key among them had it shown in the log of
    // changes: `scrub` takes out what is no certificate.
    "",
];

/// What a step does beside its SQL, by the schema that it leads to.
pub const WORKS: &[(u32, Work)] = &[(10, scrub::chains)];

/// Work of a step.
pub type Work = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// The newest schema.
pub const NEWEST: u32 = STEPS.len() as u32;
