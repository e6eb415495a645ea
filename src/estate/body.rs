//! Entities as the JSON that the store and the audit log keep, and back.

use super::addressing::{AddressMap, BgpPrefix, Checks, Delegation, LoaDocument};
use super::dns::DnsRecord;
use super::entity::{
    Account, App, Approval, Binding, Certificate, Entity, Kind, Prefix, Rule, RuleHolder, Stamp, Token, User,
    Zone,
};
use super::holdings::Estate;
use super::id::Id;
use crate::control::config::tables::{AppGround, app_json, one_app, one_rule, rule_json};
use crate::snapshot::HeldCertificate;
use crate::table::{Prefix as Net, Reserved};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct PrefixBody {
    account: Id,
    cidr: IpNet,
    asn: u32,
    description: String,
    approved: Approval,
    #[serde(default)]
    checks: Checks,
    #[serde(default)]
    ownership_token: String,
    #[serde(default)]
    loa: Option<Id>,
    #[serde(default)]
    delegate_loa_creation: bool,
    created_at: Stamp,
    modified_at: Stamp,
}

#[derive(Serialize, Deserialize)]
struct CertificateBody {
    zone: Id,
    chain: String,
    key: String,
    hosts: Vec<String>,
    priority: i64,
    bundle_method: String,
    uploaded_on: Stamp,
    modified_on: Stamp,
}

#[derive(Serialize, Deserialize)]
struct AppBody {
    zone: Id,
    app: Value,
}

#[derive(Serialize, Deserialize)]
struct RuleBody {
    holder: HolderBody,
    rule: Value,
    created_on: Stamp,
    modified_on: Stamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HolderBody {
    User(Id),
    Account(Id),
    Zone(Id),
}

/// The body of an entity.
pub fn body(entity: &Entity) -> String {
    let value = match entity {
        Entity::User(user) => json!(**user),
        Entity::Account(account) => json!(**account),
        Entity::Zone(zone) => json!(**zone),
        Entity::Token(token) => json!(**token),
        Entity::Binding(binding) => json!(**binding),
        Entity::LoaDocument(document) => json!(**document),
        Entity::BgpPrefix(route) => json!(**route),
        Entity::Delegation(delegation) => json!(**delegation),
        Entity::AddressMap(map) => json!(**map),
        Entity::DnsRecord(record) => json!(**record),
        Entity::Prefix(prefix) => json!(PrefixBody {
            account: prefix.account,
            cidr: prefix.net.net(),
            asn: prefix.asn,
            description: prefix.description.clone(),
            approved: prefix.approved,
            checks: prefix.checks.clone(),
            ownership_token: prefix.ownership_token.clone(),
            loa: prefix.loa,
            delegate_loa_creation: prefix.delegate_loa_creation,
            created_at: prefix.created_at,
            modified_at: prefix.modified_at,
        }),
        Entity::Certificate(certificate) => certificate_body(certificate, &certificate.held.key),
        Entity::App(app) => json!(AppBody { zone: app.zone, app: app_json(&app.spec) }),
        Entity::Rule(rule) => json!(RuleBody {
            holder: match rule.holder {
                RuleHolder::User(id) => HolderBody::User(id),
                RuleHolder::Account(id) => HolderBody::Account(id),
                RuleHolder::Zone(id) => HolderBody::Zone(id),
            },
            rule: rule_json(&rule.spec),
            created_on: rule.created_on,
            modified_on: rule.modified_on,
        }),
    };
    value.to_string()
}

fn certificate_body(certificate: &Certificate, key: &str) -> Value {
    json!(CertificateBody {
        zone: certificate.zone,
        chain: certificate.held.chain.to_string(),
        key: key.to_owned(),
        hosts: certificate.hosts.clone(),
        priority: certificate.priority,
        bundle_method: certificate.bundle_method.clone(),
        uploaded_on: certificate.uploaded_on,
        modified_on: certificate.modified_on,
    })
}

/// The same without what must not be shown, hashes of secrets and keys, and without files.
pub fn shown(entity: &Entity) -> String {
    match entity {
        Entity::User(user) => {
            let mut user = User::clone(user);
            user.key_hash = user.key_hash.map(|_| "kept".into());
            json!(user).to_string()
        }
        Entity::Token(token) => {
            let mut token = Token::clone(token);
            token.hash.clear();
            json!(token).to_string()
        }
        Entity::LoaDocument(document) => {
            let mut shown = json!(**document);
            shown["content"] = json!("kept");
            shown.to_string()
        }
        Entity::Certificate(certificate) => certificate_body(certificate, "").to_string(),
        Entity::Account(_)
        | Entity::Zone(_)
        | Entity::BgpPrefix(_)
        | Entity::Delegation(_)
        | Entity::AddressMap(_)
        | Entity::DnsRecord(_)
        | Entity::Prefix(_)
        | Entity::Binding(_)
        | Entity::App(_)
        | Entity::Rule(_) => body(entity),
    }
}

/// Reads stored bodies one after another, kinds that others need first.
pub struct Reader<'r> {
    estate: Estate,
    reserved: &'r Reserved,
}

impl<'r> Reader<'r> {
    /// `reserved` is what the boot config has taken.
    pub fn new(reserved: &'r Reserved) -> Self {
        Self { estate: Estate::default(), reserved }
    }

    /// The same over entities that are there already.
    pub fn over(estate: Estate, reserved: &'r Reserved) -> Self {
        Self { estate, ..Self::new(reserved) }
    }

    /// All that was read so far.
    pub const fn estate(&self) -> &Estate {
        &self.estate
    }

    /// Takes one in.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn read(&mut self, kind: Kind, id: Id, text: &str) -> Result<(), String> {
        let entity: Entity = match kind {
            Kind::User => from::<User>(text)?.into(),
            Kind::Account => from::<Account>(text)?.into(),
            Kind::Zone => from::<Zone>(text)?.into(),
            Kind::Token => from::<Token>(text)?.into(),
            Kind::Binding => from::<Binding>(text)?.into(),
            Kind::LoaDocument => from::<LoaDocument>(text)?.into(),
            Kind::BgpPrefix => from::<BgpPrefix>(text)?.into(),
            Kind::Delegation => from::<Delegation>(text)?.into(),
            Kind::AddressMap => from::<AddressMap>(text)?.into(),
            Kind::DnsRecord => from::<DnsRecord>(text)?.into(),
            Kind::Prefix => self.prefix(id, text)?.into(),
            Kind::Certificate => certificate(id, text)?.into(),
            Kind::App => self.app(id, text)?.into(),
            Kind::Rule => rule(id, text)?.into(),
        };
        if entity.id() != id {
            return Err(format!("bears another id: {}", entity.id()));
        }
        self.estate.put(entity);
        Ok(())
    }

    /// All that was read.
    pub fn done(self) -> Estate {
        self.estate
    }

    fn prefix(&self, id: Id, text: &str) -> Result<Prefix, String> {
        let body: PrefixBody = from(text)?;
        let net = Net::new(body.cidr, self.reserved.lab).map_err(|error| error.to_string())?;
        if let Some(holder) = self.reserved.holder_in(net) {
            return Err(format!("{net} overlaps {holder} of the boot config"));
        }
        Ok(Prefix {
            id,
            account: body.account,
            net,
            asn: body.asn,
            description: body.description,
            approved: body.approved,
            checks: body.checks,
            ownership_token: body.ownership_token,
            loa: body.loa,
            delegate_loa_creation: body.delegate_loa_creation,
            created_at: body.created_at,
            modified_at: body.modified_at,
        })
    }

    fn app(&mut self, id: Id, text: &str) -> Result<App, String> {
        let AppBody { zone, app } = from(text)?;
        let map = self.estate.prefix_map();
        let has_certificates = self.estate.certificates_of(zone).next().is_some();
        let ground =
            AppGround { reserved: self.reserved, prefixes: &map, zone: &zone.scope(), has_certificates };
        let read = one_app(app.to_string().as_bytes(), ground);
        let read = read.map_err(|errors| errors.to_string().replace('\n', "; "))?;
        Ok(App { id, zone, spec: read.spec })
    }
}

fn certificate(id: Id, text: &str) -> Result<Certificate, String> {
    let body: CertificateBody = from(text)?;
    Ok(Certificate {
        id,
        zone: body.zone,
        held: HeldCertificate { chain: body.chain.into(), key: body.key.into() },
        hosts: body.hosts,
        priority: body.priority,
        bundle_method: body.bundle_method,
        uploaded_on: body.uploaded_on,
        modified_on: body.modified_on,
    })
}

fn rule(id: Id, text: &str) -> Result<Rule, String> {
    let body: RuleBody = from(text)?;
    let holder = match body.holder {
        HolderBody::User(id) => RuleHolder::User(id),
        HolderBody::Account(id) => RuleHolder::Account(id),
        HolderBody::Zone(id) => RuleHolder::Zone(id),
    };
    let spec = one_rule(&body.rule.to_string())?;
    Ok(Rule { id, holder, spec, created_on: body.created_on, modified_on: body.modified_on })
}

fn from<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
