//! What each operation wants of its caller, written down from the API's promise (issue and `README.md`), not from its code.

use byway::estate::Level::{self, Read, Write};
use byway::estate::Permission::{
    self, AccountSettings, Analytics, ApiTokens, BgpOnDemand, Dns, Firewall, IpPrefixes, Ssl, ZoneSettings,
};

/// What an operation wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Good credentials, whatever they reach.
    Anyone,
    /// A group over the zone of the path.
    Zone(Permission, Level),
    /// A group over the account of the path.
    Account(Permission, Level),
    /// Any group that reaches the zone of the path.
    ZoneSeen,
    /// Any group that reaches the account of the path, or a zone of it.
    AccountSeen,
    /// `Zone` over the account of the body.
    NewZone,
    /// Credentials with a user behind them.
    User,
    /// Credentials that are a token.
    Token,
    /// `Firewall` over all accounts of the caller's user, whose rules these are.
    OwnRules(Level),
    /// `API Tokens` for writing, over anything; the tokens are those of the caller's user.
    OwnTokens,
    /// The same, over the account that the body gives away.
    OwnTokensGiven,
    /// A group over anything; what is shown is the caller's user's.
    OwnLog(Permission, Level),
    /// A group, for writing, over the whole box.
    Box(Permission),
    /// The same, and every group, for writing, over the accounts of the user of the path.
    BoxAndAll(Permission),
    /// The admin socket.
    Socket,
}

use Leave::{
    Account, AccountSeen, Anyone, Box, BoxAndAll, NewZone, OwnLog, OwnRules, OwnTokens, OwnTokensGiven,
    Socket, Token, User, Zone, ZoneSeen,
};

/// Every operation of the document but the probes, which want nothing.
pub const LEAVES: &[(&str, Leave)] = &[
    ("spectrum_apps_list", Zone(ZoneSettings, Read)),
    ("spectrum_apps_create", Zone(ZoneSettings, Write)),
    ("spectrum_apps_get", Zone(ZoneSettings, Read)),
    ("spectrum_apps_update", Zone(ZoneSettings, Write)),
    ("spectrum_apps_edit", Zone(ZoneSettings, Write)),
    ("spectrum_apps_delete", Zone(ZoneSettings, Write)),
    ("spectrum_protocols_list", Zone(ZoneSettings, Read)),
    ("zone_access_rules_list", Zone(Firewall, Read)),
    ("zone_access_rules_create", Zone(Firewall, Write)),
    ("zone_access_rules_batch", Zone(Firewall, Write)),
    ("zone_access_rules_get", Zone(Firewall, Read)),
    ("zone_access_rules_edit", Zone(Firewall, Write)),
    ("zone_access_rules_delete", Zone(Firewall, Write)),
    ("account_access_rules_list", Account(Firewall, Read)),
    ("account_access_rules_create", Account(Firewall, Write)),
    ("account_access_rules_batch", Account(Firewall, Write)),
    ("account_access_rules_get", Account(Firewall, Read)),
    ("account_access_rules_edit", Account(Firewall, Write)),
    ("account_access_rules_delete", Account(Firewall, Write)),
    ("user_access_rules_list", OwnRules(Read)),
    ("user_access_rules_create", OwnRules(Write)),
    ("user_access_rules_batch", OwnRules(Write)),
    ("user_access_rules_get", OwnRules(Read)),
    ("user_access_rules_edit", OwnRules(Write)),
    ("user_access_rules_delete", OwnRules(Write)),
    ("custom_certificates_list", Zone(Ssl, Read)),
    ("custom_certificates_create", Zone(Ssl, Write)),
    ("custom_certificates_prioritize", Zone(Ssl, Write)),
    ("custom_certificates_get", Zone(Ssl, Read)),
    ("custom_certificates_edit", Zone(Ssl, Write)),
    ("custom_certificates_delete", Zone(Ssl, Write)),
    ("accounts_list", Anyone),
    ("accounts_create", Box(AccountSettings)),
    ("accounts_get", AccountSeen),
    ("accounts_delete", Box(AccountSettings)),
    ("user_get", User),
    ("zones_list", Anyone),
    ("zones_create", NewZone),
    ("zones_get", ZoneSeen),
    ("zones_edit", Zone(Permission::Zone, Write)),
    ("zones_delete", Zone(Permission::Zone, Write)),
    ("tokens_list", OwnTokens),
    ("tokens_create", OwnTokensGiven),
    ("tokens_verify", Token),
    ("tokens_permission_groups_list", Anyone),
    ("tokens_get", OwnTokens),
    ("tokens_update", OwnTokensGiven),
    ("tokens_value_update", OwnTokens),
    ("tokens_delete", OwnTokens),
    ("prefixes_list", Account(IpPrefixes, Read)),
    ("prefixes_create", Account(IpPrefixes, Write)),
    ("prefixes_get", Account(IpPrefixes, Read)),
    ("prefixes_edit", Account(IpPrefixes, Write)),
    ("prefixes_delete", Account(IpPrefixes, Write)),
    ("prefixes_validate", Account(IpPrefixes, Write)),
    ("byway_prefixes_approve", Socket),
    ("byway_prefixes_revoke", Socket),
    ("services_list", Account(IpPrefixes, Read)),
    ("service_bindings_list", Account(IpPrefixes, Read)),
    ("service_bindings_create", Account(IpPrefixes, Write)),
    ("service_bindings_get", Account(IpPrefixes, Read)),
    ("service_bindings_delete", Account(IpPrefixes, Write)),
    ("bgp_prefixes_list", Account(BgpOnDemand, Read)),
    ("bgp_prefixes_create", Account(BgpOnDemand, Write)),
    ("bgp_prefixes_get", Account(BgpOnDemand, Read)),
    ("bgp_prefixes_edit", Account(BgpOnDemand, Write)),
    ("bgp_prefixes_delete", Account(BgpOnDemand, Write)),
    ("advertisement_status_get", Account(BgpOnDemand, Read)),
    ("advertisement_status_edit", Account(BgpOnDemand, Write)),
    ("delegations_list", Account(IpPrefixes, Read)),
    ("delegations_create", Account(IpPrefixes, Write)),
    ("delegations_delete", Account(IpPrefixes, Write)),
    ("address_maps_list", Account(IpPrefixes, Read)),
    ("address_maps_create", Account(IpPrefixes, Write)),
    ("address_maps_get", Account(IpPrefixes, Read)),
    ("address_maps_edit", Account(IpPrefixes, Write)),
    ("address_maps_delete", Account(IpPrefixes, Write)),
    ("address_map_ips_update", Account(IpPrefixes, Write)),
    ("address_map_ips_delete", Account(IpPrefixes, Write)),
    ("address_map_zones_update", Account(IpPrefixes, Write)),
    ("address_map_zones_delete", Account(IpPrefixes, Write)),
    ("address_map_accounts_update", Account(IpPrefixes, Write)),
    ("address_map_accounts_delete", Account(IpPrefixes, Write)),
    ("loa_documents_list", Account(IpPrefixes, Read)),
    ("loa_documents_create", Account(IpPrefixes, Write)),
    ("loa_documents_get", Account(IpPrefixes, Read)),
    ("loa_documents_delete", Account(IpPrefixes, Write)),
    ("spectrum_analytics_summary", Zone(Analytics, Read)),
    ("spectrum_analytics_bytime", Zone(Analytics, Read)),
    ("spectrum_analytics_current", Zone(Analytics, Read)),
    ("dns_records_list", Zone(Dns, Read)),
    ("dns_records_create", Zone(Dns, Write)),
    ("dns_records_batch", Zone(Dns, Write)),
    ("dns_records_export", Zone(Dns, Read)),
    ("dns_records_import", Zone(Dns, Write)),
    ("dns_records_get", Zone(Dns, Read)),
    ("dns_records_update", Zone(Dns, Write)),
    ("dns_records_edit", Zone(Dns, Write)),
    ("dns_records_delete", Zone(Dns, Write)),
    ("account_audit_logs_list", Account(AccountSettings, Read)),
    ("user_audit_logs_list", OwnLog(AccountSettings, Read)),
    ("byway_backup", Socket),
    ("byway_export", Socket),
    ("byway_import", Socket),
    ("byway_import_cloudflare", Socket),
    ("byway_history_list", Box(AccountSettings)),
    ("byway_history_get", Box(AccountSettings)),
    ("byway_rollback", Box(AccountSettings)),
    ("byway_trial_get", Box(AccountSettings)),
    ("byway_trial_begin", Socket),
    ("byway_trial_confirm", Socket),
    ("byway_trial_revert", Socket),
    ("byway_users_list", Box(ApiTokens)),
    ("byway_users_create", Box(ApiTokens)),
    ("byway_users_delete", Box(ApiTokens)),
    ("byway_users_key_update", BoxAndAll(ApiTokens)),
    ("byway_users_key_delete", BoxAndAll(ApiTokens)),
    ("byway_users_tokens_list", Box(ApiTokens)),
    ("byway_users_tokens_create", Box(ApiTokens)),
    ("byway_users_tokens_value_update", Box(ApiTokens)),
    ("byway_users_tokens_delete", Box(ApiTokens)),
    ("openapi_get", Anyone),
];

impl Leave {
    /// The group that it is about; any other one where there is none.
    pub fn group(self) -> Permission {
        match self {
            Zone(group, _) | Account(group, _) | OwnLog(group, _) | Box(group) | BoxAndAll(group) => group,
            NewZone => Permission::Zone,
            OwnRules(_) => Firewall,
            OwnTokens | OwnTokensGiven => ApiTokens,
            Anyone | ZoneSeen | AccountSeen | User | Token | Socket => ZoneSettings,
        }
    }
}

/// Whose something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The tenant whose entities are asked for.
    Ours,
    /// Another tenant.
    Theirs,
    /// Whoever runs the box.
    Operator,
}

/// Over what a token may do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// The whole box.
    All,
    /// A tenant's account with its zones.
    Account(Side),
    /// A tenant's zone.
    Zone(Side),
}

/// What a caller has in hand.
#[derive(Clone, Debug)]
pub struct Hands {
    /// Whose user is behind it; none behind the admin socket.
    pub user: Option<Side>,
    /// Whether it is a token.
    pub is_token: bool,
    /// Its groups.
    pub grants: Vec<(Permission, Level, Over)>,
}

/// What a caller is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is let in.
    In,
    /// 403 with 9109.
    Denied,
    /// 404, the same as where there is none.
    Hidden,
}

impl Hands {
    /// What comes of asking for something of ours; `has_id`: for an entity by its id.
    pub fn outcome(&self, leave: Leave, has_id: bool) -> Outcome {
        let in_if = |is_in: bool, otherwise: Outcome| if is_in { Outcome::In } else { otherwise };
        let any = |group, level, over: &dyn Fn(Over) -> bool| {
            self.grants.iter().any(|(own, at, reach)| *own == group && *at >= level && over(*reach))
        };
        // An entity by its id is there for its own user alone.
        let own = || in_if(!has_id || self.user == Some(Side::Ours), Outcome::Hidden);
        match leave {
            Anyone => Outcome::In,
            Zone(group, level) => self.at((group, level), |over| reaches(over, Side::Ours, true)),
            Account(group, level) => self.at((group, level), |over| reaches(over, Side::Ours, false)),
            NewZone => self.at((Permission::Zone, Write), |over| reaches(over, Side::Ours, false)),
            ZoneSeen => in_if(self.sees(|over| reaches(over, Side::Ours, true)), Outcome::Hidden),
            AccountSeen => in_if(self.sees(|over| reaches(over, Side::Ours, true)), Outcome::Hidden),
            User => in_if(self.user.is_some(), Outcome::Hidden),
            Token => in_if(self.is_token, Outcome::Hidden),
            Box(group) => in_if(any(group, Write, &|over| over == Over::All), Outcome::Denied),
            BoxAndAll(group) => {
                let all = |group: &Permission| any(*group, Write, &|over| reaches(over, Side::Ours, false));
                let rules = any(group, Write, &|over| over == Over::All);
                in_if(rules && Permission::ALL.iter().all(all), Outcome::Denied)
            }
            Socket => in_if(self.user.is_none(), Outcome::Denied),
            OwnRules(level) => {
                let Some(user) = self.user else { return Outcome::Hidden };
                match self.at((Firewall, level), |over| reaches(over, user, false)) {
                    Outcome::In => own(),
                    other @ (Outcome::Denied | Outcome::Hidden) => other,
                }
            }
            OwnLog(group, level) => match self.user {
                None => Outcome::Hidden,
                Some(_) => in_if(any(group, level, &|_| true), Outcome::Denied),
            },
            OwnTokens | OwnTokensGiven => {
                let Some(user) = self.user else { return Outcome::Hidden };
                if !any(ApiTokens, Write, &|_| true) {
                    return Outcome::Denied;
                }
                let gives = leave == OwnTokensGiven;
                let found = own();
                match found == Outcome::In
                    && gives
                    && !any(ApiTokens, Write, &|over| reaches(over, user, false))
                {
                    true => Outcome::Denied,
                    false => found,
                }
            }
        }
    }

    fn sees(&self, reached: impl Fn(Over) -> bool) -> bool {
        self.grants.iter().any(|(_, _, over)| reached(*over))
    }

    fn at(&self, (group, level): (Permission, Level), reached: impl Fn(Over) -> bool) -> Outcome {
        let mut here = self.grants.iter().filter(|(_, _, over)| reached(*over)).peekable();
        if here.peek().is_none() {
            return Outcome::Hidden;
        }
        match here.any(|(own, at, _)| *own == group && *at >= level) {
            true => Outcome::In,
            false => Outcome::Denied,
        }
    }
}

/// Whether a grant reaches the zone (or the account) of a side.
fn reaches(over: Over, side: Side, is_zone: bool) -> bool {
    match over {
        Over::All => true,
        Over::Account(own) => own == side,
        Over::Zone(own) => is_zone && own == side,
    }
}
