//! What a refused frame gets back, if anything: an RST, or an ICMP error. All within a rate.
//!
//! | refused as                              | answer                                                          |
//! |-----------------------------------------|-----------------------------------------------------------------|
//! | no app there (address, port, protocol)  | by `unused_tcp`: nothing, or RST                                |
//! | an access rule                          | by `blocked_tcp`: nothing, or RST                               |
//! | out of state, to a live app or egress   | RST: a peer that outlived our restart learns it at once instead |
//! |                                         | of hanging until its own timers end (RFC 9293 3.5.2)            |
//! | drain, the ACK of a SYN cookie         | RST: the client takes itself for connected                      |
//! | UDP too long for the path               | ICMP too big, where the sender has proven itself (`datagram`)   |
//! | a spliced segment too long for the path | ICMP too big                                                    |
//! | a spliced segment with no hop left      | ICMP time exceeded (RFC 1812 5.3.1)                             |
//! | anything else                           | nothing                                                         |
//!
//! An RST is never longer than what it answers, and an ICMP error by no more than its headers, so that nothing worth
//! the while is amplified. Nothing is ever sent for an edge address without an app, but for `unused_tcp = rst`. The frame's fate stays the drop that caused it.

use super::Refusal;
use super::core::Worker;
use crate::base::DropReason;
use crate::port::Port;
use crate::session::Net;
use crate::telemetry::Counter;
use crate::wire::tcp::TcpEmit;
use crate::wire::{FlowKey, IcmpErrorEmit, IcmpErrorKind, TcpFlags, TcpSegment};

impl<P: Port> Worker<P> {
    /// Answers a TCP segment that was refused for `reason`, where that is due.
    pub(super) fn answer_refusal(&mut self, reason: DropReason, segment: &TcpSegment) {
        let is_connected = segment.flags.has(TcpFlags::ACK);
        let unused = [DropReason::NoApp, DropReason::NoAppPort, DropReason::WrongProtocol].contains(&reason);
        let policy = if unused {
            self.unused_tcp
        } else if reason == DropReason::FirewallBlocked {
            self.blocked_tcp
        } else if reason == DropReason::OutOfState || is_connected && reason == DropReason::Draining {
            Refusal::Rst
        } else {
            Refusal::Drop
        };
        let answered = !segment.flags.has(TcpFlags::RST);
        if policy == Refusal::Rst && answered && self.limits.rst.allow(self.exit.now) {
            self.send_rst(segment);
        }
    }

    /// RFC 9293 3.10.7.1: the RST for a segment that no connection takes.
    fn send_rst(&mut self, segment: &TcpSegment) {
        let key = &segment.key;
        let (flags, seq, ack) = if segment.flags.has(TcpFlags::ACK) {
            (TcpFlags(TcpFlags::RST), segment.ack, 0)
        } else {
            let ack = segment.seq.wrapping_add(segment.seq_len());
            (TcpFlags(TcpFlags::RST | TcpFlags::ACK), 0, ack)
        };
        let rst = TcpEmit::bare(key.dst_endpoint(), key.src_endpoint(), flags, (seq, ack));
        let Some(hop) = self.exit.route(key.src) else { return };
        if self.exit.room() == 0 {
            return;
        }
        self.exit.emit(hop, rst.packet_len(), |packet| rst.emit(packet).map(|_| ()));
        self.exit.page.count(Counter::ResetsSent);
    }

    /// An ICMP error about `packet`, from the address that it was for; whether it was sent. What a path's state alone is told of,
    /// and hops, has a limit of its own: whoever sends many such leaves others the news that their packets do not fit.
    pub(super) fn send_icmp_error(&mut self, key: &FlowKey, kind: IcmpErrorKind, packet: &[u8]) -> bool {
        let Some(error) = IcmpErrorEmit::new(key.dst, kind, packet) else { return false };
        let limit = match kind {
            IcmpErrorKind::TooBig { mtu: _ } => &mut self.limits.icmp_error,
            IcmpErrorKind::Unreachable(_) | IcmpErrorKind::TimeExceeded | IcmpErrorKind::ParameterProblem => {
                &mut self.limits.icmp_told_on
            }
        };
        if !limit.allow(self.exit.now) {
            return false;
        }
        let Some(hop) = self.exit.route(key.src) else { return false };
        if self.exit.room() == 0 {
            return false;
        }
        self.exit.emit(hop, error.packet_len(), |out| error.emit(out));
        self.exit.page.count(Counter::IcmpErrorsSent);
        true
    }
}
