//! Any frame through `wire::parse`, held against smoltcp's parser; then through all that works on a parsed frame.
//!
//! Input: a byte of switches, then the frame. Bit 0: fill checksums in, so that the fuzzer gets past them. Bits 1 to 4:
//! what the device says of checksums.
#![no_main]

use byway::testkit::foreign::compare;
use byway::testkit::pretty::pretty;
use byway::wire::checksum::{finish_ip_tcp, pseudo_l4};
use byway::wire::{
    ChecksumState, Family, IcmpErrorEmit, IcmpErrorKind, IcmpMessage, Parsed, RxHints, TcpOptions, icmp,
    parse,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((switches, frame)) = input.split_first() else { return };
    let mut frame = frame.to_vec();
    if switches & 1 == 1 && frame.len() > 14 {
        finish_ip_tcp(&mut frame[14..]);
    }
    compare(&frame);
    let _ = pretty(&frame);
    let state = |bits| match bits & 3 {
        0 => ChecksumState::Unknown,
        1 => ChecksumState::Good,
        _ => ChecksumState::Bad,
    };
    let rx = RxHints { ip: state(switches >> 1), l4: state(switches >> 3) };
    match parse(&frame, &rx) {
        Ok(parsed) => visit(&frame, &parsed),
        Err(reason) => assert!(!reason.name().is_empty()),
    }
    let mut packet = frame.get(14..).unwrap_or(&[]).to_vec();
    let _ = pseudo_l4(&mut packet);
});

/// What the worker does with a frame that passed.
fn visit(frame: &[u8], parsed: &Parsed) {
    match *parsed {
        Parsed::Tcp(segment) => {
            let (start, end) = segment.options();
            let _ = TcpOptions::parse(&frame[start..end]);
            assert!(segment.payload_offset <= segment.ip_end && usize::from(segment.ip_end) <= frame.len());
            answer(&frame[usize::from(segment.ip_offset)..usize::from(segment.ip_end)], segment.key.dst);
        }
        Parsed::Udp { key, payload_offset, ip_end } => {
            assert!(payload_offset <= ip_end && usize::from(ip_end) <= frame.len());
            answer(&frame[14..usize::from(ip_end)], key.dst);
        }
        Parsed::Icmp { src, dst, ip_offset, icmp_offset, ip_end } => {
            let message = &frame[usize::from(icmp_offset)..usize::from(ip_end)];
            let mut packet = frame[usize::from(ip_offset)..usize::from(ip_end)].to_vec();
            answer(&packet, dst);
            if IcmpMessage::parse(message, Family::of(src)) == Ok(IcmpMessage::EchoRequest) {
                icmp::echo_reply(&mut packet).expect("a request has a reply");
                let reply = [&frame[..14], &packet].concat();
                assert!(
                    matches!(parse(&reply, &RxHints::default()), Ok(Parsed::Icmp { .. })),
                    "{}",
                    pretty(&reply)
                );
            }
        }
        Parsed::Arp { .. } | Parsed::Ndp { .. } => {}
    }
}

/// An error that answers the packet is itself sound.
fn answer(packet: &[u8], us: byway::base::Addr) {
    let Some(error) = IcmpErrorEmit::new(us, IcmpErrorKind::TimeExceeded, packet) else { return };
    let mut written = vec![0; error.packet_len()];
    assert!(error.emit(&mut written));
    let ether_type = if us.is_v4() { [0x08, 0x00] } else { [0x86, 0xdd] };
    let frame = [&[2; 12][..], &ether_type, &written].concat();
    assert!(matches!(parse(&frame, &RxHints::default()), Ok(Parsed::Icmp { .. })), "{}", pretty(&frame));
}
