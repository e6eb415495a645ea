//! A certificate chain and its key, from PEM text; the names that it holds; and the chain as text again, with nothing
//! beside its certificates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;
use webpki::EndEntityCert;

/// Certificates of one chain.
const CHAIN_MAX: usize = 16;
/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 1_024;
/// Characters of a line of PEM (RFC 7468 2).
const PEM_LINE_CHARS: usize = 64;

/// A chain, its key, and the names it is for.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Box<[Box<str>]>,
}

/// What is wrong with a certificate or its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateFault {
    /// The certificate file holds no certificate, or one that cannot be read.
    NoCertificate,
    /// The chain is longer than any that clients take.
    ChainTooLong,
    /// A private key stands among the certificates, where it would be kept as something to be shown.
    HoldsKey,
    /// The first certificate is not one of a server (X.509 version 3, RFC 5280).
    NotAServers,
    /// The certificate names no host (subjectAltName, RFC 6125).
    NoName,
    /// The key file holds no key.
    NoKey,
    /// The key is of a kind that TLS 1.2 and 1.3 have no signature for.
    KeyUnsupported,
    /// The key is another certificate's.
    KeyOfAnother,
}

impl Certificate {
    /// Reads a chain, the server's own certificate first, and its key (PKCS#8, PKCS#1 or SEC1), both PEM.
    ///
    /// # Errors
    /// See `CertificateFault`.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        Self::read(chain, key, |names| !names.is_empty())
    }

    /// The same for a server that nobody finds by name alone: its certificate may be one of addresses (RFC 5280 4.2.1.6,
    /// iPAddress).
    ///
    /// # Errors
    /// As `from_pem`, but for `NoName`.
    pub fn from_pem_of_any(chain: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        Self::read(chain, key, |_| true)
    }

    fn read(chain: &[u8], key: &[u8], names_do: fn(&[Box<str>]) -> bool) -> Result<Self, CertificateFault> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| CertificateFault::NoCertificate)?;
        let first = chain.first().ok_or(CertificateFault::NoCertificate)?;
        if chain.len() > CHAIN_MAX {
            return Err(CertificateFault::ChainTooLong);
        }
        let names = names_of(first)?;
        if !names_do(&names) {
            return Err(CertificateFault::NoName);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateFault::NoKey)?;
        let key = any_supported_type(&key).map_err(|_| CertificateFault::KeyUnsupported)?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| CertificateFault::KeyOfAnother)?;
        Ok(Self { key: Arc::new(key), names })
    }

    /// The host names it is for, lower case; a wildcard begins with `*.`.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// Chain and key as rustls takes them.
    pub const fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

/// A chain as PEM text that holds its certificates and nothing else: what stands beside and between them is left out.
///
/// # Errors
/// `HoldsKey`, `NoCertificate`.
pub fn chain_alone(pem: &[u8]) -> Result<String, CertificateFault> {
    if pem.split(|byte| matches!(byte, b'\n' | b'\r')).any(begins_key) {
        return Err(CertificateFault::HoldsKey);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(CertificateFault::NoCertificate)?;
    Ok(chain.iter().map(|certificate| pem_of(certificate)).collect())
}

/// Whether a line begins a private key of any kind, also of one that rustls does not read (RFC 7468 10 and 11, RFC 1421).
fn begins_key(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"-----BEGIN ") && line.ends_with(b"PRIVATE KEY-----")
}

fn pem_of(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(PEM_LINE_CHARS));
        pem.push_str(line);
        pem.push('\n');
        rest = behind;
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn names_of(certificate: &CertificateDer<'_>) -> Result<Box<[Box<str>]>, CertificateFault> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateFault::NotAServers)?;
    Ok(parsed.valid_dns_names().take(NAMES_MAX).map(|name| name.to_ascii_lowercase().into()).collect())
}

/// Never shows the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "holds no certificate in PEM form",
            Self::ChainTooLong => "holds more than 16 certificates: keep the server's own and those above it",
            Self::HoldsKey => "holds a private key: only certificates belong here",
            Self::NotAServers => {
                "its first certificate is not one of a server (X.509 version 3): put the server's own first"
            }
            Self::NoName => "its first certificate names no host (subjectAltName)",
            Self::NoKey => "holds no private key in PEM form (PKCS#8, PKCS#1 or SEC1, not encrypted)",
            Self::KeyUnsupported => {
                "holds a key of a kind that is not supported: RSA, P-256, P-384, P-521 or Ed25519"
            }
            Self::KeyOfAnother => "is not the key of the certificate",
        })
    }
}

impl std::error::Error for CertificateFault {}
