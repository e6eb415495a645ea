//! A whole worker under arbitrary frames: nothing panics, and the laws hold after each turn.
//!
//! An input is a list of steps. Raw bytes alone would never get past the checks, so that most steps answer a segment
//! that the edge has sent, with numbers, flags and options a little or far off: the worker's clients, its origins and
//! their gateway are all the fuzzer's.
#![no_main]

use byway::base::{Instant, Span};
use byway::port::mem::{self, MemOptions, MemPort, MemWire};
use byway::port::{Frame, RxMeta};
use byway::session::SynCookies;
use byway::testkit::edge::{EDGE_IPS, EDGE_MAC, GATEWAY_MAC, LAB_APPS, addr, edge, live_spec, settings};
use byway::testkit::frames::{Tcp, eth};
use byway::testkit::laws;
use byway::wire::{ChecksumState, Parsed, RxHints, TcpFlags, TcpSegment, parse};
use byway::worker::Worker;
use byway_fuzz::Input;
use libfuzzer_sys::fuzz_target;

/// Steps of one input; more would make the fuzzer slow, not thorough.
const STEPS_MAX: usize = 96;
/// Sessions of the fuzzed edge: few, so that full tables are met.
const SESSIONS: u32 = 8;
/// Segments of the edge that a step may answer.
const HEARD_MAX: usize = 8;
/// All verified: the fuzzer is spared the sums.
const GOOD: RxMeta = RxMeta {
    ip_checksum: ChecksumState::Good,
    l4_checksum: ChecksumState::Good,
    rss_hash: None,
    multi_segment: false,
    vlan_stripped: false,
};

struct World {
    worker: Worker<MemPort>,
    wire: MemWire,
    now: Instant,
    heard: Vec<TcpSegment>,
}

fuzz_target!(|bytes: &[u8]| {
    let mut world = world(bytes.first().copied().unwrap_or(0));
    let mut input = Input(bytes);
    for _ in 0..STEPS_MAX {
        if input.0.is_empty() {
            return;
        }
        let frame = world.step(&mut input);
        world.turn(frame);
    }
});

/// One input in four is met by cookies alone, one by cookies from the second half-open session on.
fn world(first: u8) -> World {
    let (wire, ports) = mem::link(MemOptions { mac: EDGE_MAC, frames: 512, ..MemOptions::default() });
    let mut settings = settings(1);
    settings.session.sessions_max = SESSIONS;
    settings.session.half_open_max = SESSIONS / 2;
    settings.session.syn_cookies = match first >> 6 {
        0 | 1 => SynCookies::Off,
        2 => SynCookies::Auto { half_open: 1 },
        _ => SynCookies::Always,
    };
    settings.session.time_wait_max = SESSIONS;
    settings.session.egress.quarantine_max = 64;
    for (ip, gateway) in [("198.18.0.2", GATEWAY_MAC), ("2001:2:0:1::2", GATEWAY_MAC)] {
        settings.ports[0].static_neighbors.push((ip.parse().expect("an address"), gateway));
    }
    let spec = live_spec(&LAB_APPS, &[addr("10.0.0.66")]);
    let (mut workers, _) = edge(&settings, vec![ports], &spec);
    World { worker: workers.remove(0), wire, now: Instant::ZERO, heard: Vec::new() }
}

impl World {
    /// The next frame that comes in; time moves on by up to about four seconds.
    fn step(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let [kind, pause] = input.take();
        self.now += Span::from_millis(u64::from(pause) * u64::from(pause) / 16);
        match kind & 7 {
            0 => raw(input),
            1 => syn(input),
            _ => self.answer(input).unwrap_or_else(|| syn(input)),
        }
    }

    /// A segment in answer to one of the edge's, its numbers off by a byte or by a word.
    fn answer(&self, input: &mut Input<'_>) -> Option<Vec<u8>> {
        let [which, flags, payload, near, far] = input.take();
        let to = self.heard.get(
            self.heard.len().checked_sub(1 + usize::from(which) % HEARD_MAX.min(self.heard.len().max(1)))?,
        )?;
        let key = to.key.reversed();
        let wide = u32::from_be_bytes(if far & 0x80 == 0 { [0; 4] } else { input.take() });
        let tcp = eth().ip(key.src, key.dst).tcp(key.src_port, key.dst_port);
        let tcp = tcp
            .seq(to.ack.wrapping_add(near as i8 as u32 & (far as u32 & 1).wrapping_neg()).wrapping_add(wide))
            .ack(
                to.seq
                    .wrapping_add(to.seq_len())
                    .wrapping_add(near as i8 as u32 & (far as u32 >> 1 & 1).wrapping_neg()),
            )
            .flags(TcpFlags(if flags & 0x40 == 0 { flags & 0x3f } else { TcpFlags::ACK | flags & 0x3f }))
            .window(if far & 4 == 0 { 0x2000 } else { u16::from(payload) });
        Some(finish(tcp, far & 8 != 0, payload, input))
    }

    /// Hands the frame to the worker, runs a turn, holds the laws, and remembers what the edge said.
    fn turn(&mut self, bytes: Vec<u8>) {
        if let Some(mut frame) = self.wire.allocate() {
            if frame.set_len(bytes.len()) {
                frame.bytes_mut().copy_from_slice(&bytes);
                frame.set_rx_meta(GOOD);
                drop(self.wire.inject(0, frame));
            }
        }
        self.worker.turn(self.now);
        if let Err(law) = laws::check(&self.worker, SESSIONS as usize) {
            panic!("{law}");
        }
        let hints = RxHints { ip: ChecksumState::Unknown, l4: ChecksumState::Unknown };
        while let Some(frame) = self.wire.take() {
            match parse(frame.bytes(), &hints) {
                Ok(Parsed::Tcp(segment)) => self.heard.push(segment),
                Ok(Parsed::Udp { .. } | Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. }) => {}
                Err(reason) => panic!("the edge sent a frame that its own parser drops: {reason:?}"),
            }
        }
        let over = self.heard.len().saturating_sub(HEARD_MAX);
        self.heard.drain(..over);
    }
}

/// Any bytes, with a header that makes them the edge's half of the time.
fn raw(input: &mut Input<'_>) -> Vec<u8> {
    let [len, ether_type] = input.take();
    let body: Vec<u8> = (0..usize::from(len)).map(|_| input.byte()).collect();
    let ether_type = [0x0800, 0x86dd, 0x0806, 0x8100][usize::from(ether_type) & 3];
    eth().dst(EDGE_MAC).raw(ether_type, &body)
}

/// A first SYN of one of a few clients to one of the lab's apps.
fn syn(input: &mut Input<'_>) -> Vec<u8> {
    let [client, app, switches, payload] = input.take();
    let port = LAB_APPS[usize::from(app) % LAB_APPS.len()].port;
    let ip = match switches & 1 {
        0 => eth().ip4(["10.0.0.7", "10.0.0.66"][usize::from(client >> 7)], EDGE_IPS[0]),
        _ => eth().ip6("2001:2:1::7", EDGE_IPS[1]),
    };
    let seq = if switches & 2 == 0 { u32::MAX - 3 } else { u32::from(payload) };
    let tcp = ip.tcp(1_024 + u16::from(client & 15), port).seq(seq).syn();
    finish(tcp, switches & 4 != 0, if switches & 8 == 0 { 0 } else { payload }, input)
}

/// Options of the fuzzer's choice, and a payload of up to a segment.
fn finish(tcp: Tcp, with_options: bool, payload: u8, input: &mut Input<'_>) -> Vec<u8> {
    let body = vec![payload; usize::from(payload & 0x3f) * 24];
    let tcp = tcp.payload(&body);
    if !with_options {
        return tcp.bytes();
    }
    let words = usize::from(input.byte() & 7);
    let options: Vec<u8> = (0..words * 4).map(|_| input.byte()).collect();
    tcp.raw_options(&options).bytes()
}
