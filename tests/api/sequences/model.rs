//! What a box holds, by the simplest means: lists of plain rows, searched from the front. It knows the rules of the calls
//! from their documentation alone, and shares no code with byway.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What stands for the id that a call will give.
pub const NEW: &str = "new";

/// Why a call is refused: the code of one of its errors, where the model knows it.
pub type Refusal = Option<u64>;

/// How far TLS reaches, which names a client may ask for, and that of a client without one.
pub type Tls = Option<(&'static str, Vec<&'static str>, Option<String>)>;

/// A rule's holder: the user, an account, a zone.
pub type Holder = (&'static str, String);

#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    pub id: String,
    pub name: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Zone {
    pub id: String,
    pub name: String,
    pub account: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct App {
    pub id: String,
    pub zone: String,
    pub name: String,
    pub tcp: bool,
    pub ports: (u16, u16),
    /// Last bytes of its addresses, by net.
    pub ips: Vec<(usize, u8)>,
    pub firewall: bool,
    pub tls: &'static str,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    pub id: String,
    pub holder: Holder,
    pub mode: &'static str,
    pub value: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Token {
    pub id: String,
    pub name: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Prefix {
    pub id: String,
    pub account: String,
    pub net: usize,
    pub approved: bool,
    pub letter: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Binding {
    pub id: String,
    pub prefix: String,
    pub range: Range,
    pub service: &'static str,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Delegation {
    pub id: String,
    pub prefix: String,
    pub range: Range,
    pub account: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Certificate {
    pub id: String,
    pub zone: String,
    /// Which of the pairs it is.
    pub pair: usize,
}

/// A DNS record that its operator made.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    pub id: String,
    pub zone: String,
    /// In full.
    pub name: String,
    pub kind: &'static str,
    pub content: String,
    pub ttl: u64,
    pub proxied: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct AddressMap {
    pub id: String,
    pub account: String,
    pub words: String,
    pub enabled: bool,
    pub sni: Option<&'static str>,
    pub ips: Vec<(usize, u8)>,
    /// Kind and id.
    pub members: Vec<(&'static str, String)>,
}

/// A letter of authorisation.
#[derive(Clone, PartialEq, Debug)]
pub struct Letter {
    pub id: String,
    pub account: String,
    pub bytes: usize,
}

/// A range of a /24: its first last byte, and its length.
pub type Range = (u8, u8);

/// The nets that prefixes are made of.
pub const NETS: [&str; 3] = ["203.0.113", "198.51.100", "44.0.1"];
/// The names of each pair of certificate and key.
pub const PAIRS: [&[&str]; 2] = [&["lab.example.com", "*.wild.example.com"], &["other.example.com"]];
/// Names that one of the pairs holds.
pub const HELD: [&str; 3] = ["lab.example.com", "n1.wild.example.com", "other.example.com"];
/// Services by name and id.
pub const SERVICES: [(&str, &str); 3] = [
    ("Spectrum", "2db684ee7ca04e159946fd05b99e1bcd"),
    ("CDN", "4d1c41a67f2e4b5f8a0310c05d2f9e01"),
    ("Magic Transit", "7c9a6d1035be4a70b6f493a10e8c2d42"),
];

/// Everything.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Model {
    pub accounts: Vec<Account>,
    pub zones: Vec<Zone>,
    pub apps: Vec<App>,
    pub rules: Vec<Rule>,
    pub tokens: Vec<Token>,
    pub prefixes: Vec<Prefix>,
    pub bindings: Vec<Binding>,
    pub delegations: Vec<Delegation>,
    pub certificates: Vec<Certificate>,
    pub records: Vec<Record>,
    pub maps: Vec<AddressMap>,
    pub letters: Vec<Letter>,
    /// What the letters of an account may have together, in bytes.
    pub letter_bytes_max: usize,
}

/// What a first packet to an address and port meets.
#[derive(Clone, PartialEq, Debug)]
pub enum Met {
    App(String),
    NoApp,
    OtherService,
    NoPrefix,
}

pub fn holds((first, length): Range, last: u8) -> bool {
    (u32::from(first)..u32::from(first) + (1 << (32 - length))).contains(&u32::from(last))
}

impl Model {
    pub fn zone(&self, id: &str) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.id == id)
    }

    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    pub fn prefix(&self, id: &str) -> Option<&Prefix> {
        self.prefixes.iter().find(|prefix| prefix.id == id)
    }

    /// The approved prefix of a net.
    fn approved(&self, net: usize) -> Option<&Prefix> {
        self.prefixes.iter().find(|prefix| prefix.net == net && prefix.approved)
    }

    /// The service of an address: that of the longest binding.
    pub fn service(&self, (net, last): (usize, u8)) -> Option<&'static str> {
        let prefix = self.approved(net)?;
        let bound =
            self.bindings.iter().filter(|binding| binding.prefix == prefix.id && holds(binding.range, last));
        bound.max_by_key(|binding| binding.range.1).map(|binding| binding.service)
    }

    /// Whether an account may have apps on an address.
    pub fn may_use(&self, account: &str, (net, last): (usize, u8)) -> bool {
        self.approved(net).is_some_and(|prefix| {
            prefix.account == account
                || self
                    .delegations
                    .iter()
                    .any(|one| one.prefix == prefix.id && one.account == account && holds(one.range, last))
        })
    }

    /// Whether a zone around a name has an app or a record at it or below it.
    pub fn has_below(&self, name: &str) -> bool {
        let within = |one: &str, domain: &str| one == domain || one.ends_with(&format!(".{domain}"));
        let apps = self.apps.iter().map(|app| (&app.zone, &app.name));
        let mut places = apps.chain(self.records.iter().map(|record| (&record.zone, &record.name)));
        places.any(|(zone, at)| {
            within(at, name) && self.zone(zone).is_some_and(|zone| within(name, &zone.name))
        })
    }

    /// The nearest zone of a name.
    pub fn home(&self, name: &str) -> Option<&Zone> {
        let within = |domain: &str| name == domain || name.ends_with(&format!(".{domain}"));
        self.zones.iter().filter(|zone| within(&zone.name)).max_by_key(|zone| zone.name.len())
    }

    /// Whether an app may be as it is, among all others.
    ///
    /// # Errors
    /// Why not; of an app with one fault the model knows its code.
    pub fn takes(&self, app: &App) -> Result<(), Refusal> {
        match (self.has_room(app), self.is_served(app), self.host_taken(app)) {
            (true, true, None) => Ok(()),
            (true, true, Some(code)) => Err(Some(code)),
            (true, false, None) => Err(Some(11_000)),
            (_, _, _) => Err(None),
        }
    }

    /// Whether an app goes without TLS, or a certificate of its zone holds its name.
    pub fn is_served(&self, app: &App) -> bool {
        app.tls == "off" || (app.tcp && self.is_held(&app.zone, &app.name))
    }

    /// Whether a certificate of the zone holds a name.
    pub fn is_held(&self, zone: &str, name: &str) -> bool {
        let of_zone = self.certificates.iter().filter(|certificate| certificate.zone == zone);
        of_zone.flat_map(|certificate| PAIRS[certificate.pair]).any(|host| match host.strip_prefix("*.") {
            Some(domain) => name.split_once('.').is_some_and(|(_, rest)| rest == domain),
            None => *host == name,
        })
    }

    /// Whether a record keeps an app from its name; one that has it already is not asked.
    fn host_taken(&self, app: &App) -> Option<u64> {
        if self.apps.iter().any(|old| old.id == app.id && old.name == app.name) {
            return None;
        }
        let apex = self.zone(&app.zone).is_some_and(|zone| zone.name == app.name);
        let has = |kinds: &[&str]| {
            let mut at = self.records.iter().filter(|one| one.zone == app.zone && one.name == app.name);
            at.any(|one| kinds.contains(&one.kind))
        };
        match (has(&["A", "AAAA", "CNAME"]), has(&["NS"]) && !apex) {
            (true, _) => Some(81_053),
            (false, true) => Some(81_056),
            (false, false) => None,
        }
    }

    /// Whether its name is its zone's, its addresses its account's, and its ports nobody else's.
    fn has_room(&self, app: &App) -> bool {
        let Some(zone) = self.zone(&app.zone) else { return false };
        let home = self.home(&app.name);
        if home.map(|zone| &zone.id) != Some(&app.zone) || app.ports.0 == 0 || app.ports.0 > app.ports.1 {
            return false;
        }
        let free = |ip: &(usize, u8)| {
            self.may_use(&zone.account, *ip)
                && self.service(*ip) == Some("Spectrum")
                && self.apps.iter().filter(|other| other.id != app.id && other.ips.contains(ip)).all(
                    |other| {
                        let apart = other.ports.1 < app.ports.0 || app.ports.1 < other.ports.0;
                        other.zone == app.zone && (other.tcp != app.tcp || apart)
                    },
                )
        };
        !app.ips.is_empty() && app.ips.iter().all(free)
    }

    /// Whether every app that was Spectrum's and its account's still is.
    pub fn keeps_apps(&self, before: &Self) -> bool {
        let well = |model: &Self, app: &App| {
            let account = model.zone(&app.zone).map(|zone| zone.account.clone()).unwrap_or_default();
            app.ips.iter().all(|ip| model.service(*ip) == Some("Spectrum") && model.may_use(&account, *ip))
        };
        before.apps.iter().all(|app| !well(before, app) || well(self, app))
    }

    /// What a first packet meets.
    pub fn met(&self, ip: (usize, u8), tcp: bool, port: u16) -> Met {
        let prefix = self
            .approved(ip.0)
            .filter(|prefix| self.bindings.iter().any(|binding| binding.prefix == prefix.id));
        let hit = |app: &&App| {
            app.tcp == tcp && app.ips.contains(&ip) && (app.ports.0..=app.ports.1).contains(&port)
        };
        match (prefix, self.apps.iter().find(hit)) {
            (None, _) => Met::NoPrefix,
            (Some(_), Some(app)) => Met::App(app.id.clone()),
            (Some(_), None) if self.service(ip) != Some("Spectrum") => Met::OtherService,
            (Some(_), None) => Met::NoApp,
        }
    }

    /// What an app says of TLS at one of its addresses.
    pub fn tls(&self, app: &App, ip: (usize, u8)) -> Tls {
        let known = HELD.into_iter().filter(|name| self.is_held(&app.zone, name)).collect();
        (app.tls != "off").then(|| (app.tls, known, self.nameless(app, ip).map(str::to_owned)))
    }

    /// The name for clients without one at an address of an app with TLS, where a map says one that its zone has a
    /// certificate for: that of the map with the least id.
    fn nameless(&self, app: &App, ip: (usize, u8)) -> Option<&'static str> {
        let account = self.zone(&app.zone).map(|zone| &zone.account);
        let acts = |map: &&AddressMap| map.enabled && Some(&map.account) == account && map.ips.contains(&ip);
        let mut maps: Vec<&AddressMap> = self.maps.iter().filter(acts).collect();
        maps.sort_by_key(|map| &map.id);
        maps.into_iter().filter_map(|map| map.sni).find(|name| self.is_held(&app.zone, name))
    }

    /// Whether letters have their accounts, and prefixes their letters.
    pub fn holds_together(&self) -> bool {
        let has_letter = |prefix: &Prefix| {
            prefix.letter.as_ref().is_none_or(|named| self.letters.iter().any(|one| one.id == *named))
        };
        self.letters.iter().all(|one| self.account(&one.account).is_some())
            && self.prefixes.iter().all(has_letter)
    }

    /// The new entity's id, once it is known.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        let all = self.accounts.iter_mut().map(|one| &mut one.id);
        let all = all.chain(self.zones.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.apps.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.rules.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.tokens.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.prefixes.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.bindings.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.delegations.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.certificates.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.records.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.maps.iter_mut().map(|one| &mut one.id));
        let all = all.chain(self.letters.iter_mut().map(|one| &mut one.id));
        all.filter(|own| *own == NEW).for_each(|own| *own = id.to_owned());
        self
    }

    /// Whether records came without their ids being told.
    pub fn has_nameless(&self) -> bool {
        self.records.iter().any(|one| one.id == NEW)
    }

    /// Records whose ids were not told, known again in another sight of the box: no two of a name say the same.
    #[must_use]
    pub fn recognised(mut self, sight: &BTreeMap<String, Value>) -> Self {
        for record in self.records.iter_mut().filter(|one| one.id == NEW) {
            let row = record.row();
            let same = |(key, value): &(&String, &Value)| key.starts_with("dns_record ") && **value == row;
            if let Some((key, _)) = sight.iter().find(same) {
                record.id = key["dns_record ".len()..].to_owned();
            }
        }
        self
    }

    /// Everything in one form, by kind and id, to be held against other sights of the box.
    pub fn view(&self) -> BTreeMap<String, Value> {
        let mut view = BTreeMap::new();
        let mut put = |kind: &str, id: &str, value: Value| view.insert(format!("{kind} {id}"), value);
        for one in &self.accounts {
            put("account", &one.id, json!({"name": one.name}));
        }
        for one in &self.zones {
            put("zone", &one.id, json!({"name": one.name, "account": one.account}));
        }
        for one in &self.apps {
            let ips: Vec<String> = one.ips.iter().map(|ip| address(*ip)).collect();
            let row = json!({"zone": one.zone, "name": one.name, "protocol": one.protocol(), "ips": ips, "firewall": one.firewall, "tls": one.tls});
            put("app", &one.id, row);
        }
        for one in &self.rules {
            put("rule", &one.id, json!({"of": one.holder.1, "mode": one.mode, "value": one.value}));
        }
        for one in &self.tokens {
            put("token", &one.id, json!({"name": one.name}));
        }
        for one in &self.prefixes {
            let row = json!({"account": one.account, "cidr": cidr(one.net, (0, 24)), "approved": if one.approved { "V" } else { "P" }, "letter": one.letter});
            put("prefix", &one.id, row);
        }
        let net = |prefix: &str| self.prefix(prefix).map_or(0, |prefix| prefix.net);
        for one in &self.bindings {
            let row = json!({"prefix": one.prefix, "cidr": cidr(net(&one.prefix), one.range), "service": one.service});
            put("binding", &one.id, row);
        }
        for one in &self.delegations {
            let row = json!({"prefix": one.prefix, "cidr": cidr(net(&one.prefix), one.range), "account": one.account});
            put("delegation", &one.id, row);
        }
        for one in &self.certificates {
            put("certificate", &one.id, json!({"zone": one.zone, "hosts": PAIRS[one.pair]}));
        }
        for one in &self.records {
            put("dns_record", &one.id, one.row());
        }
        for one in &self.maps {
            let ips: Vec<String> = one.ips.iter().map(|ip| address(*ip)).collect();
            let row = json!({"account": one.account, "description": one.words, "enabled": one.enabled, "sni": one.sni, "ips": ips, "members": one.members});
            put("address_map", &one.id, row);
        }
        for one in &self.letters {
            put("loa_document", &one.id, json!({"account": one.account, "bytes": one.bytes}));
        }
        view
    }

    /// The same with the records that apps have, which answers show.
    pub fn shown(&self) -> BTreeMap<String, Value> {
        let mut view = self.view();
        for app in &self.apps {
            for ip in &app.ips {
                view.insert(format!("managed {} {} {}", app.zone, app.name, address(*ip)), Value::Null);
            }
        }
        view
    }
}

impl Record {
    fn row(&self) -> Value {
        json!({
            "zone": self.zone, "name": self.name, "type": self.kind, "content": self.content, "ttl": self.ttl,
            "proxied": self.proxied,
        })
    }
}

impl App {
    pub fn protocol(&self) -> String {
        let ports = match self.ports {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        format!("{}/{ports}", if self.tcp { "tcp" } else { "udp" })
    }
}

pub fn address((net, last): (usize, u8)) -> String {
    format!("{}.{last}", NETS[net])
}

pub fn cidr(net: usize, (first, length): Range) -> String {
    format!("{}.{first}/{length}", NETS[net])
}
