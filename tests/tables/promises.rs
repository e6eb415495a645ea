//! Compiled answers are the naive model's; what is printed reads back; no bytes panic the reader.

use crate::live::{CLIENTS, EDGES, ZONES, addr, spec, whences};
use byway::base::Addr;
use byway::control::config::tables::{live_json, read};
use byway::snapshot::{Compiled, Compiler, LimitError, LiveSpec, cross_check};
use byway::testkit::tables::{fuzz_tables, hold_find, hold_judge, lab_reserved};
use byway::wire::Protocol;
use proptest::prelude::*;
use std::sync::Arc;

fn compile(compiler: &mut Compiler, spec: &LiveSpec) -> Compiled {
    let compiled = compiler.compile(spec).unwrap_or_else(|error| panic!("{error}"));
    compiler.commit(&compiled);
    compiled
}

fn compiler(seed: u64) -> Compiler {
    Compiler::new([seed, !seed], 64, 128)
}

/// All addresses that matter, and their neighbours.
fn around(texts: &[&str]) -> Vec<Addr> {
    let near = |addr: Addr| [addr, Addr::from_bits(addr.bits() ^ 1), Addr::from_bits(addr.bits() ^ 0x8000)];
    texts.iter().flat_map(|text| near(addr(text))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_tables_answer_like_the_naive_model(spec in spec(), seed: u64) {
        let compiled = compile(&mut compiler(seed), &spec);
        for dst in around(&EDGES) {
            for (protocol, port) in [Protocol::Tcp, Protocol::Udp].into_iter().flat_map(|p| (1..8).chain([22]).map(move |n| (p, n))) {
                hold_find(&spec, &compiled.snapshot, (dst, protocol, port));
            }
        }
    }

    #[test]
    fn compiled_rules_answer_like_the_naive_model_in_every_zone(spec in spec(), whences in whences(), seed: u64) {
        let mut compiler = compiler(seed);
        compiler.set_whences(Arc::new(whences));
        let compiled = compile(&mut compiler, &spec);
        for zone in 0..ZONES.iter().sum() {
            for src in around(&CLIENTS) {
                hold_judge(&spec, &compiled.snapshot, &compiler, (zone, src));
            }
        }
    }

    #[test]
    fn a_printed_spec_reads_back_the_same(spec in spec()) {
        let printed = live_json(&spec).to_string();
        let again = read(printed.as_bytes(), &lab_reserved());
        let again = again.unwrap_or_else(|errors| panic!("{printed}\n{errors}"));
        prop_assert_eq!(again.spec, spec, "{}", printed);
        prop_assert_eq!(again.messages.len(), 0);
    }

    #[test]
    fn slots_stay_over_reloads(one in spec(), two in spec(), seed: u64) {
        let mut compiler = compiler(seed);
        let first = compile(&mut compiler, &one);
        compile(&mut compiler, &two);
        let third = compile(&mut compiler, &one);
        let slots = |compiled: &Compiled| compiled.apps.iter().map(|app| app.slot).collect::<Vec<_>>();
        prop_assert_eq!(slots(&first), slots(&third));
        prop_assert!(third.snapshot.epoch.0 == 3);
    }

    #[test]
    fn no_bytes_panic_the_reader(spec in spec(), cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let mut bytes = live_json(&spec).to_string().into_bytes();
        for (place, byte) in cuts {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        fuzz_tables(&bytes);
    }
}

#[test]
fn the_cross_check_sees_a_wrong_table() {
    let text = |port: u16, mode: &str| {
        format!(
            r#"{{"prefixes":["198.51.100.0/24"],"apps":[{{"id":"a","protocol":"tcp/{port}","dns":{{"type":"ADDRESS","name":"a.example.com"}},
            "origin_direct":["tcp://192.0.2.1:22"],"edge_ips":{{"type":"static","ips":["198.51.100.10"]}}}}],
            "access_rules":[{{"mode":"{mode}","configuration":{{"target":"ip_range","value":"203.0.0.0/16"}}}}]}}"#
        )
    };
    let build = |port, mode| {
        let spec = read(text(port, mode).as_bytes(), &lab_reserved())
            .unwrap_or_else(|errors| panic!("{errors}"))
            .spec;
        let compiled = compile(&mut compiler(1), &spec);
        (spec, compiled)
    };
    let (spec, right) = build(22, "block");
    assert_eq!(cross_check(&spec, &right.apps, &right.snapshot, 7), Ok(()));
    for (port, mode, question) in [(23, "block", "the app of"), (22, "whitelist", "the rules of zone 0")] {
        let (_, wrong) = build(port, mode);
        let disagreement = cross_check(&spec, &right.apps, &wrong.snapshot, 7).expect_err("another table");
        assert!(disagreement.to_string().starts_with(question), "{disagreement}");
    }
}

#[test]
fn full_slots_are_a_limit_and_change_nothing() {
    let spec = |count: u16| {
        let app = |port: u16| {
            format!(
                r#"{{"protocol":"tcp/{port}","dns":{{"type":"ADDRESS","name":"a.example.com"}},"origin_direct":["tcp://192.0.2.1:22"],
                "edge_ips":{{"type":"static","ips":["198.51.100.10"]}}}}"#
            )
        };
        let apps: Vec<String> = (1..=count).map(app).collect();
        let text = format!(r#"{{"prefixes":["198.51.100.0/24"],"apps":[{}]}}"#, apps.join(","));
        read(text.as_bytes(), &lab_reserved()).unwrap_or_else(|errors| panic!("{errors}")).spec
    };
    let mut compiler = Compiler::new([1, 2], 3, 3);
    compile(&mut compiler, &spec(2));
    assert!(matches!(compiler.compile(&spec(4)), Err(LimitError::AppSlots(full)) if full.capacity == 3));
    let again = compile(&mut compiler, &spec(2));
    assert_eq!(again.snapshot.table.apps().count(), 2);
    // The slot that the refused reload took is nobody's.
    assert_eq!(compiler.retired_apps().count(), 0);
    assert_eq!(compile(&mut compiler, &spec(3)).snapshot.table.apps().count(), 3);
}

#[test]
fn unchanged_prefixes_are_shared_between_snapshots() {
    let spec = |prefixes: &str| {
        let text = format!(r#"{{"prefixes":[{prefixes}]}}"#);
        read(text.as_bytes(), &lab_reserved()).unwrap_or_else(|errors| panic!("{errors}")).spec
    };
    let mut compiler = compiler(3);
    let one = compile(&mut compiler, &spec(r#""5.6.7.0/24""#));
    let two = compile(&mut compiler, &spec(r#""5.6.7.0/24""#));
    let three = compile(&mut compiler, &spec(r#""5.6.7.0/24","5.6.8.0/24""#));
    let prefixes = |compiled: &Compiled| compiled.snapshot.table.prefixes().clone();
    assert!(std::sync::Arc::ptr_eq(&prefixes(&one), &prefixes(&two)));
    assert!(!std::sync::Arc::ptr_eq(&prefixes(&two), &prefixes(&three)));
}
