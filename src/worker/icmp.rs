//! ICMP and ICMPv6 in: echo answered, errors passed to the session that they quote, the rest ignored by name.

use super::core::Worker;
use crate::base::{Addr, DropReason, Fate, PortId};
use crate::port::{Frame, Port};
use crate::session::{Net, PathError, udp};
use crate::telemetry::Counter;
use crate::wire::{Family, IcmpErrorKind, IcmpMessage, Protocol, Quoted, Unreachable, icmp, ipv6};

/// Where an ICMP message lies in its frame, who speaks to whom, and on which port.
#[derive(Clone, Copy)]
pub(super) struct IcmpPlace {
    pub port: PortId,
    pub src: Addr,
    pub dst: Addr,
    pub ip_offset: usize,
    pub icmp_offset: usize,
    pub ip_end: usize,
}

impl<P: Port> Worker<P> {
    /// An ICMP message, valid by `wire`.
    pub(super) fn serve_icmp(&mut self, frame: P::Frame, place: IcmpPlace) -> Fate {
        if let Err(reason) = self.check_source(place.src) {
            return Fate::Dropped(reason);
        }
        let message = &frame.bytes()[place.icmp_offset..place.ip_end];
        match IcmpMessage::parse(message, Family::of(place.dst)) {
            Ok(IcmpMessage::EchoRequest) => self.echo(frame, place),
            Ok(IcmpMessage::Error { kind, quoted }) => self.take_error(place.src, kind, &quoted),
            Ok(IcmpMessage::Other) => Fate::Dropped(DropReason::IcmpIgnored),
            Err(reason) => Fate::Dropped(reason),
        }
    }

    /// Answers an echo request where it stands: on our own addresses, and on edge addresses with an app.
    fn echo(&mut self, mut frame: P::Frame, place: IcmpPlace) -> Fate {
        if let Err(reason) = self.check_answers_echo(place) {
            return Fate::Dropped(reason);
        }
        if !self.limits.echo.allow(self.exit.now) {
            return Fate::Dropped(DropReason::IcmpRateLimited);
        }
        // RFC 4291 2.5.6: what is link-local never leaves its link. No route leads there, but its sender is next door.
        let on_link = ipv6::is_link_local(place.src) || ipv6::is_link_local(place.dst);
        let hop = if on_link { None } else { self.exit.route(place.src) };
        if hop.is_none() && !on_link {
            return Fate::Dropped(DropReason::NoRoute);
        }
        if let Err(reason) = icmp::echo_reply(&mut frame.bytes_mut()[place.ip_offset..place.ip_end]) {
            return Fate::Dropped(reason);
        }
        frame.set_len(place.ip_end);
        match hop {
            Some(hop) => self.exit.dispatch(hop, frame),
            None => self.exit.send_back(place.port, frame),
        }
        self.exit.page.count(Counter::EchoReplies);
        Fate::Sent
    }

    fn check_answers_echo(&self, IcmpPlace { port, dst, .. }: IcmpPlace) -> Result<(), DropReason> {
        let (table, locals) = (&self.snapshot().table, &self.exit.locals);
        let own = if ipv6::is_link_local(dst) {
            locals.is_link_local_of(dst, port)
        } else {
            locals.find(dst).is_some()
        };
        if own || table.has_app(dst) {
            return Ok(());
        }
        Err(table.unused(dst))
    }

    fn take_error(&mut self, from: Addr, kind: IcmpErrorKind, quoted: &Quoted) -> Fate {
        if !self.limits.icmp_in.allow(self.exit.now) {
            return Fate::Dropped(DropReason::IcmpRateLimited);
        }
        if quoted.key.protocol == Protocol::Udp {
            return self.take_udp_error(from, kind, quoted);
        }
        if let Some(fate) = self.tell_on(kind, quoted) {
            return fate;
        }
        match path_error(kind) {
            Some(error) => {
                let now = self.exit.now;
                let fate = self.sessions.icmp_error(&quoted.key, quoted.seq, error, now, &mut self.exit);
                if fate == Fate::Absorbed {
                    self.exit.page.count(Counter::IcmpErrorsAccepted);
                }
                fate
            }
            None => Fate::Dropped(DropReason::IcmpIgnored),
        }
    }

    fn take_udp_error(&mut self, from: Addr, kind: IcmpErrorKind, quoted: &Quoted) -> Fate {
        let error = match kind {
            IcmpErrorKind::TooBig { mtu } => udp::IcmpError::TooBig { mtu },
            IcmpErrorKind::Unreachable(Unreachable::Port) => udp::IcmpError::PortUnreachable,
            // RFC 1122 4.1.3.3: may pass; the session's own timeouts judge.
            IcmpErrorKind::Unreachable(
                Unreachable::Network | Unreachable::Host | Unreachable::Protocol | Unreachable::Prohibited,
            )
            | IcmpErrorKind::TimeExceeded
            | IcmpErrorKind::ParameterProblem => return Fate::Dropped(DropReason::IcmpIgnored),
        };
        let now = self.exit.now;
        let fate = self.udp.icmp_error(&quoted.key, from, error, now, &mut self.exit);
        if fate == Fate::Absorbed {
            self.exit.page.count(Counter::IcmpErrorsAccepted);
        }
        fate
    }
}

/// What an error means for a session; `None` for those that say nothing of the path (RFC 5461 2.1).
fn path_error(kind: IcmpErrorKind) -> Option<PathError> {
    match kind {
        // RFC 1191 5: a router of old says 0; the session has its own floor.
        IcmpErrorKind::TooBig { mtu } => Some(PathError::TooBig { mtu: mtu.min(u32::from(u16::MAX)) as u16 }),
        IcmpErrorKind::Unreachable(_) => Some(PathError::Unreachable),
        IcmpErrorKind::TimeExceeded | IcmpErrorKind::ParameterProblem => None,
    }
}
