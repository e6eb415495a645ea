//! Certificates, keys and authorities from files: what the table's `certificates` name, read with every load.

use super::config::Problem;
use super::config::boot::TlsSpec;
use crate::snapshot::{CertificateSpec, LiveSpec, ZoneSpec};
use crate::tls::{Certificate, Material, MinTls, Tickets, Trust, Wrong, ZoneCertificates, ZoneMaterial};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest PEM file that is read.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// The largest bundle of authorities.
const BUNDLE_BYTES_MAX: u64 = 16 << 20;

/// Reads certificates; keeps ticket keys over reloads.
#[derive(Debug)]
pub struct CertificateStore {
    folder: PathBuf,
    bundle: Option<PathBuf>,
    min_tls: MinTls,
    tickets: HashMap<Box<str>, Tickets>,
}

/// What was read, and what is worth telling of it.
#[derive(Debug)]
pub struct ReadMaterial {
    /// For the compiler.
    pub material: Material,
    /// Sentences for the operator.
    pub warnings: Vec<String>,
}

impl CertificateStore {
    /// For what the boot config says.
    pub fn new(tls: &TlsSpec) -> Self {
        Self {
            folder: tls.certificates.clone(),
            bundle: tls.ca_bundle.clone(),
            min_tls: tls.min_tls,
            tickets: HashMap::new(),
        }
    }

    /// For a table file that is looked at without a boot config: certificates lie beside it.
    pub fn beside(table: &Path) -> Self {
        let folder = table.parent().unwrap_or(Path::new("")).join("certificates");
        Self { folder, bundle: None, min_tls: MinTls::default(), tickets: HashMap::new() }
    }

    /// Reads everything that `spec` asks for.
    ///
    /// # Errors
    /// All that is wrong, each with its place.
    pub fn read(&mut self, spec: &LiveSpec) -> Result<ReadMaterial, Vec<Problem>> {
        let mut reading = Reading::default();
        let trust = self.trust(&mut reading);
        let mut zones = HashMap::new();
        for (account, zone) in
            spec.accounts.iter().flat_map(|account| account.zones.iter().map(move |zone| (account, zone)))
        {
            if zone.certificates.is_empty() {
                continue;
            }
            let place = format!("account {}, zone {}", account.id.as_str(), zone.id.as_str());
            let list = self.zone(zone, &place, &mut reading);
            let Some(tickets) = self.tickets_of(zone.id.as_str()) else {
                reading.wrong(place, "the system has no randomness for ticket keys");
                continue;
            };
            let certificates = Arc::new(ZoneCertificates::new(list));
            zones.insert(zone.id.as_str().into(), ZoneMaterial { certificates, tickets });
        }
        self.tickets.retain(|id, _| zones.contains_key(id));
        let Some(trust) = trust.filter(|_| reading.problems.is_empty()) else { return Err(reading.problems) };
        let material = Material { zones, trust, min_tls: self.min_tls };
        reading.check_apps(spec, &material);
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        Ok(ReadMaterial { material, warnings: reading.warnings })
    }

    fn trust(&self, reading: &mut Reading) -> Option<Trust> {
        let bundle = self.bundle.as_ref().map(|path| (path, read_file(path, BUNDLE_BYTES_MAX)));
        let (path, text) = match bundle {
            None => (Path::new(""), None),
            Some((path, Ok((text, _)))) => (path.as_path(), Some(text)),
            Some((path, Err(error))) => {
                reading.wrong("tls.ca_bundle".into(), format_args!("{}: {error}", path.display()));
                return None;
            }
        };
        let trust = Trust::new(text.as_deref());
        trust
            .map_err(|fault| {
                reading.wrong("tls.ca_bundle".into(), format_args!("{} {fault}", path.display()))
            })
            .ok()
    }

    fn zone(&self, zone: &ZoneSpec, place: &str, reading: &mut Reading) -> Vec<Certificate> {
        let pairs = zone.certificates.iter().enumerate();
        pairs
            .filter_map(|(index, pair)| self.pair(pair, format!("{place}, certificates/{index}"), reading))
            .collect()
    }

    fn pair(&self, pair: &CertificateSpec, place: String, reading: &mut Reading) -> Option<Certificate> {
        let [cert, key] = [&pair.cert, &pair.key].map(|path| self.folder.join(&**path));
        let chain = read_file(&cert, PEM_BYTES_MAX);
        let secret = read_file(&key, PEM_BYTES_MAX);
        for (path, read) in [(&cert, &chain), (&key, &secret)] {
            if let Err(error) = read {
                reading.wrong(place.clone(), format_args!("{}: {error}", path.display()));
            }
        }
        let ((chain, _), (secret, mode)) = (chain.ok()?, secret.ok()?);
        if mode & 0o027 != 0 {
            let (path, mode) = (key.display(), mode & 0o777);
            reading
                .warnings
                .push(format!("{path}: the key is open to others (mode {mode:o}): chmod 640 or less"));
        }
        let read = Certificate::from_pem(&chain, &secret);
        read.map_err(|fault| {
            reading.wrong(place, format_args!("{}, {}: {fault}", cert.display(), key.display()))
        })
        .ok()
    }

    fn tickets_of(&mut self, zone: &str) -> Option<Tickets> {
        if let Some(tickets) = self.tickets.get(zone) {
            return Some(tickets.clone());
        }
        let tickets = Tickets::draw()?;
        self.tickets.insert(zone.into(), tickets.clone());
        Some(tickets)
    }
}

#[derive(Default)]
struct Reading {
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reading {
    fn wrong(&mut self, place: String, text: impl std::fmt::Display) {
        self.problems.push(Problem { place, line: None, text: text.to_string() });
    }

    /// Every app with TLS has a certificate that holds its name. The code is that of a bad origin configuration, as for
    /// every `tls` that does not go with the rest (see `config::tables::Code`).
    fn check_apps(&mut self, spec: &LiveSpec, material: &Material) {
        for (_, zone) in spec.zones() {
            for app in &zone.apps {
                let Some(wanted) = app.wanted_tls(material.min_tls) else { continue };
                let Err(wrong) = material.app(zone.id.as_str(), &wanted) else { continue };
                let place = format!("zone {}, app {}, tls", zone.id.as_str(), app.id);
                let name = if wrong == Wrong::OriginName { wanted.origin_name } else { wanted.name };
                self.wrong(place, format_args!("{name}: {wrong} (11000)"));
            }
        }
    }
}

/// A file of a bounded size, and its mode.
fn read_file(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("is not a plain file"));
    }
    if meta.len() > bytes_max {
        return Err(io::Error::other(format!("is {} bytes long: at most {bytes_max} are read", meta.len())));
    }
    let mut text = Vec::new();
    file.take(bytes_max).read_to_end(&mut text)?;
    Ok((text, meta.mode()))
}
