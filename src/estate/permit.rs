//! Who may do what: permission groups with a level, each over some accounts or zones.

use super::id::Id;
use serde::{Deserialize, Serialize};

/// A permission group: the ones of Cloudflare's that byway has something behind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Spectrum apps (`Zone Settings`).
    ZoneSettings,
    /// Zones themselves (`Zone`).
    Zone,
    /// Accounts themselves, their quotas and audit log (`Account Settings`).
    AccountSettings,
    /// Prefixes, bindings, delegations, address maps (`IP Prefixes`).
    IpPrefixes,
    /// What is announced (`IP Prefixes: BGP On Demand`).
    BgpOnDemand,
    /// Access rules (`Firewall Services`, `Account Firewall Access Rules`).
    Firewall,
    /// DNS records (`DNS`).
    Dns,
    /// Certificates (`SSL and Certificates`).
    Ssl,
    /// Analytics (`Analytics`).
    Analytics,
    /// Tokens and users (`API Tokens`).
    ApiTokens,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ZoneSettings,
        Self::Zone,
        Self::AccountSettings,
        Self::IpPrefixes,
        Self::BgpOnDemand,
        Self::Firewall,
        Self::Dns,
        Self::Ssl,
        Self::Analytics,
        Self::ApiTokens,
    ];

    /// Cloudflare's name of the group.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZoneSettings => "Zone Settings",
            Self::Zone => "Zone",
            Self::AccountSettings => "Account Settings",
            Self::IpPrefixes => "IP Prefixes",
            Self::BgpOnDemand => "IP Prefixes: BGP On Demand",
            Self::Firewall => "Firewall Services",
            Self::Dns => "DNS",
            Self::Ssl => "SSL and Certificates",
            Self::Analytics => "Analytics",
            Self::ApiTokens => "API Tokens",
        }
    }
}

/// How much of a group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// Over which entities a grant holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Everything on the box.
    All,
    /// These accounts with all their zones.
    Accounts(Vec<Id>),
    /// These zones alone.
    Zones(Vec<Id>),
}

/// One permission over some entities.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The group.
    pub permission: Permission,
    /// How much of it.
    pub level: Level,
    /// Over what.
    pub reach: Reach,
}

/// What comes of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It may be done.
    Granted,
    /// The entity may be known of, but this may not be done with it.
    Denied,
    /// For this caller the entity is not there.
    Hidden,
}

impl Reach {
    /// Whether it reaches zone `zone` of `account`; without a zone, the account itself.
    pub fn covers(&self, account: Id, zone: Option<Id>) -> bool {
        match self {
            Self::All => true,
            Self::Accounts(accounts) => accounts.contains(&account),
            Self::Zones(zones) => zone.is_some_and(|zone| zones.contains(&zone)),
        }
    }
}

impl Grant {
    /// Every group, over everything, for a box's own administrator.
    pub fn everything() -> Vec<Self> {
        let grant = |permission| Self { permission, level: Level::Write, reach: Reach::All };
        Permission::ALL.map(grant).to_vec()
    }

    /// What `grants` say of `permission` at `level` in zone `zone` of `account` (`None`: the account itself).
    pub fn judge(
        grants: &[Self],
        (permission, level): (Permission, Level),
        account: Id,
        zone: Option<Id>,
    ) -> Access {
        let mut covering = grants.iter().filter(|grant| grant.reach.covers(account, zone)).peekable();
        if covering.peek().is_none() {
            return Access::Hidden;
        }
        match covering.any(|grant| grant.permission == permission && grant.level >= level) {
            true => Access::Granted,
            false => Access::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_reaches_what_it_names_at_its_level_and_below() {
        let [account, other, zone] = [1, 2, 3].map(Id::from_bits);
        let of = |permission, level, reach| Grant { permission, level, reach };
        let grants = [
            of(Permission::ZoneSettings, Level::Write, Reach::Zones(vec![zone])),
            of(Permission::Firewall, Level::Read, Reach::Accounts(vec![account])),
        ];
        let ask =
            |permission, level, account, zone| Grant::judge(&grants, (permission, level), account, zone);
        assert_eq!(ask(Permission::ZoneSettings, Level::Read, other, Some(zone)), Access::Granted);
        assert_eq!(ask(Permission::ZoneSettings, Level::Write, account, None), Access::Denied);
        assert_eq!(ask(Permission::Firewall, Level::Read, account, Some(zone)), Access::Granted);
        assert_eq!(ask(Permission::Firewall, Level::Write, account, None), Access::Denied);
        assert_eq!(ask(Permission::Firewall, Level::Read, other, None), Access::Hidden);
        let all = Grant::everything();
        assert_eq!(Grant::judge(&all, (Permission::Ssl, Level::Write), other, None), Access::Granted);
    }
}
