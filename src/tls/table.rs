//! The TLS of all apps in force, by slot; and what it is made from.

use super::app::{AppTls, MinTls, Wanted, Wrong};
use super::origin::Trust;
use super::zone::{Tickets, ZoneCertificates};
use crate::base::AppSlot;
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
pub struct TlsTable(Box<[Option<Arc<AppTls>>]>);

impl TlsTable {
    /// Of these apps.
    pub fn new(apps: Vec<(AppSlot, AppTls)>) -> Self {
        let high = apps.iter().map(|(slot, _)| slot.index() + 1).max().unwrap_or(0);
        let mut by_slot: Vec<Option<Arc<AppTls>>> = (0..high).map(|_| None).collect();
        for (slot, app) in apps {
            by_slot[slot.index()] = Some(Arc::new(app));
        }
        Self(by_slot.into_boxed_slice())
    }

    /// The TLS of the app at `slot`; `None` where it has none.
    pub fn app(&self, slot: AppSlot) -> Option<&Arc<AppTls>> {
        self.0.get(slot.index())?.as_ref()
    }
}
