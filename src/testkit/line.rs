//! One worker with apps of TLS, its crypto thread called by hand, and TCP ends that lose nothing: what a test or a fuzz
//! target says to it are bytes, and what it hears are bytes.
//!
//! Ends speak just enough TCP: they answer every segment in the same step, keep to the window and know no options.
//! Time is `now`, which a step moves by a millisecond; nothing here waits.

use super::edge::{Control, EDGE_IPS, EDGE_MAC, GATEWAY_MAC, LabApp, addr, edge, live_spec, settings};
use super::frames::{Tcp, eth};
use super::{laws, tls};
use crate::base::{Instant, Span};
use crate::port::mem::{MemOptions, MemPort, MemWire, link};
use crate::session::tls::{Crypto, CryptoSettings, crypto};
use crate::snapshot::LiveSpec;
use crate::table::TlsMode;
use crate::telemetry::{Counter, Event};
use crate::tls::Material;
use crate::wire::{ChecksumState, FlowKey, Parsed, Protocol, RxHints, TcpFlags, TcpSegment, parse};
use crate::worker::{Settings, Worker};
use rustls::Connection;
use std::collections::HashMap;
use std::io::{Read, Write};

/// Bytes of a segment that an end sends.
const SEGMENT_BYTES: usize = 1_200;
/// Segments of an end that may be under way.
const SEGMENTS_MAX: usize = 4;
/// Jobs that the crypto thread does in a step.
const JOBS_PER_STEP: usize = 64;
/// A step's share of time.
const STEP: Span = Span::from_millis(1);

/// What origins do with a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// They take the connection.
    Accept,
    /// They send RST.
    Refuse,
    /// They say nothing.
    Silence,
}

/// One end of a connection: a client's, or an origin's.
#[derive(Debug)]
pub struct End {
    /// As its own segments have it.
    key: FlowKey,
    /// Bytes received and not yet taken.
    pub heard: Vec<u8>,
    /// Whether the handshake is done.
    pub up: bool,
    /// Whether the edge sent FIN.
    pub closed: bool,
    /// Whether the edge sent RST.
    pub reset: bool,
    say: Vec<u8>,
    fin: bool,
    seq: u32,
    una: u32,
    ack: u32,
    window: usize,
}

/// The worker and all ends.
pub struct Line {
    /// The one clock.
    pub now: Instant,
    /// The worker under test.
    pub worker: Worker<MemPort>,
    /// Its control side.
    pub control: Control,
    /// What the apps are served with.
    pub material: Material,
    /// Whether the crypto thread works.
    pub crypto_works: bool,
    /// What origins do with a SYN.
    pub answer: Answer,
    /// Clients and origins, in the order of their first SYNs.
    pub ends: Vec<End>,
    crypto: Crypto,
    wire: MemWire,
    places: HashMap<FlowKey, usize>,
    /// Frames for the next step.
    out: Vec<Vec<u8>>,
}

/// The live spec of these apps, all of the zone `default`.
pub fn spec(apps: &[(LabApp, TlsMode)]) -> LiveSpec {
    let plain: Vec<LabApp> = apps.iter().map(|(app, _)| *app).collect();
    let mut spec = live_spec(&plain, &[]);
    for (app, (_, mode)) in spec.accounts[0].zones[0].apps.iter_mut().zip(apps) {
        app.tls = *mode;
    }
    spec
}

/// Settings of the crypto threads that no test meets by chance.
pub const CRYPTO: CryptoSettings = CryptoSettings { jobs_max: 64, handshake_timeout: Span::from_secs(10) };

impl Line {
    /// A worker that serves `spec`.
    ///
    /// # Panics
    /// Never: its texts are constants.
    pub fn new(spec: &LiveSpec, config: impl FnOnce(&mut Settings), terms: CryptoSettings) -> Self {
        let mut settings = settings(1);
        let gateways = ["198.18.0.2", "2001:2:0:1::2"].map(|text| text.parse().expect("an address"));
        settings.ports[0].static_neighbors = gateways.map(|gateway| (gateway, GATEWAY_MAC)).to_vec();
        config(&mut settings);
        let options = MemOptions { mac: EDGE_MAC, frames: 4_096, ring_slots: 2_048, ..MemOptions::default() };
        let (wire, ports) = link(options);
        let (mut workers, control) = edge(&settings, vec![ports], spec);
        let (crypto, mut lanes) = crypto(1, terms);
        let mut line = Self {
            now: Instant::ZERO,
            worker: workers.remove(0).with_crypto(lanes.remove(0)),
            control,
            material: tls::material(&[tls::EDGE]),
            crypto_works: true,
            answer: Answer::Accept,
            ends: Vec::new(),
            crypto,
            wire,
            places: HashMap::new(),
            out: Vec::new(),
        };
        line.publish(spec);
        line.run(3);
        line
    }

    /// Puts a table in force, as a reload does.
    ///
    /// # Panics
    /// When a limit is in the way.
    pub fn publish(&mut self, spec: &LiveSpec) {
        let compiled = self.control.compiler.compile_with(spec, Some(&self.material));
        let compiled = compiled.expect("within the limits");
        self.control.publisher.publish(compiled.snapshot.clone());
        self.control.compiler.commit(&compiled);
    }

    /// A client calls the edge at this port; its place among the ends.
    pub fn call(&mut self, edge_port: u16) -> usize {
        let number = self.ends.len() as u16;
        let key = FlowKey {
            src: addr(&format!("10.0.{}.{}", number >> 8, number & 255)),
            dst: addr(EDGE_IPS[0]),
            src_port: 40_000 + number % 20_000,
            dst_port: edge_port,
            protocol: Protocol::Tcp,
        };
        let place = self.enter(End::new(key, u32::from(number)));
        let syn = self.ends[place].segment().flags(TcpFlags(TcpFlags::SYN));
        self.ends[place].seq = self.ends[place].seq.wrapping_add(1);
        self.out.push(syn.bytes());
        place
    }

    /// The origin's end that was called last.
    pub fn origin(&self) -> Option<usize> {
        self.ends.iter().rposition(|end| end.key.dst != addr(EDGE_IPS[0]))
    }

    /// Says bytes, as fast as the window allows.
    pub fn say(&mut self, end: usize, bytes: &[u8]) {
        self.ends[end].say.extend_from_slice(bytes);
    }

    /// Sends FIN after what is still to be said.
    pub fn close(&mut self, end: usize) {
        self.ends[end].fin = true;
    }

    /// Sends RST.
    pub fn abort(&mut self, end: usize) {
        let reset = self.ends[end].segment().flags(TcpFlags(TcpFlags::RST | TcpFlags::ACK));
        self.out.push(reset.bytes());
    }

    /// One step after a pause.
    pub fn after(&mut self, pause: Span) {
        self.now += pause;
        self.step();
    }

    /// This many steps.
    pub fn run(&mut self, steps: usize) {
        (0..steps).for_each(|_| self.step());
    }

    /// Everybody says what can be said, the worker and the crypto thread have a turn, and everybody hears.
    ///
    /// # Panics
    /// When the worker breaks a law, or sends what its own parser drops.
    pub fn step(&mut self) {
        let said = self.ends.iter_mut().flat_map(End::segments);
        let frames: Vec<_> = self.out.drain(..).chain(said).collect();
        for frame in frames {
            self.wire.send(&frame);
        }
        self.worker.turn(self.now);
        laws::check(&self.worker, usize::MAX).unwrap_or_else(|law| panic!("{law}"));
        if self.crypto_works {
            self.crypto.turn(self.now, JOBS_PER_STEP);
        }
        while let Some(frame) = self.wire.receive() {
            self.hear(&frame);
        }
        self.now += STEP;
    }

    /// Events told since the last time.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.control.mails[0].event()).collect()
    }

    /// What a counter says.
    pub fn count(&self, counter: Counter) -> u64 {
        self.control.pages[0].counter(counter)
    }

    fn enter(&mut self, end: End) -> usize {
        self.places.insert(end.key, self.ends.len());
        self.ends.push(end);
        self.ends.len() - 1
    }

    fn hear(&mut self, frame: &[u8]) {
        let hints = RxHints { ip: ChecksumState::Unknown, l4: ChecksumState::Unknown };
        let segment = match parse(frame, &hints) {
            Ok(Parsed::Tcp(segment)) => segment,
            Ok(Parsed::Udp { .. } | Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. }) => return,
            Err(reason) => panic!("the edge sent a frame that its own parser drops: {reason:?}"),
        };
        let payload = &frame[usize::from(segment.payload_offset)..usize::from(segment.ip_end)];
        let key = segment.key.reversed();
        if segment.flags.is_first_syn() && !self.places.contains_key(&key) {
            self.hear_call(key, &segment);
        } else if let Some(place) = self.places.get(&key) {
            self.out.extend(self.ends[*place].hear(&segment, payload));
        }
    }

    fn hear_call(&mut self, key: FlowKey, syn: &TcpSegment) {
        let mut end = End::new(key, 7);
        end.ack = syn.seq.wrapping_add(1);
        let flags = match self.answer {
            Answer::Accept => TcpFlags::SYN | TcpFlags::ACK,
            Answer::Refuse => TcpFlags::RST | TcpFlags::ACK,
            Answer::Silence => return,
        };
        self.out.push(end.segment().flags(TcpFlags(flags)).bytes());
        if self.answer == Answer::Accept {
            end.seq = end.seq.wrapping_add(1);
            end.up = true;
            self.enter(end);
        }
    }
}

impl End {
    fn new(key: FlowKey, seq: u32) -> Self {
        let (heard, say) = (Vec::new(), Vec::new());
        let seq = seq.wrapping_mul(0x9e37_79b9);
        Self {
            key,
            heard,
            up: false,
            closed: false,
            reset: false,
            say,
            fin: false,
            seq,
            una: seq,
            ack: 0,
            window: 0,
        }
    }

    fn segment(&self) -> Tcp {
        let ip = eth().src(GATEWAY_MAC).dst(EDGE_MAC).ip(self.key.src, self.key.dst);
        ip.tcp(self.key.src_port, self.key.dst_port).seq(self.seq).ack(self.ack).window(u16::MAX)
    }

    /// The segments that the window allows, FIN behind the last byte.
    fn segments(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while self.up && !self.reset && !self.say.is_empty() {
            let flight = self.seq.wrapping_sub(self.una) as usize;
            let room = self.window.min(SEGMENTS_MAX * SEGMENT_BYTES).saturating_sub(flight);
            let run = self.say.len().min(room).min(SEGMENT_BYTES);
            if run == 0 {
                return frames;
            }
            let payload: Vec<u8> = self.say.drain(..run).collect();
            frames.push(self.segment().psh().payload(&payload).bytes());
            self.seq = self.seq.wrapping_add(run as u32);
        }
        if self.up && !self.reset && std::mem::take(&mut self.fin) {
            frames.push(self.segment().fin().bytes());
            self.seq = self.seq.wrapping_add(1);
        }
        frames
    }

    /// Takes a segment; the acknowledgement that it asks for.
    fn hear(&mut self, segment: &TcpSegment, payload: &[u8]) -> Option<Vec<u8>> {
        if segment.flags.has(TcpFlags::RST) {
            self.reset = true;
            return None;
        }
        if segment.flags.has(TcpFlags::SYN | TcpFlags::ACK) && !self.up {
            self.ack = segment.seq;
            self.up = true;
        }
        self.una = segment.ack;
        self.window = usize::from(segment.window);
        if segment.seq_len() == 0 {
            return None;
        }
        if segment.seq == self.ack {
            self.heard.extend_from_slice(payload);
            self.closed |= segment.flags.has(TcpFlags::FIN);
            self.ack = self.ack.wrapping_add(segment.seq_len());
        }
        Some(self.segment().bytes())
    }
}

/// A TLS stack of rustls' own on an end.
pub struct Stack {
    /// The end that it speaks over.
    pub end: usize,
    /// The stack.
    pub tls: Connection,
    /// Plaintext that it heard.
    pub heard: Vec<u8>,
    /// What it holds against what it heard, if anything.
    pub fault: Option<rustls::Error>,
}

impl Stack {
    /// `tls` over the end at this place.
    pub fn new(end: usize, tls: impl Into<Connection>) -> Self {
        Self { end, tls: tls.into(), heard: Vec::new(), fault: None }
    }

    /// Hears what came; what it wants to say in turn.
    pub fn answer(&mut self, line: &mut Line) -> Vec<u8> {
        let came = std::mem::take(&mut line.ends[self.end].heard);
        let mut rest = &came[..];
        while !rest.is_empty() && self.fault.is_none() {
            match self.tls.read_tls(&mut rest) {
                Ok(0) | Err(_) => break,
                Ok(_) => self.fault = self.tls.process_new_packets().err(),
            }
            let _ = self.tls.reader().read_to_end(&mut self.heard);
        }
        let mut said = Vec::new();
        while self.tls.wants_write() {
            // Writing into memory does not fail.
            let _ = self.tls.write_tls(&mut said);
        }
        said
    }

    /// Hears what came, and says what it wants to say.
    pub fn talk(&mut self, line: &mut Line) {
        let said = self.answer(line);
        line.say(self.end, &said);
    }

    /// Hands plaintext to the stack, as much as it takes.
    pub fn say(&mut self, plain: &[u8]) -> usize {
        self.tls.writer().write(plain).unwrap_or(0)
    }
}
