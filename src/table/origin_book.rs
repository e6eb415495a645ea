//! What is known of origins beside what the operator wrote: the answers of name servers, and which origins are down.
//! Control writes it, the compiler reads it; an app's list of origins is made here and nowhere else.
//!
//! ```text
//!  origin_direct --------------------------.
//!  origin_dns --> answers by question --+--> not forbidden --> lowest priority with one up --> up --> App::origins
//!                                       `-- none: why (530, 531, 532)
//! ```

use super::app_spec::{AppProbe, AppSpec};
use super::name::DnsName;
use super::origin_spec::{OriginDnsKind, OriginSpec};
use super::prefix_map::PrefixMap;
use super::reserved::{Reserved, forbidden_origin};
use crate::base::limits::ORIGINS_PER_APP_MAX;
use crate::base::{Addr, Endpoint};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is asked of the name servers for an app.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OriginName {
    /// The name.
    pub name: DnsName,
    /// Which records.
    pub kind: OriginDnsKind,
}

/// One address of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OriginRecord {
    /// SRV's priority: the lowest is used first; 0 for the other kinds.
    pub priority: u16,
    /// The address.
    pub addr: Addr,
    /// SRV's port; `None` for the other kinds, whose port is `origin_port`.
    pub port: Option<u16>,
    /// SRV's weight; 0 for the other kinds.
    pub weight: u16,
}

/// What is known of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolved {
    /// The last good answer: at least one record, sorted, none twice.
    Good(Arc<[OriginRecord]>),
    /// There is none that may be used.
    Nothing(NoOrigin),
}

/// Why an app has no origin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NoOrigin {
    /// The name has no address: it was never resolved, or the last good answer is too old (531).
    #[default]
    Unresolved,
    /// The question could not be put: an error on our side (530).
    Failed,
    /// All its addresses are ones that no origin may have (532).
    Forbidden,
}

impl NoOrigin {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Failed => "failed",
            Self::Forbidden => "forbidden",
        }
    }
}

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct OriginBook {
    /// Whether there are name servers to ask.
    pub resolves: bool,
    /// What the boot config has taken: no origin may lie there.
    pub reserved: Reserved,
    /// Answers.
    pub answers: HashMap<OriginName, Resolved>,
    /// Origins that active probes found down.
    pub down: HashSet<Endpoint>,
}

/// An app's origins, as they go into the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origins {
    /// Where connections may go.
    pub list: Box<[Endpoint]>,
    /// SRV's weight of each; empty where all weigh the same.
    pub weights: Box<[u16]>,
    /// Why there is none, where `list` is empty.
    pub none: NoOrigin,
}

/// An origin that an app could have: for listings and for probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Address and first port.
    pub origin: Endpoint,
    /// SRV's priority.
    pub priority: u16,
    /// SRV's weight.
    pub weight: u16,
    /// Whether no origin may be there.
    pub forbidden: bool,
    /// Whether active probes found it down.
    pub down: bool,
}

impl OriginBook {
    /// The origins of `app` as of now. Forbidden ones never; of the rest the up ones of the lowest priority that has
    /// one; where all are down all of them, since a connect that fails is told to the client and a dead probe is not.
    pub fn origins(&self, app: &AppSpec, prefixes: &PrefixMap) -> Origins {
        let candidates = match self.candidates(app, prefixes) {
            Ok(candidates) => candidates,
            Err(none) => return Origins { none, ..Origins::default() },
        };
        let allowed = || candidates.iter().filter(|candidate| !candidate.forbidden);
        let best = allowed().filter(|candidate| !candidate.down).map(|candidate| candidate.priority).min();
        let chosen = |candidate: &&Candidate| match best {
            Some(priority) => !candidate.down && candidate.priority == priority,
            None => true,
        };
        let chosen = || allowed().filter(chosen);
        let list = chosen().map(|candidate| candidate.origin).collect();
        let mut weights: Vec<u16> = chosen().map(|candidate| candidate.weight).collect();
        if best.is_none() || weights.iter().all(|weight| *weight == weights[0]) {
            weights.clear();
        }
        Origins { list, weights: weights.into(), none: NoOrigin::Forbidden }
    }

    /// All origins that `app` could have, forbidden and down ones too.
    ///
    /// # Errors
    /// Why there is none.
    pub fn candidates(&self, app: &AppSpec, prefixes: &PrefixMap) -> Result<Vec<Candidate>, NoOrigin> {
        let judge = |origin: Endpoint, priority, weight| Candidate {
            origin,
            priority,
            weight,
            forbidden: forbidden_origin(origin.addr, &self.reserved, prefixes).is_some(),
            down: app.probe != Some(AppProbe::Off) && self.down.contains(&origin),
        };
        match &app.origin {
            OriginSpec::Direct(entries) => {
                // Forbidden entries are refused where the app is read, and once more before each connect.
                let direct = |origin| Candidate { forbidden: false, ..judge(origin, 0, 0) };
                Ok(entries.iter().map(|entry| direct(entry.endpoint())).collect())
            }
            OriginSpec::Dns { name, kind, .. } => {
                let question = OriginName { name: name.clone(), kind: *kind };
                let records = match self.answers.get(&question) {
                    Some(Resolved::Good(records)) => records,
                    Some(Resolved::Nothing(none)) => return Err(*none),
                    None => return Err(NoOrigin::Unresolved),
                };
                let port = app.origin_port.map(|ports| ports.first());
                let placed = records.iter().filter_map(|record| {
                    let origin = Endpoint { addr: record.addr, port: record.port.or(port)? };
                    Some(judge(origin, record.priority, record.weight))
                });
                let list: Vec<_> = placed.take(ORIGINS_PER_APP_MAX).collect();
                if list.is_empty() { Err(NoOrigin::Unresolved) } else { Ok(list) }
            }
        }
    }

    /// Whether what is known here can change the origins of `app`.
    pub fn moves(app: &AppSpec) -> bool {
        match &app.origin {
            OriginSpec::Direct(entries) => entries.len() > 1,
            OriginSpec::Dns { .. } => true,
        }
    }
}
