//! Writes the first seeds of the wire targets and of the API's into `corpus/`: `cargo run --example seeds` in this folder.

use byway::testkit::frames::{IntoAddr, Ip, eth};
use byway::wire::{ArpPacket, SackBlocks, TcpOptions};
use std::path::Path;

fn main() {
    let frames = frames();
    write("wire_parse", frames.iter().map(|(name, frame)| (*name, [&[1][..], frame].concat())));
    write("wire_control", messages().into_iter());
    write("tcp_options", options().into_iter());
    write("api_query", questions().into_iter());
}

fn write(target: &str, seeds: impl Iterator<Item = (&'static str, Vec<u8>)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, seed) in seeds {
        std::fs::write(folder.join(name), seed).expect("a seed");
    }
}

fn v4() -> Ip {
    eth().ip4("192.0.2.1", "198.51.100.10")
}

fn v6() -> Ip {
    eth().ip6("2001:db8::1", "2001:db8:ffff::10")
}

fn syn_options() -> TcpOptions {
    let sack = SackBlocks::NONE;
    TcpOptions { mss: Some(1460), window_shift: Some(7), sack_permitted: true, timestamp: Some((1, 0)), sack }
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let stamped = TcpOptions { timestamp: Some((1, 2)), ..TcpOptions::NONE };
    vec![
        ("syn4", v4().tcp(4000, 22).seq(7).syn().options(syn_options()).bytes()),
        ("syn6", v6().tcp(4000, 22).seq(7).syn().options(syn_options()).bytes()),
        ("data4", v4().tcp(4000, 22).seq(7).ack(9).psh().options(stamped).payload(b"hello").bytes()),
        ("data6", v6().tcp(4000, 22).seq(7).ack(9).psh().options(stamped).payload(b"hello").bytes()),
        ("rst4", v4().tcp(4000, 22).seq(7).rst().bytes()),
        ("udp4", v4().udp(4000, 53).payload(b"hello").bytes()),
        ("udp6", v6().udp(4000, 53).payload(b"hello").bytes()),
        ("echo4", v4().echo(1, 2, b"hello").bytes()),
        ("echo6", v6().echo(1, 2, b"hello").bytes()),
        ("error4", v4().icmp(3, 4, [0, 0, 5, 120], &quote(&v4())).bytes()),
        ("error6", v6().icmp(2, 0, [0, 0, 5, 120], &quote(&v6())).bytes()),
        ("solicitation", v6().hops(255).icmp(135, 0, [0; 4], &solicitation()).bytes()),
        ("arp", eth().arp(&arp())),
        ("vlan", eth().vlan(0x8100, 5).ip4("192.0.2.1", "198.51.100.10").tcp(1, 2).syn().bytes()),
        ("options4", v4().options(&[1, 1, 1, 0]).tcp(1, 2).syn().bytes()),
        ("fragment6", v6().extension(44).tcp(1, 2).syn().bytes()),
    ]
}

fn quote(ip: &Ip) -> Vec<u8> {
    ip.clone().tcp(22, 4000).seq(5).ack(6).bytes()[14..].to_vec()
}

fn arp() -> ArpPacket {
    ArpPacket::request([2, 0, 0, 0, 0, 1], "192.0.2.1".into_addr(), "192.0.2.2".into_addr())
}

fn solicitation() -> Vec<u8> {
    let target = "2001:db8:ffff::10".into_addr().bits().to_be_bytes();
    [&target[..], &[1, 1, 2, 0, 0, 0, 0, 1]].concat()
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let hosts = |src: &str| {
        [src.into_addr(), "2001:db8::2".into_addr()].map(|addr| addr.bits().to_be_bytes()).concat()
    };
    let ndp =
        |kind: u8, body: &[u8]| [&[1][..], &hosts("fe80::1"), &[kind, 0, 0, 0, 0, 0, 0, 0], body].concat();
    vec![
        ("arp", [&[0][..], &eth().arp(&arp())[14..]].concat()),
        ("solicitation", ndp(135, &solicitation())),
        ("advertisement", ndp(136, &solicitation())),
        ("router_solicitation", ndp(133, &[1, 1, 2, 0, 0, 0, 0, 1])),
        ("router_advertisement", ndp(134, &[0; 8])),
        ("redirect", ndp(137, &[0x20; 32])),
        ("echo4", vec![2, 8, 0, 0, 0, 0, 1, 0, 2]),
        ("unreachable4", [&[2, 3, 1, 0, 0, 0, 0, 0, 0][..], &quote(&v4())].concat()),
        ("exceeded4", [&[2, 11, 0, 0, 0, 0, 0, 0, 0][..], &quote(&v4())].concat()),
        ("too_big6", [&[3, 2, 0, 0, 0, 0, 0, 5, 120][..], &quote(&v6())].concat()),
    ]
}

fn options() -> Vec<(&'static str, Vec<u8>)> {
    let written = |options: TcpOptions| {
        let mut bytes = vec![0; options.emit_len()];
        options.emit(&mut bytes);
        bytes
    };
    let sack = SackBlocks::new(&[(1, 2), (3, 4), (5, 6)]);
    vec![
        ("syn", written(syn_options())),
        ("stamp", written(TcpOptions { timestamp: Some((1, 2)), ..TcpOptions::NONE })),
        ("sack", written(TcpOptions { timestamp: Some((1, 2)), sack, ..TcpOptions::NONE })),
        ("unknown", vec![254, 4, 1, 2, 34, 2, 0, 0]),
    ]
}

/// The first byte picks a list or (from 0x80) a change of the document; whichever it is, some of these mean something to it.
fn questions() -> Vec<(&'static str, Vec<u8>)> {
    let ask = |first: u8, text: &str| [&[first], text.as_bytes()].concat();
    let rule =
        r#"{"mode":"block","configuration":{"target":"ip_range","value":"203.0.113.0/24"},"notes":"x"}"#;
    let app = r#"{"protocol":"tcp/22","dns":{"type":"ADDRESS","name":"n.example.net"},"origin_direct":["tcp://192.0.2.7:22"],"edge_ips":{"type":"static","ips":["203.0.113.9"]}}"#;
    vec![
        ("apps", ask(0, "order=modified_on&direction=desc&page=2&per_page=3")),
        (
            "rules",
            ask(
                1,
                "mode=block&configuration.target=ip6&configuration.value=2001:db8::1&match=any&order=configuration.value",
            ),
        ),
        ("rules_of_account", ask(2, "notes=no.%201&match=all&order=mode&direction=asc&per_page=1")),
        ("certificates", ask(3, "status=active&match=all")),
        ("accounts", ask(4, "name=two&direction=desc")),
        (
            "zones",
            ask(5, "account.id=00000000000000000000000000000001&order=account.id&status=active&match=all"),
        ),
        ("bindings", ask(7, "page=1&per_page=1000")),
        ("empty", ask(1, "mode=&page=1&page=2&pending_delete")),
        ("app", ask(0x80, app)),
        ("replaced_app", ask(0x81, app)),
        ("merged_app", ask(0x82, r#"{"ip_firewall":true,"origin_port":"22","limits":{"connections":7}}"#)),
        ("control_letter", ask(0x82, "{\"ip_fire\u{7f}all\":true}")),
        ("rule", ask(0x83, rule)),
        ("batch", ask(0x84, &format!(r#"{{"rules":[{rule},{rule}]}}"#))),
        (
            "prefix",
            ask(
                0x8b,
                r#"{"cidr":"198.51.100.0/24","asn":64496,"description":"x","delegate_loa_creation":true}"#,
            ),
        ),
        (
            "binding",
            ask(0x8d, r#"{"cidr":"203.0.113.64/28","service_id":"2db684ee7ca04e159946fd05b99e1bcd"}"#),
        ),
        (
            "map",
            ask(
                0x90,
                r#"{"enabled":true,"ips":["203.0.113.1"],"memberships":[{"kind":"account","identifier":"00000000000000000000000000000001"}],"default_sni":"a.example.net"}"#,
            ),
        ),
    ]
}
