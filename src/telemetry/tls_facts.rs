//! What an event says of TLS: a side record, made once a connection, so that `Event` stays small.

use arrayvec::ArrayString;

/// The longest server name that is kept (RFC 6066 allows no more than a DNS name has).
pub const SNI_BYTES_MAX: usize = 255;

/// Both legs' TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFacts {
    /// The name that the client asked for; empty for none. Letters, digits, `.`, `-` and `_` only.
    pub sni: ArrayString<SNI_BYTES_MAX>,
    /// The client leg.
    pub client: TlsLeg,
    /// The origin leg; all unknown where it is in clear.
    pub origin: TlsLeg,
    /// SHA-256 of the origin's certificate, where it showed one.
    pub fingerprint: Option<[u8; 32]>,
}

/// One leg's TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsLeg {
    /// The version agreed on.
    pub version: TlsVersion,
    /// The cipher suite by OpenSSL's name; `UNK` before one is agreed on.
    pub cipher: &'static str,
    /// How the handshake went.
    pub status: TlsStatus,
}

impl Default for TlsLeg {
    fn default() -> Self {
        Self { version: TlsVersion::None, cipher: "UNK", status: TlsStatus::Unknown }
    }
}

/// `ClientTlsProtocol` and `OriginTlsProtocol`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsVersion {
    /// No version was agreed on.
    None,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// `ClientTlsStatus` and `OriginTlsStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsStatus {
    /// No handshake, or not yet done.
    Unknown,
    /// Done.
    Ok,
    /// byway could not do its part (crypto threads overloaded).
    InternalError,
    /// No certificate for the name that the client asked for.
    InvalidSni,
    /// It failed.
    HandshakeFailed,
}

impl TlsStatus {
    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Ok => "OK",
            Self::InternalError => "INTERNAL_ERROR",
            Self::InvalidSni => "INVALID_SNI",
            Self::HandshakeFailed => "HANDSHAKE_FAILED",
        }
    }
}
