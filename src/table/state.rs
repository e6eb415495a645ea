//! Whether an app is in force, and what keeps it out: named by check, show and log.

use super::app_spec::{AppSpec, TrafficType};
use super::origin_spec::OriginSpec;
use crate::wire::Protocol;

/// What this build does not act on although the app asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Missing {
    /// `origin_dns`, and the boot config names no name servers.
    NoResolvers,
    /// `ip_firewall` is on, and an ASN or country block rule in the app's scopes has no data source.
    AsnOrCountryBlock,
    /// `traffic_type` is `http`.
    HttpPipeline,
    /// `argo_smart_routing` is on.
    Argo,
    /// `amplification_limit` is 0.
    AmplificationGuard,
}

/// How grave a missing thing is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// The app cannot be carried at all.
    Barred,
    /// The app is carried only where the operator says `allow_partial`: it changes access, encryption or client identity.
    Partial,
    /// The app is carried, with a message.
    Told,
}

/// Whether an app is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AppState {
    /// In the table. `without` names what is not acted on (empty for most).
    InForce {
        /// What the app goes without.
        without: Vec<Missing>,
    },
    /// Kept and shown, but out of the table.
    NotInForce {
        /// What keeps it out, and what it would go without.
        because: Vec<Missing>,
    },
}

impl AppState {
    /// The state of `app`; `blocks_blindly` says whether an ASN or country block rule without a data source is in its
    /// scopes, `allow_partial` whether the whole file allows partial carriage, `resolves` whether there are name servers.
    pub fn of(app: &AppSpec, blocks_blindly: bool, allow_partial: bool, resolves: bool) -> Self {
        let missing = missing(app, blocks_blindly, resolves);
        let partial = allow_partial || app.allow_partial;
        let keeps_out = |missing: &Missing| match missing.weight() {
            Weight::Barred => true,
            Weight::Partial => !partial,
            Weight::Told => false,
        };
        if missing.iter().any(keeps_out) {
            Self::NotInForce { because: missing }
        } else {
            Self::InForce { without: missing }
        }
    }

    /// Whether the app is in the table.
    pub const fn is_in_force(&self) -> bool {
        matches!(self, Self::InForce { .. })
    }

    /// The word for it in check, show and the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InForce { .. } => "in_force",
            Self::NotInForce { .. } => "not_in_force",
        }
    }

    /// What is not acted on, in either state.
    pub fn missing(&self) -> &[Missing] {
        match self {
            Self::InForce { without } => without,
            Self::NotInForce { because } => because,
        }
    }
}

impl Missing {
    /// How grave it is.
    pub const fn weight(self) -> Weight {
        match self {
            Self::NoResolvers => Weight::Barred,
            Self::AsnOrCountryBlock => Weight::Partial,
            Self::HttpPipeline | Self::Argo | Self::AmplificationGuard => Weight::Told,
        }
    }

    /// The field of the app that asks for it.
    pub const fn field(self) -> &'static str {
        match self {
            Self::NoResolvers => "origin_dns",
            Self::AsnOrCountryBlock => "ip_firewall",
            Self::HttpPipeline => "traffic_type",
            Self::Argo => "argo_smart_routing",
            Self::AmplificationGuard => "amplification_limit",
        }
    }

    /// What it means, in one sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoResolvers => {
                "there is no name server to ask; name some in [dns] resolvers of the boot config"
            }
            Self::AsnOrCountryBlock => {
                "a rule blocks an ASN or country, and its data source is missing ([geo] of the boot config): carried partially, clients that it blocks would come in"
            }
            Self::HttpPipeline => {
                "traffic_type http is carried as plain TCP: no cache, no WAF, no header with the client's address"
            }
            Self::Argo => "argo_smart_routing is not in force: it is kept, shown and has no effect",
            Self::AmplificationGuard => {
                "amplification_limit is 0: no guard, so that strangers may make this app flood third parties with its replies"
            }
        }
    }
}

fn missing(app: &AppSpec, blocks_blindly: bool, resolves: bool) -> Vec<Missing> {
    let tcp = app.edge.protocol == Protocol::Tcp;
    let asked = [
        (!resolves && matches!(app.origin, OriginSpec::Dns { .. }), Missing::NoResolvers),
        (app.ip_firewall && blocks_blindly, Missing::AsnOrCountryBlock),
        (app.traffic_type == TrafficType::Http, Missing::HttpPipeline),
        (app.argo_smart_routing, Missing::Argo),
        (!tcp && app.udp.amplification_limit == 0, Missing::AmplificationGuard),
    ];
    asked.into_iter().filter(|(asks, _)| *asks).map(|(_, missing)| missing).collect()
}
