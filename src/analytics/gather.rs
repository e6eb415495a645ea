//! Facts gathered into cells by minute and key. Bounded: beyond its rows a zone's further apps share one, and beyond that a
//! fact is dropped; both are counted.

use super::cell::Cell;
use super::key::{EventName, IpVersion, Key, Owner, Tag};
use super::plan::Minute;
use crate::base::limits::{ANALYTICS_PENDING_MAX, ANALYTICS_PENDING_PER_ZONE_MAX};
use std::collections::HashMap;
use std::sync::Arc;

/// One event of a connection, or several alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fact {
    /// When, in seconds since the Unix epoch.
    pub at_s: u64,
    /// Whose it is.
    pub owner: Owner,
    /// What happened.
    pub event: EventName,
    /// The client's IP version.
    pub ip: IpVersion,
    /// How many times.
    pub count: u64,
    /// Bytes from the client that no fact has told before.
    pub ingress: u64,
    /// Bytes to it.
    pub egress: u64,
    /// How long the connection lasted, where this is its end.
    pub duration_ms: Option<u64>,
}

/// Where a cell stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// What it is about.
    pub key: Key,
    /// Its minute.
    pub minute: Minute,
}

/// Cells by place.
#[derive(Debug, Default)]
pub struct Gather {
    cells: HashMap<Place, Cell>,
    of_zone: HashMap<Tag, usize>,
    /// Facts whose app had to share a row.
    pub folded: u64,
    /// Facts that found no room.
    pub dropped: u64,
}

impl Gather {
    /// Adds a fact.
    pub fn add(&mut self, fact: &Fact, colo: &Arc<str>) {
        let key = Key {
            zone: fact.owner.zone,
            app: Some(fact.owner.app),
            event: fact.event,
            ip: fact.ip,
            colo: colo.clone(),
        };
        let place = Place { key, minute: Minute::of_unix_s(fact.at_s) };
        let Some(cell) = self.cell(place, fact.count) else { return };
        cell.count += fact.count;
        cell.ingress = cell.ingress.saturating_add(fact.ingress);
        cell.egress = cell.egress.saturating_add(fact.egress);
        if let Some(millis) = fact.duration_ms {
            cell.timed += fact.count;
            cell.duration_ms = cell.duration_ms.saturating_add(millis.saturating_mul(fact.count));
            cell.durations.add(millis, fact.count);
        }
    }

    /// Adds what another has gathered.
    pub fn merge(&mut self, place: Place, other: &Cell) {
        if let Some(cell) = self.cell(place, other.count) {
            cell.merge(other);
        }
    }

    /// Everything gathered, which is forgotten here; what was counted stays.
    pub fn take(&mut self) -> Vec<(Place, Cell)> {
        self.of_zone.clear();
        self.cells.drain().collect()
    }

    /// Everything gathered.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Cell)> {
        self.cells.iter()
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell at a place, or the one that the zone's further apps share, made where it is missing.
    fn cell(&mut self, place: Place, facts: u64) -> Option<&mut Cell> {
        if self.cells.contains_key(&place) {
            return self.cells.get_mut(&place);
        }
        let of_zone = self.of_zone.get(&place.key.zone).copied().unwrap_or(0);
        let full = of_zone >= ANALYTICS_PENDING_PER_ZONE_MAX || self.cells.len() >= ANALYTICS_PENDING_MAX;
        if !full {
            *self.of_zone.entry(place.key.zone).or_default() += 1;
            return Some(self.cells.entry(place).or_default());
        }
        let shared = Place { key: Key { app: None, ..place.key }, ..place };
        // Shared rows have as much room again, so that many zones do not shut each other out.
        if !self.cells.contains_key(&shared) && self.cells.len() >= 2 * ANALYTICS_PENDING_MAX {
            self.dropped += facts;
            return None;
        }
        self.folded += facts;
        Some(self.cells.entry(shared).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(zone: u128, app: u128) -> Fact {
        Fact {
            at_s: 60,
            owner: Owner { zone: Tag::from_bits(zone), app: Tag::from_bits(app) },
            event: EventName::Connect,
            ip: IpVersion::V4,
            count: 1,
            ingress: 2,
            egress: 3,
            duration_ms: None,
        }
    }

    #[test]
    fn a_zone_with_too_many_apps_shares_a_row_and_leaves_room_for_others() {
        let (mut gather, colo) = (Gather::default(), Arc::from("FRA"));
        let apps = ANALYTICS_PENDING_PER_ZONE_MAX as u128;
        (0..apps + 5).for_each(|app| gather.add(&fact(1, app), &colo));
        gather.add(&fact(2, 1), &colo);
        gather.add(&fact(1, 0), &colo);
        assert_eq!((gather.folded, gather.dropped, gather.len() as u128), (5, 0, apps + 2));
        let cells = gather.take();
        let shared: Vec<_> = cells.iter().filter(|(place, _)| place.key.app.is_none()).collect();
        assert_eq!((shared.len(), shared[0].1.count, shared[0].1.ingress), (1, 5, 10));
        assert_eq!(cells.iter().map(|(_, cell)| cell.count as u128).sum::<u128>(), apps + 7);
        assert_eq!((gather.len(), gather.folded), (0, 5), "what was counted stays");
    }

    #[test]
    fn nothing_grows_without_a_bound_and_what_is_lost_is_counted() {
        let (mut gather, colo) = (Gather::default(), Arc::from(""));
        let zones = 2 * ANALYTICS_PENDING_MAX as u128;
        (0..zones + 3).for_each(|zone| gather.add(&fact(zone, 1), &colo));
        assert_eq!((gather.len() as u128, gather.dropped), (zones, 3));
        assert_eq!(gather.folded as u128, zones / 2);
    }
}
