//! Segments of spliced sessions over IPv4 or IPv6 with any header and options that a stranger may send, in a worker of two
//! such sessions.
//!
//! Whatever comes, a frame that goes on bears right checksums, for its own sake verified anew; it belongs to the other leg of
//! the very session that it came for; and nothing is written beside that session's record: the other session answers a
//! known segment as it did before.
#![no_main]

use byway::base::{Instant, Span};
use byway::port::mem::{self, MemOptions, MemPort, MemWire};
use byway::port::{Frame, RxMeta};
use byway::telemetry::Counter;
use byway::testkit::edge::{EDGE_IPS, EDGE_MAC, GATEWAY_MAC, LAB_APPS, edge, live_spec, settings};
use byway::testkit::frames::{Tcp, eth};
use byway::testkit::laws;
use byway::wire::{ChecksumState, FlowKey, Parsed, RxHints, TcpFlags, TcpSegment, parse};
use byway::worker::Worker;
use byway_fuzz::Input;
use libfuzzer_sys::fuzz_target;

/// Segments of one input.
const STEPS_MAX: usize = 64;
/// What a device that verifies checksums says of ours.
const GOOD: RxMeta = RxMeta {
    ip_checksum: ChecksumState::Good,
    l4_checksum: ChecksumState::Good,
    rss_hash: None,
    multi_segment: false,
    vlan_stripped: false,
};
/// Where clients are, over IPv4 and over IPv6.
const CLIENTS: [&str; 2] = ["10.0.0.7", "2001:2:1::7"];
/// Initial sequence numbers of clients and origins; the latter wrap.
const ISNS: [u32; 2] = [1_000, u32::MAX - 2_000];

/// One side of a spliced session, as its host sees it.
#[derive(Clone, Copy)]
struct Side {
    /// As its frames arrive at the edge.
    key: FlowKey,
    seq: u32,
    ack: u32,
}

struct World {
    worker: Worker<MemPort>,
    wire: MemWire,
    now: Instant,
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut world = World::new();
    let form = input.byte();
    let (stamped, family) = (form & 1 == 1, usize::from(form >> 1 & 1));
    let target = world.splice(family, 2_000, stamped);
    let bystander = world.splice(family, 2_001, stamped);
    let Some((target, bystander)) = target.zip(bystander) else { panic!("both sessions are spliced") };
    for _ in 0..STEPS_MAX {
        if input.0.is_empty() {
            break;
        }
        let from = usize::from(input.byte() & 1);
        let frame = segment(&target[from], &mut input);
        let (to, back) = (target[1 - from].key.reversed(), target[from].key.reversed());
        for sent in world.turn(Some(&frame)) {
            assert!(sent.key == to || sent.key == back, "{:?} is not of the session", sent.key);
        }
    }
    // The bystander's next segment goes on in the numbers that it had before.
    let [client, origin] = bystander;
    let probe = tcp(&client, stamped).flags(TcpFlags(TcpFlags::ACK | TcpFlags::PSH)).payload(b"next").bytes();
    let sent = world.turn(Some(&probe));
    let [next] = sent.as_slice() else { panic!("{} frames for a segment that goes on", sent.len()) };
    assert_eq!(next.key, origin.key.reversed());
    assert_eq!((next.seq, next.ack), (origin.ack, origin.seq), "the other session's numbers changed");
    assert_eq!((next.payload_len(), next.window), (4, 8_192));
});

impl World {
    fn new() -> Self {
        let (wire, ports) = mem::link(MemOptions { mac: EDGE_MAC, frames: 512, ..MemOptions::default() });
        let mut settings = settings(1);
        (settings.session.sessions_max, settings.session.spliced_max) = (8, 8);
        // The two sides tell windows in one scale.
        settings.session.window_shift = 0;
        for ip in ["198.18.0.2", "2001:2:0:1::2"] {
            settings.ports[0].static_neighbors.push((ip.parse().expect("an address"), GATEWAY_MAC));
        }
        let (mut workers, _) = edge(&settings, vec![ports], &live_spec(&LAB_APPS, &[]));
        let now = Instant::ZERO + Span::from_secs(1_000);
        Self { worker: workers.remove(0), wire, now }
    }

    /// Opens a session that is spliced at once; its two sides.
    fn splice(&mut self, family: usize, port: u16, stamped: bool) -> Option<[Side; 2]> {
        let syn = eth().ip(CLIENTS[family], EDGE_IPS[family]).tcp(port, LAB_APPS[family].port);
        let syn = syn.seq(ISNS[0]).syn().window(8_192);
        let answer = *self.turn(Some(&opening(syn, stamped))).first()?;
        let client = Side { key: answer.key.reversed(), seq: ISNS[0] + 1, ack: answer.seq.wrapping_add(1) };
        let call = *self.turn(Some(&tcp(&client, stamped).flags(TcpFlags(TcpFlags::ACK)).bytes())).first()?;
        let key = call.key.reversed();
        let accept = eth().ip(key.src, key.dst).tcp(key.src_port, key.dst_port).seq(ISNS[1]).window(8_192);
        let accept = accept.ack(call.seq.wrapping_add(1)).flags(TcpFlags(TcpFlags::SYN | TcpFlags::ACK));
        let spliced = |world: &Self| world.worker.page().counter(Counter::SessionsSpliced);
        let before = spliced(self);
        self.turn(Some(&opening(accept, stamped)));
        let origin = Side { key, seq: ISNS[1].wrapping_add(1), ack: call.seq.wrapping_add(1) };
        (spliced(self) == before + 1).then_some([client, origin])
    }

    /// Hands a frame to the worker and runs a turn; what the edge sent, each verified anew.
    fn turn(&mut self, bytes: Option<&[u8]>) -> Vec<TcpSegment> {
        self.now += Span::from_millis(1);
        if let Some((bytes, mut frame)) = bytes.zip(self.wire.allocate())
            && frame.set_len(bytes.len())
        {
            frame.bytes_mut().copy_from_slice(bytes);
            frame.set_rx_meta(GOOD);
            drop(self.wire.inject(0, frame));
        }
        self.worker.turn(self.now);
        if let Err(law) = laws::check(&self.worker, 16) {
            panic!("{law}");
        }
        let hints = RxHints { ip: ChecksumState::Unknown, l4: ChecksumState::Unknown };
        let mut sent = Vec::new();
        while let Some(frame) = self.wire.take() {
            match parse(frame.bytes(), &hints) {
                Ok(Parsed::Tcp(segment)) => {
                    assert_eq!(usize::from(segment.ip_end), frame.bytes().len(), "padding went on");
                    sent.push(segment);
                }
                Ok(Parsed::Udp { .. } | Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. }) => {}
                Err(reason) => panic!("the edge sent a frame that its own parser drops: {reason:?}"),
            }
        }
        sent
    }
}

fn tcp(side: &Side, stamped: bool) -> Tcp {
    let key = &side.key;
    let tcp = eth().ip(key.src, key.dst).tcp(key.src_port, key.dst_port);
    let tcp = tcp.seq(side.seq).ack(side.ack).window(8_192);
    if stamped { tcp.raw_options(&[1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0]) } else { tcp }
}

/// A SYN or SYN-ACK with the usual options.
fn opening(tcp: Tcp, stamped: bool) -> Vec<u8> {
    let usual = [2, 4, 5, 180, 1, 3, 3, 0, 1, 1, 4, 2];
    let stamps = [1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0];
    tcp.raw_options(&[&usual[..], if stamped { &stamps } else { &[] }].concat()).bytes()
}

/// A segment of a side with numbers near its own or anywhere, any flags, window, urgent pointer and options; padded by a link
/// or not.
fn segment(side: &Side, input: &mut Input<'_>) -> Vec<u8> {
    let [how, flags, near, len] = input.take();
    let far = |input: &mut Input<'_>| u32::from_be_bytes(input.take());
    let seq = if how & 1 == 0 { (i32::from(near as i8) * 16) as u32 } else { far(input) };
    let ack = if how & 2 == 0 { 0 } else { far(input) };
    let moved = Side { seq: side.seq.wrapping_add(seq), ack: side.ack.wrapping_add(ack), ..*side };
    let flags = if how & 4 == 0 { TcpFlags::ACK | flags & TcpFlags::PSH } else { flags };
    let (window, urgent) = (u16::from_be_bytes(input.take()), u16::from_be_bytes(input.take()));
    let shape = input.byte();
    let words = usize::from(shape % 11);
    let options: Vec<u8> = (0..words * 4).map(|_| input.byte()).collect();
    let body: Vec<u8> = (0..usize::from(len)).map(|n| n as u8 ^ len).collect();
    let segment =
        tcp(&moved, false).flags(TcpFlags(flags)).window(window).urgent(urgent).raw_options(&options);
    let segment = segment.payload(&body);
    // One that lies about where its header ends.
    let segment = if shape > 0xe0 { segment.data_offset(shape & 15) } else { segment };
    let mut frame = segment.bytes();
    if how & 8 != 0 {
        frame.resize(frame.len() + usize::from(how >> 4), 0xee);
    }
    frame
}
