//! Numeric codes of the API beside Spectrum's own (`control::config::tables::Code`): Cloudflare's where one is known, else
//! our choice. One table of them.

/// What is wrong, as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u32)]
pub enum ApiCode {
    /// Addressing: the entity is not there, or not for this caller.
    AddressingNotFound = 1000,
    /// Addressing: the CIDR is none, or none that can be onboarded.
    AddressingCidr = 1001,
    /// Addressing: the prefix has no such binding or route.
    AddressingNotWithin = 1002,
    /// Addressing: this does not go with the prefix as it stands.
    AddressingState = 1003,
    /// Headers for authentication are malformed; the chain says which.
    BadHeaders = 6003,
    /// The body is not JSON (RFC 8259), or not the object that is wanted.
    BadJson = 6007,
    /// `X-Auth-Key` is malformed.
    BadKey = 6103,
    /// `Authorization` is malformed.
    BadAuthorization = 6111,
    /// No route for the URI, or an id in it that is none.
    NoRoute = 7003,
    /// No credentials at all.
    NoCredentials = 9106,
    /// The credentials are good and do not reach this.
    Unauthorized = 9109,
    /// The credentials are wrong, expired or revoked.
    Authentication = 10000,
    /// Ours: byway's own fault, or that of its store.
    Internal = 10002,
    /// Ours: no such entity for this caller.
    NotFound = 10006,
    /// A rule with the same target is there.
    DuplicateRule = 10009,
    /// Ours: a field is wrong in a way that has no code of its own.
    BadField = 10011,
    /// Ours: a query parameter is unknown, empty or wrong.
    BadQuery = 10014,
    /// Ours: a quota of the account is used up.
    Quota = 10015,
    /// Ours: the entity is held by another one, which must go first.
    InUse = 10016,
    /// The method is not for this path.
    Method = 10405,
    /// Ours: the body is too large.
    TooLarge = 10413,
    /// Ours: too many requests.
    TooMany = 10429,
    /// A host name that belongs to another zone.
    NameOfAnotherZone = 16001,
    /// `origin_dns.name` in another zone.
    OriginOfAnotherZone = 11050,
}

impl ApiCode {
    /// The number.
    pub const fn number(self) -> u32 {
        self as u32
    }
}
