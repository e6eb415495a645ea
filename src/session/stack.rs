//! smoltcp as byway uses it: one shared `Interface` per MTU class, one socket set per leg, a device made of slices.
//!
//! An `Interface` holds no sockets; the set passed to a poll decides whom it serves. With one socket in every set a
//! poll costs the same at one session and at a million (about 830 instructions). What it sends are answers to what it is
//! fed: it keeps bytes out of order and windows, and is no sender.

use super::isn::seed_for_isn;
use super::leg::Leg;
use super::{Net, Settings};
use crate::base::Instant;
use crate::base::limits::{PATH_MTU_V4_MIN, PATH_MTU_V6_MIN};
use crate::telemetry::Counter;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant as SmolInstant};
use smoltcp::wire::HardwareAddress;

/// Path MTUs that a leg can be moved to, beside those of the ports.
const COMMON_MTUS: [u16; 4] = [1500, 1400, PATH_MTU_V6_MIN as u16, PATH_MTU_V4_MIN as u16];
/// smoltcp's replies to a segment are bare headers; this holds the longest one.
const REPLY_BYTES_MAX: usize = 128;
/// The delay before a lone segment is acknowledged.
pub const ACK_DELAY_MS: u64 = 10;

/// A leg's socket set.
pub type Set = SocketSet<'static>;

/// The shared interfaces, largest MTU first.
pub struct Stack {
    classes: Vec<(u16, Interface)>,
}

impl Stack {
    /// Interfaces for the ports' MTUs and the usual ones below them.
    pub fn new(port_mtus: &[u16]) -> Self {
        let largest = port_mtus.iter().copied().max().unwrap_or(1500);
        let mut mtus: Vec<u16> = COMMON_MTUS.into_iter().chain(port_mtus.iter().copied()).collect();
        mtus.retain(|&mtu| mtu <= largest && usize::from(mtu) >= PATH_MTU_V4_MIN);
        mtus.sort_unstable_by(|a, b| b.cmp(a));
        mtus.dedup();
        let class = |mtu: u16| (mtu, scratch(mtu, 0, Instant::ZERO));
        Self { classes: mtus.into_iter().map(class).collect() }
    }

    /// The class whose packets fit through `mtu`: the largest that is not above it, or the smallest there is.
    pub fn class_for(&self, mtu: usize) -> u8 {
        let fits = self.classes.iter().position(|&(class, _)| usize::from(class) <= mtu);
        fits.unwrap_or(self.classes.len() - 1) as u8
    }

    /// The MTU of a class, in bytes.
    pub fn mtu(&self, class: u8) -> u16 {
        self.classes[usize::from(class)].0
    }

    /// The shared interface of a class.
    pub fn interface(&mut self, class: u8) -> &mut Interface {
        &mut self.classes[usize::from(class)].1
    }
}

/// A throw-away interface whose next socket takes `isn`.
pub fn scratch(mtu: u16, isn: u32, now: Instant) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed_for_isn(isn);
    let mut interface = Interface::new(config, &mut Loose { mtu, packet: None }, smol(now));
    interface.set_any_ip(true);
    interface
}

/// The handle of a set's only socket.
pub fn only() -> SocketHandle {
    SocketHandle::default()
}

/// A set with one fresh socket and its receive buffer. Only at launch: nothing else here allocates.
pub fn socket_set(rx_bytes: usize) -> Set {
    let mut set = SocketSet::new(Vec::with_capacity(1));
    let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    set.add(tcp::Socket::new(buffer(rx_bytes), buffer(0)));
    set
}

/// Makes the socket of a set as good as new, whatever it did before. `listen` and `connect` clear most of it;
/// every option is set here because they keep those (and `tests` hold a reused socket against a new one).
pub fn renew(set: &mut Set, settings: &Settings) {
    let socket = set.get_mut::<tcp::Socket>(only());
    socket.abort();
    // The value is written by the transmit hook; smoltcp is only told that there is one.
    socket.set_tsval_generator(settings.timestamps.then_some(zero as fn() -> u32));
    socket.set_ack_delay(Some(Duration::from_millis(ACK_DELAY_MS)));
    socket.set_nagle_enabled(false);
    // Keep-alive and user timeout are the session's own, with statuses of their own.
    socket.set_keep_alive(None);
    socket.set_timeout(None);
    socket.set_hop_limit(None);
}

fn zero() -> u32 {
    0
}

/// Time as smoltcp counts it.
#[inline]
pub fn smol(now: Instant) -> SmolInstant {
    SmolInstant::from_micros((now.nanos() / 1_000) as i64)
}

/// Feeds one IP packet to a leg's socket; returns how many packets smoltcp answered at once.
#[inline]
pub fn ingest<N: Net>(
    interface: &mut Interface,
    set: &mut Set,
    packet: &[u8],
    leg: &mut Leg,
    now: Instant,
    net: &mut N,
) -> u32 {
    let mut wire = Wire { packet: Some(packet), out: Out { leg, net, now, sent: 0 } };
    interface.poll_ingress_single(smol(now), &mut wire, set);
    wire.out.sent
}

/// Feeds one IP packet to a socket and swallows its answer.
pub fn ingest_mutely(interface: &mut Interface, set: &mut Set, packet: &[u8], now: Instant) {
    interface.poll_ingress_single(smol(now), &mut Mute(Some(packet)), set);
}

/// The first packet that a set sends, for the self-test.
pub fn first_packet(interface: &mut Interface, set: &mut Set) -> Option<Vec<u8>> {
    let mut device = Loose { mtu: 1500, packet: None };
    interface.poll_egress(SmolInstant::ZERO, &mut device, set);
    device.packet
}

/// A leg's way in and out for the length of one poll.
struct Wire<'a, N> {
    packet: Option<&'a [u8]>,
    out: Out<'a, N>,
}

struct Out<'a, N> {
    leg: &'a mut Leg,
    net: &'a mut N,
    now: Instant,
    sent: u32,
}

struct Rx<'a>(&'a [u8]);
struct Tx<'t, 'a, N>(&'t mut Out<'a, N>);

impl<'a, N: Net> Device for Wire<'a, N> {
    type RxToken<'t>
        = Rx<'a>
    where
        Self: 't;
    type TxToken<'t>
        = Tx<'t, 'a, N>
    where
        Self: 't;

    #[inline]
    fn receive(&mut self, _: SmolInstant) -> Option<(Rx<'a>, Tx<'_, 'a, N>)> {
        let packet = self.packet.take()?;
        Some((Rx(packet), Tx(&mut self.out)))
    }

    #[inline]
    fn transmit(&mut self, _: SmolInstant) -> Option<Tx<'_, 'a, N>> {
        Some(Tx(&mut self.out))
    }

    #[inline]
    fn capabilities(&self) -> DeviceCapabilities {
        // Interfaces asked for theirs at launch; per poll smoltcp does not look at the answer.
        DeviceCapabilities::default()
    }
}

impl RxToken for Rx<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl<N: Net> TxToken for Tx<'_, '_, N> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Out { leg, net, now, sent } = self.0;
        if net.room() == 0 && len <= REPLY_BYTES_MAX {
            // An answer to a segment while no frame is to be had: as if the network had lost it.
            return f(&mut [0; REPLY_BYTES_MAX][..len]);
        }
        *sent += 1;
        let (done, closes) = net.emit(leg.hop, len, |packet| {
            let done = f(packet);
            (done, leg.outgoing(packet, *now))
        });
        if closes {
            net.page().count(Counter::ZeroWindowsSent);
        }
        done
    }
}

/// A device that gives one packet and swallows all.
struct Mute<'a>(Option<&'a [u8]>);

struct MuteTx;

impl<'a> Device for Mute<'a> {
    type RxToken<'t>
        = Rx<'a>
    where
        Self: 't;
    type TxToken<'t>
        = MuteTx
    where
        Self: 't;

    fn receive(&mut self, _: SmolInstant) -> Option<(Rx<'a>, MuteTx)> {
        Some((Rx(self.0.take()?), MuteTx))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<MuteTx> {
        Some(MuteTx)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}

impl TxToken for MuteTx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut [0; REPLY_BYTES_MAX][..len.min(REPLY_BYTES_MAX)])
    }
}

/// A device with nobody behind it: gives an interface its MTU, keeps the last packet sent.
struct Loose {
    mtu: u16,
    packet: Option<Vec<u8>>,
}

struct LooseTx<'a>(&'a mut Option<Vec<u8>>);

impl Device for Loose {
    type RxToken<'t> = Rx<'t>;
    type TxToken<'t> = LooseTx<'t>;

    fn receive(&mut self, _: SmolInstant) -> Option<(Rx<'_>, LooseTx<'_>)> {
        None
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<LooseTx<'_>> {
        Some(LooseTx(&mut self.packet))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = usize::from(self.mtu);
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

impl TxToken for LooseTx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let done = f(&mut packet);
        *self.0 = Some(packet);
        done
    }
}
