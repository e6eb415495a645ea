//! A million access rules stay within their memory. A program of its own, because it counts what the process allocates.

use byway::base::Rng;
use byway::base::{RuleSlot, ZoneSlot};
use byway::firewall::{Judgement, Mode, RuleNet, RuleSpec, ScopeRules, Target, WhenceMap, ZoneScopes};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Single addresses, scattered: three of four IPv4.
fn scattered(count: u32, seed: u64) -> Vec<RuleSpec> {
    let mut rng = Rng::new(seed);
    let mut rule = |number: u32| {
        let addr = match number % 4 {
            0 => Ipv6Addr::from_bits(0x2a00 << 112 | u128::from(rng.next_u64())).into(),
            _ => Ipv4Addr::from_bits(number.wrapping_mul(0x9e37_79b1)).into(),
        };
        RuleSpec { target: Target::Net(RuleNet::one(addr)), mode: Mode::Block, id: None, notes: None }
    };
    (0..count).map(&mut rule).collect()
}

#[test]
fn a_million_scattered_rules_take_at_most_128_mib() {
    const BYTES_MAX: usize = 128 << 20;
    let rules = scattered(1_000_000, 1);
    let slots = (0..1_000_000).map(|slot| Some(RuleSlot(slot))).collect();
    let scopes = [ScopeRules { rules: &rules, slots }, ScopeRules { rules: &[], slots: Vec::new() }];
    let zones = [ZoneScopes { zone: 0, account: 1, user: 1 }];
    let start = Instant::now();
    let before = COUNTED.stats();
    let compiled = byway::firewall::compile(&zones, &scopes, [1, 2]).expect("no rule repeats");
    let after = COUNTED.stats();
    let held = (after.bytes_allocated - before.bytes_allocated)
        - (after.bytes_deallocated - before.bytes_deallocated);
    let passing = after.bytes_allocated - before.bytes_allocated;
    println!(
        "1,000,000 rules: {held} bytes held, {passing} asked for on the way, {} ms",
        start.elapsed().as_millis()
    );
    assert!(
        held <= BYTES_MAX && compiled.heap_bytes() <= held,
        "{held} bytes, says {}",
        compiled.heap_bytes()
    );
    for rule in rules.iter().step_by(1009) {
        let Target::Net(net) = rule.target else { panic!("made of addresses") };
        assert!(matches!(
            compiled.judge(ZoneSlot(0), net.first(), &WhenceMap::default()),
            Judgement::Block(_)
        ));
    }
}
