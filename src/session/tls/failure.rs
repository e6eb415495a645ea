//! Why a handshake or an established connection failed.

use crate::flow::Side;
use crate::telemetry::Counter;
use rustls::{AlertDescription, Error, PeerIncompatible};

/// What went wrong, and on whose leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The client asked for a name that no certificate of the zone holds.
    BadSni,
    /// This peer offers, or chose, only versions that are too old.
    OldVersion(Side),
    /// This peer has no cipher suite, group or signature scheme in common with us.
    NothingInCommon(Side),
    /// This peer sent what no TLS sends, or what does not decrypt.
    BadMessage(Side),
    /// This peer ended it by an alert.
    Alert(Side),
    /// The origin's certificate was refused.
    OriginCertificate,
    /// The handshake waited for a crypto thread beyond its deadline.
    Expired,
}

impl Failure {
    /// What rustls says about the leg on `side`.
    pub fn of(error: &Error, side: Side) -> Self {
        match error {
            Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                // A hello of TLS 1.1 or older has no such extension (RFC 5246 7.4.1.4.1).
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::OldVersion(side),
            // What an origin of TLS 1.1 answers to our hello.
            Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::OldVersion(side),
            Error::AlertReceived(_) => Self::Alert(side),
            Error::PeerIncompatible(_) | Error::General(_) => Self::NothingInCommon(side),
            Error::InvalidCertificate(_) | Error::NoCertificatesPresented if side == Side::Origin => {
                Self::OriginCertificate
            }
            _ => Self::BadMessage(side),
        }
    }

    /// The counter of such failures.
    pub const fn counter(self) -> Counter {
        match self {
            Self::BadSni => Counter::TlsBadSni,
            Self::OldVersion(Side::Client) => Counter::TlsClientOldVersion,
            Self::OldVersion(Side::Origin) => Counter::TlsOriginOldVersion,
            Self::NothingInCommon(Side::Client) => Counter::TlsClientNothingInCommon,
            Self::NothingInCommon(Side::Origin) => Counter::TlsOriginNothingInCommon,
            Self::BadMessage(Side::Client) => Counter::TlsClientBadMessage,
            Self::BadMessage(Side::Origin) => Counter::TlsOriginBadMessage,
            Self::Alert(Side::Client) => Counter::TlsClientAlert,
            Self::Alert(Side::Origin) => Counter::TlsOriginAlert,
            Self::OriginCertificate => Counter::TlsOriginCertificate,
            Self::Expired => Counter::TlsExpired,
        }
    }
}
