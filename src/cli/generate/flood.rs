//! Stateless ranges: SYNs or datagrams from pools of sources to pools of destinations, no state kept of any.
//!
//! Answers are counted by their kind, and never answered.

use super::link::Link;
use super::pace::Pace;
use super::pool::{Order, Pool};
use crate::base::{Endpoint, Instant, Rng};
use crate::port::Port;
use crate::wire::{EtherType, Family, Parsed, TcpEmit, TcpFlags, TcpOptions, checksum, ipv4, ipv6, udp};

/// Frames of one turn.
const BURST: u64 = 32;

/// What a flood consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// First SYNs with the options of a usual host.
    Syn,
    /// Datagrams.
    Udp,
}

/// What is sent, from whom, to whom.
#[derive(Clone, Debug)]
pub struct FloodPlan {
    /// What.
    pub kind: Kind,
    /// From whom.
    pub from: Pool,
    /// To whom; all of one family with `from`.
    pub to: Pool,
    /// In which order.
    pub order: Order,
    /// Bytes of payload.
    pub payload: u16,
    /// Of random orders and numbers.
    pub seed: u64,
}

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answers {
    /// SYN-ACKs.
    pub syn_acks: u64,
    /// Resets.
    pub resets: u64,
    /// Datagrams.
    pub datagrams: u64,
}

/// A flood under way.
pub struct Flood<P: Port> {
    /// Its port.
    pub link: Link<P>,
    plan: FloodPlan,
    /// How far it is.
    pub pace: Pace,
    /// What came back so far.
    pub answers: Answers,
    rng: Rng,
}

impl<P: Port> Flood<P> {
    /// A flood that has not begun.
    pub fn new(link: Link<P>, plan: FloodPlan, pace: Pace) -> Self {
        let rng = Rng::new(plan.seed);
        Self { link, plan, pace, answers: Answers::default(), rng }
    }

    /// Takes in what came and sends what is due; the number of frames written.
    pub fn turn(&mut self, now: Instant) -> u64 {
        let answers = &mut self.answers;
        self.link.receive(|_, parsed| match parsed {
            Parsed::Tcp(segment) if segment.flags.has(TcpFlags::RST) => answers.resets += 1,
            Parsed::Tcp(segment) if segment.flags.has(TcpFlags::SYN | TcpFlags::ACK) => answers.syn_acks += 1,
            Parsed::Udp { .. } => answers.datagrams += 1,
            Parsed::Tcp(_) | Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. } => {}
        });
        let mut written = 0;
        if self.link.is_up(now) && self.link.has_room() {
            let due = self.pace.due(now, BURST);
            while written < due && self.write(self.pace.sent() + written) {
                written += 1;
            }
            self.pace.went(written);
        }
        self.link.flush();
        written
    }

    fn write(&mut self, n: u64) -> bool {
        let src = self.plan.from.pick(self.plan.order, n, &mut self.rng);
        let dst = self.plan.to.pick(self.plan.order, n, &mut self.rng);
        let ether_type = EtherType::of(Family::of(src.addr));
        match self.plan.kind {
            Kind::Syn => {
                let packet = syn(src, dst, (self.rng.next_u32(), self.plan.payload));
                self.link.send(packet.packet_len(), ether_type, |bytes| {
                    let _ = packet.emit(bytes).map(|payload| payload.fill(0));
                    checksum::finish_ip_tcp(bytes);
                })
            }
            Kind::Udp => {
                let len = datagram_len(src, self.plan.payload);
                self.link.send(len, ether_type, |bytes| write_datagram(bytes, src, dst))
            }
        }
    }
}

fn syn(src: Endpoint, dst: Endpoint, (seq, payload_len): (u32, u16)) -> TcpEmit {
    let mss = if src.addr.is_v4() { 1460 } else { 1440 };
    let options =
        TcpOptions { mss: Some(mss), window_shift: Some(7), sack_permitted: true, ..TcpOptions::NONE };
    let bare = TcpEmit::bare(src, dst, TcpFlags(TcpFlags::SYN), (seq, 0));
    TcpEmit { window: 64_240, options, payload_len, ..bare }
}

const fn datagram_len(src: Endpoint, payload: u16) -> usize {
    let ip = if src.addr.is_v4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
    ip + udp::HEADER_LEN + payload as usize
}

fn write_datagram(bytes: &mut [u8], src: Endpoint, dst: Endpoint) {
    let whole = bytes.len() as u16;
    let ip_len = if src.addr.is_v4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
    let (ip, datagram) = bytes.split_at_mut(ip_len);
    let len = whole - ip_len as u16;
    if let Some(header) = ip.first_chunk_mut::<{ ipv6::HEADER_LEN }>() {
        let (next, hop_limit) = (udp::PROTOCOL, ipv6::HOP_LIMIT);
        ipv6::Header { src: src.addr, dst: dst.addr, next, hop_limit, payload_len: len }.emit(header);
    } else if let Some(header) = ip.first_chunk_mut::<{ ipv4::HEADER_LEN }>() {
        let protocol = udp::PROTOCOL;
        ipv4::Header { src: src.addr, dst: dst.addr, protocol, total_len: whole }.emit(header);
    }
    datagram.fill(0);
    if let Some(header) = datagram.first_chunk_mut() {
        udp::Header { src_port: src.port, dst_port: dst.port, len, checksum: 0 }.emit(header);
    }
    checksum::finish_ip_tcp(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Span};
    use crate::cli::generate::link::NextHop;
    use crate::cli::generate::pace::Bounds;
    use crate::port::mem::{self, MemOptions, MemPort, MemWire};
    use crate::wire::{ArpPacket, RxHints, ethernet};
    use std::collections::HashSet;

    const EDGE: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn flood(kind: Kind, from: &str, order: Order) -> (MemWire, Flood<MemPort>) {
        let (wire, mut ports) = mem::link(MemOptions::default());
        let from = Pool::new(from.parse().expect("a net"), &(1_024..=2_047));
        let to = if from.nth(0).addr.is_v4() { "198.51.100.10" } else { "2001:db8::1" };
        let to = Pool::of_host(to.parse().expect("an address"), &(80..=80));
        let link = Link::new(ports.remove(0), vec![], NextHop::Mac(EDGE));
        let bounds = Bounds { rate: Some(1_000), count: Some(100), length: Span::from_secs(10) };
        let plan = FloodPlan { kind, from, to, order, payload: 6, seed: 1 };
        (wire, Flood::new(link, plan, Pace::new(bounds, Instant::ZERO)))
    }

    #[test]
    fn frames_are_sound_from_the_pool_and_as_many_as_asked_for() {
        for (kind, from) in [
            (Kind::Syn, "198.18.64.0/24"),
            (Kind::Syn, "2001:2:0:40::/64"),
            (Kind::Udp, "198.18.64.0/24"),
            (Kind::Udp, "2001:2:0:40::/64"),
        ] {
            for order in [Order::Step, Order::Random] {
                let (mut wire, mut flood) = flood(kind, from, order);
                let mut sources = HashSet::new();
                for ms in 0..200 {
                    flood.turn(Instant::ZERO + Span::from_millis(ms));
                    while let Some(frame) = wire.receive() {
                        assert_eq!(frame[..6], EDGE);
                        assert!(frame.len() >= ethernet::FRAME_LEN_MIN);
                        match crate::wire::parse(&frame, &RxHints::default()).expect("a sound frame") {
                            Parsed::Tcp(segment) if kind == Kind::Syn => {
                                assert!(segment.flags.is_first_syn() && segment.payload_len() == 6);
                                sources.insert(segment.key.src_endpoint());
                            }
                            Parsed::Udp { key, payload_offset, ip_end } if kind == Kind::Udp => {
                                assert_eq!(ip_end - payload_offset, 6);
                                sources.insert(key.src_endpoint());
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
                assert_eq!(flood.link.sent, 100, "{from}");
                assert!(sources.len() > 95 && sources.iter().all(|source| flood.plan.from.holds(*source)));
            }
        }
    }

    #[test]
    fn nothing_is_sent_before_the_next_hop_has_answered() {
        let (_, mut flood) = flood(Kind::Syn, "198.18.64.0/24", Order::Step);
        let (own, hop) = (Addr::v4([198, 18, 0, 9]), Addr::v4([198, 18, 0, 1]));
        let (mut wire, mut ports) = mem::link(MemOptions::default());
        let own_pool = vec![Pool::of_host(own.to_ip(), &(1..=1))];
        flood.link = Link::new(ports.remove(0), own_pool, NextHop::Ip(hop));
        flood.turn(Instant::ZERO);
        let asked = wire.receive().expect("a question");
        let packet = ArpPacket::parse(&asked[14..]).expect("ARP");
        assert_eq!((packet.sender, packet.target), (own, hop));
        assert!(wire.receive().is_none());
        let mut answer = asked.clone();
        packet.reply(EDGE).emit(answer[14..].first_chunk_mut().expect("room"));
        assert!(wire.send(&answer));
        flood.turn(Instant::ZERO + Span::from_millis(5));
        assert_eq!(wire.receive().expect("a SYN")[..6], EDGE);
    }

    #[test]
    fn answers_are_counted_by_kind_and_never_answered() {
        let (mut wire, mut flood) = flood(Kind::Syn, "198.18.64.0/24", Order::Step);
        flood.pace.went(100);
        let (client, edge) = (flood.plan.from.nth(0), flood.plan.to.nth(0));
        for flags in [TcpFlags::SYN | TcpFlags::ACK, TcpFlags::RST, TcpFlags::ACK] {
            let packet = TcpEmit::bare(edge, client, TcpFlags(flags), (1, 1));
            let mut frame = vec![0; 14 + packet.packet_len()];
            frame[12] = 8;
            packet.emit(&mut frame[14..]).expect("room");
            checksum::finish_ip_tcp(&mut frame[14..]);
            assert!(wire.send(&frame));
        }
        flood.turn(Instant::ZERO);
        assert_eq!(flood.answers, Answers { syn_acks: 1, resets: 1, datagrams: 0 });
        assert!(wire.receive().is_none());
    }
}
