//! One UDP session's record.

use super::elders::Trust;
use super::outgoing::Prefix;
use crate::base::{AccountSlot, AppSlot, Endpoint, Epoch, Hop, Instant, Whence, WorkerId};
use crate::flow::{Side, Tenant};
use crate::session::{OriginPlace, Phase, SessionView};
use crate::telemetry::{Event, EventKind, FirewallMatch, Status, Transport};
use crate::wire::checksum::Change;
use crate::wire::{FlowKey, Protocol, Tuple};

/// Client datagrams that prove a client, where they span a round trip.
const PROOF_DATAGRAMS: u32 = 3;

/// A session, or a vacant slot for one. What a plain datagram touches comes first, in three or four cache lines.
#[repr(C)]
pub struct Session {
    /// Client leg, origin leg, each as its frames arrive.
    pub tuples: [Tuple; 2],
    /// What the way from each side to the other does to a checksum, but for lengths and headers put in.
    pub changes: [Change; 2],
    /// The way to client and origin, and the longest packet on it.
    pub hops: [Hop; 2],
    /// Bytes of IP packet.
    pub mtus: [u16; 2],
    /// Whether somebody lives here.
    pub live: bool,
    /// Whether a datagram from client and origin needs nothing but another tuple.
    pub plain: [bool; 2],
    /// The same over IPv4; never where nobody lives.
    pub plain4: [bool; 2],
    /// How far it is trusted.
    pub trust: Trust,
    /// The snapshot that judged it last.
    pub epoch: Epoch,
    /// When a datagram last passed.
    pub moved_at: Instant,
    /// Payload bytes read from client and origin.
    pub bytes: [u64; 2],
    /// The app.
    pub app: AppSlot,
    /// Its account.
    pub account: AccountSlot,
    /// Whether the client sent anything after a reply had been passed to it.
    pub round_trip: bool,
    /// Whether a reply was passed to the client.
    pub replied: bool,
    /// What goes ahead of the payload towards the origin.
    pub prefix: Prefix,
    /// Whether that goes for the next datagram alone.
    pub prefix_once: bool,
    /// Whether the firewall was on.
    pub ip_firewall: bool,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// Whom the origin's keeper is to be told of.
    pub place: OriginPlace,
    /// Where the client comes from.
    pub whence: Whence,
    /// Bytes towards an unproven client for each byte from it; zero: without limit.
    pub amplification: u16,
    /// Datagrams of the client.
    pub datagrams: u32,
    /// Bytes of IP packets that may yet go to an unproven client.
    pub credit: u64,
    /// When the first datagram came.
    pub opened_at: Instant,
    /// When the origin first answered.
    pub connected_at: Option<Instant>,
    /// When it is ended because its app is gone.
    pub doom: Option<Instant>,
}

impl Session {
    /// An empty slot.
    pub const fn vacant() -> Self {
        Self {
            tuples: [Tuple::NONE; 2],
            changes: [Change::NONE; 2],
            hops: [Hop(0); 2],
            mtus: [0; 2],
            live: false,
            trust: Trust::Proven,
            round_trip: false,
            replied: false,
            plain: [false; 2],
            plain4: [false; 2],
            prefix: Prefix::None,
            prefix_once: false,
            ip_firewall: false,
            firewall: FirewallMatch::Unknown,
            place: OriginPlace::NONE,
            whence: Whence::UNKNOWN,
            app: AppSlot(0),
            account: AccountSlot(0),
            epoch: Epoch(0),
            amplification: 0,
            datagrams: 0,
            credit: 0,
            opened_at: Instant::ZERO,
            connected_at: None,
            moved_at: Instant::ZERO,
            doom: None,
            bytes: [0; 2],
        }
    }

    /// On whose account it runs.
    pub const fn tenant(&self) -> Tenant {
        Tenant { app: self.app, account: self.account }
    }

    /// The key of a leg, as its frames arrive.
    #[inline]
    pub fn key(&self, side: Side) -> FlowKey {
        self.tuples[side.index()].key(Protocol::Udp)
    }

    /// The origin.
    pub fn origin(&self) -> Endpoint {
        self.key(Side::Origin).src_endpoint()
    }

    /// Notes a client's datagram in a packet of `ip_len` bytes; `true` when it proves the client.
    #[inline]
    pub fn hear_client(&mut self, ip_len: usize) -> bool {
        self.datagrams = self.datagrams.saturating_add(1);
        if self.trust == Trust::Proven {
            return false;
        }
        self.round_trip |= self.replied;
        self.credit = self.credit.saturating_add(ip_len as u64 * u64::from(self.amplification));
        self.round_trip && self.datagrams >= PROOF_DATAGRAMS
    }

    /// Whether `ip_len` bytes may go to the client; they are taken off what may.
    #[inline]
    pub fn spend(&mut self, ip_len: usize) -> bool {
        if self.trust == Trust::Proven || self.amplification == 0 {
            return true;
        }
        match self.credit.checked_sub(ip_len as u64) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }

    /// The session as others see it; `None` for a vacant slot.
    pub fn view(&self, slot: u32) -> Option<SessionView> {
        self.live.then(|| SessionView {
            slot,
            protocol: Protocol::Udp,
            spliced: false,
            parked: false,
            phase: if self.connected_at.is_some() { Phase::Open } else { Phase::Connecting },
            app: self.app,
            client: self.key(Side::Client).src_endpoint(),
            edge: self.key(Side::Client).dst_endpoint(),
            origin: Some(self.origin()),
            egress: Some(self.key(Side::Origin).dst_endpoint()),
            epoch: self.epoch,
            ip_firewall: self.ip_firewall,
            firewall: self.firewall,
            opened_at: self.opened_at,
            connected_at: self.connected_at,
            client_bytes: self.bytes[Side::Client.index()],
            origin_bytes: self.bytes[Side::Origin.index()],
        })
    }

    /// An event about the session.
    pub fn event(&self, kind: EventKind, status: Status, worker: WorkerId, at: Instant) -> Event {
        Event {
            kind,
            status,
            worker,
            at,
            transport: Transport::Udp,
            app: self.app,
            client: self.key(Side::Client).src_endpoint(),
            whence: self.whence,
            edge: self.key(Side::Client).dst_endpoint(),
            origin: Some(self.origin()),
            egress: Some(self.key(Side::Origin).dst_endpoint()),
            client_bytes: self.bytes[0],
            origin_bytes: self.bytes[1],
            connected_at: self.connected_at,
            client_rtt: None,
            origin_rtt: None,
            firewall: self.firewall,
            ip_firewall: self.ip_firewall,
            proven: self.trust == Trust::Proven,
            count: 1,
            reason: None,
            tls: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_takes_at_most_half_a_kib() {
        // Two flow entries at a load of one half, a timer, places in the lists of free and old sessions, a tuple in
        // quarantine with its place in a map.
        let bytes = size_of::<Session>() + 2 * 2 * 8 + 24 + 4 + 8 + 112 + 16;
        assert!(bytes <= 512, "{bytes} bytes, of which {} are the record's", size_of::<Session>());
    }

    #[test]
    fn a_client_is_proven_by_its_third_datagram_a_reply_later_and_owed_thrice_its_bytes_before() {
        let mut session = Session { trust: Trust::Unproven, amplification: 3, ..Session::vacant() };
        assert!(!session.hear_client(100) && session.spend(300) && !session.spend(1));
        assert!(!session.hear_client(10) && !session.hear_client(10), "no reply was seen to arrive");
        session.replied = true;
        assert!(session.spend(60) && !session.spend(1));
        assert!(session.hear_client(10));
        session.trust = Trust::Proven;
        assert!(session.spend(1 << 40) && !session.hear_client(10));
    }
}
