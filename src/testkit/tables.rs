//! What a fuzzer does with a table file: reads it, prints it, compiles it, asks it. Any promise that breaks panics.

use super::model::{self, Verdict};
use crate::base::{Addr, ZoneSlot};
use crate::control::config::tables::{live_json, read};
use crate::firewall::{Judgement, Target};
use crate::snapshot::LiveSpec;
use crate::snapshot::{Compiler, LimitError, Snapshot};
use crate::table::{Reserved, Subnet};
use crate::telemetry::FirewallMatch;
use crate::wire::Protocol;

/// The boot config of a small laboratory, against which fuzzed tables are read.
pub fn lab_reserved() -> Reserved {
    let own = |octets: [u8; 4]| Addr::v4(octets);
    Reserved {
        subnets: vec![Subnet { own: own([10, 0, 0, 2]), length: 24 }],
        gateways: vec![own([10, 0, 0, 1])],
        egress: vec![own([10, 0, 0, 3])],
        lab: true,
        origin_allow: ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"]
            .map(|net| net.parse().expect("a net"))
            .into(),
        ..Reserved::default()
    }
}

/// Any bytes as a table file. Never panics on a bad one; a good one must read back as it was printed, compile, and
/// answer like the naive model.
pub fn fuzz_tables(bytes: &[u8]) {
    let reserved = lab_reserved();
    match read(bytes, &reserved) {
        Err(errors) => assert!(!errors.list.is_empty(), "refused without an error"),
        Ok(file) => hold_promises(&file.spec, &reserved),
    }
}

fn hold_promises(spec: &LiveSpec, reserved: &Reserved) {
    let printed = live_json(spec).to_string();
    let again = read(printed.as_bytes(), reserved).unwrap_or_else(|errors| panic!("{printed}\n{errors}"));
    assert!(again.spec == *spec, "printed and read back differently: {printed}");
    assert!(again.messages.is_empty(), "byway's own print has unknown fields: {:?}", again.messages);
    let mut compiler = Compiler::new([7, 9], 1 << 20, 1 << 22);
    match compiler.compile(spec) {
        Ok(compiled) => hold_answers(spec, &compiled.snapshot),
        Err(error @ (LimitError::Crowded | LimitError::Disagreement(_))) => panic!("{error}\n{printed}"),
        Err(LimitError::AppSlots(_) | LimitError::AccountSlots(_) | LimitError::RuleSlots(_)) => {}
    }
}

/// Asks the snapshot about every address that the spec names.
fn hold_answers(spec: &LiveSpec, snapshot: &Snapshot) {
    for (_, zone) in spec.zones() {
        for app in &zone.apps {
            let ports = [app.edge.ports.first(), app.edge.ports.last(), 1];
            for (addr, port) in app.edge_addrs().iter().flat_map(|addr| ports.map(|port| (*addr, port))) {
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    hold_find(spec, snapshot, (addr, protocol, port));
                }
            }
        }
    }
}

/// Holds the table's answer against the model's.
#[track_caller]
pub fn hold_find(spec: &LiveSpec, snapshot: &Snapshot, (addr, protocol, port): (Addr, Protocol, u16)) {
    let found = snapshot.table.find(addr, protocol, port);
    let found = found.map(|slot| snapshot.table.app(slot).expect("a found app is there").id);
    assert_eq!(found, model::app_of(spec, addr, protocol, port), "{addr} {protocol:?} {port}");
    let prefixes = snapshot.table.prefixes();
    let prefix = prefixes.find(addr).and_then(|slot| prefixes.prefix(slot));
    assert_eq!(prefix, model::longest_prefix(spec, addr), "{addr}");
    assert_eq!(snapshot.table.covers(addr), prefix.is_some(), "{addr}");
}

/// Holds the rules' answer against the model's, down to the rule and its kind; `compiler` made the snapshot.
#[track_caller]
pub fn hold_judge(spec: &LiveSpec, snapshot: &Snapshot, compiler: &Compiler, (zone, src): (usize, Addr)) {
    let target = |said: FirewallMatch| {
        let slot = said.rule().expect("a verdict names its rule");
        let target = compiler.rule_at(spec, slot).expect("a rule that matched is in the spec").rule.target;
        let kind = match target {
            Target::Net(_) => "_IP",
            Target::Asn(_) => "_ASN",
            Target::Country(_) => "_COUNTRY",
        };
        assert!(said.name().ends_with(kind), "{} of {target}", said.name());
        target
    };
    let said = match snapshot.rules.judge(ZoneSlot(zone as u32), src, &snapshot.whences) {
        Judgement::Pass(FirewallMatch::Unknown) => Verdict::None,
        Judgement::Pass(said) if said.name().starts_with("WHITELIST_") => Verdict::LetIn(target(said)),
        Judgement::Block(said) if said.name().starts_with("BLOCK_") => Verdict::Blocked(target(said)),
        judgement @ (Judgement::Pass(_) | Judgement::Block(_)) => panic!("{judgement:?} makes no sense"),
    };
    let known = (snapshot.whences.find(src), snapshot.whences.sources());
    assert_eq!(said, model::judge(spec, zone, src, known), "zone {zone}, {src}");
}
