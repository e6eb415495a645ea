//! The kinds of entities and what each holds. Texts from outside are bounded where they are read (`api`).

use super::addressing::{AddressMap, BgpPrefix, Checks, Delegation, LoaDocument};
use super::dns::DnsRecord;
use super::id::Id;
use super::permit::Grant;
use crate::firewall::RuleSpec;
use crate::snapshot::HeldCertificate;
use crate::table::{AppSpec, Prefix as Net};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The number.
    pub const fn micros(self) -> u64 {
        self.0
    }
}

/// Somebody who holds tokens and owns accounts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: Id,
    /// The address of `X-Auth-Email`; no two users share one.
    pub email: String,
    /// The keyed hash of `X-Auth-Key`, in hex; `None`: that way in is shut.
    pub key_hash: Option<String>,
    /// When it was made.
    pub created_on: Stamp,
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The user whose rules act on it, and whose key opens it.
    pub owner: Id,
    /// When it was made.
    pub created_on: Stamp,
}

/// A zone of an account: a domain with its apps, rules and certificates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Zone {
    /// Its id.
    pub id: Id,
    /// Its domain; no two zones share one.
    pub name: String,
    /// Its account.
    pub account: Id,
    /// When it was made.
    pub created_on: Stamp,
    /// When it was changed last.
    pub modified_on: Stamp,
}

/// A bearer token. Its secret is never kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Its id, which is part of the token's text.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub user: Id,
    /// The keyed hash of its secret, in hex.
    pub hash: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// How many of its grants each of its policies came to, in their order; empty where that was not kept.
    #[serde(default)]
    pub policies: Vec<u32>,
    /// Whether it is in use; a disabled one is refused.
    pub enabled: bool,
    /// When it was made.
    pub issued_on: Stamp,
    /// When it was changed last.
    pub modified_on: Stamp,
    /// From when on it is refused; `None`: never.
    pub expires_on: Option<Stamp>,
}

impl Token {
    /// The token that a store begins with: it may do everything, for ever.
    pub fn root(id: Id, user: Id, hash: String, now: Stamp) -> Self {
        Self {
            id,
            name: "root".into(),
            user,
            hash,
            grants: Grant::everything(),
            policies: Vec::new(),
            enabled: true,
            issued_on: now,
            modified_on: now,
            expires_on: None,
        }
    }
}

/// `approved` of a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Approval {
    /// `P`: not checked yet, or a check failed. Such a prefix is nowhere in the tables.
    #[serde(rename = "P")]
    Pending,
    /// `V`: in use.
    #[serde(rename = "V")]
    Approved,
}

/// An onboarded prefix of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// Its id.
    pub id: Id,
    /// Its account.
    pub account: Id,
    /// The prefix: /24 and /48 at the smallest.
    pub net: Net,
    /// The AS that originates it.
    pub asn: u32,
    /// The operator's own words.
    pub description: String,
    /// Whether it is in use.
    pub approved: Approval,
    /// What speaks for it.
    pub checks: Checks,
    /// What its holder publishes to prove that this account may have it.
    pub ownership_token: String,
    /// Its letter of authorisation.
    pub loa: Option<Id>,
    /// Whether letters are to be written on the holder's behalf; kept for clients.
    pub delegate_loa_creation: bool,
    /// When it was made.
    pub created_at: Stamp,
    /// When it was changed last.
    pub modified_at: Stamp,
}

/// What may stand behind addresses of a prefix (`services`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Service {
    /// Apps of this edge.
    Spectrum,
    /// Somebody else's: such addresses are dropped here, by name.
    Cdn,
    /// Somebody else's: such addresses are dropped here, by name.
    MagicTransit,
}

/// A service binding: which service the addresses of a range belong to; the most specific one counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// Its id.
    pub id: Id,
    /// Its prefix.
    pub prefix: Id,
    /// The range: the prefix itself for the first one, or within it.
    pub cidr: ipnet::IpNet,
    /// The service.
    pub service: Service,
    /// When it was made.
    pub created_at: Stamp,
}

/// A Spectrum app of a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// Its id.
    pub id: Id,
    /// Its zone.
    pub zone: Id,
    /// The app itself, with both stamps as text.
    pub spec: AppSpec,
}

/// A certificate of a zone, for its apps with TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// Its id.
    pub id: Id,
    /// Its zone.
    pub zone: Id,
    /// Chain and key.
    pub held: HeldCertificate,
    /// The host names it is for.
    pub hosts: Vec<String>,
    /// Of several that hold a name, the one with the highest is given to clients.
    pub priority: i64,
    /// `bundle_method`, kept and shown: the chain is given as it was uploaded.
    pub bundle_method: String,
    /// When it was made.
    pub uploaded_on: Stamp,
    /// When it was changed last.
    pub modified_on: Stamp,
}

/// Whose access rule it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RuleHolder {
    /// A user's: for all zones of the accounts that the user owns.
    User(Id),
    /// An account's: for its zones.
    Account(Id),
    /// A zone's.
    Zone(Id),
}

/// An access rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    pub holder: RuleHolder,
    /// The rule itself.
    pub spec: RuleSpec,
    /// When it was made.
    pub created_on: Stamp,
    /// When it was changed last.
    pub modified_on: Stamp,
}

macro_rules! kinds {
    ($($kind:ident = $word:literal,)+) => {
        /// A kind of entity.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Kind { $(#[doc = $word] $kind,)+ }

        impl Kind {
            /// All of them, in an order in which none needs a later one.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The word for it in the store and the audit log.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }
        }

        /// An entity of any kind.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Entity { $(#[doc = $word] $kind(Arc<$kind>),)+ }

        impl Entity {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// Its id.
            pub fn id(&self) -> Id {
                match self { $(Self::$kind(entity) => entity.id,)+ }
            }
        }

        $(impl From<$kind> for Entity {
            fn from(entity: $kind) -> Self {
                Self::$kind(Arc::new(entity))
            }
        })+
    };
}

kinds! {
    User = "user",
    Account = "account",
    Zone = "zone",
    Token = "token",
    LoaDocument = "loa_document",
    Prefix = "prefix",
    Binding = "binding",
    BgpPrefix = "bgp_prefix",
    Delegation = "delegation",
    AddressMap = "address_map",
    Certificate = "certificate",
    App = "app",
    Rule = "rule",
    DnsRecord = "dns_record",
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Spectrum, Self::Cdn, Self::MagicTransit];

    /// Cloudflare's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spectrum => "Spectrum",
            Self::Cdn => "CDN",
            Self::MagicTransit => "Magic Transit",
        }
    }

    /// Its id, the same on every box.
    pub const fn id(self) -> Id {
        Id::from_bits(match self {
            Self::Spectrum => 0x2db6_84ee_7ca0_4e15_9946_fd05_b99e_1bcd,
            Self::Cdn => 0x4d1c_41a6_7f2e_4b5f_8a03_10c0_5d2f_9e01,
            Self::MagicTransit => 0x7c9a_6d10_35be_4a70_b6f4_93a1_0e8c_2d42,
        })
    }
}

impl Approval {
    /// The letter for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "P",
            Self::Approved => "V",
        }
    }
}
