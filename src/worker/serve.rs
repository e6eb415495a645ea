//! One frame to its fate: by what it carries, then flow, table, firewall, session.

use super::admit::{pass_firewall, tls_of};
use super::cookie::{Admitted, found_cookie};
use super::core::Worker;
use super::exit::Exit;
use super::icmp::IcmpPlace;
use super::intake::Found;
use super::locals::Local;
use crate::base::{Addr, DropReason, Endpoint, Fate, Instant};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::udp::Datagram;
use crate::session::{Admission, Net, Offer, Sessions};
use crate::snapshot::Snapshot;
use crate::table::App;
use crate::telemetry::AppCounter;
use crate::wire::{FlowKey, Parsed, Protocol, TcpSegment};

impl<P: Port> Worker<P> {
    /// The fate of one frame whose flow is this worker's.
    #[inline]
    pub(super) fn serve(&mut self, frame: P::Frame, parsed: &Parsed, found: &Found) -> Fate {
        let port = found.port;
        match parsed {
            Parsed::Tcp(segment) => self.serve_tcp(frame, segment, found),
            Parsed::Udp { key, payload_offset, ip_end } => {
                let datagram = Datagram { payload_offset: *payload_offset, end: *ip_end };
                self.serve_udp(frame, key, datagram, found)
            }
            &Parsed::Icmp { src, dst, ip_offset, icmp_offset, ip_end } => {
                let [ip_offset, icmp_offset, ip_end] = [ip_offset, icmp_offset, ip_end].map(usize::from);
                self.serve_icmp(frame, IcmpPlace { port, src, dst, ip_offset, icmp_offset, ip_end })
            }
            &Parsed::Arp { offset } => self.serve_arp(frame, port, usize::from(offset)),
            &Parsed::Ndp { src, dst, icmp_offset, ip_end } => {
                self.serve_ndp(frame, port, (src, dst), (icmp_offset, ip_end))
            }
        }
    }

    /// The fate of a segment.
    #[inline]
    pub(super) fn serve_tcp(&mut self, mut frame: P::Frame, segment: &TcpSegment, found: &Found) -> Fate {
        let fate = match self.sessions.confirm(found.leg, &segment.key, found.hash) {
            Some(leg) if self.sessions.is_spliced(leg) => return self.serve_splice(leg, segment, frame),
            Some(leg) => match self.splice_before(leg, segment) {
                Some(leg) => return self.serve_splice(leg, segment, frame),
                None => self.serve_session(leg, segment, frame.bytes_mut()),
            },
            None => return self.serve_unknown((segment, found.hash), frame),
        };
        self.exit.outbox.recycle(frame);
        fate
    }

    /// The leg of a session that becomes a spliced one in front of this segment.
    #[inline]
    fn splice_before(&mut self, leg: LegRef, segment: &TcpSegment) -> Option<LegRef> {
        let wanted = self.sessions.wants_splice(leg) && self.sessions.judged_epoch(leg) == self.judging();
        wanted.then(|| self.sessions.splice_before(leg, segment, self.exit.now, &mut self.exit)).flatten()
    }

    /// A segment of a live session. One that was judged under an older snapshot is judged again first.
    #[inline]
    fn serve_session(&mut self, leg: LegRef, segment: &TcpSegment, frame: &mut [u8]) -> Fate {
        if self.sessions.judged_epoch(leg) != self.judging() && !self.rejudge(leg) {
            return Fate::Dropped(DropReason::FirewallBlocked);
        }
        self.sessions.segment(leg, segment, frame, self.exit.now, &mut self.exit)
    }

    /// A segment without a session: TIME-WAIT, a first SYN, the ACK of a cookie, or something that is refused by name.
    #[inline(never)]
    fn serve_unknown(&mut self, (segment, hash): (&TcpSegment, u64), mut frame: P::Frame) -> Fate {
        let now = self.exit.now;
        let fate = match self.sessions.unmatched(segment, frame.bytes(), now, &mut self.exit) {
            Some(fate) => fate,
            None if segment.flags.is_first_syn() && self.sessions.answers_by_cookie(&segment.key) => {
                return self.answer_by_cookie((segment, hash), frame);
            }
            None => match self.admit((segment, hash), frame.bytes()) {
                Ok(Admitted::Session(admission)) => {
                    self.sessions.open(&admission, segment, frame.bytes(), now, &mut self.exit)
                }
                Ok(Admitted::Revival(admission, found)) => {
                    self.revive(&admission, &found, (segment, frame.bytes_mut()))
                }
                // There is no memory for it.
                Err(DropReason::SynRateLimited) if self.sessions.may_answer_by_cookie(&segment.key) => {
                    return self.answer_by_cookie((segment, hash), frame);
                }
                Err(reason) => {
                    self.answer_refusal(reason, segment);
                    Fate::Dropped(reason)
                }
            },
        };
        self.exit.outbox.recycle(frame);
        fate
    }

    /// What table, firewall and routes say of a segment without a session.
    fn admit(&mut self, (segment, hash): (&TcpSegment, u64), frame: &[u8]) -> Result<Admitted, DropReason> {
        let key = &segment.key;
        self.check_source(key.src)?;
        let Self { reader, exit, sessions, limits, .. } = self;
        let snapshot = &**reader.current();
        let app = find_app(snapshot, exit, segment)?;
        let slot = app.slot;
        let firewall = pass_firewall(snapshot, exit, app, key)?;
        let found = match segment.flags.is_first_syn() {
            true => None,
            false => Some(found_cookie(sessions, limits, exit, (segment, frame, hash))?),
        };
        let opens = match snapshot.draining {
            true => Err(DropReason::Draining),
            false if found.is_none() && !limits.syn.allow(exit.now) => Err(DropReason::SynRateLimited),
            false => Ok(()),
        };
        let admitted = opens.and_then(|()| exit.route(key.src).ok_or(DropReason::NoRoute));
        let admitted = admitted.and_then(|hop| Ok((hop, tls_of(snapshot, app)?)));
        // So that those who ask for signatures leave a worker's time to the flows that it carries.
        let admitted =
            admitted.and_then(|(hop, tls)| match tls.is_none() || limits.handshake.allow(exit.now) {
                true => Ok((hop, tls)),
                false => Err(DropReason::HandshakeRateLimited),
            });
        let (client_hop, tls) = admitted.inspect_err(|reason| {
            // What is over the rate may be answered by a cookie instead.
            let refused = *reason != DropReason::SynRateLimited || !sessions.may_answer_by_cookie(key);
            exit.page.add_app(slot, AppCounter::Refused, refused.into());
        })?;
        let App { proxy_protocol, ip_firewall, account, limits, .. } = *app;
        let offer = if tls.is_some() { None } else { offer_of(sessions, app, key, exit.now) };
        let (epoch, whence) = (snapshot.judging, snapshot.whences.find(key.src));
        let admission = Admission {
            app: slot,
            account,
            limits,
            proxy_protocol,
            ip_firewall,
            firewall,
            whence,
            epoch,
            client_hop,
            tls,
            offer,
            splice: sessions.splices_some(),
        };
        Ok(match found {
            Some(found) => Admitted::Revival(admission, found),
            None => Admitted::Session(admission),
        })
    }

    /// Sources that config and tables rule out: our own, onboarded ones, denied ones.
    #[inline]
    pub(super) fn check_source(&self, src: Addr) -> Result<(), DropReason> {
        if self.suspects.may_hold(src) { self.check_suspect(src) } else { Ok(()) }
    }

    #[inline(never)]
    fn check_suspect(&self, src: Addr) -> Result<(), DropReason> {
        if self.exit.locals.find(src).is_some() || self.snapshot().table.covers(src) {
            return Err(DropReason::SpoofedSource);
        }
        if self.denied.holds(src) { Err(DropReason::MartianSource) } else { Ok(()) }
    }
}

/// The app that a segment is for. What is for one of our own addresses, which no app has, is refused by its own names:
/// origin legs are known by their session, and nobody connects to an egress address or to a port's own.
pub(super) fn find_app<'a, P: Port>(
    snapshot: &'a Snapshot,
    exit: &Exit<P>,
    segment: &TcpSegment,
) -> Result<&'a App, DropReason> {
    let found = snapshot.table.find(segment.key.dst, Protocol::Tcp, segment.key.dst_port);
    let app = found.and_then(|slot| snapshot.table.app(slot).ok_or(DropReason::NoApp));
    app.map_err(|reason| match exit.locals.find(segment.key.dst) {
        Some(Local::Egress) if !segment.flags.is_first_syn() => DropReason::OutOfState,
        Some(Local::Egress | Local::Port(_)) => DropReason::NoApp,
        None => reason,
    })
}

/// What a client is offered of TCP's options, where that is not everything.
pub(super) fn offer_of(sessions: &Sessions, app: &App, key: &FlowKey, now: Instant) -> Option<Offer> {
    let offset = key.dst_port.wrapping_sub(app.ports.first());
    let origins =
        app.origins.iter().map(|origin| Endpoint { port: origin.port.wrapping_add(offset), ..*origin });
    sessions.offer(origins, key.src, now)
}
