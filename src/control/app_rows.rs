//! Apps in words: in force or not, with what they go without and what they carried.

use super::life::Control;
use super::workshop::Loaded;
use crate::base::{OsClock, ProbeOutcome, Span};
use crate::snapshot::AppReport;
use crate::table::{AppProbe, AppSpec, Candidate, OriginBook, OriginName, OriginSpec};
use crate::telemetry::{AppCounter, PageReader};
use serde_json::{Value, json};

/// A row for each app of the table, in its order. Without pages (`byway check`) counters are left out.
pub fn rows(loaded: &Loaded, pages: &[PageReader]) -> Vec<Value> {
    let apps = loaded.spec.zones().flat_map(|(account, zone)| {
        zone.apps.iter().map(move |app| (account.id.as_str(), zone.id.as_str(), app))
    });
    apps.zip(&loaded.compiled.apps)
        .map(|((account, zone, app), report)| row((account, zone), app, report, pages))
        .collect()
}

fn row((account, zone): (&str, &str), app: &AppSpec, report: &AppReport, pages: &[PageReader]) -> Value {
    let reasons: Vec<String> = report
        .state
        .missing()
        .iter()
        .map(|missing| format!("{}: {}", missing.field(), missing.text()))
        .collect();
    let edge_ips: Vec<String> = app.edge_addrs().iter().map(ToString::to_string).collect();
    let mut row = json!({
        "id": app.id.as_str(),
        "account": account,
        "zone": zone,
        "protocol": app.edge.to_string(),
        "dns": app.dns.name.as_str(),
        "edge_ips": edge_ips,
        "origins": origins(&app.origin),
        "ip_firewall": app.ip_firewall,
        "tls": app.tls.name(),
        "proxy_protocol": app.proxy_protocol.name(),
        "traffic_type": app.traffic_type.name(),
        "probe": app.probe.map_or("default", AppProbe::name),
        "state": report.state.name(),
        "reasons": reasons,
    });
    if !pages.is_empty() {
        for (name, counter) in COUNTERS {
            let sum: u64 =
                report.slot.map_or(0, |slot| pages.iter().map(|page| page.app(slot, *counter)).sum());
            row[*name] = sum.into();
        }
    }
    row
}

const COUNTERS: &[(&str, AppCounter)] = &[
    ("connections", AppCounter::Connections),
    ("bytes_in", AppCounter::BytesIn),
    ("bytes_out", AppCounter::BytesOut),
    ("refused", AppCounter::Refused),
];

fn origins(origin: &OriginSpec) -> Vec<String> {
    match origin {
        OriginSpec::Direct(entries) => entries.iter().map(ToString::to_string).collect(),
        OriginSpec::Dns { name, .. } => vec![name.as_str().to_owned()],
    }
}

/// A row for each origin that an app in force could have, and one for each app that has none.
pub(super) fn origin_rows(control: &Control, book: &OriginBook) -> Vec<Value> {
    let loaded = control.reloads.loaded();
    let prefixes = loaded.compiled.snapshot.table.prefixes();
    let apps = loaded.spec.zones().flat_map(|(_, zone)| &zone.apps).zip(&loaded.compiled.apps);
    let in_force = apps.filter(|(_, report)| report.slot.is_some());
    in_force
        .flat_map(|(app, _)| {
            let answer = answer(control, app);
            let rows: Vec<Value> = match book.candidates(app, prefixes) {
                Ok(candidates) => candidates.iter().map(|one| origin_row(control, one)).collect(),
                Err(none) => vec![json!({ "origin": null, "state": none.name() })],
            };
            rows.into_iter().map(move |mut row| {
                row["app"] = app.id.as_str().into();
                for (key, value) in answer.as_object().into_iter().flatten() {
                    row[key] = value.clone();
                }
                row
            })
        })
        .collect()
}

fn origin_row(control: &Control, one: &Candidate) -> Value {
    let watched = control.prober.state(one.origin);
    let state = match watched {
        _ if one.forbidden => "forbidden",
        Some(watched) => watched.verdict().name(),
        None => "unprobed",
    };
    let last = watched.and_then(|watched| watched.last);
    let rtt = last.and_then(ProbeOutcome::rtt).map(Span::micros);
    json!({
        "origin": one.origin.to_string(),
        "priority": one.priority,
        "weight": one.weight,
        "state": state,
        "probe": last.map(ProbeOutcome::name),
        "rtt_us": rtt,
    })
}

/// What the name servers said, for an app that goes by name.
fn answer(control: &Control, app: &AppSpec) -> Value {
    let OriginSpec::Dns { name, kind, .. } = &app.origin else { return json!({}) };
    let question = OriginName { name: name.clone(), kind: *kind };
    let state = control.resolver.state(&question);
    let now_s = OsClock::unix_micros() / 1_000_000;
    let age = state.and_then(|state| state.learned_unix_s).map(|learned| now_s.saturating_sub(learned));
    let said = match state {
        Some(state) if state.is_stale() => "stale",
        Some(state) if state.records.is_some() => "good",
        Some(_) | None => "none",
    };
    let error = state.and_then(|state| state.error.clone());
    json!({ "name": name.as_str(), "type": kind.name(), "answer": said, "age_s": age, "error": error })
}
