//! Tables that change while a run goes on: reloads, and access rules changed one by one.

use super::Sim;
use crate::talks::client;
use byway::base::Addr;
use byway::firewall::{Mode, RuleNet, RuleSpec, Target};
use byway::snapshot::{RuleChange, RuleScope};
use byway::table::ScopeName;
use byway::testkit::apps::spec;

/// Sessions between two reloads, and between two changes of rules.
const RELOAD_EVERY: u32 = 90;
const RULES_EVERY: u32 = 35;
/// Clients blocked at once.
const BLOCKED: usize = 6;

impl Sim {
    /// Reloads the table, changes rules, or neither.
    pub fn change_tables(&mut self, id: u32) {
        if id % RELOAD_EVERY == RELOAD_EVERY - 1 {
            self.reloads += 1;
            self.spec = spec(self.reloads.is_multiple_of(2), &self.blocked);
            self.publish();
        }
        if id % RULES_EVERY == RULES_EVERY - 1 {
            self.change_rules();
        }
    }

    /// Compiles the spec and puts it in force.
    pub fn publish(&mut self) {
        let material = self.control.material.as_ref();
        let compiled = self.control.compiler.compile_with(&self.spec, material).expect("within the limits");
        self.control.publisher.publish(compiled.snapshot.clone());
        self.control.compiler.commit(&compiled);
        self.compiled = Some(compiled);
    }

    /// Lets all blocked clients in again and blocks others, without a reload.
    fn change_rules(&mut self) {
        let mut changes: Vec<RuleChange> = self.blocked.iter().map(|addr| change(*addr, false)).collect();
        self.blocked = (0..BLOCKED).map(|_| client(self.rng.next_u64(), self.rng.below(2) == 1)).collect();
        self.blocked.sort_unstable();
        self.blocked.dedup();
        changes.extend(self.blocked.iter().map(|addr| change(*addr, true)));
        let changed = self.spec.change_rules(&changes);
        let compiled = self.compiled.as_mut().expect("published");
        let edited = self.control.compiler.edit(compiled, &changed).expect("within the limits");
        let edited = edited.expect("addresses alone turn no app");
        self.control.compiler.commit_epoch(&edited.snapshot);
        self.control.publisher.publish(edited.snapshot.clone());
        (compiled.snapshot, compiled.rules) = (edited.snapshot, edited.rules);
        let now = self.world.now;
        let datagrams = self.world.datagrams.as_mut().expect("there");
        datagrams.blocked = self.blocked.iter().map(|addr| (*addr, now)).collect();
        self.ever_blocked.extend(self.blocked.iter().copied());
    }
}

fn change(addr: Addr, put: bool) -> RuleChange {
    let target = Target::Net(RuleNet::one(addr));
    let rule = RuleSpec { target, mode: Mode::Block, id: None, notes: None };
    RuleChange { scope: RuleScope::Zone(ScopeName::default_scope()), target, rule: put.then_some(rule) }
}
