//! What byway itself knows of one leg: its numbers, tracked beside smoltcp's, and the rewrite of what smoltcp sends.
//!
//! ```text
//!  send     snd_una <= snd_max <= write_seq (+1 with FIN)      snd_max: one past the highest number sent
//!  receive  read_seq <= rcv_nxt <= rcv_right                   read_seq: first byte not yet relayed
//!           acked_to <= rcv_nxt                                rcv_right: right edge of the window that smoltcp gave
//! ```
//! Bytes that never passed through smoltcp (`pass_on`) make its receive numbers lag by `skipped`; it sends nothing but
//! ACKs, so that in its own numbers it never got beyond its SYN.
//! smoltcp's socket is the authority on bytes out of order; these numbers decide what may reach it (the guard), and what
//! its ACKs look like on the wire (`outgoing.rs`).

use super::sender::Sent;
use crate::base::{Addr, Hop, Instant};
use crate::wire::{FlowKey, Protocol};
use smoltcp::socket::tcp::State;

/// Whether `a` comes before `b` in sequence space (RFC 9293 3.4).
#[inline]
pub const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// The largest payload over a path of `mtu` bytes, options not counted (RFC 6691).
pub const fn path_mss(v4: bool, mtu: u16) -> u16 {
    mtu - if v4 { 40 } else { 60 }
}

/// One leg of a session.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The flow as its frames arrive: the peer is the source.
    pub key: FlowKey,
    /// When the peer was last heard, with anything the guard let through.
    pub heard: Instant,
    /// When the oldest unacknowledged byte went out, as far as known.
    pub flight_since: Instant,
    /// Where it is in the life of a connection.
    pub state: State,
    /// The way to the peer.
    pub hop: Hop,
    /// MTU class.
    pub class: u8,
    /// The shift we announce, zero when the peer does not scale.
    pub shift: u8,
    /// The shift that smoltcp believes in.
    pub inner_shift: u8,
    /// The peer's shift.
    pub peer_shift: u8,
    /// Bits of `flag`.
    pub flags: u32,
    /// The largest segment we may announce.
    pub mss_max: u16,
    /// The largest payload the peer takes, options not counted.
    pub peer_mss: u16,
    /// The largest payload in use, options subtracted.
    pub mss: u16,
    /// The last window field that the peer sent.
    pub peer_window: u16,
    /// Whether TLS reads its bytes: they take the road through smoltcp's receive side.
    pub sealed: bool,
    /// The peer's probes that we sent without hearing an answer.
    pub probes: u8,
    /// Initial send sequence number.
    pub iss: u32,
    /// Oldest unacknowledged number.
    pub snd_una: u32,
    /// One past the highest number sent.
    pub snd_max: u32,
    /// One past the last byte handed over for sending.
    pub write_seq: u32,
    /// The largest window the peer ever gave, in bytes.
    pub peer_window_max: u32,
    /// Initial receive sequence number.
    pub irs: u32,
    /// First byte not yet relayed.
    pub read_seq: u32,
    /// Next number expected.
    pub rcv_nxt: u32,
    /// Last acknowledgement number sent.
    pub acked_to: u32,
    /// Right edge of the window, the furthest that smoltcp announced; it moves along with bytes that it never saw.
    pub rcv_right: u32,
    /// Bytes received that smoltcp never saw: its receive numbers lag by so many.
    pub skipped: u32,
    /// One past the highest byte that smoltcp was shown out of order; with `HOLES`.
    pub holes_to: u32,
    /// Where the peer's stream ends, when its FIN came before its last bytes.
    pub fin_at: u32,
    /// TS.Recent (RFC 7323 4.3).
    pub ts_recent: u32,
    /// Added to the clock in our timestamps.
    pub ts_offset: u32,
    /// When the last challenge ACK went out, in milliseconds plus one; zero before the first.
    pub challenged_ms: u64,
}

/// Facts of a leg, one bit each.
pub mod flag {
    /// Timestamps are in use; before the peer has answered: offered, as with the other options.
    pub const TIMESTAMPS: u32 = 1;
    /// The peer permits selective acknowledgements.
    pub const SACK: u32 = 1 << 1;
    /// The peer's FIN was taken.
    pub const FIN_IN: u32 = 1 << 2;
    /// No more bytes are handed over for sending: our FIN ends them.
    pub const FIN_OUT: u32 = 1 << 3;
    /// A FIN came ahead of missing bytes; `fin_at` holds its number.
    pub const FIN_EARLY: u32 = 1 << 4;
    /// The peer's window is closed, and is probed.
    pub const PROBING_WINDOW: u32 = 1 << 5;
    /// The SYN or SYN-ACK is to be sent.
    pub const SYN_DUE: u32 = 1 << 6;
    /// The handshake segment was sent more than once: its round trip says nothing (Karn).
    pub const RESENT_SYN: u32 = 1 << 8;
    /// The leg is in the flow table.
    pub const LIVE: u32 = 1 << 9;
    /// Synchronised, and the peer has not closed: plain segments need no judge.
    pub const PLAIN: u32 = 1 << 11;
    /// smoltcp may hold bytes beyond a hole, up to `holes_to`.
    pub const HOLES: u32 = 1 << 12;
    /// An ACK is owed at once.
    pub const ACK_NOW: u32 = 1 << 13;
    /// Its socket is still to be made.
    pub const ASLEEP: u32 = 1 << 16;
    /// We opened it: the peer's handshake ended with its SYN-ACK.
    pub const CALLED: u32 = 1 << 18;
    /// The peer scales windows.
    pub const SCALES: u32 = 1 << 17;
    /// The right edge of the window that we give stays where it is (`splice::quiesce`).
    pub const FROZEN: u32 = 1 << 19;
}

impl Leg {
    /// A leg that does not exist yet.
    pub const fn vacant() -> Self {
        let key = FlowKey {
            src: Addr::v4([0; 4]),
            dst: Addr::v4([0; 4]),
            src_port: 0,
            dst_port: 0,
            protocol: Protocol::Tcp,
        };
        Self {
            key,
            heard: Instant::ZERO,
            flight_since: Instant::ZERO,
            state: State::Closed,
            hop: Hop(0),
            class: 0,
            shift: 0,
            inner_shift: 0,
            peer_shift: 0,
            flags: 0,
            mss_max: 0,
            peer_mss: 0,
            mss: 0,
            peer_window: 0,
            sealed: false,
            probes: 0,
            iss: 0,
            snd_una: 0,
            snd_max: 0,
            write_seq: 0,
            peer_window_max: 0,
            irs: 0,
            read_seq: 0,
            rcv_nxt: 0,
            acked_to: 0,
            rcv_right: 0,
            skipped: 0,
            holes_to: 0,
            fin_at: 0,
            ts_recent: 0,
            ts_offset: 0,
            challenged_ms: 0,
        }
    }

    /// Sets the send side to its SYN, not sent yet.
    pub const fn start_sending_at(&mut self, iss: u32) {
        (self.iss, self.snd_una, self.snd_max) = (iss, iss, iss);
        self.write_seq = iss.wrapping_add(1);
    }

    /// Sets the receive side to behind the peer's SYN.
    pub const fn start_receiving_at(&mut self, irs: u32) {
        let next = irs.wrapping_add(1);
        (self.irs, self.read_seq, self.rcv_nxt, self.acked_to, self.rcv_right) = (irs, next, next, irs, next);
    }

    /// The payload that fits the path and the peer, options subtracted (RFC 6691).
    pub fn fit_mss(&mut self, mtu: u16) {
        let options = if self.is(flag::TIMESTAMPS) { 12 } else { 0 };
        self.mss = self.path_mss(mtu).min(self.peer_mss).saturating_sub(options);
    }

    /// The largest payload over a path of `mtu` bytes, options not counted.
    pub const fn path_mss(&self, mtu: u16) -> u16 {
        path_mss(self.key.src.is_v4(), mtu)
    }

    /// The MSS that our SYN or SYN-ACK announces over a path of `mtu` bytes.
    pub fn told_mss(&self, mtu: u16) -> u16 {
        self.path_mss(mtu).min(self.mss_max)
    }

    /// Whether any of `mask` is set.
    #[inline]
    pub const fn is(&self, mask: u32) -> bool {
        self.flags & mask != 0
    }

    /// Sets `mask`.
    #[inline]
    pub const fn set(&mut self, mask: u32) {
        self.flags |= mask;
    }

    /// Clears `mask`.
    #[inline]
    pub const fn clear(&mut self, mask: u32) {
        self.flags &= !mask;
    }

    /// Bytes received and not yet relayed.
    #[inline]
    pub const fn queued(&self) -> u32 {
        self.rcv_nxt.wrapping_sub(self.read_seq).wrapping_sub(self.is(flag::FIN_IN) as u32)
    }

    /// Bytes handed over for sending and never sent, our FIN counted.
    #[inline]
    pub const fn unsent(&self) -> u32 {
        let end = self.write_seq.wrapping_add(self.is(flag::FIN_OUT) as u32);
        if before(self.snd_max, end) { end.wrapping_sub(self.snd_max) } else { 0 }
    }

    /// Numbers sent and not acknowledged.
    #[inline]
    pub const fn in_flight(&self) -> u32 {
        self.snd_max.wrapping_sub(self.snd_una)
    }

    /// The numbers of its sender.
    #[inline]
    pub fn sent(&self) -> Sent {
        Sent { una: self.snd_una, max: self.snd_max, mss: u32::from(self.mss.max(1)) }
    }

    /// The window that the peer gave last, in bytes. That of a SYN-ACK is never scaled (RFC 7323 2.2), and is the last one
    /// while nothing was acknowledged or received since; only origins send one.
    #[inline]
    pub const fn window(&self) -> u32 {
        let scaled = self.snd_una != self.iss.wrapping_add(1) || self.rcv_nxt != self.irs.wrapping_add(1);
        let shift = if scaled || !self.is(flag::CALLED) { self.peer_shift } else { 0 };
        (self.peer_window as u32) << shift
    }

    /// Numbers received and not yet acknowledged.
    #[inline]
    pub const fn unacked(&self) -> u32 {
        self.rcv_nxt.wrapping_sub(self.acked_to)
    }

    /// Bytes that the peer may still send under what was announced.
    #[inline]
    pub const fn window_left(&self) -> u32 {
        let left = self.rcv_right.wrapping_sub(self.rcv_nxt);
        if (left as i32) < 0 { 0 } else { left }
    }

    /// The window that smoltcp would announce now with a receive buffer of `rx_bytes`.
    #[inline]
    pub fn window_free(&self, rx_bytes: u32) -> u32 {
        rx_bytes.min(0xffff << self.shift).saturating_sub(self.queued())
    }

    /// Whether bytes for this leg's peer can be taken.
    #[inline]
    pub const fn takes_bytes(&self) -> bool {
        matches!(self.state, State::Established | State::CloseWait) && !self.is(flag::FIN_OUT)
    }

    /// Notes `count` bytes in order that go past smoltcp to the other leg.
    #[inline]
    pub const fn skip(&mut self, count: u32) {
        self.rcv_nxt = self.rcv_nxt.wrapping_add(count);
        self.read_seq = self.read_seq.wrapping_add(count);
        if !self.is(flag::FROZEN) {
            self.rcv_right = self.rcv_right.wrapping_add(count);
        }
        self.skipped = self.skipped.wrapping_add(count);
    }

    /// Our next number in smoltcp's view, which has sent nothing.
    #[inline]
    pub const fn inner_snd_nxt(&self) -> u32 {
        self.iss.wrapping_add(1)
    }

    /// Where the peer's next byte is in smoltcp's numbers.
    #[inline]
    pub const fn inner_rcv_nxt(&self) -> u32 {
        self.rcv_nxt.wrapping_sub(self.skipped)
    }

    /// Enters another state.
    pub const fn enter(&mut self, state: State) {
        self.state = state;
        match state {
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait => {
                self.set(flag::FIN_IN);
                self.clear(flag::PLAIN);
            }
            State::Established | State::FinWait1 | State::FinWait2 => self.set(flag::PLAIN),
            State::Closed | State::Listen | State::SynSent | State::SynReceived => self.clear(flag::PLAIN),
        }
    }

    /// Takes an acknowledgement of something new.
    #[inline]
    pub const fn acknowledged(&mut self, ack: u32, now: Instant) {
        self.snd_una = ack;
        self.flight_since = now;
    }

    /// Takes the peer's window as sent.
    #[inline]
    pub fn set_peer_window(&mut self, window: u16) {
        self.peer_window = window;
        self.peer_window_max = self.peer_window_max.max(u32::from(window) << self.peer_shift);
    }

    /// The window field for a segment of our own making: never beyond what smoltcp announced.
    pub fn window_field(&self) -> u16 {
        (self.window_left() >> self.shift).min(u32::from(u16::MAX)) as u16
    }

    /// The timestamp option for a segment of our own making.
    pub fn timestamp(&self, now: Instant) -> Option<(u32, u32)> {
        self.is(flag::TIMESTAMPS).then(|| (self.timestamp_value(now), self.ts_recent))
    }

    #[inline]
    pub(super) fn timestamp_value(&self, now: Instant) -> u32 {
        (now.millis() as u32).wrapping_add(self.ts_offset)
    }

    /// Whether our SYN is not answered yet: there is no socket.
    #[inline]
    pub const fn is_shaking_hands(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
    }

    /// Whether both handshakes' worth of state is there: data may flow.
    #[inline]
    pub const fn is_synchronised(&self) -> bool {
        !matches!(self.state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
    }
}
