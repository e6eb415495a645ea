//! Proof by DNS: a TXT record with the token at `cf-validation.ZONE` in every reverse zone that the prefix is made of
//! (RFC 1035 3.5, RFC 3596 2.5).

use super::checker::Claim;
use crate::control::resolve::{LookupError, NameServers};
use crate::estate::{Check, CheckState};
use ipnet::IpNet;

/// Asks for each zone's record, one after another, until one speaks against it.
pub async fn ask(servers: &NameServers, claim: &Claim) -> Check {
    for zone in zones(claim.net) {
        let name = format!("cf-validation.{zone}");
        match servers.texts(&name).await {
            Ok(texts) if texts.iter().any(|text| text.trim() == claim.token) => {}
            Ok(_) => {
                let why = format!("the TXT record of {name} holds another token than {}", claim.token);
                return Check::new(CheckState::Invalid, why);
            }
            Err(LookupError::Nothing) => {
                let why = format!("{name} has no TXT record: publish {} there", claim.token);
                return Check::new(CheckState::Missing, why);
            }
            Err(error) => return Check::new(CheckState::Pending, format!("{name}: {error}")),
        }
    }
    Check::new(CheckState::Valid, "the token is in all reverse zones")
}

/// The reverse zones of a prefix, at labels' borders: 128 at most for IPv4, 8 for IPv6.
fn zones(net: IpNet) -> Vec<String> {
    match net {
        IpNet::V4(net) => {
            let length = net.prefix_len().next_multiple_of(8).clamp(8, 24);
            let subnets = net.subnets(length.max(net.prefix_len())).into_iter().flatten();
            let zone = |first: [u8; 4]| {
                let labels = first[..usize::from(length / 8)].iter().rev().map(u8::to_string);
                format!("{}.in-addr.arpa", labels.collect::<Vec<_>>().join("."))
            };
            subnets.map(|subnet| zone(subnet.network().octets())).collect()
        }
        IpNet::V6(net) => {
            let length = net.prefix_len().next_multiple_of(4).clamp(4, 128);
            let subnets = net.subnets(length.max(net.prefix_len())).into_iter().flatten();
            let zone = |bits: u128| {
                let nibbles = (0..length / 4).rev().map(|at| format!("{:x}", bits >> (124 - 4 * at) & 15));
                format!("{}.ip6.arpa", nibbles.collect::<Vec<_>>().join("."))
            };
            subnets.map(|subnet| zone(subnet.network().to_bits())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_the_reverse_zones_that_it_is_made_of() {
        let of = |text: &str| zones(text.parse().expect("a net"));
        assert_eq!(of("203.0.113.0/24"), ["113.0.203.in-addr.arpa"]);
        assert_eq!(of("203.0.112.0/23"), ["112.0.203.in-addr.arpa", "113.0.203.in-addr.arpa"]);
        assert_eq!(of("203.4.0.0/15"), ["4.203.in-addr.arpa", "5.203.in-addr.arpa"]);
        assert_eq!(of("20.0.0.0/7"), ["20.in-addr.arpa", "21.in-addr.arpa"]);
        assert_eq!(of("2001:db8:7::/48"), ["7.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]);
        assert_eq!(of("2001:db8:8::/46").len(), 4);
        assert_eq!(of("198.51.128.0/17").len(), 128);
    }
}
