//! One frame to its fate: by what it carries, then flow, table, firewall, session.

use super::admit::{pass_firewall, tls_of};
use super::core::Worker;
use super::icmp::IcmpPlace;
use super::intake::Found;
use super::locals::Local;
use crate::base::{Addr, DropReason, Endpoint, Fate};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::udp::Datagram;
use crate::session::{Admission, Net};
use crate::table::App;
use crate::telemetry::AppCounter;
use crate::wire::{Parsed, Protocol, TcpSegment};

impl<P: Port> Worker<P> {
    /// The fate of one frame whose flow is this worker's.
    #[inline]
    pub(super) fn serve(&mut self, frame: P::Frame, found: &Found) -> Fate {
        let port = found.port;
        match &found.parsed {
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

    #[inline]
    fn serve_tcp(&mut self, mut frame: P::Frame, segment: &TcpSegment, found: &Found) -> Fate {
        let fate = match self.sessions.confirm(found.leg, &segment.key, found.hash) {
            Some(leg) if self.sessions.is_spliced(leg) => return self.serve_splice(leg, segment, frame),
            Some(leg) => match self.splice_before(leg, segment) {
                Some(leg) => return self.serve_splice(leg, segment, frame),
                None => self.serve_session(leg, segment, frame.bytes_mut()),
            },
            None => self.serve_unknown(segment, frame.bytes()),
        };
        self.exit.outbox.recycle(frame);
        fate
    }

    /// The leg of a session that becomes a spliced one in front of this segment.
    #[inline]
    fn splice_before(&mut self, leg: LegRef, segment: &TcpSegment) -> Option<LegRef> {
        let wanted = self.sessions.wants_splice(leg) && self.sessions.judged_epoch(leg) == self.epoch();
        wanted.then(|| self.sessions.splice_before(leg, segment, self.exit.now, &mut self.exit)).flatten()
    }

    /// A segment of a live session. One that was judged under an older snapshot is judged again first.
    #[inline]
    fn serve_session(&mut self, leg: LegRef, segment: &TcpSegment, frame: &mut [u8]) -> Fate {
        if self.sessions.judged_epoch(leg) != self.epoch() && !self.rejudge(leg) {
            return Fate::Dropped(DropReason::FirewallBlocked);
        }
        self.sessions.segment(leg, segment, frame, self.exit.now, &mut self.exit)
    }

    /// A segment without a session: TIME-WAIT, a first SYN, or something that is refused by name.
    #[inline(never)]
    fn serve_unknown(&mut self, segment: &TcpSegment, frame: &[u8]) -> Fate {
        if let Some(fate) = self.sessions.unmatched(segment, frame, self.exit.now, &mut self.exit) {
            return fate;
        }
        match self.admit(segment) {
            Ok(admission) => self.sessions.open(&admission, segment, frame, self.exit.now, &mut self.exit),
            Err(reason) => {
                self.answer_refusal(reason, segment);
                Fate::Dropped(reason)
            }
        }
    }

    /// What table, firewall and routes say of a segment without a session.
    fn admit(&mut self, segment: &TcpSegment) -> Result<Admission, DropReason> {
        let key = &segment.key;
        self.check_source(key.src)?;
        self.check_local(segment)?;
        let (snapshot, exit) = (&**self.reader.current(), &mut self.exit);
        let slot = snapshot.table.find(key.dst, Protocol::Tcp, key.dst_port)?;
        let app = snapshot.table.app(slot).ok_or(DropReason::NoApp)?;
        let firewall = pass_firewall(snapshot, exit, app, key)?;
        if !segment.flags.is_first_syn() {
            return Err(DropReason::OutOfState);
        }
        let opens = match snapshot.draining {
            true => Err(DropReason::Draining),
            false if !self.limits.syn.allow(exit.now) => Err(DropReason::SynRateLimited),
            false => Ok(()),
        };
        let admitted = opens.and_then(|()| exit.route(key.src).ok_or(DropReason::NoRoute));
        let admitted = admitted.and_then(|hop| Ok((hop, tls_of(snapshot, app)?)));
        // So that those who ask for signatures leave a worker's time to the flows that it carries.
        let admitted =
            admitted.and_then(|(hop, tls)| match tls.is_none() || self.limits.handshake.allow(exit.now) {
                true => Ok((hop, tls)),
                false => Err(DropReason::HandshakeRateLimited),
            });
        let (client_hop, tls) = admitted.inspect_err(|_| exit.page.add_app(slot, AppCounter::Refused, 1))?;
        let App { proxy_protocol, ip_firewall, account, limits, .. } = *app;
        let offset = key.dst_port.wrapping_sub(app.ports.first());
        let origins =
            app.origins.iter().map(|origin| Endpoint { port: origin.port.wrapping_add(offset), ..*origin });
        let offer = match tls {
            Some(_) => None,
            None => self.sessions.offer(origins, key.src, exit.now),
        };
        let (epoch, whence) = (snapshot.epoch, snapshot.whences.find(key.src));
        Ok(Admission {
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
            splice: self.sessions.splices_some(),
        })
    }

    /// Sources that config and tables rule out: our own, onboarded ones, denied ones.
    pub(super) fn check_source(&self, src: Addr) -> Result<(), DropReason> {
        if self.exit.locals.find(src).is_some() || self.snapshot().table.covers(src) {
            return Err(DropReason::SpoofedSource);
        }
        if self.denied.holds(src) { Err(DropReason::MartianSource) } else { Ok(()) }
    }

    /// Origin legs are known by their session, and nobody connects to an egress address or to a port's own.
    fn check_local(&self, segment: &TcpSegment) -> Result<(), DropReason> {
        match self.exit.locals.find(segment.key.dst) {
            Some(Local::Egress) if !segment.flags.is_first_syn() => Err(DropReason::OutOfState),
            Some(Local::Egress | Local::Port(_)) => Err(DropReason::NoApp),
            None => Ok(()),
        }
    }
}
