//! The certificates of one zone, chosen by the name that a client asks for; and the zone's ticket keys.

use super::certificate::Certificate;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A zone's certificates.
#[derive(Default)]
pub struct ZoneCertificates {
    list: Vec<Certificate>,
    /// Indices into `list` by exact name.
    exact: HashMap<Box<str>, Vec<u16>>,
    /// Indices by what follows `*.`.
    wild: HashMap<Box<str>, Vec<u16>>,
}

impl ZoneCertificates {
    /// For these certificates, in the order of preference where several hold one name.
    pub fn new(list: Vec<Certificate>) -> Self {
        let mut zone = Self::default();
        for (index, certificate) in (0_u16..).zip(&list) {
            for name in certificate.names() {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut zone.wild, parent),
                    None => (&mut zone.exact, &**name),
                };
                map.entry(name.into()).or_default().push(index);
            }
        }
        zone.list = list;
        zone
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a certificate holds `name`, exactly or by a wildcard.
    pub fn covers(&self, name: &str) -> bool {
        self.indices(&name.to_ascii_lowercase()).next().is_some()
    }

    /// The certificate for `name` whose key can sign by one of `schemes`: those that hold the very name first, then
    /// those with a wildcard for it (one label, RFC 6125 6.4.3).
    pub fn choose(&self, name: &str, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let keys = self.indices(&name).filter_map(|index| Some(self.list.get(usize::from(index))?.key()));
        let mut fitting = keys.filter(|key| key.key.choose_scheme(schemes).is_some());
        fitting.next().cloned()
    }

    fn indices<'z>(&'z self, name: &str) -> impl Iterator<Item = u16> + use<'z> {
        let parent = name.split_once('.').map_or("", |(_, parent)| parent);
        let exact = self.exact.get(name).into_iter().flatten();
        exact.chain(self.wild.get(parent).into_iter().flatten()).copied()
    }
}

impl fmt::Debug for ZoneCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

/// A zone's session ticket keys: made anew every six hours, the last two good at a time (so that a ticket lives six to
/// twelve hours), the same in all workers and over reloads, and no other zone's.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// New keys; `None` when the system has no randomness to give.
    pub fn draw() -> Option<Self> {
        Ticketer::new().ok().map(Self)
    }

    /// As rustls takes them.
    pub(super) fn producer(&self) -> Arc<dyn ProducesTickets> {
        self.0.clone()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}
