//! Calls: drawn at random, good and bad; as requests; and what each makes of a model.

use super::model::{
    Account, App, Binding, Certificate, Delegation, Holder, Model, NETS, NEW, Prefix, Range, Rule, SERVICES,
    Token, Zone, address, cidr,
};
use axum::http::Method;
use byway::base::Rng;
use serde_json::{Value, json};

const CHAIN: &str = include_str!("../../certs/edge.pem");
const KEY: &str = include_str!("../../certs/edge.key");
/// An id that nothing has.
const NOBODY: &str = "0123456789abcdef0123456789abcdef";

/// A call.
#[derive(Clone, PartialEq, Debug)]
pub enum Verb {
    MakeAccount(String),
    DropAccount(String),
    MakeZone {
        account: String,
        name: String,
    },
    DropZone(String),
    MakeApp(App),
    TurnApp(App),
    DropApp {
        zone: String,
        id: String,
    },
    MakeRule(Rule),
    TurnRule(Rule),
    DropRule(Rule),
    MakeToken(String),
    DropToken(String),
    MakePrefix {
        account: String,
        net: usize,
    },
    Approve(String),
    Revoke(String),
    DropPrefix {
        account: String,
        id: String,
    },
    MakeBinding {
        account: String,
        binding: Binding,
    },
    DropBinding {
        account: String,
        binding: Binding,
    },
    MakeDelegation {
        account: String,
        delegation: Delegation,
    },
    DropDelegation {
        account: String,
        delegation: Delegation,
    },
    MakeCertificate(String),
    DropCertificate(Certificate),
    /// A body that no call takes.
    Nonsense {
        zone: String,
        body: Value,
    },
}

/// A request.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub body: Value,
    /// Whether it goes over the admin socket.
    pub by_admin: bool,
}

/// What the calls are about that no call makes.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The user.
    pub user: String,
    /// A permission group, for tokens.
    pub group: String,
}

fn pick<'l, T>(rng: &mut Rng, list: &'l [T]) -> Option<&'l T> {
    list.get(rng.below(list.len() as u64) as usize)
}

/// One of them by id; now and then one that is not there.
fn id_of<T>(rng: &mut Rng, list: &[T], id: impl Fn(&T) -> &String) -> String {
    match pick(rng, list) {
        Some(one) if !rng.chance_ppm(30_000) => id(one).clone(),
        Some(_) | None => NOBODY.into(),
    }
}

/// Draws a call for a box as it stands.
pub fn draw(rng: &mut Rng, model: &Model, ground: &Ground) -> Verb {
    let zone = id_of(rng, &model.zones, |zone| &zone.id);
    let account = id_of(rng, &model.accounts, |account| &account.id);
    match rng.below(34) {
        0 => Verb::MakeAccount(format!("a{}", rng.below(100))),
        1 => Verb::DropAccount(account),
        2 | 3 => Verb::MakeZone { account, name: zone_name(rng) },
        4 => Verb::DropZone(zone),
        5..=9 => Verb::MakeApp(App { id: NEW.into(), ..app(rng, model, zone) }),
        10..=12 => match pick(rng, &model.apps).cloned() {
            None => Verb::MakeApp(App { id: NEW.into(), ..app(rng, model, zone) }),
            Some(old) => {
                Verb::TurnApp(App { id: old.id, zone: old.zone.clone(), ..app(rng, model, old.zone) })
            }
        },
        13 => match pick(rng, &model.apps).cloned() {
            None => Verb::DropApp { zone, id: NOBODY.into() },
            Some(app) if rng.chance_ppm(100_000) => Verb::DropApp { zone, id: app.id },
            Some(app) => Verb::DropApp { zone: app.zone, id: app.id },
        },
        14..=17 => Verb::MakeRule(rule(rng, model, ground)),
        18 | 19 => match pick(rng, &model.rules).cloned() {
            None => Verb::MakeRule(rule(rng, model, ground)),
            Some(old) => Verb::TurnRule(Rule { mode: mode(rng), ..old }),
        },
        20 => match pick(rng, &model.rules).cloned() {
            None => Verb::DropRule(Rule { id: NOBODY.into(), ..rule(rng, model, ground) }),
            Some(old) => Verb::DropRule(old),
        },
        21 => Verb::MakeToken(format!("t{}", rng.below(100))),
        22 => Verb::DropToken(id_of(rng, &model.tokens[1..], |token| &token.id)),
        23 => Verb::MakePrefix { account, net: rng.below(NETS.len() as u64) as usize },
        24 | 25 => Verb::Approve(id_of(rng, &model.prefixes, |prefix| &prefix.id)),
        26 => Verb::Revoke(id_of(rng, &model.prefixes, |prefix| &prefix.id)),
        27 => match pick(rng, &model.prefixes).cloned() {
            Some(prefix) => Verb::DropPrefix { account: prefix.account, id: prefix.id },
            None => Verb::DropPrefix { account, id: NOBODY.into() },
        },
        28 | 29 => binding(rng, model, account),
        30 => match pick(rng, &model.bindings).cloned() {
            Some(binding) => Verb::DropBinding { account: holder(model, &binding.prefix), binding },
            None => binding(rng, model, account),
        },
        31 => match pick(rng, &model.delegations).cloned() {
            Some(delegation) if rng.chance_ppm(500_000) => {
                Verb::DropDelegation { account: holder(model, &delegation.prefix), delegation }
            }
            Some(_) | None => delegation(rng, model, account),
        },
        32 => match pick(rng, &model.certificates).cloned() {
            Some(certificate) if rng.chance_ppm(400_000) => Verb::DropCertificate(certificate),
            Some(_) | None => Verb::MakeCertificate(zone),
        },
        _ => Verb::Nonsense { zone, body: nonsense(rng) },
    }
}

fn zone_name(rng: &mut Rng) -> String {
    let names =
        ["example.com", "sub.example.com", "example.org", "example.net", "deep.sub.example.com", "a.test"];
    names[rng.below(names.len() as u64) as usize].into()
}

fn app(rng: &mut Rng, model: &Model, zone: String) -> App {
    let domain = model.zone(&zone).map_or("example.net", |zone| &zone.name);
    let name = match rng.below(10) {
        0 => "elsewhere.invalid".into(),
        1 => domain.to_owned(),
        _ => format!("n{}.{domain}", rng.below(4)),
    };
    let first = 1 + rng.below(6) as u16;
    let last = if rng.chance_ppm(300_000) { first + rng.below(4) as u16 } else { first };
    let ports = if rng.chance_ppm(30_000) { (0, 0) } else { (first, last) };
    let mut ips: Vec<(usize, u8)> = Vec::new();
    for _ in 0..1 + rng.below(2) {
        // The first net is approved from the start, so that many apps find room.
        let net = if rng.chance_ppm(700_000) { 0 } else { rng.below(NETS.len() as u64) as usize };
        let ip = (net, LASTS[rng.below(LASTS.len() as u64) as usize]);
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    let tcp = rng.chance_ppm(500_000);
    App { id: NEW.into(), zone, name, tcp, ports, ips, firewall: rng.chance_ppm(500_000) }
}

/// Last bytes of addresses of apps.
pub const LASTS: [u8; 4] = [1, 7, 130, 200];

fn mode(rng: &mut Rng) -> &'static str {
    ["block", "whitelist", "challenge"][rng.below(3) as usize]
}

fn rule(rng: &mut Rng, model: &Model, ground: &Ground) -> Rule {
    let holder: Holder = match rng.below(5) {
        0 => ("user", ground.user.clone()),
        1 => ("account", id_of(rng, &model.accounts, |account| &account.id)),
        _ => ("zone", id_of(rng, &model.zones, |zone| &zone.id)),
    };
    let value = if rng.chance_ppm(30_000) { "300.1.2.3".into() } else { format!("192.0.2.{}", rng.below(6)) };
    Rule { id: NEW.into(), holder, mode: mode(rng), value }
}

fn holder(model: &Model, prefix: &str) -> String {
    model.prefix(prefix).map_or_else(|| NOBODY.into(), |prefix| prefix.account.clone())
}

fn range(rng: &mut Rng) -> Range {
    [(0, 24), (0, 24), (0, 25), (128, 25), (128, 26), (200, 32)][rng.below(6) as usize]
}

fn binding(rng: &mut Rng, model: &Model, account: String) -> Verb {
    let Some(prefix) = pick(rng, &model.prefixes).cloned() else {
        let binding = Binding { id: NEW.into(), prefix: NOBODY.into(), range: (0, 24), service: "Spectrum" };
        return Verb::MakeBinding { account, binding };
    };
    let service = if rng.chance_ppm(600_000) { "Spectrum" } else { SERVICES[rng.below(3) as usize].0 };
    let binding = Binding { id: NEW.into(), prefix: prefix.id, range: range(rng), service };
    Verb::MakeBinding { account: prefix.account, binding }
}

fn delegation(rng: &mut Rng, model: &Model, to: String) -> Verb {
    let prefix = pick(rng, &model.prefixes);
    let (prefix, account) = prefix
        .map_or_else(|| (NOBODY.into(), to.clone()), |prefix| (prefix.id.clone(), prefix.account.clone()));
    Verb::MakeDelegation {
        account,
        delegation: Delegation { id: NEW.into(), prefix, range: range(rng), account: to },
    }
}

fn nonsense(rng: &mut Rng) -> Value {
    match rng.below(5) {
        0 => json!([]),
        1 => json!({}),
        2 => json!({"protocol": "tcp/80", "dns": {"type": "ADDRESS", "name": 7}}),
        3 => json!({"protocol": "icmp/8", "dns": {"type": "ADDRESS", "name": "a.example.net"}}),
        _ => Value::String("not an object".into()),
    }
}

impl Verb {
    /// The call as a request, but for the range of a prefix.
    fn request(&self, ground: &Ground) -> Request {
        let by = |method: Method, path: String, body: Value| Request { method, path, body, by_admin: false };
        let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
        let none = Value::Null;
        match self {
            Self::MakeAccount(name) => {
                by(post, "/accounts".into(), json!({"name": name, "owner": {"id": ground.user}}))
            }
            Self::DropAccount(id) => by(delete, format!("/accounts/{id}"), none),
            Self::MakeZone { account, name } => {
                by(post, "/zones".into(), json!({"name": name, "account": {"id": account}}))
            }
            Self::DropZone(id) => by(delete, format!("/zones/{id}"), none),
            Self::MakeApp(app) => by(post, format!("/zones/{}/spectrum/apps", app.zone), app_body(app)),
            Self::TurnApp(app) => {
                by(patch, format!("/zones/{}/spectrum/apps/{}", app.zone, app.id), app_body(app))
            }
            Self::DropApp { zone, id } => by(delete, format!("/zones/{zone}/spectrum/apps/{id}"), none),
            Self::MakeRule(rule) => {
                let configuration = json!({"target": "ip", "value": rule.value});
                by(post, rules_path(&rule.holder), json!({"mode": rule.mode, "configuration": configuration}))
            }
            Self::TurnRule(rule) => {
                by(patch, format!("{}/{}", rules_path(&rule.holder), rule.id), json!({"mode": rule.mode}))
            }
            Self::DropRule(rule) => by(delete, format!("{}/{}", rules_path(&rule.holder), rule.id), none),
            Self::MakeToken(name) => {
                let groups = json!([{"id": ground.group}]);
                let resources = json!({"com.cloudflare.api.account.*": "*"});
                let policy = json!({"effect": "allow", "permission_groups": groups, "resources": resources});
                by(post, "/user/tokens".into(), json!({"name": name, "policies": [policy]}))
            }
            Self::DropToken(id) => by(delete, format!("/user/tokens/{id}"), none),
            Self::MakeCertificate(zone) => by(
                post,
                format!("/zones/{zone}/custom_certificates"),
                json!({"certificate": CHAIN, "private_key": KEY}),
            ),
            Self::DropCertificate(one) => {
                by(delete, format!("/zones/{}/custom_certificates/{}", one.zone, one.id), none)
            }
            Self::Nonsense { zone, body } => by(post, format!("/zones/{zone}/spectrum/apps"), body.clone()),
            _ => self.addressing_request(),
        }
    }

    /// The same of calls below `addressing`, and of approvals.
    fn addressing_request(&self) -> Request {
        let by = |method: Method, path: String, body: Value| Request { method, path, body, by_admin: false };
        let (post, delete, none) = (Method::POST, Method::DELETE, Value::Null);
        match self {
            Self::MakePrefix { account, net } => {
                by(post, prefixes_path(account), json!({"cidr": cidr(*net, (0, 24)), "asn": 64_496}))
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
}

/// The request of a call about a range: its net is that of the prefix.
pub fn request(verb: &Verb, model: &Model, ground: &Ground) -> Request {
    let mut request = verb.request(ground);
    let named = |prefix: &str, range: Range| cidr(model.prefix(prefix).map_or(0, |prefix| prefix.net), range);
    match verb {
        Verb::MakeBinding { binding, .. } => {
            request.body["cidr"] = named(&binding.prefix, binding.range).into()
        }
        Verb::MakeDelegation { delegation, .. } => {
            request.body["cidr"] = named(&delegation.prefix, delegation.range).into();
        }
        _ => {}
    }
    request
}

fn prefixes_path(account: &str) -> String {
    format!("/accounts/{account}/addressing/prefixes")
}

fn rules_path((kind, id): &Holder) -> String {
    let of = match *kind {
        "user" => "/user".into(),
        kind => format!("/{kind}s/{id}"),
    };
    format!("{of}/firewall/access_rules/rules")
}

fn app_body(app: &App) -> Value {
    let (protocol, edge) = (if app.tcp { "tcp" } else { "udp" }, app.protocol());
    let ports = edge.split_once('/').map_or("", |(_, ports)| ports);
    json!({
        "protocol": edge, "dns": {"type": "ADDRESS", "name": app.name}, "ip_firewall": app.firewall,
        "origin_direct": [format!("{protocol}://192.0.2.7:{ports}")],
        "edge_ips": {"type": "static", "ips": app.ips.iter().map(|ip| address(*ip)).collect::<Vec<_>>()},
    })
}

impl Verb {
    /// What the box is afterwards; `None`: the call is refused.
    pub fn after(&self, model: &Model) -> Option<Model> {
        let next = model.clone();
        match self {
            Self::MakeAccount(_)
            | Self::DropAccount(_)
            | Self::MakeZone { .. }
            | Self::DropZone(_)
            | Self::MakeToken(_)
            | Self::DropToken(_)
            | Self::MakeCertificate(_)
            | Self::DropCertificate(_) => self.after_tenancy(model, next),
            Self::MakeApp(_)
            | Self::TurnApp(_)
            | Self::DropApp { .. }
            | Self::MakeRule(_)
            | Self::TurnRule(_)
            | Self::DropRule(_) => self.after_traffic(model, next),
            Self::MakePrefix { .. } | Self::Approve(_) | Self::Revoke(_) | Self::DropPrefix { .. } => {
                self.after_prefixes(model, next)
            }
            Self::MakeBinding { .. }
            | Self::DropBinding { .. }
            | Self::MakeDelegation { .. }
            | Self::DropDelegation { .. } => self.after_ranges(model, next),
            Self::Nonsense { .. } => None,
        }
    }

    /// Accounts, zones, tokens, certificates.
    fn after_tenancy(&self, model: &Model, mut next: Model) -> Option<Model> {
        let new = || NEW.to_owned();
        match self {
            Self::MakeAccount(name) => next.accounts.push(Account { id: new(), name: name.clone() }),
            Self::DropAccount(id) => {
                model.account(id)?;
                let lives = model.zones.iter().any(|zone| zone.account == *id)
                    || model.prefixes.iter().any(|prefix| prefix.account == *id);
                if lives {
                    return None;
                }
                next.accounts.retain(|account| account.id != *id);
                next.delegations.retain(|delegation| delegation.account != *id);
                next.rules.retain(|rule| rule.holder.1 != *id);
            }
            Self::MakeZone { account, name } => {
                model.account(account)?;
                if model.zones.iter().any(|zone| zone.name == *name) || model.has_below(name) {
                    return None;
                }
                next.zones.push(Zone { id: new(), name: name.clone(), account: account.clone() });
            }
            Self::DropZone(id) => {
                model.zone(id)?;
                next.zones.retain(|zone| zone.id != *id);
                next.apps.retain(|app| app.zone != *id);
                next.rules.retain(|rule| rule.holder.1 != *id);
                next.certificates.retain(|certificate| certificate.zone != *id);
            }
            Self::MakeToken(name) => next.tokens.push(Token { id: new(), name: name.clone() }),
            Self::DropToken(id) => {
                model.tokens.iter().find(|token| token.id == *id)?;
                next.tokens.retain(|token| token.id != *id);
            }
            Self::MakeCertificate(zone) => {
                model.zone(zone)?;
                next.certificates.push(Certificate { id: new(), zone: zone.clone() });
            }
            Self::DropCertificate(one) => next.certificates.retain(|old| old.id != one.id),
            _ => return None,
        }
        Some(next)
    }

    /// Apps and rules.
    fn after_traffic(&self, model: &Model, mut next: Model) -> Option<Model> {
        match self {
            Self::MakeApp(app) => {
                if !model.takes(app) {
                    return None;
                }
                next.apps.push(app.clone());
            }
            Self::TurnApp(app) => {
                let old = next.apps.iter_mut().find(|old| old.id == app.id && old.zone == app.zone)?;
                if !model.takes(app) {
                    return None;
                }
                *old = app.clone();
            }
            Self::DropApp { zone, id } => {
                model.apps.iter().find(|app| app.id == *id && app.zone == *zone)?;
                next.apps.retain(|app| app.id != *id);
            }
            Self::MakeRule(rule) => {
                let is_there = match rule.holder.0 {
                    "zone" => model.zone(&rule.holder.1).is_some(),
                    "account" => model.account(&rule.holder.1).is_some(),
                    _ => true,
                };
                let twice = |old: &Rule| old.holder == rule.holder && old.value == rule.value;
                if !is_there || rule.value.starts_with("300") || model.rules.iter().any(twice) {
                    return None;
                }
                next.rules.push(rule.clone());
            }
            Self::TurnRule(rule) => *next.rules.iter_mut().find(|old| old.id == rule.id)? = rule.clone(),
            Self::DropRule(rule) => {
                model.rules.iter().find(|old| old.id == rule.id)?;
                next.rules.retain(|old| old.id != rule.id);
            }
            _ => return None,
        }
        Some(next)
    }

    /// Prefixes.
    fn after_prefixes(&self, model: &Model, mut next: Model) -> Option<Model> {
        let new = || NEW.to_owned();
        match self {
            Self::MakePrefix { account, net } => {
                model.account(account)?;
                let mine = model.prefixes.iter().filter(|prefix| prefix.account == *account);
                let taken =
                    |prefix: &Prefix| prefix.net == *net && (prefix.approved || prefix.account == *account);
                if mine.count() >= 6 || model.prefixes.iter().any(taken) {
                    return None;
                }
                next.prefixes.push(Prefix {
                    id: new(),
                    account: account.clone(),
                    net: *net,
                    approved: false,
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
    fn after_ranges(&self, model: &Model, mut next: Model) -> Option<Model> {
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
