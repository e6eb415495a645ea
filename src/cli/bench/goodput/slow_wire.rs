//! A wire that is long and narrow: frames between two interfaces of a host, each way through a bottleneck with a bounded
//! queue, then held back. No netem(8) is needed, which not every kernel has.

use super::super::lab::{Host, LabError, within};
use crate::base::{Clock, Instant, OsClock, Span};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How often a thread that waits for frames looks whether it should end.
const LOOK_MS: i64 = 100;
/// Bytes of a socket's receive buffer, so that the bottleneck alone loses frames.
const SOCKET_BYTES: usize = 8 << 20;
/// The longest frame, with a VLAN tag.
const FRAME_MAX: usize = 1_518;

/// What the wire is like, each way.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Bits a second of the bottleneck, of whole frames.
    pub bits_per_s: u64,
    /// Behind the bottleneck.
    pub delay: Span,
    /// Bytes that wait for the bottleneck at most.
    pub queue_bytes: u64,
}

/// Carries frames until it is dropped.
pub struct SlowWire {
    ends: Arc<AtomicBool>,
}

impl SlowWire {
    /// Joins two interfaces of a host.
    ///
    /// # Errors
    /// `Refused`: no such interface, or sockets for raw frames are not this user's to open.
    pub fn new(host: &Host, [near, far]: [&str; 2], terms: Terms) -> Result<Self, LabError> {
        let ends = Arc::new(AtomicBool::new(false));
        let begin = || -> nix::Result<()> {
            // One socket an interface: another one would hear what this one sends.
            let (near, far) = (Arc::new(raw_socket(near)?), Arc::new(raw_socket(far)?));
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (input, output) = (Arc::clone(from), Arc::clone(to));
                let (tell, told) = channel();
                let ends = Arc::clone(&ends);
                std::thread::spawn(move || receive(&input, &tell, terms, &ends));
                std::thread::spawn(move || forward(&output, &told));
            }
            Ok(())
        };
        let refused = |error: nix::Error| LabError::Refused(format!("{near} to {far}"), error.to_string());
        within(host, begin)?.map_err(refused)?;
        Ok(Self { ends })
    }
}

impl Drop for SlowWire {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// A socket that hears and sends whole frames of one interface (packet(7)).
fn raw_socket(interface: &str) -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    let of_link = |one: nix::ifaddrs::InterfaceAddress| one.address?.as_link_addr().copied();
    let found = getifaddrs()?.filter(|one| one.interface_name == interface).find_map(of_link);
    let link: LinkAddr = found.ok_or(nix::Error::ENODEV)?;
    bind(fd.as_raw_fd(), &link)?;
    setsockopt(&fd, sockopt::RcvBufForce, &SOCKET_BYTES)?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(LOOK_MS))?;
    Ok(fd)
}

/// A frame, and when it is at the other end.
type Due = (Instant, Vec<u8>);

fn receive(socket: &OwnedFd, tell: &Sender<Due>, terms: Terms, ends: &AtomicBool) {
    let clock = OsClock::new();
    let mut neck = Bottleneck::new(terms);
    let mut room = [0; FRAME_MAX];
    while !ends.load(Ordering::Relaxed) {
        // A wait that ran out, or an interface that is down: the next frame may come.
        let Ok(len) = recv(socket.as_raw_fd(), &mut room, MsgFlags::empty()) else { continue };
        if let Some(due) = neck.pass(len as u64, clock.now())
            && tell.send((due, room[..len].to_vec())).is_err()
        {
            return;
        }
    }
}

/// Ends when the receiver has.
fn forward(socket: &OwnedFd, told: &Receiver<Due>) {
    let clock = OsClock::new();
    for (due, frame) in told {
        let wait = due.since(clock.now());
        if wait > Span::ZERO {
            std::thread::sleep(Duration::from_nanos(wait.nanos()));
        }
        // A frame that the interface does not take is lost, as on any wire.
        let _ = send(socket.as_raw_fd(), &frame, MsgFlags::empty());
    }
}

/// The narrow end of one direction.
struct Bottleneck {
    terms: Terms,
    /// When all that waits has been sent.
    free_at: Instant,
}

impl Bottleneck {
    fn new(terms: Terms) -> Self {
        Self { terms, free_at: Instant::ZERO }
    }

    /// When a frame that came now is at the other end; `None` where the queue is full.
    fn pass(&mut self, bytes: u64, now: Instant) -> Option<Instant> {
        let begins = self.free_at.max(now);
        let waiting = begins.since(now).nanos() * self.terms.bits_per_s / 8 / 1_000_000_000;
        if waiting + bytes > self.terms.queue_bytes {
            return None;
        }
        self.free_at = begins + Span::from_nanos(bytes * 8 * 1_000_000_000 / self.terms.bits_per_s);
        Some(self.free_at + self.terms.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_a_bottleneck_at_its_rate_and_a_full_queue_takes_none() {
        let terms = Terms { bits_per_s: 8_000_000, delay: Span::from_millis(10), queue_bytes: 2_500 };
        let mut neck = Bottleneck::new(terms);
        let now = Instant::ZERO + Span::from_secs(1);
        let at = |ms| Some(now + Span::from_millis(ms));
        assert_eq!(neck.pass(1_000, now), at(11));
        assert_eq!(neck.pass(1_000, now), at(12));
        assert_eq!(neck.pass(1_000, now), None);
        assert_eq!(neck.pass(500, now), Some(now + Span::from_micros(12_500)));
        assert_eq!(neck.pass(1_000, now + Span::from_millis(2)), Some(now + Span::from_micros(13_500)));
    }
}
