//! ICMP errors as strangers send them: which of them tell of a flow, and which tell of nothing.

use byway::base::DropReason::{self, IcmpMalformed};
use byway::testkit::frames::{IntoAddr, eth};
use byway::wire::{Family, IcmpErrorKind, IcmpMessage, Protocol, Unreachable};

/// An ICMP message of this type and code around `quote`; checksums are `parse`'s matter.
fn message(kind: u8, code: u8, rest: [u8; 4], quote: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0], &rest[..], quote].concat()
}

fn quote4() -> Vec<u8> {
    eth().ip4("198.51.100.10", "192.0.2.1").tcp(22, 4000).seq(0x0102_0304).ack(9).bytes()[14..].to_vec()
}

fn quote6() -> Vec<u8> {
    eth().ip6("2001:db8::10", "2001:db8::1").tcp(22, 4000).seq(0x0102_0304).ack(9).bytes()[14..].to_vec()
}

fn kind_of(kind: u8, code: u8, family: Family) -> Option<IcmpErrorKind> {
    let quote = if family == Family::V4 { quote4() } else { quote6() };
    match IcmpMessage::parse(&message(kind, code, [0, 0, 5, 120], &quote), family) {
        Ok(IcmpMessage::Error { kind, quoted }) => {
            assert_eq!(
                (quoted.seq, quoted.key.src_port, quoted.key.protocol),
                (0x0102_0304, 22, Protocol::Tcp)
            );
            Some(kind)
        }
        Ok(IcmpMessage::Other) => None,
        other => panic!("type {kind} code {code}: {other:?}"),
    }
}

#[test]
fn numbers_mean_what_the_rfcs_say() {
    use IcmpErrorKind::{ParameterProblem, TimeExceeded, TooBig};
    use Unreachable::{Host, Network, Port, Prohibited};
    let unreachable = |what| Some(IcmpErrorKind::Unreachable(what));
    let rows4 = [
        ((3, 0), unreachable(Network)),
        ((3, 1), unreachable(Host)),
        ((3, 2), unreachable(Unreachable::Protocol)),
        ((3, 3), unreachable(Port)),
        ((3, 4), Some(TooBig { mtu: 1400 })),
        ((3, 13), unreachable(Prohibited)),
        ((3, 16), None),
        ((4, 0), None),
        ((5, 1), None),
        ((11, 0), Some(TimeExceeded)),
        ((12, 0), Some(ParameterProblem)),
        ((0, 0), None),
    ];
    let rows6 = [
        ((1, 0), unreachable(Network)),
        ((1, 1), unreachable(Prohibited)),
        ((1, 3), unreachable(Host)),
        ((1, 4), unreachable(Port)),
        ((1, 7), None),
        ((2, 0), Some(TooBig { mtu: 1400 })),
        ((3, 0), Some(TimeExceeded)),
        ((4, 1), Some(ParameterProblem)),
        ((129, 0), None),
    ];
    for ((kind, code), expected) in rows4 {
        assert_eq!(kind_of(kind, code, Family::V4), expected, "type {kind} code {code}");
    }
    for ((kind, code), expected) in rows6 {
        assert_eq!(kind_of(kind, code, Family::V6), expected, "type {kind} code {code} on IPv6");
    }
}

#[test]
fn eight_bytes_behind_the_header_are_enough() {
    for (quote, header, family) in [(quote4(), 20, Family::V4), (quote6(), 40, Family::V6)] {
        let kind = if family == Family::V4 { 11 } else { 3 };
        let parsed = |len: usize| IcmpMessage::parse(&message(kind, 0, [0; 4], &quote[..len]), family);
        assert!(matches!(parsed(header + 8), Ok(IcmpMessage::Error { .. })));
        for len in 0..header + 8 {
            assert_eq!(parsed(len), Err(IcmpMalformed), "{len} bytes");
        }
    }
}

#[test]
fn the_flow_of_a_quote_is_found_by_its_reverse() {
    let Ok(IcmpMessage::Error { quoted, .. }) =
        IcmpMessage::parse(&message(3, 1, [0; 4], &quote4()), Family::V4)
    else {
        panic!("an error")
    };
    let key = quoted.key.reversed();
    assert_eq!((key.src, key.dst), ("192.0.2.1".into_addr(), "198.51.100.10".into_addr()));
    assert_eq!((key.src_port, key.dst_port), (4000, 22));
}

#[test]
fn quotes_that_are_no_flow_of_ours_tell_of_nothing() {
    let parsed = |quote: &[u8], family| {
        IcmpMessage::parse(&message(if family == Family::V4 { 11 } else { 3 }, 0, [0; 4], quote), family)
    };
    let rest = |frame: Vec<u8>| frame[14..].to_vec();
    let other: Result<_, DropReason> = Ok(IcmpMessage::Other);
    let echo = rest(eth().ip4("198.51.100.10", "192.0.2.1").echo(1, 2, b"").bytes());
    assert_eq!(parsed(&echo, Family::V4), other);
    let late = rest(eth().ip4("198.51.100.10", "192.0.2.1").fragment_field(5).tcp(22, 4000).syn().bytes());
    assert_eq!(parsed(&late, Family::V4), other);
    let extended = rest(eth().ip6("2001:db8::10", "2001:db8::1").extension(44).tcp(22, 4000).syn().bytes());
    assert_eq!(parsed(&extended, Family::V6), other);
    assert_eq!(parsed(&quote6(), Family::V4), Err(IcmpMalformed));
    assert_eq!(parsed(&quote4(), Family::V6), Err(IcmpMalformed));
    let mapped = rest(eth().ip6("::ffff:198.51.100.10", "2001:db8::1").tcp(22, 4000).syn().bytes());
    assert_eq!(parsed(&mapped, Family::V6), Err(IcmpMalformed));
}

#[test]
fn a_quote_with_options_is_read_behind_them() {
    let packet =
        eth().ip4("198.51.100.10", "192.0.2.1").options(&[1, 1, 1, 0]).tcp(22, 4000).seq(5).syn().bytes();
    let Ok(IcmpMessage::Error { quoted, .. }) =
        IcmpMessage::parse(&message(11, 0, [0; 4], &packet[14..]), Family::V4)
    else {
        panic!("an error")
    };
    assert_eq!((quoted.seq, quoted.key.src_port), (5, 22));
}
