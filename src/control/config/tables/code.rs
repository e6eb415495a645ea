//! Spectrum's numeric error codes (`reference/spectrum.md`, section 1.8) and which of our refusals bear them: the one
//! table of them. Where the public record names no code the choice is ours.

/// A code of Spectrum's error list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub enum Code {
    /// The origin: both or neither of `origin_direct` and `origin_dns`, a malformed entry, another scheme than the
    /// app's, a range of another size. Ours: `proxy_protocol`, `tls` or `traffic_type` that is no word for it or does not
    /// go with the protocol.
    Origin = 11000,
    /// `origin_dns` and `origin_port`.
    OriginDns = 11001,
    /// The origin's address: an IPv6 address without brackets, or one that may never be an origin.
    OriginAddress = 11002,
    /// `dns.type` is no word for it, or does not go with `edge_ips.type`.
    DnsType = 11004,
    /// An edge address outside the onboarded prefixes.
    EdgeNotOnboarded = 11019,
    /// An edge address, protocol and port that another app has.
    EdgeTaken = 11033,
    /// No dynamic edge address is left.
    PoolEmpty = 12005,
    /// A virtual network without `origin_direct`.
    NetworkNeedsDirect = 11041,
    /// A virtual network with several addresses.
    NetworkOneAddress = 11042,
    /// A virtual network with a range of ports.
    NetworkNoRange = 11043,
    /// A virtual network that has no route: byway has none.
    NetworkNoRoute = 11044,
    /// A virtual network's id that is not a UUID.
    NetworkNotUuid = 11045,
    /// A protocol that is not on offer (`minecraft`), or none.
    Protocol = 13002,
}

impl Code {
    /// The number.
    pub const fn number(self) -> u32 {
        self as u32
    }
}
