//! A box with two tenants who have one of everything, and a request for each operation of the document that would succeed.

use crate::book::Operation;
use crate::leave::Side;
use crate::stand::{MADE, Reply, Stand};
use axum::body::Body;
use axum::http::{Method, Request};
use byway::api::{Peer, Secret, Terms, TokenText, new_id};
use byway::estate::{Grant, Id, Service, Stamp, Token};
use serde_json::{Value, json};
use std::collections::HashMap;

const CHAIN: &str = include_str!("../certs/edge.pem");
const KEY: &str = include_str!("../certs/edge.key");

/// A tenant with one of everything.
pub struct Tenant {
    /// Its user's address and key.
    pub email: String,
    /// See `email`.
    pub key: String,
    /// Its user.
    pub user: Id,
    /// Its account.
    pub account: Id,
    /// Its zone.
    pub zone: Id,
    /// The third group of its addresses.
    net: &'static str,
    /// The domain of its zone.
    pub domain: &'static str,
    /// Its entities, by the names that paths have for them.
    places: HashMap<&'static str, String>,
}

/// The box.
pub struct World {
    /// The API.
    pub stand: Stand,
    /// The tenant whose entities are asked for.
    pub ours: Tenant,
    /// Another one.
    pub theirs: Tenant,
    /// An account without anything.
    empty: String,
    /// A user without anything.
    idle: String,
}

fn id_of(reply: &Reply) -> String {
    reply.result()["id"].as_str().expect("an id").to_owned()
}

fn parsed(id: &str) -> Id {
    Id::parse(id).expect("an id")
}

fn rule(value: &str) -> Value {
    json!({ "mode": "block", "configuration": { "target": "ip", "value": value } })
}

fn app(tenant: (&str, &str), port: u16) -> Value {
    let (net, domain) = tenant;
    json!({
        "protocol": format!("tcp/{port}"),
        "dns": { "type": "ADDRESS", "name": format!("ssh.{domain}") },
        "origin_direct": [format!("tcp://192.0.2.7:{port}")],
        "edge_ips": { "type": "static", "ips": [format!("2001:db8:{net}0::7")] },
    })
}

impl Tenant {
    /// `net`: a hex digit, that of its /44.
    fn new(stand: &Stand, net: &'static str, domain: &'static str) -> Self {
        let email = format!("ops@{domain}");
        let user = stand.post("/byway/users", json!({ "email": email })).result().clone();
        let (user, key) = (user["id"].as_str().expect("an id"), user["key"].as_str().expect("a key"));
        let account = id_of(&stand.post("/accounts", json!({ "name": domain, "owner": { "id": user } })));
        let zone = id_of(&stand.post("/zones", json!({ "name": domain, "account": { "id": account } })));
        let mut tenant = Self {
            email,
            key: key.to_owned(),
            user: parsed(user),
            account: parsed(&account),
            zone: parsed(&zone),
            net,
            domain,
            places: HashMap::new(),
        };
        tenant.fill_account(stand);
        tenant.fill_zone(stand);
        for name in ["zone_id", "member_zone_id"] {
            tenant.places.insert(name, zone.clone());
        }
        tenant.places.insert("user_id", user.to_owned());
        tenant.places.insert("version", "1".to_owned());
        for name in ["account_id", "member_account_id"] {
            tenant.places.insert(name, account.clone());
        }
        tenant
    }

    fn addressing(&self, path: &str) -> String {
        format!("/accounts/{}/addressing/{path}", self.account)
    }

    fn fill_account(&mut self, stand: &Stand) {
        let net = self.net;
        let post = |path: &str, body: Value| id_of(&stand.post(&self.addressing(path), body));
        let claim = |cidr: String| post("prefixes", json!({ "cidr": cidr, "asn": 64_496 }));
        let (prefix, pending) =
            (claim(format!("2001:db8:{net}0::/44")), claim(format!("2001:db8:f{net}::/48")));
        let approve = format!("/byway/prefixes/{prefix}/approve");
        stand.admin(Method::POST, &approve, json!({ "force": true })).result();
        let within = format!("prefixes/{prefix}");
        let bind = |cidr: String, service: Service| {
            post(
                &format!("{within}/bindings"),
                json!({ "cidr": cidr, "service_id": service.id().to_string() }),
            )
        };
        bind(format!("2001:db8:{net}0::/44"), Service::Spectrum);
        let binding = bind(format!("2001:db8:{net}1::/48"), Service::Cdn);
        let route =
            post(&format!("{within}/bgp/prefixes"), json!({ "cidr": format!("2001:db8:{net}1::/48") }));
        let delegated = json!({ "cidr": format!("2001:db8:{net}2::/48"), "delegated_account_id": stand.account.to_string() });
        let delegation = post(&format!("{within}/delegations"), delegated);
        let ip = format!("2001:db8:{net}0::7");
        let members = json!([
            { "kind": "zone", "identifier": self.zone.to_string() },
            { "kind": "account", "identifier": self.account.to_string() },
        ]);
        let map = post("address_maps", json!({ "ips": [ip], "memberships": members }));
        let upload = pdf(Request::post(format!("/client/v4{}", self.addressing("loa_documents"))));
        let upload = upload.0.header("authorization", format!("Bearer {}", stand.root)).body(upload.1);
        let letter = id_of(&stand.send(upload.expect("a request")));
        let rules = format!("/accounts/{}/firewall/access_rules/rules", self.account);
        let of_account = id_of(&stand.post(&rules, rule("192.0.2.1")));
        self.places.extend([
            ("prefix_id", prefix),
            ("pending", pending),
            ("binding_id", binding),
            ("bgp_prefix_id", route),
            ("delegation_id", delegation),
            ("address_map_id", map),
            ("ip", ip),
            ("loa_document_id", letter),
            ("account_rule", of_account),
        ]);
    }

    fn fill_zone(&mut self, stand: &Stand) {
        let path = |path: &str| format!("/zones/{}/{path}", self.zone);
        let app = id_of(&stand.post(&path("spectrum/apps"), app((self.net, self.domain), 22)));
        let of_zone = id_of(&stand.post(&path("firewall/access_rules/rules"), rule("192.0.2.1")));
        let pair = json!({ "certificate": CHAIN, "private_key": KEY });
        let certificate = id_of(&stand.post(&path("custom_certificates"), pair));
        let own = Request::post("/client/v4/user/firewall/access_rules/rules");
        let own = own.header("x-auth-email", &self.email).header("x-auth-key", &self.key);
        let own = own.body(Body::from(rule("192.0.2.1").to_string())).expect("a request");
        let of_user = id_of(&stand.send(own));
        let record = json!({ "type": "A", "name": "www", "content": "192.0.2.9" });
        let record = id_of(&stand.post(&path("dns_records"), record));
        let token = new_id().expect("random");
        stand.put(vec![plain_token(token, self.user, Vec::new()).0.into()]);
        self.places.extend([
            ("app_id", app),
            ("zone_rule", of_zone),
            ("user_rule", of_user),
            ("custom_certificate_id", certificate),
            ("dns_record_id", record),
            ("token_id", token.to_string()),
        ]);
    }

    /// What stands in a path for `name`.
    fn place(&self, operation: &str, name: &str) -> &str {
        let key = match (operation, name) {
            ("prefixes_delete" | "byway_prefixes_revoke", "prefix_id") => "pending",
            (of_zone, "rule_id") if of_zone.starts_with("zone_") => "zone_rule",
            (of_account, "rule_id") if of_account.starts_with("account_") => "account_rule",
            (_, "rule_id") => "user_rule",
            (_, name) => name,
        };
        self.places.get(key).unwrap_or_else(|| panic!("{operation}: what stands for {name}?"))
    }
}

/// A token and its text before it is hashed by a store's key.
fn plain_token(id: Id, user: Id, grants: Vec<Grant>) -> (Token, TokenText) {
    let text = TokenText { id, secret: Secret::draw().expect("random") };
    let token = Token {
        id,
        name: "t".into(),
        user,
        hash: String::new(),
        grants,
        policies: Vec::new(),
        enabled: true,
        issued_on: MADE,
        modified_on: MADE,
        expires_on: None,
    };
    (token, text)
}

/// The form of a letter.
fn pdf(request: axum::http::request::Builder) -> (axum::http::request::Builder, Body) {
    let form =
        "--x\r\nContent-Disposition: form-data; name=\"loa_document\"\r\n\r\n%PDF-1.4 one\r\n--x--\r\n";
    (request.header("content-type", "multipart/form-data; boundary=x"), Body::from(form))
}

/// The form of a zone file.
fn zone_file(request: axum::http::request::Builder) -> (axum::http::request::Builder, Body) {
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntxt TXT new\r\n--x--\r\n";
    (request.header("content-type", "multipart/form-data; boundary=x"), Body::from(form))
}

impl World {
    /// Two tenants, and an account without anything.
    pub fn new() -> Self {
        let stand = Stand::new();
        let ours = Tenant::new(&stand, "1", "ours.example.com");
        let theirs = Tenant::new(&stand, "2", "theirs.example.com");
        let empty = id_of(&stand.post("/accounts", json!({ "name": "empty" })));
        let idle = id_of(&stand.post("/byway/users", json!({ "email": "idle@example.com" })));
        Self { stand, ours, theirs, empty, idle }
    }

    /// After a restart: all requests are forgotten.
    pub fn rested(self) -> Self {
        self.rested_with(|_| {})
    }

    /// The same with another boot config.
    pub fn rested_with(self, adjust: impl FnOnce(&mut Terms)) -> Self {
        Self { stand: self.stand.restarted_with(adjust), ..self }
    }

    /// An app of ours on another port.
    pub fn app(&self, port: u16) -> Value {
        app((self.ours.net, self.ours.domain), port)
    }

    /// The account and the zone of a side.
    pub fn home(&self, side: Side) -> (Id, Id) {
        match side {
            Side::Ours => (self.ours.account, self.ours.zone),
            Side::Theirs => (self.theirs.account, self.theirs.zone),
            Side::Operator => (self.stand.account, self.stand.zone),
        }
    }

    /// Tokens of a user, each with its grants and until when it is good; their texts.
    pub fn tokens(&self, user: Id, all: Vec<(Vec<Grant>, bool, Option<Stamp>)>) -> Vec<String> {
        let mut texts = Vec::new();
        let mut tokens = Vec::new();
        for (grants, enabled, expires_on) in all {
            let (token, text) = plain_token(new_id().expect("random"), user, grants);
            let hash = text.secret.hash(self.stand.hash_key());
            tokens.push(Token { hash, enabled, expires_on, ..token }.into());
            texts.push(text.text());
        }
        self.stand.put(tokens);
        texts
    }

    /// The path of an operation; `place` says what stands for each of its parameters.
    pub fn path(&self, operation: &Operation, place: impl Fn(&str) -> String) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => place(name),
            None => part.to_owned(),
        };
        operation.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// What stands for a parameter of an operation among our entities.
    pub fn ours(&self, operation: &Operation, name: &str) -> String {
        match (operation.name.as_str(), name) {
            ("accounts_delete", "account_id") => self.empty.clone(),
            ("byway_users_delete", "user_id") => self.idle.clone(),
            (operation, name) => self.ours.place(operation, name).to_owned(),
        }
    }

    /// What stands for it among theirs.
    pub fn theirs(&self, operation: &Operation, name: &str) -> String {
        self.theirs.place(&operation.name, name).to_owned()
    }

    /// A request that says what would happen, where the operation can; `side`: whose user asks.
    pub fn request(
        &self,
        operation: &Operation,
        path: &str,
        side: Side,
    ) -> (axum::http::request::Builder, Body) {
        let dry = operation.parameters("query").iter().any(|(name, _)| name == "dry_run");
        let query = format!("?{}{}", operation.needed(), if dry { "dry_run=true" } else { "" });
        let request = Request::builder().method(operation.method.clone()).uri(format!("{path}{query}"));
        match operation.name.as_str() {
            "loa_documents_create" => return pdf(request),
            "dns_records_import" => return zone_file(request),
            _ => {}
        }
        let body = self.body(&operation.name, side);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        (request.header("content-type", "application/json"), Body::from(text))
    }

    /// Sends a request from an address of its own, so that bad credentials of another one do not count.
    pub fn send(&self, number: usize, request: Request<Body>) -> (u16, Vec<u8>) {
        let peer = Peer::Net(([10, 0, (number >> 8) as u8, number as u8], 40_000).into());
        let (status, _, bytes) = self.stand.raw(peer, request);
        (status.as_u16(), bytes)
    }

    /// The body by which an operation would succeed; `null`: it takes none.
    pub fn body(&self, operation: &str, side: Side) -> Value {
        let (net, ours) = (self.ours.net, &self.ours);
        let more = |group: u8| format!("2001:db8:{net}{group}::/48");
        match operation {
            "spectrum_apps_create" => app((net, ours.domain), 23),
            "spectrum_apps_update" => app((net, ours.domain), 24),
            "spectrum_apps_edit" => json!({ "ip_firewall": true }),
            create if create.ends_with("access_rules_create") => rule("192.0.2.2"),
            batch if batch.ends_with("access_rules_batch") => json!({ "rules": [rule("192.0.2.3")] }),
            edit if edit.ends_with("access_rules_edit") => json!({ "mode": "whitelist" }),
            "custom_certificates_create" => json!({ "certificate": CHAIN, "private_key": KEY }),
            "custom_certificates_edit" => json!({ "bundle_method": "force" }),
            "custom_certificates_prioritize" => {
                json!({ "certificates": [{ "id": ours.places["custom_certificate_id"], "priority": 1 }] })
            }
            "dns_records_create" => json!({ "type": "TXT", "name": "txt", "content": "new" }),
            "dns_records_batch" => {
                json!({ "posts": [{ "type": "TXT", "name": "txt", "content": "new" }] })
            }
            "dns_records_update" => json!({ "type": "A", "name": "www", "content": "192.0.2.10" }),
            "dns_records_edit" => json!({ "comment": "new" }),
            "accounts_create" => json!({ "name": "new" }),
            "zones_create" => {
                json!({ "name": "new.ours.example.com", "account": { "id": ours.account.to_string() } })
            }
            "zones_edit" => json!({ "type": "full" }),
            "tokens_create" | "tokens_update" | "byway_users_tokens_create" => self.token_body(side),
            "prefixes_create" => json!({ "cidr": format!("2001:db8:e{net}::/48"), "asn": 64_496 }),
            "prefixes_edit" => json!({ "description": "new" }),
            "service_bindings_create" => {
                json!({ "cidr": more(3), "service_id": Service::Spectrum.id().to_string() })
            }
            "bgp_prefixes_create" => json!({ "cidr": more(3) }),
            "bgp_prefixes_edit" => json!({ "asn_prepend_count": 1 }),
            "advertisement_status_edit" => json!({ "advertised": true }),
            "delegations_create" => {
                json!({ "cidr": more(3), "delegated_account_id": self.stand.account.to_string() })
            }
            "address_maps_create" => json!({ "description": "new" }),
            "address_maps_edit" => json!({ "enabled": true }),
            "byway_backup" => json!({ "to": self.stand.folder().join("copy") }),
            "byway_import" => {
                let whole = self.stand.admin(Method::GET, "/byway/export", Value::Null);
                json!({ "document": whole.result()["document"] })
            }
            "byway_import_cloudflare" => json!({ "lists": { "accounts": [] } }),
            "byway_rollback" => {
                let newest = self.stand.admin(Method::GET, "/byway/history?limit=1", Value::Null);
                json!({ "version": newest.result()[0]["version"].as_u64().expect("a number") - 1 })
            }
            "byway_trial_begin" => {
                self.stand.admin(Method::POST, "/byway/trial/confirm", Value::Null);
                json!({ "confirm_within": 60 })
            }
            "byway_trial_confirm" | "byway_trial_revert" => {
                self.stand.admin(Method::POST, "/byway/trial", json!({ "confirm_within": 60 }));
                Value::Null
            }
            "byway_users_create" => json!({ "email": "new@example.com" }),
            // None is deleted on trial.
            "byway_users_delete" => {
                self.stand.admin(Method::POST, "/byway/trial/confirm", Value::Null);
                Value::Null
            }
            _ => Value::Null,
        }
    }

    /// A token that may look at the tokens of the account of whoever asks.
    fn token_body(&self, side: Side) -> Value {
        let groups = self.stand.admin(Method::GET, "/user/tokens/permission_groups", Value::Null);
        let group = groups.result().as_array().expect("a list").iter();
        let group =
            group.clone().find(|group| group["name"] == "API Tokens Read").expect("one")["id"].clone();
        let resource = format!("com.cloudflare.api.account.{}", self.home(side).0);
        json!({ "name": "new", "policies": [{ "effect": "allow", "permission_groups": [{ "id": group }], "resources": { resource: "*" } }] })
    }
}
