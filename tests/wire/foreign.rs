//! The same frames to smoltcp's parser: what both read must be the same, and what we let through it must take, for
//! sessions hand segments on to it.

use byway::testkit::foreign::compare;
use byway::testkit::frames::{Ip, eth};
use byway::testkit::pretty::pretty;
use byway::wire::{self, RxHints, TcpFlags, parse};
use proptest::prelude::*;

fn ip_layers() -> impl Strategy<Value = Ip> {
    let hosts4 = any::<([u8; 4], [u8; 4])>().prop_map(|(src, dst)| eth().ip4(src, dst));
    let hosts6 = any::<(u128, u128)>().prop_map(|(src, dst)| {
        let host = |bits| byway::base::Addr::from_bits(bits | 0x2001 << 112);
        eth().ip6(host(src), host(dst))
    });
    prop_oneof![hosts4, hosts6]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sound_segments_read_the_same(
        ip in ip_layers(), ports in any::<(u16, u16)>(), numbers in any::<(u32, u32)>(), flags in any::<u8>(),
        window in any::<u16>(), options in prop::collection::vec(any::<[u8; 4]>(), 0..=10),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let tcp = ip.tcp(ports.0, ports.1).seq(numbers.0).ack(numbers.1).flags(TcpFlags(flags)).window(window);
        compare(&tcp.raw_options(&options.concat()).payload(&payload).bytes());
    }

    #[test]
    fn sound_datagrams_read_the_same(
        ip in ip_layers(), ports in any::<(u16, u16)>(), payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = ip.udp(ports.0, ports.1).payload(&payload).bytes();
        compare(&frame);
    }

    #[test]
    fn broken_frames_never_panic_and_never_pass_alone(
        ip in ip_layers(), breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        payload in prop::collection::vec(any::<u8>(), 0..60), cut in any::<prop::sample::Index>(), is_cut in any::<bool>(),
    ) {
        let mut frame = ip.tcp(1, 2).ack(5).raw_options(&[1; 12]).payload(&payload).bytes();
        for (at, value) in breaks {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if is_cut {
            frame.truncate(cut.index(frame.len()));
        }
        compare(&frame);
        let _ = pretty(&frame);
        let trusting = RxHints { ip: wire::ChecksumState::Good, l4: wire::ChecksumState::Good };
        let _ = parse(&frame, &trusting);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        head in prop::sample::select(vec![0x0800u16, 0x0806, 0x86dd]), bytes in prop::collection::vec(any::<u8>(), 0..120)
    ) {
        let frame = eth().raw(head, &bytes);
        compare(&frame);
        let _ = pretty(&frame);
        let mut packet = bytes.clone();
        wire::checksum::finish_ip_tcp(&mut packet);
        let mut packet = bytes.clone();
        let _ = wire::checksum::pseudo_l4(&mut packet);
        let _ = wire::icmp::echo_reply(&mut packet);
    }
}
