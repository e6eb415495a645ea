//! The last minute of each app, in steps of ten seconds. Bounded: beyond its apps a step, and of it a zone, has one row for
//! the others of each zone; what shares that, and what finds no room beyond, is counted.

use super::cell::Cell;
use super::gather::Place;
use super::key::{EventName, Key, OTHER_APPS, Tag};
use crate::base::limits::{ANALYTICS_RECENT_APPS_MAX, ANALYTICS_RECENT_APPS_PER_ZONE_MAX};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// How long a step is, in seconds.
const STEP_S: u64 = 10;
/// Steps: those that a minute falls into.
const STEPS: u64 = 7;

/// A question for the last minute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CurrentAsk {
    /// Of which zone.
    pub zone: Tag,
    /// Of these apps; `None`: all.
    pub apps: Option<Vec<Tag>>,
    /// At this site; `None`: all.
    pub colo: Option<String>,
}

/// The last minute of an app.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Current {
    /// The app; `None`: those that share a row.
    pub app: Option<Tag>,
    /// Bytes from clients.
    pub ingress: u64,
    /// Bytes to clients.
    pub egress: u64,
    /// Connections that began.
    pub connections: u64,
    /// How long those that ended lasted on average, in milliseconds.
    pub duration_avg: f64,
}

impl Current {
    /// How its app is named.
    pub fn name(&self) -> String {
        self.app.map_or_else(|| OTHER_APPS.to_owned(), |app| app.to_string())
    }
}

/// Whose numbers, and where they were met.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Whose {
    zone: Tag,
    app: Option<Tag>,
    colo: Arc<str>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    ingress: u64,
    egress: u64,
    connections: u64,
    timed: u64,
    duration_ms: u64,
}

/// Ten seconds.
struct Step {
    /// Which ones, since the Unix epoch.
    at: u64,
    apps: HashMap<Whose, Sums>,
    of_zone: HashMap<Tag, usize>,
}

/// Numbers by step and app.
#[derive(Default)]
pub struct Recent {
    steps: VecDeque<Step>,
    /// Events whose app had to share a row.
    pub folded: u64,
    /// Events that found no room.
    pub dropped: u64,
}

impl Recent {
    /// Takes in what was heard at `now_s`.
    pub fn hear(&mut self, place: &Place, cell: &Cell, now_s: u64) {
        let step = now_s / STEP_S;
        if self.steps.back().is_none_or(|newest| newest.at != step) {
            self.steps.push_back(Step { at: step, apps: HashMap::new(), of_zone: HashMap::new() });
            self.forget(now_s);
        }
        let Some(Step { apps, of_zone, .. }) = self.steps.back_mut() else { return };
        let Key { zone, app, event, colo, .. } = &place.key;
        let mut whose = Whose { zone: *zone, app: *app, colo: colo.clone() };
        if !apps.contains_key(&whose) {
            let apps_of_zone = of_zone.get(zone).copied().unwrap_or(0);
            if apps_of_zone < ANALYTICS_RECENT_APPS_PER_ZONE_MAX && apps.len() < ANALYTICS_RECENT_APPS_MAX {
                of_zone.insert(*zone, apps_of_zone + 1);
            } else {
                whose.app = None;
                if apps.len() >= 2 * ANALYTICS_RECENT_APPS_MAX && !apps.contains_key(&whose) {
                    self.dropped += cell.count;
                    return;
                }
                self.folded += cell.count;
            }
        }
        apps.entry(whose).or_default().add(*event, cell);
    }

    /// The last minute of the apps that are asked for, by app.
    pub fn current(&mut self, ask: &CurrentAsk, now_s: u64) -> Vec<Current> {
        self.forget(now_s);
        let wanted = |whose: &Whose| {
            let app = ask.apps.as_ref().is_none_or(|apps| whose.app.is_some_and(|app| apps.contains(&app)));
            let colo = ask.colo.as_ref().is_none_or(|colo| **colo == *whose.colo);
            whose.zone == ask.zone && app && colo
        };
        let mut all: BTreeMap<Option<Tag>, Sums> = BTreeMap::new();
        for (whose, sums) in self.steps.iter().flat_map(|step| &step.apps).filter(|(whose, _)| wanted(whose))
        {
            all.entry(whose.app).or_default().merge(sums);
        }
        all.into_iter().map(|(app, sums)| sums.told(app)).collect()
    }

    /// What is older than a minute.
    fn forget(&mut self, now_s: u64) {
        let oldest = (now_s / STEP_S + 1).saturating_sub(STEPS);
        while self.steps.front().is_some_and(|step| step.at < oldest || self.steps.len() as u64 > STEPS) {
            self.steps.pop_front();
        }
    }
}

impl Sums {
    fn add(&mut self, event: EventName, cell: &Cell) {
        let connections = if event == EventName::Connect { cell.count } else { 0 };
        let Cell { ingress, egress, timed, duration_ms, .. } = *cell;
        self.merge(&Self { ingress, egress, connections, timed, duration_ms });
    }

    fn merge(&mut self, other: &Self) {
        self.ingress = self.ingress.saturating_add(other.ingress);
        self.egress = self.egress.saturating_add(other.egress);
        self.connections += other.connections;
        self.timed += other.timed;
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
    }

    fn told(self, app: Option<Tag>) -> Current {
        let Self { ingress, egress, connections, timed, duration_ms } = self;
        let duration_avg = if timed == 0 { 0.0 } else { duration_ms as f64 / timed as f64 };
        Current { app, ingress, egress, connections, duration_avg }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::IpVersion;
    use super::super::plan::Minute;
    use super::*;

    fn place(zone: u128, app: u128) -> Place {
        let (zone, app) = (Tag::from_bits(zone), Some(Tag::from_bits(app)));
        let key = Key { zone, app, event: EventName::Connect, ip: IpVersion::V4, colo: "FRA".into() };
        Place { key, minute: Minute(0) }
    }

    fn ask(zone: u128) -> CurrentAsk {
        CurrentAsk { zone: Tag::from_bits(zone), apps: None, colo: None }
    }

    #[test]
    fn a_minute_is_told_and_no_more_than_ten_seconds_beside_it() {
        let (mut recent, cell) = (Recent::default(), Cell { count: 1, ..Cell::default() });
        (1_000..1_200).for_each(|now_s| recent.hear(&place(1, 1), &cell, now_s));
        for now_s in 1_199..1_210 {
            let told = recent.current(&ask(1), now_s)[0].connections;
            let truth = 1_200 - (now_s - 60);
            assert!((truth..=truth + 10).contains(&told), "{told} at {now_s}, where {truth} are a minute's");
        }
        assert_eq!(recent.current(&ask(1), 1_259).len(), 1);
        assert_eq!(recent.current(&ask(1), 1_260), []);
        // A clock that was set back loses what is ahead, and goes on.
        (1..100).for_each(|now_s| recent.hear(&place(1, 1), &cell, now_s));
        assert!(recent.steps.len() as u64 <= STEPS);
        assert_eq!(recent.current(&ask(1), 99)[0].connections, 70);
    }

    #[test]
    fn apps_beyond_the_bound_share_a_row_and_drops_are_counted() {
        let (mut recent, cell) = (Recent::default(), Cell { count: 1, ..Cell::default() });
        let (all, apps) = (ANALYTICS_RECENT_APPS_MAX as u128, ANALYTICS_RECENT_APPS_PER_ZONE_MAX as u128);
        (0..apps + 7).for_each(|app| recent.hear(&place(1, app), &cell, 5));
        let told = recent.current(&ask(1), 5);
        assert_eq!((told.len() as u128, told[0].app, told[0].connections), (apps + 1, None, 7));
        assert_eq!((told[0].name().as_str(), recent.folded, recent.dropped), ("other", 7, 0));
        recent.hear(&place(2, 1), &cell, 5);
        assert_eq!(recent.current(&ask(2), 5)[0].app, Some(Tag::from_bits(1)), "a zone leaves others room");
        let rows = apps + 2;
        (3..3 + 2 * all - rows + 4).for_each(|zone| recent.hear(&place(zone, 1), &cell, 5));
        assert_eq!(recent.dropped, 4);
        assert_eq!(
            recent.folded as u128,
            7 + all,
            "as many rows again are shared ones, one of them by seven"
        );
    }
}
