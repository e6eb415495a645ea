//! A simulated machine on the link: Ethernet, ARP and NDP by hand, and a smoltcp stack for many peers.
//!
//! It owns whole prefixes, so that one host plays thousands of clients or origins behind one hardware address. Its
//! link layer shares no code with `wire`: a mistake there does not hide here.

use super::peer::{self, Outcome, Peer, Speech};
use super::seal::Seal;
use super::talk::Talk;
use crate::base::{Addr, Endpoint, Instant};
use rustls::{ServerConfig, ServerConnection};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::HardwareAddress;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

const ETHERNET_LEN: usize = 14;
const BROADCAST: [u8; 6] = [0xff; 6];

/// The near and the far end of a connection, as the host sees them.
type Tuple = (Endpoint, Endpoint);

/// How an origin is gone that does not take connections any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// It answers with RST.
    Refuses,
    /// It says nothing.
    Silent,
}

/// One machine.
pub struct Host {
    /// Its hardware address; changing it moves the host to another card.
    pub mac: [u8; 6],
    /// Whether an address is one of its own.
    owns: fn(Addr) -> bool,
    /// Whether it accepts connections.
    listens: bool,
    /// An address of its own that takes no new connections for now; those that live go on.
    pub absent: Option<(Addr, Absence)>,
    /// Addresses of its own that neither hear nor say anything any more, as if unplugged.
    pub unplugged: HashSet<Addr>,
    /// Which of its addresses use TCP timestamps.
    pub stamped: fn(Addr) -> bool,
    /// How many milliseconds the clock of those is ahead of the run's.
    pub clock_ahead: u32,
    /// By how many bits each of its addresses shifts its windows.
    pub window_shift: Box<dyn Fn(Addr) -> u8>,
    /// Ports on which it accepts TLS alone.
    pub sealed_ports: HashMap<u16, Arc<ServerConfig>>,
    /// The hardware address that frames go to.
    gateway: [u8; 6],
    iface: Interface,
    pipe: Pipe,
    peers: HashMap<Tuple, Peer>,
    /// When each peer wants to be polled next, and the same the other way round.
    timers: BTreeMap<(SmolInstant, Tuple), ()>,
    due: HashMap<Tuple, SmolInstant>,
    /// Frames to send.
    out: Vec<Vec<u8>>,
    /// Peers that are over, with how they ended.
    pub ended: Vec<(Option<Talk>, Outcome)>,
    /// Records of TLS that peers which are over heard and said.
    pub records: u64,
}

impl Host {
    /// A machine that owns the addresses that `owns` says, and sends everything to `gateway`.
    pub fn new(mac: [u8; 6], gateway: [u8; 6], owns: fn(Addr) -> bool, listens: bool, seed: u64) -> Self {
        let mut pipe = Pipe::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut iface = Interface::new(config, &mut pipe, SmolInstant::ZERO);
        iface.set_any_ip(true);
        Self {
            mac,
            owns,
            listens,
            absent: None,
            unplugged: HashSet::new(),
            stamped: |_| false,
            clock_ahead: 0,
            window_shift: Box::new(|_| 0),
            sealed_ports: HashMap::new(),
            gateway,
            iface,
            pipe,
            peers: HashMap::new(),
            timers: BTreeMap::new(),
            due: HashMap::new(),
            out: Vec::new(),
            ended: Vec::new(),
            records: 0,
        }
    }

    /// Opens a connection from `near` to `far`.
    pub fn connect(&mut self, near: Endpoint, far: Endpoint, talk: Talk, now: Instant) {
        let speech = self.speech(near.addr);
        let peer = Peer::client(&mut self.iface, (near, far), talk, speech);
        self.peers.insert((near, far), peer);
        self.poll((near, far), now);
    }

    /// The same through TLS.
    pub fn connect_sealed(&mut self, (near, far): Tuple, talk: Talk, seal: Seal, now: Instant) {
        let speech = self.speech(near.addr);
        let peer = Peer::client(&mut self.iface, (near, far), talk, speech).sealed(seal);
        self.peers.insert((near, far), peer);
        self.poll((near, far), now);
    }

    /// All peers of which something is left.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// Peers that are not over.
    pub fn live(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values().filter(|peer| peer.outcome() == Outcome::Talking)
    }

    /// Whether every peer is over, and nothing of it is left to be polled.
    pub fn is_quiet(&self) -> bool {
        self.peers.is_empty()
    }

    /// Takes a frame from the link.
    pub fn receive(&mut self, frame: &[u8], now: Instant) {
        let Some(header) = frame.get(..ETHERNET_LEN) else { return };
        let to_us = header[..6] == self.mac || header[0] & 1 == 1;
        if !to_us {
            return;
        }
        match (header[12], header[13]) {
            (0x08, 0x06) => self.receive_arp(frame),
            (0x08, 0x00) | (0x86, 0xdd) => self.receive_ip(frame, now),
            _ => {}
        }
    }

    /// When a peer wants to be polled; `None` when all are quiet.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), ())| instant(*at))
    }

    /// Polls the peers that are due.
    pub fn tick(&mut self, now: Instant) {
        while let Some((&(at, tuple), ())) = self.timers.first_key_value() {
            if instant(at) > now {
                return;
            }
            self.poll(tuple, now);
        }
    }

    /// The frames that it sends.
    pub fn sent(&mut self) -> std::vec::Drain<'_, Vec<u8>> {
        self.out.drain(..)
    }

    fn receive_ip(&mut self, frame: &[u8], now: Instant) {
        let packet = &frame[ETHERNET_LEN..];
        let Some(tcp) = Tcp::parse(packet) else {
            self.receive_ndp(frame);
            return;
        };
        let tuple = (tcp.dst, tcp.src);
        if !(self.owns)(tcp.dst.addr) || self.unplugged.contains(&tcp.dst.addr) {
            return;
        }
        let is_new = !self.peers.contains_key(&tuple);
        let absence = self.absent.filter(|(addr, _)| is_new && *addr == tcp.dst.addr);
        match absence.map(|(_, absence)| absence) {
            Some(Absence::Silent) => return,
            Some(Absence::Refuses) => {}
            None if self.listens && tcp.is_first_syn && is_new => {
                self.peers.insert(tuple, self.accept(tcp.dst, tcp.src));
            }
            None => {}
        }
        self.pipe.rx = Some(packet[..tcp.total_len].to_vec());
        if self.peers.contains_key(&tuple) {
            self.poll(tuple, now);
        } else {
            self.refuse(now);
        }
    }

    fn accept(&self, near: Endpoint, far: Endpoint) -> Peer {
        let peer = Peer::origin(near, far, self.speech(near.addr));
        let config = self.sealed_ports.get(&near.port).cloned();
        match config.and_then(|config| ServerConnection::new(config).ok()) {
            Some(tls) => peer.sealed(Seal::origin(tls)),
            None => peer,
        }
    }

    fn speech(&self, own: Addr) -> Speech {
        Speech { stamped: (self.stamped)(own), window_shift: (self.window_shift)(own) }
    }

    /// Lets the stack answer a segment that no peer takes: with RST, as any host does.
    fn refuse(&mut self, now: Instant) {
        let mut nobody = SocketSet::new(Vec::new());
        self.iface.poll(smol(now), &mut self.pipe, &mut nobody);
        self.send_packets();
    }

    /// Feeds what is in the pipe to the peer, lets it act, and sends what it says.
    fn poll(&mut self, tuple: Tuple, now: Instant) {
        let at = smol(now);
        peer::set_clock((now.millis() as u32).wrapping_add(self.clock_ahead));
        let Some(peer) = self.peers.get_mut(&tuple) else {
            self.pipe.rx = None;
            return;
        };
        self.pipe.rx.iter_mut().for_each(|packet| peer.keep_timer(packet));
        self.iface.poll(at, &mut self.pipe, &mut peer.set);
        peer.act();
        self.iface.poll(at, &mut self.pipe, &mut peer.set);
        let next = peer.poll_at(&mut self.iface, at);
        self.pipe.tx.iter_mut().for_each(|packet| peer.number(packet));
        // A first SYN that the stack refused (its checksum was wrong) leaves nobody behind.
        let over = peer.is_over() || peer.is_listening();
        if self.unplugged.contains(&tuple.0.addr) {
            self.pipe.tx.clear();
        }
        self.send_packets();
        self.arm(tuple, next.filter(|_| !over));
        if over
            && let Some(peer) = self.peers.remove(&tuple)
            && !peer.is_listening()
        {
            self.records += peer.records();
            self.ended.push((peer.talk(), peer.outcome()));
        }
    }

    fn send_packets(&mut self) {
        for packet in self.pipe.tx.drain(..) {
            let kind = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
            self.out.push(framed(self.gateway, self.mac, kind, &packet));
        }
    }

    fn arm(&mut self, tuple: Tuple, at: Option<SmolInstant>) {
        if let Some(old) = self.due.remove(&tuple) {
            self.timers.remove(&(old, tuple));
        }
        if let Some(at) = at {
            self.due.insert(tuple, at);
            self.timers.insert((at, tuple), ());
        }
    }

    fn receive_arp(&mut self, frame: &[u8]) {
        let Some(arp) = frame.get(14..42) else { return };
        let target = Addr::v4([arp[24], arp[25], arp[26], arp[27]]);
        let is_request = arp[7] == 1;
        if !is_request || !(self.owns)(target) {
            return;
        }
        let mut answer = arp.to_vec();
        answer[7] = 2;
        answer[18..28].copy_from_slice(&arp[8..18]);
        answer[8..14].copy_from_slice(&self.mac);
        answer[14..18].copy_from_slice(&arp[24..28]);
        let asker = [arp[8], arp[9], arp[10], arp[11], arp[12], arp[13]];
        self.out.push(framed(asker, self.mac, [0x08, 0x06], &answer));
    }

    /// Answers a neighbour solicitation (RFC 4861 7.2.4).
    fn receive_ndp(&mut self, frame: &[u8]) {
        let Some(icmp) = frame.get(54..78) else { return };
        let target = Addr::v6(icmp[8..24].try_into().expect("sixteen bytes"));
        if frame[14] >> 4 != 6 || frame[20] != 58 || icmp[0] != 135 || !(self.owns)(target) {
            return;
        }
        let mut packet = vec![0x60, 0, 0, 0, 0, 32, 58, 255];
        packet.extend_from_slice(&icmp[8..24]);
        packet.extend_from_slice(&frame[22..38]);
        packet.extend_from_slice(&[136, 0, 0, 0, 0x60, 0, 0, 0]);
        packet.extend_from_slice(&icmp[8..24]);
        packet.extend_from_slice(&[2, 1]);
        packet.extend_from_slice(&self.mac);
        let sum = checksum(&packet[8..], 32 + 58);
        packet[42..44].copy_from_slice(&sum.to_be_bytes());
        let asker = frame[6..12].try_into().expect("six bytes");
        self.out.push(framed(asker, self.mac, [0x86, 0xdd], &packet));
    }

    /// Asks everybody on the link for an IPv4 address, and says its own.
    pub fn announce(&mut self, addr: [u8; 4]) {
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
        arp.extend_from_slice(&self.mac);
        arp.extend_from_slice(&addr);
        arp.extend_from_slice(&[0; 6]);
        arp.extend_from_slice(&addr);
        self.out.push(framed(BROADCAST, self.mac, [0x08, 0x06], &arp));
    }
}

/// What the host needs of a TCP packet; it trusts nothing else.
struct Tcp {
    src: Endpoint,
    dst: Endpoint,
    is_first_syn: bool,
    total_len: usize,
}

impl Tcp {
    fn parse(packet: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
        let (src, dst, protocol, tcp, total_len) = match packet.first()? >> 4 {
            4 => {
                let addr = |at: usize| Some(Addr::v4(packet.get(at..at + 4)?.try_into().ok()?));
                (addr(12)?, addr(16)?, *packet.get(9)?, 20, usize::from(word(2)?))
            }
            6 => {
                let addr = |at: usize| Some(Addr::v6(packet.get(at..at + 16)?.try_into().ok()?));
                (addr(8)?, addr(24)?, *packet.get(6)?, 40, 40 + usize::from(word(4)?))
            }
            _ => return None,
        };
        let flags = *packet.get(tcp + 13)?;
        let fits = protocol == 6 && total_len <= packet.len();
        fits.then_some(Self {
            src: Endpoint { addr: src, port: word(tcp)? },
            dst: Endpoint { addr: dst, port: word(tcp + 2)? },
            is_first_syn: flags & 0x17 == 0x02,
            total_len,
        })
    }
}

fn framed(dst: [u8; 6], src: [u8; 6], kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&dst[..], &src[..], &kind[..], payload].concat()
}

/// The internet checksum (RFC 1071) over `bytes` with `start` added.
fn checksum(bytes: &[u8], start: u32) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum = bytes.chunks(2).map(word).fold(start, |sum, word| sum + word);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

fn smol(at: Instant) -> SmolInstant {
    SmolInstant::from_micros((at.nanos() / 1_000) as i64)
}

fn instant(at: SmolInstant) -> Instant {
    Instant::from_nanos(at.total_micros().max(0) as u64 * 1_000)
}

/// A device of one packet in and a few out.
#[derive(Default)]
struct Pipe {
    rx: Option<Vec<u8>>,
    tx: Vec<Vec<u8>>,
}

struct RxToken(Vec<u8>);
struct TxToken<'a>(&'a mut Vec<Vec<u8>>);

impl phy::Device for Pipe {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: SmolInstant) -> Option<(RxToken, TxToken<'_>)> {
        Some((RxToken(self.rx.take()?), TxToken(&mut self.tx)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}
