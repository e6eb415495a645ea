//! Addresses that are taken: the box's own, its gateways, its egress pool. No prefix may cover them and no origin may
//! be one of them, in plain form or embedded in an IPv6 form.

use super::prefix::Prefix;
use super::prefix_map::PrefixMap;
use super::special::{not_a_host, special_purpose};
use crate::base::Addr;
use ipnet::IpNet;
use std::fmt;

/// A port's own address and the on-link subnet around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    /// The port's own address.
    pub own: Addr,
    /// Length of the subnet within its own family.
    pub length: u8,
}

/// What the boot config has taken already, and what it allows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reserved {
    /// Addresses of the ports, with their subnets.
    pub subnets: Vec<Subnet>,
    /// Next hops of the static routes.
    pub gateways: Vec<Addr>,
    /// Source addresses of origin legs.
    pub egress: Vec<Addr>,
    /// Addresses that the box is managed by: where the API and the metrics are served, and the name servers that are asked.
    pub management: Vec<Addr>,
    /// Whether documentation nets may be onboarded.
    pub lab: bool,
    /// Special-purpose nets, private ones above all, that origins may lie in.
    pub origin_allow: Vec<IpNet>,
    /// Nets that dynamic edge addresses come from, and static ones must not; `None`: not known.
    pub edge_pool: Option<Vec<IpNet>>,
    /// Whether apps with `traffic_type` http are refused.
    pub http_refused: bool,
}

/// Who holds an address already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// The subnet of a port's own address.
    PortSubnet(Subnet),
    /// A gateway.
    Gateway(Addr),
    /// An address of the egress pool.
    Egress(Addr),
    /// An address that the box is managed by.
    Management(Addr),
}

/// Why an address may never be an origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forbidden {
    /// Not the address of one host out there: loopback, multicast and so on.
    Kind(&'static str),
    /// An address of the box itself.
    Own,
    /// A gateway of the static routes.
    Gateway,
    /// Inside an onboarded prefix: the app would loop back into the edge.
    Onboarded,
    /// An address of the egress pool.
    Egress,
    /// Special-purpose space that `origin_allow` does not name.
    Private(&'static str),
    /// The directed broadcast or network address of a port's subnet.
    SubnetBroadcast,
    /// An IPv6 form that carries a forbidden IPv4 address.
    Embedded(Addr, &'static str),
}

impl Reserved {
    /// Who holds an address inside `prefix`.
    pub fn holder_in(&self, prefix: Prefix) -> Option<Holder> {
        let subnet = self.subnets.iter().find(|subnet| subnet.overlaps(prefix)).copied();
        let gateway = || self.gateways.iter().find(|addr| prefix.contains(**addr)).copied();
        let egress = || self.egress.iter().find(|addr| prefix.contains(**addr)).copied();
        let managed = || self.management.iter().find(|addr| prefix.contains(**addr)).copied();
        subnet
            .map(Holder::PortSubnet)
            .or_else(|| gateway().map(Holder::Gateway))
            .or_else(|| egress().map(Holder::Egress))
            .or_else(|| managed().map(Holder::Management))
    }

    /// Whether `origin_allow` names a net that holds `addr`.
    fn allows(&self, addr: Addr) -> bool {
        let ip = addr.to_ip();
        self.origin_allow.iter().any(|net| net.contains(&ip))
    }
}

impl Subnet {
    /// Whether the subnet and `prefix` share an address.
    pub fn overlaps(self, prefix: Prefix) -> bool {
        prefix.contains(self.own) || self.contains(prefix.first())
    }

    /// Whether `addr` is on-link here.
    pub fn contains(self, addr: Addr) -> bool {
        addr.is_v4() == self.own.is_v4() && (addr.bits() ^ self.own.bits()) & !self.host_mask() == 0
    }

    /// Whether `addr` is the network or directed broadcast address (IPv4 subnets of /30 and shorter).
    fn is_edge(self, addr: Addr) -> bool {
        let host = addr.bits() & self.host_mask();
        self.own.is_v4()
            && self.length <= 30
            && self.contains(addr)
            && (host == 0 || host == self.host_mask())
    }

    fn host_mask(self) -> u128 {
        let length = if self.own.is_v4() { self.length.min(32) + 96 } else { self.length.min(128) };
        u128::MAX.checked_shr(u32::from(length)).unwrap_or(0)
    }
}

/// Why `addr` may never be an origin; `None` when it may. Asked when an app is read and before each connect: some tens
/// of instructions, plus one look-up in `prefixes` for it and for an address that it embeds.
pub fn forbidden_origin(addr: Addr, reserved: &Reserved, prefixes: &PrefixMap) -> Option<Forbidden> {
    let taken_by = |addr| taken(addr, reserved, prefixes);
    let of_inner = || {
        let (inner, form) = embedded(addr)?;
        taken_by(inner).or_else(|| unnamed(inner, reserved)).map(|_| Forbidden::Embedded(inner, form))
    };
    taken_by(addr).or_else(of_inner).or_else(|| unnamed(addr, reserved))
}

fn taken(addr: Addr, reserved: &Reserved, prefixes: &PrefixMap) -> Option<Forbidden> {
    if let Some(kind) = not_a_host(addr) {
        return Some(Forbidden::Kind(kind));
    }
    if reserved.subnets.iter().any(|subnet| subnet.own == addr) {
        return Some(Forbidden::Own);
    }
    if reserved.gateways.contains(&addr) {
        return Some(Forbidden::Gateway);
    }
    if reserved.egress.contains(&addr) {
        return Some(Forbidden::Egress);
    }
    if prefixes.find(addr).is_some() {
        return Some(Forbidden::Onboarded);
    }
    reserved.subnets.iter().any(|subnet| subnet.is_edge(addr)).then_some(Forbidden::SubnetBroadcast)
}

/// Special-purpose space that `origin_allow` does not name. The well-known prefix of NAT64 is none: what it carries is
/// judged.
fn unnamed(addr: Addr, reserved: &Reserved) -> Option<Forbidden> {
    let judged_inside = !addr.is_v4() && addr.bits() >> 32 == NAT64;
    if judged_inside || reserved.allows(addr) {
        return None;
    }
    special_purpose(addr.to_ip().into()).map(|block| Forbidden::Private(block.name))
}

/// The IPv4 address that an IPv6 address carries, and the form. (A mapped address is IPv4 already, see `Addr`.)
fn embedded(addr: Addr) -> Option<(Addr, &'static str)> {
    if addr.is_v4() {
        return None;
    }
    let bits = addr.bits();
    let inner = |shift: u32| Addr::v4(((bits >> shift) as u32).to_be_bytes());
    match ((bits >> 112) as u16, (bits >> 96) as u32, (bits >> 32)) {
        (_, _, 0) => Some((inner(0), "IPv4-compatible, RFC 4291 2.5.5.1")),
        (_, _, NAT64) => Some((inner(0), "NAT64, RFC 6052")),
        (0x2002, ..) => Some((inner(80), "6to4, RFC 3056")),
        (_, 0x2001_0000, _) => Some((Addr::v4((!(bits as u32)).to_be_bytes()), "Teredo, RFC 4380")),
        _ if bits >> 80 == NAT64_LOCAL => Some((inner(0), "local-use NAT64, RFC 8215")),
        _ if (bits >> 32) as u32 & 0xfcff_ffff == 0x0000_5efe => Some((inner(0), "ISATAP, RFC 5214")),
        _ if bits >> 32 == TRANSLATED => Some((inner(0), "IPv4-translated, RFC 2765")),
        _ => None,
    }
}

/// 64:ff9b::/96.
const NAT64: u128 = 0x0064_ff9b_0000_0000_0000_0000;
/// 64:ff9b:1::/48.
const NAT64_LOCAL: u128 = 0x0064_ff9b_0001;
/// ::ffff:0:0:0/96.
const TRANSLATED: u128 = 0xffff_0000;

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortSubnet(subnet) => {
                write!(f, "the subnet of port address {}/{}", subnet.own, subnet.length)
            }
            Self::Gateway(addr) => write!(f, "the gateway {addr}"),
            Self::Egress(addr) => write!(f, "the egress address {addr}"),
            Self::Management(addr) => write!(f, "the management address {addr}"),
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "a {kind} address"),
            Self::Own => f.write_str("an address of this box"),
            Self::Gateway => f.write_str("a gateway of this box"),
            Self::Onboarded => {
                f.write_str("inside an onboarded prefix, so that the app would loop into the edge")
            }
            Self::Egress => f.write_str("an address of the egress pool"),
            Self::Private(block) => write!(
                f,
                "in special-purpose space ({block}), which origin_allow of the boot config does not name"
            ),
            Self::SubnetBroadcast => f.write_str("the network or broadcast address of a port's subnet"),
            Self::Embedded(inner, form) => write!(f, "a form ({form}) of the forbidden address {inner}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::PrefixSpec;

    fn addr(text: &str) -> Addr {
        text.parse::<std::net::IpAddr>().expect("an address").into()
    }

    /// What special-purpose space the tests' origins lie in.
    const ALLOW: [&str; 8] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "fc00::/7",
        "2001:db8::/32",
        "2002::/16",
        "64:ff9b:1::/48",
    ];

    fn ask(text: &str) -> Option<String> {
        ask_with(text, &ALLOW)
    }

    fn ask_with(text: &str, allow: &[&str]) -> Option<String> {
        let reserved = Reserved {
            subnets: vec![
                Subnet { own: addr("10.0.0.2"), length: 24 },
                Subnet { own: addr("fd00::2"), length: 64 },
            ],
            gateways: vec![addr("10.0.0.1"), addr("fd00::1")],
            egress: vec![addr("10.0.0.3"), addr("fd00::3")],
            lab: true,
            origin_allow: allow.iter().map(|net| net.parse().expect("a net")).collect(),
            ..Reserved::default()
        };
        let prefix = |text: &str| {
            let prefix = Prefix::new(text.parse().expect("a net"), true).expect("valid");
            PrefixSpec::plain(prefix)
        };
        let prefixes = [prefix("198.51.100.0/24"), prefix("2001:db8::/48")];
        let map = PrefixMap::build(&prefixes, [1, 2]).expect("no prefix repeats");
        forbidden_origin(addr(text), &reserved, &map).map(|reason| reason.to_string())
    }

    #[test]
    fn hosts_out_there_and_on_link_may_be_origins() {
        let fine = [
            "192.0.2.1",
            "10.0.0.4",
            "10.1.0.1",
            "172.16.0.1",
            "fd00::4",
            "2001:db8:1::1",
            "::ffff:192.0.2.1",
        ];
        let embedded = ["64:ff9b::192.0.2.1", "2002:c000:201::1", "fd00::200:5efe:192.0.2.1"];
        for text in fine.into_iter().chain(embedded) {
            assert_eq!(ask(text), None, "{text}");
        }
    }

    #[test]
    fn taken_and_impossible_addresses_may_not_in_any_form() {
        for (text, part) in [
            ("0.1.2.3", "unspecified"),
            ("::", "unspecified"),
            ("127.9.9.9", "loopback"),
            ("169.254.1.1", "link-local"),
            ("240.0.0.1", "reserved"),
            ("ff02::1", "multicast"),
            ("10.0.0.2", "this box"),
            ("fd00::1", "gateway"),
            ("fd00::3", "egress"),
            ("10.0.0.255", "broadcast"),
            ("198.51.100.255", "onboarded"),
            ("2001:db8:0:1::", "onboarded"),
            ("::ffff:10.0.0.2", "this box"),
            ("::127.0.0.1", "IPv4-compatible"),
            ("::ffff:0:127.0.0.1", "IPv4-translated"),
            ("64:ff9b::10.0.0.1", "NAT64"),
            ("64:ff9b:1::10.0.0.1", "local-use NAT64"),
            ("2002:0a00:0003::1", "6to4"),
            ("2001:0:1::f5ff:fffd", "Teredo"),
            ("fd00::5efe:198.51.100.1", "ISATAP"),
        ] {
            let reason = ask(text).unwrap_or_else(|| panic!("{text} is let through"));
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }

    #[test]
    fn special_purpose_space_is_for_those_who_name_it() {
        for (text, part) in [
            ("10.1.0.1", "RFC 1918"),
            ("172.31.0.1", "RFC 1918"),
            ("192.168.7.7", "RFC 1918"),
            ("100.64.0.1", "RFC 6598"),
            ("198.18.0.1", "benchmarking"),
            ("192.0.2.1", "documentation"),
            ("::ffff:192.168.7.7", "RFC 1918"),
            ("fd12::1", "2000::/3"),
            ("2001:db8:9::1", "documentation"),
            ("2002:0808:0808::1", "6to4"),
            ("64:ff9b:1::8.8.8.8", "2000::/3"),
            ("64:ff9b::192.168.7.7", "NAT64"),
        ] {
            let reason = ask_with(text, &[]).unwrap_or_else(|| panic!("{text} is let through"));
            assert!(reason.contains(part), "{text}: {reason}");
            let all = ["0.0.0.0/0", "::/0"];
            assert_eq!(ask_with(text, &all), None, "{text}");
        }
        for text in ["8.8.8.8", "2606:4700::1", "64:ff9b::8.8.8.8"] {
            assert_eq!(ask_with(text, &[]), None, "{text}");
        }
        let narrow = ["192.168.7.0/24"];
        assert!(ask_with("192.168.7.7", &narrow).is_none() && ask_with("192.168.8.7", &narrow).is_some());
        assert!(ask_with("127.0.0.1", &["0.0.0.0/0"]).is_some(), "never, whatever is named");
    }

    #[test]
    fn subnets_of_every_length_know_their_hosts() {
        let subnet = |own: &str, length| Subnet { own: addr(own), length };
        assert!(
            subnet("10.0.0.2", 24).contains(addr("10.0.0.200"))
                && !subnet("10.0.0.2", 24).contains(addr("10.0.1.2"))
        );
        assert!(
            subnet("10.0.0.2", 32).contains(addr("10.0.0.2"))
                && !subnet("10.0.0.2", 32).contains(addr("10.0.0.3"))
        );
        assert!(
            !subnet("10.0.0.2", 0).contains(addr("fd00::1"))
                && subnet("10.0.0.2", 0).contains(addr("9.9.9.9"))
        );
        assert!(
            subnet("fd00::2", 64).contains(addr("fd00::ffff:1"))
                && !subnet("fd00::2", 128).contains(addr("fd00::3"))
        );
    }

    #[test]
    fn a_prefix_over_an_address_that_the_box_is_managed_by_is_somebodys() {
        let reserved = Reserved {
            management: vec![addr("198.51.100.53"), addr("2001:db8:9::1")],
            ..Reserved::default()
        };
        let holder = |text: &str| {
            let prefix = Prefix::new(text.parse().expect("a net"), true).expect("valid");
            reserved.holder_in(prefix).map(|holder| holder.to_string())
        };
        assert_eq!(holder("198.51.100.0/24").as_deref(), Some("the management address 198.51.100.53"));
        assert_eq!(holder("2001:db8:9::/48").as_deref(), Some("the management address 2001:db8:9::1"));
        assert_eq!((holder("203.0.113.0/24"), holder("2001:db8:8::/48")), (None, None));
    }
}
