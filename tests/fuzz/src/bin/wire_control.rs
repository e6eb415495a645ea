//! ARP, neighbour discovery and ICMP messages of any bytes, held against smoltcp's readings.
//!
//! Input: a byte that chooses the protocol, for neighbour discovery source and destination, then the message.
#![no_main]

use byway::base::Addr;
use byway::wire::{ArpOperation, ArpPacket, Family, IcmpErrorKind, IcmpMessage, NdpMessage};
use byway_fuzz::Input;
use libfuzzer_sys::fuzz_target;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpPacket as ForeignArp, ArpRepr, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, NdiscRepr,
    RawHardwareAddress,
};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    match input.byte() % 4 {
        0 => arp(input.0),
        1 => ndp(Addr::v6(input.take()), Addr::v6(input.take()), input.0),
        2 => icmp_v4(input.0),
        _ => icmp_v6(input.0),
    }
});

fn arp(bytes: &[u8]) {
    let Ok(ours) = ArpPacket::parse(bytes) else { return };
    let view = ForeignArp::new_checked(bytes).expect("smoltcp reads it");
    let ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, target_protocol_addr, .. } =
        ArpRepr::parse(&view).expect("smoltcp takes it")
    else {
        panic!("another kind")
    };
    assert_eq!((source_hardware_addr.0, Addr::from(source_protocol_addr)), (ours.sender_mac, ours.sender));
    assert_eq!(Addr::from(target_protocol_addr), ours.target);
    let mut written = [0; 28];
    ours.emit(&mut written);
    assert_eq!(written, bytes[..28]);
    if ours.operation == ArpOperation::Request {
        let reply = ours.reply([2, 0, 0, 0, 0, 1]);
        reply.emit(&mut written);
        assert_eq!(ArpPacket::parse(&written), Ok(reply));
    }
}

fn ndp(src: Addr, dst: Addr, message: &[u8]) {
    let Ok(ours) = NdpMessage::parse(message, src, dst) else { return };
    let view = Icmpv6Packet::new_checked(message).expect("smoltcp reads it");
    let Ok(theirs) = NdiscRepr::parse(&view) else { return };
    // Of several options, or ones of odd lengths and groups, each reading takes what it likes.
    let alone = message.len() == 32 && message[25] == 1 && message[26] & 1 == 0;
    let mac = |link: Option<RawHardwareAddress>| link.and_then(|link| link.as_bytes().try_into().ok());
    match (ours, theirs) {
        (
            NdpMessage::NeighborSolicitation { target, source_link },
            NdiscRepr::NeighborSolicit { target_addr, lladdr },
        ) => {
            assert_eq!(target, target_addr.into());
            assert!(!alone || source_link == mac(lladdr));
        }
        (
            NdpMessage::NeighborAdvertisement { target, target_link, .. },
            NdiscRepr::NeighborAdvert { target_addr, lladdr, .. },
        ) => {
            assert_eq!(target, target_addr.into());
            assert!(!alone || target_link == mac(lladdr));
        }
        (NdpMessage::RouterSolicitation, NdiscRepr::RouterSolicit { .. })
        | (NdpMessage::RouterAdvertisement, NdiscRepr::RouterAdvert { .. })
        | (NdpMessage::Redirect, NdiscRepr::Redirect { .. }) => {}
        (ours, theirs) => panic!("{ours:?} is {theirs:?} to smoltcp"),
    }
}

fn icmp_v4(message: &[u8]) {
    let ours = IcmpMessage::parse(message, Family::V4);
    let Ok(view) = Icmpv4Packet::new_checked(message) else { return };
    let Ok(theirs) = Icmpv4Repr::parse(&view, &ChecksumCapabilities::ignored()) else { return };
    match (ours, theirs) {
        (Ok(IcmpMessage::EchoRequest), theirs) => assert!(matches!(theirs, Icmpv4Repr::EchoRequest { .. })),
        (Ok(IcmpMessage::Error { kind, quoted }), Icmpv4Repr::DstUnreachable { header, .. }) => {
            assert!(matches!(kind, IcmpErrorKind::Unreachable(_) | IcmpErrorKind::TooBig { .. }));
            assert_eq!((quoted.key.src, quoted.key.dst), (header.src_addr.into(), header.dst_addr.into()));
        }
        (Ok(IcmpMessage::Error { kind, quoted }), Icmpv4Repr::TimeExceeded { header, .. }) => {
            assert_eq!(kind, IcmpErrorKind::TimeExceeded);
            assert_eq!((quoted.key.src, quoted.key.dst), (header.src_addr.into(), header.dst_addr.into()));
        }
        (Ok(IcmpMessage::Error { .. } | IcmpMessage::Other) | Err(_), _) => {}
    }
}

fn icmp_v6(message: &[u8]) {
    let ours = IcmpMessage::parse(message, Family::V6);
    let Ok(view) = Icmpv6Packet::new_checked(message) else { return };
    let (src, dst) = ([0x20; 16].into(), [0x21; 16].into());
    let Ok(theirs) = Icmpv6Repr::parse(&src, &dst, &view, &ChecksumCapabilities::ignored()) else { return };
    match (ours, theirs) {
        (Ok(IcmpMessage::EchoRequest), theirs) => assert!(matches!(theirs, Icmpv6Repr::EchoRequest { .. })),
        (Ok(IcmpMessage::Error { kind, quoted }), Icmpv6Repr::PktTooBig { mtu, header, .. }) => {
            assert_eq!(kind, IcmpErrorKind::TooBig { mtu });
            assert_eq!((quoted.key.src, quoted.key.dst), (header.src_addr.into(), header.dst_addr.into()));
        }
        (Ok(IcmpMessage::Error { kind, quoted }), Icmpv6Repr::DstUnreachable { header, .. }) => {
            assert!(matches!(kind, IcmpErrorKind::Unreachable(_)));
            assert_eq!((quoted.key.src, quoted.key.dst), (header.src_addr.into(), header.dst_addr.into()));
        }
        (Ok(IcmpMessage::Error { .. } | IcmpMessage::Other) | Err(_), _) => {}
    }
}
