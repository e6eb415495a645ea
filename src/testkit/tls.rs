//! Certificates of the laboratory, and what is made of them: for tests, simulations and fuzz targets.

use crate::table::TlsMode;
use crate::tls::{
    AppTls, Certificate, Material, MinTls, Mode, Tickets, Trust, Wanted, ZoneCertificates, ZoneMaterial,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::collections::HashMap;
use std::sync::Arc;

/// A certificate and its key, as PEM texts.
pub type Pems = (&'static [u8], &'static [u8]);

macro_rules! pems {
    ($($(#[doc = $doc:literal])+ $name:ident, $file:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: Pems = (
            include_bytes!(concat!("../../tests/certs/", $file, ".pem")),
            include_bytes!(concat!("../../tests/certs/", $file, ".key")),
        );)+
    };
}

pems! {
    /// `lab.example.com` and `*.wild.example.com`, P-256.
    EDGE, "edge";
    /// `lab.example.com`, RSA-2048.
    EDGE_RSA, "edge-rsa";
    /// `other.example.com`.
    OTHER, "other";
    /// `lab.example.com`, expired.
    EXPIRED, "expired";
    /// `lab.example.com`, by nobody but itself.
    SELF, "self";
}

/// The authority above all but `SELF`.
pub const AUTHORITY: &[u8] = include_bytes!("../../tests/certs/ca.pem");

/// A zone of these certificates with ticket keys of its own.
///
/// # Panics
/// Never: its texts are constants.
pub fn zone(list: &[Pems]) -> ZoneMaterial {
    let certificate = |(chain, key): &Pems| Certificate::from_pem(chain, key).expect("a good certificate");
    let certificates = Arc::new(ZoneCertificates::new(list.iter().map(certificate).collect()));
    ZoneMaterial { certificates, tickets: Tickets::draw().expect("randomness") }
}

/// What the laboratory's zone `default` has: one certificate, and trust in the laboratory's authority.
///
/// # Panics
/// Never: its texts are constants.
pub fn material(list: &[Pems]) -> Material {
    let zones = HashMap::from([("default".into(), zone(list))]);
    Material { zones, trust: Trust::new(Some(AUTHORITY)).expect("a good bundle"), min_tls: MinTls::Tls12 }
}

/// The TLS of an app named `lab.example.com`.
///
/// # Panics
/// When the material has no certificate for it.
pub fn app(material: &Material, mode: Mode, min_tls: MinTls) -> Arc<AppTls> {
    let name = "lab.example.com";
    let wanted = Wanted { mode, min_tls, name, nameless: &[], origin_name: name };
    Arc::new(material.app("default", &wanted).expect("a certificate"))
}

/// A client that trusts the laboratory's authority.
///
/// # Panics
/// Never: its texts are constants.
pub fn client(versions: &[&'static SupportedProtocolVersion], alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate");
    roots.add(authority).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(versions).expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// An origin that shows this certificate.
///
/// # Panics
/// Never: its texts are constants.
pub fn server(
    (chain, key): Pems,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>().expect("a chain");
    let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(versions).expect("versions");
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).expect("a key that fits");
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// The mode as the table has it.
pub const fn table_mode(mode: Mode) -> TlsMode {
    match mode {
        Mode::Flexible => TlsMode::Flexible,
        Mode::Full => TlsMode::Full,
        Mode::Strict => TlsMode::Strict,
    }
}
