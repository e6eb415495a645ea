//! What a full disk does to the state folder. A real one: a small tmpfs in a mount namespace of the test's own thread,
//! which wants root.

use super::event_push::{EventPush, PushSettings};
use super::rule_journal::{JournalError, RuleJournal, read_change};
use super::store::Store;
use super::{AppFacts, EventLog, Rotation, WallClock};
use crate::base::Instant;
use crate::control::config::boot::EventsTarget;
use crate::snapshot::RuleChange;
use crate::telemetry::Event;
use crate::tls::Trust;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Runs `test` in a folder with 256 KiB of room.
fn on_a_small_disk(name: &str, test: impl FnOnce(&Path) + Send) {
    let folder = std::env::temp_dir().join(format!("byway-full-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("root may have a mount namespace");
        let (none, nothing) = (None::<&str>, None::<&str>);
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).expect("ours alone");
        mount(Some("tmpfs"), &folder, Some("tmpfs"), MsFlags::empty(), Some("size=256k")).expect("a disk");
        test(&folder);
    };
    std::thread::scope(|scope| scope.spawn(inside).join()).expect("the test holds");
    fs::remove_dir(&folder).expect("empty outside");
}

/// Takes what room is left; taking the file away gives it back.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("fill");
    let mut file = File::create(&path).expect("a name");
    let error = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    path
}

fn change(last: u8) -> RuleChange {
    let target = json!({ "target": "ip", "value": format!("192.0.2.{last}") });
    read_change(&json!({ "zone": "z", "remove": target })).expect("a change")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

#[test]
fn store_and_journal_refuse_on_a_full_disk_keep_what_they_had_and_go_on_when_there_is_room() {
    on_a_small_disk("store", |folder| {
        let (store, old, new) = (Store::new(folder), "a".repeat(10_000), "b".repeat(20_000));
        let mut journal = RuleJournal::open(folder).expect("none yet");
        store.save(&old).expect("room");
        journal.append(&[change(1)]).expect("room");
        let before = names(folder);
        let filler = fill(folder);

        assert_eq!(store.save(&new).map_err(|error| error.kind()), Err(ErrorKind::StorageFull));
        assert!(store.load().expect("readable").is_some_and(|stored| stored.text == old));
        let many: Vec<RuleChange> = (2..=200).map(change).collect();
        let Err(JournalError::Io(path, error)) = journal.append(&many) else { panic!("it found room") };
        assert_eq!((path, error.kind()), (RuleJournal::path_in(folder), ErrorKind::StorageFull));
        let again = RuleJournal::open(folder).expect("whole");
        assert_eq!((journal.len(), again.changes().cloned().collect::<Vec<_>>()), (1, vec![change(1)]));
        fs::remove_file(filler).expect("there");
        assert_eq!(names(folder), before, "nothing half-written is left");

        store.save(&new).expect("room again");
        journal.append(&many).expect("room again");
        assert!(store.load().expect("readable").is_some_and(|stored| stored.text == new));
        assert_eq!(RuleJournal::open(folder).expect("whole").len(), 200);
    });
}

#[test]
fn events_are_lost_and_counted_on_a_full_disk_and_what_is_written_stays_whole_lines() {
    on_a_small_disk("events", |folder| {
        let (path, spool) = (folder.join("e.jsonl"), folder.join("spool"));
        let never = Rotation { bytes_max: 0, kept: 0 };
        let mut log = EventLog::open(EventsTarget::File(path.clone()), never, "");
        let settings = PushSettings {
            url: "http://127.0.0.1:1/".into(),
            gzip: false,
            batch_lines: 1,
            batch_ms: 1,
            spool_bytes: 1 << 20,
        };
        let trust = Trust::new(None).expect("the web's").strict();
        log.send_to(EventPush::start(settings, spool.clone(), trust).expect("started"));
        let (clock, event) = (WallClock::from_unix_micros(0, Instant::ZERO), event());
        let tell = |log: &mut EventLog, events: usize| {
            (0..events).for_each(|_| log.push(&event, &AppFacts::default(), &clock));
            log.flush();
        };
        tell(&mut log, 3);
        let filler = fill(folder);
        let waiting = names(&spool);
        tell(&mut log, 20);
        assert_eq!((log.written(), log.lost(), log.failing()), (3, 20, true));
        assert_eq!((log.push_counts().lost, names(&spool)), (20, waiting), "no half batch");
        fs::remove_file(filler).expect("there");
        tell(&mut log, 2);
        assert_eq!((log.written(), log.lost(), log.failing()), (5, 20, false));
        assert_eq!((log.push_counts().lost, names(&spool).len()), (20, 5));
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 5);
        assert_eq!(text.lines().count(), 5);
    });
}

fn event() -> Event {
    use crate::base::{Addr, AppSlot, Endpoint, Whence, WorkerId};
    use crate::telemetry::{EventKind, FirewallMatch, Status, Transport};
    let end = Endpoint { addr: Addr::v4([192, 0, 2, 1]), port: 1 };
    Event {
        kind: EventKind::Disconnect,
        status: Status::NormalClose,
        worker: WorkerId(0),
        at: Instant::ZERO,
        transport: Transport::Tcp,
        app: AppSlot(0),
        client: end,
        whence: Whence::UNKNOWN,
        edge: end,
        origin: None,
        egress: None,
        client_bytes: 0,
        origin_bytes: 0,
        connected_at: None,
        client_rtt: None,
        origin_rtt: None,
        firewall: FirewallMatch::Unknown,
        ip_firewall: false,
        proven: true,
        count: 1,
        reason: None,
        tls: None,
    }
}
