//! What belongs to prefixes: what was found out about them, what is announced, who else may use them, and the documents and
//! address maps of an account. Texts from outside are bounded where they are read (`api`).

use super::entity::Stamp;
use super::id::Id;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What a check of a prefix came to, in Cloudflare's words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// Not made yet, or there was nothing to ask.
    #[default]
    Pending,
    /// All is as it should be.
    Valid,
    /// Nothing was found.
    Missing,
    /// What was found contradicts the prefix.
    Invalid,
    /// What was found names another AS.
    MismatchAsn,
}

/// A check and why it came to that.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Check {
    /// What it came to.
    pub state: CheckState,
    /// Why, for people.
    pub why: String,
}

/// The three checks of a prefix.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Checks {
    /// The routing registry's object of the prefix.
    pub irr: Check,
    /// Its route origin authorisation.
    pub rpki: Check,
    /// The proof that its holder has this account.
    pub ownership: Check,
}

/// A route of a prefix: the prefix itself or one within it, announced or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BgpPrefix {
    /// Its id.
    pub id: Id,
    /// Its prefix.
    pub prefix: Id,
    /// The route.
    pub cidr: IpNet,
    /// How often the AS is put before itself: 0 to 3.
    pub asn_prepend_count: u8,
    /// Kept for clients; nothing is withdrawn by itself.
    pub auto_advertise_withdraw: bool,
    /// Whether it is to be announced.
    pub advertised: bool,
    /// When that was changed last.
    pub advertised_modified_at: Option<Stamp>,
    /// When it was made.
    pub created_at: Stamp,
    /// When it was changed last.
    pub modified_at: Stamp,
}

/// A range of a prefix that another account may use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delegation {
    /// Its id.
    pub id: Id,
    /// The prefix.
    pub prefix: Id,
    /// The range.
    pub cidr: IpNet,
    /// The account that may use it.
    pub account: Id,
    /// When it was made.
    pub created_at: Stamp,
}

/// Who is a member of an address map.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// A zone of the account.
    Zone,
    /// The account itself.
    Account,
}

/// A member of an address map.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// What it is.
    pub kind: MemberKind,
    /// Its id.
    pub identifier: Id,
    /// When it became one.
    pub created_at: Stamp,
}

/// An address of an address map.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapIp {
    /// The address.
    pub ip: IpAddr,
    /// When it came in.
    pub created_at: Stamp,
}

/// An address map of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddressMap {
    /// Its id.
    pub id: Id,
    /// Its account.
    pub account: Id,
    /// The operator's own words.
    pub description: Option<String>,
    /// Whether it acts.
    pub enabled: bool,
    /// The name whose certificate a client without one is shown.
    pub default_sni: Option<String>,
    /// Its addresses, none twice.
    pub ips: Vec<MapIp>,
    /// Its members, none twice.
    pub memberships: Vec<Member>,
    /// When it was made.
    pub created_at: Stamp,
    /// When it was changed last.
    pub modified_at: Stamp,
}

/// A letter of authorisation: a PDF file of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoaDocument {
    /// Its id.
    pub id: Id,
    /// Its account.
    pub account: Id,
    /// Its name.
    pub filename: String,
    /// Its length.
    pub size_bytes: u64,
    /// When it was uploaded.
    pub created: Stamp,
    /// The file in base64 (RFC 4648).
    pub content: String,
}

impl CheckState {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::MismatchAsn => "mismatch_asn",
        }
    }

    /// Whether something speaks against the prefix.
    pub const fn is_failed(self) -> bool {
        match self {
            Self::Pending | Self::Valid => false,
            Self::Missing | Self::Invalid | Self::MismatchAsn => true,
        }
    }
}

impl Check {
    /// With a reason.
    pub fn new(state: CheckState, why: impl Into<String>) -> Self {
        Self { state, why: why.into() }
    }
}

impl Checks {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, &Check); 3] {
        [("irr", &self.irr), ("rpki", &self.rpki), ("ownership", &self.ownership)]
    }

    /// Whether all speak for the prefix.
    pub fn are_valid(&self) -> bool {
        self.named().iter().all(|(_, check)| check.state == CheckState::Valid)
    }
}

impl MemberKind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Account => "account",
        }
    }
}

impl BgpPrefix {
    /// A new route, not announced.
    pub const fn withdrawn(id: Id, (prefix, cidr): (Id, IpNet), now: Stamp) -> Self {
        Self {
            id,
            prefix,
            cidr,
            asn_prepend_count: 0,
            auto_advertise_withdraw: false,
            advertised: false,
            advertised_modified_at: None,
            created_at: now,
            modified_at: now,
        }
    }
}
