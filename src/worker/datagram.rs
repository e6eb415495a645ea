//! One UDP datagram to its fate: found or admitted, relayed in the frame that it came in.
//!
//! Datagrams without a session die in silence: no ICMP error ever says whether an edge address has an app.

use super::admit::pass_firewall;
use super::core::Worker;
use super::intake::Found;
use crate::base::{Addr, DropReason, Fate};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::udp::{Datagram, Outgoing, Prefix, Verdict, Wanted};
use crate::session::{Admission, Net};
use crate::table::{App, ProxyProtocol, special_purpose};
use crate::telemetry::{AppCounter, Counter};
use crate::wire::{EtherType, Family, FlowKey, IcmpErrorKind, Protocol, ethernet, fragments};

impl<P: Port> Worker<P> {
    /// The fate of a datagram whose flow is this worker's.
    #[inline]
    pub(super) fn serve_udp(
        &mut self,
        mut frame: P::Frame,
        key: &FlowKey,
        datagram: Datagram,
        found: &Found,
    ) -> Fate {
        let leg = self.udp.confirm(found.leg, key, found.hash);
        if let Some(leg) = leg {
            let when = (self.judging(), self.exit.now);
            match self.udp.pass(leg, frame.bytes_mut(), datagram, when, &self.exit.page) {
                Some(Ok(way)) => return self.exit.forward(way.hop, way.to, trim(frame, datagram)),
                Some(Err(reason)) => return self.drop_frame(frame, reason),
                None => {}
            }
        }
        self.look_at_datagram(frame, key, datagram, leg)
    }

    /// A datagram that is not plain: of a new session, one not proven, with a header, between families, too long.
    #[inline(never)]
    fn look_at_datagram(
        &mut self,
        frame: P::Frame,
        key: &FlowKey,
        datagram: Datagram,
        found: Option<LegRef>,
    ) -> Fate {
        let leg = match found.map_or_else(|| self.admit_datagram(key), Ok) {
            Ok(leg) => leg,
            Err(reason) => return self.drop_frame(frame, reason),
        };
        if self.udp.judged_epoch(leg) != self.judging() && !self.rejudge_udp(leg) {
            return self.drop_frame(frame, DropReason::FirewallBlocked);
        }
        match self.udp.relay(leg, frame.bytes(), datagram, self.exit.now, &mut self.exit) {
            Verdict::Send(out) => self.send_on(frame, &out),
            Verdict::Fragment(out, mtu) => self.send_fragments(frame, &out, usize::from(mtu)),
            Verdict::TooLong { tell } => {
                if let Some(mtu) = tell {
                    let packet = &frame.bytes()[ethernet::HEADER_LEN..usize::from(datagram.end)];
                    self.send_icmp_error(key, IcmpErrorKind::TooBig { mtu }, packet);
                }
                self.drop_frame(frame, DropReason::DatagramTooLong)
            }
            Verdict::Drop(reason) => self.drop_frame(frame, reason),
        }
    }

    /// The frame itself goes out again, its headers written anew.
    #[inline]
    fn send_on(&mut self, mut frame: P::Frame, out: &Outgoing) -> Fate {
        match rewrite(&mut frame, out) {
            Ok(()) => self.exit.forward(out.hop, out.key.dst, frame),
            Err(reason) => Fate::Dropped(reason),
        }
    }

    /// The packet leaves in several frames of our own.
    #[inline(never)]
    fn send_fragments(&mut self, mut frame: P::Frame, out: &Outgoing, mtu: usize) -> Fate {
        if let Err(reason) = rewrite(&mut frame, out) {
            return Fate::Dropped(reason);
        }
        let whole = &frame.bytes()[ethernet::HEADER_LEN..];
        let parts = fragments(whole, mtu, u32::from(out.fragment_id.unwrap_or(0)));
        let room = self.exit.room();
        if parts.size_hint().0 > room {
            return Fate::Dropped(DropReason::NoFrame);
        }
        for part in parts {
            self.exit.emit_whole(out.hop, part.packet_len(), |packet| part.emit(whole, packet));
        }
        self.exit.page.count(Counter::UdpFragmented);
        self.exit.outbox.recycle(frame);
        Fate::Absorbed
    }

    /// What table, firewall and routes say of a datagram without a session; the session that it opens.
    #[inline(never)]
    fn admit_datagram(&mut self, key: &FlowKey) -> Result<LegRef, DropReason> {
        self.check_datagram_source(key.src)?;
        if self.exit.locals.is_egress(key.dst) {
            return Err(DropReason::OutOfState);
        }
        if self.exit.locals.find(key.dst).is_some() {
            return Err(DropReason::NoApp);
        }
        let (snapshot, exit) = (&**self.reader.current(), &mut self.exit);
        let slot = snapshot.table.find(key.dst, Protocol::Udp, key.dst_port)?;
        let app = snapshot.table.app(slot).ok_or(DropReason::NoApp)?;
        let firewall = pass_firewall(snapshot, exit, app, key)?;
        let opened = exit.route(key.src).ok_or(DropReason::NoRoute).and_then(|client_hop| {
            let App { proxy_protocol, ip_firewall, account, limits, .. } = *app;
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
                tls: None,
                offer: None,
                splice: false,
            };
            self.udp.open(&admission, &wanted(app), key, exit.now, exit)
        });
        opened.inspect_err(|_| exit.page.add_app(slot, AppCounter::Refused, 1))
    }

    /// Nobody out there has these addresses; with UDP each datagram may be forged, and a reply would go to whom it names.
    fn check_datagram_source(&self, src: Addr) -> Result<(), DropReason> {
        self.check_source(src)?;
        let special = !self.udp.special_sources() && special_purpose(src.to_ip().into()).is_some();
        if special { Err(DropReason::SpoofedSource) } else { Ok(()) }
    }
}

/// The frame without what a link padded it with.
#[inline]
fn trim<F: Frame>(mut frame: F, datagram: Datagram) -> F {
    let end = usize::from(datagram.end);
    if frame.bytes().len() != end {
        frame.set_len(end);
    }
    frame
}

/// Writes what leaves into the frame that came in.
#[inline]
fn rewrite<F: Frame>(frame: &mut F, out: &Outgoing) -> Result<(), DropReason> {
    let (old, new) = (frame.bytes().len(), out.frame_len());
    if new > old && !frame.set_len(new) {
        return Err(DropReason::NoFrame);
    }
    out.write(frame.bytes_mut());
    ethernet::set_ether_type(frame.bytes_mut(), EtherType::of(Family::of(out.key.dst)));
    if new < old {
        frame.set_len(new);
    }
    Ok(())
}

/// What the app asks of a session.
fn wanted(app: &App) -> Wanted {
    let prefix = match app.proxy_protocol {
        // Version 1 does not know UDP; such an app is refused when it is read.
        ProxyProtocol::Off | ProxyProtocol::V1 => Prefix::None,
        ProxyProtocol::V2 => Prefix::V2,
        ProxyProtocol::Simple => Prefix::Simple,
    };
    let prefix_once = prefix == Prefix::V2 && !app.udp.proxy_every_datagram;
    Wanted { prefix, prefix_once, amplification: app.udp.amplification_limit }
}
