//! Spliced sessions through the worker, over either family and on either road (of usual IPv4 segments, of all others): what
//! leaves is held byte for byte; what routers say, and a new rule, reach the right side in its own numbers.

use crate::pair::{CLIENT, CLIENTS, ORIGIN, Pair, app, error_of, segment_of};
use byway::base::{AppSlot, DropReason, RuleSlot, Span};
use byway::port::RxMeta;
use byway::telemetry::{AppCounter, Counter, EventKind, FirewallMatch, Gauge, Status};
use byway::testkit::edge::{LabApp, addr, live_spec};
use byway::testkit::frames::{Ip, eth};
use byway::wire::{IcmpErrorKind, TcpFlags, Unreachable};

/// Both families, and timestamps or none: those over IPv4 take the quick road.
const FORMS: [(usize, bool); 4] = [(0, false), (0, true), (1, false), (1, true)];
/// Where a router stands that has something to say, by family.
const ROUTERS: [&str; 2] = ["10.9.0.1", "2001:2:1:9::1"];

/// Options of a SYN: MSS, selective acknowledgements known, windows of up to 1 GiB.
const WIDE: [u8; 12] = [2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 14];
/// Longer than a session goes without being looked at.
const LOOK: Span = Span::from_secs(301);

/// Turns within which a sweep has met every session of the laboratory's edge.
const SWEEP_TURNS: usize = 40;

/// A selective acknowledgement of the second hundred of what is to come, from the number that is waited for.
fn sack(ack: u32) -> Vec<u8> {
    [&[1, 1, 5, 10], &[ack.wrapping_add(100), ack.wrapping_add(200)].map(u32::to_be_bytes).concat()[..]]
        .concat()
}

#[test]
fn what_leaves_is_one_hop_older_keeps_its_class_and_bears_no_padding_of_a_link() {
    for (family, stamped) in FORMS {
        let mut pair = Pair::spliced(family, app(family), stamped);
        for (side, class, hops) in
            [(CLIENT, 0, 64), (ORIGIN, 0xb9, 255), (CLIENT, 0x03, 2), (ORIGIN, 0xfc, 37)]
        {
            let below = |ip: Ip| ip.class(class).hops(hops);
            let older = |ip: Ip| ip.class(class).hops(hops - 1);
            for payload in [&b""[..], b"x", b"four", &[7; 600]] {
                let mut sent = pair.segment_by(side, below).payload(payload).bytes();
                if family == 1 {
                    // The flow label is the sender's own and stays behind.
                    sent[15] |= 0x0a;
                    sent[16..18].copy_from_slice(&[0xbc, 0xde]);
                }
                // At least as long as Ethernet wants frames, with bytes of somebody else behind the packet.
                sent.resize(60.max(sent.len() + 5), 0xee);
                let expected = pair.arriving_by(side, older).payload(payload).bytes();
                assert_eq!(
                    pair.turn(Some(&sent)),
                    [expected],
                    "family {family}, {stamped}, {side}, {class:#x}"
                );
                pair.said(side, payload.len());
            }
        }
        assert_eq!(pair.bench.control.pages[0].dropped_total(), 0);
    }
}

#[test]
fn the_same_holds_on_the_road_of_what_is_not_usual() {
    for family in [0, 1] {
        let mut pair = Pair::spliced(family, app(family), false);
        for (side, class, hops) in [(CLIENT, 0xb9, 64), (ORIGIN, 0x03, 2)] {
            let below = |ip: Ip| ip.class(class).hops(hops);
            let older = |ip: Ip| ip.class(class).hops(hops - 1);
            // Selective acknowledgements in the other side's numbers.
            let (own, other) = (pair.ends[side], pair.ends[1 - side]);
            let mut sent = pair.segment_by(side, below).raw_options(&sack(own.ack)).payload(b"odd").bytes();
            sent.resize(sent.len() + 9, 0xee);
            let expected =
                pair.arriving_by(side, older).raw_options(&sack(other.seq)).payload(b"odd").bytes();
            assert_eq!(pair.turn(Some(&sent)), [expected], "family {family}, {side}");
            pair.said(side, 3);
            // An urgent pointer means nothing here; a FIN ends the stream.
            let urgent = TcpFlags(TcpFlags::ACK | TcpFlags::URG | TcpFlags::FIN);
            let ends = TcpFlags(TcpFlags::ACK | TcpFlags::FIN);
            let mut sent = pair.segment_by(side, below).flags(urgent).urgent(0xabcd).bytes();
            sent.resize(60.max(sent.len() + 1), 0xee);
            let expected = pair.arriving_by(side, older).flags(ends).bytes();
            assert_eq!(pair.turn(Some(&sent)), [expected], "family {family}, {side}");
            pair.said(side, 1);
        }
        pair.acknowledge(CLIENT);
        assert_eq!((pair.counted(Counter::ClosedInOrder), pair.gauge(Gauge::SplicedSessions)), (1, 0));
        let told = std::iter::from_fn(|| pair.bench.control.mails[0].event());
        let told: Vec<_> = told
            .map(|event| (event.kind, event.status as u16, event.client_bytes, event.origin_bytes))
            .collect();
        let ends = [(EventKind::Connect, 0, 0, 0), (EventKind::Disconnect, 200, 3, 3)];
        assert_eq!(told, ends);
    }
}

/// Nobody asks what is wrong with a segment of a live flow before the flow's own road has looked at it.
#[test]
fn a_segment_whose_header_lies_about_its_length_moves_nothing() {
    for (family, stamped) in FORMS {
        let mut pair = Pair::spliced(family, app(family), stamped);
        for (side, flags) in
            [(CLIENT, 0), (CLIENT, TcpFlags::FIN), (ORIGIN, TcpFlags::PSH), (ORIGIN, TcpFlags::FIN)]
        {
            let flags = TcpFlags(TcpFlags::ACK | flags);
            for words in [0, 4, 15] {
                let segment = pair.segment(side).flags(flags).data_offset(words);
                assert_eq!(
                    pair.turn(Some(&segment.bytes())),
                    Vec::<Vec<u8>>::new(),
                    "family {family}, {stamped}, {words}"
                );
            }
        }
        assert_eq!(pair.drops(DropReason::TcpHeaderBad), 12);
        pair.say(CLIENT, b"as before");
        pair.say(ORIGIN, b"here, too");
    }
}

/// What is usual, what is not, what is of nobody, and what is broken, in every order of four: the burst's own order is that of what
/// leaves, and each frame has its fate.
#[test]
fn frames_of_both_roads_in_one_burst_leave_in_the_order_in_which_they_came() {
    for (family, stamped) in FORMS {
        let mut pair = Pair::spliced(family, app(family), stamped);
        for kinds in (0..256_u32).map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6 & 3]) {
            let (mut expected, mut lost) = (Vec::new(), 0);
            for (kind, side) in kinds.into_iter().zip([CLIENT, ORIGIN, CLIENT, CLIENT]) {
                let own = pair.segment(side).payload(b"in order");
                match kind {
                    // Usual, and with an urgent pointer, which is not.
                    0 | 1 => {
                        let urgent = TcpFlags(TcpFlags::ACK | TcpFlags::URG);
                        let sent = if kind == 0 { own } else { own.flags(urgent).urgent(4) };
                        pair.bench.inject(&sent.bytes(), RxMeta::default());
                        expected.push(pair.arriving_by(side, |ip| ip).payload(b"in order").bytes());
                        pair.said(side, 8);
                    }
                    2 => {
                        let key = pair.ends[CLIENT].key;
                        let syn =
                            eth().ip(key.src, key.dst).tcp(key.src_port, 9).flags(TcpFlags(TcpFlags::SYN));
                        pair.bench.inject(&syn.bytes(), RxMeta::default());
                        lost += 1;
                    }
                    _ => {
                        // Of the flow, and with flags that no TCP sends.
                        let flags = TcpFlags(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::ACK);
                        pair.bench.inject(&own.flags(flags).bytes(), RxMeta::default());
                        lost += 1;
                    }
                }
            }
            let before = pair.bench.control.pages[0].dropped_total();
            assert_eq!(pair.turn(None), expected, "family {family}, {stamped}, {kinds:?}");
            assert_eq!(pair.bench.control.pages[0].dropped_total() - before, lost, "{kinds:?}");
        }
        let drops = [DropReason::NoAppPort, DropReason::NoApp, DropReason::TcpFlagsBad]
            .map(|reason| pair.drops(reason));
        assert_eq!((drops.iter().sum::<u64>(), drops[2]), (512, 256), "{drops:?}");
    }
}

/// RFC 1812 5.3.1.
#[test]
fn a_segment_with_no_hop_left_moves_nothing_and_its_sender_is_told() {
    for (family, stamped) in FORMS {
        let mut pair = Pair::spliced(family, app(family), stamped);
        for side in [CLIENT, ORIGIN] {
            let last = |ip: Ip| ip.hops(1);
            let fin = TcpFlags(TcpFlags::ACK | TcpFlags::FIN);
            let segments = [
                pair.segment_by(side, last).payload(b"lost"),
                pair.segment_by(side, last).flags(fin),
                pair.segment_by(side, last).raw_options(&sack(pair.ends[side].ack)),
            ];
            for segment in segments {
                let out = pair.turn(Some(&segment.bytes()));
                let [told] = out.as_slice() else { panic!("{} frames", out.len()) };
                let (from, whom, told, quoted) = error_of(told);
                let own = pair.ends[side];
                assert_eq!((from, whom), (own.key.dst.to_string(), own.key.src.to_string()));
                assert_eq!(
                    (told, quoted.key, quoted.seq),
                    (IcmpErrorKind::TimeExceeded, own.key, own.seq),
                    "family {family}, {stamped}, {side}"
                );
            }
        }
        assert_eq!(pair.drops(DropReason::TtlExpired), 6);
        // Within a rate.
        let last = pair.segment_by(CLIENT, |ip| ip.hops(1)).payload(b"lost").bytes();
        let told: usize = (0..40).map(|_| pair.turn(Some(&last)).len()).sum();
        assert!((1..40).contains(&told) && pair.drops(DropReason::TtlExpired) == 46, "{told}");
        // The same numbers go on, and are counted once.
        pair.say(CLIENT, b"sent again");
        pair.say(ORIGIN, b"too");
        let page = &pair.bench.control.pages[0];
        let bytes = [AppCounter::BytesIn, AppCounter::BytesOut].map(|bytes| page.app(AppSlot(0), bytes));
        assert_eq!((bytes, pair.gauge(Gauge::SplicedSessions)), ([10, 3], 1));
    }
}

/// A router's words about a packet of the edge's: type, code, the word behind the checksum, and what they mean.
type Word = (u8, u8, [u8; 4], IcmpErrorKind);

fn words(family: usize) -> [Word; 5] {
    use Unreachable::{Host, Port, Prohibited};
    let unreachable = IcmpErrorKind::Unreachable;
    let too_big = IcmpErrorKind::TooBig { mtu: 1_300 };
    match family {
        0 => [
            (3, 1, [0; 4], unreachable(Host)),
            (3, 3, [0; 4], unreachable(Port)),
            (3, 13, [0; 4], unreachable(Prohibited)),
            (11, 0, [0; 4], IcmpErrorKind::TimeExceeded),
            (3, 4, [0, 0, 5, 20], too_big),
        ],
        _ => [
            (1, 3, [0; 4], unreachable(Host)),
            (1, 4, [0; 4], unreachable(Port)),
            (1, 1, [0; 4], unreachable(Prohibited)),
            (3, 0, [0; 4], IcmpErrorKind::TimeExceeded),
            (2, 0, [0, 0, 5, 20], too_big),
        ],
    }
}

#[test]
fn what_a_router_says_is_told_on_to_who_made_the_segment_in_its_own_numbers() {
    for (family, stamped) in FORMS {
        for side in [CLIENT, ORIGIN] {
            let mut pair = Pair::spliced(family, app(family), stamped);
            let (own, sender) = (pair.ends[side].key, pair.ends[side].seq);
            let sent = pair.segment(side).payload(&[1; 100]).bytes();
            let gone = pair.turn(Some(&sent)).remove(0);
            pair.said(side, 100);
            // RFC 792: the IP header and eight bytes; RFC 4443 3: as much as fits.
            let quote = if family == 0 { &gone[14..42] } else { &gone[14..] };
            let to = pair.ends[1 - side].key.dst;
            for (number, (kind, code, rest, said)) in (1..).zip(words(family)) {
                let error = eth().ip(ROUTERS[family], to).icmp(kind, code, rest, quote).bytes();
                let out = pair.turn(Some(&error));
                let [told] = out.as_slice() else { panic!("{} frames for {said:?}", out.len()) };
                let (from, whom, told, quoted) = error_of(told);
                assert_eq!(
                    (from, whom),
                    (own.dst.to_string(), own.src.to_string()),
                    "family {family}, {side}"
                );
                assert_eq!((told, quoted.key, quoted.seq), (said, own, sender), "family {family}, {side}");
                assert_eq!(pair.counted(Counter::IcmpErrorsAccepted), number);
            }
            // One that quotes what is acknowledged is nobody's news, and the session goes on after all of it.
            pair.acknowledge(1 - side);
            let error = eth().ip(ROUTERS[family], to).icmp(words(family)[0].0, 1, [0; 4], quote).bytes();
            assert!(pair.turn(Some(&error)).is_empty());
            assert_eq!(pair.drops(DropReason::IcmpUnsolicited), 1);
            pair.say(side, b"on");
            pair.say(1 - side, b"and on");
        }
    }
}

#[test]
fn longer_segments_than_the_path_takes_are_dropped_and_their_sender_alone_is_told_again() {
    for (family, stamped) in FORMS {
        for side in [CLIENT, ORIGIN] {
            let mut pair = Pair::spliced(family, app(family), stamped);
            let long = pair.segment(side).payload(&[1; 1_380]).bytes();
            let gone = pair.turn(Some(&long)).remove(0);
            let (to, own) = (pair.ends[1 - side].key.dst, pair.ends[side]);
            let (kind, code, rest, too_big) = words(family)[4];
            let quote = if family == 0 { &gone[14..42] } else { &gone[14..600] };
            pair.turn(Some(&eth().ip(ROUTERS[family], to).icmp(kind, code, rest, quote).bytes()));
            let out = pair.turn(Some(&long));
            assert_eq!(pair.drops(DropReason::SegmentTooLong), 1, "family {family}, {stamped}, {side}");
            let [told] = out.as_slice() else { panic!("{} frames", out.len()) };
            let (from, whom, told, quoted) = error_of(told);
            assert_eq!((from, whom), (own.key.dst.to_string(), own.key.src.to_string()));
            assert_eq!((told, quoted.key, quoted.seq), (too_big, own.key, own.seq));
            // In two parts it goes; the other way is as wide as it was.
            pair.say(side, &[1; 1_200]);
            pair.say(side, &[1; 180]);
            pair.say(1 - side, &[1; 1_380]);
            // What a router said is not believed for ever (RFC 1191 6.3).
            pair.acknowledge(side);
            pair.acknowledge(1 - side);
            pair.bench.now += LOOK;
            pair.turn(None);
            pair.say(side, &[1; 1_380]);
        }
    }
}

/// RFC 5961 5.2: an acknowledgement may lag by a whole window, which may be large.
#[test]
fn acknowledgements_of_what_is_far_ahead_of_them_pass() {
    for (family, stamped) in FORMS {
        let mut pair = Pair::spliced_with(&WIDE, family, app(family), stamped);
        // The origin opens a window of 128 MiB; every segment but the last of a long flight is lost before it comes here.
        let opens = pair.segment(ORIGIN).bytes();
        assert_eq!(pair.turn(Some(&opens)).len(), 1);
        let far = pair.ends[CLIENT].seq.wrapping_add((1 << 24) + 100);
        let sent = pair.segment(CLIENT).seq(far).payload(b"ahead").bytes();
        assert_eq!(pair.turn(Some(&sent)).len(), 1);
        for _ in 0..2 {
            let lags = pair.segment(ORIGIN).payload(b"waits for the first").bytes();
            assert_eq!(pair.turn(Some(&lags)).len(), 1);
        }
        assert_eq!(pair.drops(DropReason::SequenceUnacceptable), 0, "family {family}, {stamped}");
    }
}

/// What the receiver drops as old (RFC 9293 3.10.7.4) opens no window here, and acknowledges nothing.
#[test]
fn a_segment_behind_what_is_acknowledged_opens_no_window() {
    for (family, stamped) in FORMS {
        for side in [CLIENT, ORIGIN] {
            let mut pair = Pair::spliced(family, app(family), stamped);
            pair.say(side, &[1; 500]);
            pair.acknowledge(1 - side);
            let behind = pair.ends[side].seq.wrapping_sub(400);
            let forged = pair.segment(side).seq(behind).window(u16::MAX).payload(b"old");
            assert_eq!(pair.turn(Some(&forged.bytes())).len(), 1, "it goes on, for the other end to judge");
            let beyond = pair.ends[1 - side].seq.wrapping_add(8_192);
            let data = pair.segment(1 - side).seq(beyond).payload(b"beyond the window").bytes();
            pair.turn(Some(&data));
            assert_eq!(pair.drops(DropReason::SequenceUnacceptable), 1, "family {family}, {stamped}, {side}");
        }
    }
}

#[test]
fn a_new_block_resets_both_sides_of_a_spliced_session_and_is_told_with_its_bytes() {
    for (family, stamped) in FORMS {
        for (side, met_on_the_road) in [(CLIENT, false), (CLIENT, true), (ORIGIN, true)] {
            let walled = LabApp { ip_firewall: true, ..app(family) };
            let mut pair = Pair::spliced(family, walled, stamped);
            pair.say(CLIENT, b"question");
            pair.say(ORIGIN, b"the answer");
            pair.acknowledge(CLIENT);
            while pair.bench.control.mails[0].event().is_some() {}
            // The sweep of the first snapshot is over.
            (0..SWEEP_TURNS).for_each(|_| assert!(pair.turn(None).is_empty()));
            // A segment that comes with the rule, before the sweep has met its session, goes no further.
            let late = pair.segment(side).payload(b"late").bytes();
            pair.bench.control.publish(&live_spec(&[walled], &[addr(CLIENTS[family])]));
            let mut out = pair.turn(met_on_the_road.then_some(&late[..]));
            assert_eq!(out.len(), if met_on_the_road { 2 } else { 0 }, "family {family}, {stamped}");
            // All slots of managed sessions come first in the sweep.
            (0..SWEEP_TURNS).for_each(|_| out.extend(pair.turn(None)));
            let mut resets: Vec<_> = out.iter().map(|frame| segment_of(frame)).collect();
            resets.sort_by_key(|reset| reset.key.dst_endpoint() != pair.ends[CLIENT].key.src_endpoint());
            let told = resets.iter().map(|reset| (reset.key, reset.flags, reset.seq, reset.ack));
            let due = pair
                .ends
                .map(|end| (end.key.reversed(), TcpFlags(TcpFlags::RST | TcpFlags::ACK), end.ack, end.seq));
            assert_eq!(told.collect::<Vec<_>>(), due, "family {family}, {stamped}, {met_on_the_road}");
            let events: Vec<_> = std::iter::from_fn(|| pair.bench.control.mails[0].event()).collect();
            let [event] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!((event.kind, event.status), (EventKind::ClientFiltered, Status::FirewallDeny));
            assert_eq!((event.firewall, event.count), (FirewallMatch::BlockIp(RuleSlot(0)), 1));
            assert_eq!((event.client_bytes, event.origin_bytes), (8, 10));
            assert_eq!(event.client, pair.ends[CLIENT].key.src_endpoint());
            let counted = [Counter::ClosedByFirewall, Counter::ResetsSent, Counter::RejudgedSessions];
            assert_eq!(counted.map(|counter| pair.counted(counter)), [1, 2, 1]);
            assert_eq!(pair.drops(DropReason::FirewallBlocked), u64::from(met_on_the_road));
            assert_eq!((pair.gauge(Gauge::Sessions), pair.gauge(Gauge::SplicedSessions)), (0, 0));
        }
    }
}
