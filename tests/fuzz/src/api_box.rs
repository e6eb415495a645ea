//! A box behind the shipping router, in memory: what is asked of it by the admin socket is answered, and nothing is ever kept.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use byway::api::{Announcer, Checker, Claim, Office, Peer, Route, Terms, openapi_text, router};
use byway::control::Installed;
use byway::control::config::tables::{AppGround, one_app, read_one_rule};
use byway::control::desk::{Desk, Inquiry};
use byway::estate::{
    Account, App, Approval, Binding, Change, Checks, Delegation, DnsRecord, Estate, Id, Prefix, RecordData,
    RecordName, RecordSettings, Rule, RuleHolder, Service, Stamp, User, Zone,
};
use byway::table::{AppSpec, Prefix as Net, Reserved};
use byway::vault::{
    AuditAsk, AuditPage, EditSpan, Entry, Row, Still, Tally, ToldEdit, Trial, Undo, Vault, VaultError,
    Version, WayBack,
};
use serde_json::{Value, json};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// When everything was made.
const MADE: Stamp = Stamp(1_700_000_000_000_000);
/// Targets of rules: each kind, some that sort otherwise as text than as values.
const TARGETS: [(&str, &str); 12] = [
    ("ip", "192.0.2.1"),
    ("ip", "192.0.2.10"),
    ("ip", "9.9.9.9"),
    ("ip6", "2001:db8::1"),
    ("ip6", "2001:db8::a:1"),
    ("ip_range", "198.51.100.0/24"),
    ("ip_range", "2001:db8::/32"),
    ("asn", "AS112"),
    ("asn", "AS64496"),
    ("country", "DE"),
    ("country", "T1"),
    ("country", "XX"),
];
const MODES: [&str; 5] = ["block", "whitelist", "challenge", "js_challenge", "managed_challenge"];

/// An operation of the document.
#[derive(Debug)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, filled in.
    pub path: String,
    /// `operationId`.
    pub name: String,
    /// Names of the parameters of its query.
    pub query: Vec<String>,
}

/// The box.
pub struct ApiBox {
    runtime: Runtime,
    router: Router,
    office: Arc<Office>,
    /// Lists by pages.
    pub lists: Vec<Operation>,
    /// What takes a body and can say what would happen.
    pub changes: Vec<Operation>,
}

/// Keeps nothing: a look and a dry run have nothing to keep.
struct NoVault;

impl Vault for NoVault {
    fn load(&mut self) -> Result<Vec<Row>, VaultError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, entry: &Entry) -> Result<u64, VaultError> {
        panic!("a dry run was kept: {entry:?}")
    }

    fn history(&mut self, _: Option<u64>, _: usize) -> Result<Vec<Version>, VaultError> {
        Ok(Vec::new())
    }

    fn edits(&mut self, _: u64, _: EditSpan) -> Result<Vec<ToldEdit>, VaultError> {
        Ok(Vec::new())
    }

    fn tally(&mut self, _: u64, _: Range<u64>) -> Result<Vec<Tally>, VaultError> {
        Ok(Vec::new())
    }

    fn ways_back(&mut self, _: u64) -> Result<Vec<WayBack>, VaultError> {
        Ok(Vec::new())
    }

    fn audit(&mut self, _: &AuditAsk) -> Result<AuditPage, VaultError> {
        Ok(AuditPage::default())
    }

    fn trial(&self) -> Option<Trial> {
        None
    }

    fn undos(&mut self) -> Result<Vec<Undo>, VaultError> {
        Ok(Vec::new())
    }

    fn keep_uses(&mut self, _: &[(String, u64)]) -> Result<(), VaultError> {
        Ok(())
    }

    fn uses(&mut self) -> Result<Vec<(String, u64)>, VaultError> {
        Ok(Vec::new())
    }

    fn hash_key(&self) -> [u8; 32] {
        [7; 32]
    }

    fn hold_still(&mut self) -> Result<Still, VaultError> {
        panic!("a copy was begun")
    }

    fn let_go(&mut self) -> Result<(), VaultError> {
        panic!("a copy was ended")
    }
}

/// Checks nothing and announces nothing.
#[derive(Debug)]
struct Nobody;

impl Checker for Nobody {
    fn check(&self, _: Claim) -> Pin<Box<dyn Future<Output = Checks> + Send + '_>> {
        Box::pin(std::future::ready(Checks::default()))
    }
}

impl Announcer for Nobody {
    fn announce(&self, _: &[Route]) {}
}

impl ApiBox {
    /// With an account that has some of everything.
    pub fn new() -> Self {
        let reserved = Reserved {
            lab: true,
            origin_allow: vec!["192.0.2.0/24".parse().expect("a net")],
            ..Reserved::default()
        };
        let estate = estate(&reserved);
        let places = |name: &str| {
            let id = match name {
                "zone_id" => id(2),
                "account_id" => id(1),
                "prefix_id" => id(3),
                "app_id" => id(0xa_0000),
                "rule_id" => id(0xf_0000),
                "dns_record_id" => id(0xd_0000),
                _ => return None,
            };
            Some(id.to_string())
        };
        let (lists, changes) = operations(places);
        let nobody = Arc::new(Nobody);
        let folder = std::env::temp_dir().join(format!("byway-fuzz-api-{}", std::process::id()));
        let opened = byway::analytics::open(&folder, "fuzz", "FRA").expect("opened");
        let terms = Terms {
            reserved,
            requests_per_5min: 1,
            apps_per_account: 100,
            origins_per_account: 1_000,
            names_per_account: 100,
            rules_per_account: 1_000,
            prefixes_per_account: 10,
            loa_bytes_per_account: 100,
            checker: nobody.clone(),
            announcer: nobody,
            analytics: opened.1,
        };
        let (desk, inquiries) = Desk::open();
        let office = Arc::new(Office::open(Box::new(NoVault), estate, desk, terms));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.spawn(control(inquiries));
        Self { runtime, router: router(office.clone()), office, lists, changes }
    }

    /// What is in force.
    pub fn estate(&self) -> Arc<Estate> {
        self.office.estate()
    }

    /// Status and answer, which is always an envelope.
    pub fn ask(&self, method: &Method, target: &str, body: &[u8]) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("/client/v4{target}"));
        let mut request = request.body(Body::from(body.to_vec())).expect("a request");
        request.extensions_mut().insert(Peer::Local { uid: 0 });
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("infallible");
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
            let answer: Value = serde_json::from_slice(&bytes).expect("an answer is JSON");
            assert_eq!(answer["success"], status < 300, "{target}: {status} {answer}");
            assert_eq!(answer["errors"] == json!([]), status < 300, "{target}: {status} {answer}");
            assert!(status < 500, "{target}: {status} {answer}");
            (status, answer)
        })
    }
}

/// The control loop's place: what a dry run would lead to is right, whatever it is.
async fn control(mut inquiries: tokio::sync::mpsc::Receiver<Inquiry>) {
    while let Some(inquiry) = inquiries.recv().await {
        match inquiry {
            Inquiry::Install(install) => {
                assert!(install.keep.is_none(), "a dry run was to be kept");
                drop(install.reply.send(Installed::Right(Vec::new())));
            }
            Inquiry::Trial(_) | Inquiry::ListenerTls(_) => {}
            Inquiry::Ask(..) | Inquiry::Metrics(..) | Inquiry::Ready(..) => panic!("nobody asks for that"),
        }
    }
}

impl Default for ApiBox {
    fn default() -> Self {
        Self::new()
    }
}

/// The operations whose paths can be filled in: lists, and changes by a JSON body.
fn operations(place: impl Fn(&str) -> Option<String>) -> (Vec<Operation>, Vec<Operation>) {
    let document: Value = serde_json::from_slice(&openapi_text()).expect("JSON");
    let (mut lists, mut changes) = (Vec::new(), Vec::new());
    for (template, item) in document["paths"].as_object().expect("paths") {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => place(name),
            None => Some(part.to_owned()),
        };
        let Some(path) = template.split('/').map(part).collect::<Option<Vec<_>>>() else { continue };
        for (method, words) in item.as_object().expect("an item").iter().filter(|(key, _)| *key != "servers")
        {
            let parameters = words["parameters"].as_array().expect("a list").iter();
            let query: Vec<String> = parameters
                .filter(|one| one["in"] == "query")
                .map(|one| one["name"].as_str().expect("a name").to_owned())
                .collect();
            let operation = Operation {
                method: method.to_ascii_uppercase().parse().expect("a method"),
                path: path.join("/"),
                name: words["operationId"].as_str().expect("a name").to_owned(),
                query,
            };
            // What is a user's own is not there for the admin socket.
            let is_own = operation.path.starts_with("/user");
            if operation.query.iter().any(|name| name == "page") && !is_own {
                lists.push(operation);
            } else if words["requestBody"]["content"]["application/json"].is_object()
                && operation.query.iter().any(|name| name == "dry_run")
                && !is_own
            {
                changes.push(operation);
            }
        }
    }
    assert!(lists.len() > 8 && changes.len() > 8, "{lists:?} {changes:?}");
    (lists, changes)
}

fn id(number: u128) -> Id {
    Id::from_bits(number)
}

fn estate(reserved: &Reserved) -> Estate {
    let mut change = Change::default();
    let (user, account, zone) = (id(9), id(1), id(2));
    change.make(User { id: user, email: "ops@example.net".into(), key_hash: None, created_on: MADE });
    for (number, name) in [(account, "one"), (id(0x11), "two"), (id(0x12), "two"), (id(0x13), "three")] {
        change.make(Account { id: number, name: name.into(), owner: user, created_on: MADE });
    }
    for (number, name, of) in
        [(zone, "example.net", 1), (id(0x21), "example.org", 0x11), (id(0x22), "example.com", 1)]
    {
        change.make(Zone {
            id: number,
            name: name.into(),
            account: id(of),
            created_on: MADE,
            modified_on: MADE,
        });
    }
    let prefix = prefix(id(3), account);
    for (number, cidr) in [(4, "203.0.113.0/24"), (5, "203.0.113.128/25"), (6, "203.0.113.200/32")] {
        let service = if number == 5 { Service::Cdn } else { Service::Spectrum };
        let cidr = cidr.parse().expect("a range");
        change.make(Binding { id: id(number), prefix: prefix.id, cidr, service, created_at: MADE });
        change.make(Delegation {
            id: id(number + 4),
            prefix: prefix.id,
            cidr,
            account: id(0x11),
            created_at: MADE,
        });
    }
    change.make(prefix);
    for (number, (target, value)) in (0_u128..).zip(TARGETS.iter().cycle().take(3 * TARGETS.len())) {
        let holder = match number / TARGETS.len() as u128 {
            0 => RuleHolder::Zone(zone),
            1 => RuleHolder::Account(account),
            _ => RuleHolder::Zone(id(0x22)),
        };
        let mode = MODES[number as usize % MODES.len()];
        let body = json!({ "mode": mode, "configuration": { "target": target, "value": value }, "notes": format!("{mode} No. {}", number % 3) });
        let spec = read_one_rule(body.to_string().as_bytes()).expect("a rule");
        let created_on = Stamp(MADE.0 + number as u64 / 2);
        change.make(Rule { id: id(0xf_0000 + number), holder, spec, created_on, modified_on: created_on });
    }
    (0..8).for_each(|number| change.make(record(zone, number)));
    let first = Estate::default().with(&change);
    let mut change = Change::default();
    for number in 0..7_u8 {
        change.make(app(&first, reserved, (zone, number)));
    }
    first.with(&change)
}

fn record(zone: Id, number: u8) -> DnsRecord {
    let name = format!("{}.example.net", ["alpha", "beta", "gamma"][usize::from(number) % 3]);
    let stamp = Stamp(MADE.0 + u64::from(number / 2));
    let comment = (number % 2 == 0).then(|| format!("Record No. {}", number % 3));
    DnsRecord {
        id: id(0xd_0000 + u128::from(number)),
        zone,
        name: RecordName::whole(&name).expect("a name"),
        data: RecordData::A([192, 0, 2, number].into()),
        ttl: if number % 3 == 0 { 1 } else { 60 + u32::from(number) },
        proxied: number % 4 == 1,
        settings: RecordSettings::default(),
        comment_modified_on: comment.as_ref().map(|_| stamp),
        comment,
        tags: if number < 4 { vec![format!("team:{}", number % 2), "blue".into()] } else { Vec::new() },
        created_on: stamp,
        modified_on: stamp,
        tags_modified_on: (number < 4).then_some(stamp),
    }
}

fn prefix(id: Id, account: Id) -> Prefix {
    Prefix {
        id,
        account,
        net: Net::new("203.0.113.0/24".parse().expect("a net"), true).expect("a prefix"),
        asn: 64_496,
        description: String::new(),
        approved: Approval::Approved,
        checks: Checks::default(),
        ownership_token: "token".into(),
        loa: None,
        delegate_loa_creation: false,
        created_at: MADE,
        modified_at: MADE,
    }
}

fn app(estate: &Estate, reserved: &Reserved, (zone, number): (Id, u8)) -> App {
    let id = id(0xa_0000 + u128::from(number));
    let scheme = if number % 2 == 0 { "tcp" } else { "udp" };
    let port = 20 + u16::from(number % 3) * 100;
    let body = json!({
        "id": id.to_string(),
        "protocol": format!("{scheme}/{port}"),
        "dns": { "type": "ADDRESS", "name": format!("n{}.example.net", number % 4) },
        "origin_direct": [format!("{scheme}://192.0.2.7:{port}")],
        "edge_ips": { "type": "static", "ips": [format!("203.0.113.{}", number + 1)] },
    });
    let ground =
        AppGround { reserved, prefixes: &estate.prefix_map(), zone: &zone.scope(), has_certificates: false };
    let spec = one_app(body.to_string().as_bytes(), ground).expect("an app").spec;
    let stamp = |micros| Some(byway::control::rfc3339(MADE.0 + micros).into());
    let stamps = (stamp(u64::from(number % 3)), stamp(u64::from(number % 2) + 5));
    App { id, zone, spec: AppSpec { created_on: stamps.0, modified_on: stamps.1, ..spec } }
}
