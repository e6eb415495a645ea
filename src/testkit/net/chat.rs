//! What a simulated client and an origin say to each other by UDP. Each datagram says whose it is, which one it is and
//! how long; the rest is a pattern of that, so that whoever gets it knows whether it is as it was sent.

use crate::base::{Addr, Endpoint, Span};
use std::net::IpAddr;

/// Bytes that say what a datagram is; shorter ones are empty.
pub const MARK_LEN: usize = 12;
/// The copy of a reply that is sent without the header it should have: nobody may ever hear it.
pub const BARE: u8 = 255;

/// How an origin is told of its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Not at all.
    Plain,
    /// By a Simple Proxy Protocol header on each datagram, of its own also.
    Simple,
    /// By a PROXY v2 header on the first datagram of a session.
    V2First,
    /// By a PROXY v2 header on each datagram from the client.
    V2Every,
}

/// An app as clients and origins know it.
#[derive(Clone, Debug)]
pub struct Service {
    /// The first port at the edge.
    pub port: u16,
    /// How many ports.
    pub ports: u16,
    /// Its origins.
    pub origins: Vec<Addr>,
    /// Their first port.
    pub origin_port: u16,
    /// How they are told of clients.
    pub form: Form,
    /// Bytes towards an unproven client for each byte from it; 0: without limit.
    pub amplification: u16,
    /// Whether access rules act on it.
    pub ip_firewall: bool,
}

/// What an origin does with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It sends so many replies.
    Replies(u8),
    /// Nothing.
    Silence,
    /// It says that nobody is on that port.
    Refusal,
}

/// One client's datagrams and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Chat {
    /// The client.
    pub near: Endpoint,
    /// The edge.
    pub far: Endpoint,
    /// Datagrams that the client sends.
    pub count: u16,
    /// Their payload's length: 0, or `MARK_LEN` and more.
    pub up: u16,
    /// The length of each reply's.
    pub down: u16,
    /// The time between two datagrams.
    pub gap: Span,
    /// Whether routers may fragment them (IPv4).
    pub may_fragment: bool,
    /// What the origin does.
    pub answer: Answer,
    /// Whether the client is gone once it has said all and heard a reply: it refuses what comes after that.
    pub leaves: bool,
    /// Whether the first datagrams are short, so that the client proves itself before it sends long ones.
    pub grows: bool,
    /// Whether nothing but a fault of the link keeps its datagrams and replies from arriving.
    pub is_plain: bool,
}

impl Chat {
    /// Short datagrams of one that grows.
    const SHORT: u16 = 3;

    /// The length of the payload of datagram `seq`.
    pub const fn len_of(&self, seq: u16) -> u16 {
        if self.grows && seq < Self::SHORT { MARK_LEN as u16 } else { self.up }
    }
}

/// Whose datagram it is, and which.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    /// The chat.
    pub id: u32,
    /// Which datagram of the client's, or the one that it answers.
    pub seq: u16,
    /// Which reply to it; 0 from the client.
    pub copy: u8,
    /// Whether it is a reply.
    pub is_reply: bool,
}

impl Mark {
    /// The payload of `len` bytes.
    pub fn payload(self, len: u16) -> Vec<u8> {
        if usize::from(len) < MARK_LEN {
            return Vec::new();
        }
        let seed = self.id.wrapping_mul(0x9e37_79b1) ^ u32::from(self.seq) << 9 ^ u32::from(self.copy);
        let mut bytes: Vec<u8> =
            (0..u32::from(len)).map(|at| (seed.wrapping_add(at / 5) >> ((at % 3) * 8)) as u8).collect();
        bytes[..4].copy_from_slice(&self.id.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.seq.to_be_bytes());
        bytes[6..8].copy_from_slice(&[self.copy, u8::from(self.is_reply)]);
        bytes[8..10].copy_from_slice(&len.to_be_bytes());
        bytes
    }

    /// Reads back what `payload` wrote; `None` when any byte is another.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let head = payload.first_chunk::<MARK_LEN>()?;
        let mark = Self {
            id: u32::from_be_bytes([head[0], head[1], head[2], head[3]]),
            seq: u16::from_be_bytes([head[4], head[5]]),
            copy: head[6],
            is_reply: head[7] == 1,
        };
        (mark.payload(payload.len() as u16) == payload).then_some(mark)
    }
}

/// The Simple Proxy Protocol header of a client (spectrum's own words: magic, both addresses in IPv6 form, both ports).
pub fn simple_header(client: Endpoint, edge: Endpoint) -> Vec<u8> {
    let addr = |end: Endpoint| match end.addr.to_ip() {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    };
    let ports = [client.port.to_be_bytes(), edge.port.to_be_bytes()].concat();
    [&[0x56, 0xec][..], &addr(client), &addr(edge), &ports].concat()
}

/// The PROXY v2 header of a UDP client.
pub fn v2_header(client: Endpoint, edge: Endpoint) -> Vec<u8> {
    let octets = |end: Endpoint| match end.addr.to_ip() {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    };
    let family = if client.addr.is_v4() { 0x12 } else { 0x22 };
    let ports = [client.port.to_be_bytes(), edge.port.to_be_bytes()].concat();
    let addrs = [octets(client), octets(edge), ports].concat();
    let head = [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family], &(addrs.len() as u16).to_be_bytes()].concat();
    [head, addrs].concat()
}
