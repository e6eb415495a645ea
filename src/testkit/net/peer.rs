//! One end of one simulated connection: a smoltcp socket in a set of its own, and the talk that it has, in clear or
//! through TLS.

use super::seal::Seal;
use super::talk::{Ending, HEADER_LEN, Talk};
use crate::base::Endpoint;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};
use std::cell::Cell;

/// How far a peer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Still at it.
    Talking,
    /// Everything was said, heard, and closed in order.
    Complete,
    /// It reset the connection itself, as its ending says.
    HungUp,
    /// The other end, or the edge, reset the connection.
    WasReset,
    /// A byte was wrong, or TLS was broken: at this offset of what it heard.
    Wrong(u64),
}

/// Which end it plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Client,
    Origin,
}

thread_local! {
    /// Milliseconds of the virtual clock, as peers tell them in timestamps.
    static CLOCK: Cell<u32> = const { Cell::new(0) };
}

/// Says what time it is in timestamps.
pub fn set_clock(millis: u32) {
    CLOCK.set(millis);
}

fn clock() -> u32 {
    CLOCK.get()
}

/// What of TCP's options an end speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Speech {
    /// Whether it knows of timestamps.
    pub stamped: bool,
    /// The shift of its windows, 14 at most.
    pub window_shift: u8,
}

impl Speech {
    /// smoltcp takes the shift from the size of the buffer. Of a large one no more is ever touched than what comes.
    const fn buffer_bytes(self) -> usize {
        if self.window_shift == 0 { BUFFER_BYTES } else { 1 << (15 + self.window_shift) }
    }
}

/// One end of one connection.
pub struct Peer {
    part: Part,
    /// Its own address and port.
    pub near: Endpoint,
    /// The other end's, as this end sees it.
    pub far: Endpoint,
    pub(super) set: SocketSet<'static>,
    talk: Option<Talk>,
    seal: Option<Box<Seal>>,
    first: Vec<u8>,
    said: u64,
    heard: u64,
    outcome: Outcome,
    /// One past the highest sequence number sent, once one was.
    sent_to: Option<u32>,
    /// Whether the window that it was told last is closed.
    is_shut: bool,
}

/// Silence after which a peer probes: a lost RST would leave it waiting for ever.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Bytes of each socket buffer, where windows are not shifted.
const BUFFER_BYTES: usize = 8 * 1024;
/// Bytes that TLS is given at a time.
const PLAIN_BYTES: usize = 4 * 1024;

impl Peer {
    /// A client that connects now.
    pub fn client(iface: &mut Interface, ends: (Endpoint, Endpoint), talk: Talk, speech: Speech) -> Self {
        let (near, far) = ends;
        let mut peer = Self::new(Part::Client, ends, Some(talk), speech);
        let set = peer.set.get_mut::<tcp::Socket>(Default::default());
        set.connect(iface.context(), ip(far), ip(near)).expect("a fresh socket connects");
        peer
    }

    /// An origin's end for a connection that comes in now.
    pub fn origin(near: Endpoint, far: Endpoint, speech: Speech) -> Self {
        let mut peer = Self::new(Part::Origin, (near, far), None, speech);
        let set = peer.set.get_mut::<tcp::Socket>(Default::default());
        set.listen(ip(near)).expect("a fresh socket listens");
        peer
    }

    /// The same end, talking through TLS.
    #[must_use]
    pub fn sealed(self, seal: Seal) -> Self {
        Self { seal: Some(seal.into()), ..self }
    }

    /// Records of application data that passed; none in clear.
    pub fn records(&self) -> u64 {
        self.seal.as_ref().map_or(0, |seal| seal.records())
    }

    /// How far it has come.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Its talk; an origin learns it from the client's first bytes.
    pub fn talk(&self) -> Option<Talk> {
        self.talk
    }

    /// Bytes heard so far.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Hears, checks and says what can be heard and said now.
    pub fn act(&mut self) {
        if !matches!(self.outcome, Outcome::Talking) {
            return;
        }
        self.hear();
        self.say();
        self.write_sealed();
        self.finish();
    }

    /// Whether nothing of it is left to be polled.
    pub fn is_over(&self) -> bool {
        let state = self.set.get::<tcp::Socket>(Default::default()).state();
        state == tcp::State::Closed && self.outcome != Outcome::Talking
    }

    /// Whether nobody has called yet.
    pub(super) fn is_listening(&self) -> bool {
        self.set.get::<tcp::Socket>(Default::default()).state() == tcp::State::Listen
    }

    pub(super) fn poll_at(&self, iface: &mut Interface, now: Instant) -> Option<Instant> {
        iface.poll_at(now, &self.set)
    }

    fn new(part: Part, (near, far): (Endpoint, Endpoint), talk: Option<Talk>, speech: Speech) -> Self {
        let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
        let mut socket = tcp::Socket::new(buffer(speech.buffer_bytes()), buffer(BUFFER_BYTES));
        socket.set_nagle_enabled(false);
        socket.set_keep_alive(Some(KEEPALIVE));
        socket.set_tsval_generator(speech.stamped.then_some(clock as fn() -> u32));
        let mut set = SocketSet::new(Vec::with_capacity(1));
        set.add(socket);
        let (seal, first) = (None, Vec::new());
        Self {
            part,
            near,
            far,
            set,
            talk,
            seal,
            first,
            said: 0,
            heard: 0,
            outcome: Outcome::Talking,
            sent_to: None,
            is_shut: false,
        }
    }

    /// Gives a bare acknowledgement the number that it has by RFC 9293 3.10.7.4 (SND.NXT), as every usual TCP does. While it
    /// sends again, smoltcp tells the number that it has come back to, and another smoltcp, sending again itself, passes over
    /// what such a segment acknowledges: neither would ever get on.
    pub(super) fn number(&mut self, packet: &mut [u8]) {
        const NO_BARE_ACK: u8 = 0x07;
        let Some(tcp) = tcp_of(packet) else { return };
        let seq = long(tcp, 4);
        let payload = tcp.len() as u32 - u32::from(tcp[12] >> 4) * 4;
        // A lone byte that probes a closed window is not sent in earnest.
        let probes = payload == 1 && self.is_shut;
        let taken = if probes { 0 } else { payload + (tcp[13] & 3).count_ones() };
        let end = seq.wrapping_add(taken);
        let sent_to = self.sent_to.filter(|&sent_to| before(end, sent_to)).unwrap_or(end);
        self.sent_to = Some(sent_to);
        if payload != 0 || tcp[13] & NO_BARE_ACK != 0 || seq == sent_to {
            return;
        }
        replace(tcp, 4, (sent_to >> 16) as u16);
        replace(tcp, 6, sent_to as u16);
    }

    /// Shows a closed window as one of a byte while something in flight is not acknowledged. A window is told in units of its
    /// shift, so that one of less is told as none; smoltcp then gives up its retransmission timer for a probe's, and what was
    /// lost for ever.
    pub(super) fn keep_timer(&mut self, packet: &mut [u8]) {
        const ACK_ALONE: u8 = 0x10;
        const OPENS_OR_RESETS: u8 = 0x06;
        let Some(tcp) = tcp_of(packet) else { return };
        let acks = tcp[13] & (ACK_ALONE | OPENS_OR_RESETS) == ACK_ALONE;
        let in_flight = self.sent_to.is_some_and(|sent_to| before(long(tcp, 8), sent_to));
        if acks && in_flight && word(tcp, 14) == 0 {
            replace(tcp, 14, 1);
        }
        if acks {
            self.is_shut = word(tcp, 14) == 0;
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(Default::default())
    }

    fn hear(&mut self) {
        let mut bytes = [0; 4096];
        while self.socket().can_recv() {
            let Ok(len) = self.socket().recv_slice(&mut bytes) else { return };
            let mut plain = Vec::new();
            let sound = match &mut self.seal {
                Some(seal) => seal.hear(&bytes[..len], &mut plain),
                None => {
                    plain.extend_from_slice(&bytes[..len]);
                    true
                }
            };
            if !self.check_all(&plain) || !sound {
                self.outcome = Outcome::Wrong(self.heard);
                return;
            }
        }
    }

    fn check_all(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| {
            let right = self.check(*byte);
            self.heard += u64::from(right);
            right
        })
    }

    fn check(&mut self, byte: u8) -> bool {
        match (self.part, self.talk) {
            (Part::Client, Some(talk)) => self.heard < talk.down_len() && byte == talk.down_byte(self.heard),
            (Part::Client, None) => false,
            (Part::Origin, Some(talk)) => self.heard < talk.up_len() && byte == talk.up_byte(self.heard),
            (Part::Origin, None) => {
                self.first.push(byte);
                let Ok(header) = <&[u8; HEADER_LEN]>::try_from(self.first.as_slice()) else { return true };
                self.talk = Talk::from_header(header);
                self.talk.is_some()
            }
        }
    }

    fn say(&mut self) {
        let Some(talk) = self.talk else { return };
        let (part, len) = match self.part {
            Part::Client => (Part::Client, talk.up_len()),
            Part::Origin => (Part::Origin, talk.down_len()),
        };
        if part == Part::Origin && talk.ending == Ending::ClientFirst && self.socket().may_recv() {
            return;
        }
        let fill = |said: u64, room: &mut [u8]| {
            let count = room.len().min((len - said) as usize);
            for (at, byte) in room[..count].iter_mut().enumerate() {
                let offset = said + at as u64;
                *byte = if part == Part::Client { talk.up_byte(offset) } else { talk.down_byte(offset) };
            }
            count
        };
        if let Some(seal) = &mut self.seal {
            let mut plain = [0; PLAIN_BYTES];
            while self.said < len {
                let count = fill(self.said, &mut plain);
                let taken = seal.say(&plain[..count]);
                self.said += taken as u64;
                if taken == 0 {
                    return;
                }
            }
            return;
        }
        while self.said < len && self.socket().can_send() {
            let said = self.said;
            let sent = self.socket().send(|room| {
                let count = fill(said, room);
                (count, count)
            });
            self.said += sent.unwrap_or(0) as u64;
        }
    }

    /// Writes what TLS has for the socket, as far as that takes it.
    fn write_sealed(&mut self) {
        let Some(seal) = &mut self.seal else { return };
        let socket = self.set.get_mut::<tcp::Socket>(Default::default());
        while seal.wants_write() && socket.can_send() {
            let written = socket.send(|room| {
                let written = seal.write(room);
                (written, written)
            });
            if !matches!(written, Ok(1..)) {
                return;
            }
        }
    }

    /// Whether everything said is in the socket; TLS says goodbye first, once its handshake is over.
    fn is_written(&mut self) -> bool {
        if let Some(seal) = &mut self.seal
            && !seal.say_goodbye()
        {
            return false;
        }
        self.write_sealed();
        self.seal.as_ref().is_none_or(|seal| !seal.wants_write())
    }

    fn finish(&mut self) {
        if self.outcome != Outcome::Talking {
            self.socket().abort();
            return;
        }
        let state = self.socket().state();
        if let Some(talk) = self.talk
            && self.hangs_up(talk)
        {
            self.socket().abort();
            self.outcome = Outcome::HungUp;
            return;
        }
        let (all_said, all_heard) = self.progress();
        let closes = match (self.part, self.talk.map(|talk| talk.ending)) {
            (Part::Client, Some(Ending::ClientFirst)) => all_said,
            (Part::Origin, Some(Ending::OriginFirst)) => all_said && all_heard,
            (..) => all_said && !self.socket().may_recv() && state == tcp::State::CloseWait,
        };
        let may_close = matches!(state, tcp::State::Established | tcp::State::CloseWait);
        if closes && may_close && self.is_written() {
            self.socket().close();
        }
        let over = matches!(state, tcp::State::TimeWait | tcp::State::Closed);
        // A stream that ends without close_notify may have been cut.
        let whole = self.seal.as_ref().is_none_or(|seal| seal.is_closed());
        if over && all_said && all_heard && whole {
            self.outcome = Outcome::Complete;
        } else if state == tcp::State::Closed {
            self.outcome = Outcome::WasReset;
        }
    }

    /// Whether everything was said, and everything heard.
    fn progress(&self) -> (bool, bool) {
        let Some(talk) = self.talk else { return (false, false) };
        match self.part {
            Part::Client => (self.said == talk.up_len(), self.heard == talk.down_len()),
            Part::Origin => (self.said == talk.down_len(), self.heard == talk.up_len()),
        }
    }

    fn hangs_up(&self, talk: Talk) -> bool {
        match (self.part, talk.ending) {
            (Part::Client, Ending::ClientReset) => self.heard >= talk.down_len() / 2 && self.said > 0,
            (Part::Origin, Ending::OriginReset) => self.heard >= talk.up_len() / 2,
            (Part::Client | Part::Origin, _) => false,
        }
    }
}

/// A packet's TCP segment.
fn tcp_of(packet: &mut [u8]) -> Option<&mut [u8]> {
    let at = if packet.first()? >> 4 == 4 { 20 } else { 40 };
    packet.get_mut(at..).filter(|tcp| tcp.len() >= 20)
}

/// Whether a number comes before another.
const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

fn word(tcp: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([tcp[at], tcp[at + 1]])
}

fn long(tcp: &[u8], at: usize) -> u32 {
    u32::from(word(tcp, at)) << 16 | u32::from(word(tcp, at + 2))
}

/// Writes another word into a segment, and what becomes of its checksum (RFC 1624 3: HC' = ~(~HC + ~m + m')).
fn replace(tcp: &mut [u8], at: usize, new: u16) {
    let sum = u32::from(!word(tcp, 16)) + u32::from(!word(tcp, at)) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    tcp[at..at + 2].copy_from_slice(&new.to_be_bytes());
    tcp[16..18].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

fn ip(end: Endpoint) -> IpEndpoint {
    IpEndpoint::new(IpAddress::from(end.addr.to_ip()), end.port)
}
