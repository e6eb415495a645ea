//! TLS on the worker: handshakes are sent off and taken back, records are carried.

use super::crypto::Trip;
use super::failure::Failure;
use super::flow::{Legs, Moved, Shut};
use super::pair::{INBOX_BYTES_MAX, Pair};
use super::session::{SessionTls, Stage};
use super::{CryptoLane, Flow};
use crate::base::limits::CRYPTO_TRIPS_PER_TURN_MAX;
use crate::base::{DropReason, Instant, Span};
use crate::flow::{LegRef, Side};
use crate::session::end::End;
use crate::session::leg::flag;
use crate::session::seats::Seat;
use crate::session::stack::{self, Set};
use crate::session::{Net, Phase, Sessions};
use crate::telemetry::{Counter, TlsFacts, TlsLeg, TlsStatus};
use smoltcp::socket::tcp::Socket;
use std::sync::Arc;

/// When a handshake that found no room at the crypto threads tries again.
const ROOM_WAIT: Span = Span::from_millis(2);

impl Sessions {
    /// Gives these sessions their way to the crypto threads; without one an app with TLS is not served.
    pub fn set_crypto(&mut self, lane: CryptoLane) {
        self.crypto = Some(lane);
    }

    /// Handshakes that are with the crypto threads.
    pub fn crypto_away(&self) -> usize {
        self.crypto.as_ref().map_or(0, CryptoLane::away)
    }

    /// The client of an app with TLS has arrived: its hello is awaited before the origin is called.
    pub(in crate::session) fn await_hello(&mut self, id: u32, now: Instant) {
        let session = &mut self.sessions[id as usize];
        let Some(plan) = session.plan.clone() else { return };
        let pair = Pair::new(plan, session.leg(Side::Client).key.dst);
        session.tls = Some(Box::new(SessionTls { stage: Stage::Here(Box::new(pair)), facts: None }));
        self.enter_securing(id, now);
    }

    /// A part of a handshake begins.
    fn enter_securing(&mut self, id: u32, now: Instant) {
        let within = self.crypto.as_ref().map_or(Span::ZERO, CryptoLane::handshake_timeout);
        let session = &mut self.sessions[id as usize];
        session.phase = Some(Phase::Securing);
        session.secure_by = now + within;
        for leg in &mut session.legs {
            leg.sealed = true;
        }
        self.arm_by(id, now + within);
        self.mark(id);
    }

    /// The origin's TCP connection is there: the handshakes go on.
    pub(in crate::session) fn secure(&mut self, id: u32, now: Instant) {
        self.enter_securing(id, now);
        if let Some(Stage::Here(pair)) = self.sessions[id as usize].tls.as_mut().map(|tls| &mut tls.stage) {
            pair.fresh = true;
        }
    }

    /// Takes back what the crypto threads have done, a bounded number of it; whether there may be more.
    pub fn take_crypto<N: Net>(&mut self, now: Instant, net: &mut N) -> bool {
        for _ in 0..CRYPTO_TRIPS_PER_TURN_MAX {
            let Some(trip) = self.crypto.as_mut().and_then(CryptoLane::take) else { return false };
            self.take_back(trip, now, net);
        }
        true
    }

    fn take_back<N: Net>(&mut self, trip: Trip, now: Instant, net: &mut N) {
        let Some(session) = self.sessions.get_mut(trip.session as usize) else { return };
        let waits = |tls: &&mut Box<SessionTls>| matches!(tls.stage, Stage::Away(number) if number == trip.generation);
        // Whoever does not wait has ended meanwhile.
        let Some(tls) = session.tls.as_mut().filter(waits) else { return };
        let mut pair = trip.pair;
        if let Err(failure) = trip.result {
            pair.note_failure(failure);
            tls.stage = Stage::Here(pair);
            self.fail(trip.session, failure, now, net);
            return;
        }
        tls.stage = Stage::Here(pair);
        self.mark(trip.session);
    }

    /// One step of a session's TLS: to be called whenever something happened to it.
    pub(in crate::session) fn tend_tls<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let stage = self.sessions[id as usize].tls.as_ref().map(|tls| &tls.stage);
        match stage {
            Some(Stage::Here(_)) => self.tend_handshake(id, now, net),
            Some(Stage::Open(_)) => self.tend_flow(id, now, net),
            Some(Stage::Away(_)) | None => {}
        }
    }

    fn tend_handshake<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let Some(mut tls) = self.sessions[id as usize].tls.take() else { return };
        let next = match &mut tls.stage {
            Stage::Here(pair) => self.exchange(id, pair),
            Stage::Away(_) | Stage::Open(_) => Next::Wait,
        };
        match next {
            Next::Wait => self.sessions[id as usize].tls = Some(tls),
            Next::Establish => self.establish(id, tls, now, net),
            Next::CallOrigin => {
                self.sessions[id as usize].tls = Some(tls);
                self.reach_origin(id, now, net);
            }
            Next::Send => self.send_off(id, tls, now, net),
            Next::Closed(side) => {
                if let Stage::Here(pair) = &mut tls.stage {
                    pair.note_failure(Failure::BadMessage(side));
                }
                self.sessions[id as usize].tls = Some(tls);
                self.give_up_handshake(id, side, now, net);
            }
        }
    }

    /// Moves the handshakes' bytes between legs and pair; what is to be done next.
    fn exchange(&mut self, id: u32, pair: &mut Pair) -> Next {
        let session = &mut self.sessions[id as usize];
        let Some(Seat { sets, rings, .. }) = self.seats.get_mut(id) else { return Next::Wait };
        for side in [Side::Client, Side::Origin] {
            let (leg, socket) = (&mut session.legs[side.index()], socket(sets, side));
            let outbox = &mut pair.outbox[side.index()];
            if !outbox.is_empty() && leg.takes_bytes() {
                let sent = rings[side.index()].push(outbox);
                outbox.drain(..sent);
                leg.write_seq = leg.write_seq.wrapping_add(sent as u32);
            }
            if pair.wants(side) {
                let room = INBOX_BYTES_MAX.saturating_sub(pair.inbox[side.index()].len());
                let inbox = &mut pair.inbox[side.index()];
                let taken = receive(socket, room, inbox);
                leg.read_seq = leg.read_seq.wrapping_add(taken);
                session.bytes[side.index()] += u64::from(taken);
                pair.fresh |= taken != 0;
            }
        }
        if pair.outbox.iter().any(|outbox| !outbox.is_empty()) {
            return Next::Wait;
        }
        if pair.is_done() {
            return Next::Establish;
        }
        match session.phase {
            Some(Phase::Securing) if pair.has_hello() && session.egress().is_none() => Next::CallOrigin,
            Some(Phase::Securing) if pair.fresh => Next::Send,
            Some(Phase::Securing) => {
                let gone = |side: &Side| session.legs[side.index()].is(flag::FIN_IN) && pair.wants(*side);
                [Side::Client, Side::Origin].into_iter().find(gone).map_or(Next::Wait, Next::Closed)
            }
            Some(Phase::HalfOpen | Phase::Connecting | Phase::Open | Phase::Closing) | None => Next::Wait,
        }
    }

    /// Sends a handshake to the crypto threads, or refuses it when it is new and they have enough.
    fn send_off<N: Net>(&mut self, id: u32, mut tls: Box<SessionTls>, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        let Stage::Here(mut pair) = std::mem::replace(&mut tls.stage, Stage::Away(self.generation)) else {
            return;
        };
        let (origin_up, is_new) = (session.egress().is_some(), !pair.has_hello());
        let deadline = session.secure_by;
        let lane = self.crypto.as_mut().filter(|lane| lane.has_room(is_new));
        let (Some(lane), home) = (lane, self.worker) else {
            if is_new {
                pair.note_failure(Failure::Expired);
            }
            tls.stage = Stage::Here(pair);
            session.tls = Some(tls);
            if is_new {
                net.refused(DropReason::CryptoFull);
                self.fail(id, Failure::Expired, now, net);
            } else {
                self.arm_by(id, now + ROOM_WAIT);
            }
            return;
        };
        pair.fresh = false;
        let trip = Trip {
            home,
            session: id,
            generation: self.generation,
            deadline,
            origin_up,
            pair,
            result: Ok(()),
        };
        if let Err(trip) = lane.send(trip) {
            tls.stage = Stage::Here(trip.pair);
        }
        self.generation += 1;
        session.tls = Some(tls);
    }

    /// Both handshakes are done: records from here on.
    fn establish<N: Net>(&mut self, id: u32, mut tls: Box<SessionTls>, now: Instant, net: &mut N) {
        let Stage::Here(pair) = std::mem::replace(&mut tls.stage, Stage::Away(0)) else { return };
        net.page().count(Counter::TlsHandshakes);
        if pair.resumed {
            net.page().count(Counter::TlsResumptions);
        }
        tls.facts = Some(Arc::new(pair.facts.clone()));
        tls.stage = Stage::Open(Box::new(pair.into_flow()));
        self.sessions[id as usize].tls = Some(tls);
        self.connected(id, now, net);
        self.mark(id);
    }

    /// Ends a session whose handshake failed, or whose peer broke the protocol; alerts go out first.
    fn fail<N: Net>(&mut self, id: u32, failure: Failure, now: Instant, net: &mut N) {
        net.page().count(failure.counter());
        self.write_alerts(id, now, net);
        let end = match failure {
            Failure::BadSni => End::BadSni,
            Failure::Expired => End::CryptoBusy,
            Failure::OriginCertificate => End::OriginHandshake,
            Failure::OldVersion(side)
            | Failure::NothingInCommon(side)
            | Failure::BadMessage(side)
            | Failure::Alert(side) => self.broken(id, side),
        };
        self.end(id, end, None, now, net);
    }

    /// What it is called that the peer on `side` broke TLS.
    fn broken(&self, id: u32, side: Side) -> End {
        let is_up = matches!(self.sessions[id as usize].phase, Some(Phase::Open | Phase::Closing));
        match (side, is_up) {
            (Side::Client, false) => End::ClientHandshake,
            (Side::Origin, false) => End::OriginHandshake,
            (Side::Client, true) => End::ClientTls,
            (Side::Origin, true) => End::OriginTls,
        }
    }

    /// A peer closed, or was silent, within the handshake.
    fn give_up_handshake<N: Net>(&mut self, id: u32, side: Side, now: Instant, net: &mut N) {
        self.keep_facts(id);
        self.end(id, self.broken(id, side), None, now, net);
    }

    /// The handshake's time is over: whoever was waited for is to blame.
    pub(in crate::session) fn end_late_handshake<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let stage = self.sessions[id as usize].tls.as_ref().map(|tls| &tls.stage);
        let end = match stage {
            Some(Stage::Here(pair)) if pair.wants(Side::Origin) => End::OriginHandshakeTimeout,
            Some(Stage::Here(_)) => End::ClientHandshake,
            Some(Stage::Away(_) | Stage::Open(_)) | None => End::CryptoBusy,
        };
        if let Some(Stage::Here(pair)) = self.sessions[id as usize].tls.as_mut().map(|tls| &mut tls.stage) {
            let side = if end == End::ClientHandshake { Side::Client } else { Side::Origin };
            pair.note_failure(Failure::BadMessage(side));
        }
        self.keep_facts(id);
        self.end(id, end, None, now, net);
    }

    /// Keeps what the handshake knows for the event that tells of its end. Of one that is away, its lateness is known.
    fn keep_facts(&mut self, id: u32) {
        let Some(tls) = &mut self.sessions[id as usize].tls else { return };
        let facts = match &tls.stage {
            Stage::Here(pair) => pair.facts.clone(),
            Stage::Away(_) => {
                let client = TlsLeg { status: TlsStatus::InternalError, ..TlsLeg::default() };
                TlsFacts { client, ..TlsFacts::default() }
            }
            Stage::Open(_) => return,
        };
        tls.facts = Some(Arc::new(facts));
    }

    /// The session ends before it began: a client that waits for an answer to its hello gets a fatal alert, and the
    /// reset after it. For whoever sends no alert of TLS itself.
    pub(in crate::session) fn turn_away<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let stage = self.sessions[id as usize].tls.as_mut().map(|tls| &mut tls.stage);
        if let Some(Stage::Here(pair)) = stage
            && pair.turn_away()
        {
            self.put_outboxes(id);
            self.flush(LegRef::new(id, Side::Client), now, net);
        }
    }

    /// Lets a peer read why it is refused, before the reset.
    fn write_alerts<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        self.keep_facts(id);
        self.put_outboxes(id);
        for side in [Side::Client, Side::Origin] {
            self.flush(LegRef::new(id, side), now, net);
        }
    }

    fn put_outboxes(&mut self, id: u32) {
        if let Some(mut tls) = self.sessions[id as usize].tls.take() {
            if let Stage::Here(pair) = &mut tls.stage {
                self.exchange(id, pair);
            }
            self.sessions[id as usize].tls = Some(tls);
        }
    }

    fn tend_flow<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let Some(mut tls) = self.sessions[id as usize].tls.take() else { return };
        let mut broken = None;
        if let Stage::Open(flow) = &mut tls.stage {
            for side in [Side::Client, Side::Origin] {
                match self.carry(id, flow, side) {
                    Ok(moved) => self.note_carried(id, side, moved, now, net),
                    Err(failure) => broken = Some(failure),
                }
                if broken.is_some() {
                    break;
                }
                self.pass_end(id, flow, side, net);
            }
        }
        self.sessions[id as usize].tls = Some(tls);
        if let Some(failure) = broken {
            self.fail(id, failure, now, net);
        }
    }

    fn carry(&mut self, id: u32, flow: &mut Flow, from: Side) -> Result<Moved, Failure> {
        let session = &mut self.sessions[id as usize];
        let room = [Side::Client, Side::Origin].map(|side| session.legs[side.index()].takes_bytes());
        let Some(seat) = self.seats.get_mut(id) else { return Ok(Moved::default()) };
        let mut sockets = Sockets { seat, room, put: [0; 2] };
        let result = flow.carry(from, &mut sockets);
        let put = sockets.put;
        for (leg, put) in session.legs.iter_mut().zip(put) {
            leg.write_seq = leg.write_seq.wrapping_add(put);
        }
        result
    }

    fn note_carried<N: Net>(&mut self, id: u32, from: Side, moved: Moved, now: Instant, net: &mut N) {
        if moved.taken == 0 {
            return;
        }
        let session = &mut self.sessions[id as usize];
        let leg = &mut session.legs[from.index()];
        leg.read_seq = leg.read_seq.wrapping_add(moved.taken as u32);
        session.note_read(from, moved.taken as u32, now, net.page());
    }

    /// Passes the end of a stream on, once all that came before it is on its way.
    fn pass_end<N: Net>(&mut self, id: u32, flow: &mut Flow, from: Side, net: &mut N) {
        let session = &self.sessions[id as usize];
        let (leg, other) = (session.leg(from), session.leg(from.other()));
        if other.is(flag::FIN_OUT) || leg.queued() != 0 {
            return;
        }
        let cut = leg.is(flag::FIN_IN);
        match flow.shut(from) {
            Shut::Waiting => return,
            Shut::Open if !cut => return,
            Shut::Open if flow.is_sealed(from) => net.page().count(Counter::TlsCutStreams),
            Shut::Open | Shut::Ended => {
                if !self.say_end(id, flow, from.other()) {
                    return;
                }
            }
        }
        self.pass_fin(id, from);
    }

    /// Writes close_notify towards `to`; whether all of it found room.
    fn say_end(&mut self, id: u32, flow: &mut Flow, to: Side) -> bool {
        let session = &mut self.sessions[id as usize];
        let room = [Side::Client, Side::Origin].map(|side| session.legs[side.index()].takes_bytes());
        let Some(seat) = self.seats.get_mut(id) else { return false };
        let mut sockets = Sockets { seat, room, put: [0; 2] };
        let (put, done) = flow.tell_end(to, &mut sockets);
        let leg = &mut session.legs[to.index()];
        leg.write_seq = leg.write_seq.wrapping_add(put as u32);
        done || !leg.takes_bytes()
    }
}

/// What a handshake needs next.
enum Next {
    /// Bytes, or room for them.
    Wait,
    /// The origin.
    CallOrigin,
    /// A crypto thread.
    Send,
    /// Nothing: it is done.
    Establish,
    /// This peer closed.
    Closed(Side),
}

/// A session's two sockets and transmit buffers, as a flow reaches them.
struct Sockets<'a> {
    seat: &'a mut Seat,
    /// Whether bytes for a side can be taken at all.
    room: [bool; 2],
    put: [u32; 2],
}

impl Legs for Sockets<'_> {
    fn take(&mut self, side: Side, take: &mut dyn FnMut(&[u8]) -> usize) -> usize {
        let run = socket(&mut self.seat.sets, side).recv(|bytes| {
            let taken = if bytes.is_empty() { 0 } else { take(bytes) };
            (taken, taken)
        });
        run.unwrap_or(0)
    }

    fn put(&mut self, side: Side, bytes: &[u8]) -> usize {
        if !self.room[side.index()] {
            return 0;
        }
        let put = self.seat.rings[side.index()].push(bytes);
        self.put[side.index()] += put as u32;
        put
    }
}

fn socket(sets: &mut [Set], side: Side) -> &mut Socket<'static> {
    sets[side.index()].get_mut(stack::only())
}

/// Takes at most `room` bytes out of a socket; how many.
fn receive(socket: &mut Socket<'static>, room: usize, into: &mut Vec<u8>) -> u32 {
    let mut taken = 0;
    while taken < room {
        let run = socket.recv(|bytes| {
            let run = bytes.len().min(room - taken);
            into.extend_from_slice(&bytes[..run]);
            (run, run)
        });
        match run {
            Ok(0) | Err(_) => break,
            Ok(run) => taken += run,
        }
    }
    taken as u32
}
