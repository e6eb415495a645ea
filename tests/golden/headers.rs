//! What an origin over TCP hears first, byte for byte, in each form and family; those of UDP are rows of `udp`, the one of
//! a probe of `probes`.

use crate::bench::Bench;
use byway::port::RxMeta;
use byway::table::ProxyProtocol;
use byway::telemetry::Counter;
use byway::testkit::edge::{EDGE_IPS, LabApp};
use byway::testkit::frames::eth;
use byway::wire::{Parsed, RxHints, TcpSegment, parse};

const CLIENTS: [&str; 2] = ["10.0.0.7", "2001:2:1::7"];
const ORIGINS: [&str; 2] = ["192.0.2.1", "2001:2:2::1"];

/// A frame goes in; the segments that come out, with their payload.
fn segments(bench: &mut Bench, frame: &[u8]) -> Vec<(TcpSegment, Vec<u8>)> {
    bench.inject(frame, RxMeta::default());
    for _ in 0..2 {
        bench.worker.turn(bench.now);
    }
    let frames = std::iter::from_fn(|| bench.wire.receive());
    frames
        .filter_map(|frame| match parse(&frame, &RxHints::default()) {
            Ok(Parsed::Tcp(segment)) => {
                let payload = usize::from(segment.payload_offset)..usize::from(segment.ip_end);
                Some((segment, frame[payload].to_vec()))
            }
            Ok(_) | Err(_) => None,
        })
        .collect()
}

/// All bytes that the origin hears when a client of `family` has connected and said `hello`.
fn heard(family: usize, origin: usize, proxy_protocol: ProxyProtocol) -> Vec<u8> {
    let app = LabApp { origin: ORIGINS[origin], proxy_protocol, ..LabApp::WEB };
    let mut bench = Bench::new(|_| {}, &[app], &[]);
    let client = |seq: u32| eth().ip(CLIENTS[family], EDGE_IPS[family]).tcp(4_000, 80).seq(seq);
    let syn_ack = segments(&mut bench, &client(7).syn().bytes()).remove(0).0;
    let ack = syn_ack.seq.wrapping_add(1);
    let call = segments(&mut bench, &client(8).ack(ack).bytes());
    let call = call.iter().find(|(segment, _)| segment.flags.is_first_syn()).expect("a call").0;
    let ours = call.key.src_endpoint();
    let from_origin = || eth().ip(ORIGINS[origin], ours.addr).tcp(8080, ours.port);
    let answer = from_origin().seq(100).ack(call.seq.wrapping_add(1)).syn().bytes();
    let mut said = segments(&mut bench, &answer);
    said.extend(segments(&mut bench, &client(8).ack(ack).payload(b"hello").bytes()));
    let to_origin = said.into_iter().filter(|(segment, _)| segment.key.src == ours.addr);
    let bytes = to_origin.flat_map(|(_, payload)| payload).collect();
    let counted = bench.control.pages[0].counter(Counter::ProxyHeadersSent);
    assert_eq!(counted, u64::from(proxy_protocol != ProxyProtocol::Off));
    bytes
}

#[test]
fn an_origin_hears_the_clients_family_whatever_its_own_is_and_then_the_client() {
    let v1: [&[u8]; 2] =
        [b"PROXY TCP4 10.0.0.7 198.51.100.10 4000 80\r\n", b"PROXY TCP6 2001:2:1::7 2001:db8::1 4000 80\r\n"];
    let v2: [&[u8]; 2] = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x07\xc6\x33\x64\x0a\x0f\xa0\0\x50",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\0\x02\0\x01\0\0\0\0\0\0\0\0\0\x07\
          \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x0f\xa0\0\x50",
    ];
    for (family, origin) in [(0, 0), (1, 1), (0, 1), (1, 0)] {
        let rows = [
            (ProxyProtocol::Off, &b""[..]),
            (ProxyProtocol::V1, v1[family]),
            (ProxyProtocol::V2, v2[family]),
        ];
        for (form, header) in rows {
            let expected = [header, b"hello"].concat();
            assert_eq!(heard(family, origin, form), expected, "{form:?}, IPv{}", [4, 6][family]);
        }
    }
}
