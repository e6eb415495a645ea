//! Control's own numbers beside those of the workers' pages, for Prometheus and for `byway show counters`.

use super::life::Control;
use super::ports;
use crate::analytics::Resolution;
use crate::base::OsClock;
use crate::telemetry::expose::{self, Kind, Names, Number, Sink};

/// Tells `sink` everything that byway counts.
pub(super) fn expose(control: &Control, sink: &mut impl Sink) {
    let reloads = &control.reloads;
    let app = |slot| reloads.facts(slot).map(|facts| facts.id.clone());
    let rule = |slot| reloads.rule_name(slot).cloned();
    expose::workers(&control.fleet.pages, &Names { app: &app, rule: &rule }, sink);
    ports::expose(control.ports.infos(), &control.port_states(), sink);
    own(control, sink);
    trial(control, sink);
    origins(control, sink);
    load(control, sink);
    usage(control, sink);
}

fn load(control: &Control, sink: &mut impl Sink) {
    let each = || control.fleet.pages.iter().enumerate().map(|(at, page)| (at, page.worker().to_string()));
    let help = "Share of a worker's time that turns with work took, over the last half second.";
    sink.family("byway_busy_share", Kind::Gauge, help);
    for (at, worker) in each() {
        sink.sample("", &[("worker", &worker)], Number::Real(control.load.share(at)));
    }
    sink.family("byway_hot_worker", Kind::Gauge, "Whether a worker is far busier than the others.");
    for (at, worker) in each() {
        sink.sample("", &[("worker", &worker)], Number::Whole(u64::from(control.load.is_hot(at))));
    }
    sink.family(
        "byway_hot_workers_total",
        Kind::Counter,
        "Times that a worker became far busier than the others.",
    );
    sink.sample("", &[], Number::Whole(control.load.times_hot()));
}

fn own(control: &Control, sink: &mut impl Sink) {
    let reloads = &control.reloads;
    let (done, refused) = reloads.counts();
    let age = (OsClock::unix_micros() / 1_000_000).saturating_sub(reloads.in_force_unix_s());
    let apps = &reloads.loaded().compiled.apps;
    let in_force = apps.in_force() as u64;
    let push = control.events.push_counts();
    let rows = [
        (
            "byway_config_stale",
            Kind::Gauge,
            "Whether the table in force is not what the file says.",
            u64::from(reloads.is_stale()),
        ),
        ("byway_config_age_seconds", Kind::Gauge, "Age of the table in force.", age),
        (
            "byway_config_epoch",
            Kind::Gauge,
            "Number of the last published snapshot of the table.",
            reloads.loaded().compiled.snapshot.epoch.0,
        ),
        ("byway_config_reloads_total", Kind::Counter, "Tables brought in force after the start.", done),
        ("byway_config_refused_total", Kind::Counter, "Table files that were refused.", refused),
        ("byway_apps_in_force", Kind::Gauge, "Apps in the table.", in_force),
        ("byway_apps_not_in_force", Kind::Gauge, "Apps kept out of the table.", apps.len() as u64 - in_force),
        ("byway_draining", Kind::Gauge, "Whether the process drains.", u64::from(control.is_leaving())),
        ("byway_events_written_total", Kind::Counter, "Event lines written.", control.events.written()),
        (
            "byway_events_sent_batches_total",
            Kind::Counter,
            "Batches of events that the collector took.",
            push.sent,
        ),
        (
            "byway_events_send_failures_total",
            Kind::Counter,
            "Attempts to send a batch that failed and are made again.",
            push.failures,
        ),
        (
            "byway_events_lost_batches_total",
            Kind::Counter,
            "Batches of events that the collector refused for good or that found no room on disk.",
            push.refused + push.lost,
        ),
        (
            "byway_events_unwritten_total",
            Kind::Counter,
            "Event lines that could not be written.",
            control.events.lost(),
        ),
    ];
    for (name, kind, help, value) in rows {
        sink.family(name, kind, help);
        sink.sample("", &[], Number::Whole(value));
    }
}

fn trial(control: &Control, sink: &mut impl Sink) {
    let (trial, now_s) = (control.trial_time(), OsClock::unix_micros() / 1_000_000);
    let rows = [
        (
            "byway_config_on_trial",
            Kind::Gauge,
            "Whether something waits for `byway confirm`.",
            u64::from(trial.is_some()),
        ),
        (
            "byway_config_trial_seconds_left",
            Kind::Gauge,
            "Seconds until what is on trial goes by itself.",
            trial.map_or(0, |time| time.left_s(now_s)),
        ),
        (
            "byway_config_trial_failures_total",
            Kind::Counter,
            "Times that what the API changed on trial could not be taken back; it is tried again.",
            control.api_trial.failures,
        ),
    ];
    for (name, kind, help, value) in rows {
        sink.family(name, kind, help);
        sink.sample("", &[], Number::Whole(value));
    }
}

fn origins(control: &Control, sink: &mut impl Sink) {
    let (names, stale, unresolved) = control.resolver.levels();
    let levels = [
        ("byway_probed_origins", "Origins under active probes.", control.prober.len() as u64),
        ("byway_down_origins", "Origins that active probes found down.", control.prober.down().len() as u64),
        ("byway_origin_names", "Names that origins are asked for by.", names),
        ("byway_origin_names_stale", "Names that live on an old answer, since there is no new one.", stale),
        ("byway_origin_names_unresolved", "Names without a usable answer.", unresolved),
    ];
    for (name, help, value) in levels {
        sink.family(name, Kind::Gauge, help);
        sink.sample("", &[], Number::Whole(value));
    }
    let asked = control.resolver.asked();
    sink.family("byway_origin_answers_total", Kind::Counter, "Questions for origins, by what came of them.");
    for (result, value) in [("good", asked.good), ("nothing", asked.nothing), ("failed", asked.failed)] {
        sink.sample("", &[("result", result)], Number::Whole(value));
    }
}

fn usage(control: &Control, sink: &mut impl Sink) {
    let Some(usage) = &control.usage else { return };
    let (counts, followed) = (usage.counts(), usage.followed());
    sink.family("byway_analytics_rows", Kind::Gauge, "Rows of analytics on the disk, by their length.");
    for (resolution, rows) in Resolution::ALL.into_iter().zip(counts.rows) {
        sink.sample("", &[("of", resolution.name())], Number::Whole(rows));
    }
    let rows = [
        (
            "byway_analytics_waiting_rows",
            Kind::Gauge,
            "Rows of analytics that wait for the disk.",
            counts.waiting,
        ),
        (
            "byway_analytics_folded_events_total",
            Kind::Counter,
            "Events whose app had to share a row, since its zone has too many.",
            counts.folded,
        ),
        (
            "byway_analytics_dropped_events_total",
            Kind::Counter,
            "Events that analytics had no room for.",
            counts.dropped,
        ),
        (
            "byway_analytics_current_folded_events_total",
            Kind::Counter,
            "Events that the last minute tells of in a row that apps share, since their zone has too many.",
            counts.current_folded,
        ),
        (
            "byway_analytics_current_dropped_events_total",
            Kind::Counter,
            "Events that the last minute has no room for.",
            counts.current_dropped,
        ),
        (
            "byway_analytics_evicted_rows_total",
            Kind::Counter,
            "Rows of analytics that went before their time, since there were too many.",
            counts.evicted,
        ),
        (
            "byway_analytics_failed_commits_total",
            Kind::Counter,
            "Attempts to bring analytics to the disk that failed and are made again.",
            counts.failures,
        ),
        (
            "byway_analytics_followed_connections",
            Kind::Gauge,
            "Connections whose bytes are told while they go on.",
            followed.now,
        ),
        (
            "byway_analytics_unfollowed_looks_total",
            Kind::Counter,
            "Looks at connections that tell their bytes at their ends alone, since too many are followed.",
            followed.refused,
        ),
    ];
    for (name, kind, help, value) in rows {
        sink.family(name, kind, help);
        sink.sample("", &[], Number::Whole(value));
    }
}
