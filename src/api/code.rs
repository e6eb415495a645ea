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
    /// A record's name is none.
    RecordName = 9000,
    /// A record's type is none, or none that byway keeps.
    RecordType = 9002,
    /// No proxy can stand before a record of this type.
    RecordProxied = 9004,
    /// An A record's content is no IPv4 address.
    RecordIpv4 = 9005,
    /// An AAAA record's content is no IPv6 address.
    RecordIpv6 = 9006,
    /// A CNAME record's content is no host name, or its own.
    RecordCname = 9007,
    /// A priority is missing, or beyond 65535.
    RecordPriority = 9008,
    /// What a record points at is no host name.
    RecordHost = 9009,
    /// A record's TTL is out of bounds.
    RecordTtl = 9021,
    /// Something else of a record's content is missing or wrong.
    RecordContent = 9100,
    /// There is no such DNS record for this caller.
    NoRecord = 81044,
    /// The host name has an A, AAAA or CNAME record.
    HostTaken = 81053,
    /// The host name has a CNAME record.
    CnameThere = 81054,
    /// The host name has records other than NS.
    NotDelegated = 81055,
    /// The host name has NS records.
    Delegated = 81056,
    /// The record is there, with other settings.
    RecordThere = 81057,
    /// The record is there.
    RecordIdentical = 81058,
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
