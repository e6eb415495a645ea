//! Spectrum's numeric error codes (`reference/spectrum.md`, section 1.8) and which of our refusals bear them: the one
//! table of them. Where the public record names no code the choice is ours.
//!
//! Codes of that list which nothing in byway can bring about are not here, and not in the OpenAPI document:
//!
//! ```text
//!  10012  an unknown field, of a pay-as-you-go account: byway has no plans; an unknown field is dropped with a message, as
//!         Cloudflare does for everybody else
//!  11018  static edge_ips without the entitlement: byway has none; an address that is not the account's is 11019
//!  11026  argo_smart_routing without the entitlement: the switch is kept, does nothing, and says so
//!  11034  a second app of one protocol, of a pay-as-you-go account: byway has no plans
//! ```

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
    /// `traffic_type` ftp, which is not enabled: Cloudflare's older word, behind which byway has nothing.
    Ftp = 11014,
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
