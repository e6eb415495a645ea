//! Where an app's traffic goes, as the operator wrote it: `origin_direct`, or `origin_dns` with `origin_port`.

use super::name::DnsName;
use crate::base::{Addr, Endpoint};
use crate::wire::Protocol;
use std::fmt;

/// One port or a run of ports: neither end is zero, and the first is not behind the last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// From both ends; `None` for port zero and for ends in the wrong order.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// One port.
    pub const fn one(port: u16) -> Option<Self> {
        Self::new(port, port)
    }

    /// The first port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The last port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many ports it has: 1 to 65535.
    pub const fn count(self) -> u16 {
        self.last - self.first + 1
    }

    /// Whether it is one port.
    pub const fn is_single(self) -> bool {
        self.first == self.last
    }

    /// Whether the two share a port.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// One entry of `origin_direct`: `tcp://192.0.2.1:22`, `udp://[2001:db8::1]:1000-1999`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OriginDirect {
    /// The scheme; the same as the app's protocol.
    pub protocol: Protocol,
    /// The origin's address.
    pub addr: Addr,
    /// Its port, or as many ports as the app has.
    pub ports: PortRange,
}

impl OriginDirect {
    /// Address and first port.
    pub const fn endpoint(self) -> Endpoint {
        Endpoint { addr: self.addr, port: self.ports.first() }
    }
}

/// Which records `origin_dns` asks for (its `type`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum OriginDnsKind {
    /// `""`: A and AAAA.
    Both,
    /// `A`.
    A,
    /// `AAAA`.
    Aaaa,
    /// `SRV`, which brings the port itself.
    Srv,
}

impl OriginDnsKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Both, Self::A, Self::Aaaa, Self::Srv];

    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }
}

/// An app's origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OriginSpec {
    /// `origin_direct`: at least one entry.
    Direct(Box<[OriginDirect]>),
    /// `origin_dns`.
    Dns {
        /// The name.
        name: DnsName,
        /// How long an answer is kept, in seconds (600 to 86,400).
        ttl_s: Option<u32>,
        /// Which records are asked for.
        kind: OriginDnsKind,
    },
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl fmt::Display for OriginDirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        if self.addr.is_v4() {
            write!(f, "{scheme}://{}:{}", self.addr, self.ports)
        } else {
            write!(f, "{scheme}://[{}]:{}", self.addr, self.ports)
        }
    }
}
