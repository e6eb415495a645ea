//! The world of one script: a worker's sessions, two peers made of numbers, a virtual clock.

use crate::Form;
use crate::parse::{Peer, Step, Written, number, options, step};
use crate::wire::{build, read, same_options};
use byway::base::{Addr, AppSlot, DropReason, Endpoint, Epoch, Fate, Hop, Instant, Span, Whence, WorkerId};
use byway::flow::{EgressPool, SharePercents};
use byway::session::{
    Admission, Choice, Congestion, Net, NoChoice, OriginNews, OriginPlace, Passed, PathError, Sessions,
    Settings, SpliceHandshake, SynCookies, Tally,
};
use byway::table::{ConnectionLimits, ProxyProtocol};
use byway::telemetry::{Counter, Event, FirewallMatch, PageReader, PageSize, PageWriter, page};
use byway::wire::{
    FlowKey, IcmpErrorKind, Protocol, ProxyHeader, RxHints, TcpFlags, TcpSegment, Unreachable, sift,
};
use std::collections::VecDeque;

/// How much earlier than its line a frame may go out.
const SLACK_MS: u64 = 3;

/// What a used socket has seen.
const WILD: &str = "
+0 c> S seq=0 win=65535 <mss=1460,sackok,ws=14,ts=7:0>
+1 c> . seq=1 ack=1 win=3 <ts=8:*>
+1 o> S. seq=0 ack=1 win=65535 <mss=1000,sackok,ws=3,ts=9:0>
+1 c> P. seq=101 ack=1 len=10 win=3 <ts=9:*>
+1 o> . seq=1 ack=1 len=1000 win=500 <ts=9:0>
+1 o> . seq=1001 ack=1 len=1000 win=500 <ts=9:0>
+1 o> . seq=2001 ack=1 len=1000 win=500 <ts=9:0>
+1 c> . seq=1 ack=1 win=3 <ts=10:*,sack=1001:2001>
+1 c> . seq=1 ack=1 win=3 <ts=10:*,sack=1001:2001>
+1 c> . seq=1 ack=1 win=3 <ts=10:*,sack=1001:2001>
+1 c> P. seq=1 ack=1 len=5 win=0 <ts=11:*>
+1 o> F. seq=3001 ack=1 len=3 win=0 <ts=11:0>
+2000 c> . seq=6 ack=1 win=0 <ts=12:*>
+1 c> R seq=6
";

/// A frame that byway sent.
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) packet: Vec<u8>,
}

pub(super) struct FakeNet {
    now: Instant,
    room: usize,
    pub(super) mtu: usize,
    client: Addr,
    pub(super) to_client: VecDeque<Sent>,
    to_origin: VecDeque<Sent>,
    events: VecDeque<Event>,
    /// Origins to choose from, and whether none of them may be one.
    pub(super) origins: Vec<Endpoint>,
    forbidden: bool,
    no_route: bool,
    page: PageWriter,
}

impl Net for FakeNet {
    fn route(&mut self, _: Addr) -> Option<Hop> {
        (!self.no_route).then_some(Hop(1))
    }

    fn mtu(&self, _: Hop) -> usize {
        self.mtu
    }

    fn room(&mut self) -> usize {
        self.room
    }

    fn emit<R>(&mut self, _: Hop, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        assert!(self.room > 0, "a frame was sent without room");
        let mut packet = vec![0xee; len];
        let done = fill(&mut packet);
        let dst = if packet[0] >> 4 == 4 {
            Addr::v4(packet[16..20].try_into().expect("four bytes"))
        } else {
            Addr::v6(packet[24..40].try_into().expect("sixteen bytes"))
        };
        let sent = Sent { at: self.now, packet };
        if dst == self.client {
            self.to_client.push_back(sent)
        } else {
            self.to_origin.push_back(sent)
        }
        done
    }

    fn choose_origin(&mut self, _: AppSlot, _: u16, tried: Option<Endpoint>) -> Result<Choice, NoChoice> {
        let left = self.origins.iter().find(|origin| Some(**origin) != tried);
        match left {
            _ if self.forbidden => Err(NoChoice::Forbidden),
            Some(origin) => Ok(Choice { origin: *origin, place: OriginPlace::NONE, untracked: false }),
            None => Err(NoChoice::NoOther),
        }
    }

    fn origin_news(&mut self, _: OriginPlace, _: OriginNews) -> bool {
        false
    }

    fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn refused(&mut self, _: DropReason) {}

    fn page(&self) -> &PageWriter {
        &self.page
    }
}

/// One peer's view: its flow, its own ISN, byway's.
#[derive(Clone)]
pub struct Talk {
    pub key: FlowKey,
    pub isn: u32,
    pub byway_isn: Option<u32>,
    /// The letter of what this peer sends, and of what it gets.
    pub pattern: (u8, u8),
    /// The last timestamp that it got: what `*` echoes.
    pub stamp: u32,
    /// What byway itself says to this peer first.
    pub front: Vec<u8>,
}

pub struct World {
    pub(super) sessions: Sessions,
    pub(super) net: FakeNet,
    pub(super) now: Instant,
    talks: [Talk; 2],
    pub(super) admission: Admission,
    /// What its counters say, and said before the script began.
    told: (PageReader, Vec<u64>),
    v6: bool,
    /// Flows at rest before the script began.
    rested: (usize, usize),
}

/// The last value that a script sets for `name`.
fn value(pairs: &[(String, String)], name: &str) -> Option<i64> {
    let found = pairs.iter().rev().find(|(key, _)| key == name)?;
    Some(crate::parse::number(&found.1).expect("a number"))
}

fn settings(pairs: &[(String, String)], egress: Addr) -> Settings {
    let number = |name: &str, default: u64| value(pairs, name).map_or(default, |value| value as u64);
    let secs = |name: &str, default: u64| Span::from_secs(number(name, default));
    let mtu = number("mtu", 1500) as u16;
    Settings {
        sessions_max: number("sessions_max", 4) as u32,
        half_open_max: number("half_open_max", 4) as u32,
        syn_cookies: if number("cookies", 0) == 1 { SynCookies::Always } else { SynCookies::Off },
        spliced_max: number("spliced", 0) as u32,
        splice_handshake: match number("client_rtt", 0) {
            1 => SpliceHandshake::ClientRtt,
            _ => SpliceHandshake::Immediate,
        },
        splice_quiesce_after: Span::from_millis(number("quiesce_after_ms", 0)),
        parked_max: number("parked", 0) as u32,
        park_after: Span::from_millis(number("park_after_ms", 0)),
        time_wait_max: 16,
        rx_buffer_bytes: number("rx_buffer", 65_536) as usize,
        tx_buffer_bytes: number("tx_buffer", 65_536) as usize,
        window_shift: number("window_shift", 7) as u8,
        timestamps: number("timestamps", 1) == 1,
        congestion: if number("cubic", 0) == 1 { Congestion::Cubic } else { Congestion::None },
        port_mtus: vec![mtu],
        mss_max: value(pairs, "mss_max").map(|mss| mss as u16),
        connect_timeout: secs("connect_timeout", 10),
        half_open_timeout: secs("half_open_timeout", 10),
        idle_timeout: secs("idle_timeout", 86_400),
        fin_timeout: secs("fin_timeout", 60),
        keepalive: secs("keepalive", 300),
        user_timeout: secs("user_timeout", 120),
        time_wait: secs("time_wait", 60),
        removed_app_grace: secs("grace", 30),
        challenge_acks_per_s: number("challenge_acks", 1_000) as u32,
        shares: SharePercents::ALL,
        limits: ConnectionLimits::OFF,
        egress: EgressPool {
            ipv4: vec![egress],
            ipv6: vec![egress],
            ports: 1024..=number("last_port", 2_047) as u16,
            quarantine: Span::from_secs(60),
            quarantine_max: 64,
        },
        comes_home: None,
    }
}

fn proxy_protocol(pairs: &[(String, String)]) -> ProxyProtocol {
    match value(pairs, "proxy") {
        Some(1) => ProxyProtocol::V1,
        Some(2) => ProxyProtocol::V2,
        Some(_) | None => ProxyProtocol::Off,
    }
}

/// What the origin hears first.
fn front(kind: ProxyProtocol, header: &ProxyHeader) -> Vec<u8> {
    match kind {
        ProxyProtocol::Off | ProxyProtocol::Simple => Vec::new(),
        ProxyProtocol::V1 => header.emit_v1().expect("TCP").to_vec(),
        ProxyProtocol::V2 => header.emit_v2().to_vec(),
    }
}

/// What the table would say of the client.
fn admission(pairs: &[(String, String)]) -> Admission {
    Admission {
        app: AppSlot(3),
        account: byway::base::AccountSlot(0),
        limits: None,
        proxy_protocol: proxy_protocol(pairs),
        ip_firewall: true,
        firewall: FirewallMatch::Unknown,
        whence: Whence::UNKNOWN,
        epoch: Epoch(1),
        tls: None,
        offer: None,
        splice: value(pairs, "spliced").is_some(),
        client_hop: Hop(0),
    }
}

pub fn run(text: &str, v6: bool, form: Form) -> Result<(), String> {
    let mut pairs = form.pairs();
    let mut world = None;
    for (index, line) in text.lines().enumerate() {
        let at = |error: String| format!("line {}: {}\n    {error}", index + 1, line.trim());
        let Some(step) = step(line).map_err(at)? else { continue };
        if let Step::Set(more) = step {
            pairs.extend(more);
            continue;
        }
        let world = world.get_or_insert_with(|| match form {
            Form::Used => World::used(&pairs, v6),
            Form::Fresh | Form::Parked => World::new(&pairs, v6),
        });
        world.step(step).map_err(at)?;
    }
    world.ok_or("an empty script")?.no_more()
}

impl World {
    pub fn new(pairs: &[(String, String)], v6: bool) -> Self {
        let number = |name: &str, default: u64| value(pairs, name).map_or(default, |value| value as u64);
        let addr = |v4: [u8; 4], last: u16| {
            if v6 {
                let mut octets = [0; 16];
                octets[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
                octets[14..].copy_from_slice(&last.to_be_bytes());
                Addr::v6(octets)
            } else {
                Addr::v4(v4)
            }
        };
        let (client, edge) = (addr([203, 0, 113, 7], 7), addr([198, 51, 100, 10], 10));
        let (origin, egress) = (addr([192, 0, 2, 1], 1), addr([198, 18, 0, 10], 99));
        let (mtu, settings) = (number("mtu", 1500) as u16, settings(pairs, egress));
        let start = Instant::ZERO + Span::from_secs(number("start_s", 1_000));
        let (counted, told) = page(WorkerId(0), PageSize { apps: 4, rules: 0 });
        let key =
            |src, src_port, dst, dst_port| FlowKey { src, dst, src_port, dst_port, protocol: Protocol::Tcp };
        let (src, dst) = (Endpoint { addr: client, port: 40_000 }, Endpoint { addr: edge, port: 22 });
        let header = ProxyHeader { protocol: Protocol::Tcp, src, dst };
        Self {
            sessions: Sessions::new(settings, WorkerId(0), 1, &[42; 32], start),
            net: FakeNet {
                now: start,
                room: usize::MAX,
                mtu: mtu.into(),
                client,
                to_client: VecDeque::new(),
                to_origin: VecDeque::new(),
                events: VecDeque::new(),
                origins: (0..number("origins", 1) as u16)
                    .map(|port| Endpoint { addr: origin, port: 22 + port })
                    .collect(),
                forbidden: number("forbidden", 0) == 1,
                no_route: number("no_route", 0) == 1,
                page: counted,
            },
            now: start,
            talks: [
                Talk {
                    key: key(client, 40_000, edge, 22),
                    isn: number("client_isn", 5_000) as u32,
                    byway_isn: None,
                    stamp: 0,
                    pattern: (b'c', b'o'),
                    front: Vec::new(),
                },
                Talk {
                    key: key(origin, 22, egress, 0),
                    isn: number("origin_isn", 900_000) as u32,
                    byway_isn: None,
                    stamp: 0,
                    pattern: (b'o', b'c'),
                    front: front(proxy_protocol(pairs), &header),
                },
            ],
            admission: admission(pairs),
            told: (told, vec![0; Counter::ALL.len()]),
            v6,
            rested: (0, 0),
        }
    }

    /// A world whose only free sockets have been through a wild connection: holes, duplicate ACKs, a fast retransmit
    /// that was never sent, closed windows, options on both legs, and an abrupt end.
    fn used(pairs: &[(String, String)], v6: bool) -> Self {
        let mut world = Self::new(pairs, v6);
        let fresh = (world.talks.clone(), world.net.origins.clone());
        world.talks[0].key.src_port = 39_999;
        // At another origin, of whose options nothing is remembered.
        world.net.origins.iter_mut().for_each(|origin| origin.port += 1_000);
        for line in WILD.lines() {
            if let Ok(Some(Step::Send { after_ms, peer, segment, .. })) = step(line) {
                world.advance(after_ms).expect("time passes");
                world.send(peer, &segment).expect("a wild segment");
                world.learn();
            }
        }
        (world.talks, world.net.origins) = fresh;
        world.net.events.clear();
        world.rested = world.sessions.resting();
        world.told.1 = Counter::ALL.iter().map(|counter| world.told.0.counter(*counter)).collect();
        assert!(world.sessions.is_empty());
        world
    }

    /// Reads what byway sent for its numbers alone.
    pub fn learn(&mut self) {
        while let Some(sent) = self.net.to_client.pop_front() {
            let _ = read(&mut self.talks[0], &sent.packet);
        }
        while let Some(sent) = self.net.to_origin.pop_front() {
            let _ = read(&mut self.talks[1], &sent.packet);
        }
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Set(_) => Err("settings come first".into()),
            Step::Wait(ms) => self.advance(ms),
            Step::Connect { client, origin } => self.connect(&client, &origin),
            Step::Send { after_ms, peer, segment, drop } => {
                self.advance(after_ms)?;
                self.no_more()?;
                let fate = self.send(peer, &segment)?;
                check_fate(fate, drop.as_deref())
            }
            Step::Expect { after_ms, peer, segment } => {
                self.advance(after_ms)?;
                self.expect(peer, &segment)
            }
            Step::Icmp { after_ms, peer, mtu, seq, drop } => {
                self.advance(after_ms)?;
                self.no_more()?;
                let error = mtu.map_or(PathError::Unreachable, |mtu| PathError::TooBig { mtu });
                let talk = &self.talks[peer as usize];
                let (relative, seq) = (seq, talk.byway_isn.unwrap_or(0).wrapping_add(seq as u32));
                let kind = mtu.map_or(IcmpErrorKind::Unreachable(Unreachable::Host), |mtu| {
                    IcmpErrorKind::TooBig { mtu: mtu.into() }
                });
                if let Some(told) = self.sessions.path_news(&talk.key.reversed(), seq, kind) {
                    return self.told_on((peer, relative), told, (kind, drop.as_deref()));
                }
                let fate =
                    self.sessions.icmp_error(&talk.key.reversed(), seq, error, self.now, &mut self.net);
                self.sessions.service(self.now, &mut self.net);
                check_fate(fate, drop.as_deref())
            }
            Step::Event { kind, status } => {
                let event = self.net.events.pop_front().ok_or("no event came")?;
                let came = (event.kind.name(), event.status as u16);
                if came == (kind.as_str(), status) { Ok(()) } else { Err(format!("the event is {came:?}")) }
            }
            Step::Count { what, number } => {
                let count = match what.as_str() {
                    "sessions" => self.sessions.len(),
                    "half_open" => self.sessions.half_open(),
                    "spliced" => self.sessions.spliced(),
                    "parked" => self.sessions.parked(),
                    "time_wait" => self.sessions.resting().0 - self.rested.0,
                    _ => self.sessions.resting().1 - self.rested.1,
                };
                if count == number { Ok(()) } else { Err(format!("there are {count}")) }
            }
            Step::Counter { name, value } => {
                let counter = Counter::ALL.iter().find(|counter| format!("{counter:?}") == name);
                let counter = *counter.ok_or("no such counter")?;
                let count = self.told.0.counter(counter) - self.told.1[counter as usize];
                if count == value { Ok(()) } else { Err(format!("it is {count}")) }
            }
            Step::Again => {
                self.talks[0].key.src_port += 1;
                self.talks[1].key.dst_port = 0;
                self.talks.iter_mut().for_each(|talk| (talk.byway_isn, talk.stamp) = (None, 0));
                Ok(())
            }
            Step::Room(frames) => {
                self.net.room = frames;
                Ok(())
            }
        }
    }

    /// What the other side of a spliced session is told of a path: its own segment, by its own number.
    fn told_on(
        &self,
        (peer, seq): (Peer, i64),
        told: Result<byway::session::PathNews, DropReason>,
        (kind, drop): (IcmpErrorKind, Option<&str>),
    ) -> Result<(), String> {
        let other = &self.talks[1 - peer as usize];
        match told {
            Err(reason) => check_fate(Fate::Dropped(reason), drop),
            Ok(told) if drop.is_some() => Err(format!("{told:?} was told")),
            Ok(told) if told.kind != kind => Err(format!("{told:?} was told")),
            Ok(told) if told.key != other.key || told.segment.src != other.key.src_endpoint() => {
                Err(format!("{told:?} was told"))
            }
            Ok(told) if told.segment.seq != other.isn.wrapping_add(seq as u32) => {
                Err(format!("{told:?} was told"))
            }
            Ok(_) => Ok(()),
        }
    }

    /// Whether a peer can speak: the origin only once it was called.
    pub fn knows(&self, peer: Peer) -> bool {
        self.talks[peer as usize].key.dst_port != 0
    }

    /// Frames to be had from now on.
    pub fn net_room(&mut self, frames: usize) {
        self.net.room = frames;
    }

    /// Whether no session is left and no counter stands.
    pub fn is_at_rest(&self) -> bool {
        self.sessions.is_empty() && self.sessions.half_open() == 0
    }

    /// Lets time pass, a millisecond at a step; over stretches in which no timer can fire it jumps.
    pub fn advance(&mut self, ms: u64) -> Result<(), String> {
        let until = self.now + Span::from_millis(ms);
        while self.now < until {
            let idle = self.sessions.next_deadline().map_or(u64::MAX, |next| next.since(self.now).millis());
            let left = until.since(self.now).millis();
            self.now += Span::from_millis(idle.clamp(1, left));
            self.net.now = self.now;
            self.sessions.expire(self.now, &mut self.net);
            self.sessions.service(self.now, &mut self.net);
        }
        Ok(())
    }

    fn connect(&mut self, client: &str, origin: &str) -> Result<(), String> {
        let segment = |flags, seq, ack, list: &str| -> Result<Written, String> {
            let options = Some(options(list)?);
            Ok(Written { flags, seq, ack, win: Some(65_535), options, ..Written::default() })
        };
        let seen = |flags, seq, ack| Written { flags, seq, ack, ..Written::default() };
        self.send(Peer::Client, &segment(2, 0, None, client)?)?;
        self.expect(Peer::Client, &seen(0x12, 0, Some(1)))?;
        let shift = client.split(',').find_map(|option| option.strip_prefix("ws=")).map_or(Ok(0), number)?;
        let stamp = client.split(',').find(|option| option.starts_with("ts=")).unwrap_or_default();
        let mut ack = segment(0x10, 1, Some(1), stamp)?;
        ack.win = Some(65_535 >> shift);
        self.send(Peer::Client, &ack)?;
        self.expect(Peer::Origin, &seen(2, 0, None))?;
        self.send(Peer::Origin, &segment(0x12, 0, Some(1), origin)?)?;
        self.expect(Peer::Origin, &seen(0x10, 1, Some(1)))?;
        self.step(Step::Event { kind: "connect".into(), status: 0 })?;
        self.no_more()
    }

    /// What a worker does with a TCP segment.
    pub fn send(&mut self, peer: Peer, written: &Written) -> Result<Fate, String> {
        let talk = &self.talks[peer as usize];
        let mut frame = build(talk, written);
        let ip = if self.v6 { 40 } else { 20 };
        let payload_offset = (14 + ip + usize::from(frame[14 + ip + 12] >> 4) * 4) as u16;
        let word = |at: usize| {
            u32::from_be_bytes(frame[14 + ip + at..14 + ip + at + 4].try_into().expect("four bytes"))
        };
        let segment = TcpSegment {
            key: talk.key,
            ip_offset: 14,
            tcp_offset: 14 + ip as u16,
            payload_offset,
            ip_end: frame.len() as u16,
            seq: word(4),
            ack: word(8),
            window: word(12) as u16,
            flags: TcpFlags(written.flags & 0x3f),
            rss_hash: None,
        };
        let (sessions, net, now) = (&mut self.sessions, &mut self.net, self.now);
        let leg = sessions.find(&segment.key, sessions.hash(&segment.key));
        let spliced = leg.and_then(|leg| match sessions.is_spliced(leg) {
            true => Some(leg),
            false if sessions.wants_splice(leg) => sessions.splice_before(leg, &segment, now, net),
            false => None,
        });
        let fate = match leg {
            Some(_) if spliced.is_some() => {
                let leg = spliced.expect("it is");
                let when = (Epoch(1), now);
                // The quick road first, as a worker does.
                let quick = sift(&frame, &RxHints::default()).and_then(|fixed| {
                    let mut tally = Tally::ZERO;
                    let passed = sessions.pass_usual(leg, fixed, &mut frame, when, (&mut tally, net.page()));
                    tally.settle(net.page());
                    passed
                });
                let passed = quick.unwrap_or_else(|| sessions.pass(leg, &segment, &mut frame, when, net));
                if let Passed::On(_) | Passed::Closes(_) | Passed::Last(_) = passed {
                    byway::wire::parse(&frame, &RxHints::default())
                        .map_err(|reason| format!("what went on is {reason:?}"))?;
                    let sent = Sent { at: now, packet: frame[14..].to_vec() };
                    match peer {
                        Peer::Client => net.to_origin.push_back(sent),
                        Peer::Origin => net.to_client.push_back(sent),
                    }
                }
                match passed {
                    Passed::On(_) | Passed::Closes(_) => Fate::Sent,
                    Passed::Last(_) => {
                        sessions.splice_over(leg, now, net);
                        Fate::Sent
                    }
                    Passed::Dropped(reason) => Fate::Dropped(reason),
                    Passed::Odd => panic!("nobody looked at it"),
                }
            }
            Some(leg) => sessions.segment(leg, &segment, &mut frame, now, net),
            None => match sessions.unmatched(&segment, &frame, now, net) {
                Some(fate) => fate,
                None => self.admit(&segment, &mut frame),
            },
        };
        let (sessions, net) = (&mut self.sessions, &mut self.net);
        sessions.service(now, net);
        Ok(fate)
    }

    fn expect(&mut self, peer: Peer, written: &Written) -> Result<(), String> {
        let queue = match peer {
            Peer::Client => &mut self.net.to_client,
            Peer::Origin => &mut self.net.to_origin,
        };
        let sent = queue.pop_front().ok_or("nothing was sent")?;
        let early = self.now.since(sent.at).millis();
        let talk = &mut self.talks[peer as usize];
        let shown = read(talk, &sent.packet)?;
        let same = (shown.flags, shown.seq, shown.ack, shown.len)
            == (written.flags, written.seq, written.ack, written.len)
            && written.win.is_none_or(|win| shown.win == Some(win))
            && written.options.as_ref().is_none_or(|wanted| same_options(wanted, shown.options.as_deref()));
        if !same {
            return Err(format!("sent was {shown:?}"));
        }
        if early > SLACK_MS { Err(format!("it was sent {early} ms before")) } else { Ok(()) }
    }

    /// Every frame that was sent has been expected.
    fn no_more(&mut self) -> Result<(), String> {
        for (name, index) in [("client", 0), ("origin", 1)] {
            let queue = if index == 0 { &self.net.to_client } else { &self.net.to_origin };
            if let Some(sent) = queue.front() {
                let since = self.now.since(sent.at).millis();
                let shown = read(&mut self.talks[index], &sent.packet)?;
                return Err(format!("unexpected, {since} ms ago, to the {name}: {shown:?}"));
            }
        }
        match self.net.events.front() {
            Some(event) => Err(format!("unexpected event {} {}", event.kind.name(), event.status as u16)),
            None => Ok(()),
        }
    }
}

fn check_fate(fate: Fate, drop: Option<&str>) -> Result<(), String> {
    let name = match fate {
        Fate::Dropped(reason) => Some(reason.name()),
        Fate::Sent | Fate::Absorbed | Fate::HandedOver(_) => None,
    };
    if name == drop { Ok(()) } else { Err(format!("its fate is {fate:?}")) }
}
