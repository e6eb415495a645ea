//! Certificates of zones (`/zones/{zone}/custom_certificates`): in force for new handshakes when they are answered. Keys
//! go in and never come out.

use super::answer::{Answer, Failure, Success};
use super::app_rules;
use super::ask::{Ask, path_id};
use super::code::ApiCode;
use super::fields::{self, maybe_text, text};
use super::list::Listed;
use super::office::{Office, Plan};
use super::query::Direction;
use super::tenants::in_use;
use crate::base::limits::CERTIFICATES_PER_ZONE_MAX;
use crate::control::rfc3339;
use crate::estate::{Certificate, Change, Entity, Estate, Id, Level, Permission, Stamp, Zone};
use crate::snapshot::HeldCertificate;
use crate::tls;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use x509_parser::pem::Pem;

const READ: (Permission, Level) = (Permission::Ssl, Level::Read);
const WRITE: (Permission, Level) = (Permission::Ssl, Level::Write);
/// The longest chain or key, in bytes.
pub const PEM_BYTES_MAX: usize = 256 << 10;
/// What `bundle_method` may say.
pub const BUNDLE_METHODS: [&str; 3] = ["ubiquitous", "optimal", "force"];

/// `GET /zones/{zone}/custom_certificates`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &zone, &ask)).await
}

fn page(estate: &Estate, zone: &str, ask: &Ask) -> Listed {
    let zone = ask.zone(zone, estate, READ)?;
    ask.query.word("match", &["any", "all"])?;
    ask.query.word("status", &["active"])?;
    let (direction, page) = (ask.query.direction()?, ask.query.page()?);
    ask.query.close()?;
    let mut all: Vec<&Arc<Certificate>> = estate.certificates_of(zone.id).collect();
    all.sort_by_key(|certificate| (std::cmp::Reverse(certificate.priority), certificate.id));
    if direction == Direction::Desc {
        all.reverse();
    }
    Ok(page.list(all, certificate_json))
}

/// `POST /zones/{zone}/custom_certificates`: `certificate` and `private_key`, both PEM.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let id = office.new_id()?;
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            if estate.certificates_of(zone.id).count() >= CERTIFICATES_PER_ZONE_MAX {
                let text = format!(
                    "the zone has {CERTIFICATES_PER_ZONE_MAX} certificates, which is all it may have"
                );
                return Err(Failure::unauthorized(text).with_code(ApiCode::Quota));
            }
            let body = ask.object()?;
            let (held, hosts) = read_pair(&body)?;
            let certificate = Certificate {
                id,
                zone: zone.id,
                held,
                hosts,
                priority: 0,
                bundle_method: bundle_method(&body)?.unwrap_or_else(|| "ubiquitous".into()),
                uploaded_on: now,
                modified_on: now,
            };
            let mut change = Change::default();
            let answer = Success::of(certificate_json(&certificate)).saying(unused(&certificate, &zone));
            change.make(certificate);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// `GET /zones/{zone}/custom_certificates/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let zone = ask.zone(&zone, &estate, READ)?;
    find(&estate, &zone, &id).map(|certificate| Success::of(certificate_json(&certificate)))
}

/// `PATCH /zones/{zone}/custom_certificates/{id}`: another chain and key, another `bundle_method`.
///
/// # Errors
/// See `Failure`.
pub async fn edit(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let old = find(estate, &zone, &id)?;
            let body = ask.object()?;
            let (held, hosts) = match body.contains_key("certificate") || body.contains_key("private_key") {
                true => read_pair(&body)?,
                false => (old.held.clone(), old.hosts.clone()),
            };
            let bundle_method = bundle_method(&body)?.unwrap_or_else(|| old.bundle_method.clone());
            let next = Certificate { held, hosts, bundle_method, ..Certificate::clone(&old) };
            let next = if next == *old { next } else { Certificate { modified_on: now, ..next } };
            let mut change = Change::default();
            let answer = Success::of(certificate_json(&next)).saying(unused(&next, &zone));
            change.turn(Entity::Certificate(old), next);
            refuse_unserved(&estate.with(&change), zone.id)?;
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// `DELETE /zones/{zone}/custom_certificates/{id}`: refused while an app with TLS would be left without one.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((zone, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let certificate = find(estate, &zone, &id)?;
            let answer = Some(Success::of(json!({ "id": certificate.id.to_string() })));
            let mut change = Change::default();
            change.remove(Entity::Certificate(certificate));
            refuse_unserved(&estate.with(&change), zone.id)?;
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// `PUT /zones/{zone}/custom_certificates/prioritize`: `{"certificates": [{"id", "priority"}]}`; answers the list.
///
/// # Errors
/// See `Failure`.
pub async fn prioritize(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let zone = ask.zone(&zone, estate, WRITE)?;
            let body = ask.object()?;
            let list = body.get("certificates").and_then(Value::as_array);
            let list =
                list.ok_or_else(|| fields::wrong("certificates", "must be a list of id and priority"))?;
            let mut change = Change::default();
            for (at, item) in list.iter().enumerate() {
                let wrong = |key: &str, text: &str| fields::wrong(&format!("certificates/{at}/{key}"), text);
                // cloudflare-go 0.x writes `ID`.
                let id = item.get("id").or_else(|| item.get("ID")).and_then(Value::as_str).unwrap_or("");
                let old =
                    find(estate, &zone, id).map_err(|_| wrong("id", "is no certificate of this zone"))?;
                let priority = item.get("priority").and_then(Value::as_i64);
                let priority = priority.ok_or_else(|| wrong("priority", "must be a whole number"))?;
                if change.edits().iter().any(|edit| edit.key.id == old.id) {
                    return Err(wrong("id", "stands in this list twice"));
                }
                let next = Certificate { priority, ..Certificate::clone(&old) };
                change.turn(Entity::Certificate(old), next);
            }
            let next = estate.with(&change);
            let mut all: Vec<_> = next.certificates_of(zone.id).collect();
            all.sort_by_key(|certificate| (std::cmp::Reverse(certificate.priority), certificate.id));
            let rows: Value = all.into_iter().map(|certificate| certificate_json(certificate)).collect();
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::of(rows)) })
        })
        .await
}

fn find(estate: &Estate, zone: &Zone, id: &str) -> Result<Arc<Certificate>, Failure> {
    let found = estate.certificates.get(path_id(id)?).filter(|certificate| certificate.zone == zone.id);
    found.cloned().ok_or_else(|| Failure::not_found("certificate in this zone"))
}

/// Chain and key that belong together, and the names in the first certificate. A chain is shown to whoever reads the log
/// of changes: of its text only the certificates are kept.
fn read_pair(body: &Map<String, Value>) -> Result<(HeldCertificate, Vec<String>), Failure> {
    let (chain, key) = (text(body, "certificate", PEM_BYTES_MAX)?, text(body, "private_key", PEM_BYTES_MAX)?);
    let refused = |fault: tls::CertificateFault| {
        let of_key = match fault {
            tls::CertificateFault::NoKey
            | tls::CertificateFault::KeyUnsupported
            | tls::CertificateFault::KeyOfAnother => true,
            tls::CertificateFault::NoCertificate
            | tls::CertificateFault::ChainTooLong
            | tls::CertificateFault::HoldsKey
            | tls::CertificateFault::NotAServers
            | tls::CertificateFault::NoName => false,
        };
        fields::wrong(if of_key { "private_key" } else { "certificate" }, &fault.to_string())
    };
    let chain = tls::chain_alone(chain.as_bytes()).map_err(refused)?;
    let certificate = tls::Certificate::from_pem(chain.as_bytes(), key.as_bytes()).map_err(refused)?;
    let hosts = certificate.names().iter().map(|name| name.to_string()).collect();
    Ok((HeldCertificate { chain: chain.into(), key: key.into() }, hosts))
}

fn bundle_method(body: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let word = maybe_text(body, "bundle_method", 16)?;
    match word.as_deref().is_none_or(|word| BUNDLE_METHODS.contains(&word)) {
        true => Ok(word),
        false => Err(fields::wrong("bundle_method", "must be ubiquitous, optimal or force")),
    }
}

/// A certificate for names that no app of the zone can have.
fn unused(certificate: &Certificate, zone: &Zone) -> Vec<String> {
    let inside = |host: &String| host.ends_with(&format!(".{}", zone.name)) || *host == zone.name;
    let none = !certificate.hosts.iter().any(inside);
    none.then(|| format!("the certificate holds no name of zone {}, so that no app can use it", zone.name))
        .into_iter()
        .collect()
}

/// Every app with TLS keeps a certificate that holds its name.
fn refuse_unserved(estate: &Estate, zone: Id) -> Result<(), Failure> {
    let unserved = estate.apps_of(zone).find(|app| !app_rules::is_served(&app.spec, estate, zone, None));
    match unserved {
        None => Ok(()),
        Some(app) => Err(in_use(format!(
            "app {} ({}) has TLS, and no other certificate of the zone holds its name",
            app.id,
            app.spec.dns.name.as_str()
        ))),
    }
}

fn certificate_json(certificate: &Certificate) -> Value {
    let facts = facts(&certificate.held.chain).unwrap_or_default();
    json!({
        "id": certificate.id.to_string(),
        "zone_id": certificate.zone.to_string(),
        "hosts": certificate.hosts,
        "status": "active",
        "priority": certificate.priority,
        "bundle_method": certificate.bundle_method,
        "issuer": facts.issuer,
        "signature": facts.signature,
        "expires_on": rfc3339(facts.expires_on.0),
        "uploaded_on": rfc3339(certificate.uploaded_on.0),
        "modified_on": rfc3339(certificate.modified_on.0),
    })
}

/// What a reply says of the first certificate of a chain.
struct Facts {
    issuer: String,
    signature: String,
    expires_on: Stamp,
}

impl Default for Facts {
    fn default() -> Self {
        Self { issuer: String::new(), signature: String::new(), expires_on: Stamp(0) }
    }
}

/// Reads them (RFC 5280); `None` where x509-parser finds what rustls did not mind.
fn facts(chain: &str) -> Option<Facts> {
    let pem = Pem::iter_from_buffer(chain.as_bytes()).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    let organisation = certificate.issuer().iter_organization().next().and_then(|name| name.as_str().ok());
    let common = certificate.issuer().iter_common_name().next().and_then(|name| name.as_str().ok());
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Facts {
        issuer: organisation.or(common).unwrap_or_default().to_owned(),
        signature: signature_name(&certificate.signature_algorithm.algorithm.to_id_string()).to_owned(),
        expires_on: Stamp(seconds.checked_mul(1_000_000)?),
    })
}

/// Cloudflare's word for a signature's algorithm (RFC 4055, 5758, 8410).
fn signature_name(oid: &str) -> &str {
    match oid {
        "1.2.840.113549.1.1.11" => "SHA256WithRSA",
        "1.2.840.113549.1.1.12" => "SHA384WithRSA",
        "1.2.840.113549.1.1.13" => "SHA512WithRSA",
        "1.2.840.10045.4.3.2" => "ECDSAWithSHA256",
        "1.2.840.10045.4.3.3" => "ECDSAWithSHA384",
        "1.2.840.10045.4.3.4" => "ECDSAWithSHA512",
        "1.3.101.112" => "Ed25519",
        other => other,
    }
}
