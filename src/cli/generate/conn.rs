//! One end of a TCP connection of the generator: it asks and is answered, or the other way round, in rounds of so many
//! bytes, and closes. No I/O and no clock.
//!
//! ```text
//!  offset:   0     1 .. queued      queued + 1
//!            SYN   bytes to send    FIN             una <= nxt; what lies between is under way
//!
//!  client:  SYN > . < SYN-ACK > ACK, request > . < response > ... > FIN > . < FIN > ACK
//! ```
//! As much of TCP as both ends need on a path that loses, repeats and reorders: only what comes in order is taken, what
//! is not acknowledged in time is sent again from the first such byte on, windows are kept, a closed one is probed. No
//! congestion control: the rates of a laboratory are asked for.

use crate::base::{Endpoint, Instant, Span};
use crate::wire::{TcpEmit, TcpFlags, TcpOptions};

/// Bytes under way at most.
const FLIGHT_MAX: u64 = 65_536;
/// Until what is not acknowledged is sent again, doubled with each try (RFC 6298 2.1 for the SYN).
const RESEND: Span = Span::from_millis(200);
const RESEND_SYN: Span = Span::from_secs(1);
/// Tries before the other end counts as gone.
const TRIES_MAX: u8 = 6;
/// The window that is announced, and its shift.
const WINDOW: u16 = 1_024;
const SHIFT: u8 = 7;

/// Who speaks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Opens, asks, closes.
    Client,
    /// Answers.
    Origin,
}

/// What is exchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Talk {
    /// Bytes of a request.
    pub request: u32,
    /// Bytes of a response.
    pub response: u32,
    /// Rounds before the client closes; an origin answers as many as come.
    pub rounds: u32,
}

/// How a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Its handshake is not complete.
    Opening,
    /// It carries bytes, or closes.
    Open,
    /// It closed in order, with all that was to be said.
    Done,
    /// The other end reset it.
    Reset,
    /// The other end does not answer.
    TimedOut,
}

/// A segment that came, with its payload's length and its options.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as sent.
    pub window: u16,
    /// Bytes of payload.
    pub len: u32,
    /// Options.
    pub options: TcpOptions,
}

/// One end.
#[derive(Clone, Debug)]
pub struct Conn {
    role: Role,
    talk: Talk,
    local: Endpoint,
    remote: Endpoint,
    phase: Phase,
    iss: u32,
    una: u64,
    nxt: u64,
    /// Payload handed over for sending so far.
    queued: u64,
    closing: bool,
    rcv_nxt: u32,
    received: u64,
    rounds: u32,
    peer_fin: bool,
    window: u64,
    shift: u8,
    mss: u64,
    ack_due: bool,
    resend_at: Option<Instant>,
    tries: u8,
    /// When it was opened.
    pub opened: Instant,
}

impl Conn {
    /// A client's end; `next` gives its SYN.
    pub fn client(talk: Talk, (local, remote): (Endpoint, Endpoint), iss: u32, now: Instant) -> Self {
        Self::new(Role::Client, talk, (local, remote), (iss, now))
    }

    /// An origin's end for a first SYN; `next` gives its SYN-ACK.
    pub fn origin(talk: Talk, ends: (Endpoint, Endpoint), syn: &Heard, (iss, now): (u32, Instant)) -> Self {
        let mut conn = Self::new(Role::Origin, talk, ends, (iss, now));
        conn.greet(syn);
        conn
    }

    fn new(
        role: Role,
        talk: Talk,
        (local, remote): (Endpoint, Endpoint),
        (iss, now): (u32, Instant),
    ) -> Self {
        Self {
            role,
            talk,
            local,
            remote,
            phase: Phase::Opening,
            iss,
            una: 0,
            nxt: 0,
            queued: 0,
            closing: false,
            rcv_nxt: 0,
            received: 0,
            rounds: 0,
            peer_fin: false,
            window: 0,
            shift: 0,
            mss: if local.addr.is_v4() { 536 } else { 1220 },
            ack_due: false,
            resend_at: None,
            tries: 0,
            opened: now,
        }
    }

    /// How it stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Rounds of which all bytes came.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// When `expire` is to be asked; `None`: never.
    pub const fn deadline(&self) -> Option<Instant> {
        self.resend_at
    }

    /// Takes a segment of the other end.
    pub fn hear(&mut self, heard: &Heard, now: Instant) {
        if heard.flags.has(TcpFlags::RST) {
            // RFC 9293 3.10.7.3, RFC 5961 3.2: only the exact number counts.
            let exact =
                if self.is_unanswered() { heard.ack == self.seq(1) } else { heard.seq == self.rcv_nxt };
            if exact {
                self.end(Phase::Reset);
            }
            return;
        }
        if heard.flags.has(TcpFlags::SYN) {
            self.hear_syn(heard);
            return;
        }
        if !self.hear_ack(heard, now) {
            return;
        }
        self.hear_bytes(heard);
        self.go_on();
    }

    /// The next segment to send, until there is none; `mss` bytes of payload at most are the caller's to fill in.
    pub fn next(&mut self, now: Instant) -> Option<TcpEmit> {
        let (flags, len) = self.what_next()?;
        let mut emit =
            TcpEmit::bare(self.local, self.remote, TcpFlags(flags), (self.seq(self.nxt), self.rcv_nxt));
        emit.payload_len = len;
        emit.window = WINDOW;
        if flags & TcpFlags::SYN != 0 {
            let mss = if self.local.addr.is_v4() { 1460 } else { 1440 };
            emit.options = TcpOptions {
                mss: Some(mss),
                window_shift: Some(SHIFT),
                sack_permitted: true,
                ..TcpOptions::NONE
            };
            emit.window = 64_240;
        }
        let taken = u64::from(len) + u64::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
        self.nxt += taken;
        self.ack_due = false;
        if taken > 0 && self.resend_at.is_none() {
            self.resend_at = Some(now + self.patience());
        }
        Some(emit)
    }

    /// Looks at its timer: what is under way goes out again, or the other end is gone.
    pub fn expire(&mut self, now: Instant) {
        if self.resend_at.is_none_or(|at| now < at) {
            return;
        }
        self.tries += 1;
        if self.tries > TRIES_MAX {
            self.end(Phase::TimedOut);
            return;
        }
        self.nxt = self.una;
        self.resend_at = Some(now + self.patience());
    }

    fn patience(&self) -> Span {
        let first = if self.phase == Phase::Opening { RESEND_SYN } else { RESEND };
        Span::from_nanos(first.nanos() << self.tries)
    }

    fn is_unanswered(&self) -> bool {
        self.role == Role::Client && self.phase == Phase::Opening
    }

    const fn seq(&self, offset: u64) -> u32 {
        self.iss.wrapping_add(offset as u32)
    }

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.resend_at = None;
    }

    /// What a SYN says of its sender.
    fn greet(&mut self, syn: &Heard) {
        self.rcv_nxt = syn.seq.wrapping_add(1);
        self.mss = syn.options.mss.map_or(self.mss, u64::from).clamp(1, 1440);
        self.shift = syn.options.window_shift.unwrap_or(0);
        self.window = syn.window.into();
    }

    fn hear_syn(&mut self, heard: &Heard) {
        if self.is_unanswered() && heard.flags.has(TcpFlags::ACK) && heard.ack == self.seq(1) {
            self.greet(heard);
            self.established();
            self.ack_due = true;
            self.go_on();
        } else if self.phase == Phase::Opening && self.role == Role::Origin {
            self.nxt = 0;
        } else {
            self.ack_due = true;
        }
    }

    fn established(&mut self) {
        self.phase = Phase::Open;
        (self.una, self.tries, self.resend_at) = (1, 0, None);
        if self.role == Role::Client {
            self.queued = self.talk.request.into();
        }
    }

    /// Whether the segment is one of this connection as far as its acknowledgement tells.
    fn hear_ack(&mut self, heard: &Heard, now: Instant) -> bool {
        if !heard.flags.has(TcpFlags::ACK) || self.is_unanswered() {
            return false;
        }
        let ahead = u64::from(heard.ack.wrapping_sub(self.seq(self.una)));
        // After a step back more than `nxt` may have arrived.
        let far = self.una + ahead <= self.queued + 2;
        if self.phase == Phase::Opening {
            if ahead != 1 {
                return false;
            }
            self.established();
            self.nxt = self.nxt.max(1);
        } else if ahead > 0 && far {
            self.una += ahead;
            self.nxt = self.nxt.max(self.una);
            self.tries = 0;
            self.resend_at = (self.una < self.nxt).then(|| now + RESEND);
        }
        self.window = u64::from(heard.window) << self.shift;
        true
    }

    fn hear_bytes(&mut self, heard: &Heard) {
        let fin = heard.flags.has(TcpFlags::FIN);
        if heard.len == 0 && !fin {
            return;
        }
        self.ack_due = true;
        let known = self.rcv_nxt.wrapping_sub(heard.seq);
        if known > heard.len {
            return;
        }
        let fresh = heard.len - known;
        self.received += u64::from(fresh);
        self.rcv_nxt = self.rcv_nxt.wrapping_add(fresh);
        if fin && !self.peer_fin {
            self.peer_fin = true;
            self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
        }
    }

    /// What follows from the bytes that came.
    fn go_on(&mut self) {
        match self.role {
            Role::Client => {
                let due = u64::from(self.talk.response) * (u64::from(self.rounds) + 1);
                if self.rounds < self.talk.rounds && self.received >= due {
                    self.rounds += 1;
                    if self.rounds < self.talk.rounds {
                        self.queued += u64::from(self.talk.request);
                    }
                }
                // An origin that closes early ends the talk.
                self.closing = self.rounds == self.talk.rounds || self.peer_fin;
            }
            Role::Origin => {
                while self.talk.request > 0
                    && self.received >= u64::from(self.talk.request) * (u64::from(self.rounds) + 1)
                {
                    self.rounds += 1;
                    self.queued += u64::from(self.talk.response);
                }
                self.closing = self.peer_fin;
            }
        }
        if self.closing && self.peer_fin && self.una == self.queued + 2 {
            self.end(Phase::Done);
        }
    }

    /// Flags and payload of the next segment.
    fn what_next(&self) -> Option<(u8, u16)> {
        match self.phase {
            Phase::Opening if self.nxt > 0 => None,
            Phase::Opening if self.role == Role::Client => Some((TcpFlags::SYN, 0)),
            Phase::Opening => Some((TcpFlags::SYN | TcpFlags::ACK, 0)),
            Phase::Open | Phase::Done => self.next_of_open(),
            Phase::Reset | Phase::TimedOut => None,
        }
    }

    fn next_of_open(&self) -> Option<(u8, u16)> {
        let end = 1 + self.queued;
        // A closed window is probed with one byte, which the timer repeats.
        let room = (self.una + self.window.clamp(1, FLIGHT_MAX)).saturating_sub(self.nxt);
        let len = end.saturating_sub(self.nxt).min(self.mss).min(room);
        if len > 0 {
            return Some((TcpFlags::PSH | TcpFlags::ACK, len as u16));
        }
        if self.closing && self.nxt == end {
            return Some((TcpFlags::FIN | TcpFlags::ACK, 0));
        }
        self.ack_due.then_some((TcpFlags::ACK, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Rng};
    use std::collections::VecDeque;

    const ENDS: (Endpoint, Endpoint) = (
        Endpoint { addr: Addr::v4([198, 18, 64, 1]), port: 4_000 },
        Endpoint { addr: Addr::v4([198, 51, 100, 10]), port: 80 },
    );

    fn heard(emit: &TcpEmit) -> Heard {
        let TcpEmit { seq, ack, flags, window, options, payload_len, .. } = *emit;
        Heard { seq, ack, flags, window, len: payload_len.into(), options }
    }

    /// A client and its origin over a path that loses so many of a million segments, and swaps some of the others.
    fn talk(talk: Talk, lost_ppm: u32, seed: u64) -> (Conn, Option<Conn>) {
        let mut rng = Rng::new(seed);
        let mut now = Instant::ZERO;
        let mut client = Conn::client(talk, ENDS, u32::MAX - 7, now);
        let mut origin: Option<Conn> = None;
        let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
        for _ in 0..200_000 {
            now += Span::from_millis(1);
            client.expire(now);
            origin.iter_mut().for_each(|origin| origin.expire(now));
            put(&mut client, &mut up, now);
            origin.iter_mut().for_each(|origin| put(origin, &mut down, now));
            if let Some(emit) = take(&mut up, lost_ppm, &mut rng) {
                match &mut origin {
                    Some(origin) => origin.hear(&heard(&emit), now),
                    None => origin = Some(Conn::origin(talk, (ENDS.1, ENDS.0), &heard(&emit), (5, now))),
                }
            }
            if let Some(emit) = take(&mut down, lost_ppm, &mut rng) {
                client.hear(&heard(&emit), now);
            }
            let is_over = |conn: &Conn| !matches!(conn.phase(), Phase::Opening | Phase::Open);
            if is_over(&client) && origin.as_ref().is_none_or(is_over) {
                break;
            }
        }
        (client, origin)
    }

    fn put(conn: &mut Conn, path: &mut VecDeque<TcpEmit>, now: Instant) {
        while let Some(emit) = conn.next(now) {
            path.push_back(emit);
        }
    }

    fn take(path: &mut VecDeque<TcpEmit>, lost_ppm: u32, rng: &mut Rng) -> Option<TcpEmit> {
        if lost_ppm > 0 && path.len() > 1 && rng.chance_ppm(lost_ppm) {
            path.swap(0, 1);
        }
        path.pop_front().filter(|_| !rng.chance_ppm(lost_ppm))
    }

    #[test]
    fn a_talk_of_several_rounds_ends_in_order_at_both_ends() {
        for rounds in [1, 5] {
            let (client, origin) = talk(Talk { request: 64, response: 200_000, rounds }, 0, 1);
            let origin = origin.expect("the SYN arrived");
            assert_eq!((client.phase(), client.rounds()), (Phase::Done, rounds));
            assert_eq!((origin.phase(), origin.rounds()), (Phase::Done, rounds));
            assert_eq!(client.received, u64::from(rounds) * 200_000);
        }
    }

    #[test]
    fn every_byte_arrives_in_spite_of_loss_and_changed_order() {
        for seed in 0..40 {
            let (client, _) = talk(Talk { request: 3_000, response: 50_000, rounds: 3 }, 50_000, seed);
            assert_eq!((client.phase(), client.received), (Phase::Done, 150_000), "seed {seed}");
        }
    }

    #[test]
    fn an_end_that_hears_nothing_gives_up() {
        let (client, origin) = talk(Talk { request: 64, response: 64, rounds: 1 }, 1_000_000, 1);
        assert_eq!(client.phase(), Phase::TimedOut);
        assert!(origin.is_none());
    }

    #[test]
    fn only_an_exact_reset_ends_a_connection() {
        let mut client = Conn::client(Talk { request: 1, response: 1, rounds: 1 }, ENDS, 100, Instant::ZERO);
        client.next(Instant::ZERO).expect("a SYN");
        let rst = TcpFlags(TcpFlags::RST | TcpFlags::ACK);
        let mut heard = Heard { seq: 0, ack: 100, flags: rst, window: 0, len: 0, options: TcpOptions::NONE };
        client.hear(&heard, Instant::ZERO);
        assert_eq!(client.phase(), Phase::Opening);
        heard.ack = 101;
        client.hear(&heard, Instant::ZERO);
        assert_eq!(client.phase(), Phase::Reset);
    }
}
