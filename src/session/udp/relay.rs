//! A datagram of a live session: counted, judged, and told how it leaves.

use super::elders::Trust;
use super::open::tell;
use super::outgoing::{Datagram, Outgoing, Prefix, ip_header_len};
use super::record::Session;
use super::sessions::Sessions;
use crate::base::{DropReason, Instant};
use crate::flow::{LegRef, Side};
use crate::session::{Net, OriginNews};
use crate::telemetry::{AppCounter, Counter, EventKind, Status};
use crate::wire::{ethernet, may_be_fragmented, spp};

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It goes out.
    Send(Outgoing),
    /// It goes out in fragments that fit through so many bytes.
    Fragment(Outgoing, u16),
    /// It does not fit; its sender may be told which packet would.
    TooLong {
        /// The longest packet of the sender's that would fit; `None` where the sender is not told.
        tell: Option<u32>,
    },
    /// It is dropped by name.
    Drop(DropReason),
}

impl Sessions {
    /// Takes a datagram that came in on `at`: `frame` holds it, `datagram` says where.
    #[inline]
    pub fn relay<N: Net>(
        &mut self,
        at: LegRef,
        frame: &[u8],
        datagram: Datagram,
        now: Instant,
        net: &mut N,
    ) -> Verdict {
        match at.side() {
            Side::Client => self.take_from_client(at.session(), frame, datagram, now, net),
            Side::Origin => self.take_from_origin(at.session(), frame, datagram, now, net),
        }
    }

    #[inline]
    fn take_from_client<N: Net>(
        &mut self,
        id: u32,
        frame: &[u8],
        datagram: Datagram,
        now: Instant,
        net: &mut N,
    ) -> Verdict {
        let session = &mut self.sessions[id as usize];
        session.moved_at = now;
        session.bytes[Side::Client.index()] += datagram.payload_len() as u64;
        if session.hear_client(datagram.ip_len()) {
            let was = std::mem::replace(&mut session.trust, Trust::Proven);
            session.settle_plain();
            self.elders.shift(id, was, Trust::Proven);
            net.page().count(Counter::UdpProven);
        }
        net.page().count(Counter::UdpFromClients);
        net.page().add_app(session.app, AppCounter::BytesIn, datagram.payload_len() as u64);
        let prefix = session.prefix;
        let out = outgoing(session, Side::Client, frame, datagram, prefix);
        let verdict = fit(session, Side::Origin, out, &mut self.fragment_id);
        if session.prefix_once && matches!(verdict, Verdict::Send(_) | Verdict::Fragment(..)) {
            session.prefix = Prefix::None;
            session.settle_plain();
        }
        verdict
    }

    #[inline]
    fn take_from_origin<N: Net>(
        &mut self,
        id: u32,
        frame: &[u8],
        datagram: Datagram,
        now: Instant,
        net: &mut N,
    ) -> Verdict {
        let session = &mut self.sessions[id as usize];
        let mut strip = 0;
        if session.prefix == Prefix::Simple {
            let payload = &frame[usize::from(datagram.payload_offset)..usize::from(datagram.end)];
            if !bears_header(session, payload) {
                return Verdict::Drop(DropReason::ProxyHeaderBad);
            }
            strip = spp::HEADER_LEN;
        }
        session.moved_at = now;
        let payload_len = (datagram.payload_len() - strip) as u64;
        session.bytes[Side::Origin.index()] += payload_len;
        if session.trust == Trust::Unanswered {
            self.connected(id, now, net);
        }
        let session = &mut self.sessions[id as usize];
        net.page().count(Counter::UdpFromOrigins);
        let out = Outgoing { strip, ..outgoing(session, Side::Origin, frame, datagram, Prefix::None) };
        if !session.spend(out.ip_len()) {
            return Verdict::Drop(DropReason::AmplificationLimited);
        }
        session.replied = true;
        net.page().add_app(session.app, AppCounter::BytesOut, payload_len);
        fit(session, Side::Client, out, &mut self.fragment_id)
    }

    /// The origin has answered for the first time.
    #[cold]
    #[inline(never)]
    fn connected<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        session.connected_at = Some(now);
        session.trust = Trust::Unproven;
        self.elders.shift(id, Trust::Unanswered, Trust::Unproven);
        tell(session.place, OriginNews::Connected, net);
        net.event(session.event(EventKind::Connect, Status::Opened, self.worker, now));
        net.page().count(Counter::UdpAnswered);
        net.page().add_app(session.app, AppCounter::Connections, 1);
    }
}

/// Whether a reply bears the header of its session's client.
fn bears_header(session: &Session, payload: &[u8]) -> bool {
    let client = session.key(Side::Client);
    let own = spp::Header { client: client.src_endpoint(), proxy: client.dst_endpoint() };
    spp::Header::parse(payload) == Some(own)
}

/// The datagram that came in from `side` as it leaves on the other. An IPv4 packet that routers may fragment on one side
/// may be on the other; between the families nothing may.
#[inline]
fn outgoing(session: &Session, side: Side, frame: &[u8], datagram: Datagram, prefix: Prefix) -> Outgoing {
    let (from, to) = (session.key(side), session.key(side.other()).reversed());
    let open = to.dst.is_v4() && may_be_fragmented(&frame[ethernet::HEADER_LEN..]);
    Outgoing {
        hop: session.hops[side.other().index()],
        key: to,
        from,
        change: session.changes[side.index()],
        datagram,
        strip: 0,
        prefix,
        fragment_id: open.then_some(0),
    }
}

/// Whether the packet fits through the path of `to`, and what becomes of it if not.
#[inline]
fn fit(session: &Session, to: Side, out: Outgoing, next_id: &mut u16) -> Verdict {
    let mtu = session.mtus[to.index()];
    let long = out.ip_len() > usize::from(mtu);
    match out.fragment_id {
        None if !long => Verdict::Send(out),
        Some(_) => {
            *next_id = next_id.wrapping_add(1);
            let out = Outgoing { fragment_id: Some(*next_id), ..out };
            if long { Verdict::Fragment(out, mtu) } else { Verdict::Send(out) }
        }
        None => {
            let added = out.ip_len() - ip_header_len(&out.key);
            let grown = added as i64 - (out.datagram.ip_len() - ip_header_len(&out.from)) as i64;
            let fits =
                i64::from(mtu) - ip_header_len(&out.key) as i64 - grown + ip_header_len(&out.from) as i64;
            // Whoever is only said to have sent it hears nothing of it.
            let known = to == Side::Client || session.trust == Trust::Proven;
            Verdict::TooLong { tell: (known && fits > 0).then_some(fits as u32) }
        }
    }
}
