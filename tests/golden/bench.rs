//! What a golden row is, and how it is held against a worker.

use byway::base::{Addr, DropReason, Instant, RuleSlot, Span};
use byway::port::mem::{MemOptions, MemPort, MemWire, link};
use byway::port::{Frame, RxMeta};
use byway::telemetry::{AppCounter, Counter, Event, PageReader};
use byway::testkit::edge::{Control, EDGE_MAC, GATEWAY_MAC, LAB_APPS, LabApp, edge, live_spec, settings};
use byway::testkit::laws;
use byway::testkit::pretty::pretty;
use byway::worker::{Settings, Worker};

/// A number that a row expects to move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// A counter.
    Count(Counter),
    /// A received frame dropped.
    Drop(DropReason),
    /// A refusal that is no received frame's fate.
    Refuse(DropReason),
    /// A counter of app 0.
    App(AppCounter),
    /// The hits of rule 0.
    Rule,
    /// Events told.
    Event,
}

/// One sentence and its proof.
pub struct Row {
    pub says: &'static str,
    pub config: fn(&mut Settings),
    pub apps: &'static [LabApp],
    pub blocked: Option<Addr>,
    pub frames: Vec<(Vec<u8>, RxMeta)>,
    /// The frames that come out, a line each as `pretty` tells them.
    pub out: Vec<&'static str>,
    /// All numbers that move, beside turns, bytes, and frames received and sent.
    pub moved: Vec<(Moved, u64)>,
}

/// A row about these frames; config, tables and expectations are the laboratory's until said otherwise.
pub fn row(says: &'static str, frames: Vec<Vec<u8>>) -> Row {
    let frames = frames.into_iter().map(|frame| (frame, RxMeta::default())).collect();
    Row { says, config: |_| {}, apps: &LAB_APPS, blocked: None, frames, out: vec![], moved: vec![] }
}

impl Row {
    pub fn config(self, config: fn(&mut Settings)) -> Self {
        Self { config, ..self }
    }

    pub fn apps(self, apps: &'static [LabApp]) -> Self {
        Self { apps, ..self }
    }

    pub fn blocks(self, blocked: Addr) -> Self {
        Self { blocked: Some(blocked), ..self }
    }

    pub fn meta(mut self, meta: RxMeta) -> Self {
        self.frames.iter_mut().for_each(|frame| frame.1 = meta);
        self
    }

    pub fn out(self, out: &[&'static str]) -> Self {
        Self { out: out.to_vec(), ..self }
    }

    pub fn drops(mut self, reason: DropReason) -> Self {
        self.moved.push((Moved::Drop(reason), 1));
        self
    }

    pub fn moves(mut self, moved: Moved, by: u64) -> Self {
        self.moved.push((moved, by));
        self
    }

    pub fn counts(self, counter: Counter) -> Self {
        self.moves(Moved::Count(counter), 1)
    }

    /// Runs the row; what differs from what it says, if anything does.
    pub fn run(&self) -> Option<String> {
        let mut bench = Bench::new(self.config, self.apps, self.blocked.as_slice());
        let before = bench.numbers();
        for (frame, meta) in &self.frames {
            bench.inject(frame, *meta);
        }
        let (out, events) = bench.turns();
        let mut expected = before;
        expected.add(Moved::Count(Counter::ReceivedFrames), self.frames.len() as u64);
        expected.add(Moved::Count(Counter::SentFrames), self.out.len() as u64);
        self.moved.iter().for_each(|(moved, by)| expected.add(*moved, *by));
        let told: u64 = self.moved.iter().map(|(moved, by)| matches!(moved, Moved::Event) as u64 * by).sum();
        let moved = bench.numbers().differences(&expected);
        let same = out == self.out && moved.is_empty() && events.len() as u64 == told;
        (!same).then(|| {
            format!("{}:\n  out {out:#?}\n  moved unlike expected {moved:?}\n  events {events:?}", self.says)
        })
    }
}

/// A worker on a port in memory whose start is over: announcements made, gateways known.
pub struct Bench {
    pub now: Instant,
    pub wire: MemWire,
    pub worker: Worker<MemPort>,
    pub control: Control,
}

impl Bench {
    pub fn new(config: impl FnOnce(&mut Settings), apps: &[LabApp], blocked: &[Addr]) -> Self {
        let mut settings = settings(1);
        let gateways = ["198.18.0.2", "2001:2:0:1::2"].map(|text| text.parse().expect("an address"));
        settings.ports[0].static_neighbors = gateways.map(|gateway| (gateway, GATEWAY_MAC)).to_vec();
        config(&mut settings);
        let (wire, ports) = link(MemOptions { mac: EDGE_MAC, ..MemOptions::default() });
        let (mut workers, control) = edge(&settings, vec![ports], &live_spec(apps, blocked));
        let worker = workers.remove(0);
        let mut bench = Self { now: Instant::ZERO, wire, worker, control };
        for _ in 0..5 {
            bench.turns();
        }
        bench
    }

    pub fn inject(&mut self, frame: &[u8], meta: RxMeta) {
        let mut copy = self.wire.allocate().expect("a buffer");
        assert!(copy.set_len(frame.len()), "the frame fits a buffer");
        copy.bytes_mut().copy_from_slice(frame);
        copy.set_rx_meta(meta);
        assert!(self.wire.inject(0, copy).is_ok(), "the ring has room");
    }

    /// Two turns a second from now: the frames and events that come out.
    pub fn turns(&mut self) -> (Vec<String>, Vec<Event>) {
        self.now += Span::from_secs(1);
        for _ in 0..2 {
            self.worker.turn(self.now);
            laws::check(&self.worker, usize::MAX).expect("the laws hold");
        }
        let frames = std::iter::from_fn(|| self.wire.receive()).map(|frame| pretty(&frame)).collect();
        let events = std::iter::from_fn(|| self.control.mails[0].event()).collect();
        (frames, events)
    }

    fn numbers(&self) -> Numbers {
        Numbers::of(&self.control.pages[0])
    }
}

/// Every number of a page.
#[derive(Clone, PartialEq, Eq)]
struct Numbers(Vec<(Moved, u64)>);

impl Numbers {
    fn of(page: &PageReader) -> Self {
        let ever = [Counter::Turns, Counter::IdleTurns, Counter::ReceivedBytes, Counter::SentBytes];
        let counters = Counter::ALL.iter().filter(|counter| !ever.contains(counter));
        let mut list: Vec<_> =
            counters.map(|counter| (Moved::Count(*counter), page.counter(*counter))).collect();
        for reason in DropReason::ALL {
            list.push((Moved::Drop(*reason), page.dropped(*reason)));
            list.push((Moved::Refuse(*reason), page.refused(*reason)));
        }
        let app = byway::base::AppSlot(0);
        list.extend(AppCounter::ALL.iter().map(|counter| (Moved::App(*counter), page.app(app, *counter))));
        list.push((Moved::Rule, page.rule_hits(RuleSlot(0))));
        Self(list)
    }

    fn add(&mut self, moved: Moved, by: u64) {
        if let Some(number) = self.0.iter_mut().find(|(known, _)| *known == moved) {
            number.1 += by;
        }
    }

    fn differences(&self, expected: &Self) -> Vec<String> {
        let pairs = self.0.iter().zip(&expected.0).filter(|(is, should)| is.1 != should.1);
        pairs.map(|(is, should)| format!("{:?} is {} and should be {}", is.0, is.1, should.1)).collect()
    }
}
