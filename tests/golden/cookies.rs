//! SYN cookies: what comes back as an ACK is right or wrong by name, and nothing is held of a SYN before.

use crate::bench::Bench;
use byway::base::{AppSlot, DropReason, Span};
use byway::firewall::{Mode, RuleNet, RuleSpec, Target};
use byway::port::RxMeta;
use byway::session::SynCookies;
use byway::table::ConnectionLimits;
use byway::telemetry::{AppCounter, Counter, EventKind, Gauge};
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, LabApp, addr, live_spec};
use byway::testkit::frames::{Tcp, eth};
use byway::testkit::laws;
use byway::wire::{Parsed, RxHints, TcpFlags, TcpOptions, TcpSegment, parse};
use byway::worker::{Refusal, Settings};

const APP: AppSlot = AppSlot(0);
/// A tick of the cookies' clock, and a bit.
const TICK: Span = Span::from_millis(67_200);

fn always(settings: &mut Settings) {
    settings.session.syn_cookies = SynCookies::Always;
}

fn bench(config: fn(&mut Settings)) -> Bench {
    Bench::new(config, &LAB_APPS, &[])
}

/// One client's connection, by hand.
#[derive(Clone, Copy)]
struct Client {
    ip: &'static str,
    port: u16,
    isn: u32,
    edge_isn: u32,
}

impl Client {
    fn new(ip: &'static str, port: u16) -> Self {
        Self { ip, port, isn: u32::from(port) << 12, edge_isn: 0 }
    }

    fn tcp(&self) -> Tcp {
        eth().ip(self.ip, EDGE_IPS[usize::from(self.ip.contains(':'))]).tcp(self.port, 80)
    }

    fn syn(&self) -> Tcp {
        self.tcp().seq(self.isn).syn().options(TcpOptions { mss: Some(1460), ..TcpOptions::NONE })
    }

    fn ack(&self) -> Tcp {
        self.tcp().seq(self.isn.wrapping_add(1)).ack(self.edge_isn.wrapping_add(1))
    }

    /// Sends a SYN and learns the edge's number.
    fn knock(&mut self, bench: &mut Bench) {
        let answers = exchange(bench, self.syn());
        let [answer] = answers.as_slice() else { panic!("{} answers", answers.len()) };
        assert_eq!(answer.flags, TcpFlags(TcpFlags::SYN | TcpFlags::ACK));
        assert_eq!(answer.ack, self.isn.wrapping_add(1));
        self.edge_isn = answer.seq;
    }
}

/// Hands a frame to the worker; the TCP segments that come out.
fn exchange(bench: &mut Bench, tcp: Tcp) -> Vec<TcpSegment> {
    bench.inject(&tcp.bytes(), RxMeta::default());
    turn(bench)
}

fn turn(bench: &mut Bench) -> Vec<TcpSegment> {
    bench.now += Span::from_millis(1);
    bench.worker.turn(bench.now);
    laws::check(&bench.worker, usize::MAX).expect("the laws hold");
    let frames = std::iter::from_fn(|| bench.wire.receive());
    let parsed = frames.map(|frame| parse(&frame, &RxHints::default()).expect("a sound frame"));
    parsed.filter_map(|parsed| if let Parsed::Tcp(segment) = parsed { Some(segment) } else { None }).collect()
}

fn resets(answers: &[TcpSegment]) -> usize {
    answers.iter().filter(|answer| answer.flags.has(TcpFlags::RST)).count()
}

fn count(bench: &Bench, counter: Counter) -> u64 {
    bench.control.pages[0].counter(counter)
}

fn dropped(bench: &Bench, reason: DropReason) -> u64 {
    bench.control.pages[0].dropped(reason)
}

fn held(bench: &Bench) -> u64 {
    let page = &bench.control.pages[0];
    page.gauge(Gauge::Sessions) + page.gauge(Gauge::HalfOpen)
}

#[test]
fn a_cookie_opens_a_session_over_either_family_and_is_answered_in_the_syns_own_frame() {
    let mut bench = bench(always);
    for ip in ["10.0.0.7", "2001:2:1::7"] {
        let mut client = Client::new(ip, 4_000);
        let returned = count(&bench, Counter::ReturnedFrames);
        client.knock(&mut bench);
        assert_eq!(count(&bench, Counter::ReturnedFrames), returned + 1);
        assert_eq!(held(&bench), 0);
        let answers = exchange(&mut bench, client.ack());
        let calls: Vec<_> = answers.iter().filter(|answer| answer.flags == TcpFlags(TcpFlags::SYN)).collect();
        assert_eq!((calls.len(), answers.len(), held(&bench)), (1, 1, 1), "{answers:?}");
        exchange(&mut bench, client.ack().rst());
        exchange(&mut bench, client.tcp().seq(client.isn.wrapping_add(1)).rst());
    }
    assert_eq!((count(&bench, Counter::CookiesSent), count(&bench, Counter::CookiesReceived)), (2, 2));
    assert_eq!(count(&bench, Counter::OpenedSessions), 2);
}

#[test]
fn a_forged_number_is_counted_and_answered_as_any_ack_without_a_session() {
    let mut bench = bench(always);
    let mut client = Client::new("10.0.0.7", 4_000);
    client.knock(&mut bench);
    let far = Client { edge_isn: client.edge_isn.wrapping_add(0x2000_0000), ..client };
    assert_eq!(resets(&exchange(&mut bench, far.ack())), 1);
    assert_eq!(dropped(&bench, DropReason::OutOfState), 1);
    // Near the numbers of the moment it may be data ahead of the ACK with the cookie: no reset.
    let near = Client {
        edge_isn: client.edge_isn.wrapping_add(1_000) & 0xff_ffff | client.edge_isn & !0xff_ffff,
        ..client
    };
    assert_eq!(exchange(&mut bench, near.ack()).len(), 0);
    assert_eq!(dropped(&bench, DropReason::SynCookieBad), 1);
    assert_eq!((count(&bench, Counter::CookiesForged), held(&bench)), (2, 0));
}

#[test]
fn another_clients_cookie_proves_nothing() {
    let mut bench = bench(always);
    let mut owner = Client::new("10.0.0.7", 4_000);
    owner.knock(&mut bench);
    let thieves = [Client { ip: "10.0.0.8", ..owner }, Client { port: 4_001, ..owner }];
    for thief in thieves {
        exchange(&mut bench, thief.ack());
    }
    let other_syn = Client { isn: owner.isn + 1, ..owner };
    exchange(&mut bench, other_syn.ack());
    assert_eq!((count(&bench, Counter::CookiesForged), held(&bench)), (3, 0));
    exchange(&mut bench, owner.ack());
    assert_eq!(held(&bench), 1);
}

#[test]
fn a_cookie_opens_one_session_and_no_second_one() {
    let mut bench = bench(always);
    let mut client = Client::new("10.0.0.7", 4_000);
    client.knock(&mut bench);
    exchange(&mut bench, client.ack());
    exchange(&mut bench, client.tcp().seq(client.isn.wrapping_add(1)).rst());
    assert_eq!(held(&bench), 0);
    assert_eq!(resets(&exchange(&mut bench, client.ack())), 1);
    assert_eq!((count(&bench, Counter::CookiesReplayed), held(&bench)), (1, 0));
}

#[test]
fn cookies_outlive_one_change_of_secrets_and_no_second_under_load() {
    let mut bench = bench(always);
    let mut waiting: Vec<Vec<Client>> = Vec::new();
    for round in 0..5_u16 {
        let mut fresh: Vec<Client> =
            (0..20).map(|n| Client::new("10.0.0.7", 4_000 + round * 100 + n)).collect();
        fresh.iter_mut().for_each(|client| client.knock(&mut bench));
        waiting.push(fresh);
        bench.now += TICK;
        // Those of the round before last are too old by now, those of the last are not.
        if let Some(old) = waiting.get(usize::from(round).wrapping_sub(1)) {
            old[..10].iter().for_each(|client| drop(exchange(&mut bench, client.ack())));
        }
        waiting[usize::from(round)][10..].iter().for_each(|client| drop(exchange(&mut bench, client.ack())));
    }
    assert_eq!(count(&bench, Counter::CookiesReceived), 50);
    assert_eq!((count(&bench, Counter::CookiesExpired), count(&bench, Counter::CookiesForged)), (40, 0));
}

#[test]
fn cookies_are_looked_at_within_a_budget_and_only_while_some_are_out() {
    let mut bench = bench(|settings| {
        always(settings);
        settings.rates.cookie_check_per_s = 1;
    });
    let mut client = Client::new("10.0.0.7", 4_000);
    exchange(&mut bench, client.ack());
    assert_eq!((dropped(&bench, DropReason::OutOfState), count(&bench, Counter::CookiesForged)), (1, 0));
    client.knock(&mut bench);
    let guesses =
        (1..=12).map(|guess| Client { edge_isn: client.edge_isn.wrapping_add(guess << 25), ..client });
    let answered: usize = guesses.map(|guess| resets(&exchange(&mut bench, guess.ack()))).sum();
    assert_eq!((answered, count(&bench, Counter::CookiesForged)), (8, 8), "a burst of eight");
    assert_eq!(dropped(&bench, DropReason::SynCookieRateLimited), 4);
    bench.now += Span::from_secs(10);
    exchange(&mut bench, client.ack());
    assert_eq!(held(&bench), 1);
}

#[test]
fn above_the_threshold_a_syn_costs_nothing_and_below_it_is_remembered() {
    let mut bench = bench(|settings| settings.session.syn_cookies = SynCookies::Auto { half_open: 2 });
    let mut clients = [1, 2, 3].map(|port| Client::new("10.0.0.7", port));
    clients.iter_mut().for_each(|client| client.knock(&mut bench));
    let page = bench.control.pages[0].clone();
    assert_eq!((page.gauge(Gauge::HalfOpen), count(&bench, Counter::CookiesSent)), (2, 1));
    // The threshold is no longer reached, and the third client's SYN comes again, is remembered under another number;
    // then comes the ACK of the cookie that it got first.
    exchange(&mut bench, clients[0].tcp().seq(clients[0].isn.wrapping_add(1)).rst());
    let (first, mut third) = (clients[2], clients[2]);
    third.knock(&mut bench);
    assert_ne!(first.edge_isn, third.edge_isn);
    assert_eq!(page.gauge(Gauge::HalfOpen), 2);
    let answers = exchange(&mut bench, first.ack());
    assert_eq!((resets(&answers), page.gauge(Gauge::HalfOpen), page.gauge(Gauge::Sessions)), (0, 1, 2));
    assert_eq!(count(&bench, Counter::OpenedSessions), 3);
}

#[test]
fn a_syn_over_the_rate_is_answered_by_a_cookie_instead_of_dropped() {
    let mut bench = bench(|settings| {
        settings.session.syn_cookies = SynCookies::Auto { half_open: 100 };
        settings.rates.syn_per_s = 1;
    });
    let mut clients: Vec<_> = (1..=20).map(|port| Client::new("10.0.0.7", port)).collect();
    clients.iter_mut().for_each(|client| client.knock(&mut bench));
    assert_eq!(dropped(&bench, DropReason::SynRateLimited), 0);
    assert_eq!(count(&bench, Counter::CookiesSent), 12, "all but a burst of eight");
    clients.iter().for_each(|client| drop(exchange(&mut bench, client.ack())));
    assert_eq!(bench.control.pages[0].gauge(Gauge::Sessions), 20);
}

#[test]
fn a_flood_of_syns_from_anywhere_fills_nothing() {
    let mut bench = bench(|settings| {
        always(settings);
        settings.rates.syn_per_s = 100;
    });
    let mut answered = 0;
    for n in 0..20_000_u32 {
        let (source, port) = (std::net::Ipv4Addr::from(0x5000_0000 + n * 977), 1_024 + (n % 60_000) as u16);
        // Generators send SYNs with bytes behind them, and to ports that nobody has.
        let to = [80, 81, 9][n as usize % 3];
        let syn = eth().ip4(source, EDGE_IPS[0]).tcp(port, to).seq(n).syn().payload(b"Pktgen").bytes();
        bench.inject(&syn, RxMeta::default());
        if n % 32 == 31 {
            let answers = turn(&mut bench);
            assert!(answers.iter().all(|answer| answer.payload_len() == 0 && answer.flags.0 == 0x12));
            answered += answers.len();
        }
    }
    let page = &bench.control.pages[0];
    assert_eq!((held(&bench), page.gauge(Gauge::TimeWaits), page.gauge(Gauge::EgressPorts)), (0, 0, 0));
    assert_eq!(dropped(&bench, DropReason::NoAppPort), 6_666);
    assert_eq!((answered as u64, page.counter(Counter::CookiesSent)), (13_334, 13_334));
    assert_eq!(page.app(APP, AppCounter::Refused), 0);
}

#[test]
fn what_changed_since_the_syn_counts_when_the_cookie_comes_back() {
    let mut bench = bench(|settings| {
        always(settings);
        settings.blocked_tcp = Refusal::Rst;
    });
    let mut clients = ["10.0.0.7", "10.0.0.8"].map(|ip| Client::new(ip, 4_000));
    for client in &mut clients {
        let syn = eth().ip4(client.ip, EDGE_IPS[0]).tcp(client.port, 22).seq(client.isn).syn();
        client.edge_isn = exchange(&mut bench, syn)[0].seq;
    }
    let mut spec = live_spec(&LAB_APPS, &[]);
    let target = Target::Net(RuleNet::one(addr("10.0.0.8")));
    spec.access_rules.push(RuleSpec { target, mode: Mode::Block, id: None, notes: None });
    bench.control.publish(&spec);
    let ack = |client: &Client| {
        let tcp = eth().ip4(client.ip, EDGE_IPS[0]).tcp(client.port, 22);
        tcp.seq(client.isn.wrapping_add(1)).ack(client.edge_isn.wrapping_add(1))
    };
    assert_eq!(resets(&exchange(&mut bench, ack(&clients[1]))), 1);
    assert_eq!((dropped(&bench, DropReason::FirewallBlocked), held(&bench)), (1, 0));
    let event = bench.control.mails[0].event().expect("an event");
    assert_eq!(event.kind, EventKind::ClientFiltered);
    let gone = LabApp { port: 2_222, ..LAB_APPS[2] };
    bench.control.publish(&live_spec(&[LAB_APPS[0], gone], &[]));
    assert_eq!(exchange(&mut bench, ack(&clients[0])).len(), 0);
    assert_eq!((dropped(&bench, DropReason::NoAppPort), held(&bench)), (1, 0));
}

#[test]
fn a_client_whose_cookie_is_right_knocks_until_there_is_room_for_it() {
    let mut bench = bench(|settings| {
        always(settings);
        settings.session.sessions_max = 1;
    });
    let mut clients = [1, 2].map(|port| Client::new("10.0.0.7", port));
    clients.iter_mut().for_each(|client| client.knock(&mut bench));
    exchange(&mut bench, clients[0].ack());
    assert_eq!(exchange(&mut bench, clients[1].ack()).len(), 0);
    assert_eq!((dropped(&bench, DropReason::SessionsFull), held(&bench)), (1, 1));
    // No cookie is sent while none could be taken.
    assert_eq!(exchange(&mut bench, Client::new("10.0.0.7", 3).syn()).len(), 0);
    assert_eq!(dropped(&bench, DropReason::SessionsFull), 2);
    // Its data bear the cookie, too, and are kept.
    exchange(&mut bench, clients[0].tcp().seq(clients[0].isn.wrapping_add(1)).rst());
    exchange(&mut bench, clients[1].ack().payload(b"hello"));
    assert_eq!(held(&bench), 1);
}

#[test]
fn limits_are_used_up_by_clients_that_are_there_and_not_by_forged_syns() {
    let mut bench = bench(|settings| {
        always(settings);
        settings.session.limits = ConnectionLimits { client_new_per_s: 2, ..ConnectionLimits::OFF };
    });
    let mut clients: Vec<_> = (1..=20).map(|port| Client::new("10.0.0.7", port)).collect();
    clients.iter_mut().for_each(|client| client.knock(&mut bench));
    clients[17..].iter().for_each(|client| drop(exchange(&mut bench, client.ack())));
    assert_eq!((dropped(&bench, DropReason::ClientRateLimited), held(&bench)), (1, 2));
    // Now that they are used up, the SYN hears nothing.
    assert_eq!(exchange(&mut bench, Client::new("10.0.0.7", 30).syn()).len(), 0);
    assert_eq!(dropped(&bench, DropReason::ClientRateLimited), 2);
}

#[test]
fn a_client_whose_cookie_comes_back_while_byway_drains_is_told() {
    let mut bench = bench(always);
    let mut client = Client::new("10.0.0.7", 1);
    client.knock(&mut bench);
    let last = bench.control.publish(&live_spec(&LAB_APPS, &[]));
    let draining = bench.control.compiler.drain(&last);
    bench.control.publisher.publish(draining);
    assert_eq!(resets(&exchange(&mut bench, client.ack())), 1);
    assert_eq!(exchange(&mut bench, client.syn()).len(), 0);
    assert_eq!((dropped(&bench, DropReason::Draining), held(&bench)), (2, 0));
}
