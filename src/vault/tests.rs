//! What the store promises, asked of SQLite.

use super::schema::{NEWEST, STEPS};
use super::*;
use crate::base::limits::{VERSION_EDITS_KEPT_MAX, VERSIONS_BACK_MAX, VERSIONS_KEPT_MAX};
use rusqlite::Connection;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A folder that goes with its test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("byway-vault-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The names of what lies in it, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).expect("there").flatten();
        let mut names: Vec<String> =
            names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn open(path: &Path) -> Result<SqliteVault, VaultError> {
    SqliteVault::open(path, [7; 32], "9.9.9")
}

pub(super) fn edit(id: &str, body: Option<&str>) -> RowEdit {
    let body = body.map(str::to_owned);
    let owner = RowOwner::default();
    RowEdit { kind: "zone".into(), id: id.into(), undo: None, before: None, after: body.clone(), body, owner }
}

pub(super) fn entry(edits: Vec<RowEdit>) -> Entry {
    let (who, what) = ("me".into(), "a test".into());
    Entry {
        at: 5,
        who,
        what,
        tenant: String::new(),
        actor: Actor::default(),
        edits,
        trial: TrialStep::GoesOn,
    }
}

fn edits(vault: &mut SqliteVault, version: u64) -> Vec<ToldEdit> {
    let all = EditSpan { from: 0, count: usize::MAX, bytes: usize::MAX };
    vault.edits(version, all).expect("readable")
}

pub(super) fn ids(vault: &mut SqliteVault) -> Vec<String> {
    let mut ids: Vec<String> = vault.load().expect("readable").into_iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn what_is_committed_is_there_for_the_next_one_and_its_file_is_nobody_elses() {
    let folder = Folder::new("keeps");
    let mut vault = open(&folder.store()).expect("made");
    assert_eq!(vault.commit(&entry(vec![edit("a", Some("1")), edit("b", Some("2"))])).expect("kept"), 1);
    assert_eq!(vault.commit(&entry(vec![edit("a", None), edit("c", Some("3"))])).expect("kept"), 2);
    for name in ["store", "store-wal"] {
        assert_eq!(fs::metadata(folder.0.join(name)).expect(name).mode() & 0o777, 0o600, "{name}");
    }
    drop(vault);
    let mut vault = SqliteVault::open(&folder.store(), [8; 32], "10").expect("opened");
    assert_eq!(vault.hash_key(), [7; 32], "the key is the store's, not the opener's");
    assert_eq!(ids(&mut vault), ["b", "c"]);
    let history = vault.history(None, 10).expect("readable");
    assert_eq!(history.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(edits(&mut vault, 2)[1].after.as_deref(), Some("3"));
    assert_eq!(vault.history(Some(2), 10).expect("readable").len(), 1);
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = Folder::new("modes");
    drop(open(&folder.store()).expect("made"));
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(folder.store(), Permissions::from_mode(mode)).expect("changed");
        let refused = open(&folder.store()).err().expect("refused");
        assert!(matches!(refused, VaultError::Mode(_, found) if found == mode), "{refused}");
        assert!(refused.to_string().contains("chmod 0600"), "{refused}");
    }
    fs::set_permissions(folder.store(), Permissions::from_mode(0o600)).expect("changed");
    open(&folder.store()).expect("opened");
}

#[test]
fn a_newer_schema_is_refused_with_the_version_it_needs() {
    let folder = Folder::new("newer");
    drop(open(&folder.store()).expect("made"));
    let plain = Connection::open(folder.store()).expect("opened");
    plain.pragma_update(None, "user_version", NEWEST + 1).expect("set");
    drop(plain);
    let refused = open(&folder.store()).err().expect("refused");
    assert!(matches!(refused, VaultError::Newer { schema, .. } if schema == NEWEST + 1), "{refused}");
    assert!(refused.to_string().contains("needs byway 9.9.9 or newer"), "{refused}");
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let folder = Folder::new("foreign");
    let other = Connection::open(folder.store()).expect("opened");
    other.execute_batch("CREATE TABLE t (a)").expect("made");
    drop(other);
    fs::set_permissions(folder.store(), Permissions::from_mode(0o600)).expect("changed");
    assert!(matches!(open(&folder.store()).err(), Some(VaultError::Foreign(_))));
    let text = folder.0.join("text");
    fs::write(&text, "no database, but long enough to be looked at as one: ".repeat(40)).expect("written");
    fs::set_permissions(&text, Permissions::from_mode(0o600)).expect("changed");
    assert!(matches!(open(&text).err(), Some(VaultError::Foreign(_))));
    assert!(fs::read_to_string(&text).expect("there").starts_with("no database"));
    assert!(matches!(open(&folder.0).err(), Some(VaultError::Foreign(_))), "a folder");
}

#[test]
fn a_store_has_one_owner() {
    let folder = Folder::new("owner");
    let mut first = open(&folder.store()).expect("made");
    first.commit(&entry(vec![edit("a", Some("1"))])).expect("kept");
    assert!(matches!(open(&folder.store()).err(), Some(VaultError::Held(_))));
}

#[test]
fn a_commit_that_breaks_leaves_nothing_of_itself() {
    let folder = Folder::new("breaks");
    let mut vault = open(&folder.store()).expect("made");
    vault.commit(&entry(vec![edit("a", Some("1"))])).expect("kept");
    drop(vault);
    let plain = Connection::open(folder.store()).expect("opened");
    // The second edit of a change meets a disk that is full, as far as SQLite can tell.
    plain
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON entity WHEN NEW.id = 'c' BEGIN SELECT RAISE(ABORT, 'full'); END")
        .expect("made");
    drop(plain);
    let mut vault = open(&folder.store()).expect("opened");
    assert!(vault.commit(&entry(vec![edit("b", Some("1")), edit("c", Some("1"))])).is_err());
    assert_eq!(ids(&mut vault), ["a"]);
    assert_eq!(vault.history(None, 10).expect("readable").len(), 1);
    vault.commit(&entry(vec![edit("d", Some("1"))])).expect("kept");
}

#[test]
fn the_log_is_bounded_and_the_newest_change_is_whole() {
    let folder = Folder::new("bounded");
    drop(open(&folder.store()).expect("made"));
    let mut plain = Connection::open(folder.store()).expect("opened");
    let transaction = plain.transaction().expect("begun");
    for number in 0..VERSIONS_KEPT_MAX + 5 {
        let row = ("who", number as i64);
        transaction.execute("INSERT INTO version (at, who, what) VALUES (?2, ?1, '')", row).expect("put");
    }
    transaction.commit().expect("kept");
    drop(plain);
    let mut vault = open(&folder.store()).expect("opened");
    vault.commit(&entry(vec![edit("a", Some("1"))])).expect("kept");
    let all = vault.history(None, 2 * VERSIONS_KEPT_MAX).expect("readable");
    assert_eq!(all.len(), VERSIONS_KEPT_MAX);
    assert_eq!(edits(&mut vault, all[0].number).len(), 1);
}

/// A change of a tenant's with so many edits.
fn great(tenant: &str, edits: usize) -> Entry {
    let edits = (0..edits)
        .map(|number| RowEdit { undo: Some("u".into()), ..edit(&format!("{tenant}{number}"), Some("1")) });
    Entry { tenant: tenant.into(), ..entry(edits.collect()) }
}

#[test]
fn the_last_versions_stay_whole_however_long_and_older_ones_say_who_did_what() {
    let folder = Folder::new("whole");
    let mut vault = open(&folder.store()).expect("made");
    vault.commit(&great("quiet", 3)).expect("kept");
    let import = vault.commit(&great("box", VERSION_EDITS_KEPT_MAX + 1)).expect("kept");
    for _ in 1..VERSIONS_BACK_MAX {
        vault.commit(&great("a", 1)).expect("kept");
    }
    let version = |vault: &mut SqliteVault, number: u64| {
        let found = vault.history(Some(number + 1), 1).expect("readable").remove(0);
        let ways = vault.ways_back(number).expect("readable");
        let undo = ways.iter().filter(|way| way.undo.is_some()).count();
        assert_eq!(found.kept, ways.len() as u64);
        (ways.len(), undo, found.forgotten)
    };
    let whole = VERSION_EDITS_KEPT_MAX + 1;
    assert_eq!(version(&mut vault, import), (whole, whole, 0), "the last to which one may go back");
    drop(vault);
    let mut vault = open(&folder.store()).expect("opened");
    vault.commit(&great("a", 1)).expect("kept");
    assert_eq!(version(&mut vault, import), (0, 0, whole as u64), "who, what and when stay");
    assert_eq!(version(&mut vault, import - 1), (3, 0, 0), "another one's details stay");
}

#[test]
fn nobodys_changes_push_those_of_another_out_of_the_log() {
    let folder = Folder::new("fair");
    drop(open(&folder.store()).expect("made"));
    let mut plain = Connection::open(folder.store()).expect("opened");
    let transaction = plain.transaction().expect("begun");
    let put = "INSERT INTO version (at, who, what, tenant) VALUES (1, '', '', ?1)";
    let quiet = 40;
    for number in 0..VERSIONS_KEPT_MAX {
        transaction.execute(put, [if number < quiet { "quiet" } else { "loud" }]).expect("put");
    }
    transaction.commit().expect("kept");
    drop(plain);
    let mut vault = open(&folder.store()).expect("opened");
    for _ in 0..VERSIONS_BACK_MAX + 10 {
        vault.commit(&great("loud", 1)).expect("kept");
    }
    let all = vault.history(None, 2 * VERSIONS_KEPT_MAX).expect("readable");
    assert_eq!(all.len(), VERSIONS_KEPT_MAX);
    let of = |tenant: &str| all.iter().filter(|version| version.tenant == tenant).count();
    assert_eq!((of("quiet"), of("loud")), (quiet, VERSIONS_KEPT_MAX - quiet));
    let last: Vec<u64> = all.iter().take(VERSIONS_BACK_MAX).map(|version| version.number).collect();
    assert!(last.windows(2).all(|pair| pair[0] == pair[1] + 1), "no gap among those one goes back over");
}

#[test]
fn an_older_schema_is_copied_and_brought_up() {
    let folder = Folder::new("older");
    assert!(super::file::make(&folder.store()).expect("made"));
    let plain = Connection::open(folder.store()).expect("opened");
    plain.execute_batch(STEPS[0]).expect("made");
    plain
        .execute("INSERT INTO meta VALUES ('hash_key', ?1), ('written_by', x'31')", [[3_u8; 32]])
        .expect("put");
    plain.execute("INSERT INTO entity VALUES ('zone', 'a', '1')", []).expect("put");
    plain.execute("INSERT INTO version (at, who, what) VALUES (1, 'x', 'y')", []).expect("put");
    plain.execute("INSERT INTO edit VALUES (1, 0, 'zone', 'a', NULL, '1')", []).expect("put");
    plain.pragma_update(None, "application_id", super::schema::APPLICATION_ID).expect("set");
    plain.pragma_update(None, "user_version", 1).expect("set");
    drop(plain);
    // Starts that were killed in the middle of the copy.
    fs::write(folder.0.join("store.schema-1"), "").expect("written");
    fs::write(folder.0.join("store.schema-1.new"), "half a copy").expect("written");
    let mut vault = open(&folder.store()).expect("brought up");
    assert!(!folder.0.join("store.schema-1.new").exists());
    assert_eq!((vault.hash_key(), ids(&mut vault)), ([3; 32], vec!["a".to_owned()]));
    let version = vault.history(None, 9).expect("readable").remove(0);
    let way = vault.ways_back(1).expect("readable").remove(0);
    assert_eq!((way.undo, way.was_there, version.forgotten), (None, false, 0));
    let copy = folder.0.join("store.schema-1");
    assert_eq!(fs::metadata(&copy).expect("there").mode() & 0o777, 0o600);
    let old = Connection::open(copy).expect("opened");
    let schema: u32 = old.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    assert_eq!(schema, 1);
}

#[test]
fn steps_are_as_many_as_schemas() {
    assert_eq!(STEPS.len() as u32, NEWEST);
}

#[test]
fn the_log_of_changes_is_given_back_after_a_great_one() {
    let folder = Folder::new("log");
    let mut vault = open(&folder.store()).expect("made");
    let body = "x".repeat(1 << 20);
    let ids: Vec<String> = (0..48).map(|number| format!("{number:02}")).collect();
    vault.commit(&entry(ids.iter().map(|id| edit(id, Some(&body))).collect())).expect("kept");
    let log = || fs::metadata(folder.0.join("store-wal")).expect("there").len();
    assert!(log() > 64 << 20, "one change is in the log whole: {}", log());
    for number in 0..40 {
        vault.commit(&entry(vec![edit("a", Some(&number.to_string()))])).expect("kept");
    }
    assert!(log() <= 8 << 20, "{} bytes", log());
}

#[test]
fn edits_are_read_and_counted_in_parts() {
    let folder = Folder::new("parts");
    let mut vault = open(&folder.store()).expect("made");
    let made = (0..5).map(|number| edit(&number.to_string(), Some("body")));
    let gone = RowEdit { kind: "app".into(), before: Some("body".into()), ..edit("5", None) };
    let turned = RowEdit { before: Some("body".into()), undo: Some("whole".into()), ..edit("6", Some("x")) };
    vault.commit(&entry(made.chain([gone, turned]).collect())).expect("kept");
    let mut told = |from: u64, count: usize, bytes: usize| {
        let edits = vault.edits(1, EditSpan { from, count, bytes }).expect("readable");
        edits.into_iter().map(|edit| edit.id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told(0, usize::MAX, usize::MAX), "0 1 2 3 4 5 6");
    assert_eq!((told(2, 3, usize::MAX), told(7, 3, usize::MAX)), ("2 3 4".into(), String::new()));
    // An edit of nine bytes ("zone", its id and "body") goes over the bound, and is the last.
    assert_eq!((told(0, 9, 9), told(0, 9, 10), told(0, 9, 0)), ("0".into(), "0 1".into(), String::new()));
    let tally = |kind: &str, verb, count| Tally { kind: kind.into(), verb, count };
    let mut counted = |places| vault.tally(1, places).expect("readable");
    let (gone, made) = (tally("app", AuditVerb::Delete, 1), tally("zone", AuditVerb::Add, 5));
    assert_eq!(counted(0..9), [gone.clone(), made, tally("zone", AuditVerb::Change, 1)]);
    assert_eq!(counted(4..6), [gone, tally("zone", AuditVerb::Add, 1)]);
    let way = vault.ways_back(1).expect("readable").remove(6);
    assert_eq!((way.id.as_str(), way.undo.as_deref(), way.was_there), ("6", Some("whole"), true));
}

#[test]
fn a_key_is_adopted_by_an_empty_store_alone() {
    let folder = Folder::new("adopt");
    let mut vault = open(&folder.store()).expect("made");
    vault.adopt_key([9; 32]).expect("empty");
    assert_eq!(vault.hash_key(), [9; 32]);
    vault.commit(&entry(vec![edit("a", Some("1"))])).expect("kept");
    assert!(matches!(vault.adopt_key([8; 32]), Err(VaultError::Exists(_))));
    drop(vault);
    assert_eq!(open(&folder.store()).expect("opened").hash_key(), [9; 32]);
}
