//! A client, an origin and the worker between them, frame by frame: each host in its own numbers, and what the other one is
//! to get of what it sends, byte for byte.

use crate::bench::Bench;
use byway::base::{DropReason, Span};
use byway::port::RxMeta;
use byway::telemetry::{Counter, Gauge};
use byway::testkit::edge::{EDGE_IPS, EDGE_MAC, GATEWAY_MAC, LAB_APPS, LabApp, addr};
use byway::testkit::frames::{Ip, Tcp, eth};
use byway::testkit::laws;
use byway::wire::{
    FlowKey, IcmpErrorKind, IcmpMessage, Parsed, Quoted, RxHints, TcpFlags, TcpSegment, parse,
};

/// The two sides, as indices.
pub const CLIENT: usize = 0;
pub const ORIGIN: usize = 1;
/// Hosts of IPv4 and of IPv6, by family.
pub const CLIENTS: [&str; 2] = ["10.0.0.7", "2001:2:1::7"];
/// Initial sequence numbers of client and origin; the origin's wrap within the first bytes.
const ISNS: [u32; 2] = [1_000, u32::MAX - 3];
/// What both clocks say at first; the origin's wraps soon.
const STAMPS: [u32; 2] = [7_000, u32::MAX];
/// Options of a SYN: MSS, and selective acknowledgements known.
pub const USUAL: [u8; 8] = [2, 4, 5, 180, 1, 1, 4, 2];

/// The app whose origin is of a family; port 80 leads to IPv4, 81 to IPv6.
pub const fn app(family: usize) -> LabApp {
    LAB_APPS[family]
}

/// Room for a few spliced sessions.
pub fn splices(settings: &mut byway::worker::Settings) {
    settings.session.spliced_max = 8;
}

/// One end of a session, as its host sees it.
#[derive(Clone, Copy)]
pub struct End {
    /// As its frames arrive at the edge.
    pub key: FlowKey,
    /// The next number that it sends, and the next that it waits for.
    pub seq: u32,
    pub ack: u32,
    /// Its clock, where timestamps are in use.
    stamp: u32,
    /// What is added to it on the way.
    stamp_add: u32,
}

/// Two hosts and their session.
pub struct Pair {
    pub bench: Bench,
    pub ends: [End; 2],
    stamped: bool,
}

impl Pair {
    /// A session over one family that is spliced at once.
    pub fn spliced(family: usize, app: LabApp, stamped: bool) -> Self {
        Self::spliced_with(&USUAL, family, app, stamped)
    }

    /// The same where both sides say these options first.
    pub fn spliced_with(options: &[u8], family: usize, app: LabApp, stamped: bool) -> Self {
        let bench = Bench::new(splices, &[app], &[]);
        let client = (family, CLIENTS[family], 4_000);
        let mut pair = Self::call_with(options, bench, client, app.port, stamped);
        pair.accept(options);
        assert_eq!(pair.gauge(Gauge::SplicedSessions), 1);
        if stamped {
            pair.learn_clocks();
        }
        pair
    }

    /// A client that has shaken hands, and an origin that was called.
    pub fn call(bench: Bench, client: (usize, &str, u16), port: u16, stamped: bool) -> Self {
        Self::call_with(&USUAL, bench, client, port, stamped)
    }

    fn call_with(options: &[u8], bench: Bench, client: (usize, &str, u16), port: u16, stamped: bool) -> Self {
        let (family, from, from_port) = client;
        let (src, dst) = (addr(from), addr(EDGE_IPS[family]));
        let ends = [CLIENT, ORIGIN].map(|side| End {
            key: FlowKey {
                src,
                dst,
                src_port: from_port,
                dst_port: port,
                protocol: byway::wire::Protocol::Tcp,
            },
            seq: ISNS[side],
            ack: 0,
            stamp: STAMPS[side],
            stamp_add: 0,
        });
        let mut pair = Self { bench, ends, stamped };
        let syn =
            pair.bare(CLIENT).flags(TcpFlags(TcpFlags::SYN)).raw_options(&pair.opening(CLIENT, options));
        let answer = pair.one(&syn.bytes());
        pair.ends[CLIENT].seq += 1;
        pair.ends[CLIENT].ack = answer.seq.wrapping_add(1);
        let call = pair.one(&pair.segment(CLIENT).bytes());
        assert!(call.flags.is_first_syn());
        pair.ends[ORIGIN].key = call.key.reversed();
        pair.ends[ORIGIN].ack = call.seq.wrapping_add(1);
        pair
    }

    /// The origin takes the call with these options, and its timestamps.
    pub fn accept(&mut self, options: &[u8]) -> Vec<Vec<u8>> {
        let options = self.opening(ORIGIN, options);
        let answer = self.bare(ORIGIN).flags(TcpFlags(TcpFlags::SYN | TcpFlags::ACK)).raw_options(&options);
        let out = self.turn(Some(&answer.bytes()));
        self.ends[ORIGIN].seq = self.ends[ORIGIN].seq.wrapping_add(1);
        out
    }

    /// Puts a frame in front of the worker and lets it turn once; the frames that come out.
    pub fn turn(&mut self, frame: Option<&[u8]>) -> Vec<Vec<u8>> {
        if let Some(frame) = frame {
            self.bench.inject(frame, RxMeta::default());
        }
        self.bench.now += Span::from_millis(1);
        self.bench.worker.turn(self.bench.now);
        laws::check(&self.bench.worker, usize::MAX).expect("the laws hold");
        std::iter::from_fn(|| self.bench.wire.receive()).map(|frame| frame.to_vec()).collect()
    }

    /// The same, for exactly one segment that comes out.
    pub fn one(&mut self, frame: &[u8]) -> TcpSegment {
        let out = self.turn(Some(frame));
        let [frame] = out.as_slice() else { panic!("{} frames", out.len()) };
        segment_of(frame)
    }

    /// A segment in a side's own numbers, without payload; `ip` may change what is below.
    pub fn segment_by(&self, side: usize, ip: impl Fn(Ip) -> Ip) -> Tcp {
        let End { key, seq, ack, .. } = self.ends[side];
        let tcp = ip(eth().ip(key.src, key.dst)).tcp(key.src_port, key.dst_port).seq(seq).ack(ack);
        tcp.window(8_192).raw_options(&self.stamps(side, 0))
    }

    /// The same without a change.
    pub fn segment(&self, side: usize) -> Tcp {
        self.segment_by(side, |ip| ip)
    }

    /// What the other side is to get of it.
    pub fn arriving_by(&self, side: usize, ip: impl Fn(Ip) -> Ip) -> Tcp {
        let End { key, seq, ack, .. } = self.ends[1 - side];
        let ip = ip(eth().src(EDGE_MAC).dst(GATEWAY_MAC).ip(key.dst, key.src).hops(63));
        let tcp = ip.tcp(key.dst_port, key.src_port).seq(ack).ack(seq);
        tcp.window(8_192).raw_options(&self.stamps(side, 1))
    }

    /// Sends payload and sees it go on, byte for byte.
    pub fn say(&mut self, side: usize, payload: &[u8]) {
        let sent = self.segment(side).psh().payload(payload).bytes();
        let expected = self.arriving_by(side, |ip| ip).psh().payload(payload).bytes();
        assert_eq!(self.turn(Some(&sent)), [expected]);
        self.said(side, payload.len());
    }

    /// Sends a bare acknowledgement of all that came.
    pub fn acknowledge(&mut self, side: usize) {
        self.say(side, b"");
    }

    /// Takes note of bytes that went on.
    pub fn said(&mut self, side: usize, len: usize) {
        self.ends[side].seq = self.ends[side].seq.wrapping_add(len as u32);
        self.ends[1 - side].ack = self.ends[1 - side].ack.wrapping_add(len as u32);
        self.ends[side].stamp = self.ends[side].stamp.wrapping_add(1);
    }

    pub fn drops(&self, reason: DropReason) -> u64 {
        self.bench.control.pages[0].dropped(reason)
    }

    pub fn counted(&self, counter: Counter) -> u64 {
        self.bench.control.pages[0].counter(counter)
    }

    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.bench.control.pages[0].gauge(gauge)
    }

    fn bare(&self, side: usize) -> Tcp {
        self.segment(side).raw_options(&[])
    }

    fn opening(&self, side: usize, options: &[u8]) -> Vec<u8> {
        [options, &self.stamps(side, 0)].concat()
    }

    /// The timestamps of a side's next segment, as it sends them or (`hops` 1) as they arrive: each host hears its own clock
    /// back as it was.
    fn stamps(&self, side: usize, hops: usize) -> Vec<u8> {
        if !self.stamped {
            return Vec::new();
        }
        let (own, other) = (&self.ends[side], &self.ends[1 - side]);
        let fields = match hops {
            0 => [own.stamp, other.stamp.wrapping_add(other.stamp_add)],
            _ => [own.stamp.wrapping_add(own.stamp_add), other.stamp],
        };
        [&[1, 1, 8, 10], &fields.map(u32::to_be_bytes).concat()[..]].concat()
    }

    /// What is added to each clock shows in a first segment of either side.
    fn learn_clocks(&mut self) {
        for side in [CLIENT, ORIGIN] {
            let sent = self.segment(side).bytes();
            let out = self.turn(Some(&sent));
            let (start, _) = segment_of(&out[0]).options();
            let value = out[0][start + 4..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            self.ends[side].stamp_add = value.expect("a stamp").wrapping_sub(self.ends[side].stamp);
            self.ends[side].stamp = self.ends[side].stamp.wrapping_add(1);
        }
    }
}

/// The segment of a sound frame.
pub fn segment_of(frame: &[u8]) -> TcpSegment {
    match parse(frame, &RxHints::default()) {
        Ok(Parsed::Tcp(segment)) => segment,
        other => panic!("{other:?}"),
    }
}

/// An ICMP error: from whom, to whom, what it says and quotes.
pub fn error_of(frame: &[u8]) -> (String, String, IcmpErrorKind, Quoted) {
    let Ok(Parsed::Icmp { src, dst, icmp_offset, ip_end, .. }) = parse(frame, &RxHints::default()) else {
        panic!("no ICMP")
    };
    let message = &frame[usize::from(icmp_offset)..usize::from(ip_end)];
    match IcmpMessage::parse(message, byway::wire::Family::of(dst)) {
        Ok(IcmpMessage::Error { kind, quoted }) => (src.to_string(), dst.to_string(), kind, quoted),
        other => panic!("{other:?}"),
    }
}
