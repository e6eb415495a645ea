//! How an origin's certificate is looked at: not at all (`full`), or by chain and name (`strict`).

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fmt;
use std::sync::Arc;

/// The two ways to meet an origin.
#[derive(Clone)]
pub struct Trust {
    pub(super) full: Arc<ClientConfig>,
    pub(super) strict: Arc<ClientConfig>,
}

/// Why a CA bundle is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustFault {
    /// It is not PEM.
    NotPem,
    /// It holds no certificate of an authority.
    Empty,
    /// The TLS library refused its own defaults: a defect.
    Refused,
}

impl Trust {
    /// The authorities that the web trusts (webpki-roots), and those of `bundle` (PEM).
    ///
    /// # Errors
    /// See `TrustFault`.
    pub fn new(bundle: Option<&[u8]>) -> Result<Self, TrustFault> {
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(bundle) = bundle {
            let extra: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
            let (added, _) = roots.add_parsable_certificates(extra.map_err(|_| TrustFault::NotPem)?);
            if added == 0 {
                return Err(TrustFault::Empty);
            }
        }
        let builder = || {
            let builder = ClientConfig::builder_with_provider(provider.clone());
            builder.with_safe_default_protocol_versions().map_err(|_| TrustFault::Refused)
        };
        let strict = builder()?.with_root_certificates(roots).with_no_client_auth();
        let unchecked = Arc::new(Unchecked(provider.clone()));
        let full = builder()?.dangerous().with_custom_certificate_verifier(unchecked).with_no_client_auth();
        Ok(Self { full: Arc::new(plain(full)), strict: Arc::new(plain(strict)) })
    }

    /// What a client of our own uses that checks chain and name.
    pub fn strict(&self) -> Arc<ClientConfig> {
        self.strict.clone()
    }
}

/// No resumption: the store of tickets is behind a lock, and established records are a worker's.
fn plain(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config
}

/// Takes every certificate: `full` encrypts to whoever answers. As nobody is proven by the certificate, the signature
/// made with it proves nothing either.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl fmt::Display for TrustFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "is not in PEM form",
            Self::Empty => "holds no certificate of an authority",
            Self::Refused => "the TLS library refused its own defaults: a defect of byway",
        })
    }
}
