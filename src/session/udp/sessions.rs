//! All UDP sessions of one worker. Everything is made here at launch: slots, flow table, timers, source ports.
//!
//! ```text
//!  datagram -> find -+- hit --> relay --> Outgoing: the worker writes it into the same frame and sends it
//!                    `- miss -> (table, firewall) -> open: a slot, an egress tuple, two flows; then relay
//! ```
//! A relayed datagram costs one look-up, a few sums and the rewrite of two headers; no timer is touched (a session's own
//! looks, when it fires, at how long it has been quiet). Measured by `byway bench session --udp`.

use super::Settings;
use super::elders::Elders;
use super::record::Session;
use crate::base::{AppSlot, Epoch, Instant, Wheel, WorkerId};
use crate::flow::{FlowHasher, FlowMap, LegRef, Share, SourcePorts};
use crate::wire::{FlowKey, Protocol, Tuple4};
use dpdk_sys::cpu;

/// The UDP sessions of one worker.
pub struct Sessions {
    pub(super) settings: Settings,
    pub(super) worker: WorkerId,
    pub(super) hasher: FlowHasher,
    pub(super) flows: FlowMap<LegRef>,
    pub(super) sessions: Box<[Session]>,
    pub(super) free: Vec<u32>,
    pub(super) elders: Elders,
    pub(super) wheel: Wheel,
    pub(super) ports: SourcePorts,
    pub(super) share: Share,
    pub(super) sweep_cursor: u32,
    pub(super) draining: bool,
    /// The next identification of a packet that routers may fragment.
    pub(super) fragment_id: u16,
}

impl Sessions {
    /// All that `worker`, one of `workers`, will ever use.
    pub fn new(settings: Settings, worker: WorkerId, workers: u8, secret: &[u8; 32], now: Instant) -> Self {
        let count = settings.sessions_max.clamp(1, LegRef::SESSIONS_MAX - 1) as usize;
        let mut ports = SourcePorts::new(settings.egress.clone(), worker, workers, secret).for_udp();
        ports.set_shares(settings.shares);
        Self {
            worker,
            hasher: FlowHasher::new(secret),
            flows: FlowMap::new(count * 2),
            sessions: (0..count).map(|_| Session::vacant()).collect(),
            free: (0..count as u32).rev().collect(),
            elders: Elders::new(count),
            wheel: Wheel::with_capacity(count, now),
            ports,
            share: Share::new(count as u32, settings.shares),
            sweep_cursor: 0,
            draining: false,
            fragment_id: u16::from_le_bytes([secret[0], secret[1]]),
            settings,
        }
    }

    /// The hash of a flow as its frames arrive; input of `prefetch` and `find`.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        self.hasher.hash(key)
    }

    /// The same of an IPv4 flow.
    #[inline(always)]
    pub fn hash4(&self, tuple: Tuple4) -> u64 {
        self.hasher.hash4(tuple, Protocol::Udp)
    }

    /// Asks the cache for the flow table's lines under `hash`.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.flows.prefetch(hash);
    }

    /// Asks the cache for a session.
    #[inline]
    pub fn prefetch_leg(&self, leg: LegRef) {
        if let Some(session) = self.sessions.get(leg.session() as usize) {
            cpu::prefetch(session);
            cpu::prefetch(&session.moved_at);
            cpu::prefetch(&session.bytes);
        }
    }

    /// Whether datagrams of a leg may be relayed where they stand, of IPv4 and with nothing to be put in or taken out.
    #[inline]
    pub fn is_plain4(&self, leg: LegRef) -> bool {
        self.sessions.get(leg.session() as usize).is_some_and(|session| session.plain4[leg.side().index()])
    }

    /// The leg that the flow table names first for `hash`.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<LegRef> {
        self.flows.candidate(hash)
    }

    /// The leg that a frame with this key belongs to.
    #[inline]
    pub fn find(&self, key: &FlowKey, hash: u64) -> Option<LegRef> {
        self.flows.find(hash, |leg| self.is_of(leg, key))
    }

    /// The same, with what `candidate` said a moment ago: other frames may have come in between.
    #[inline]
    pub fn confirm(&self, candidate: Option<LegRef>, key: &FlowKey, hash: u64) -> Option<LegRef> {
        match candidate.filter(|leg| self.is_of(*leg, key)) {
            Some(leg) => Some(leg),
            None => self.find(key, hash),
        }
    }

    /// Whether this leg's frames bear this key.
    #[inline(always)]
    pub fn is_of(&self, leg: LegRef, key: &FlowKey) -> bool {
        let session = &self.sessions[leg.session() as usize];
        session.live && session.tuples[leg.side().index()].is_of(key)
    }

    /// The app that a leg's session belongs to.
    pub fn app(&self, leg: LegRef) -> AppSlot {
        self.sessions[leg.session() as usize].app
    }

    /// The snapshot that judged a leg's session last.
    #[inline]
    pub fn judged_epoch(&self, leg: LegRef) -> Epoch {
        self.sessions[leg.session() as usize].epoch
    }

    /// Sessions alive.
    pub fn len(&self) -> usize {
        self.sessions.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether clients may have special-purpose addresses.
    pub fn special_sources(&self) -> bool {
        self.settings.special_sources
    }

    /// Tuples in quarantine.
    pub fn resting(&self) -> usize {
        self.ports.resting()
    }

    /// No timer of these sessions fires before this time.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Refuses new sessions from now on; those alive go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }
}
