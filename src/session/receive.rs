//! A segment meets its leg: guard, smoltcp, and what follows from the change of state.

use super::guard::{self, Answer, Patch, Verdict};
use super::leg::{before, flag};
use super::options::{self, Options};
use super::packet::{Bare, PACKET_BYTES_MAX};
use super::sessions::shown_syn;
use super::stack::{self, ACK_DELAY_MS};
use super::{Net, PathError, Phase, Sessions};
use crate::base::limits::{PATH_MTU_V4_MIN, PATH_MTU_V6_MIN};
use crate::base::{DropReason, Fate, Instant, Span};
use crate::flow::{LegRef, Side};
use crate::telemetry::Status;
use crate::wire::{FlowKey, TcpFlags, TcpSegment};
use smoltcp::socket::tcp::{Socket, State};

/// smoltcp's shortest retransmission timeout: nothing of it is due earlier than this after a segment went out.
pub(super) const RTO_MIN: Span = Span::from_millis(1_000);

impl Sessions {
    /// Gives a segment to the leg that `find` named.
    pub fn segment<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &[u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let (start, end) = segment.options();
        let Some(options) = frame.get(start..end).and_then(options::parse) else {
            return Fate::Dropped(DropReason::TcpHeaderBad);
        };
        let Some(packet) = frame.get(usize::from(segment.ip_offset)..usize::from(segment.ip_end)) else {
            return Fate::Dropped(DropReason::FrameTruncated);
        };
        let early = match self.leg(at).state {
            State::SynReceived => self.meet_half_open(at, segment, now, net),
            State::SynSent => Some(self.meet_connecting(at, segment, &options, now, net)),
            State::Closed | State::Listen => Some(Fate::Dropped(DropReason::OutOfState)),
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => None,
        };
        if let Some(fate) = early {
            return fate;
        }
        match guard::judge(self.leg(at), segment, &options, now) {
            Verdict::Pass => self.take(at, segment, &options, None, packet, now, net),
            Verdict::Rewrite(patch) => {
                let length = self.copy_patched(packet, segment, &patch);
                let scratch = std::mem::take(&mut self.scratch);
                let fate = self.take(at, segment, &options, Some(&patch), &scratch[..length], now, net);
                self.scratch = scratch;
                fate
            }
            Verdict::Reset => self.peer_reset(at, now, net),
            Verdict::Absorb(answer) => {
                let leg = self.leg_mut(at);
                (leg.heard, leg.probes) = (now, 0);
                self.answer(at, answer, now, net);
                Fate::Absorbed
            }
            Verdict::Refuse(reason, answer) => {
                self.answer(at, answer, now, net);
                Fate::Dropped(reason)
            }
        }
    }

    /// Acts on an ICMP error that quotes a segment of ours: `sent` is the quoted tuple (we are the source), `seq` its
    /// sequence number. RFC 5927: only what is in flight counts; RFC 5461: only a connect fails hard.
    pub fn icmp_error<N: Net>(
        &mut self,
        sent: &FlowKey,
        seq: u32,
        error: PathError,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let key = sent.reversed();
        let unsolicited = Fate::Dropped(DropReason::IcmpUnsolicited);
        let Some(at) = self.find(&key, self.hash(&key)) else { return unsolicited };
        let leg = self.leg(at);
        if before(seq, leg.snd_una) || !before(seq, leg.snd_max) {
            return unsolicited;
        }
        match error {
            PathError::TooBig { mtu } => self.shrink_path(at, mtu, now, net),
            PathError::Unreachable if leg.state == State::SynSent => {
                self.end(at.session(), Status::OriginNetUnreachable, None, now, net);
                Fate::Absorbed
            }
            PathError::Unreachable => Fate::Dropped(DropReason::IcmpIgnored),
        }
    }

    /// Moves a leg to an interface whose packets fit through `mtu` and sends the lost segment again.
    fn shrink_path<N: Net>(&mut self, at: LegRef, mtu: u16, now: Instant, net: &mut N) -> Fate {
        let v4 = self.leg(at).key.src.is_v4();
        let floor = if v4 { PATH_MTU_V4_MIN } else { PATH_MTU_V6_MIN };
        let class = self.stack.class_for(usize::from(mtu).max(floor));
        let mtu = self.stack.mtu(class);
        let leg = self.leg_mut(at);
        if class <= leg.class || usize::from(mtu) < floor {
            return Fate::Dropped(DropReason::IcmpIgnored);
        }
        leg.class = class;
        leg.fit_mss(mtu);
        if leg.is_synchronised() {
            leg.recover = leg.snd_max;
            leg.set(flag::PATH_SHRANK | flag::RESENDING);
            self.nudge(at, now, net);
        }
        self.mark(at.session());
        Fate::Absorbed
    }

    /// A segment for a leg whose SYN-ACK is not acknowledged yet; `None` lets it go on to the guard.
    fn meet_half_open<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        let leg = self.leg_mut(at);
        let flags = segment.flags;
        if flags.is_first_syn() && segment.seq == leg.irs {
            // The SYN-ACK was lost, or is still on its way.
            leg.set(flag::RESENT_SYN);
            self.repeat_syn_ack(at, now, net);
            return Some(Fate::Absorbed);
        }
        if flags.has(TcpFlags::RST) && segment.seq == leg.rcv_nxt {
            self.forget(at.session(), now);
            return Some(Fate::Absorbed);
        }
        let plain = flags.0 & (TcpFlags::SYN | TcpFlags::RST) == 0;
        if plain && flags.has(TcpFlags::ACK) && segment.ack != leg.iss.wrapping_add(1) {
            // RFC 9293 3.10.7.4, SYN-RECEIVED: an unacceptable ACK earns a reset of that number, and no more.
            let (key, hop) = (leg.key, leg.hop);
            if self.allowance.take(now) {
                Bare::reset(segment.ack, None).send(&key, hop, net);
            }
            return Some(Fate::Dropped(DropReason::SequenceUnacceptable));
        }
        None
    }

    /// The SYN-ACK once more, as smoltcp wrote it first; smoltcp itself would wait for its timer.
    fn repeat_syn_ack<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let mtu = self.stack.mtu(self.leg(at).class);
        let leg = self.leg(at);
        if leg.snd_max == leg.iss {
            return;
        }
        let headers = if leg.key.src.is_v4() { 40 } else { 60 };
        let window = leg.rcv_right.wrapping_sub(leg.rcv_nxt).min(u32::from(u16::MAX)) as u16;
        let scaled = leg.inner_shift != 0 || leg.shift != 0 || leg.peer_shift != 0;
        let bare = Bare {
            seq: leg.iss,
            ack: leg.rcv_nxt,
            flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
            window,
            mss: Some((mtu - headers).min(leg.mss_max)),
            window_shift: scaled.then_some(leg.shift),
            sack_permitted: leg.is(flag::SACK),
            timestamp: leg.timestamp(now),
        };
        bare.send(&leg.key, leg.hop, net);
    }

    /// A segment for a leg that has sent its SYN to the origin (RFC 9293 3.10.7.3).
    fn meet_connecting<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &Options,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let leg = self.leg(at);
        let flags = segment.flags;
        let for_our_syn = flags.has(TcpFlags::ACK) && segment.ack == leg.snd_max && leg.snd_max != leg.iss;
        if flags.has(TcpFlags::RST) {
            if !for_our_syn {
                return Fate::Dropped(DropReason::RstUnacceptable);
            }
            self.end(at.session(), Status::OriginRefused, Some(Side::Origin), now, net);
            return Fate::Absorbed;
        }
        if for_our_syn && flags.has(TcpFlags::SYN) {
            return self.origin_answered(at, segment, options, now, net);
        }
        if flags.has(TcpFlags::ACK) && !for_our_syn && self.allowance.take(now) {
            // The origin holds an old connection on this tuple: the reset makes it let go before our next SYN.
            let leg = self.leg(at);
            Bare::reset(segment.ack, None).send(&leg.key, leg.hop, net);
        }
        Fate::Dropped(DropReason::OutOfState)
    }

    /// The origin's SYN-ACK: both legs are up.
    fn origin_answered<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &Options,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let mut leg = self.leg(at).clone();
        leg.start_receiving_at(segment.seq);
        // What our SYN announced, unscaled.
        leg.rcv_right = leg.rcv_nxt.wrapping_add(self.settings.rx_buffer_bytes.min(65_535) as u32);
        self.agree(&mut leg, segment, options);
        (leg.heard, leg.snd_una) = (now, segment.ack);
        leg.set(flag::POLL);
        let mut packet = [0; PACKET_BYTES_MAX];
        let packet = shown_syn(&leg, segment, options, &mut packet);
        let set = &mut self.sets[set_index(at)];
        stack::ingest(self.stack.interface(leg.class), set, packet, &mut leg, now, net);
        leg.state = set.get::<Socket>(stack::only()).state();
        let up = leg.state == State::Established;
        *self.leg_mut(at) = leg;
        if !up {
            return Fate::Dropped(DropReason::SequenceUnacceptable);
        }
        self.connected(at.session(), now, net);
        self.mark(at.session());
        Fate::Absorbed
    }

    /// Feeds a segment that the guard let through to smoltcp and follows the change.
    #[inline]
    #[allow(
        clippy::too_many_arguments,
        reason = "one segment, its options, its form and its packet belong together"
    )]
    fn take<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &Options,
        patch: Option<&Patch>,
        packet: &[u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let session = &mut self.sessions[at.session() as usize];
        let leg = &mut session.legs[at.side().index()];
        let before_it = (leg.state, leg.rcv_nxt, leg.snd_una);
        guard::accept(leg, segment, options, patch, now);
        let set = &mut self.sets[set_index(at)];
        let answers = stack::ingest(self.stack.interface(leg.class), set, packet, leg, now, net);
        let socket = set.get::<Socket>(stack::only());
        leg.state = socket.state();
        if matches!(leg.state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait) {
            leg.set(flag::FIN_IN);
        }
        let fin = u32::from(leg.is(flag::FIN_IN));
        leg.rcv_nxt = leg.read_seq.wrapping_add(socket.recv_queue() as u32).wrapping_add(fin);
        if segment.payload_len() != 0
            || leg.state != before_it.0
            || leg.is(flag::FIN_EARLY | flag::PATH_SHRANK)
        {
            return self.follow(at, segment, before_it, answers, now, net);
        }
        // A pure acknowledgement: worth a look only when it set something free.
        let work = leg.is(flag::POLL | flag::RESENDING)
            || leg.unsent() != 0
            || leg.snd_una == before_it.2 && leg.in_flight() != 0
            || session.legs[at.side().other().index()].queued() != 0;
        if work {
            self.leg_mut(at).set(flag::POLL);
            self.mark(at.session());
        }
        Fate::Absorbed
    }

    /// What a segment with data, a FIN or a change of state brings about.
    fn follow<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        (state, rcv_nxt, snd_una): (State, u32, u32),
        answers: u32,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let leg = self.leg_mut(at);
        let state_now = leg.state;
        if segment.payload_len() != 0 && leg.rcv_nxt == rcv_nxt && answers == 0 {
            // Out of order with smoltcp's list of holes full: it says nothing, and the peer would wait for its timer.
            self.answer(at, Answer::Ack, now, net);
        }
        let leg = self.leg_mut(at);
        if leg.is(flag::FIN_EARLY) && !leg.is(flag::FIN_IN) && leg.rcv_nxt == leg.fin_at {
            self.replay_fin(at, now, net);
        }
        let leg = self.leg_mut(at);
        if leg.is(flag::FIN_IN) {
            leg.clear(flag::FIN_EARLY);
        }
        if leg.unacked() != 0 && leg.is(flag::FIN_IN) || leg.unsent() != 0 {
            leg.set(flag::POLL);
        }
        if leg.is(flag::PATH_SHRANK) && leg.snd_una != snd_una && leg.in_flight() != 0 {
            self.nudge(at, now, net);
        }
        if state == State::SynReceived && state_now != State::SynReceived {
            self.client_arrived(at.session(), now, net);
        }
        if self.sessions[at.session() as usize].phase.is_some() {
            self.mark(at.session());
        }
        Fate::Absorbed
    }

    /// Shows smoltcp the FIN that it ignored because bytes before it were missing.
    fn replay_fin<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg_mut(at);
        let bare = Bare {
            seq: leg.rcv_nxt,
            ack: leg.snd_una,
            flags: TcpFlags(TcpFlags::FIN | TcpFlags::ACK),
            window: leg.peer_window,
            ..Bare::default()
        };
        self.show(at, &bare, now, net);
        let leg = self.leg_mut(at);
        if matches!(leg.state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait) {
            leg.set(flag::FIN_IN);
            leg.rcv_nxt = leg.rcv_nxt.wrapping_add(1);
        }
    }

    /// Feeds smoltcp a bare segment of our own making, as if the peer had sent it.
    pub(super) fn show<N: Net>(&mut self, at: LegRef, bare: &Bare, now: Instant, net: &mut N) {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        let mut packet = [0; PACKET_BYTES_MAX];
        let packet = &mut packet[..bare.packet_len(leg.key.src.is_v4())];
        bare.write(&leg.key, packet);
        let set = &mut self.sets[set_index(at)];
        stack::ingest(self.stack.interface(leg.class), set, packet, leg, now, net);
        leg.state = set.get::<Socket>(stack::only()).state();
    }

    /// Makes smoltcp send its oldest unacknowledged segment again now: two ACKs that reset its count of duplicates,
    /// then three equal ones.
    pub(super) fn nudge<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let ack =
            Bare { seq: leg.rcv_nxt, ack: leg.snd_una, flags: TcpFlags(TcpFlags::ACK), ..Bare::default() };
        let window = leg.peer_window;
        for window in [window ^ 1, window, window, window, window] {
            self.show(at, &Bare { window, ..ack }, now, net);
        }
        self.leg_mut(at).set(flag::POLL);
    }

    /// Answers the peer of a leg with an ACK of where we stand.
    pub(super) fn answer<N: Net>(&mut self, at: LegRef, answer: Answer, now: Instant, net: &mut N) {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        let allowed = match answer {
            Answer::Silence => false,
            Answer::Ack => true,
            Answer::Challenge => self.allowance.challenge(leg, now),
        };
        if !allowed {
            return;
        }
        let bare = Bare {
            seq: leg.snd_max,
            ack: leg.rcv_nxt,
            flags: TcpFlags(TcpFlags::ACK),
            window: leg.window_field(),
            timestamp: leg.timestamp(now),
            ..Bare::default()
        };
        bare.send(&leg.key, leg.hop, net);
    }

    fn peer_reset<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> Fate {
        let status = match at.side() {
            Side::Client => Status::ClientReset,
            Side::Origin => Status::OriginReset,
        };
        self.end(at.session(), status, Some(at.side()), now, net);
        Fate::Absorbed
    }

    /// Copies a packet into the scratch buffer with the guard's numbers; returns its length.
    fn copy_patched(&mut self, packet: &[u8], segment: &TcpSegment, patch: &Patch) -> usize {
        let tcp = usize::from(segment.tcp_offset - segment.ip_offset);
        let payload = usize::from(segment.payload_offset - segment.ip_offset);
        let length = (payload + usize::from(patch.payload_len)).min(packet.len());
        let copy = &mut self.scratch[..length];
        copy.copy_from_slice(&packet[..length]);
        if copy[0] >> 4 == 4 {
            copy[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        } else {
            copy[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        }
        copy[tcp + 4..tcp + 8].copy_from_slice(&patch.seq.to_be_bytes());
        copy[tcp + 8..tcp + 12].copy_from_slice(&patch.ack.to_be_bytes());
        copy[tcp + 14..tcp + 16].copy_from_slice(&patch.window.to_be_bytes());
        if !patch.fin {
            copy[tcp + 13] &= !TcpFlags::FIN;
        }
        length
    }

    /// Makes sure that a timer fires when smoltcp could be due: its delayed ACK, or its retransmission timeout.
    #[inline]
    pub(super) fn arm_for_smoltcp(&mut self, id: u32, now: Instant) {
        let session = &self.sessions[id as usize];
        let mut wait = None;
        for leg in &session.legs {
            if !leg.is(flag::LIVE) || matches!(leg.state, State::Closed | State::TimeWait) {
                continue;
            }
            if leg.unacked() != 0 && leg.state != State::SynSent {
                wait = Some(Span::from_millis(ACK_DELAY_MS));
                break;
            }
            if leg.in_flight() != 0 || leg.unsent() != 0 {
                wait = Some(RTO_MIN);
            }
        }
        if let Some(wait) = wait {
            self.arm_by(id, now + wait);
        }
    }

    /// The leg at `at`.
    #[inline]
    pub(super) fn leg(&self, at: LegRef) -> &super::leg::Leg {
        &self.sessions[at.session() as usize].legs[at.side().index()]
    }

    #[inline]
    pub(super) fn leg_mut(&mut self, at: LegRef) -> &mut super::leg::Leg {
        &mut self.sessions[at.session() as usize].legs[at.side().index()]
    }

    /// How far a session is; `None` for a vacant slot.
    pub fn phase(&self, at: LegRef) -> Option<Phase> {
        self.sessions[at.session() as usize].phase
    }
}

/// The place of a leg's socket set.
#[inline]
pub(super) fn set_index(at: LegRef) -> usize {
    at.session() as usize * 2 + at.side().index()
}
