//! Random connections, kept, merged, aged and read back: any question answers what a walk over the raw facts does.

use super::book::Book;
use super::calendar::TimeDelta;
use super::durations::Durations;
use super::filter::Filter;
use super::gather::{Fact, Gather};
use super::key::{Dimension, EventName, IpVersion, Owner, Tag};
use super::ledger::{Fault, Ledger};
use super::plan::{Minute, Moments, Resolution};
use super::query::{Metric, Query, Sort};
use super::recent::CurrentAsk;
use super::table::Table;
use crate::vault::VaultError;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const DAY_S: u64 = 86_400;
/// A day at noon, 2026-03-01.
pub(super) const NOON_S: u64 = 20_513 * DAY_S + DAY_S / 2;

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that goes with its test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("byway-analytics-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("analytics")
    }

    pub(super) fn ledger(&self, now_s: u64) -> Ledger {
        Ledger::new(book(&self.file()), now_s)
    }

    fn ledger_of(&self, rows_max: [u64; 3]) -> Ledger {
        Ledger::new(book(&self.file()).with_rows_max(rows_max), NOON_S)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn book(path: &Path) -> Book {
    let mut book = Book::open(path, "9.9.9").expect("opened");
    book.check().expect("it holds");
    book
}

impl Ledger {
    /// Answers whoever waits.
    pub(super) fn answer(&mut self, query: &Query, now_s: u64) -> Result<Table, Fault> {
        self.answer_unless(query, now_s, &|| false)
    }
}

const fn tag(bits: u8) -> Tag {
    Tag::from_bits(bits as u128)
}

pub(super) fn batch(facts: &[Fact]) -> super::ledger::Batch {
    let (mut gather, colo) = (Gather::default(), Arc::from("FRA"));
    facts.iter().for_each(|fact| gather.add(fact, &colo));
    gather.take()
}

pub(super) fn query(zone: u8, from_s: u64, until_s: u64) -> Query {
    Query {
        zone: tag(zone),
        metrics: Metric::ALL.to_vec(),
        dimensions: Vec::new(),
        filter: None,
        sort: Vec::new(),
        limit: usize::MAX,
        moments: Moments { from: Minute::of_unix_s(from_s), until: Minute::of_unix_s(until_s + 59) },
        delta: None,
    }
}

pub(super) fn fact(zone: u8, app: u8, at_s: u64) -> Fact {
    Fact {
        at_s,
        owner: Owner { zone: tag(zone), app: tag(app) },
        event: EventName::Disconnect,
        ip: IpVersion::V4,
        count: 1,
        ingress: 10,
        egress: 100,
        duration_ms: Some(1_000),
    }
}

/// What a walk over all facts says of one group and interval, in the order of `Metric::ALL`.
fn walked(facts: &[&Fact]) -> [f64; 7] {
    let sum = |of: fn(&Fact) -> u64| facts.iter().map(|fact| of(fact)).sum::<u64>() as f64;
    let ends = facts.iter().filter_map(|fact| fact.duration_ms.map(|ms| (ms, fact.count)));
    let mut each: Vec<u64> = ends.flat_map(|(ms, count)| std::iter::repeat_n(ms, count as usize)).collect();
    each.sort_unstable();
    let rank = |share: f64| match each.len() {
        0 => 0.0,
        all => each[((share * all as f64).ceil() as usize).max(1) - 1] as f64,
    };
    let average = if each.is_empty() { 0.0 } else { each.iter().sum::<u64>() as f64 / each.len() as f64 };
    let (count, ingress, egress) =
        (sum(|fact| fact.count), sum(|fact| fact.ingress), sum(|fact| fact.egress));
    [count, ingress, egress, average, rank(0.5), rank(0.9), rank(0.99)]
}

/// Sums are equal, averages to the last bits, quantiles within a 64th.
fn assert_near(told: &[f64], walked: [f64; 7], what: &str) {
    for (at, (told, truth)) in told.iter().zip(walked).enumerate() {
        let room = if at < 4 { truth * 1e-12 } else { truth / 64.0 };
        assert!((told - truth).abs() <= room, "{what}: {:?}: {told} for {truth}", Metric::ALL[at]);
    }
}

fn word(dimension: Dimension, fact: &Fact) -> String {
    match dimension {
        Dimension::Event => fact.event.name().into(),
        Dimension::AppId => fact.owner.app.to_string(),
        Dimension::ColoName => "FRA".into(),
        Dimension::IpVersion => fact.ip.name().into(),
    }
}

/// Holds an answer against a walk over the facts.
fn compare(table: &Table, query: &Query, facts: &[Fact], wanted: impl Fn(&Fact) -> bool) {
    let within =
        |moments: &Moments, fact: &Fact| (moments.from.unix_s()..moments.until.unix_s()).contains(&fact.at_s);
    let mine: Vec<&Fact> = facts
        .iter()
        .filter(|fact| fact.owner.zone == query.zone && within(&table.moments, fact) && wanted(fact))
        .collect();
    let mut groups: BTreeMap<Vec<String>, Vec<&Fact>> = BTreeMap::new();
    if query.dimensions.is_empty() {
        groups.entry(Vec::new()).or_default();
    }
    for fact in &mine {
        let words = query.dimensions.iter().map(|dimension| word(*dimension, fact)).collect();
        groups.entry(words).or_default().push(fact);
    }
    assert_eq!(table.rows.len(), groups.len(), "rows of {query:?}");
    for (row, (words, of_group)) in table.rows.iter().zip(&groups) {
        assert_eq!(&row.dimensions, words, "sorted by dimensions");
        for (at, interval) in table.intervals.iter().enumerate() {
            let inside: Vec<&Fact> = of_group.iter().copied().filter(|fact| within(interval, fact)).collect();
            let told: Vec<f64> = row.metrics.iter().map(|numbers| numbers[at].real()).collect();
            assert_near(&told, walked(&inside), &format!("{words:?} in {interval:?}"));
        }
    }
    let totals: Vec<f64> = table.totals.iter().map(|number| number.real()).collect();
    assert_near(&totals, walked(&mine), "totals");
    for at in 0..query.metrics.len() {
        let all = || table.rows.iter().flat_map(|row| &row.metrics[at]).map(|number| number.real());
        let least = all().fold(f64::INFINITY, f64::min);
        let most = all().fold(0.0, f64::max);
        assert_eq!(table.max[at].real(), most);
        assert_eq!(table.min[at].real(), if table.rows.is_empty() { 0.0 } else { least });
    }
    let spans: u64 = table.intervals.iter().map(|interval| interval.until.0 - interval.from.0).sum();
    assert_eq!(spans, table.moments.until.0 - table.moments.from.0, "intervals cover the range");
}

/// Bounds that no test meets.
const ROOMY: [u64; 3] = [1_000; 3];

/// Bounds, tight in half of all cases.
fn rows_max() -> impl Strategy<Value = [u64; 3]> {
    prop_oneof![Just(ROOMY), [1..80_u64, 1..60, 1..40]]
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    // Minutes, hours, days and months before noon.
    let age = prop_oneof![0..600_u64, 0..7_200_u64, 0..2 * DAY_S, 0..70 * DAY_S];
    let event = proptest::sample::select(EventName::ALL.to_vec());
    let ip = proptest::sample::select(vec![IpVersion::V4, IpVersion::V6]);
    let one = (age, 1_u8..3, 0_u8..3, event, ip, 1_u64..4, 0_u64..1 << 40, 0_u64..5_000_000);
    let one = one.prop_map(|(age, zone, app, event, ip, count, bytes, millis)| Fact {
        at_s: NOON_S - age,
        owner: Owner { zone: tag(zone), app: tag(app) },
        event,
        ip,
        count,
        ingress: bytes,
        egress: bytes / 3,
        duration_ms: (event == EventName::Disconnect).then_some(millis),
    });
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_question_is_answered_as_by_a_walk_over_all_facts(
        facts in facts(),
        rows_max in rows_max(),
        chunk in 1_usize..20,
        steps in proptest::collection::vec(0_u8..4, 60),
        questions in proptest::collection::vec(
            (
                prop_oneof![0..3_600_u64, 0..30 * 3_600_u64, 0..80 * DAY_S],
                1_u64..40 * DAY_S,
                0_usize..9,
                proptest::sample::subsequence(Dimension::ALL.to_vec(), 0..4),
                0_usize..4,
            ),
            6,
        ),
    ) {
        let folder = Folder::new();
        let is_tight = rows_max != ROOMY;
        let mut ledger = folder.ledger_of(rows_max);
        for (facts, step) in facts.chunks(chunk).zip(steps) {
            ledger.hear(batch(facts), NOON_S);
            if step >= 1 {
                assert_eq!(ledger.keep(NOON_S), None);
            }
            if step == 3 {
                drop(ledger);
                ledger = folder.ledger_of(rows_max);
            }
        }
        for (back, length, delta, dimensions, filter) in questions {
            let from_s = NOON_S - back;
            let delta = TimeDelta::ALL.get(delta).copied();
            // Where apps may share rows, nobody asks for them.
            let told = |dimension: &Dimension| !is_tight || *dimension != Dimension::AppId;
            let dimensions = dimensions.into_iter().filter(told).collect();
            let filter = if is_tight { filter % 3 } else { filter };
            let (text, wanted): (Option<&str>, fn(&Fact) -> bool) = match filter {
                0 => (None, |_| true),
                1 => (Some("event==disconnect"), |fact| fact.event == EventName::Disconnect),
                2 => (Some("ipVersion>4 OR event!=connect AND ipVersion<=4"), |fact| {
                    fact.ip == IpVersion::V6 || fact.event != EventName::Connect
                }),
                _ => (Some("appID>=00000000000000000000000000000001;coloName==FRA"), |fact| fact.owner.app >= tag(1)),
            };
            let filter = text.map(|text| Filter::parse(text).expect(text));
            let question = Query {
                dimensions,
                filter,
                delta,
                ..query(1, from_s, (from_s + length).min(NOON_S + 1))
            };
            match ledger.answer(&question, NOON_S) {
                Ok(table) => compare(&table, &question, &facts, wanted),
                Err(Fault::TooFine(_, floor)) if is_tight => prop_assert!(floor > question.moments.from),
                Err(Fault::TooFine(Resolution::Minute, _)) => prop_assert!(back > DAY_S),
                Err(Fault::TooFine(Resolution::Hour, _)) => prop_assert!(back > 31 * DAY_S),
                Err(Fault::Intervals) => prop_assert!(length > 60 * 1_500 && delta.is_some()),
                Err(fault) => panic!("{fault:?}"),
            }
        }
    }
}

#[test]
fn rows_survive_a_restart_and_what_was_not_kept_is_what_a_crash_costs() {
    let folder = Folder::new();
    let mut ledger = folder.ledger(NOON_S);
    ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S);
    assert_eq!(ledger.tend(NOON_S + 19), None);
    assert_eq!(ledger.counts().rows, [0; 3], "not yet");
    assert_eq!(ledger.tend(NOON_S + 20), None);
    assert_eq!((ledger.counts().rows, ledger.counts().waiting), ([1; 3], 0));
    ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S + 20);
    drop(ledger);
    let mut ledger = folder.ledger(NOON_S + 60);
    let table = ledger.answer(&query(1, NOON_S, NOON_S + 1), NOON_S + 60).expect("answered");
    assert_eq!(table.totals[0].real(), 1.0);
    assert_eq!(fs::metadata(folder.file()).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn old_minutes_and_hours_go_and_their_days_stay() {
    let folder = Folder::new();
    let mut ledger = folder.ledger(NOON_S);
    ledger.hear(batch(&[fact(1, 1, NOON_S), fact(1, 1, NOON_S - 2 * DAY_S)]), NOON_S);
    ledger.keep(NOON_S);
    assert_eq!(ledger.counts().rows, [1, 2, 2]);
    ledger.keep(NOON_S + 2 * DAY_S);
    assert_eq!(ledger.counts().rows, [0, 2, 2]);
    ledger.keep(NOON_S + 40 * DAY_S);
    assert_eq!(ledger.counts().rows, [0, 0, 2]);
    let table = ledger.answer(&query(1, NOON_S - 3 * DAY_S, NOON_S), NOON_S + 40 * DAY_S).expect("answered");
    assert_eq!((table.totals[0].real(), table.totals[3].real()), (2.0, 1_000.0));
    assert_eq!(table.moments.until, Minute::of_unix_s(NOON_S + DAY_S / 2), "the end of its day");
    ledger.keep(NOON_S + 401 * DAY_S);
    assert_eq!(ledger.counts().rows, [0, 0, 0]);
}

#[test]
fn the_zone_that_holds_most_loses_its_oldest_hour_and_every_sum_stays() {
    let folder = Folder::new();
    let mut book = book(&folder.file()).with_rows_max([40, 1_000, 1_000]);
    let of = |zone, minutes: std::ops::Range<u64>| -> Vec<Fact> {
        minutes.map(|minute| fact(zone, 1, NOON_S - minute * 60)).collect()
    };
    let facts: Vec<Fact> = [of(1, 0..10), of(2, 0..90)].concat();
    let cells = batch(&facts);
    book.keep(cells.iter().map(|(place, cell)| (place, cell)), Minute::of_unix_s(NOON_S)).expect("kept");
    assert_eq!((book.rows()[0], book.evicted()), (11, 89), "all but the present hour of zone 2");
    let mut ledger = Ledger::new(book, NOON_S);
    for (zone, count, minutes_stay) in [(1, 10.0, true), (2, 90.0, false)] {
        let wide = query(zone, NOON_S - 2 * 3_600, NOON_S + 3_599);
        assert_eq!(ledger.answer(&wide, NOON_S).expect("answered").totals[0].real(), count);
        let fine = Query { delta: Some(TimeDelta::Minute), ..query(zone, NOON_S - 540, NOON_S) };
        assert_eq!(ledger.answer(&fine, NOON_S).is_ok(), minutes_stay, "zone {zone}");
    }
    drop(ledger);
    // What went does not come back in part, and that is known after a restart, too.
    let mut ledger = folder.ledger(NOON_S);
    ledger.hear(batch(&of(2, 80..81)), NOON_S);
    ledger.keep(NOON_S);
    assert_eq!(ledger.counts().rows[0], 11);
    let fine = Query { delta: Some(TimeDelta::Minute), ..query(2, NOON_S - 540, NOON_S) };
    assert!(matches!(ledger.answer(&fine, NOON_S), Err(Fault::TooFine(Resolution::Minute, _))));
}

#[test]
fn hours_and_days_that_went_make_no_sum_short() {
    let hours = 5 * 24;
    let facts: Vec<Fact> = (0..hours).map(|hour| fact(1, 1, NOON_S - hour * 3_600)).collect();
    let all = query(1, NOON_S - (hours - 1) * 3_600, NOON_S + 1);
    let counted = |rows_max, question: &Query| {
        let folder = Folder::new();
        let mut ledger = folder.ledger_of(rows_max);
        ledger.hear(batch(&facts), NOON_S);
        assert_eq!(ledger.keep(NOON_S), None);
        ledger.answer(question, NOON_S).map(|table| table.totals[0].real())
    };
    assert_eq!(counted([1_000, 40, 1_000], &all), Ok(hours as f64), "by days and what hours there are");
    assert_eq!(counted([1_000, 1_000, 2], &all), Ok(hours as f64), "by hours");
    let by_day = Query { delta: Some(TimeDelta::Day), ..all.clone() };
    assert_eq!(counted([1_000, 1_000, 2], &by_day), Ok(hours as f64), "hours tell days");
    let by_hour = Query { delta: Some(TimeDelta::Hour), ..all.clone() };
    let yesterday = Minute::of_unix_s(NOON_S - 3 * DAY_S / 2);
    let too_fine = |longest| Err(Fault::TooFine(longest, yesterday));
    assert_eq!(counted([1, 40, 1_000], &by_hour), too_fine(Resolution::Hour), "37 hours fit");
    assert_eq!(counted([1, 40, 2], &all), too_fine(Resolution::Day), "and two days");
}

#[test]
fn apps_of_the_present_share_rows_before_those_go() {
    let folder = Folder::new();
    let mut ledger = folder.ledger_of([40, 40, 40]);
    let facts: Vec<Fact> = (0..50).map(|app| fact(1, app, NOON_S)).collect();
    ledger.hear(batch(&[&facts[..], &[fact(2, 1, NOON_S)]].concat()), NOON_S);
    ledger.keep(NOON_S);
    assert_eq!((ledger.counts().rows, ledger.counts().evicted), ([2; 3], 3 * 49));
    ledger.hear(batch(&facts[..1]), NOON_S);
    ledger.keep(NOON_S);
    assert_eq!(ledger.counts().rows, [3; 3], "what comes later has rows of its own");
    for delta in [None, Some(TimeDelta::Minute), Some(TimeDelta::Hour), Some(TimeDelta::Day)] {
        let question = Query { dimensions: vec![Dimension::AppId], delta, ..query(1, NOON_S, NOON_S + 1) };
        let table = ledger.answer(&question, NOON_S).expect("answered");
        let rows = table.rows.iter().map(|row| (row.dimensions[0].as_str(), row.metrics[0][0].real()));
        assert_eq!(rows.collect::<Vec<_>>(), [("other", 50.0), (&*tag(0).to_string(), 1.0)], "{delta:?}");
    }
    // More zones than rows: those that are left over lose the hour or day, and others tell of it.
    let facts: Vec<Fact> = (1..=50).map(|zone| fact(zone, 1, NOON_S)).collect();
    let folder = Folder::new();
    let mut ledger = folder.ledger_of([40, 1_000, 40]);
    ledger.hear(batch(&facts), NOON_S);
    ledger.keep(NOON_S);
    assert_eq!(ledger.counts().rows, [40, 50, 40]);
    for zone in 1..=50 {
        let table = ledger.answer(&query(zone, NOON_S, NOON_S + 1), NOON_S).expect("answered");
        assert_eq!(table.totals[0].real(), 1.0, "zone {zone}");
    }
}

#[test]
fn zones_see_nothing_of_each_other() {
    let folder = Folder::new();
    let mut ledger = folder.ledger(NOON_S);
    ledger.hear(batch(&[fact(1, 1, NOON_S), fact(2, 2, NOON_S)]), NOON_S);
    for kept in [false, true] {
        if kept {
            ledger.keep(NOON_S);
        }
        let question = Query { dimensions: vec![Dimension::AppId], ..query(1, NOON_S, NOON_S + 1) };
        let table = ledger.answer(&question, NOON_S).expect("answered");
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.rows[0].dimensions, [tag(1).to_string()]);
    }
    let ask = CurrentAsk { zone: tag(2), apps: None, colo: None };
    assert_eq!(ledger.current(&ask, NOON_S).iter().map(|row| row.app).collect::<Vec<_>>(), [Some(tag(2))]);
    assert_eq!(ledger.current(&CurrentAsk { apps: Some(vec![tag(1)]), ..ask.clone() }, NOON_S), []);
    assert_eq!(ledger.current(&CurrentAsk { colo: Some("SFO".into()), ..ask.clone() }, NOON_S), []);
    assert_eq!(ledger.current(&ask, NOON_S + 70), [], "a minute later");
}

#[test]
fn rows_are_sorted_as_asked_and_cut_after_that() {
    let folder = Folder::new();
    let mut ledger = folder.ledger(NOON_S);
    let facts: Vec<Fact> = [(1, 3), (2, 1), (3, 2), (4, 2)]
        .into_iter()
        .map(|(app, count)| Fact { count, ..fact(1, app, NOON_S) })
        .collect();
    ledger.hear(batch(&facts), NOON_S);
    let (metrics, dimensions) = (vec![Metric::Count], vec![Dimension::AppId]);
    let mut told = |sorts: &[&str], limit: usize| {
        let sort = sorts.iter().map(|text| Sort::parse(text, &metrics, &dimensions).expect("an order"));
        let question = Query {
            metrics: metrics.clone(),
            dimensions: dimensions.clone(),
            sort: sort.collect(),
            limit,
            ..query(1, NOON_S, NOON_S + 1)
        };
        let table = ledger.answer(&question, NOON_S).expect("answered");
        assert_eq!(table.totals[0].real(), 8.0, "of all rows");
        let apps = table.rows.iter().map(|row| row.dimensions[0].clone());
        apps.map(|app| app.trim_start_matches('0').parse::<u8>().expect("a digit")).collect::<Vec<_>>()
    };
    assert_eq!(told(&["-count"], 10), [1, 3, 4, 2]);
    assert_eq!(told(&["+count", "-appID"], 10), [2, 4, 3, 1]);
    assert_eq!(told(&[" count"], 2), [2, 3]);
    assert_eq!(told(&["-appID"], 10), [4, 3, 2, 1]);
    for wrong in ["-bytesIngress", "event", "--count", ""] {
        assert!(Sort::parse(wrong, &metrics, &dimensions).is_err(), "{wrong}");
    }
}

#[test]
fn a_disk_that_takes_nothing_costs_rows_only_beyond_their_bound() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("gone")).expect("made");
    let path = folder.0.join("gone").join("analytics");
    let mut ledger = Ledger::new(book(&path), NOON_S);
    // The file goes away under it, as a disk that is lost does.
    drop(std::mem::replace(&mut ledger, {
        fs::remove_dir_all(folder.0.join("gone")).expect("removed");
        let mut book = Book::open(&path, "9.9.9").expect("tried again later");
        assert!(matches!(book.check(), Err(VaultError::Failed(..))));
        Ledger::new(book, NOON_S)
    }));
    ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S);
    assert!(ledger.keep(NOON_S).is_some_and(|text| text.contains("wait in memory")));
    assert_eq!(ledger.keep(NOON_S), None, "said once");
    assert_eq!((ledger.counts().failures, ledger.counts().waiting), (2, 1));
    assert_eq!(ledger.answer(&query(1, NOON_S, NOON_S + 1), NOON_S), Err(Fault::Book));
    assert!(ledger.trouble().is_some_and(|text| text.contains("gone/analytics")), "the operator knows where");
    assert_eq!(ledger.answer(&query(1, NOON_S, NOON_S + 1), NOON_S), Err(Fault::Book));
    assert_eq!(ledger.trouble(), None, "said once");
    fs::create_dir(folder.0.join("gone")).expect("made");
    assert!(ledger.keep(NOON_S).is_some_and(|text| text.contains("again")));
    assert_eq!((ledger.counts().rows, ledger.counts().waiting), ([1; 3], 0));
}

/// Runs `test` in a folder with eight megabytes of room: a tmpfs in a mount namespace of the test's own thread, which wants root.
pub(super) fn on_a_small_disk(folder: &Path, test: impl FnOnce() + Send) {
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("root may have a mount namespace");
        let (none, nothing) = (None::<&str>, None::<&str>);
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).expect("ours alone");
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some("size=8m")).expect("a disk");
        test();
    };
    std::thread::scope(|scope| scope.spawn(inside).join()).expect("the test holds");
}

#[test]
fn a_full_disk_costs_nothing_that_memory_holds() {
    let folder = Folder::new();
    on_a_small_disk(&folder.0, || {
        let mut ledger = folder.ledger(NOON_S);
        ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S);
        assert_eq!(ledger.keep(NOON_S), None);
        let fill = folder.0.join("fill");
        let mut file = fs::File::create(&fill).expect("a name");
        while file.write_all(&[0; 4_096]).is_ok() {}
        drop(file);
        let facts: Vec<Fact> =
            (0..250).flat_map(|app| (0..20).map(move |minute| fact(1, app, NOON_S - minute * 60))).collect();
        ledger.hear(batch(&facts), NOON_S);
        assert!(ledger.keep(NOON_S).is_some_and(|text| text.contains("the disk is full")));
        assert_eq!((ledger.counts().rows, ledger.counts().waiting), ([1; 3], 5_000));
        let mut sum =
            || ledger.answer(&query(1, NOON_S - 1_200, NOON_S + 1), NOON_S).expect("answered").totals[0];
        assert_eq!(sum().real(), 5_001.0, "what waits is told");
        fs::remove_file(fill).expect("removed");
        assert!(ledger.keep(NOON_S).is_some_and(|text| text.contains("again")));
        drop(ledger);
        let mut ledger = folder.ledger(NOON_S);
        let table = ledger.answer(&query(1, NOON_S - 1_200, NOON_S + 1), NOON_S).expect("answered");
        assert_eq!(table.totals[0].real(), 5_001.0);
    });
}

#[test]
fn a_commit_that_breaks_in_the_middle_leaves_nothing_of_itself() {
    let folder = Folder::new();
    drop(book(&folder.file()));
    let plain = rusqlite::Connection::open(folder.file()).expect("opened");
    plain
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON cell WHEN NEW.resolution = 2 BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .expect("made");
    drop(plain);
    let mut ledger = folder.ledger(NOON_S);
    ledger.hear(batch(&[fact(1, 1, NOON_S)]), NOON_S);
    assert!(ledger.keep(NOON_S).is_some());
    assert_eq!((ledger.counts().rows, ledger.counts().waiting), ([0; 3], 1));
    assert_eq!(ledger.answer(&query(1, NOON_S, NOON_S + 1), NOON_S).expect("answered").totals[0].real(), 1.0);
}

#[test]
fn files_of_others_are_refused_and_damaged_ones_are_put_aside() {
    let folder = Folder::new();
    drop(book(&folder.file()));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(matches!(Book::open(&folder.file(), "1"), Err(VaultError::Mode(..))));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).expect("changed");
    let plain = rusqlite::Connection::open(folder.file()).expect("opened");
    plain.pragma_update(None, "user_version", super::schema::NEWEST + 1).expect("set");
    drop(plain);
    let newer = Book::open(&folder.file(), "1").err().expect("refused");
    assert!(newer.to_string().contains("needs byway 9.9.9"), "{newer}");
    let plain = rusqlite::Connection::open(folder.file()).expect("opened");
    plain.pragma_update(None, "application_id", 7).expect("set");
    drop(plain);
    assert!(matches!(Book::open(&folder.file(), "1"), Err(VaultError::Foreign(_))));
    let other = folder.0.join("other");
    let mut ledger = Ledger::new(book(&other), NOON_S);
    let facts: Vec<Fact> = (0..200).map(|app| fact(1, app, NOON_S)).collect();
    ledger.hear(batch(&facts), NOON_S);
    ledger.keep(NOON_S);
    drop(ledger);
    let mut bytes = fs::read(&other).expect("read");
    let length = bytes.len();
    bytes[5_000..length - 4_096].fill(0x5a);
    fs::write(&other, bytes).expect("written");
    let mut book = Book::open(&other, "1").expect("to be looked at");
    assert!(!folder.0.join("other.damaged").exists(), "later, by another thread");
    assert!(book.check().is_ok() && book.rows() == [0; 3]);
    assert!(book.said().is_some_and(|text| text.contains("other.damaged")));
    assert!(folder.0.join("other.damaged").exists());
}

#[test]
fn an_answer_and_a_question_have_bounds() {
    let folder = Folder::new();
    let mut ledger = folder.ledger(NOON_S);
    let facts: Vec<Fact> = (0..100).map(|app| fact(1, app, NOON_S)).collect();
    ledger.hear(batch(&facts), NOON_S);
    let day = Query {
        dimensions: vec![Dimension::AppId],
        delta: Some(TimeDelta::Minute),
        ..query(1, NOON_S - 80_000, NOON_S + 1)
    };
    assert_eq!(ledger.answer(&day, NOON_S), Err(Fault::Numbers));
    let few =
        Query { filter: Some(Filter::parse("appID<00000000000000000000000000000005").expect("read")), ..day };
    assert_eq!(ledger.answer(&few, NOON_S).expect("answered").rows.len(), 5);
    let long = Query { delta: Some(TimeDelta::Dekaminute), ..query(1, NOON_S - 80_000, NOON_S + 30 * DAY_S) };
    assert_eq!(ledger.answer(&long, NOON_S), Err(Fault::Intervals));
}

#[test]
fn a_row_costs_bytes_and_not_kilobytes() {
    let mut durations = Durations::default();
    (0..10).for_each(|each| durations.add(1_000 << each, 1));
    assert!(durations.encode().len() <= 30);
    (0..1_000_000_u64).for_each(|each| durations.add(each * 1_000, 1));
    assert!(durations.encode().len() < 3_000, "{}", durations.encode().len());
}
