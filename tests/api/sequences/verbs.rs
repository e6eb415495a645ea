//! Calls: drawn at random, good and bad; as requests; and what each makes of a model.

use super::beside::{self, Beside};
use super::model::{
    Account, App, Binding, Certificate, Delegation, HELD, Holder, Model, NETS, NEW, Range, Refusal, Rule,
    Token, Zone, address, cidr,
};
use super::ranges::{binding, delegation, holder};
use super::records::{self, RecordVerb};
use axum::http::Method;
use byway::base::Rng;
use serde_json::{Value, json};

/// Chains and keys, by pair.
const CHAINS: [(&str, &str); 2] = [
    (include_str!("../../certs/edge.pem"), include_str!("../../certs/edge.key")),
    (include_str!("../../certs/other.pem"), include_str!("../../certs/other.key")),
];
/// An id that nothing has.
pub const NOBODY: &str = "0123456789abcdef0123456789abcdef";

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
    /// A change of a zone, of which nothing changes: the field, what it is to be, and whether it is that.
    TurnZone(String, (&'static str, Value, bool)),
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
        letter: Option<String>,
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
    MakeCertificate(Certificate),
    TurnCertificate(Certificate),
    DropCertificate(Certificate),
    Record(RecordVerb),
    Beside(Beside),
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
    /// Whether its body is a text that goes as it is, `FORM`.
    pub is_form: bool,
}

/// The content type of forms.
pub const FORM: &str = "multipart/form-data; boundary=x";

impl Request {
    pub fn by(method: Method, path: String, body: Value) -> Self {
        Self { method, path, body, by_admin: false, is_form: false }
    }

    /// The body as it is sent.
    pub fn text(&self) -> String {
        match &self.body {
            Value::Null => String::new(),
            Value::String(text) if self.is_form => text.clone(),
            body => body.to_string(),
        }
    }
}

/// What the calls are about that no call makes.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The user.
    pub user: String,
    /// A permission group, for tokens.
    pub group: String,
}

pub fn pick<'l, T>(rng: &mut Rng, list: &'l [T]) -> Option<&'l T> {
    list.get(rng.below(list.len() as u64) as usize)
}

/// One of them by id; now and then one that is not there.
pub fn id_of<T>(rng: &mut Rng, list: &[T], id: impl Fn(&T) -> &String) -> String {
    match pick(rng, list) {
        Some(one) if !rng.chance_ppm(30_000) => id(one).clone(),
        Some(_) | None => NOBODY.into(),
    }
}

/// Draws a call for a box as it stands; one without zones, or without bindings, would refuse most calls.
pub fn draw(rng: &mut Rng, model: &Model, ground: &Ground) -> Verb {
    let zone = id_of(rng, &model.zones, |zone| &zone.id);
    let account = id_of(rng, &model.accounts, |account| &account.id);
    // Most zones are such as can have apps.
    let homely = match model.prefixes.iter().find(|prefix| prefix.approved) {
        Some(prefix) if rng.chance_ppm(700_000) => prefix.account.clone(),
        Some(_) | None => account.clone(),
    };
    match rng.below(50) {
        0 => Verb::MakeAccount(format!("a{}", rng.below(100))),
        1 => Verb::DropAccount(account),
        2 | 3 => Verb::MakeZone { account: homely, name: zone_name(rng) },
        4 if model.zones.len() < 3 && rng.chance_ppm(700_000) => {
            Verb::MakeZone { account: homely, name: zone_name(rng) }
        }
        4 => Verb::DropZone(zone),
        21 if rng.chance_ppm(500_000) => Verb::TurnZone(zone, zone_field(rng)),
        5..=9 => new_app(rng, model, zone),
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
        23 => {
            let letter = rng.chance_ppm(500_000).then(|| id_of(rng, &model.letters, |letter| &letter.id));
            Verb::MakePrefix { account, net: rng.below(NETS.len() as u64) as usize, letter }
        }
        24 | 25 => Verb::Approve(id_of(rng, &model.prefixes, |prefix| &prefix.id)),
        26 if model.bindings.len() < 2 && rng.chance_ppm(700_000) => binding(rng, model, account),
        26 => Verb::Revoke(id_of(rng, &model.prefixes, |prefix| &prefix.id)),
        27 => match pick(rng, &model.prefixes).cloned() {
            Some(prefix) => Verb::DropPrefix { account: prefix.account, id: prefix.id },
            None => Verb::DropPrefix { account, id: NOBODY.into() },
        },
        28 | 29 => binding(rng, model, account),
        30 => match pick(rng, &model.bindings).cloned() {
            Some(binding) if model.bindings.len() > 1 || rng.chance_ppm(200_000) => {
                Verb::DropBinding { account: holder(model, &binding.prefix), binding }
            }
            Some(_) | None => binding(rng, model, account),
        },
        31 => match pick(rng, &model.delegations).cloned() {
            Some(delegation) if rng.chance_ppm(500_000) => {
                Verb::DropDelegation { account: holder(model, &delegation.prefix), delegation }
            }
            Some(_) | None => delegation(rng, model, account),
        },
        32 => of_certificates(rng, model, zone),
        33..=40 => Verb::Record(records::draw(rng, model, zone)),
        41..=48 => Verb::Beside(beside::draw(rng, model, account)),
        _ => Verb::Nonsense { zone, body: nonsense(rng) },
    }
}

fn new_app(rng: &mut Rng, model: &Model, zone: String) -> Verb {
    if let Some(needed) = needed(rng, model).filter(|_| rng.chance_ppm(100_000)) {
        return Verb::DropCertificate(needed);
    }
    let homes = model.zones.iter().filter(|zone| !usable(model, &zone.account).is_empty());
    let homes: Vec<String> = homes.map(|zone| zone.id.clone()).collect();
    let zone = pick(rng, &homes).cloned().filter(|_| rng.chance_ppm(800_000)).unwrap_or(zone);
    let app = App { id: NEW.into(), ..app(rng, model, zone) };
    match model.is_served(&app) || !app.tcp || rng.chance_ppm(300_000) {
        true => Verb::MakeApp(app),
        // What it lacks.
        false => Verb::MakeCertificate(certificate(rng, model, app.zone)),
    }
}

fn of_certificates(rng: &mut Rng, model: &Model, zone: String) -> Verb {
    match needed(rng, model).or_else(|| pick(rng, &model.certificates).cloned()) {
        Some(old) if rng.chance_ppm(300_000) => Verb::DropCertificate(old),
        Some(old) if rng.chance_ppm(500_000) => {
            Verb::TurnCertificate(Certificate { pair: 1 - old.pair, ..old })
        }
        Some(_) | None => Verb::MakeCertificate(certificate(rng, model, zone)),
    }
}

/// A certificate that an app cannot do without.
fn needed(rng: &mut Rng, model: &Model) -> Option<Certificate> {
    let needs = |one: &&Certificate| {
        let mut without = model.clone();
        without.certificates.retain(|other| other.id != one.id);
        !model.apps.iter().all(|app| without.is_served(app))
    };
    let needed: Vec<&Certificate> = model.certificates.iter().filter(needs).collect();
    pick(rng, &needed).map(|one| (*one).clone())
}

fn zone_name(rng: &mut Rng) -> String {
    let names =
        ["example.com", "sub.example.com", "example.org", "example.net", "deep.sub.example.com", "a.test"];
    // The first is the one that certificates are for.
    names[rng.below(9).saturating_sub(3) as usize].into()
}

fn zone_field(rng: &mut Rng) -> (&'static str, Value, bool) {
    let fields = [
        ("paused", json!(false), true),
        ("type", json!("full"), true),
        ("vanity_name_servers", json!([]), true),
        ("paused", json!(true), false),
        ("type", json!("partial"), false),
        ("vanity_name_servers", json!(["ns1.example.net"]), false),
        ("plan", json!({"id": NOBODY}), false),
    ];
    fields[rng.below(fields.len() as u64) as usize].clone()
}

fn app(rng: &mut Rng, model: &Model, zone: String) -> App {
    let tls = ["off", "off", "flexible", "full"][rng.below(4) as usize];
    // Certificates are for names of one zone alone.
    let zone = match tls != "off" && rng.chance_ppm(900_000) {
        true => certified(model).unwrap_or(zone),
        false => zone,
    };
    let domain = model.zone(&zone).map_or("example.net", |zone| &zone.name);
    let name = match rng.below(10) {
        2..=9 if tls != "off" && domain == "example.com" => {
            HELD[rng.below(HELD.len() as u64) as usize].into()
        }
        0 if rng.chance_ppm(300_000) => "elsewhere.invalid".into(),
        0 | 1 => domain.to_owned(),
        _ => format!("n{}.{domain}", rng.below(4)),
    };
    let first = 1 + rng.below(6) as u16;
    let last = if rng.chance_ppm(300_000) { first + rng.below(4) as u16 } else { first };
    let ports = if rng.chance_ppm(30_000) { (0, 0) } else { (first, last) };
    let mut ips: Vec<(usize, u8)> = Vec::new();
    let usable = usable(model, model.zone(&zone).map_or("", |zone| &zone.account));
    for _ in 0..1 + rng.below(2) {
        let any = (rng.below(NETS.len() as u64) as usize, LASTS[rng.below(LASTS.len() as u64) as usize]);
        let ip = pick(rng, &usable).copied().filter(|_| rng.chance_ppm(850_000)).unwrap_or(any);
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    let tcp = rng.chance_ppm(if tls == "off" { 400_000 } else { 950_000 });
    App { id: NEW.into(), zone, name, tcp, ports, ips, firewall: rng.chance_ppm(500_000), tls }
}

/// Addresses that apps of an account may have, where no other app has them.
pub fn usable(model: &Model, account: &str) -> Vec<(usize, u8)> {
    let all = (0..NETS.len()).flat_map(|net| LASTS.map(|last| (net, last)));
    all.filter(|ip| model.may_use(account, *ip) && model.service(*ip) == Some("Spectrum")).collect()
}

/// The zone whose names the certificates hold.
fn certified(model: &Model) -> Option<String> {
    model.zones.iter().find(|zone| zone.name == "example.com").map(|zone| zone.id.clone())
}

fn certificate(rng: &mut Rng, model: &Model, zone: String) -> Certificate {
    let zone = if rng.chance_ppm(800_000) { certified(model).unwrap_or(zone) } else { zone };
    Certificate { id: NEW.into(), zone, pair: usize::from(rng.chance_ppm(400_000)) }
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
        let by = Request::by;
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
            Self::TurnZone(id, (field, value, _)) => {
                by(patch, format!("/zones/{id}"), json!({ (*field): value }))
            }
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
            Self::MakeCertificate(one) => {
                by(post, format!("/zones/{}/custom_certificates", one.zone), pair_body(one.pair))
            }
            Self::TurnCertificate(one) => {
                by(patch, format!("/zones/{}/custom_certificates/{}", one.zone, one.id), pair_body(one.pair))
            }
            Self::DropCertificate(one) => {
                by(delete, format!("/zones/{}/custom_certificates/{}", one.zone, one.id), none)
            }
            Self::Record(verb) => verb.request(),
            Self::Beside(verb) => verb.request(),
            Self::Nonsense { zone, body } => by(post, format!("/zones/{zone}/spectrum/apps"), body.clone()),
            _ => self.addressing_request(),
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

fn rules_path((kind, id): &Holder) -> String {
    let of = match *kind {
        "user" => "/user".into(),
        kind => format!("/{kind}s/{id}"),
    };
    format!("{of}/firewall/access_rules/rules")
}

fn pair_body(pair: usize) -> Value {
    json!({"certificate": CHAINS[pair].0, "private_key": CHAINS[pair].1})
}

fn app_body(app: &App) -> Value {
    let (protocol, edge) = (if app.tcp { "tcp" } else { "udp" }, app.protocol());
    let ports = edge.split_once('/').map_or("", |(_, ports)| ports);
    json!({
        "protocol": edge, "dns": {"type": "ADDRESS", "name": app.name}, "ip_firewall": app.firewall, "tls": app.tls,
        "origin_direct": [format!("{protocol}://192.0.2.7:{ports}")],
        "edge_ips": {"type": "static", "ips": app.ips.iter().map(|ip| address(*ip)).collect::<Vec<_>>()},
    })
}

impl Verb {
    /// What the box is afterwards.
    ///
    /// # Errors
    /// The call is refused.
    pub fn after(&self, model: &Model) -> Result<Model, Refusal> {
        let mut next = model.clone();
        match self {
            Self::MakeAccount(_)
            | Self::DropAccount(_)
            | Self::MakeZone { .. }
            | Self::DropZone(_)
            | Self::MakeToken(_)
            | Self::DropToken(_) => self.after_tenancy(model, next).ok_or(None),
            Self::MakeCertificate(_) | Self::TurnCertificate(_) | Self::DropCertificate(_) => {
                self.after_certificates(model, next)
            }
            Self::MakeApp(app) => {
                model.takes(app)?;
                next.apps.push(app.clone());
                Ok(next)
            }
            Self::TurnApp(app) => {
                let old = next.apps.iter_mut().find(|old| old.id == app.id && old.zone == app.zone);
                let old = old.ok_or(None)?;
                model.takes(app)?;
                *old = app.clone();
                Ok(next)
            }
            Self::DropApp { .. } | Self::MakeRule(_) | Self::TurnRule(_) | Self::DropRule(_) => {
                self.after_traffic(model, next).ok_or(None)
            }
            Self::MakePrefix { .. } | Self::Approve(_) | Self::Revoke(_) | Self::DropPrefix { .. } => {
                self.after_prefixes(model, next).ok_or(None)
            }
            Self::MakeBinding { .. }
            | Self::DropBinding { .. }
            | Self::MakeDelegation { .. }
            | Self::DropDelegation { .. } => self.after_ranges(model, next).ok_or(None),
            Self::TurnZone(id, (_, _, is_so)) => {
                model.zone(id).ok_or(Some(10_006))?;
                if *is_so { Ok(next) } else { Err(Some(10_011)) }
            }
            Self::Record(verb) => verb.after(model).map_err(Some),
            Self::Beside(verb) => verb.after(model).map_err(Some),
            Self::Nonsense { .. } => Err(None),
        }
    }

    /// Certificates: apps with TLS keep one that holds their name.
    fn after_certificates(&self, model: &Model, mut next: Model) -> Result<Model, Refusal> {
        match self {
            Self::MakeCertificate(one) => {
                model.zone(&one.zone).ok_or(Some(10_006))?;
                next.certificates.push(one.clone());
                return Ok(next);
            }
            Self::TurnCertificate(one) => {
                let old = next.certificates.iter_mut().find(|old| old.id == one.id);
                old.ok_or(Some(10_006))?.pair = one.pair;
            }
            Self::DropCertificate(one) => next.certificates.retain(|old| old.id != one.id),
            _ => return Err(None),
        }
        match next.apps.iter().all(|app| next.is_served(app)) {
            true => Ok(next),
            false => Err(Some(10_016)),
        }
    }

    /// Accounts, zones, tokens.
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
                next.maps.retain(|map| map.account != *id);
                next.letters.retain(|letter| letter.account != *id);
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
                next.records.retain(|record| record.zone != *id);
                for map in &mut next.maps {
                    map.members.retain(|member| member.1 != *id);
                }
            }
            Self::MakeToken(name) => next.tokens.push(Token { id: new(), name: name.clone() }),
            Self::DropToken(id) => {
                model.tokens.iter().find(|token| token.id == *id)?;
                next.tokens.retain(|token| token.id != *id);
            }
            _ => return None,
        }
        Some(next)
    }

    /// Apps and rules.
    fn after_traffic(&self, model: &Model, mut next: Model) -> Option<Model> {
        match self {
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
}
