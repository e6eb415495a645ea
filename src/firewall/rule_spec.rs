//! An IP access rule as the operator wrote it: Spectrum's `mode`, `configuration` and `notes`.

use crate::base::{Addr, AsNumber, Country};
use ipnet::IpNet;
use std::fmt;

/// The shortest IPv4 range that a rule may name; anything shorter is a slip of the pen.
pub const V4_LENGTH_MIN: u8 = 8;
/// The same for IPv6.
pub const V6_LENGTH_MIN: u8 = 16;

/// `mode`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Refuse.
    Block,
    /// Let in, whatever blocks.
    Whitelist,
    /// Does not act at layer 4.
    Challenge,
    /// Does not act at layer 4.
    JsChallenge,
    /// Does not act at layer 4.
    ManagedChallenge,
}

/// A range of addresses, or one. Host bits are zero. Held in halves, which take half the room of an `Addr` beside a
/// byte: there are a million of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RuleNet {
    high: u64,
    low: u64,
    length: u8,
}

/// `configuration`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Target {
    /// `ip`, `ip6` or `ip_range`.
    Net(RuleNet),
    /// `asn`.
    Asn(AsNumber),
    /// `country`.
    Country(Country),
}

/// An outside text of a rule. Boxed once more where it is kept, because most of a million rules have none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words(Box<str>);

/// One rule: 56 bytes and its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSpec {
    /// Whom it is about.
    pub target: Target,
    /// What it does.
    pub mode: Mode,
    /// The operator's id, where there is one.
    pub id: Option<Box<Words>>,
    /// The operator's own words.
    pub notes: Option<Box<Words>>,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Block, Self::Whitelist, Self::Challenge, Self::JsChallenge, Self::ManagedChallenge];

    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Whitelist => "whitelist",
            Self::Challenge => "challenge",
            Self::JsChallenge => "js_challenge",
            Self::ManagedChallenge => "managed_challenge",
        }
    }

    /// Whether it acts at layer 4: blocks or lets in.
    pub const fn acts(self) -> bool {
        match self {
            Self::Block | Self::Whitelist => true,
            Self::Challenge | Self::JsChallenge | Self::ManagedChallenge => false,
        }
    }
}

impl RuleNet {
    /// One address.
    pub const fn one(addr: Addr) -> Self {
        Self::of(addr, if addr.is_v4() { 32 } else { 128 })
    }

    const fn of(first: Addr, length: u8) -> Self {
        Self { high: (first.bits() >> 64) as u64, low: first.bits() as u64, length }
    }

    /// From a network.
    ///
    /// # Errors
    /// A sentence: too short, or host bits set.
    pub fn new(net: IpNet) -> Result<Self, String> {
        let (v4, length) = (net.addr().is_ipv4(), net.prefix_len());
        let length_min = if v4 { V4_LENGTH_MIN } else { V6_LENGTH_MIN };
        if length < length_min {
            return Err(format!(
                "{net} is shorter than /{length_min}, the shortest range that a rule may name"
            ));
        }
        if net.addr() != net.network() {
            return Err(format!("bits behind the range's length are set; write {}", net.trunc()));
        }
        Ok(Self::of(net.addr().into(), length))
    }

    /// Its first address.
    pub const fn first(self) -> Addr {
        Addr::from_bits((self.high as u128) << 64 | self.low as u128)
    }

    /// Its length within its own family.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether it is one address.
    pub const fn is_single(self) -> bool {
        self.length == if self.first().is_v4() { 32 } else { 128 }
    }

    /// Whether `addr` lies in it.
    pub fn contains(self, addr: Addr) -> bool {
        let length = if self.first().is_v4() { self.length + 96 } else { self.length };
        let mask = if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) };
        addr.is_v4() == self.first().is_v4() && (addr.bits() ^ self.first().bits()) & mask == 0
    }
}

impl Words {
    /// Keeps a text.
    pub fn new(text: &str) -> Box<Self> {
        Box::new(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Target {
    /// Spectrum's word for its kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Net(net) if !net.is_single() => "ip_range",
            Self::Net(net) if net.first().is_v4() => "ip",
            Self::Net(_) => "ip6",
            Self::Asn(_) => "asn",
            Self::Country(_) => "country",
        }
    }
}

impl fmt::Display for RuleNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { self.first().fmt(f) } else { write!(f, "{}/{}", self.first(), self.length) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => net.fmt(f),
            Self::Asn(AsNumber(number)) => write!(f, "AS{number}"),
            Self::Country(country) => f.write_str(country.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_small() {
        assert_eq!(size_of::<RuleSpec>(), 56);
    }

    #[test]
    fn ranges_know_what_they_hold_and_print_canonical() {
        let net = |text: &str| RuleNet::new(text.parse().expect("a net")).expect("a range");
        let addr = |text: &str| Addr::from(text.parse::<std::net::IpAddr>().expect("an address"));
        assert!(net("203.0.113.0/24").contains(addr("203.0.113.255")));
        assert!(!net("203.0.113.0/24").contains(addr("203.0.112.255")));
        assert!(!net("203.0.113.0/24").contains(addr("2001:db8::1")));
        assert_eq!(net("203.0.113.7/32"), RuleNet::one(addr("203.0.113.7")));
        assert_eq!(net("2001:DB8:0::/32").to_string(), "2001:db8::/32");
        assert_eq!(Target::Net(net("2001:db8::1/128")).kind(), "ip6");
    }
}
