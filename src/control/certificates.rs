//! Certificates, keys and authorities from files: what the table's `certificates` name, read with every load. What was
//! good before and cannot be read now stays in force as it was, and that is told; what never was good is refused.

use super::config::Problem;
use super::config::boot::TlsSpec;
use super::config::tables::Code;
use super::watch::{Look, look};
use crate::snapshot::{CertificateSpec, HeldCertificate, LiveSpec, ZoneSpec};
use crate::tls::{
    Certificate, CertificateFault, Material, MinTls, Tickets, Trust, Wrong, ZoneCertificates, ZoneMaterial,
};
use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest PEM file that is read.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// The largest bundle of authorities.
const BUNDLE_BYTES_MAX: u64 = 16 << 20;

/// Reads certificates; keeps them and ticket keys over reloads.
#[derive(Clone, Debug, Default)]
pub struct CertificateStore {
    folder: PathBuf,
    bundle: Option<PathBuf>,
    min_tls: MinTls,
    tickets: HashMap<Box<str>, Tickets>,
    /// Pairs that are in force.
    pairs: Pairs,
    /// Certificates of the API's that are in force.
    held: HashMap<HeldCertificate, Certificate>,
    /// Trust that is in force.
    trust: Option<Trust>,
    /// The files that the last read wanted, as they looked before it.
    seen: Option<Vec<(PathBuf, Look)>>,
}

/// Certificates by the two paths that they were read from.
type Pairs = HashMap<[PathBuf; 2], Certificate>;

/// What was read, and what is worth telling of it.
#[derive(Debug)]
pub struct ReadMaterial {
    /// For the compiler.
    pub material: Material,
    /// Sentences for the operator.
    pub warnings: Vec<String>,
    /// What could not be read and stays in force as it was before.
    pub stale: Vec<String>,
}

impl CertificateStore {
    /// For what the boot config says.
    pub fn new(tls: &TlsSpec) -> Self {
        Self {
            folder: tls.certificates.clone(),
            bundle: tls.ca_bundle.clone(),
            min_tls: tls.min_tls,
            ..Self::default()
        }
    }

    /// For a table file that is looked at without a boot config: certificates lie beside it.
    pub fn beside(table: &Path) -> Self {
        let folder = table.parent().unwrap_or(Path::new("")).join("certificates");
        Self { folder, ..Self::default() }
    }

    /// The files that the last read wanted, as they looked before it; `None` where nothing was read since.
    pub fn take_seen(&mut self) -> Option<Vec<(PathBuf, Look)>> {
        self.seen.take()
    }

    /// Reads everything that `spec` asks for.
    ///
    /// # Errors
    /// All that is wrong, each with its place.
    pub fn read(&mut self, spec: &LiveSpec) -> Result<ReadMaterial, Vec<Problem>> {
        let mut reading = Reading::default();
        self.seen = Some(Vec::new());
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
        (self.pairs, self.held, self.trust) = (reading.pairs, reading.held, Some(material.trust.clone()));
        Ok(ReadMaterial { material, warnings: reading.warnings, stale: reading.stale })
    }

    fn trust(&mut self, reading: &mut Reading) -> Option<Trust> {
        let place = "tls.ca_bundle".to_owned();
        let read = self.bundle.clone().map(|path| self.authorities(&path));
        match read.unwrap_or_else(|| trust(None)) {
            Ok(trust) => Some(trust),
            Err(why) => reading.keep(self.trust.clone(), place, why),
        }
    }

    fn authorities(&mut self, path: &Path) -> Result<Trust, String> {
        self.note(path);
        trust(Some(path))
    }

    fn zone(&mut self, zone: &ZoneSpec, place: &str, reading: &mut Reading) -> Vec<Certificate> {
        let pairs = zone.certificates.iter().enumerate();
        pairs
            .filter_map(|(index, pair)| self.pair(pair, format!("{place}, certificates/{index}"), reading))
            .collect()
    }

    fn pair(&mut self, pair: &CertificateSpec, place: String, reading: &mut Reading) -> Option<Certificate> {
        let (cert, key) = match pair {
            CertificateSpec::Files { cert, key } => (cert, key),
            CertificateSpec::Held(held) => return self.held(held, place, reading),
        };
        let paths = [cert, key].map(|path| self.folder.join(&**path));
        paths.iter().for_each(|path| self.note(path));
        let certificate = match read_pair(&paths, Certificate::from_pem) {
            Ok((certificate, is_open)) => {
                reading.warnings.extend(is_open);
                certificate
            }
            Err(why) => reading.keep(self.pairs.get(&paths).cloned(), place, why)?,
        };
        reading.pairs.insert(paths, certificate.clone());
        Some(certificate)
    }

    /// Parsed once, since the API's certificates never change.
    fn held(&mut self, held: &HeldCertificate, place: String, reading: &mut Reading) -> Option<Certificate> {
        let certificate = match self.held.get(held) {
            Some(certificate) => certificate.clone(),
            None => Certificate::from_pem(held.chain.as_bytes(), held.key.as_bytes())
                .map_err(|fault| reading.wrong(place, fault))
                .ok()?,
        };
        reading.held.insert(held.clone(), certificate.clone());
        Some(certificate)
    }

    /// Remembers how a file looks before it is read, so that whatever changes from then on is seen.
    fn note(&mut self, path: &Path) {
        self.seen.get_or_insert_default().push((path.to_owned(), look(path)));
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

/// How a pair is read: `Certificate::from_pem`, or `from_pem_of_any`.
type FromPem = fn(&[u8], &[u8]) -> Result<Certificate, CertificateFault>;

/// A chain and its key from two files, and a word where the key is open to others.
///
/// # Errors
/// What is wrong with them, in one line that names the file.
pub fn read_pair(paths: &[PathBuf; 2], from_pem: FromPem) -> Result<(Certificate, Option<String>), String> {
    let [cert, key] = paths;
    let read =
        |path: &Path| read_file(path, PEM_BYTES_MAX).map_err(|error| format!("{}: {error}", path.display()));
    let ((chain, _), (secret, mode)) = match (read(cert), read(key)) {
        (Ok(chain), Ok(secret)) => (chain, secret),
        (Err(first), Err(second)) => return Err(format!("{first}; {second}")),
        (Err(why), Ok(_)) | (Ok(_), Err(why)) => return Err(why),
    };
    let is_open = (mode & 0o027 != 0).then(|| {
        let (path, mode) = (key.display(), mode & 0o777);
        format!("{path}: the key is open to others (mode {mode:o}): chmod 640 or less")
    });
    let certificate = from_pem(&chain, &secret)
        .map_err(|fault| format!("{}, {}: {fault}", cert.display(), key.display()))?;
    Ok((certificate, is_open))
}

/// Trust in the web's authorities and those of `bundle`.
///
/// # Errors
/// What is wrong with the bundle, in one line.
pub fn trust(bundle: Option<&Path>) -> Result<Trust, String> {
    let Some(path) = bundle else { return Trust::new(None).map_err(|fault| fault.to_string()) };
    let told = |why: &dyn Display| format!("{}: {why}", path.display());
    let (text, _) = read_file(path, BUNDLE_BYTES_MAX).map_err(|error| told(&error))?;
    Trust::new(Some(&text)).map_err(|fault| told(&fault))
}

#[derive(Default)]
struct Reading {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    stale: Vec<String>,
    pairs: Pairs,
    held: HashMap<HeldCertificate, Certificate>,
}

impl Reading {
    /// What was in force stays so, and that is told; where nothing was, the table is wrong.
    fn keep<T>(&mut self, before: Option<T>, place: String, why: String) -> Option<T> {
        match before {
            Some(_) => self.stale.push(format!("{place}: {why}; what was read before stays in force")),
            None => self.wrong(place, why),
        }
        before
    }

    fn wrong(&mut self, place: String, text: impl Display) {
        self.problems.push(Problem { place, line: None, text: text.to_string(), code: None });
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
                let (text, code) = (format!("{name}: {wrong}"), Some(Code::Origin.number()));
                self.problems.push(Problem { place, line: None, text, code });
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
