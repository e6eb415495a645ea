//! How a UDP session opens: with the first datagram of a client that table and firewall let pass.

use super::elders::Trust;
use super::end::End;
use super::outgoing::Prefix;
use super::record::Session;
use super::sessions::Sessions;
use crate::base::{DropReason, Endpoint, Hop, Instant};
use crate::flow::{Call, LegRef, Side, Tenant};
use crate::session::{Admission, Net, NoChoice, OriginNews, OriginPlace};
use crate::telemetry::Counter;
use crate::wire::checksum::Change;
use crate::wire::{FlowKey, Protocol, Tuple};

/// What the app asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// What goes ahead of each payload towards the origin.
    pub prefix: Prefix,
    /// Whether that goes for the first datagram alone.
    pub prefix_once: bool,
    /// Bytes towards an unproven client for each byte from it; zero: without limit.
    pub amplification: u16,
}

impl Sessions {
    /// Opens a session for a client's tuple that has no flow. A refusal changes nothing but that an old session, which
    /// nobody had answered or whose client had not proven itself, may have made room.
    ///
    /// # Errors
    /// Why there is none.
    pub fn open<N: Net>(
        &mut self,
        admission: &Admission,
        wanted: &Wanted,
        client: &FlowKey,
        now: Instant,
        net: &mut N,
    ) -> Result<LegRef, DropReason> {
        if self.draining {
            return Err(DropReason::Draining);
        }
        let tenant = Tenant { app: admission.app, account: admission.account };
        if let Some(reason) = self.ports.refusal(tenant, now) {
            return Err(reason);
        }
        if let Some(reason) = self.share.refusal(tenant) {
            // Within its share a flood of forged sources gives way to newcomers, too.
            let own = |id: &u32| self.sessions[*id as usize].app == tenant.app;
            let eldest = self.elders.first().filter(own).ok_or(reason)?;
            self.end(eldest, End::Evicted, now, net);
        }
        let id = self.slot(now, net).ok_or(DropReason::UdpSessionsFull)?;
        let choice = net.choose_origin(admission.app, client.dst_port, None).map_err(refusal)?;
        let leg = self.call(id, client, choice.origin, now, net);
        let (origin, origin_hop) = leg.inspect_err(|_| tell(choice.place, OriginNews::GaveUp, net))?;
        if choice.untracked {
            net.page().count(Counter::UntrackedOrigins);
        }
        self.free.pop();
        self.share.take(tenant);
        let hops = [admission.client_hop, origin_hop];
        self.sessions[id as usize] = record(admission, wanted, [*client, origin], now);
        self.sessions[id as usize].place = choice.place;
        self.sessions[id as usize].hops = hops;
        self.sessions[id as usize].mtus = hops.map(|hop: Hop| net.mtu(hop).min(usize::from(u16::MAX)) as u16);
        self.elders.shift(id, Trust::Proven, Trust::Unanswered);
        self.wheel.arm(id, now + self.settings.unanswered_timeout);
        net.page().count(Counter::UdpOpened);
        Ok(LegRef::new(id, Side::Client))
    }

    /// Our end of the origin leg, as the key of the frames that come to it, and the way there; both flows are entered.
    fn call<N: Net>(
        &mut self,
        id: u32,
        client: &FlowKey,
        origin: Endpoint,
        now: Instant,
        net: &mut N,
    ) -> Result<(FlowKey, Hop), DropReason> {
        let hop = net.route(origin.addr).ok_or(DropReason::NoRoute)?;
        let leg = self.choose_egress(origin, now).ok_or(DropReason::EgressExhausted)?;
        if self.enter(id, [client, &leg]) { Ok((leg, hop)) } else { Err(DropReason::FlowsFull) }
    }

    /// A free slot, which stays on the list of free ones; the eldest of those that may go makes room for it.
    fn slot<N: Net>(&mut self, now: Instant, net: &mut N) -> Option<u32> {
        if self.free.is_empty() {
            let eldest = self.elders.first()?;
            self.end(eldest, End::Evicted, now, net);
        }
        self.free.last().copied()
    }

    /// Puts both flows into the table, or neither.
    fn enter(&mut self, id: u32, keys: [&FlowKey; 2]) -> bool {
        let [client, origin] = keys.map(|key| self.hasher.hash(key));
        let [client_leg, origin_leg] = [Side::Client, Side::Origin].map(|side| LegRef::new(id, side));
        if !self.flows.insert(client, client_leg) {
            return false;
        }
        let entered = self.flows.insert(origin, origin_leg);
        if !entered {
            self.flows.remove(client, client_leg);
        }
        entered
    }

    /// Our end of an origin leg; the key of the frames that come to it.
    fn choose_egress(&mut self, origin: Endpoint, now: Instant) -> Option<FlowKey> {
        let Self { ports, flows, hasher, sessions, settings, .. } = self;
        let in_use = |key: &FlowKey| {
            let held = |leg: LegRef| sessions[leg.session() as usize].tuples[leg.side().index()].is_of(key);
            flows.find(hasher.hash(key), held).is_some()
        };
        let comes_home =
            |key: &FlowKey| settings.comes_home.as_ref().is_none_or(|comes_home| comes_home(key));
        let call = Call { origin, timestamps: false };
        let egress = ports.choose(call, now, in_use, comes_home)?.egress;
        let (src, dst) = (origin.addr, egress.addr);
        Some(FlowKey { src, dst, src_port: origin.port, dst_port: egress.port, protocol: Protocol::Udp })
    }
}

/// Tells the keeper of origins; one that is not looked after is nobody's.
pub(super) fn tell<N: Net>(place: OriginPlace, news: OriginNews, net: &mut N) {
    if place != OriginPlace::NONE && net.origin_news(place, news) {
        net.page().count(Counter::BackedOffOrigins);
    }
}

const fn refusal(no: NoChoice) -> DropReason {
    match no {
        NoChoice::AppGone => DropReason::NoApp,
        NoChoice::NoOrigin(_) => DropReason::OriginUnresolved,
        NoChoice::Forbidden | NoChoice::NoOther => DropReason::OriginForbidden,
    }
}

fn record(admission: &Admission, wanted: &Wanted, keys: [FlowKey; 2], now: Instant) -> Session {
    let [client, origin] = keys;
    Session {
        tuples: keys.map(|key| Tuple::of(&key)),
        changes: [Change::tuple(&client, &origin.reversed()), Change::tuple(&origin, &client.reversed())],
        live: true,
        trust: Trust::Unanswered,
        prefix: wanted.prefix,
        prefix_once: wanted.prefix_once,
        amplification: wanted.amplification,
        ip_firewall: admission.ip_firewall,
        firewall: admission.firewall,
        whence: admission.whence,
        app: admission.app,
        account: admission.account,
        epoch: admission.epoch,
        opened_at: now,
        moved_at: now,
        ..Session::vacant()
    }
}
