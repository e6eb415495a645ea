//! DNS records of a zone. Those that the other side manages for its apps follow from the apps here, too.

use super::draft::Draft;
use super::lists::{Lists, Row, id, stamp, text};
use super::report::About;
use crate::api::dns::{created, replaced};
use crate::estate::{DnsRecord, Entity, Kind, Zone};
use serde_json::Value;
use std::collections::HashSet;

/// Types of records that Spectrum makes.
const PROXIABLE: [&str; 3] = ["A", "AAAA", "CNAME"];

/// Takes in the records of a zone that is `theirs` there.
pub fn take(draft: &mut Draft<'_>, lists: &Lists, theirs: &str, zone: &Zone) {
    let path = format!("zones/{theirs}/spectrum/apps");
    let apps = lists.rows(&path).filter_map(|app| app.get("dns"));
    let names: HashSet<String> = apps
        .filter_map(|dns| dns["name"].as_str())
        .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
        .collect();
    for row in lists.rows(&format!("zones/{theirs}/dns_records")) {
        let is_managed = row.get("meta").and_then(|meta| meta.get("read_only")).and_then(Value::as_bool);
        // Whether or not the app could be taken this time: it could not the next time, with a record in its place.
        let is_of_app =
            PROXIABLE.contains(&text(row, "type")) && names.contains(&text(row, "name").to_ascii_lowercase());
        if is_managed == Some(true) || is_of_app {
            let what = (Kind::DnsRecord, text(row, "id"), text(row, "name"));
            draft.report.leave_out(what, "a Spectrum app has its name, from which its records follow");
        } else {
            record(draft, row, zone);
        }
    }
}

fn record(draft: &mut Draft<'_>, row: &Row, zone: &Zone) {
    let name = format!("{} {}", text(row, "type"), text(row, "name"));
    let own = text(row, "id").to_owned();
    let what = (Kind::DnsRecord, own.as_str(), name.as_str());
    let Some(id) = id(row) else { return draft.report.leave_out(what, "its id is none") };
    let old = draft.estate.dns_records.get(id).cloned();
    if old.as_ref().is_some_and(|old| old.zone != zone.id) {
        return draft.report.leave_out(what, "its id is that of a record of another zone");
    }
    let place = (&draft.estate, zone);
    let made = match &old {
        Some(old) => replaced(row.clone(), place, (old, draft.now), draft.terms),
        None => created(row, place, (id, stamp(row, "created_on", draft.now)), draft.terms),
    };
    let made = match made {
        Ok(made) => made,
        Err(failure) => return draft.refuse(what, &failure),
    };
    let record = match old.is_some() {
        true => made.record,
        false => DnsRecord { modified_on: stamp(row, "modified_on", draft.now), ..made.record },
    };
    draft.settle(old.map(Entity::DnsRecord), record.into(), &name);
    for word in made.words {
        draft.report.note(About::NotInForce, what, word);
    }
}
