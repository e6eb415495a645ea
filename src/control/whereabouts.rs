//! What a packet would get: prefix, app, rule, origins and worker, asked of the snapshot in force.

use super::ask::{WhereAsk, protocol_name, refusal};
use super::workshop::Loaded;
use crate::base::{DropReason, Endpoint, RuleSlot};
use crate::firewall::Judgement;
use crate::snapshot::{Compiler, Explanation, RuleRef, explain};
use crate::table::{App, Forbidden, Reserved};
use crate::telemetry::FirewallMatch;
use crate::wire::{FlowKey, Steering};
use serde_json::{Value, json};

/// What is asked beside the table.
pub struct Surroundings<'a> {
    /// What the boot config has taken.
    pub reserved: &'a Reserved,
    /// What knows the rules by their slots.
    pub compiler: &'a Compiler,
    /// Workers in the process; 0 where that is not known.
    pub workers: u8,
}

/// Answers for the table `loaded`.
pub fn answer(ask: &WhereAsk, loaded: &Loaded, around: &Surroundings<'_>) -> Value {
    let snapshot = &loaded.compiled.snapshot;
    let found = explain(snapshot, around.reserved, (ask.from, ask.to), ask.protocol);
    let mut reply = json!({
        "ok": true,
        "from": ask.from.to_string(),
        "to": ask.to.to_string(),
        "protocol": protocol_name(ask.protocol),
        "epoch": snapshot.epoch.0,
        "asn": (found.whence.asn.0 != 0).then_some(found.whence.asn.0),
        "country": found.whence.country.as_str(),
        "prefix": found.prefix.map(|prefix| prefix.net().to_string()),
        "worker": (around.workers > 0).then(|| owner(ask, around.workers)),
    });
    let app = found.app.map(|slot| snapshot.table.app(slot));
    let fields = match app {
        Err(reason) => refused(reason),
        Ok(None) => refused(DropReason::NoApp),
        Ok(Some(app)) => app_fields(app, &found, loaded, around.compiler),
    };
    match (reply.as_object_mut(), fields) {
        (Some(all), Value::Object(fields)) => all.extend(fields),
        (_, _) => return refusal("byway could not put its answer together"),
    }
    reply
}

fn refused(reason: DropReason) -> Value {
    json!({
        "app": null,
        "verdict": "drop",
        "reason": reason.name(),
        "class": reason.class().name(),
        "why": reason.help(),
    })
}

fn app_fields(app: &App, found: &Explanation, loaded: &Loaded, compiler: &Compiler) -> Value {
    let (blocked, said) = match found.judgement {
        None => (false, FirewallMatch::Unknown),
        Some(Judgement::Pass(said)) => (false, said),
        Some(Judgement::Block(said)) => (true, said),
    };
    let (verdict, reason) = match (blocked, found.draining) {
        (true, _) => ("block", Some(DropReason::FirewallBlocked)),
        (false, true) => ("drop", Some(DropReason::Draining)),
        (false, false) if found.origins.iter().all(|(_, forbidden)| forbidden.is_some()) => {
            ("drop", Some(DropReason::OriginForbidden))
        }
        (false, false) => ("relay", None),
    };
    let zone = loaded.spec.zones().nth(app.zone.index());
    let origins: Vec<String> = found.origins.iter().map(origin).collect();
    json!({
        "zone": zone.map(|(_, zone)| zone.id.as_str()),
        "app": app.id.as_str(),
        "name": &*app.name,
        "ip_firewall": app.ip_firewall,
        "match": said.name(),
        "rule": said.rule().map(|slot| rule(slot, loaded, compiler)),
        "origins": origins,
        "verdict": verdict,
        "reason": reason.map(DropReason::name),
        "class": reason.map(|reason| reason.class().name()),
        "why": reason.map(DropReason::help),
    })
}

fn origin((origin, forbidden): &(Endpoint, Option<Forbidden>)) -> String {
    match forbidden {
        None => origin.to_string(),
        Some(why) => format!("{origin} (forbidden: {why})"),
    }
}

fn rule(slot: RuleSlot, loaded: &Loaded, compiler: &Compiler) -> Value {
    match compiler.rule_at(&loaded.spec, slot) {
        Some(RuleRef { scope, rule }) => json!({
            "scope": scope,
            "mode": rule.mode.name(),
            "target": rule.target.kind(),
            "value": rule.target.to_string(),
            "id": rule.id.as_ref().map(|id| id.as_str()),
            "notes": rule.notes.as_ref().map(|notes| notes.as_str()),
        }),
        None => json!({ "slot": slot.0 }),
    }
}

/// The worker that owns the client's flow.
fn owner(ask: &WhereAsk, workers: u8) -> u8 {
    let key = FlowKey {
        src: ask.from.addr,
        dst: ask.to.addr,
        src_port: ask.from.port,
        dst_port: ask.to.port,
        protocol: ask.protocol,
    };
    Steering::new(workers).owner(&key).0
}
