//! Spectrum apps of a zone. One with dynamic addresses gets static ones where its account's prefixes have some, and stays
//! what it became when it is imported again.

use super::draft::Draft;
use super::lists::{Lists, Row, id, stamp, text};
use super::report::About;
use super::spare::Spare;
use crate::api::apps::read;
use crate::base::Addr;
use crate::control::rfc3339;
use crate::estate::{App, Entity, Kind, Zone};
use crate::table::{AppSpec, AppState, Connectivity, DnsKind, EdgeIps};
use serde_json::{Value, json};
use std::sync::Arc;

/// Takes in the apps of a zone that is `theirs` there; those that list their addresses first, which others then do not
/// get.
pub fn take(draft: &mut Draft<'_>, lists: &Lists, (theirs, zone): (&str, &Zone), spare: &mut Spare) {
    let path = format!("zones/{theirs}/spectrum/apps");
    let (listed, dynamic): (Vec<&Row>, Vec<&Row>) = lists.rows(&path).partition(|row| dynamic(row).is_none());
    for row in listed {
        app(draft, row.clone(), zone, None);
    }
    for row in dynamic {
        let name = text(row.get("dns").and_then(Value::as_object).unwrap_or(&Row::new()), "name")
            .to_ascii_lowercase();
        let old = id(row).and_then(|id| draft.estate.apps.get(id));
        // One that is here already stays of its kind.
        let stays = old.is_some_and(|old| old.spec.dns.kind == DnsKind::Cname);
        let connectivity = dynamic_of(row);
        let addrs = match &old.map(|old| &old.spec.edge_ips) {
            Some(EdgeIps::Static(addrs)) => Some(addrs.to_vec()),
            Some(EdgeIps::Dynamic(_)) | None if stays => None,
            Some(EdgeIps::Dynamic(_)) | None => spare.addresses(draft, (zone, &name), connectivity),
        };
        app(draft, row.clone(), zone, addrs);
    }
}

/// What a row with dynamic addresses wants; `None`: it lists them. They are dynamic where nothing is said.
fn dynamic(row: &Row) -> Option<Connectivity> {
    let kind = row.get("edge_ips").and_then(|ips| ips.get("type")).and_then(Value::as_str);
    (kind != Some("static")).then(|| dynamic_of(row))
}

fn dynamic_of(row: &Row) -> Connectivity {
    let word = row.get("edge_ips").and_then(|ips| ips.get("connectivity")).and_then(Value::as_str);
    match word {
        Some("ipv4") => Connectivity::Ipv4,
        Some("ipv6") => Connectivity::Ipv6,
        Some(_) | None => Connectivity::All,
    }
}

fn app(draft: &mut Draft<'_>, mut row: Row, zone: &Zone, addrs: Option<Vec<Addr>>) {
    let name = format!(
        "{} {}",
        text(&row, "protocol"),
        row.get("dns").map_or("", |dns| dns["name"].as_str().unwrap_or(""))
    );
    let own = text(&row, "id").to_owned();
    let what = (Kind::App, own.as_str(), name.as_str());
    let Some(id) = id(&row) else { return draft.report.leave_out(what, "its id is none") };
    let old = draft.estate.apps.get(id).cloned();
    if old.as_ref().is_some_and(|old| old.zone != zone.id) {
        return draft.report.leave_out(what, "its id is that of an app of another zone");
    }
    let stamps = ["created_on", "modified_on"].map(|key| Box::from(rfc3339(stamp(&row, key, draft.now).0)));
    let connectivity = dynamic(&row);
    if let Some(addrs) = &addrs {
        map_to(&mut row, addrs);
    }
    let (spec, words) = match read(draft.ask, row, (&draft.estate, zone, id), draft.terms) {
        Ok(read) => read,
        Err(failure) => return draft.refuse(what, &failure),
    };
    if old.as_ref().is_some_and(|old| old.spec.dns.kind != spec.dns.kind) {
        let why =
            "it has other addresses here than there, static or dynamic: delete it here, and import again";
        return draft.report.leave_out(what, why);
    }
    let spec = stamped(spec, old.as_ref(), (stamps, draft));
    let (asked, idle) = (spec.id, idle(&spec));
    let is_new = draft.settle(old.map(Entity::App), App { id, zone: zone.id, spec }.into(), &name);
    if is_new {
        draft.asked.push(asked);
    }
    told(draft, what, (connectivity, addrs.as_deref()));
    for word in words.into_iter().chain(idle) {
        draft.report.note(About::NotInForce, what, word);
    }
}

/// Fields that are kept and do nothing, whatever the rest of the box is like; more of them stand in the answer's messages
/// once the app is compiled.
fn idle(spec: &AppSpec) -> Vec<String> {
    let state = AppState::of(spec, false, false, true);
    state.missing().iter().map(|missing| format!("{}: {}", missing.field(), missing.text())).collect()
}

fn map_to(row: &mut Row, addrs: &[Addr]) {
    let ips: Vec<String> = addrs.iter().map(ToString::to_string).collect();
    row.insert("edge_ips".into(), json!({ "type": "static", "ips": ips }));
    if let Some(dns) = row.get_mut("dns").and_then(Value::as_object_mut) {
        dns.insert("type".into(), "ADDRESS".into());
    }
}

/// A new app keeps its times; one that is here already its own.
fn stamped(spec: AppSpec, old: Option<&Arc<App>>, (stamps, draft): ([Box<str>; 2], &Draft<'_>)) -> AppSpec {
    let Some(old) = old else {
        let [created_on, modified_on] = stamps.map(Some);
        return AppSpec { created_on, modified_on, ..spec };
    };
    let (created_on, modified_on) = (old.spec.created_on.clone(), old.spec.modified_on.clone());
    let spec = AppSpec { created_on, modified_on, ..spec };
    match spec == old.spec {
        true => spec,
        false => AppSpec { modified_on: Some(rfc3339(draft.now.0).into()), ..spec },
    }
}

fn told(
    draft: &mut Draft<'_>,
    what: (Kind, &str, &str),
    (wanted, addrs): (Option<Connectivity>, Option<&[Addr]>),
) {
    let (Some(wanted), Some(addrs)) = (wanted, addrs) else { return };
    let list = addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    draft.report.note(
        About::Mapped,
        what,
        format!("its addresses are dynamic there and static here: {list}"),
    );
    let both = addrs.iter().any(|addr| addr.is_v4()) && addrs.iter().any(|addr| !addr.is_v4());
    if wanted == Connectivity::All && !both {
        let why = "edge_ips/connectivity: it has addresses of both families there, and of one here";
        draft.report.note(About::NotInForce, what, why);
    }
}
