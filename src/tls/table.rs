//! The TLS of all apps in force, by slot; and what it is made from.

use super::app::{AppTls, MinTls, Wanted, Wrong};
use super::origin::Trust;
use super::zone::{Tickets, ZoneCertificates};
use crate::base::{AppSlot, SlotPages};
use std::collections::HashMap;
use std::sync::Arc;

/// A zone's certificates and ticket keys.
#[derive(Clone, Debug)]
pub struct ZoneMaterial {
    /// The certificates.
    pub certificates: Arc<ZoneCertificates>,
    /// The ticket keys.
    pub tickets: Tickets,
}

/// What is read from files and drawn at start, beside the table.
#[derive(Clone, Debug)]
pub struct Material {
    /// Zones with certificates, by id.
    pub zones: HashMap<Box<str>, ZoneMaterial>,
    /// How origins are met.
    pub trust: Trust,
    /// For apps that do not say.
    pub min_tls: MinTls,
}

impl Material {
    /// The TLS of an app of zone `zone`.
    ///
    /// # Errors
    /// See `Wrong`.
    pub fn app(&self, zone: &str, wanted: &Wanted<'_>) -> Result<AppTls, Wrong> {
        let zone = self.zones.get(zone).ok_or(Wrong::NoCertificate)?;
        AppTls::new(wanted, &zone.certificates, &zone.tickets, &self.trust)
    }
}

/// By app slot.
#[derive(Debug, Default)]
pub struct TlsTable(SlotPages<AppTls>);

impl TlsTable {
    /// Of these apps.
    pub fn new(apps: Vec<(AppSlot, AppTls)>) -> Self {
        Self(SlotPages::new(apps.into_iter().map(|(slot, app)| (slot, Arc::new(app)))))
    }

    /// The same with these apps, or with none at a slot; what did not change is shared.
    #[must_use]
    pub fn with(&self, changes: Vec<(AppSlot, Option<Arc<AppTls>>)>) -> Self {
        Self(self.0.with(changes))
    }

    /// The TLS of the app at `slot`; `None` where it has none.
    pub fn app(&self, slot: AppSlot) -> Option<&Arc<AppTls>> {
        self.0.get(slot)
    }
}
