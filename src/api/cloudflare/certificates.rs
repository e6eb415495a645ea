//! Certificates of a zone. Their keys never leave the other side, so that none can come over: each is told with its names and
//! its end, until one that holds the same names is here.

use super::draft::Draft;
use super::lists::{Lists, Row, text};
use super::report::{About, Fate};
use crate::estate::{Estate, Kind, Zone};
use serde_json::Value;

/// Looks at those of a zone that is `theirs` there.
pub fn take(draft: &mut Draft<'_>, lists: &Lists, theirs: &str, zone: &Zone) {
    for row in lists.rows(&format!("zones/{theirs}/custom_certificates")) {
        let hosts: Vec<&str> = row
            .get("hosts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match !hosts.is_empty() && hosts.iter().all(|host| is_held(&draft.estate, zone, host)) {
            true => draft.report.count(Kind::Certificate, Fate::Same),
            false => wanted(draft, row, (&hosts, zone)),
        }
    }
}

fn is_held(estate: &Estate, zone: &Zone, host: &str) -> bool {
    let above = host.split_once('.').map(|(_, above)| format!("*.{above}"));
    let holds = |own: &String| {
        own.eq_ignore_ascii_case(host) || above.as_ref().is_some_and(|above| own.eq_ignore_ascii_case(above))
    };
    estate.certificates_of(zone.id).any(|certificate| certificate.hosts.iter().any(holds))
}

fn wanted(draft: &mut Draft<'_>, row: &Row, (hosts, zone): (&[&str], &Zone)) {
    let name = hosts.join(", ");
    let what = (Kind::Certificate, text(row, "id"), name.as_str());
    let end = match text(row, "expires_on") {
        "" => "it does not say when it expires",
        end => end,
    };
    let why = format!(
        "its key never leaves there: upload chain and key for {name} (expires {end}) to /zones/{}/custom_certificates",
        zone.id
    );
    draft.report.count(Kind::Certificate, Fate::LeftOut);
    draft.report.note(About::ToBeUploaded, what, why);
}
