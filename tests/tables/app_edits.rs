//! Apps changed one by one answer like a table compiled anew, over any road of edits, merges, edits that are not kept and
//! slots that come free.

use crate::live::{EDGES, addr, app, spec};
use byway::base::{Addr, AppSlot};
use byway::control::config::tables::read;
use byway::snapshot::{
    AppChange, Compiled, Compiler, LimitError, LiveSpec, NoEdit, Snapshot, Whole, cross_check,
};
use byway::table::{AppId, AppSpec, EdgeIps, MergedPlaces, ScopeName};
use byway::testkit::tables::{hold_find, lab_reserved};
use byway::wire::Protocol;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Zones of the random spec.
const ZONES: [&str; 3] = ["zone-0-0", "zone-1-0", "zone-1-1"];
/// Slots, retired ones among them: few, so that they run out.
const SLOTS: u32 = 12;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// Apps are put in or taken away, and that is kept or not.
    Change { apps: Vec<(u8, Option<AppSpec>)>, kept: bool },
    /// All is compiled anew.
    Compile,
    /// All is compiled, and that is given up.
    Try,
    /// A merge begins.
    Merge,
    /// The merge that began is adopted.
    Adopt,
    /// Slots of apps that went may be given to others.
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let changes = vec((0..16_u8, proptest::option::weighted(0.7, app())), 1..4);
    prop_oneof![
        12 => (changes, prop::bool::weighted(0.8)).prop_map(|(apps, kept)| Step::Change { apps, kept }),
        1 => Just(Step::Compile),
        1 => Just(Step::Try),
        2 => Just(Step::Merge),
        2 => Just(Step::Adopt),
        2 => Just(Step::Release),
    ]
}

/// The spec and what is compiled of it, as control keeps them.
struct Kept {
    spec: LiveSpec,
    compiler: Compiler,
    compiled: Compiled,
    /// Slots that workers may hold sessions of, and whose.
    held: HashMap<AppSlot, AppId>,
}

impl Kept {
    fn new(spec: LiveSpec, mut compiler: Compiler) -> Self {
        let compiled = compiler.compile(&spec).unwrap_or_else(|error| panic!("{error}"));
        compiler.commit(&compiled);
        Self { spec, compiler, compiled, held: HashMap::new() }
    }

    /// An app's number as a change of the zone that it has, or would.
    fn change(&self, number: u8, app: Option<AppSpec>) -> Option<AppChange> {
        let id = AppId::from_bits(u128::from(number));
        let mut zones = self.spec.zones().map(|(_, zone)| zone);
        let home = zones.find(|zone| zone.apps.iter().any(|app| app.id == id)).map(|zone| zone.id.clone());
        let zone = home.unwrap_or_else(|| scope(ZONES[usize::from(number) % ZONES.len()]));
        let app = match app {
            None => None,
            Some(app) => Some(self.fitting(AppSpec { id, ..app })?),
        };
        Some(AppChange { zone, id, app })
    }

    /// The app with the addresses that a table would take, where there are any.
    fn fitting(&self, mut app: AppSpec) -> Option<AppSpec> {
        if let EdgeIps::Static(addrs) = &app.edge_ips {
            let others =
                || self.spec.zones().flat_map(|(_, zone)| &zone.apps).filter(|other| other.id != app.id);
            let clash = |addr: &Addr| {
                others().any(|other| {
                    other.edge.protocol == app.edge.protocol
                        && other.edge.ports.overlaps(app.edge.ports)
                        && other.edge_addrs().contains(addr)
                })
            };
            let onboarded = |addr: &Addr| self.spec.prefixes.iter().any(|spec| spec.prefix.contains(*addr));
            let free: Vec<Addr> =
                addrs.iter().copied().filter(|addr| onboarded(addr) && !clash(addr)).collect();
            app.edge_ips = EdgeIps::Static((!free.is_empty()).then_some(free)?.into());
        }
        Some(app)
    }

    /// Carries changes out one after another, or takes none of them back.
    fn carry_out(&mut self, apps: &[(u8, Option<AppSpec>)], kept: bool) {
        for (number, app) in apps {
            let Some(change) = self.change(*number, app.clone()) else { continue };
            let retired = self.retired();
            match self.compiler.edit_apps(&self.compiled, &self.spec, &[change]) {
                Ok(edited) if kept => {
                    self.compiler.commit_apps(&edited);
                    edited.apply(&mut self.spec, &mut self.compiled);
                }
                Ok(edited) => {
                    self.compiler.abandon_apps(&edited);
                    assert_eq!(
                        self.retired(),
                        retired,
                        "an edit that was not kept leaves slots as they were"
                    );
                }
                Err(NoEdit::Limit(LimitError::AppSlots(full))) => {
                    assert_eq!((full.capacity, self.retired()), (SLOTS, retired));
                    let used = retired_len(&self.compiler) + self.compiled.apps.in_force();
                    assert_eq!(used, SLOTS as usize, "slots are full only where all are held");
                }
                Err(NoEdit::Whole(why)) => panic!("nothing here is to be compiled whole: {why}"),
                Err(NoEdit::Limit(limit)) => panic!("{limit}"),
            }
        }
    }

    fn retired(&self) -> BTreeMap<AppId, AppSlot> {
        self.compiler.retired_apps().collect()
    }

    fn compile(&mut self) {
        match self.compiler.compile(&self.spec) {
            Ok(compiled) => {
                self.compiler.commit(&compiled);
                self.compiled = compiled;
            }
            Err(error) => panic!("what was edited compiles: {error}"),
        }
    }

    /// A dry run of many apps more than there are.
    fn try_out(&mut self) {
        let before = self.retired();
        let mut spec = self.spec.clone();
        let apps = &mut spec.accounts[0].zones[0].apps;
        let like = apps.first().cloned();
        apps.extend((1_000..1_004_u128).zip(like.into_iter().cycle()).map(|(number, app)| AppSpec {
            id: AppId::from_bits(number),
            edge_ips: EdgeIps::Static(Box::default()),
            ..app
        }));
        let _ = self.compiler.compile(&spec);
        self.compiler.abandon();
        assert_eq!(self.retired(), before, "what was only tried leaves slots as they were");
    }

    fn adopt(&mut self, merged: MergedPlaces) -> bool {
        let rebased = self.compiler.rebase_places(&self.compiled.snapshot, merged);
        let snapshot = rebased.unwrap_or_else(|error| panic!("{error}"));
        let adopted = snapshot.is_some();
        if let Some(snapshot) = snapshot {
            self.compiler.commit_epoch(&snapshot);
            self.compiled.snapshot = snapshot;
        }
        adopted
    }

    fn release(&mut self) {
        let retired: Vec<AppId> = self.compiler.retired_apps().map(|(id, _)| id).collect();
        assert_eq!(self.compiler.release_apps(&retired), retired.len());
        self.held.retain(|_, id| !retired.contains(id));
    }

    /// Everything that can be asked, against the naive model and a table compiled anew.
    fn hold(&mut self, seed: u64) {
        let snapshot = &self.compiled.snapshot;
        for at in EDGES.map(addr) {
            for (protocol, port) in
                [Protocol::Tcp, Protocol::Udp].into_iter().flat_map(|one| (0..9).map(move |port| (one, port)))
            {
                hold_find(&self.spec, snapshot, (at, protocol, port));
            }
        }
        cross_check(&self.spec, &self.compiled.apps, snapshot, seed).unwrap_or_else(|why| panic!("{why}"));
        let whole =
            Compiler::new([1, 2], 1_000, 256).compile(&self.spec).unwrap_or_else(|error| panic!("{error}"));
        let states = |compiled: &Compiled| {
            compiled.apps.iter().map(|app| (app.id, app.zone, app.state.clone())).collect::<Vec<_>>()
        };
        assert_eq!(states(&whole), states(&self.compiled), "in the order of the spec");
        assert_eq!(
            (whole.apps.len(), whole.apps.in_force()),
            (self.compiled.apps.len(), self.compiled.apps.in_force())
        );
        same_apps(&whole, &self.compiled);
        // Whoever is in force has a slot of its own, and none that another one's sessions may have.
        assert_eq!(snapshot.table.apps().count(), self.compiled.apps.in_force());
        for report in self.compiled.apps.iter() {
            assert_eq!(self.compiled.apps.find(report.id), Some(report));
            let Some(slot) = report.slot else { continue };
            assert_eq!(snapshot.table.app(slot).map(|app| app.id), Some(report.id));
            assert_eq!(
                *self.held.entry(slot).or_insert(report.id),
                report.id,
                "slot {slot} is held by another"
            );
        }
    }
}

/// What workers read of each app is the same but for slots.
fn same_apps(one: &Compiled, two: &Compiled) {
    let of = |compiled: &Compiled, snapshot: &Snapshot, id| {
        let slot = compiled.apps.find(id)?.slot?;
        let app = snapshot.table.app(slot)?.clone();
        Some(byway::table::App { slot: AppSlot(0), account: byway::base::AccountSlot(0), ..app })
    };
    for report in one.apps.iter() {
        assert_eq!(of(one, &one.snapshot, report.id), of(two, &two.snapshot, report.id));
    }
}

fn retired_len(compiler: &Compiler) -> usize {
    compiler.retired_apps().count()
}

fn scope(text: &str) -> ScopeName {
    ScopeName::new(text).expect("an id")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_of_apps_answer_like_a_table_compiled_anew(
        mut spec in spec(),
        steps in vec(step(), 1..14),
        seed: u64,
    ) {
        // No more apps than there are slots, and the spec's own numbers among those that change.
        spec.accounts.iter_mut().flat_map(|account| &mut account.zones).for_each(|zone| zone.apps.truncate(3));
        let mut kept = Kept::new(spec, Compiler::new([seed, !seed], SLOTS, 256));
        let mut merging = None;
        kept.hold(seed);
        for step in steps {
            match step {
                Step::Change { apps, kept: keep } => kept.carry_out(&apps, keep),
                Step::Compile => kept.compile(),
                Step::Merge => merging = Some(kept.compiler.merge_places_job(&kept.compiled.snapshot)()),
                Step::Adopt => {
                    merging.take().map(|merged| kept.adopt(merged));
                }
                Step::Try => kept.try_out(),
                Step::Release => kept.release(),
            }
            kept.hold(seed);
        }
    }
}

fn table(apps: u16) -> LiveSpec {
    let app = |number: u16| {
        format!(
            r#"{{"id":"app{number}","protocol":"tcp/{}","dns":{{"type":"ADDRESS","name":"a.example.com"}},"origin_direct":["tcp://192.0.2.1:22"],"edge_ips":{{"type":"static","ips":["198.51.100.{}"]}}}}"#,
            number / 200 + 1,
            number % 200
        )
    };
    let apps: Vec<String> = (0..apps).map(app).collect();
    let text = format!(r#"{{"prefixes":["198.51.100.0/24"],"apps":[{}]}}"#, apps.join(","));
    read(text.as_bytes(), &lab_reserved()).unwrap_or_else(|errors| panic!("{errors}")).spec
}

#[test]
fn a_change_that_is_none_of_apps_alone_is_compiled_whole_and_says_why() {
    let spec = table(3);
    let mut kept = Kept::new(spec.clone(), Compiler::new([3, 4], 2_000, 16));
    let app = &spec.accounts[0].zones[0].apps[0];
    let home = spec.accounts[0].zones[0].id.clone();
    let put = |zone: &ScopeName, app: &AppSpec| AppChange {
        zone: zone.clone(),
        id: app.id,
        app: Some(app.clone()),
    };
    let whole = |kept: &mut Kept, changes: &[AppChange]| match kept.compiler.edit_apps(
        &kept.compiled,
        &kept.spec,
        changes,
    ) {
        Err(NoEdit::Whole(why)) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(whole(&mut kept, &[put(&scope("nobody"), app)]), Whole::NoZone);
    assert_eq!(whole(&mut kept, &[put(&home, app), put(&home, app)]), Whole::Repeated);
    let many: Vec<AppChange> = (0..1_025)
        .map(|number| AppChange { zone: home.clone(), id: AppId::from_bits(number), app: None })
        .collect();
    assert_eq!(whole(&mut kept, &many), Whole::Many);
    assert!(kept.compiler.edit_apps(&kept.compiled, &kept.spec, &many[1..]).is_ok());
}

#[test]
fn sessions_of_an_app_that_comes_back_are_judged_once_more() {
    let spec = table(2);
    let mut kept = Kept::new(spec.clone(), Compiler::new([3, 4], 10, 16));
    let zone = &spec.accounts[0].zones[0];
    let slot = kept.compiled.apps.find(zone.apps[0].id).and_then(|report| report.slot).expect("in force");
    let edit = |kept: &mut Kept, app: Option<AppSpec>| {
        let change = AppChange { zone: zone.id.clone(), id: zone.apps[0].id, app };
        let edited = kept.compiler.edit_apps(&kept.compiled, &kept.spec, &[change]);
        let edited = edited.unwrap_or_else(|why| panic!("{why:?}"));
        kept.compiler.commit_apps(&edited);
        edited.apply(&mut kept.spec, &mut kept.compiled);
    };
    edit(&mut kept, None);
    // All sessions are judged by this one: those of the app are on their way out.
    kept.compile();
    let judging = kept.compiled.snapshot.judging;
    assert!(!kept.compiled.snapshot.judges(slot, judging));
    edit(&mut kept, Some(zone.apps[0].clone()));
    assert_eq!(kept.compiled.apps.find(zone.apps[0].id).and_then(|report| report.slot), Some(slot));
    assert!(kept.compiled.snapshot.judges(slot, judging), "they may stay");
}

#[test]
fn a_place_that_another_app_has_is_refused_and_nothing_is_claimed() {
    let spec = table(3);
    let mut kept = Kept::new(spec.clone(), Compiler::new([3, 4], 4, 16));
    let zone = &spec.accounts[0].zones[0];
    let app = AppSpec { id: AppId::from_bits(9), ..zone.apps[1].clone() };
    for _ in 0..3 {
        let change = AppChange { zone: zone.id.clone(), id: app.id, app: Some(app.clone()) };
        let refused = kept.compiler.edit_apps(&kept.compiled, &kept.spec, &[change]);
        assert!(matches!(refused, Err(NoEdit::Limit(LimitError::Crowded))), "{refused:?}");
    }
    // Two apps that change places in one change are in nobody's way.
    let [one, two] = [&zone.apps[0], &zone.apps[1]];
    let swapped = [(one, two), (two, one)].map(|(app, other)| AppChange {
        zone: zone.id.clone(),
        id: app.id,
        app: Some(AppSpec { edge: other.edge, edge_ips: other.edge_ips.clone(), ..app.clone() }),
    });
    let edited = kept.compiler.edit_apps(&kept.compiled, &kept.spec, &swapped);
    let edited = edited.unwrap_or_else(|why| panic!("{why:?}"));
    kept.compiler.commit_apps(&edited);
    edited.apply(&mut kept.spec, &mut kept.compiled);
    kept.hold(5);
}

#[test]
fn a_merge_leaves_what_was_edited_meanwhile_over_the_new_base_and_none_over_another_table() {
    let mut kept = Kept::new(table(400), Compiler::new([3, 4], 2_000, 16));
    let zone = kept.spec.accounts[0].zones[0].id.clone();
    let taken = |number: u16| AppChange {
        zone: zone.clone(),
        id: AppId::new(&format!("app{number}")).expect("an id"),
        app: None,
    };
    let take = |kept: &mut Kept, number| {
        let edited = kept.compiler.edit_apps(&kept.compiled, &kept.spec, &[taken(number)]);
        let edited = edited.unwrap_or_else(|why| panic!("{why:?}"));
        kept.compiler.commit_apps(&edited);
        edited.apply(&mut kept.spec, &mut kept.compiled);
    };
    take(&mut kept, 7);
    let merged = kept.compiler.merge_places_job(&kept.compiled.snapshot)();
    take(&mut kept, 207);
    assert!(!kept.compiled.snapshot.table.is_whole() && kept.adopt(merged));
    assert!(!kept.compiled.snapshot.table.is_whole(), "one edit is newer than the merge");
    kept.hold(6);
    let merged = kept.compiler.merge_places_job(&kept.compiled.snapshot)();
    assert!(kept.adopt(merged) && kept.compiled.snapshot.table.is_whole());
    kept.hold(7);
    let late = kept.compiler.merge_places_job(&kept.compiled.snapshot)();
    kept.compile();
    assert!(!kept.adopt(late), "everything was compiled anew meanwhile");
}
