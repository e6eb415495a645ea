//! Active probes: what a worker says to an origin, and what it makes of the answers.

use crate::bench::Bench;
use byway::base::{DropReason, Endpoint, ProbeOrder, ProbeOutcome, Span};
use byway::port::RxMeta;
use byway::snapshot::Command;
use byway::telemetry::Counter;
use byway::testkit::edge::{LAB_APPS, addr};
use byway::testkit::frames::{Tcp, eth};
use byway::wire::{Parsed, RxHints, TcpFlags, TcpSegment, parse};

struct Trial {
    bench: Bench,
    origin: Endpoint,
    syn: TcpSegment,
}

impl Trial {
    /// A probe whose SYN is out.
    fn begin(origin: &str, proxy_v2: bool) -> Self {
        let mut bench = Bench::new(|_| {}, &LAB_APPS, &[]);
        let origin = Endpoint { addr: addr(origin), port: 8080 };
        let order = ProbeOrder { id: 7, origin, proxy_v2, timeout: Span::from_secs(4) };
        bench.control.mails[0].send(Command::Probe(order)).expect("room");
        bench.worker.turn(bench.now);
        let syn = frames(&mut bench).pop().expect("a SYN").0;
        assert!(syn.flags.is_first_syn() && syn.key.dst_endpoint() == origin);
        Self { bench, origin, syn }
    }

    /// A segment from the origin, to be completed.
    fn as_origin(&self) -> Tcp {
        let (ours, origin) = (self.syn.key.src_endpoint(), self.origin);
        eth().ip(origin.addr, ours.addr).tcp(origin.port, ours.port)
    }

    /// What byway answers to a frame, with the bytes of payload.
    fn answer(&mut self, frame: &[u8]) -> Vec<(TcpSegment, Vec<u8>)> {
        self.bench.inject(frame, RxMeta::default());
        self.bench.worker.turn(self.bench.now);
        frames(&mut self.bench)
    }

    fn outcome(&self) -> Option<ProbeOutcome> {
        let told = self.bench.control.mails[0].probed();
        told.map(|(id, outcome)| {
            assert_eq!(id, 7);
            outcome
        })
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.bench.control.pages[0].counter(counter)
    }

    fn take_call(&mut self) -> Vec<(TcpSegment, Vec<u8>)> {
        let syn_ack = self.as_origin().seq(100).ack(self.syn.seq.wrapping_add(1)).syn().bytes();
        self.answer(&syn_ack)
    }
}

fn frames(bench: &mut Bench) -> Vec<(TcpSegment, Vec<u8>)> {
    let all = std::iter::from_fn(|| bench.wire.receive());
    all.filter_map(|frame| match parse(&frame, &RxHints::default()) {
        Ok(Parsed::Tcp(segment)) => {
            let payload = usize::from(segment.payload_offset)..usize::from(segment.ip_end);
            Some((segment, frame[payload].to_vec()))
        }
        _ => None,
    })
    .collect()
}

#[test]
fn an_origin_that_answers_is_left_at_once_and_hears_who_is_not_there_where_it_expects_v2() {
    for origin in ["192.0.2.1", "2001:2:2::1"] {
        for (proxy_v2, header) in [(false, &b""[..]), (true, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")] {
            let mut trial = Trial::begin(origin, proxy_v2);
            let out = trial.take_call();
            let (fin, payload) = &out[0];
            assert!(fin.flags.has(TcpFlags::FIN) && fin.flags.has(TcpFlags::ACK) && fin.ack == 101);
            assert_eq!((out.len(), payload.as_slice()), (1, header));
            assert!(matches!(trial.outcome(), Some(ProbeOutcome::Connected(_))));
            let end = fin.seq.wrapping_add(1 + header.len() as u32);
            let acked = trial.as_origin().seq(101).ack(end).bytes();
            assert!(trial.answer(&acked).is_empty());
            let closes = trial.as_origin().seq(101).ack(end).fin().bytes();
            let last = trial.answer(&closes).remove(0).0;
            assert_eq!((last.flags.0, last.seq, last.ack), (TcpFlags::ACK, end, 102));
            assert!(trial.answer(&closes)[0].0.flags.has(TcpFlags::RST), "the tuple is nobody's any more");
            assert_eq!((trial.outcome(), trial.counted(Counter::ProbesConnected)), (None, 1));
        }
    }
}

#[test]
fn an_origin_that_greets_or_stays_is_reset() {
    let mut trial = Trial::begin("192.0.2.1", false);
    let end = trial.take_call()[0].0.seq.wrapping_add(1);
    let greets = trial.as_origin().seq(101).ack(end).payload(b"220 hello").bytes();
    assert!(trial.answer(&greets)[0].0.flags.has(TcpFlags::RST));
    let mut trial = Trial::begin("192.0.2.1", false);
    trial.take_call();
    let (out, _) = trial.bench.turns();
    assert!(out.len() == 1 && out[0].contains("[R"), "{out:?}");
}

#[test]
fn an_origin_that_refuses_is_told_of_and_a_blind_reset_is_not_believed() {
    let mut trial = Trial::begin("192.0.2.1", false);
    let blind = trial.as_origin().seq(0).ack(trial.syn.seq.wrapping_add(9)).rst().bytes();
    assert!(trial.answer(&blind).is_empty() && trial.outcome().is_none());
    assert_eq!(trial.bench.control.pages[0].dropped(DropReason::RstUnacceptable), 1);
    let refuses = trial.as_origin().seq(0).ack(trial.syn.seq.wrapping_add(1)).rst().bytes();
    assert!(trial.answer(&refuses).is_empty());
    assert_eq!((trial.outcome(), trial.counted(Counter::ProbesRefused)), (Some(ProbeOutcome::Refused), 1));
}

#[test]
fn a_silent_origin_is_called_each_second_and_given_up_at_its_time() {
    let mut trial = Trial::begin("192.0.2.1", false);
    for _ in 0..3 {
        let (out, _) = trial.bench.turns();
        assert!(out.len() == 1 && out[0].contains("[S]"), "{out:?}");
        assert_eq!(trial.outcome(), None);
    }
    assert!(trial.bench.turns().0.is_empty());
    assert_eq!((trial.outcome(), trial.counted(Counter::ProbesTimedOut)), (Some(ProbeOutcome::TimedOut), 1));
}

#[test]
fn an_old_connection_of_an_origins_is_reset_and_called_over_at_once_and_once() {
    let mut trial = Trial::begin("192.0.2.1", false);
    let old = trial.as_origin().seq(500).ack(77).bytes();
    let out = trial.answer(&old);
    let [(reset, _), (syn, _)] = &out[..] else { panic!("{out:?}") };
    assert!(reset.flags.has(TcpFlags::RST) && reset.seq == 77, "{out:?}");
    assert!(syn.flags.is_first_syn() && syn.seq == trial.syn.seq && syn.key == trial.syn.key, "{out:?}");
    let out = trial.answer(&old);
    assert!(out.len() == 1 && out[0].0.flags.has(TcpFlags::RST), "{out:?}");
    trial.take_call();
    assert!(matches!(trial.outcome(), Some(ProbeOutcome::Connected(_))));
}

#[test]
fn an_icmp_error_about_its_syn_ends_a_probe() {
    let mut trial = Trial::begin("192.0.2.1", false);
    let ours = trial.syn.key.src_endpoint();
    let quoted = |seq: u32| {
        let sent = eth().ip(ours.addr, trial.origin.addr).tcp(ours.port, trial.origin.port).seq(seq);
        let sent = sent.syn().bytes()[14..].to_vec();
        eth().ip4("198.18.0.2", ours.addr).icmp(3, 1, [0; 4], &sent).bytes()
    };
    let (foreign, own) = (quoted(trial.syn.seq.wrapping_add(1)), quoted(trial.syn.seq));
    trial.answer(&foreign);
    assert_eq!(trial.outcome(), None);
    trial.answer(&own);
    assert_eq!(trial.outcome(), Some(ProbeOutcome::Unreachable));
    assert_eq!(trial.counted(Counter::ProbesUnreachable), 1);
}

#[test]
fn a_forbidden_origin_is_never_probed() {
    let mut bench = Bench::new(|_| {}, &LAB_APPS, &[]);
    for (id, text) in [(1, "127.0.0.1"), (2, "198.51.100.10"), (3, "198.18.0.10"), (4, "::ffff:198.18.0.2")] {
        let origin = Endpoint { addr: addr(text), port: 80 };
        let order = ProbeOrder { id, origin, proxy_v2: false, timeout: Span::from_secs(4) };
        bench.control.mails[0].send(Command::Probe(order)).expect("room");
        assert!(bench.turns().0.is_empty());
        assert_eq!(bench.control.mails[0].probed(), Some((id, ProbeOutcome::NotSent)));
    }
    assert_eq!(bench.control.pages[0].counter(Counter::ProbesNotSent), 4);
}
