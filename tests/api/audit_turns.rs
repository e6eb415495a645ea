//! Questions to the audit log and copies of the store that take their time, and whom they keep waiting.

use crate::stand::{Outside, terms};
use byway::api::{Errand, Office, Plan, new_id};
use byway::control::desk::Desk;
use byway::estate::{Change, Estate, User};
use byway::table::Reserved;
use byway::vault::{
    AuditAsk, AuditPage, EditSpan, Entry, Row, SqliteVault, Still, Tally, ToldEdit, Trial, Undo, Vault,
    VaultError, Version, WayBack,
};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;

/// How long what is to happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store whose audit log answers, and whose file is copied, when it is let.
struct Slow {
    vault: SqliteVault,
    path: PathBuf,
    asked: Sender<()>,
    let_go: Arc<Mutex<Receiver<()>>>,
}

impl Vault for Slow {
    fn audit(&mut self, ask: &AuditAsk) -> Result<AuditPage, VaultError> {
        let _ = self.asked.send(());
        // It ends when nobody holds it back any more.
        let _ = self.let_go.lock().expect("no panic").recv();
        self.vault.audit(ask)
    }

    fn load(&mut self) -> Result<Vec<Row>, VaultError> {
        self.vault.load()
    }

    fn commit(&mut self, entry: &Entry) -> Result<u64, VaultError> {
        self.vault.commit(entry)
    }

    fn history(&mut self, before: Option<u64>, count: usize) -> Result<Vec<Version>, VaultError> {
        self.vault.history(before, count)
    }

    fn edits(&mut self, version: u64, span: EditSpan) -> Result<Vec<ToldEdit>, VaultError> {
        self.vault.edits(version, span)
    }

    fn tally(&mut self, version: u64, places: Range<u64>) -> Result<Vec<Tally>, VaultError> {
        self.vault.tally(version, places)
    }

    fn ways_back(&mut self, version: u64) -> Result<Vec<WayBack>, VaultError> {
        self.vault.ways_back(version)
    }

    fn trial(&self) -> Option<Trial> {
        self.vault.trial()
    }

    fn undos(&mut self) -> Result<Vec<Undo>, VaultError> {
        self.vault.undos()
    }

    fn keep_uses(&mut self, uses: &[(String, u64)]) -> Result<(), VaultError> {
        self.vault.keep_uses(uses)
    }

    fn uses(&mut self) -> Result<Vec<(String, u64)>, VaultError> {
        self.vault.uses()
    }

    fn hash_key(&self) -> [u8; 32] {
        self.vault.hash_key()
    }

    fn hold_still(&mut self) -> Result<Still, VaultError> {
        drop(self.vault.hold_still()?);
        let store = File::open(&self.path).expect("there");
        let bytes = store.metadata().expect("there").len();
        let (asked, let_go) = (self.asked.clone().into(), self.let_go.clone());
        Ok(Still::new(Arc::new(Gate { store, asked, let_go }), bytes))
    }

    fn let_go(&mut self) -> Result<(), VaultError> {
        self.vault.let_go()
    }
}

/// A store's file that is read when it is let.
struct Gate {
    store: File,
    asked: Mutex<Sender<()>>,
    let_go: Arc<Mutex<Receiver<()>>>,
}

impl FileExt for Gate {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let _ = self.asked.lock().expect("no panic").send(());
        let _ = self.let_go.lock().expect("no panic").recv();
        self.store.read_at(buffer, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// An office over a store that is slow, what tells when the store is asked, and what holds it back.
fn slow_office(folder: &Path) -> (Arc<Office>, Receiver<()>, Sender<()>) {
    std::fs::create_dir_all(folder).expect("a folder");
    let path = folder.join("store");
    let vault = SqliteVault::open(&path, [7; 32], "test").expect("a store");
    let opened = byway::analytics::open(&folder.join("analytics"), "test", "FRA").expect("opened");
    let terms = terms(Reserved::default(), &Arc::new(Outside::default()), opened.1);
    let ((asked, is_asked), (hold, let_go)) = (channel(), channel());
    let slow = Slow { vault, path, asked, let_go: Arc::new(Mutex::new(let_go)) };
    (Arc::new(Office::open(Box::new(slow), Estate::default(), Desk::open().0, terms)), is_asked, hold)
}

#[test]
fn a_change_is_answered_while_the_store_is_copied_and_is_not_in_the_copy() {
    let folder = std::env::temp_dir().join(format!("byway-api-copy-{}", std::process::id()));
    let (office, is_asked, hold) = slow_office(&folder);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let copy = folder.join("copy");
    let (copying, to) = (office.clone(), copy.clone());
    runtime.block_on(async move {
        let copied = tokio::spawn(async move { copying.backup(to).await });
        yield_now().await;
        is_asked.recv_timeout(PATIENCE).expect("the copy has begun");
        let id = new_id().expect("random");
        let user = User { id, email: "x@example.net".into(), key_hash: None, created_on: office.now() };
        let plan = move |_: &Estate, _| {
            let mut change = Change::default();
            change.make(user);
            Ok(Plan { change, ..Plan::default() })
        };
        let changed = timeout(PATIENCE, office.change(Errand::default(), plan)).await;
        changed.expect("the store is free").expect("changed");
        assert!(!copied.is_finished());
        drop(hold);
        copied.await.expect("no panic").expect("copied");
        assert_eq!(office.estate().users.len(), 1);
    });
    let mut copied = SqliteVault::open(&copy, [1; 32], "test").expect("a store");
    assert_eq!(copied.load().expect("readable"), []);
    drop(copied);
    let mut vault = SqliteVault::open(&folder.join("store"), [1; 32], "test").expect("a store");
    assert_eq!(vault.load().expect("readable").len(), 1);
    std::fs::remove_dir_all(&folder).expect("gone");
}

#[test]
fn one_question_to_the_audit_log_is_at_the_store_and_the_others_hold_no_thread_meanwhile() {
    let folder = std::env::temp_dir().join(format!("byway-api-turns-{}", std::process::id()));
    let (office, is_asked, hold) = slow_office(&folder);
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    runtime.expect("a runtime").block_on(async move {
        let ask = |_| {
            let office = office.clone();
            tokio::spawn(async move { office.audit(AuditAsk::default()).await.map(|page| page.total) })
        };
        let mut questions: Vec<_> = (0..4).map(ask).collect();
        yield_now().await;
        is_asked.recv_timeout(PATIENCE).expect("the first one is at the store");
        let free = || timeout(PATIENCE, spawn_blocking(|| ()));
        free().await.expect("a thread is left for changes").expect("no panic");
        // A client that goes away gives its turn back when the store is done with its question, and not before.
        questions.remove(0).abort();
        yield_now().await;
        free().await.expect("a thread is left for changes").expect("no panic");
        assert!(is_asked.try_recv().is_err(), "the store is at its first question");
        drop(hold);
        for question in questions {
            assert_eq!(question.await.expect("no panic").expect("answered"), 0);
        }
    });
    std::fs::remove_dir_all(&folder).expect("gone");
}
