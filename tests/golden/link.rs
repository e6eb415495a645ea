//! ARP, NDP and echo: who is answered, and who is not.

use crate::bench::Moved::{Count, Drop};
use crate::bench::{Row, row};
use byway::base::DropReason::*;
use byway::telemetry::Counter::*;
use byway::testkit::edge::{EDGE_IPS, addr};
use byway::testkit::frames::{PEER_MAC, eth};
use byway::wire::{ArpPacket, NdpMessage, ndp};

const GATEWAY4: &str = "198.18.0.2";
const GATEWAY6: &str = "2001:2:0:1::2";

fn asks(sender: &str, target: &str) -> Vec<u8> {
    eth().dst([0xff; 6]).arp(&ArpPacket::request(PEER_MAC, addr(sender), addr(target)))
}

fn solicits(sender: &str, target: &str) -> Vec<u8> {
    let mut packet = [0; ndp::PACKET_LEN];
    let group = ndp::solicited_node(addr(target));
    NdpMessage::emit_solicitation(&mut packet, (addr(sender), PEER_MAC), group, addr(target));
    eth().dst(byway::wire::ethernet::multicast_mac(group)).raw(0x86dd, &packet)
}

/// Duplicate address detection (RFC 4862 5.4.2): from nobody, without an address option.
fn detects(target: &str) -> Vec<u8> {
    let group = ndp::solicited_node(addr(target));
    let data = addr(target).bits().to_be_bytes();
    let mac = byway::wire::ethernet::multicast_mac(group);
    eth().dst(mac).ip6("::", group).hops(255).icmp(135, 0, [0; 4], &data).bytes()
}

fn answered(row: Row, counter: byway::telemetry::Counter) -> Row {
    row.counts(ReturnedFrames).counts(counter)
}

pub fn rows() -> Vec<Row> {
    [arp(), ndp_rows(), echo()].into_iter().flatten().collect()
}

fn arp() -> Vec<Row> {
    let nine = vec![asks("198.18.0.7", "198.18.0.1"); 9];
    vec![
        answered(
            row("ARP for the port's address is answered", vec![asks("198.18.0.7", "198.18.0.1")]),
            ArpAnswersSent,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ARP 198.18.0.1 is at 02:00:00:00:00:01"]),
        answered(
            row("ARP for an egress address is answered", vec![asks("198.18.0.7", "198.18.0.10")]),
            ArpAnswersSent,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ARP 198.18.0.10 is at 02:00:00:00:00:01"]),
        answered(
            row("ARP for an onboarded address is answered", vec![asks("198.18.0.7", "198.51.100.200")]),
            ArpAnswersSent,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ARP 198.51.100.200 is at 02:00:00:00:00:01"]),
        row("but not where the config does not say so", vec![asks("198.18.0.7", "198.51.100.200")])
            .config(|settings| settings.ports[0].answer_neighbors_for_prefixes = false)
            .drops(NeighborNotOurs),
        row("ARP for somebody else is not answered", vec![asks("198.18.0.7", "198.18.0.3")])
            .drops(NeighborNotOurs),
        answered(
            row("a probe for the port's address is answered", vec![asks("0.0.0.0", "198.18.0.1")]),
            ArpAnswersSent,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ARP 198.18.0.1 is at 02:00:00:00:00:01"]),
        row("a stranger's answer makes no entry", vec![stray_reply("198.18.0.9")]).drops(NeighborNotOurs),
        row("questions over the rate are not answered", nine)
            .config(|settings| settings.rates.neighbor_per_s = 1)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ARP 198.18.0.1 is at 02:00:00:00:00:01"; 8])
            .moves(Count(ReturnedFrames), 8)
            .moves(Count(ArpAnswersSent), 8)
            .moves(Drop(NeighborRateLimited), 1),
        row("a claim of our address is defended by announcing it", vec![asks("198.18.0.1", "198.18.0.1")])
            .drops(NeighborNotOurs)
            .out(ANNOUNCED)
            .moves(Count(ArpAnnouncementsSent), 2)
            .moves(Count(NdpAnnouncementsSent), 3),
    ]
}

/// The port's link-local address, by its hardware address.
const LINK_LOCAL: &str = "fe80::ff:fe00:1";

/// What the port says of itself, at start and in defence.
pub const ANNOUNCED: &[&str] = &[
    "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ARP who has 198.18.0.1, tell 198.18.0.1",
    "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ARP who has 198.18.0.10, tell 198.18.0.10",
    "02:00:00:00:00:01 > 33:33:00:00:00:01 2001:2:0:1::1 > ff02::1 NDP 2001:2:0:1::1 is at 02:00:00:00:00:01",
    "02:00:00:00:00:01 > 33:33:00:00:00:01 2001:2:0:1::10 > ff02::1 NDP 2001:2:0:1::10 is at 02:00:00:00:00:01",
    "02:00:00:00:00:01 > 33:33:00:00:00:01 fe80::ff:fe00:1 > ff02::1 NDP fe80::ff:fe00:1 is at 02:00:00:00:00:01",
];

fn stray_reply(sender: &str) -> Vec<u8> {
    let request = ArpPacket::request([2, 0, 0, 0, 0, 1], addr("198.18.0.1"), addr(sender));
    eth().arp(&request.reply(PEER_MAC))
}

fn ndp_rows() -> Vec<Row> {
    vec![
        answered(row("NDP for the port's address is answered", vec![solicits(GATEWAY6, "2001:2:0:1::1")]), NdpAnswersSent)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa 2001:2:0:1::1 > 2001:2:0:1::2 NDP 2001:2:0:1::1 is at 02:00:00:00:00:01"]),
        answered(row("NDP for an egress address is answered", vec![solicits(GATEWAY6, "2001:2:0:1::10")]), NdpAnswersSent)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa 2001:2:0:1::10 > 2001:2:0:1::2 NDP 2001:2:0:1::10 is at 02:00:00:00:00:01"]),
        answered(row("NDP for an onboarded address is answered", vec![solicits("fe80::2", "2001:db8::77")]), NdpAnswersSent)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa 2001:db8::77 > fe80::2 NDP 2001:db8::77 is at 02:00:00:00:00:01"]),
        answered(row("duplicate address detection hears that it is taken", vec![detects("2001:2:0:1::1")]), NdpAnswersSent)
            .out(&["02:00:00:00:00:01 > 33:33:00:00:00:01 2001:2:0:1::1 > ff02::1 NDP 2001:2:0:1::1 is at 02:00:00:00:00:01"]),
        answered(row("NDP for the port's link-local address is answered", vec![solicits("fe80::2", LINK_LOCAL)]), NdpAnswersSent)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa fe80::ff:fe00:1 > fe80::2 NDP fe80::ff:fe00:1 is at 02:00:00:00:00:01"]),
        answered(row("detection of the link-local address hears that it is taken", vec![detects(LINK_LOCAL)]), NdpAnswersSent)
            .out(&["02:00:00:00:00:01 > 33:33:00:00:00:01 fe80::ff:fe00:1 > ff02::1 NDP fe80::ff:fe00:1 is at 02:00:00:00:00:01"]),
        answered(row("a port without an IPv6 address has one by its IPv6 route", vec![solicits("fe80::2", LINK_LOCAL)]), NdpAnswersSent)
            .config(|settings| settings.ports[0].addresses.truncate(1))
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa fe80::ff:fe00:1 > fe80::2 NDP fe80::ff:fe00:1 is at 02:00:00:00:00:01"]),
        row("without any IPv6 there is no link-local address", vec![solicits("fe80::2", LINK_LOCAL)])
            .config(|settings| {
                settings.ports[0].addresses.truncate(1);
                settings.routes.truncate(1);
            })
            .drops(NeighborNotOurs),
        row("NDP for somebody else's link-local address is not answered", vec![solicits("fe80::2", "fe80::3")]).drops(NeighborNotOurs),
        row("NDP for somebody else is not answered", vec![solicits(GATEWAY6, "2001:2:0:1::3")]).drops(NeighborNotOurs),
        row("a router's advertisement is ignored", vec![router_advertisement()]).drops(IcmpIgnored),
    ]
}

fn router_advertisement() -> Vec<u8> {
    let data = [0; 8];
    let mac = [0x33, 0x33, 0, 0, 0, 1];
    eth().dst(mac).ip6("fe80::2", "ff02::1").hops(255).icmp(134, 0, [64, 0, 0, 0], &data).bytes()
}

fn echo() -> Vec<Row> {
    let ping4 = |dst: &str| vec![eth().ip4("10.0.0.7", dst).hops(9).echo(1, 2, b"are you there").bytes()];
    let ping6 = |dst: &str| vec![eth().ip6("2001:2:1::7", dst).hops(9).echo(1, 2, b"are you there").bytes()];
    let burst = vec![ping4(EDGE_IPS[0]).remove(0); 9];
    vec![
        answered(row("echo to an edge address with an app", ping4(EDGE_IPS[0])), EchoReplies)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 ICMP 198.51.100.10 > 10.0.0.7 type 0 code 0"]),
        answered(row("ICMPv6 echo to an edge address with an app", ping6(EDGE_IPS[1])), EchoReplies)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 ICMP 2001:db8::1 > 2001:2:1::7 type 129 code 0"]),
        answered(
            row("echo to the port's address, from on-link, goes by the route", ping_from(GATEWAY4)),
            EchoReplies,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 ICMP 198.18.0.1 > 198.18.0.2 type 0 code 0"]),
        answered(
            row("echo between link-local addresses stays on the link", ping6_link("fe80::2", LINK_LOCAL)),
            EchoReplies,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ICMP fe80::ff:fe00:1 > fe80::2 type 129 code 0"]),
        answered(
            row("so does one to the port's global address", ping6_link("fe80::2", "2001:2:0:1::1")),
            EchoReplies,
        )
        .out(&["02:00:00:00:00:01 > 02:00:00:00:00:aa ICMP 2001:2:0:1::1 > fe80::2 type 129 code 0"]),
        row("echo to another's link-local address", ping6_link("fe80::2", "fe80::3")).drops(NoPrefix),
        row("echo from the port's own link-local address", ping6_link(LINK_LOCAL, "2001:2:0:1::1"))
            .drops(SpoofedSource),
        row("echo over the rate", burst)
            .config(|settings| settings.rates.echo_per_s = 1)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 ICMP 198.51.100.10 > 10.0.0.7 type 0 code 0"; 8])
            .moves(Count(ReturnedFrames), 8)
            .moves(Count(EchoReplies), 8)
            .moves(Drop(IcmpRateLimited), 1),
    ]
}

fn ping6_link(src: &str, dst: &str) -> Vec<Vec<u8>> {
    vec![eth().ip6(src, dst).echo(1, 2, b"are you there").bytes()]
}

fn ping_from(src: &str) -> Vec<Vec<u8>> {
    vec![eth().ip4(src, "198.18.0.1").echo(1, 2, b"are you there").bytes()]
}
