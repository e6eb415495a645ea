//! The rate limits of one worker, made from the settings.

use super::Rates;
use super::rate::RateLimit;

/// One limit for each thing that a stranger can make a worker do.
#[derive(Debug)]
pub(super) struct Limits {
    pub echo: RateLimit,
    pub icmp_error: RateLimit,
    pub icmp_told_on: RateLimit,
    pub icmp_in: RateLimit,
    pub syn: RateLimit,
    pub handshake: RateLimit,
    pub cookie: RateLimit,
    pub rst: RateLimit,
    pub neighbor: RateLimit,
    /// Defences of an address that another host uses, all together (RFC 5227 1.1: DEFEND_INTERVAL 10 s).
    pub defence: RateLimit,
}

impl Limits {
    pub fn new(rates: &Rates) -> Self {
        Self {
            echo: limit(rates.echo_per_s),
            icmp_error: limit(rates.icmp_error_per_s),
            icmp_told_on: limit(rates.icmp_error_per_s),
            icmp_in: limit(rates.icmp_in_per_s),
            syn: limit(rates.syn_per_s),
            handshake: limit(rates.handshake_per_s),
            cookie: limit(rates.cookie_check_per_s),
            rst: limit(rates.rst_per_s),
            neighbor: limit(rates.neighbor_per_s),
            defence: RateLimit::new(1, 1),
        }
    }
}

fn limit(per_s: u32) -> RateLimit {
    RateLimit::new(per_s, (per_s / 10).max(8))
}
