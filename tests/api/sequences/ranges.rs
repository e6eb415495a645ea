//! Calls about prefixes and what lies within them: bindings, delegations, approvals.

use super::model::{Binding, Delegation, Letter, Model, NEW, Prefix, Range, SERVICES, cidr};
use super::verbs::{NOBODY, Request, Verb, pick};
use axum::http::Method;
use byway::base::Rng;
use serde_json::{Value, json};

pub fn holder(model: &Model, prefix: &str) -> String {
    model.prefix(prefix).map_or_else(|| NOBODY.into(), |prefix| prefix.account.clone())
}

fn range(rng: &mut Rng) -> Range {
    [(0, 24), (0, 24), (0, 25), (128, 25), (128, 26), (200, 32)][rng.below(6) as usize]
}

pub fn binding(rng: &mut Rng, model: &Model, account: String) -> Verb {
    let Some(prefix) = pick(rng, &model.prefixes).cloned() else {
        let binding = Binding { id: NEW.into(), prefix: NOBODY.into(), range: (0, 24), service: "Spectrum" };
        return Verb::MakeBinding { account, binding };
    };
    let service = if rng.chance_ppm(600_000) { "Spectrum" } else { SERVICES[rng.below(3) as usize].0 };
    let binding = Binding { id: NEW.into(), prefix: prefix.id, range: range(rng), service };
    Verb::MakeBinding { account: prefix.account, binding }
}

pub fn delegation(rng: &mut Rng, model: &Model, to: String) -> Verb {
    let prefix = pick(rng, &model.prefixes);
    let (prefix, account) = prefix
        .map_or_else(|| (NOBODY.into(), to.clone()), |prefix| (prefix.id.clone(), prefix.account.clone()));
    Verb::MakeDelegation {
        account,
        delegation: Delegation { id: NEW.into(), prefix, range: range(rng), account: to },
    }
}

fn prefixes_path(account: &str) -> String {
    format!("/accounts/{account}/addressing/prefixes")
}

impl Verb {
    /// The same of calls below `addressing`, and of approvals.
    pub(super) fn addressing_request(&self) -> Request {
        let by = Request::by;
        let (post, delete, none) = (Method::POST, Method::DELETE, Value::Null);
        match self {
            Self::MakePrefix { account, net, letter } => {
                let mut body = json!({"cidr": cidr(*net, (0, 24)), "asn": 64_496});
                if let Some(letter) = letter {
                    body["loa_document_id"] = letter.as_str().into();
                }
                by(post, prefixes_path(account), body)
            }
            Self::Approve(id) => Request {
                by_admin: true,
                ..by(post, format!("/byway/prefixes/{id}/approve"), json!({"force": false}))
            },
            Self::Revoke(id) => {
                Request { by_admin: true, ..by(post, format!("/byway/prefixes/{id}/revoke"), json!({})) }
            }
            Self::DropPrefix { account, id } => by(delete, format!("{}/{id}", prefixes_path(account)), none),
            Self::MakeBinding { account, binding } => {
                let service = SERVICES.iter().find(|(name, _)| *name == binding.service);
                let body = json!({"service_id": service.map(|(_, id)| id)});
                by(post, format!("{}/{}/bindings", prefixes_path(account), binding.prefix), body)
            }
            Self::DropBinding { account, binding } => {
                let path = format!("{}/{}/bindings/{}", prefixes_path(account), binding.prefix, binding.id);
                by(delete, path, none)
            }
            Self::MakeDelegation { account, delegation } => {
                let body = json!({"delegated_account_id": delegation.account});
                by(post, format!("{}/{}/delegations", prefixes_path(account), delegation.prefix), body)
            }
            Self::DropDelegation { account, delegation } => {
                let prefix = format!("{}/{}", prefixes_path(account), delegation.prefix);
                by(delete, format!("{prefix}/delegations/{}", delegation.id), none)
            }
            _ => by(Method::GET, String::new(), none),
        }
    }

    /// Prefixes.
    pub(super) fn after_prefixes(&self, model: &Model, mut next: Model) -> Option<Model> {
        let new = || NEW.to_owned();
        match self {
            Self::MakePrefix { account, net, letter } => {
                model.account(account)?;
                let mine = model.prefixes.iter().filter(|prefix| prefix.account == *account);
                let taken =
                    |prefix: &Prefix| prefix.net == *net && (prefix.approved || prefix.account == *account);
                let theirs = |one: &Letter| Some(&one.id) == letter.as_ref() && one.account == *account;
                let has_letter = letter.is_none() || model.letters.iter().any(theirs);
                if mine.count() >= 6 || model.prefixes.iter().any(taken) || !has_letter {
                    return None;
                }
                next.prefixes.push(Prefix {
                    id: new(),
                    account: account.clone(),
                    net: *net,
                    approved: false,
                    letter: letter.clone(),
                });
            }
            Self::Approve(id) => {
                let net = model.prefix(id)?.net;
                if model.prefixes.iter().any(|other| other.id != *id && other.net == net && other.approved) {
                    return None;
                }
                next.prefixes.iter_mut().find(|prefix| prefix.id == *id)?.approved = true;
            }
            Self::Revoke(id) => {
                if model.bindings.iter().any(|binding| binding.prefix == *id) {
                    return None;
                }
                next.prefixes.iter_mut().find(|prefix| prefix.id == *id)?.approved = false;
            }
            Self::DropPrefix { account, id } => {
                model.prefix(id).filter(|prefix| prefix.account == *account && !prefix.approved)?;
                next.prefixes.retain(|prefix| prefix.id != *id);
                next.bindings.retain(|binding| binding.prefix != *id);
                next.delegations.retain(|delegation| delegation.prefix != *id);
            }
            _ => return None,
        }
        Some(next)
    }

    /// Bindings and delegations.
    pub(super) fn after_ranges(&self, model: &Model, mut next: Model) -> Option<Model> {
        let new = || NEW.to_owned();
        match self {
            Self::MakeBinding { account, binding } => {
                let prefix = model.prefix(&binding.prefix).filter(|prefix| prefix.account == *account)?;
                let mut present = model.bindings.iter().filter(|one| one.prefix == prefix.id).peekable();
                let whole = binding.range == (0, 24);
                let wrong = !prefix.approved
                    || (present.peek().is_none() && !whole)
                    || (!whole && binding.service == "Magic Transit")
                    || present.any(|one| one.range == binding.range);
                next.bindings.push(binding.clone());
                if wrong || !next.keeps_apps(model) {
                    return None;
                }
            }
            Self::DropBinding { account, binding } => {
                model.prefix(&binding.prefix).filter(|prefix| prefix.account == *account)?;
                let among = model.bindings.iter().filter(|one| one.prefix == binding.prefix).count();
                next.bindings.retain(|one| one.id != binding.id);
                if (binding.range == (0, 24) && among > 1) || !next.keeps_apps(model) {
                    return None;
                }
            }
            Self::MakeDelegation { account, delegation } => {
                let prefix = model.prefix(&delegation.prefix).filter(|prefix| prefix.account == *account)?;
                model.account(&delegation.account)?;
                let twice = |one: &Delegation| Delegation { id: new(), ..one.clone() } == *delegation;
                if !prefix.approved || delegation.account == *account || model.delegations.iter().any(twice) {
                    return None;
                }
                next.delegations.push(delegation.clone());
            }
            Self::DropDelegation { account, delegation } => {
                model.prefix(&delegation.prefix).filter(|prefix| prefix.account == *account)?;
                next.delegations.retain(|one| one.id != delegation.id);
                if !next.keeps_apps(model) {
                    return None;
                }
            }
            _ => return None,
        }
        Some(next)
    }
}
