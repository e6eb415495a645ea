//! A prefix that an operator onboards: valid by construction.

use super::special::special_purpose;
use crate::base::Addr;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// The longest IPv4 prefix that is routed between networks, and that Spectrum takes.
pub const V4_LENGTH_MAX: u8 = 24;
/// The same for IPv6.
pub const V6_LENGTH_MAX: u8 = 48;

/// An onboarded prefix: IPv4 /24 or shorter, IPv6 /48 or shorter, host bits zero, outside special-purpose space
/// (documentation nets pass in a laboratory). Prints canonical.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Prefix {
    first: Addr,
    length: u8,
}

/// A prefix with what the operator says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixSpec {
    /// The prefix.
    pub prefix: Prefix,
    /// The operator's own words.
    pub description: Option<Box<str>>,
    /// What of it belongs to another service: sorted, apart from each other.
    pub elsewhere: Box<[Stretch]>,
}

/// Addresses from one to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Stretch {
    /// The first.
    pub first: Addr,
    /// The last, which is not before it.
    pub last: Addr,
}

/// Why a prefix is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefixError {
    /// Longer than /24 (IPv4) or /48 (IPv6).
    TooLong(IpNet),
    /// Bits behind the length are set; the prefix that is meant is inside.
    HostBits(IpNet),
    /// Overlaps a block of IANA's special-purpose registries.
    Special(IpNet, &'static str),
    /// A documentation net outside a laboratory.
    Documentation(IpNet),
}

impl Prefix {
    /// Checks `net`; `lab` lets documentation nets through.
    ///
    /// # Errors
    /// See `PrefixError`.
    pub fn new(net: IpNet, lab: bool) -> Result<Self, PrefixError> {
        let length_max = if net.addr().is_ipv4() { V4_LENGTH_MAX } else { V6_LENGTH_MAX };
        if net.prefix_len() > length_max {
            return Err(PrefixError::TooLong(net));
        }
        if net.addr() != net.network() {
            return Err(PrefixError::HostBits(net.trunc()));
        }
        match special_purpose(net) {
            Some(block) if !block.documentation => Err(PrefixError::Special(net, block.name)),
            Some(_) if !lab => Err(PrefixError::Documentation(net)),
            Some(_) | None => Ok(Self { first: net.addr().into(), length: net.prefix_len() }),
        }
    }

    /// Whether `addr` lies in it.
    pub fn contains(self, addr: Addr) -> bool {
        addr.is_v4() == self.first.is_v4() && (addr.bits() ^ self.first.bits()) & self.mask() == 0
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// Its first address.
    pub const fn first(self) -> Addr {
        self.first
    }

    /// Its last address.
    pub const fn last(self) -> Addr {
        Addr::from_bits(self.first.bits() | !self.mask())
    }

    /// Its length within its own family.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// As the network type of `ipnet`.
    pub fn net(self) -> IpNet {
        let ip: IpAddr = self.first.to_ip();
        IpNet::new(ip, self.length).expect("the length was checked against the family")
    }

    /// The mask over the mapped 128 bits.
    const fn mask(self) -> u128 {
        let length = if self.first.is_v4() { self.length + 96 } else { self.length };
        if length == 0 { 0 } else { u128::MAX << (128 - length) }
    }
}

impl PrefixSpec {
    /// A prefix without words, all of it Spectrum's.
    pub fn plain(prefix: Prefix) -> Self {
        Self { prefix, description: None, elsewhere: Box::default() }
    }
}

impl Stretch {
    /// Whether `addr` is one of them.
    pub fn contains(&self, addr: Addr) -> bool {
        self.first <= addr && addr <= self.last
    }

    /// What is left of it before and behind `hole`.
    pub fn without(self, hole: Self) -> impl Iterator<Item = Self> {
        let step = |addr: Addr, by: i128| Addr::from_bits(addr.bits().wrapping_add_signed(by));
        let before = (self.first < hole.first)
            .then(|| Self { first: self.first, last: self.last.min(step(hole.first, -1)) });
        let behind = (self.last > hole.last)
            .then(|| Self { first: self.first.max(step(hole.last, 1)), last: self.last });
        before.into_iter().chain(behind)
    }
}

impl From<IpNet> for Stretch {
    fn from(net: IpNet) -> Self {
        Self { first: net.network().into(), last: net.broadcast().into() }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(net) => {
                let (length_max, family) =
                    if net.addr().is_ipv4() { (V4_LENGTH_MAX, "IPv4") } else { (V6_LENGTH_MAX, "IPv6") };
                write!(
                    f,
                    "{net} is longer than /{length_max}: the smallest {family} prefix is /{length_max}, "
                )?;
                f.write_str("because networks do not route anything longer")
            }
            Self::HostBits(meant) => write!(f, "bits behind the prefix length are set; write {meant}"),
            Self::Special(net, name) => {
                write!(f, "{net} overlaps special-purpose space ({name}), which nobody can onboard")
            }
            Self::Documentation(net) => {
                write!(
                    f,
                    "{net} is a documentation net; only a laboratory may use it (lab = true in the boot config)"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, lab: bool) -> Result<Prefix, PrefixError> {
        Prefix::new(text.parse().expect("a network"), lab)
    }

    #[test]
    fn the_smallest_prefixes_are_24_and_48() {
        assert!(prefix("5.6.7.0/24", false).is_ok());
        assert!(prefix("2a00:1:2::/48", false).is_ok());
        assert!(matches!(prefix("5.6.7.0/25", false), Err(PrefixError::TooLong(_))));
        assert!(matches!(prefix("5.6.7.8/32", false), Err(PrefixError::TooLong(_))));
        assert!(matches!(prefix("2a00:1:2::/49", false), Err(PrefixError::TooLong(_))));
        let text = prefix("5.6.7.0/25", false).expect_err("too long").to_string();
        assert!(text.contains("/24"), "{text}");
    }

    #[test]
    fn host_bits_are_refused_with_the_prefix_that_is_meant() {
        let error = prefix("5.6.7.1/24", false).expect_err("host bits");
        assert_eq!(error.to_string(), "bits behind the prefix length are set; write 5.6.7.0/24");
    }

    #[test]
    fn documentation_nets_are_for_laboratories() {
        for text in ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48", "3fff:1::/48"] {
            assert!(matches!(prefix(text, false), Err(PrefixError::Documentation(_))), "{text}");
            assert!(prefix(text, true).is_ok(), "{text}");
        }
        for text in
            ["10.0.0.0/16", "0.0.0.0/0", "224.0.0.0/8", "::/0", "fc00:1::/48", "2002::/24", "8.0.0.0/5"]
        {
            assert!(matches!(prefix(text, true), Err(PrefixError::Special(..))), "{text}");
        }
    }

    #[test]
    fn contains_and_overlaps_keep_the_families_apart() {
        let four = prefix("198.51.100.0/24", true).expect("valid");
        let six = prefix("2001:db8::/48", true).expect("valid");
        let addr = |text: &str| Addr::from(text.parse::<IpAddr>().expect("an address"));
        assert!(four.contains(addr("198.51.100.255")) && !four.contains(addr("198.51.101.0")));
        assert!(six.contains(addr("2001:db8:0:ffff::1")) && !six.contains(addr("2001:db8:1::")));
        assert!(!six.contains(addr("198.51.100.1")) && !four.overlaps(six) && four.overlaps(four));
        assert_eq!((four.to_string(), six.to_string()), ("198.51.100.0/24".into(), "2001:db8::/48".into()));
        assert_eq!(four.net().to_string(), "198.51.100.0/24");
    }
}
