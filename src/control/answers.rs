//! What the loop answers to inquiries of the listeners.

use super::ask::{ApplyAsk, Ask, WhereAsk};
use super::desk::{Inquiry, Readiness};
use super::install::Installed;
use super::life::{Control, Phase};
use super::listing::Wanted;
use super::whereabouts::Surroundings;
use super::workshop::{Source, Workshop};
use super::{app_rows, numbers, ports, rfc3339, rule_rows, table_rows, whereabouts};
use crate::base::{Clock, OsClock, TRIAL_S_MAX, TrialTime};
use crate::telemetry::expose::{JsonRows, PrometheusText};
use crate::telemetry::{Counter, Gauge, PageReader};
use serde_json::{Value, json};
use tokio::sync::oneshot;

impl Control {
    /// Answers, or passes the inquiry on to whoever answers later. Whoever asked may have gone: that is no failure.
    pub(super) fn answer(&mut self, inquiry: Inquiry) {
        match inquiry {
            Inquiry::Ask(ask, reply) => self.answer_ask(ask, reply),
            Inquiry::Metrics(reply) => {
                let mut sink = PrometheusText::default();
                numbers::expose(self, &mut sink);
                let _ = reply.send(sink.text);
            }
            Inquiry::Install(install) if !self.is_leaving() => self.reloads.install(install),
            Inquiry::Install(install) => drop(install.reply.send(Installed::Ending)),
            Inquiry::Trial(news) => self.api_trial = news,
            Inquiry::ListenerTls(problem) => self.listener_problem = problem,
            Inquiry::Ready(reply) => {
                let _ = reply.send(self.readiness());
            }
        }
    }

    fn answer_ask(&mut self, ask: Ask, reply: oneshot::Sender<Value>) {
        let value = match ask {
            Ask::Sessions(page) => return self.listings.ask(Wanted::Sessions(page), reply),
            Ask::Neighbors => return self.listings.ask(Wanted::Neighbors, reply),
            Ask::ChangeRules(_) if self.reloads.loaded().source == Source::Api => super::ask::refusal(
                "the API rules here, not a table file: change rules by /firewall/access_rules/rules (`byway admin call`)",
            ),
            Ask::ChangeRules(changes) if !self.is_leaving() => {
                let now = self.clock.now();
                return self.reloads.change_rules(changes, reply.into(), &mut self.fleet, now);
            }
            Ask::ChangeRules(_) => super::ask::refusal("byway drains; no rule is changed"),
            Ask::Rules(page) => rule_rows::answer(page, self.reloads.loaded(), self.reloads.workshop()),
            Ask::Tables(page) => table_rows::answer(page, self.reloads.loaded()),
            Ask::Apply(_) | Ask::Confirm | Ask::Revert if self.reloads.loaded().source == Source::Api => {
                super::ask::refusal(
                    "the API rules here, and no table file: see `byway admin try`, `import` and `rollback`",
                )
            }
            Ask::Apply(_) | Ask::Confirm | Ask::Revert if self.is_leaving() => {
                super::ask::refusal("byway drains; no table is changed")
            }
            Ask::Apply(ApplyAsk { file, within_s }) => {
                return self.reloads.try_out(reply.into(), move |workshop| workshop.apply(&file, within_s));
            }
            Ask::Confirm => return self.reloads.try_out(reply.into(), Workshop::confirm),
            Ask::Revert => return self.reloads.try_out(reply.into(), Workshop::revert),
            Ask::Trial => self.trial(),
            Ask::Reload if !self.is_leaving() => return self.reloads.start(Some(reply.into())),
            Ask::Reload => super::ask::refusal("byway drains; no reload"),
            Ask::Apps => self.apps(),
            Ask::Origins => self.origins(),
            Ask::Counters => self.counters(),
            Ask::Ports => self.port_rows(),
            Ask::Workers => self.worker_rows(),
            Ask::Where(ask) => self.whereabouts(&ask),
            Ask::Status => self.status(),
        };
        let _ = reply.send(value);
    }

    fn trial(&self) -> Value {
        // The API's is ended by its own socket.
        if self.reloads.loaded().source == Source::Api {
            let trial = self.api_trial.held.as_ref().map(|held| json!({ "version": held.base }));
            return json!({ "ok": true, "trial": trial, "admin_socket": self.admin_socket });
        }
        let Some(workshop) = self.reloads.workshop() else {
            return super::ask::refusal("a reload is under way; ask again");
        };
        let trial = workshop.trials.held().map(|trial| {
            json!({
                "until": rfc3339(trial.until_unix_s * 1_000_000),
                "table_file": workshop.path(),
                "kept": workshop.trials.path(),
                "overtaken": trial.is_overtaken(workshop.path()),
            })
        });
        json!({ "ok": true, "trial": trial })
    }

    /// The time of what is on trial, of either kind.
    pub(super) fn trial_time(&self) -> Option<TrialTime> {
        match self.reloads.loaded().source {
            // How long it was to be at most is the workshop's to know, which may be at work.
            Source::Trial { until_unix_s } => Some(TrialTime { until_unix_s, within_s: TRIAL_S_MAX }),
            Source::Api => self.api_trial.held.as_ref().map(|held| held.time),
            Source::File | Source::LastGood { .. } => None,
        }
    }

    fn whereabouts(&self, ask: &WhereAsk) -> Value {
        let Some(workshop) = self.reloads.workshop() else {
            return super::ask::refusal("a reload is under way; ask again");
        };
        let (reserved, compiler) = (&workshop.reserved, &workshop.compiler);
        let around = Surroundings { reserved, compiler, workers: self.fleet.pages.len() as u8 };
        whereabouts::answer(ask, self.reloads.loaded(), &around)
    }

    fn apps(&self) -> Value {
        let loaded = self.reloads.loaded();
        let rows = app_rows::rows(loaded, &self.fleet.pages);
        json!({ "ok": true, "epoch": loaded.compiled.snapshot.epoch.0, "apps": rows })
    }

    fn counters(&self) -> Value {
        let mut sink = JsonRows::default();
        numbers::expose(self, &mut sink);
        let moved = |row: &Value| row["value"].as_f64().is_some_and(|value| value != 0.0);
        sink.rows.retain(moved);
        json!({ "ok": true, "counters": sink.rows })
    }

    fn port_rows(&self) -> Value {
        let pairs = self.ports.infos().iter().zip(self.port_states());
        let rows: Vec<Value> = pairs.map(|(info, state)| ports::row(info, &state)).collect();
        json!({ "ok": true, "ports": rows })
    }

    fn worker_rows(&self) -> Value {
        let row = |(at, page): (usize, &PageReader)| {
            json!({
                "worker": page.worker().0,
                "busy_percent": (self.load.share(at) * 1_000.0).round() / 10.0,
                "hot": self.load.is_hot(at),
                "sessions": page.gauge(Gauge::Sessions),
                "spliced": page.gauge(Gauge::SplicedSessions),
                "udp_sessions": page.gauge(Gauge::UdpSessions),
                "received": page.counter(Counter::ReceivedFrames),
                "handed_over": page.counter(Counter::HandedOverFrames),
                "naps": page.counter(Counter::Naps),
                "interrupt_waits": page.counter(Counter::InterruptWaits),
                "epoch": page.epoch().0,
            })
        };
        let rows: Vec<Value> = self.fleet.pages.iter().enumerate().map(row).collect();
        json!({ "ok": true, "workers": rows })
    }

    fn status(&self) -> Value {
        let phase = match self.phase {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::DrainWanted | Phase::Draining(_) => "draining",
            Phase::Resetting(_) | Phase::Stopping(_) => "stopping",
        };
        let (readiness, why) = match self.readiness() {
            Readiness::Ready => ("ready", Vec::new()),
            Readiness::Degraded(why) => ("degraded", why),
            Readiness::NotReady(why) => ("not ready", vec![why]),
        };
        let since = self.reloads.in_force_unix_s();
        let now_s = OsClock::unix_micros() / 1_000_000;
        let source = match self.reloads.loaded().source {
            Source::File => "file",
            Source::Api => "api",
            Source::Trial { .. } => "trial",
            Source::LastGood { .. } => "last_good",
        };
        let trial = self.trial_time();
        let api_trial = self.api_trial.held.as_ref();
        let compiled = &self.reloads.loaded().compiled;
        let sources = compiled.snapshot.whences.sources();
        let geo = json!({ "asn": sources.asn, "country": sources.country, "tor": sources.tor });
        let rules = json!({
            "in_force": compiled.rules.in_force,
            "without_source": compiled.rules.without_source,
            "challenges": compiled.rules.challenges,
            "in_journal": self.reloads.workshop().map(|workshop| workshop.journal.len()),
        });
        json!({
            "ok": true,
            "phase": phase,
            "readiness": readiness,
            "why": why,
            "workers": self.fleet.pages.len(),
            "sessions": self.fleet.sessions(),
            "uptime_s": self.clock.now().since(self.started).millis() / 1_000,
            "epoch": self.reloads.loaded().compiled.snapshot.epoch.0,
            "config_source": source,
            "trial_until": trial.map(|time| rfc3339(time.until_unix_s * 1_000_000)),
            "trial_seconds_left": trial.map(|time| time.left_s(now_s)),
            "trial_back_to": api_trial.map(|held| held.base),
            "trial_problem": api_trial.and_then(|held| held.problem.clone()),
            "config_stale": self.reloads.is_stale(),
            "config_since": rfc3339(since * 1_000_000),
            "config_age_s": now_s.saturating_sub(since),
            "config_problems": self.reloads.problems(),
            "rules": rules,
            "geo": geo,
            "geo_problems": self.reloads.loaded().geo_problems,
            "certificate_problems": self.certificate_problems().collect::<Vec<_>>(),
            "events_lost": self.events.lost() + self.fleet.lost_events(),
        })
    }
}
