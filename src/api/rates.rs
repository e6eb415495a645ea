//! How often a caller may ask: a window of five minutes for each user, and one of a minute for bad credentials of a token
//! or a net. Full tables forget the oldest windows, never the present ones of valid tokens first.

use crate::base::limits::API_RATES_MAX;
use crate::estate::Id;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Windows of one length, one for each key.
#[derive(Debug)]
pub struct Windows<K> {
    length_s: u64,
    limit: u32,
    counts: HashMap<K, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    began_s: u64,
    asked: u32,
}

/// How a key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Requests that are left in this window.
    pub left: u32,
    /// Seconds until the next one.
    pub until_s: u64,
    /// Whether this request goes over the limit.
    pub over: bool,
}

/// Who offers bad credentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Suspect {
    /// A token that exists; the secret was wrong.
    Token(Id),
    /// An IPv4 address, or the /64 of an IPv6 one.
    Net(IpAddr),
}

impl Suspect {
    /// The net of a client.
    pub fn net_of(client: IpAddr) -> Self {
        Self::Net(match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 64))),
            },
        })
    }
}

impl<K: Eq + Hash + Clone> Windows<K> {
    /// At most `limit` requests in `length_s` seconds.
    pub fn new(length_s: u64, limit: u32) -> Self {
        Self { length_s, limit, counts: HashMap::new() }
    }

    /// The limit and the length of a window.
    pub const fn policy(&self) -> (u32, u64) {
        (self.limit, self.length_s)
    }

    /// How a key stands, without asking.
    pub fn look(&self, key: &K, now_s: u64) -> Standing {
        let count = self.counts.get(key).filter(|count| now_s < count.began_s + self.length_s);
        let asked = count.map_or(0, |count| count.asked);
        let until_s = count.map_or(self.length_s, |count| count.began_s + self.length_s - now_s);
        Standing { left: self.limit.saturating_sub(asked), until_s, over: asked >= self.limit }
    }

    /// Counts a request.
    pub fn ask(&mut self, key: &K, now_s: u64) -> Standing {
        let before = self.look(key, now_s);
        if self.counts.len() >= API_RATES_MAX && !self.counts.contains_key(key) {
            self.forget(now_s);
        }
        let (length_s, fresh) = (self.length_s, Count { began_s: now_s, asked: 0 });
        let count = self.counts.entry(key.clone()).or_insert(fresh);
        if now_s >= count.began_s + length_s {
            *count = fresh;
        }
        count.asked = count.asked.saturating_add(1);
        Standing { left: before.left.saturating_sub(1), ..before }
    }

    /// Windows that are over; where none is, the oldest half.
    fn forget(&mut self, now_s: u64) {
        let length_s = self.length_s;
        self.counts.retain(|_, count| now_s < count.began_s + length_s);
        if self.counts.len() >= API_RATES_MAX {
            let mut began: Vec<u64> = self.counts.values().map(|count| count.began_s).collect();
            began.sort_unstable();
            let middle = began[began.len() / 2];
            self.counts.retain(|_, count| count.began_s > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lets_its_limit_through_and_opens_again() {
        let mut windows = Windows::new(300, 2);
        assert_eq!(windows.ask(&1, 1_000), Standing { left: 1, until_s: 300, over: false });
        assert_eq!(windows.ask(&1, 1_010), Standing { left: 0, until_s: 290, over: false });
        assert_eq!(windows.ask(&1, 1_020), Standing { left: 0, until_s: 280, over: true });
        assert!(!windows.ask(&2, 1_020).over, "another key has its own");
        assert_eq!(windows.ask(&1, 1_300), Standing { left: 1, until_s: 300, over: false });
    }

    #[test]
    fn a_full_table_forgets_the_old_and_stays_bounded() {
        let mut windows = Windows::new(60, 5);
        for key in 0..(3 * API_RATES_MAX as u64) {
            windows.ask(&key, 100 + key / 10_000);
        }
        assert!(windows.counts.len() <= API_RATES_MAX);
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_a_mapped_one_is_ipv4() {
        let net = |text: &str| Suspect::net_of(text.parse().expect("an address"));
        assert_eq!(net("2001:db8::1"), net("2001:db8::ffff:1"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_eq!(net("::ffff:192.0.2.1"), net("192.0.2.1"));
    }
}
