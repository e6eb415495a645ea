//! Calls that import a zone file: some lines, a record each, all or none.

use super::model::{Model, NEW, Record, address};
use super::records::{Taken, record, taken};
use super::verbs::{Request, pick};
use axum::http::Method;
use byway::base::Rng;
use std::fmt::Write;

/// A line of a zone file.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Its record; TTL and `proxied` are meant where the line says them.
    record: Record,
    says_ttl: bool,
    says_proxied: bool,
}

/// A zone file, and what is sent with it.
#[derive(Clone, PartialEq, Debug)]
pub struct ZoneFile {
    pub zone: String,
    /// `$TTL`.
    ttl: Option<u64>,
    pub lines: Vec<Line>,
    /// For records that do not say.
    proxied: bool,
}

/// Draws one for a box as it stands.
pub fn draw(rng: &mut Rng, model: &Model, zone: String) -> ZoneFile {
    let lines = (0..1 + rng.below(4)).map(|_| Line {
        record: known_or_new(rng, model, &zone),
        says_ttl: rng.chance_ppm(700_000),
        says_proxied: rng.chance_ppm(500_000),
    });
    let lines = lines.collect();
    let ttl = rng.chance_ppm(300_000).then(|| [120, 3_600, 5][usize::from(rng.chance_ppm(100_000)) * 2]);
    ZoneFile { zone, ttl, lines, proxied: rng.chance_ppm(300_000) }
}

/// Now and then a record that is there already, or that an app has.
fn known_or_new(rng: &mut Rng, model: &Model, zone: &str) -> Record {
    let own: Vec<&Record> = model.records.iter().filter(|one| one.zone == zone).collect();
    let apps: Vec<_> = model.apps.iter().filter(|app| app.zone == zone).collect();
    let new = record(rng, model, zone.to_owned());
    match rng.below(4) {
        0 => pick(rng, &own).map_or(new, |old| Record { id: NEW.into(), ..(*old).clone() }),
        1 => match pick(rng, &apps) {
            Some(app) => Record { kind: "A", name: app.name.clone(), content: address(app.ips[0]), ..new },
            None => new,
        },
        _ => new,
    }
}

impl ZoneFile {
    /// The file as text, names in full.
    fn text(&self) -> String {
        let mut text = self.ttl.map_or(String::new(), |ttl| format!("$TTL {ttl}\n"));
        for Line { record, says_ttl, says_proxied } in &self.lines {
            let ttl = if *says_ttl { record.ttl.to_string() } else { String::new() };
            let dot = if ["CNAME", "NS"].contains(&record.kind) { "." } else { "" };
            write!(text, "{}. {ttl} IN {} {}{dot}", record.name, record.kind, record.content)
                .expect("a text");
            if *says_proxied {
                write!(text, " ; cf_tags=cf-proxied:{}", record.proxied).expect("a text");
            }
            text.push('\n');
        }
        text
    }

    pub fn request(&self) -> Request {
        let field = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let form =
            [field("file", &self.text()), field("proxied", &self.proxied.to_string()), "--x--\r\n".into()];
        let path = format!("/zones/{}/dns_records/import", self.zone);
        Request { is_form: true, ..Request::by(Method::POST, path, form.concat().into()) }
    }

    /// What the box is afterwards.
    ///
    /// # Errors
    /// The code of the first line by which the call is refused.
    pub fn after(&self, model: &Model) -> Result<Model, u64> {
        let mut next = model.clone();
        model.zone(&self.zone).ok_or(10_006_u64)?;
        let mut ttl_said = None;
        for line in &self.lines {
            let is_host = ["A", "AAAA", "CNAME"].contains(&line.record.kind);
            let mut record = line.record.clone();
            ttl_said = if line.says_ttl { Some(record.ttl) } else { ttl_said };
            record.ttl = match line.says_ttl {
                true => record.ttl,
                false => self.ttl.or(ttl_said).unwrap_or(1),
            };
            record.proxied = if line.says_proxied { record.proxied } else { self.proxied && is_host };
            match taken(&next, &record, None, |record| is_there(&next, record))? {
                Taken::AsItIs => {}
                Taken::New(record) => next.records.push(record),
            }
        }
        Ok(next)
    }
}

/// Whether the zone has the very record, or an app of it has the name at that address.
fn is_there(model: &Model, record: &Record) -> bool {
    let own = model.records.iter().any(|one| Record { id: NEW.into(), ..one.clone() } == *record);
    let of_app = model.apps.iter().filter(|app| app.zone == record.zone && app.name == record.name);
    own || (record.kind == "A" && of_app.flat_map(|app| &app.ips).any(|ip| address(*ip) == record.content))
}
