//! Apps in words: in force or not, with what they go without and what they carried.

use super::workshop::Loaded;
use crate::snapshot::AppReport;
use crate::table::{AppSpec, OriginSpec};
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
