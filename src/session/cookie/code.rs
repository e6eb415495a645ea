//! The numbers of a cookie: made for a SYN, and found right or wrong in the ACK that should follow.
//!
//! ```text
//!  cookie = F + | tick (8) | MAC + MSS index (24) |            F: where the tuple's line of numbers starts (RFC 6528)
//!  RFC 6528: F + M, M ticking every 4 us      -> tick: bits 24 to 31 of M, one in 67 s; the cookie lies on that line,
//!                                                in the same tick as the number that a session would get
//!  MAC = SipHash-2-4 under the tick's secret of (tuple, client's ISN, options in the timestamp, whether there is one)
//! ```
//! Each tick has a secret of its own, made from the boot's; those of this tick and the one before are in force, so that a
//! cookie holds for 67 s to 134 s. A guess is right with a chance of 2^-28: two ticks, eight indices. With timestamps
//! the echo must be one that was sent within that time, too.
//!
//! Cost: two SipHashes of one and two words, some 300 instructions; `byway bench session --cookie` has the whole SYN.

use super::options::{self, MSS_COUNT};
use super::sip::Sip;
use crate::base::Instant;
use crate::session::isn::{IsnSource, clock};
use crate::wire::{TcpOptions, TcpSegment};
use siphasher::sip::SipHasher24;

const TICK_BITS: u32 = 24;
const LOW: u32 = (1 << TICK_BITS) - 1;
/// Ticks in which a cookie holds: that of its making and the next.
const TICKS: u8 = 2;
/// The oldest echo of a timestamp, in milliseconds: as many ticks, and what the options take away.
const ECHO_AGE_MS_MAX: u32 = ((TICKS as u64 * (4 << TICK_BITS)) / 1_000) as u32 + 32;

/// What a SYN-ACK says that is no session's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cookie {
    /// Its sequence number.
    pub iss: u32,
    /// Its timestamp, where the client has them.
    pub stamp: Option<u32>,
}

/// What an ACK with a cookie proves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The options of the SYN; of its timestamp the ACK's own.
    pub options: TcpOptions,
    /// Names this cookie among all.
    pub tag: u64,
}

/// Why an ACK proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The number was never sent to this client for this SYN: a guess, another client's cookie, or a late segment of some
    /// connection that is over.
    Forged,
    /// The same, but the number lies in the tuple's own present tick: it may be a segment that has overtaken the one with
    /// the cookie.
    Early,
    /// It was sent too long ago.
    Expired,
    /// It has opened a session before.
    Replayed,
}

/// Makes and reads cookies.
pub struct CookieCode {
    boot: [u8; 16],
    /// The tick of `keys[0]`; `keys[1]` is of the one before.
    tick: u64,
    /// When it ends.
    until: Instant,
    keys: [Sip; 2],
}

impl CookieCode {
    /// Under the boot secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut boot = [0; 16];
        boot.copy_from_slice(&secret[16..]);
        Self { boot, tick: 0, until: end_of(0), keys: [key(&boot, 0), key(&boot, u64::MAX)] }
    }

    /// The tick at `now`, with its secrets in force.
    #[inline]
    pub fn turn_to(&mut self, now: Instant) -> u64 {
        if now >= self.until {
            self.begin(clock(now) >> TICK_BITS);
        }
        self.tick
    }

    #[cold]
    fn begin(&mut self, tick: u64) {
        self.keys = [key(&self.boot, tick), key(&self.boot, tick.wrapping_sub(1))];
        (self.tick, self.until) = (tick, end_of(tick));
    }

    /// The cookie for a SYN of the tuple with this hash; timestamps are used where `options` has one.
    #[inline(always)]
    pub fn make(
        &mut self,
        (hash, isns): (u64, &IsnSource),
        syn: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
    ) -> Cookie {
        let tick = self.turn_to(now);
        let (start, ts_offset) = isns.line(hash);
        let bits = options.timestamp.map(|_| options::bits_of(options));
        let mac = mac(&self.keys[0], hash, syn.seq, bits) as u32;
        let low = mac.wrapping_add(options::mss_index(options, syn.key.src.is_v4())) & LOW;
        let iss = start.wrapping_add((tick as u32) << TICK_BITS | low);
        let ms = now.millis() as u32;
        Cookie { iss, stamp: bits.map(|bits| options::stamp(ms, bits).wrapping_add(ts_offset)) }
    }

    /// What an ACK of the tuple with this hash proves; `options` are its own.
    ///
    /// # Errors
    /// Why nothing.
    pub fn read(
        &mut self,
        (hash, isns): (u64, &IsnSource),
        ack: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
    ) -> Result<Found, Failure> {
        let tick = self.turn_to(now);
        let (start, ts_offset) = isns.line(hash);
        let place = ack.ack.wrapping_sub(1).wrapping_sub(start);
        let age = (tick as u8).wrapping_sub((place >> TICK_BITS) as u8);
        let key = match age {
            0 => self.keys[0],
            1 => self.keys[1],
            2..=u8::MAX => key(&self.boot, tick.wrapping_sub(age.into())),
        };
        let echo = options.timestamp.map(|(_, echo)| echo.wrapping_sub(ts_offset));
        let mac = mac(&key, hash, ack.seq.wrapping_sub(1), echo.map(options::bits_in));
        let index = (place & LOW).wrapping_sub(mac as u32) & LOW;
        let is_in_time = age < TICKS;
        if index >= MSS_COUNT {
            return Err(if is_in_time { Failure::Early } else { Failure::Forged });
        }
        let ms = now.millis() as u32;
        if !is_in_time || echo.is_some_and(|echo| ms.wrapping_sub(echo) > ECHO_AGE_MS_MAX) {
            return Err(Failure::Expired);
        }
        let mss = Some(options::mss_of(index, ack.key.src.is_v4()));
        let (window_shift, sack_permitted) =
            echo.map_or((None, false), |echo| options::read_bits(options::bits_in(echo)));
        let options = TcpOptions {
            mss,
            window_shift,
            sack_permitted,
            timestamp: options.timestamp,
            ..TcpOptions::NONE
        };
        Ok(Found { options, tag: mac })
    }
}

/// When a tick is over.
const fn end_of(tick: u64) -> Instant {
    Instant::from_nanos(((tick + 1) << TICK_BITS) * 4_000)
}

/// The secret of a tick. The message is longer than any that is hashed under the boot's secret elsewhere.
fn key(boot: &[u8; 16], tick: u64) -> Sip {
    let under = SipHasher24::new_with_key(boot);
    let half = |label: u8| {
        let mut message = *b"syn cookie ........";
        message[10] = label;
        message[11..].copy_from_slice(&tick.to_le_bytes());
        under.hash(&message)
    };
    Sip::new(half(0), half(1))
}

/// Over the tuple's hash, the client's ISN, and the options in its timestamp if it has one. The hash is universal and keyed, so
/// that a PRF of it is a MAC of the tuple.
#[inline]
fn mac(key: &Sip, hash: u64, client_isn: u32, bits: Option<u32>) -> u64 {
    let rest = u64::from(client_isn) << 32 | u64::from(bits.map_or(0, |bits| 1 << 8 | bits));
    key.of_pair(hash, rest)
}
