//! The laws that a run is held to beside those of each step: what was said was heard, what began has ended, and every
//! number that is told agrees with the others.

use super::Sim;
use crate::scene::{CONNECTIONS_MAX, UDP_SESSIONS, is_limited};
use byway::base::{AppSlot, Span};
use byway::snapshot::{Command, Reply};
use byway::telemetry::{Counter, EventKind, Gauge};
use byway::testkit::apps::{FLOODED, RULED};
use byway::testkit::net::Outcome;
use byway::wire::Protocol;
use std::collections::HashMap;

/// Within this span everything that ended is forgotten.
const FORGETTING_MAX: Span = Span::from_secs(1_200);
/// Within this span what workers gather of unproven clients is told.
const GATHERING: Span = Span::from_secs(15);
/// Sessions that the flooded app may hold of a worker: four fifths of all, whoever else is there, and those that came
/// while a listing was under way.
const FLOODED_MAX: usize = UDP_SESSIONS as usize * 4 / 5 + 16;
/// Sessions that may end, and others come in their place, while a listing is under way.
const CHURN: u32 = 8;
/// Steps between two listings of all sessions.
const LIST_EVERY: u64 = 400;

/// What workers told, by number.
#[derive(Default)]
pub struct Told {
    /// Connections of which both legs came up, and those of them that ended, but for those that a rule ended.
    connects: u64,
    ends: u64,
    /// Rows of the flooded app in the listing at hand, by worker.
    flooded: Vec<usize>,
    /// Rows of TCP apps in it, by worker and app.
    apps: Vec<HashMap<AppSlot, u32>>,
}

impl Sim {
    /// Reads what the workers tell, and prints it for whoever watches.
    pub fn read_mail(&mut self) -> Result<(), String> {
        let flooded = self.flooded_slot();
        self.told.flooded.resize(self.control.mails.len(), 0);
        self.told.apps.resize_with(self.control.mails.len(), HashMap::new);
        for (worker, mail) in self.control.mails.iter().enumerate() {
            while let Some(event) = mail.event() {
                let line = format!("{event:?}");
                if self.watched.as_ref().is_some_and(|wanted| line.contains(wanted)) {
                    println!("{line}");
                }
                let count = u64::from(event.count);
                match event.kind {
                    EventKind::Connect => self.told.connects += count,
                    EventKind::Disconnect if event.connected_at.is_some() => self.told.ends += count,
                    EventKind::Disconnect
                    | EventKind::ClientFiltered
                    | EventKind::TlsError
                    | EventKind::OriginError
                    | EventKind::ResolveOrigin => {}
                }
            }
            while let Some(reply) = mail.reply() {
                match reply {
                    Reply::Session(_, row) => {
                        let is_flooded = row.protocol == Protocol::Udp && Some(row.app) == flooded;
                        self.told.flooded[worker] += usize::from(is_flooded);
                        if row.protocol == Protocol::Tcp {
                            *self.told.apps[worker].entry(row.app).or_default() += 1;
                        }
                    }
                    Reply::Done { .. } => {
                        let most = std::mem::take(&mut self.told.apps[worker]).into_values().max();
                        if is_limited(self.seed) && most > Some(CONNECTIONS_MAX + CHURN) {
                            return Err(format!("an app has {most:?} connections of {CONNECTIONS_MAX}"));
                        }
                        let held = std::mem::take(&mut self.told.flooded[worker]);
                        self.flooded_most = self.flooded_most.max(held);
                        if held > FLOODED_MAX {
                            return Err(format!("an app holds {held} sessions of {UDP_SESSIONS}"));
                        }
                    }
                    Reply::Neighbor(..) => {}
                }
            }
            if self.world.steps().is_multiple_of(LIST_EVERY) {
                let ask = Command::ListSessions { request: 1, cursor: 0, rows_max: 4_096 };
                mail.send(ask).map_err(|_| "commands are not taken")?;
            }
        }
        Ok(())
    }

    fn flooded_slot(&self) -> Option<AppSlot> {
        let snapshot = &self.compiled.as_ref()?.snapshot;
        let edge = byway::testkit::edge::addr(byway::testkit::edge::EDGE_IPS[0]);
        snapshot.table.find(edge, Protocol::Udp, FLOODED).ok()
    }

    /// Every talk that ends in order was said and heard completely, by both ends; no byte was wrong. Only those behind
    /// the access rules may end before, where their client was blocked.
    pub fn judge(&self) -> Result<(), String> {
        let host = &self.world.hosts[0].1;
        let ended: Vec<_> = host
            .ended
            .iter()
            .copied()
            .chain(host.peers().map(|peer| (peer.talk(), peer.outcome())))
            .collect();
        let mut complete = 0;
        for (talk, outcome) in ended {
            let place = talk.map(|talk| self.places[talk.id as usize]);
            let may_be_cut =
                place.is_some_and(|(client, port)| port == RULED && self.ever_blocked.contains(&client));
            let in_order = talk.is_some_and(|talk| talk.ending.in_order()) && !may_be_cut;
            match outcome {
                Outcome::Wrong(at) => return Err(format!("byte {at} of {talk:?} to {place:?} is wrong")),
                Outcome::Complete => complete += u32::from(in_order),
                Outcome::Talking | Outcome::HungUp | Outcome::WasReset if !in_order => {}
                Outcome::Talking | Outcome::HungUp | Outcome::WasReset => {
                    return Err(format!("{talk:?} to {place:?} ended with {outcome:?}"));
                }
            }
        }
        if !complete.is_multiple_of(2) {
            return Err("one end of a talk is complete, the other is not".into());
        }
        Ok(())
    }

    /// Links that lose a few frames of a hundred let most datagrams through, clean ones nearly all.
    fn judge_datagrams(&self) -> Result<(), String> {
        let tally = self.world.datagrams.as_ref().expect("there").tally;
        let [sent, reached, heard] = tally.plain;
        let percent_min = if self.is_clean { 95 } else { 80 };
        let enough = reached * 100 >= sent * percent_min && heard * 100 >= reached * percent_min;
        // Where all talks began in the first moment, no chat is plain.
        if enough && tally.sent > 0 {
            Ok(())
        } else {
            Err(format!("too few datagrams came through: {tally:?}"))
        }
    }

    /// All sessions end, every frame goes home, and the numbers agree.
    pub fn forget(&mut self) -> Result<(), String> {
        let end = self.world.now + FORGETTING_MAX;
        let mut quiet_since = None;
        while quiet_since.is_none_or(|since| self.world.now < since + GATHERING) {
            if self.world.now >= end {
                return Err("sessions are left over".into());
            }
            self.world.step()?;
            self.read_mail()?;
            let is_quiet = self.world.hosts[0].1.is_quiet() && self.gauges() == 0;
            quiet_since = is_quiet.then(|| quiet_since.unwrap_or(self.world.now));
        }
        self.judge_datagrams()?;
        self.compare_numbers()?;
        self.world.workers.clear();
        while self.world.wires[0].receive().is_some() {}
        let held = self.world.wires[0].frames_held() as u64;
        let unread = self.world.wires[0].stats();
        if held > 0 { Err(format!("{held} frames leaked: {unread:?}")) } else { Ok(()) }
    }

    /// Sessions and handshakes that are there by the numbers told.
    fn gauges(&self) -> u64 {
        let gauges = [Gauge::Sessions, Gauge::UdpSessions, Gauge::HalfOpen, Gauge::CryptoJobs];
        self.control.pages.iter().flat_map(|page| gauges.map(|gauge| page.gauge(gauge))).sum()
    }

    /// What a counter or a family of them says, over all workers.
    pub fn counted(&self, wanted: impl Fn(Counter) -> bool) -> u64 {
        let pages = self.control.pages.iter();
        pages
            .flat_map(|page| Counter::ALL.iter().map(move |counter| (page, *counter)))
            .filter(|(_, counter)| wanted(*counter))
            .map(|(page, counter)| page.counter(counter))
            .sum()
    }

    fn compare_numbers(&self) -> Result<(), String> {
        let one = |counter: Counter| self.counted(|other| other == counter);
        let family = |name: &str| self.counted(|counter| counter.meta().name == name);
        let answered = one(Counter::EstablishedSessions) + one(Counter::UdpAnswered);
        let pairs = [
            (
                "TCP sessions opened and closed",
                one(Counter::OpenedSessions),
                family("byway_closed_sessions_total"),
            ),
            (
                "UDP sessions opened and closed",
                one(Counter::UdpOpened),
                family("byway_udp_sessions_closed_total"),
            ),
            ("connections up and told of", answered, self.told.connects),
            ("events lost and none", family("byway_lost_events_total"), 0),
        ];
        let filtered = one(Counter::ClosedByFirewall) + one(Counter::UdpClosedByFirewall);
        let all_but_filtered = self.told.connects.saturating_sub(filtered)..=self.told.connects;
        if !all_but_filtered.contains(&self.told.ends) {
            return Err(format!("of {all_but_filtered:?} connections {} ends are told", self.told.ends));
        }
        for (what, is, should) in pairs {
            if is != should {
                return Err(format!("{what} disagree: {is} and {should}"));
            }
        }
        Ok(())
    }
}
