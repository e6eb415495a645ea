//! The DNS records that follow from apps: an A or AAAA record for each static address, and for a name with dynamic
//! addresses one CNAME of a name that byway alone gives out. Their ids follow from zone, name and what they say.

use super::entity::App;
use super::id::Id;
use crate::base::Addr;
use crate::table::{DnsKind, EdgeIps};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// What the first label of dynamic names begins with; behind it stand 16 hex digits.
const DYNAMIC: &str = "spectrum-";
const DIGITS: usize = 16;
/// The longest host name (RFC 1035 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// What one record of an app says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Said {
    /// An A or AAAA record.
    Address(Addr),
    /// A CNAME record of the name that dynamic apps lead to.
    Dynamic,
}

/// What the records of an app say.
pub fn said(app: &App) -> impl Iterator<Item = Said> {
    let (addrs, is_dynamic) = match (app.spec.dns.kind, &app.spec.edge_ips) {
        (DnsKind::Address, EdgeIps::Static(addrs)) => (&**addrs, false),
        (DnsKind::Cname, EdgeIps::Dynamic(_)) => (&[][..], true),
        // An app's reader lets neither through.
        (DnsKind::Address, EdgeIps::Dynamic(_)) | (DnsKind::Cname, EdgeIps::Static(_)) => (&[][..], false),
    };
    addrs.iter().map(|addr| Said::Address(*addr)).chain(is_dynamic.then_some(Said::Dynamic))
}

/// The id of the record of apps under a name that says so: the same for the same words.
pub fn said_id(zone: Id, name: &str, said: Said) -> Id {
    let mut hasher = SipHasher13::new();
    hasher.write(&zone.bits().to_be_bytes());
    match said {
        Said::Address(addr) => hasher.write(&addr.bits().to_be_bytes()),
        // No address: an unspecified one is no app's.
        Said::Dynamic => hasher.write(&[0; 16]),
    }
    hasher.write(name.as_bytes());
    Id::from_bits(hasher.finish128().as_u128())
}

/// The name that the dynamic apps of a name lead to.
pub fn dynamic_name(zone: Id, zone_name: &str, name: &str) -> String {
    let hex = said_id(zone, name, Said::Dynamic).to_string();
    format!("{DYNAMIC}{}.{zone_name}", &hex[..DIGITS])
}

/// Whether a zone has names for dynamic apps: its own leaves room for one more label.
pub const fn has_dynamic_names(zone: &str) -> bool {
    DYNAMIC.len() + DIGITS + 1 + zone.len() <= NAME_BYTES_MAX
}

/// Whether a name is one of those that dynamic apps lead to.
pub fn is_dynamic(name: &str, zone: &str) -> bool {
    let label = name.strip_suffix(zone).and_then(|rest| rest.strip_suffix('.'));
    let hex = label.and_then(|label| label.strip_prefix(DYNAMIC));
    hex.is_some_and(|hex| hex.len() == DIGITS && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_names_are_known_again() {
        let name = dynamic_name(Id::from_bits(7), "example.net", "ssh.example.net");
        assert!(is_dynamic(&name, "example.net"), "{name}");
        assert_eq!(name, dynamic_name(Id::from_bits(7), "example.net", "ssh.example.net"));
        assert_ne!(name, dynamic_name(Id::from_bits(7), "example.net", "web.example.net"));
        for other in ["spectrum-0.example.net", "example.net", "x.spectrum-0123456789abcdef.example.net"] {
            assert!(!is_dynamic(other, "example.net"), "{other}");
        }
    }

    #[test]
    fn ids_of_records_stay_what_they_are() {
        // Clients keep them: another way to make them would be a change of the API.
        let id = |said| said_id(Id::from_bits(7), "ssh.example.net", said).to_string();
        let ids = [id(Said::Dynamic), id(Said::Address(Addr::v4([203, 0, 113, 1])))];
        assert_eq!(ids, ["5fb3f74bb20faeb55ecd1a097c7c2838", "d201608d128c9036c433c050f7d1091d"]);
    }
}
