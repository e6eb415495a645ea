//! Segments of strangers: whatever comes, at whatever moment of a session, nothing panics and nothing leaks.

use crate::parse::{Opt, Peer, Written};
use crate::world::World;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Wild {
    after_ms: u64,
    peer: Peer,
    segment: Written,
}

/// Numbers near those that count, at their edges, and anywhere.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..4i64,
        4 => 0..3_000i64,
        2 => -3..1i64,
        2 => 65_500..65_600i64,
        1 => any::<i32>().prop_map(i64::from),
    ]
}

fn option() -> impl Strategy<Value = Opt> {
    prop_oneof![
        any::<u16>().prop_map(Opt::Mss),
        any::<u8>().prop_map(Opt::Shift),
        Just(Opt::SackOk),
        (0u32..3_000, 0u32..3_000).prop_map(|(left, right)| Opt::Sack(left, right)),
        (0u32..9, 0u32..9).prop_map(|(value, echo)| Opt::Stamp(Some(value), Some(echo))),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Opt::Raw),
    ]
}

fn segment() -> impl Strategy<Value = Written> {
    let flags = prop_oneof![
        8 => Just(0x10u8),
        4 => Just(0x18u8),
        3 => Just(0x11u8),
        2 => Just(2u8),
        2 => Just(0x12u8),
        1 => Just(4u8),
        1 => any::<u8>().prop_map(|flags| flags & 0x3f),
    ];
    let lens = prop_oneof![4 => Just(0usize), 3 => 0..1_500usize, 1 => 1_400..1_461usize];
    let windows = prop_oneof![3 => Just(500u32), 1 => Just(0u32), 2 => 0..65_536u32];
    let options = prop::collection::vec(option(), 0..3);
    (flags, number(), number(), lens, windows, options).prop_map(
        |(flags, seq, ack, len, win, mut options)| {
            // More than forty bytes of options fit no header.
            options.truncate(2);
            Written { flags, seq, ack: Some(ack), len, win: Some(win), urgent: 0, options: Some(options) }
        },
    )
}

fn wild() -> impl Strategy<Value = Vec<Wild>> {
    let peer = prop_oneof![Just(Peer::Client), Just(Peer::Origin)];
    let wait = prop_oneof![6 => 0..3u64, 2 => 9..13u64, 1 => 0..3_000u64];
    let one = (wait, peer, segment()).prop_map(|(after_ms, peer, segment)| Wild { after_ms, peer, segment });
    prop::collection::vec(one, 1..40)
}

/// Handshakes up to a point, then the wild.
fn run(handshake: usize, buffers: &str, wild: &[Wild]) {
    let pairs = [("rx_buffer", buffers), ("tx_buffer", buffers), ("cubic", "1"), ("keepalive", "60")];
    let pairs: Vec<_> = pairs.map(|(key, value)| (key.to_string(), value.to_string())).into();
    let mut world = World::new(&pairs, false);
    let opening = [(Peer::Client, 2, 0, 0), (Peer::Client, 0x10, 1, 1), (Peer::Origin, 0x12, 0, 1)];
    for &(peer, flags, seq, ack) in &opening[..handshake] {
        let options = Some(vec![Opt::Mss(1460), Opt::SackOk, Opt::Shift(7)]).filter(|_| flags & 2 != 0);
        let segment = Written { flags, seq, ack: Some(ack), win: Some(500), options, ..Written::default() };
        world.send(peer, &segment).expect("sent");
        world.learn();
    }
    for step in wild {
        world.advance(step.after_ms).expect("time passes");
        if world.knows(step.peer) {
            world.send(step.peer, &step.segment).expect("sent");
        }
        world.learn();
    }
    world.net_room(0);
    world.advance(20).expect("time passes");
    world.net_room(1_000);
    world.advance(400_000).expect("time passes");
    assert!(world.is_at_rest(), "a session outlives every timeout");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_segment_panics_a_session_and_none_outlives_its_timeouts(
        handshake in 0usize..4,
        buffers in prop_oneof![Just("2048"), Just("4096"), Just("65536"), Just("262144")],
        wild in wild(),
    ) {
        run(handshake, buffers, &wild);
    }
}
