//! Prefixes and apps of the table in force as a table file has them, a page at a time: `byway check --against running`.
//! Access rules have rows of their own (`rule_rows`).

use super::ask::RulesPage;
use super::config::tables::{app_json, prefix_json};
use super::workshop::Loaded;
use crate::snapshot::LiveSpec;
use serde_json::{Value, json};

/// A page of `loaded`, with its epoch: pages of two epochs do not go together.
pub fn answer(page: RulesPage, loaded: &Loaded) -> Value {
    let (total, rows) = rows(&loaded.spec, page.cursor as usize, page.limit as usize);
    let next = page.cursor as usize + rows.len();
    let epoch = loaded.compiled.snapshot.epoch.0;
    json!({ "ok": true, "epoch": epoch, "rows": rows, "total": total, "next": (next < total).then_some(next) })
}

/// So many rows of a spec from one on, and how many there are.
pub fn rows(spec: &LiveSpec, from: usize, count: usize) -> (usize, Vec<Value>) {
    let total = spec.prefixes.len() + spec.zones().map(|(_, zone)| zone.apps.len()).sum::<usize>();
    let prefixes = spec.prefixes.iter().skip(from).take(count);
    let mut rows: Vec<Value> =
        prefixes.map(|prefix| json!({ "kind": "prefix", "value": prefix_json(prefix) })).collect();
    let (skip, left) = (from.saturating_sub(spec.prefixes.len()), count - rows.len());
    let apps = spec.zones().flat_map(|(account, zone)| zone.apps.iter().map(move |app| (account, zone, app)));
    rows.extend(apps.skip(skip).take(left).map(|(account, zone, app)| {
        let mut value = app_json(app);
        (value["account"], value["zone"]) = (account.id.as_str().into(), zone.id.as_str().into());
        json!({ "kind": "app", "value": value })
    }));
    (total, rows)
}
