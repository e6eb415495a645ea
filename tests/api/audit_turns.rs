//! Questions to the audit log that take their time, and whom they keep waiting.

use crate::stand::{Outside, terms};
use byway::api::Office;
use byway::control::desk::Desk;
use byway::estate::Estate;
use byway::table::Reserved;
use byway::vault::{
    AuditAsk, AuditPage, EditSpan, Entry, Row, SqliteVault, Tally, ToldEdit, Trial, Undo, Vault, VaultError,
    Version, WayBack,
};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;

/// How long what is to happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store whose audit log answers when it is let.
struct Slow {
    vault: SqliteVault,
    asked: Sender<()>,
    let_go: Receiver<()>,
}

impl Vault for Slow {
    fn audit(&mut self, ask: &AuditAsk) -> Result<AuditPage, VaultError> {
        let _ = self.asked.send(());
        // It ends when nobody holds it back any more.
        let _ = self.let_go.recv();
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

    fn backup(&mut self, to: &Path) -> Result<(), VaultError> {
        self.vault.backup(to)
    }
}

#[test]
fn one_question_to_the_audit_log_is_at_the_store_and_the_others_hold_no_thread_meanwhile() {
    let folder = std::env::temp_dir().join(format!("byway-api-turns-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("a store");
    let opened = byway::analytics::open(&folder.join("analytics"), "test", "FRA").expect("opened");
    let (_recorder, reader, _clerk) = opened;
    let terms = terms(Reserved::default(), &Arc::new(Outside::default()), reader);
    let ((asked, is_asked), (hold, let_go)) = (channel(), channel());
    let slow = Slow { vault, asked, let_go };
    let office = Arc::new(Office::open(Box::new(slow), Estate::default(), Desk::open().0, terms));
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
