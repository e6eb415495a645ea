//! What is known of origins, brought together: answers of name servers and outcomes of probes go to the compiler, and
//! from there to the workers.

use super::life::Control;
use super::{app_rows, log};
use crate::base::{Instant, ProbeOutcome, Span};
use crate::snapshot::Command;
use crate::table::OriginBook;
use serde_json::{Value, json};

/// All apps are looked through for names and origins, so that many edits one after another wait for each other this long.
const WANT_PAUSE: Span = Span::from_secs(1);

impl Control {
    /// Asks, probes, hears, and publishes what changed; to be called at every tick. A process that leaves asks nobody.
    pub(super) fn tend_origins(&mut self, now: Instant) {
        if self.is_leaving() {
            return;
        }
        if self.wants_moved && now.since(self.wanted_at) >= WANT_PAUSE {
            self.want_origins(now);
        }
        self.origins_moved |= self.resolver.turn(now);
        self.hear_probes(now);
        self.send_probes(now);
        if self.origins_moved {
            let (resolver, prober) = (&self.resolver, &self.prober);
            let learn = |book: &OriginBook| OriginBook {
                answers: resolver.answers(),
                down: prober.down(),
                ..book.clone()
            };
            self.origins_moved = !self.reloads.reorigin(learn, &mut self.fleet, now);
            self.targets_moved |= !self.origins_moved;
        }
        if self.targets_moved {
            self.targets_moved = !self.choose_targets(now);
        }
    }

    /// Another table is in force.
    pub(super) fn want_origins(&mut self, now: Instant) {
        (self.wants_moved, self.wanted_at) = (false, now);
        let loaded = self.reloads.loaded();
        self.resolver.want(&loaded.spec, &loaded.compiled.apps, now);
        self.targets_moved = true;
    }

    /// Who is probed from now on; `false` while a load is under way.
    fn choose_targets(&mut self, now: Instant) -> bool {
        let Some(workshop) = self.reloads.workshop() else { return false };
        let loaded = self.reloads.loaded();
        let around = (&*workshop.compiler.origins, &**loaded.compiled.snapshot.table.prefixes());
        let targets = self.prober.targets(&loaded.spec, &loaded.compiled.apps, around);
        self.prober.watch(&targets, now);
        true
    }

    fn send_probes(&mut self, now: Instant) {
        for order in self.prober.orders(now) {
            let worker = order.id as usize % self.fleet.pages.len().max(1);
            let sent = self.fleet.mail(worker).is_some_and(|mail| mail.send(Command::Probe(order)).is_ok());
            if !sent {
                self.hear_probe(order.id, ProbeOutcome::NotSent, now);
            }
        }
    }

    fn hear_probes(&mut self, now: Instant) {
        for worker in 0..self.fleet.pages.len() {
            while let Some((id, outcome)) = self.fleet.mail(worker).and_then(|mail| mail.probed()) {
                self.hear_probe(id, outcome, now);
            }
        }
        for id in self.prober.overdue(now) {
            self.hear_probe(id, ProbeOutcome::TimedOut, now);
        }
    }

    fn hear_probe(&mut self, id: u32, outcome: ProbeOutcome, now: Instant) {
        if let Some((origin, verdict)) = self.prober.hear(id, outcome, now) {
            log::warning(format_args!("origin {origin} is {}: its probe {}", verdict.name(), outcome.name()));
            self.origins_moved = true;
        }
    }

    /// What `byway show origins` tells.
    pub(super) fn origins(&self) -> Value {
        let Some(workshop) = self.reloads.workshop() else {
            return super::ask::refusal("a reload is under way; ask again");
        };
        let rows = app_rows::origin_rows(self, &workshop.compiler.origins);
        json!({ "ok": true, "origins": rows })
    }
}
