//! Initial sequence numbers of our choice out of an unchanged smoltcp (RFC 6528).
//!
//! smoltcp 0.14.0 draws an ISN from a 64-bit linear congruential generator inside the `Interface` that is passed to
//! the call which needs it, and seeds that generator from `Config::random_seed` alone. Step and output can be
//! inverted, so a scratch `Interface` with a computed seed (70 instructions) makes the socket take the number we
//! want. The crate is pinned to `=0.14.0`, and `Sessions::new` runs `self_test` and refuses to start if the trick no
//! longer holds.

use super::cookie::Sip;
use super::stack;
use crate::base::Instant;
use smoltcp::iface::Interface;
use smoltcp::socket::tcp;
use smoltcp::wire::IpAddress;

/// smoltcp's generator: `state = state * MULTIPLIER + INCREMENT`, output `(state >> (29 - (state >> 61))) as u32`.
const MULTIPLIER: u64 = 0xbb2e_fcec_3c39_611d;
const INCREMENT: u64 = 0x7590_ef39;
const INVERSE: u64 = inverse(MULTIPLIER);

/// Chooses initial sequence numbers and timestamp offsets, keyed by tuple.
pub struct IsnSource {
    secret: Sip,
}

impl IsnSource {
    /// A source under the boot secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut own = [0; 16];
        own.copy_from_slice(&secret[16..]);
        Self { secret: Sip::of_bytes(own) }
    }

    /// The initial sequence number and the timestamp offset of a tuple, given by its hash.
    ///
    /// RFC 6528 3: ISN = M + F(tuple, secret), M ticking every 4 microseconds. The offset (RFC 7323 5.4) is the same for
    /// every incarnation of the tuple, so that its timestamps never go back.
    pub fn numbers(&self, hash: u64, now: Instant) -> (u32, u32) {
        let (start, ts_offset) = self.line(hash);
        (start.wrapping_add(clock(now) as u32), ts_offset)
    }

    /// Where a tuple's line of sequence numbers starts, F, and its timestamp offset. Its hash is a keyed universal one
    /// (`FlowHasher`), so that a PRF of it is one of the tuple.
    #[inline]
    pub fn line(&self, hash: u64) -> (u32, u32) {
        let keyed = self.secret.of_word(hash);
        (keyed as u32, (keyed >> 32) as u32)
    }
}

/// M of RFC 6528: one every 4 microseconds. Its lower 32 bits count.
#[inline]
pub const fn clock(now: Instant) -> u64 {
    now.nanos() / 4_000
}

/// The seed that makes an `Interface` give `isn` to the first socket that asks it.
pub fn seed_for_isn(isn: u32) -> u64 {
    // Top three bits zero: the output is bits 29 to 60. The low 29 bits are free.
    let mut low = 0;
    loop {
        let drawn = back(u64::from(isn) << 29 | low);
        // `Interface::new` draws a 16-bit IPv4 identifier first and draws again when that is zero.
        let ident = output(drawn);
        if (ident ^ ident >> 16) as u16 != 0 {
            return back(drawn);
        }
        low += 1;
    }
}

/// Whether smoltcp takes the numbers that we choose, asked with numbers near every edge.
pub fn self_test() -> bool {
    [0, 1, 0x1234_5678, 0x7fff_ffff, 0x8000_0000, u32::MAX].into_iter().all(|isn| {
        let mut scratch = stack::scratch(1500, isn, Instant::ZERO);
        first_isn(&mut scratch) == Some(isn)
    })
}

/// The sequence number of the SYN that a fresh socket sends after a connect through `scratch`.
fn first_isn(scratch: &mut Interface) -> Option<u32> {
    let mut set = stack::socket_set(256);
    let socket = set.get_mut::<tcp::Socket>(stack::only());
    let (remote, local) = (IpAddress::v4(192, 0, 2, 1), IpAddress::v4(192, 0, 2, 2));
    socket.connect(scratch.context(), (remote, 80), (local, 1025)).ok()?;
    let packet = stack::first_packet(scratch, &mut set)?;
    Some(u32::from_be_bytes(packet.get(24..28)?.try_into().ok()?))
}

const fn back(state: u64) -> u64 {
    state.wrapping_sub(INCREMENT).wrapping_mul(INVERSE)
}

const fn output(state: u64) -> u32 {
    (state >> (29 - (state >> 61))) as u32
}

/// Newton's iteration: each round doubles the number of right bits.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    #[test]
    fn smoltcp_takes_the_number_that_we_choose() {
        assert!(self_test());
        for step in 0..1_000u32 {
            let isn = step.wrapping_mul(0x9e37_79b9);
            let state = seed_for_isn(isn).wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
            assert_eq!(output(state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT)), isn);
        }
    }

    #[test]
    fn numbers_of_one_tuple_grow_with_the_clock_and_differ_from_its_neighbours() {
        let source = IsnSource::new(&[5; 32]);
        let later = Instant::ZERO + Span::from_millis(4);
        let ((isn, offset), (grown, same)) = (source.numbers(1, Instant::ZERO), source.numbers(1, later));
        assert_eq!((grown.wrapping_sub(isn), same), (1_000, offset));
        let (other_isn, other_offset) = source.numbers(2, later);
        assert!(other_isn != grown && other_offset != offset);
    }
}
