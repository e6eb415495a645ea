//! Flows installed in a worker, and a frame of each that it takes however often it comes: data inside the window, which is
//! a retransmission from the second time on.
//!
//! The frames' hosts send what byway itself would write (64 bytes, TTL one higher, window the same), so that a spliced or
//! relayed frame differs in no byte from what the plain road makes of it.

use super::super::datagrams::Datagrams;
use super::super::make::{self, Shape};
use super::super::peer::{self, Segment, flag};
use super::super::world::World;
use super::scenario::Scenario;
use super::staged::{StageHands, Staged};
use crate::base::{Addr, Instant, Rng};
use crate::flow::Side;
use crate::port::Port;
use crate::session::SynCookies;
use crate::wire::checksum::finish_ip_tcp;
use crate::wire::ethernet;
use crate::worker::{Settings, Worker};
use std::any::Any;
use std::fmt::Write;

/// Bytes of a frame without its FCS, so that it is one of 64 on the wire.
const FRAME_BYTES: usize = 60;
/// What is left of it for data of TCP and of UDP.
const SEGMENT_PAYLOAD: u16 = (FRAME_BYTES - 54) as u16;
const DATAGRAM_PAYLOAD: u16 = (FRAME_BYTES - 42) as u16;
/// The hosts' TTL: what reaches the edge has been one hop on the way.
const TTL: u8 = 65;
/// The hosts' window: what a managed leg with empty buffers gives, scaled as both sides do.
const WINDOW: u16 = (make::BUFFER_BYTES >> 7) as u16;
/// Access rules of the scenario `blocked`.
const RULES: usize = 1_000_000;
/// The first blocked source; the others follow.
const BLOCKED: u32 = u32::from_be_bytes([11, 0, 0, 0]);
/// An edge address without an app.
const NO_APP: u32 = peer::EDGE + 1;
/// Egress addresses: a million sessions with one origin want more than sixteen addresses' ports.
const EGRESS_ADDRS: u8 = 32;
/// The order of the frames is random, and the same in each run.
const SEED: u64 = 4;

/// The road that flows take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Road {
    /// The one that is measured: spliced, proven, answered by cookies.
    Quick,
    /// The one that it is held against: sessions managed by smoltcp, datagrams of clients that nobody proved, SYNs that are
    /// remembered.
    Plain,
}

/// A worker with its flows, and their frames.
pub struct Crowd<P: Port> {
    /// The worker, its port still behind the stage.
    pub worker: Worker<Staged<P>>,
    /// One frame a flow, complete, in random order.
    pub frames: Vec<Vec<u8>>,
    /// The worker's time.
    pub now: Instant,
    /// What the worker must not outlive.
    pub held: Box<dyn Any>,
}

impl<P: Port> Crowd<P> {
    /// Brings up `flows` flows by the worker's own code, with handshakes and datagrams on the port's stage.
    pub fn gather(scenario: Scenario, flows: usize, road: Road, port: P) -> Self {
        let mac = port.info().mac;
        let shape = shape(scenario, flows, road);
        let (worker, held) = make::equip_on(shape, Staged::new(port));
        let mut crowd = match scenario {
            Scenario::Splice => segments(World::new(worker, StageHands, mac, false, held), flows, mac),
            Scenario::Udp => {
                datagrams(Datagrams::new(worker, StageHands, mac, make::START, held), flows, road)
            }
            Scenario::Blocked => {
                let mut rng = Rng::new(SEED);
                let from = (0..flows).map(|_| BLOCKED + rng.below(RULES as u64) as u32);
                let frames = from.map(|src| syn(src, peer::EDGE, mac)).collect();
                Self { worker, frames, now: make::START, held }
            }
            Scenario::Synflood => {
                let frames = (0..flows).map(|at| linux_syn(at as u32, mac)).collect();
                Self { worker, frames, now: make::START, held }
            }
            Scenario::Noapp => {
                let frames = (0..flows).map(|at| syn(BLOCKED + at as u32, NO_APP, mac)).collect();
                Self { worker, frames, now: make::START, held }
            }
        };
        shuffle(&mut crowd.frames);
        crowd
    }
}

fn shape(scenario: Scenario, flows: usize, road: Road) -> Shape {
    let (mut tcp_sessions, mut spliced_sessions, mut udp_sessions) = (0, 0, 0);
    match (scenario, road) {
        // A slot is not free again before its session's last words are sent, and a burst opens at once.
        (Scenario::Splice, Road::Quick) => spliced_sessions = flows + 64,
        (Scenario::Splice, Road::Plain) => tcp_sessions = flows,
        (Scenario::Udp, _) => udp_sessions = flows,
        // So that offers are narrowed as they are where sessions are spliced.
        (Scenario::Synflood, Road::Quick) => spliced_sessions = 64,
        (Scenario::Synflood, Road::Plain) => (tcp_sessions, spliced_sessions) = (flows, 64),
        (Scenario::Blocked | Scenario::Noapp, _) => {}
    }
    let tables = if scenario == Scenario::Blocked { with_rules() } else { make::TABLES.to_owned() };
    Shape {
        tcp_sessions,
        spliced_sessions,
        udp_sessions,
        offload: false,
        buffer_bytes: make::BUFFER_BYTES,
        snapshot: make::snapshot_with(&tables, None, RULES),
        rules: RULES,
        tune: if scenario == Scenario::Synflood && road == Road::Quick { with_cookies } else { with_egress },
    }
}

fn with_cookies(settings: &mut Settings) {
    settings.session.syn_cookies = SynCookies::Always;
}

fn with_egress(settings: &mut Settings) {
    let egress: Vec<Addr> = (0..EGRESS_ADDRS).map(|host| Addr::v4([198, 18, 0, 10 + host])).collect();
    settings.session.egress.ipv4.clone_from(&egress);
    settings.udp.egress.ipv4 = egress;
}

/// The bench's table with an app behind a million rules, each of one address.
fn with_rules() -> String {
    let mut text = make::TABLES.trim_end().trim_end_matches('}').replacen(
        "\"protocol\"",
        "\"ip_firewall\": true, \"protocol\"",
        1,
    );
    text.push_str(", \"access_rules\": [");
    for at in 0..RULES as u32 {
        let separator = if at == 0 { "" } else { "," };
        let src = std::net::Ipv4Addr::from_bits(BLOCKED + at);
        // A string takes all that is written to it.
        let _ = write!(
            text,
            r#"{separator}{{"mode":"block","configuration":{{"target":"ip","value":"{src}"}}}}"#
        );
    }
    text.push_str("]}");
    text
}

/// Sessions opened, and a segment of each, of its client and of its origin in turn.
fn segments<P: Port>(mut world: World<Staged<P>, StageHands>, flows: usize, mac: [u8; 6]) -> Crowd<P> {
    world.open(flows);
    let frame = |at: usize| {
        let segment = world.next_segment(at, speaker(at), SEGMENT_PAYLOAD);
        let mut bytes = written(&segment, mac);
        bytes[48..50].copy_from_slice(&WINDOW.to_be_bytes());
        complete(bytes)
    };
    let frames = (0..flows).map(frame).collect();
    let (worker, held, now) = world.into_parts();
    Crowd { worker, frames, now, held }
}

/// UDP sessions opened, and a datagram of each, of its client and of its origin in turn.
fn datagrams<P: Port>(mut world: Datagrams<Staged<P>, StageHands>, flows: usize, road: Road) -> Crowd<P> {
    match road {
        Road::Quick => world.open(flows, DATAGRAM_PAYLOAD),
        Road::Plain => world.open_unproven(flows, DATAGRAM_PAYLOAD),
    }
    let frame = |at: usize| {
        let mut bytes = vec![0; FRAME_BYTES];
        world.write(at, speaker(at), DATAGRAM_PAYLOAD, &mut bytes);
        complete(bytes)
    };
    let frames = (0..flows).map(frame).collect();
    let (worker, held, now) = world.into_parts();
    Crowd { worker, frames, now, held }
}

/// Who speaks in flow `at`.
const fn speaker(at: usize) -> Side {
    if at.is_multiple_of(2) { Side::Client } else { Side::Origin }
}

/// A bare SYN, padded as a link pads it.
fn syn(src: u32, dst: u32, mac: [u8; 6]) -> Vec<u8> {
    let (src_port, dst_port) = (1_024, peer::EDGE_PORT);
    // Written as an ACK, for the bench's SYNs bear options.
    let ack = Segment { src, dst, src_port, dst_port, seq: src, flags: flag::ACK, ..Segment::default() };
    let mut bytes = written(&ack, mac);
    bytes[47] = flag::SYN;
    let mut frame = complete(bytes);
    frame.resize(FRAME_BYTES, 0);
    frame
}

/// A SYN as Linux sends it: MSS, SACK, timestamps and a window shift.
fn linux_syn(at: u32, mac: [u8; 6]) -> Vec<u8> {
    const OPTIONS: [u8; 20] = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 1, 0xe2, 0x40, 0, 0, 0, 0, 1, 3, 3, 7];
    const WINDOW: u16 = 64_240;
    let mixed = at.wrapping_mul(2_654_435_761);
    let (src, src_port) = (BLOCKED + mixed % (1 << 24), 1_024 + (mixed >> 8) as u16 % 60_000);
    let (dst, dst_port) = (peer::EDGE, peer::EDGE_PORT);
    // Written as an ACK, for the bench's own SYNs bear other options.
    let ack = Segment { src, dst, src_port, dst_port, seq: mixed, flags: flag::ACK, ..Segment::default() };
    let mut bytes = written(&ack, mac);
    bytes.extend(OPTIONS);
    bytes[16..18].copy_from_slice(&60_u16.to_be_bytes());
    (bytes[46], bytes[47]) = (10 << 4, flag::SYN);
    bytes[48..50].copy_from_slice(&WINDOW.to_be_bytes());
    complete(bytes)
}

fn written(segment: &Segment, mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    let len = peer::write(&mut bytes, mac, segment);
    bytes.truncate(len);
    bytes
}

/// The hosts' TTL, and both checksums.
fn complete(mut frame: Vec<u8>) -> Vec<u8> {
    frame[ethernet::HEADER_LEN + 8] = TTL;
    finish_ip_tcp(&mut frame[ethernet::HEADER_LEN..]);
    frame
}

/// Fisher and Yates' shuffle.
fn shuffle(frames: &mut [Vec<u8>]) {
    let mut rng = Rng::new(SEED);
    for last in (1..frames.len()).rev() {
        frames.swap(last, rng.below(last as u64 + 1) as usize);
    }
}
