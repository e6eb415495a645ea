//! The live table file as values: valid by construction (`control::config::tables` makes them).

use crate::firewall::RuleSpec;
use crate::table::{AppSpec, PrefixSpec, ScopeName};
use std::fmt;
use std::sync::Arc;

/// Prefixes, accounts, zones, apps and access rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LiveSpec {
    /// Onboarded prefixes; none twice.
    pub prefixes: Vec<PrefixSpec>,
    /// Accounts; no id twice.
    pub accounts: Vec<AccountSpec>,
    /// Access rules of the user's scope: for the apps of all zones.
    pub access_rules: Vec<RuleSpec>,
    /// Whether every app may be carried without the fields that this build does not act on.
    pub allow_partial: bool,
}

/// One account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountSpec {
    /// Its id.
    pub id: ScopeName,
    /// Its zones; no id twice in the file.
    pub zones: Vec<ZoneSpec>,
    /// Access rules for the apps of all its zones.
    pub access_rules: Vec<RuleSpec>,
}

/// One zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneSpec {
    /// Its id.
    pub id: ScopeName,
    /// Certificates for its apps.
    pub certificates: Vec<CertificateSpec>,
    /// Its apps.
    pub apps: Vec<AppSpec>,
    /// Access rules for its apps.
    pub access_rules: Vec<RuleSpec>,
}

/// Whose access rules they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ScopeKind {
    /// The user's: for all zones.
    User,
    /// An account's: for its zones.
    Account,
    /// A zone's.
    Zone,
}

/// A certificate chain and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateSpec {
    /// PEM files below the folder of certificates.
    Files {
        /// The chain's file.
        cert: Box<str>,
        /// The key's file.
        key: Box<str>,
    },
    /// What the API was given.
    Held(HeldCertificate),
}

/// A chain and its key as PEM text. It prints neither.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeldCertificate {
    /// The chain.
    pub chain: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}

impl fmt::Debug for HeldCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldCertificate")
    }
}

impl LiveSpec {
    /// All scopes of rules, by kind and id: the user's first, then each account's followed by its zones'. Their places
    /// number the scopes of the compiled rules.
    pub fn scopes(&self) -> impl Iterator<Item = (ScopeKind, &str, &[RuleSpec])> {
        let accounts = self.accounts.iter().flat_map(|account| {
            let own = (ScopeKind::Account, account.id.as_str(), account.access_rules.as_slice());
            let zones = account.zones.iter();
            let zones = zones.map(|zone| (ScopeKind::Zone, zone.id.as_str(), zone.access_rules.as_slice()));
            std::iter::once(own).chain(zones)
        });
        std::iter::once((ScopeKind::User, "user", self.access_rules.as_slice())).chain(accounts)
    }

    /// All rules, each with the id of its scope.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &RuleSpec)> {
        self.scopes().flat_map(|(_, id, rules)| rules.iter().map(move |rule| (id, rule)))
    }

    /// All zones with their accounts, in the order of their `ZoneSlot`s.
    pub fn zones(&self) -> impl Iterator<Item = (&AccountSpec, &ZoneSpec)> {
        self.accounts.iter().flat_map(|account| account.zones.iter().map(move |zone| (account, zone)))
    }
}
