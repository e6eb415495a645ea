//! What became of each app, by zone in the order of the spec, and found by id.

use crate::base::{AccountSlot, AppSlot, ZoneSlot};
use crate::table::{AppId, AppState};
use std::collections::HashMap;

/// What became of one app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppReport {
    /// Its id.
    pub id: AppId,
    /// Its zone.
    pub zone: ZoneSlot,
    /// Its slot, where it is in force.
    pub slot: Option<AppSlot>,
    /// Whether it is in force, and what it goes without.
    pub state: AppState,
}

/// What became of all apps.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    zones: Vec<ZoneReports>,
    /// Zone, and place within it.
    places: HashMap<AppId, (ZoneSlot, usize)>,
    in_force: usize,
}

/// What holds for the apps of a zone, and what became of them in the order of the spec.
#[derive(Clone, Debug)]
pub(super) struct ZoneReports {
    pub account: AccountSlot,
    /// Whether a rule in its scopes blocks, and nobody says whom it means.
    pub blocks_blindly: bool,
    pub apps: Vec<AppReport>,
}

impl Reports {
    /// Opens the next zone.
    pub(super) fn open(&mut self, account: AccountSlot, blocks_blindly: bool) -> ZoneSlot {
        self.zones.push(ZoneReports { account, blocks_blindly, apps: Vec::new() });
        ZoneSlot(self.zones.len() as u32 - 1)
    }

    /// All of them, in the order of the spec.
    pub fn iter(&self) -> impl Iterator<Item = &AppReport> {
        self.zones.iter().flat_map(|zone| &zone.apps)
    }

    /// The one of this app.
    pub fn find(&self, id: AppId) -> Option<&AppReport> {
        let (zone, place) = self.place(id)?;
        self.zones.get(zone.index())?.apps.get(place)
    }

    /// What became of those of `asked` that are there.
    pub fn states(&self, asked: &[AppId]) -> Vec<(AppId, AppState)> {
        let state = |id: &AppId| self.find(*id).map(|report| (*id, report.state.clone()));
        asked.iter().filter_map(state).collect()
    }

    /// How many apps there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many are in force.
    pub const fn in_force(&self) -> usize {
        self.in_force
    }

    /// The zone of an app, and its place within the zone's apps.
    pub fn place(&self, id: AppId) -> Option<(ZoneSlot, usize)> {
        self.places.get(&id).copied()
    }

    pub(super) fn zone(&self, zone: ZoneSlot) -> Option<&ZoneReports> {
        self.zones.get(zone.index())
    }

    /// The place of an app's report is that of its spec: a new one comes last in its zone.
    pub(super) fn put(&mut self, report: AppReport) {
        let Some(zone) = self.zones.get_mut(report.zone.index()) else { return };
        self.in_force += usize::from(report.slot.is_some());
        match self.places.get(&report.id).copied() {
            Some((_, place)) => {
                let old = std::mem::replace(&mut zone.apps[place], report);
                self.in_force -= usize::from(old.slot.is_some());
            }
            None => {
                self.places.insert(report.id, (report.zone, zone.apps.len()));
                zone.apps.push(report);
            }
        }
    }

    /// Takes an app away; the last one of its zone takes its place.
    pub(super) fn remove(&mut self, id: AppId) {
        let Some((zone, place)) = self.places.remove(&id) else { return };
        let Some(zone) = self.zones.get_mut(zone.index()) else { return };
        let old = zone.apps.swap_remove(place);
        self.in_force -= usize::from(old.slot.is_some());
        if let Some(moved) = zone.apps.get(place) {
            self.places.insert(moved.id, (moved.zone, place));
        }
    }
}

impl<'a> IntoIterator for &'a Reports {
    type Item = &'a AppReport;
    type IntoIter = Box<dyn Iterator<Item = &'a AppReport> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}
