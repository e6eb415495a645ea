//! What a power cut leaves: the store's file, and a log whose end is on the disk in part, as zeros, or wrong. All that was
//! synced before is there, and a change whose sync never ended is there whole or not at all.
//!
//! ```text
//!  log  | 1 ..... | 2 ..... | 3 ..... |     each change is some frames of a page, the last of which says that it is whole
//!       ^ ends[0]            ^ a cut between two ends: 1 and 2 are there, 3 is not
//! ```

use super::tests::{Folder, edit, entry, open};
use super::*;
use std::fs;
use std::path::Path;

/// A disk writes so many bytes at once.
const SECTOR: usize = 512;
/// A frame of the log: a page of 4,096 bytes behind a header.
const FRAME: usize = 24 + 4_096;
/// Entities that each change puts.
const IDS: [&str; 3] = ["a", "b", "c"];

/// A store with some changes in its log: the bytes of both files, and how long the log was after each change was acknowledged.
struct Cut {
    folder: Folder,
    store: Vec<u8>,
    log: Vec<u8>,
    ends: Vec<usize>,
}

impl Cut {
    fn new(name: &str, changes: usize) -> Self {
        let folder = Folder::new(name);
        drop(open(&folder.store()).expect("made"));
        // Bodies are of some length, so that a change is of several pages.
        let mut vault = open(&folder.store()).expect("opened");
        let change = |number: usize| {
            let body = format!("{number} {}", "x".repeat(1_500));
            entry(IDS.map(|id| edit(id, Some(&body))).to_vec())
        };
        let log = folder.0.join("store-wal");
        let mut ends = Vec::new();
        for number in 1..=changes {
            vault.commit(&change(number)).expect("kept");
            ends.push(fs::metadata(&log).expect("there").len() as usize);
        }
        assert!(
            ends.windows(2).all(|pair| pair[0] + 2 * FRAME <= pair[1]),
            "changes of several frames: {ends:?}"
        );
        // As they are while the power is there: nothing was taken from the log into the store.
        let [store, log] = [folder.store(), log].map(|path| fs::read(path).expect("there"));
        Self { folder, store, log, ends }
    }

    /// Starts over a log like this: every change that is whole in it is there whole, and nothing else, as the history says.
    fn start(&self, log: &[u8], what: &str) {
        let copy = self.folder.0.join("copy");
        let put = |path: &Path, bytes: &[u8]| {
            let _ = fs::remove_file(path);
            assert!(make_file(path).expect("made"));
            fs::write(path, bytes).expect("written");
        };
        put(&copy, &self.store);
        put(&self.folder.0.join("copy-wal"), log);
        let mut vault = open(&copy).expect("a start after a power cut");
        let kept = self.kept(log);
        assert_eq!(vault.history(None, 100).expect("readable").len(), kept, "{what}");
        let rows = vault.load().expect("readable");
        assert_eq!(rows.len(), if kept == 0 { 0 } else { IDS.len() }, "{what}");
        for row in rows {
            let number = row.body.split(' ').next().and_then(|number| number.parse().ok());
            assert_eq!(number, Some(kept), "{} of change {kept}: {what}", row.id);
        }
    }

    /// How many changes have all their bytes in this log.
    fn kept(&self, log: &[u8]) -> usize {
        let is_whole = |end: &&usize| log.get(..**end) == self.log.get(..**end);
        self.ends.iter().take_while(is_whole).count()
    }
}

#[test]
fn a_log_that_a_power_cut_tore_anywhere_keeps_every_acknowledged_change_and_no_half_of_one() {
    let cut = Cut::new("torn", 4);
    let synced = cut.ends[1];
    for len in (synced..cut.log.len()).step_by(SECTOR).chain([cut.log.len()]) {
        cut.start(&cut.log[..len], &format!("the log ends after {len} bytes"));
        // Its length is on the disk, and its bytes are not.
        let mut blank = cut.log.clone();
        blank[len..].fill(0);
        cut.start(&blank, &format!("the log is blank after {len} bytes"));
    }
    assert_eq!(
        (cut.kept(&cut.log[..synced]), cut.kept(&cut.log[..synced + SECTOR]), cut.kept(&cut.log)),
        (2, 2, 4)
    );
}

#[test]
fn a_last_frame_with_a_wrong_byte_costs_its_own_change_alone() {
    let cut = Cut::new("flipped", 3);
    let last = cut.log.len() - FRAME;
    // Number of the page, length of the store, salts and sums of the frame; then its page.
    let places = (0..24).step_by(4).chain([24, 24 + SECTOR, FRAME / 2, FRAME - 1]);
    for place in places {
        let mut log = cut.log.clone();
        log[last + place] ^= 0x55;
        assert_eq!(cut.kept(&log), 2);
        cut.start(&log, &format!("byte {place} of the last frame is wrong"));
    }
}

#[test]
fn sectors_of_a_change_that_came_in_another_order_are_no_change() {
    let cut = Cut::new("order", 3);
    // The end of the last change is on the disk, and one sector before it is not.
    for hole in (cut.ends[1]..cut.log.len() - SECTOR).step_by(3 * SECTOR) {
        let mut log = cut.log.clone();
        log[hole..hole + SECTOR].fill(0);
        cut.start(&log, &format!("a hole at {hole}"));
    }
}
