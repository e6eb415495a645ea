//! Rules changed one by one answer like rules compiled anew, over any road of edits and merges.

use crate::live::{CLIENTS, ZONES, addr, rule, spec, whences};
use byway::base::limits::RULE_EDITS_MAX;
use byway::control::config::tables::read;
use byway::firewall::{Mode, RuleNet, RuleSpec, Target};
use byway::snapshot::{Compiled, Compiler, LiveSpec, Merged, RuleChange, RuleScope, ScopeKind};
use byway::table::ScopeName;
use byway::testkit::tables::{hold_judge, lab_reserved};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

fn change() -> impl Strategy<Value = RuleChange> {
    let scope = prop_oneof![
        Just(RuleScope::User),
        (0..2_usize).prop_map(|account| RuleScope::Account(id(&format!("account-{account}")))),
        (0..3_usize).prop_map(|zone| RuleScope::Zone(id(["zone-0-0", "zone-1-0", "zone-1-1"][zone]))),
    ];
    (scope, rule(), any::<bool>()).prop_map(|(scope, rule, put)| RuleChange {
        scope,
        target: rule.target,
        rule: put.then_some(rule),
    })
}

fn id(text: &str) -> ScopeName {
    ScopeName::new(text).expect("an id")
}

/// The spec and what is compiled of it, as control keeps them.
struct Kept {
    spec: LiveSpec,
    compiler: Compiler,
    compiled: Compiled,
}

impl Kept {
    fn new(spec: LiveSpec, mut compiler: Compiler) -> Self {
        let compiled = compiler.compile(&spec).unwrap_or_else(|error| panic!("{error}"));
        compiler.commit(&compiled);
        Self { spec, compiler, compiled }
    }

    /// Carries changes out; whether by an edit.
    fn change(&mut self, changes: &[RuleChange]) -> bool {
        let changed = self.spec.change_rules(changes);
        let edited = self.compiler.edit(&self.compiled, &changed).unwrap_or_else(|error| panic!("{error}"));
        let Some(edited) = edited else {
            self.compiled = self.compiler.compile(&self.spec).unwrap_or_else(|error| panic!("{error}"));
            self.compiler.commit(&self.compiled);
            return false;
        };
        self.compiler.commit_epoch(&edited.snapshot);
        (self.compiled.snapshot, self.compiled.rules) = (edited.snapshot, edited.rules);
        true
    }

    fn adopt(&mut self, merged: Merged) {
        let rebased = self.compiler.rebase(&self.compiled.snapshot, merged);
        if let Some(snapshot) = rebased.unwrap_or_else(|error| panic!("{error}")) {
            self.compiler.commit_epoch(&snapshot);
            self.compiled.snapshot = snapshot;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_answer_like_the_naive_model_before_and_after_a_merge(
        spec in spec(),
        whences in whences(),
        rounds in vec(vec(change(), 1..5), 1..6),
        merge_at in 0..6_usize,
        adopt_after in 0..3_usize,
        seed: u64,
    ) {
        let mut compiler = Compiler::new([seed, !seed], 64, 256);
        compiler.set_whences(Arc::new(whences));
        let mut kept = Kept::new(spec, compiler);
        let mut merging = None;
        for (round, changes) in rounds.iter().enumerate() {
            if round == merge_at {
                merging = Some(kept.compiler.merge_job(&kept.compiled.snapshot)());
            }
            kept.change(changes);
            if round >= merge_at + adopt_after && let Some(merged) = merging.take() {
                kept.adopt(merged);
            }
            for zone in 0..ZONES.iter().sum() {
                for src in CLIENTS.map(addr) {
                    hold_judge(&kept.spec, &kept.compiled.snapshot, &kept.compiler, (zone, src));
                }
            }
            let mut afresh = Compiler::new([1, 2], 64, 256);
            afresh.set_whences(kept.compiled.snapshot.whences.clone());
            let whole = afresh.compile(&kept.spec).unwrap_or_else(|error| panic!("{error}"));
            prop_assert_eq!(whole.rules, kept.compiled.rules);
            let states = |compiled: &Compiled| compiled.apps.iter().map(|app| app.state.clone()).collect::<Vec<_>>();
            prop_assert_eq!(states(&whole), states(&kept.compiled));
        }
    }
}

#[test]
fn a_block_without_its_source_is_no_matter_of_rules_alone() {
    let text = r#"{"prefixes":["198.51.100.0/24"]}"#;
    let spec = read(text.as_bytes(), &lab_reserved()).unwrap_or_else(|errors| panic!("{errors}")).spec;
    let mut kept = Kept::new(spec, Compiler::new([1, 2], 64, 64));
    let scope = || RuleScope::Zone(ScopeName::default_scope());
    let put = |target, mode| RuleChange {
        scope: scope(),
        target,
        rule: Some(RuleSpec { target, mode, id: None, notes: None }),
    };
    let asn = Target::Asn(byway::base::AsNumber(7));
    assert!(kept.change(&[put(asn, Mode::Whitelist)]), "it only waits for its database");
    assert!(!kept.change(&[put(asn, Mode::Block)]));
    assert!(!kept.change(&[RuleChange { scope: scope(), target: asn, rule: None }]));
    let nowhere = RuleChange { scope: RuleScope::Account(id("nobody")), target: asn, rule: None };
    assert!(kept.spec.change_rules(&[nowhere]).is_empty());
    assert!(
        kept.spec
            .scopes()
            .all(|(kind, _, rules)| rules.is_empty() && kind != ScopeKind::Account || rules.is_empty())
    );
}

const MILLION: u32 = 1_000_000;

fn lone(number: u32) -> Target {
    Target::Net(RuleNet::one(Ipv4Addr::from_bits(number.wrapping_mul(0x9e37_79b1)).into()))
}

fn block(target: Target) -> RuleSpec {
    RuleSpec { target, mode: Mode::Block, id: None, notes: None }
}

/// A rule's change is everything up to the snapshot: one pass over the spec's rules and a small book of edits.
#[test]
fn one_rule_among_a_million_changes_in_a_fraction_of_the_time_of_all() {
    let text = r#"{"prefixes":["198.51.100.0/24"]}"#;
    let mut spec = read(text.as_bytes(), &lab_reserved()).unwrap_or_else(|errors| panic!("{errors}")).spec;
    spec.accounts[0].zones[0].access_rules = (0..MILLION).map(lone).map(block).collect();
    let start = Instant::now();
    let mut kept = Kept::new(spec, Compiler::new([1, 2], 64, 1 << 21));
    let whole = start.elapsed();
    let scope = || RuleScope::Zone(ScopeName::default_scope());
    let mut fastest = whole;
    for number in 0..9 {
        let (newcomer, old) = (lone(MILLION + number), lone(number * 100_000));
        let put = RuleChange { scope: scope(), target: newcomer, rule: Some(block(newcomer)) };
        for change in [put, RuleChange { scope: scope(), target: old, rule: None }] {
            let start = Instant::now();
            assert!(kept.change(&[change]));
            fastest = fastest.min(start.elapsed());
        }
    }
    let start = Instant::now();
    let many: Vec<RuleChange> = (0..RULE_EDITS_MAX as u32 - 100)
        .map(|number| lone(2 * MILLION + number))
        .map(|target| RuleChange { scope: scope(), target, rule: Some(block(target)) })
        .collect();
    assert!(kept.change(&many));
    let full = start.elapsed();
    let start = Instant::now();
    let merged = kept.compiler.merge_job(&kept.compiled.snapshot)();
    let merge = start.elapsed();
    kept.adopt(merged);
    assert_eq!(kept.compiled.snapshot.rules.edits_len(), 0);
    println!(
        "a million rules: all compiled in {} ms, one changed in {} us, 8,092 at once in {} ms, merged in {} ms",
        whole.as_millis(),
        fastest.as_micros(),
        full.as_millis(),
        merge.as_millis()
    );
    assert!(fastest.as_millis() < 50 && fastest * 10 < whole, "{fastest:?} of {whole:?}");
    assert_eq!(kept.compiled.rules.in_force, 1_000_000 + RULE_EDITS_MAX - 100);
}
