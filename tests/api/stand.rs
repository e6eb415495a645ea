//! An API on a bench: a store in a folder of its own, a control loop that compiles for real and confirms at once.

use crate::book::BOOK;
use crate::force::Force;
use crate::sequences::verbs::FORM;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use byway::analytics::{Fact, Recorder};
use byway::api::{
    Announcer, Checker, Claim, Office, Peer, Route, Secret, Terms, TokenText, entry, new_id, read, router,
};
use byway::control::config::Problem;
use byway::control::desk::{Desk, Inquiry, TrialNews};
use byway::control::{Installed, Store, Workshop};
use byway::estate::{
    Account, Approval, Binding, Change, Check, CheckState, Checks, Entity, Estate, Grant, Id, Prefix,
    Service, Stamp, Token, User, Zone, lower,
};
use byway::snapshot::Snapshot;
use byway::table::{Prefix as Net, Reserved};
use byway::vault::{SqliteVault, Vault};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// When everything of the stand was made.
pub const MADE: Stamp = Stamp(1_700_000_000_000_000);
/// Its prefix.
pub const NET: &str = "203.0.113.0/24";

/// What the control loop of the stand answers to the next change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loop {
    /// As a healthy one.
    Confirms,
    /// As one whose workers do not take it in time.
    IsLate,
    /// As one that cannot compile it.
    Refuses,
}

/// The snapshot in force, as tests look at it.
pub type Sight = Arc<std::sync::Mutex<Option<Arc<Snapshot>>>>;

/// News of trials, oldest first.
pub type Heard = Arc<std::sync::Mutex<Vec<TrialNews>>>;

/// The API and what it stands on.
pub struct Stand {
    runtime: Runtime,
    router: Router,
    office: Arc<Office>,
    recorder: RefCell<Recorder>,
    clerk: JoinHandle<()>,
    folder: Folder,
    /// A token that may do everything.
    pub root: String,
    /// The account.
    pub account: Id,
    /// The zone, `example.net`.
    pub zone: Id,
    /// The user.
    pub user: Id,
    /// What the loop does, and what it was given last.
    pub mood: Arc<std::sync::Mutex<Loop>>,
    /// The snapshot in force; none before the loop has begun.
    pub snapshot: Sight,
    /// Who checks and announces prefixes.
    pub outside: Arc<Outside>,
    /// What the loop was told of trials.
    pub heard: Heard,
}

/// A folder that goes with its stand.
struct Folder(PathBuf);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Value,
}

impl Reply {
    /// `result`, of a success.
    #[track_caller]
    pub fn result(&self) -> &Value {
        assert!(self.status.is_success(), "{self:?}");
        for key in ["success", "errors", "messages", "result"] {
            assert!(self.body.get(key).is_some(), "{key} is missing: {self:?}");
        }
        assert_eq!(self.body["success"], true, "{self:?}");
        &self.body["result"]
    }

    /// Status, first code and its pointer, of a failure.
    #[track_caller]
    pub fn failure(&self) -> (u16, u64, Option<&str>) {
        assert!(!self.status.is_success(), "{self:?}");
        assert_eq!((&self.body["success"], &self.body["result"]), (&json!(false), &Value::Null), "{self:?}");
        assert_eq!(self.body["messages"], json!([]), "{self:?}");
        let first = &self.body["errors"][0];
        let code = first["code"].as_u64().unwrap_or_else(|| panic!("an error has a code: {self:?}"));
        assert!(code >= 1_000 && first["message"].is_string(), "{self:?}");
        (self.status.as_u16(), code, first["source"]["pointer"].as_str())
    }
}

static STANDS: AtomicU32 = AtomicU32::new(0);

impl Stand {
    /// With an account, a zone, and an approved prefix bound to Spectrum.
    pub fn new() -> Self {
        Self::new_in(|_| {})
    }

    /// The same in a folder that `prepare` makes ready.
    pub fn new_in(prepare: impl FnOnce(&Path)) -> Self {
        let number = STANDS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("byway-api-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        prepare(&folder);
        let folder = Folder(folder);
        let mut vault = SqliteVault::open(&folder.0.join("store"), [7; 32], "test").expect("a store");
        let id = || new_id().expect("random");
        let (user, account, zone) = (id(), id(), id());
        let mut change = Change::default();
        change.make(User { id: user, email: "ops@example.net".into(), key_hash: None, created_on: MADE });
        change.make(Account { id: account, name: "one".into(), owner: user, created_on: MADE });
        change.make(Zone {
            id: zone,
            name: "example.net".into(),
            account,
            created_on: MADE,
            modified_on: MADE,
        });
        let prefix = prefix(account, NET);
        change.make(binding(&prefix));
        change.make(prefix);
        let (token, root) = token(user, Grant::everything(), &vault);
        change.make(token);
        vault.commit(&entry("test".into(), "set-up".into(), &change, MADE)).expect("kept");
        Self::over(vault, folder, (root, account, zone, user), (None, |_: &mut Terms| {}))
    }

    /// Ends this one and opens another over the same store, as a restart does.
    pub fn restarted(self) -> Self {
        self.restarted_with(|_| {})
    }

    /// The same with another boot config.
    pub fn restarted_with(self, adjust: impl FnOnce(&mut Terms)) -> Self {
        self.opened_anew(None, adjust)
    }

    /// The same with an edge pool of these nets.
    pub fn pooled(self, nets: &[&str]) -> Self {
        let nets = nets.iter().map(|net| net.parse().expect("a net")).collect();
        self.opened_anew(Some(nets), |_| {})
    }

    fn opened_anew(self, pool: Option<Vec<ipnet::IpNet>>, adjust: impl FnOnce(&mut Terms)) -> Self {
        let Self { runtime, router, office, recorder, clerk, folder, root, account, zone, user, .. } = self;
        drop(router);
        drop(runtime);
        assert_eq!(Arc::strong_count(&office), 1, "nobody else holds the office");
        drop(office);
        drop(recorder);
        clerk.join().expect("the keeper of numbers ends");
        let vault = SqliteVault::open(&folder.0.join("store"), [9; 32], "test").expect("the store");
        Self::over(vault, folder, (root, account, zone, user), (pool, adjust))
    }

    fn over(
        mut vault: SqliteVault,
        folder: Folder,
        names: (String, Id, Id, Id),
        (pool, adjust): (Option<Vec<ipnet::IpNet>>, impl FnOnce(&mut Terms)),
    ) -> Self {
        let origin_allow = vec!["192.0.2.0/24".parse().expect("a net")];
        let mut reserved = Reserved { lab: true, origin_allow, ..Reserved::default() };
        reserved.edge_pool = pool;
        let estate = read(&mut vault, &reserved).expect("the store reads");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (desk, inquiries) = Desk::open();
        let mood = Arc::new(std::sync::Mutex::new(Loop::Confirms));
        let workshop = workshop(&folder.0, reserved.clone());
        let snapshot = Arc::default();
        let heard = Heard::default();
        let force = (mood.clone(), Arc::clone(&snapshot), heard.clone());
        runtime.spawn(control_loop(workshop, estate.clone(), inquiries, force));
        let outside = Arc::new(Outside::default());
        let opened = byway::analytics::open(&folder.0.join("analytics"), "test", "FRA").expect("opened");
        let (recorder, analytics, clerk) = opened;
        let clerk = std::thread::spawn(move || clerk.run(|text| eprintln!("{text}")));
        let mut terms = terms(reserved, &outside, analytics);
        adjust(&mut terms);
        let office = Arc::new(Office::open(Box::new(vault), estate, desk, terms));
        let (root, account, zone, user) = names;
        let router = router(office.clone());
        let recorder = RefCell::new(recorder);
        Self {
            runtime,
            router,
            office,
            recorder,
            clerk,
            folder,
            root,
            account,
            zone,
            user,
            mood,
            snapshot,
            outside,
            heard,
        }
    }

    /// Tells analytics what connections did, as the control loop does.
    pub fn record(&self, facts: &[Fact]) {
        let mut recorder = self.recorder.borrow_mut();
        facts.iter().for_each(|fact| recorder.record(fact));
        recorder.send();
    }

    /// The key of hashes of secrets.
    pub fn hash_key(&self) -> &[u8; 32] {
        self.office.hash_key()
    }

    /// What is in force.
    pub fn estate(&self) -> Arc<Estate> {
        self.office.estate()
    }

    /// What its boot config has taken.
    pub fn reserved(&self) -> &Reserved {
        &self.office.terms.reserved
    }

    /// Keeps when tokens were used last, as a running byway does once a minute; how many.
    pub fn keep_uses(&self) -> usize {
        self.runtime.block_on(self.office.keep_uses(false))
    }

    /// Where its store is.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Puts entities in beside the API, as an import would.
    pub fn put(&self, entities: Vec<Entity>) {
        let mut change = Change::default();
        entities.into_iter().for_each(|entity| change.make(entity));
        let plan = move |_: &Estate, _| Ok(byway::api::Plan { change, ..Default::default() });
        let errand = byway::api::Errand { who: "test".into(), what: "put".into(), ..Default::default() };
        self.runtime.block_on(self.office.change(errand, plan)).expect("put");
    }

    /// Lets the office look after its trial, as its thread does, at a time of one's choice.
    pub fn tend(&self, now_unix_s: u64) {
        self.runtime.block_on(self.office.tend_trial(now_unix_s));
    }

    /// Begins a change that does `work` while it is planned, and makes nothing.
    pub fn begin(&self, work: impl FnOnce() + Send + 'static) -> tokio::task::JoinHandle<bool> {
        let plan = move |_: &Estate, _| {
            work();
            Ok(byway::api::Plan::default())
        };
        let errand = byway::api::Errand { who: "test".into(), what: "begin".into(), ..Default::default() };
        let office = self.office.clone();
        self.runtime.spawn(async move { office.change(errand, plan).await.is_ok() })
    }

    /// Begins a call with a token; `go_on` lets it get as far as it can.
    pub fn begin_call(&self, token: &str, method: Method, path: &str) -> tokio::task::JoinHandle<u16> {
        let request = Request::builder().method(method).uri(format!("/client/v4{path}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.extension(Peer::Net(([192, 0, 2, 1], 40_000).into()));
        let request = request.body(Body::empty()).expect("a request");
        let answering = self.router.clone().oneshot(request);
        self.runtime.spawn(async move { answering.await.expect("infallible").status().as_u16() })
    }

    /// The status of a call that was begun.
    pub fn end_call(&self, call: tokio::task::JoinHandle<u16>) -> u16 {
        self.runtime.block_on(call).expect("no panic")
    }

    /// Lets what was begun go on for a moment.
    pub fn go_on(&self) {
        self.runtime.block_on(async {
            for _ in 0..64 {
                tokio::task::yield_now().await;
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(2));
    }

    /// Whether a change that was begun came to a good end.
    pub fn end(&self, change: tokio::task::JoinHandle<bool>) -> bool {
        self.runtime.block_on(change).expect("no panic")
    }

    /// A token of the user with these grants.
    pub fn token(&self, grants: Vec<Grant>) -> String {
        let id = new_id().expect("random");
        let text = TokenText { id, secret: Secret::draw().expect("random") };
        let hash = text.secret.hash(self.office.hash_key());
        self.put(vec![
            Token {
                id,
                name: "t".into(),
                user: self.user,
                hash,
                grants,
                policies: Vec::new(),
                enabled: true,
                issued_on: MADE,
                modified_on: MADE,
                expires_on: None,
            }
            .into(),
        ]);
        text.text()
    }

    /// A request by a TCP client.
    pub fn send(&self, request: Request<Body>) -> Reply {
        self.send_from(Peer::Net(([192, 0, 2, 1], 40_000).into()), request)
    }

    /// A request by anybody.
    #[track_caller]
    pub fn send_from(&self, peer: Peer, request: Request<Body>) -> Reply {
        let (status, headers, bytes) = self.raw(peer, request);
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("JSON: {bytes:?}"));
        Reply { status, headers, body }
    }

    /// Status, headers and bytes of an answer, held against the API's own document.
    #[track_caller]
    pub fn raw(&self, peer: Peer, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (mut head, body) = request.into_parts();
        let (method, uri) = (head.method.clone(), head.uri.clone());
        head.extensions.insert(peer);
        let (asked, parts, bytes) = self.runtime.block_on(async {
            let asked = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let request = Request::from_parts(head, Body::from(asked.clone()));
            let response = self.router.clone().oneshot(request).await.expect("infallible");
            let (parts, body) = response.into_parts();
            (asked, parts, axum::body::to_bytes(body, usize::MAX).await.expect("a body"))
        });
        BOOK.hold((&method, &uri, &asked), (parts.status.as_u16(), &parts.headers, &bytes));
        (parts.status, parts.headers, bytes.to_vec())
    }

    /// The head of an answer to the root token, and its body, which goes on when it is read on this runtime.
    pub fn begun(&self, path: &str) -> (&Runtime, HeaderMap, Body) {
        let request = Request::builder().uri(format!("/client/v4{path}"));
        let request = request.header("authorization", format!("Bearer {}", self.root));
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(Peer::Net(([192, 0, 2, 1], 40_000).into()));
        let response = self.runtime.block_on(self.router.clone().oneshot(request)).expect("infallible");
        assert!(response.status().is_success(), "{path}: {response:?}");
        let (head, body) = response.into_parts();
        (&self.runtime, head.headers, body)
    }

    /// A call with the root token.
    pub fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        self.call_by(&self.root, method, path, body)
    }

    /// A call with a token.
    pub fn call_by(&self, token: &str, method: Method, path: &str, body: Value) -> Reply {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("/client/v4{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        self.send(request.body(Body::from(text)).expect("a request"))
    }

    /// A form with the root token; its parts are parted by `--x`.
    pub fn send_form(&self, path: &str, form: String) -> Reply {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/client/v4{path}"))
            .header("authorization", format!("Bearer {}", self.root))
            .header("content-type", FORM);
        self.send(request.body(Body::from(form)).expect("a request"))
    }

    /// `GET` with the root token.
    pub fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, Value::Null)
    }

    /// `POST` with the root token.
    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, body)
    }

    /// The path of the zone's apps.
    pub fn apps(&self) -> String {
        format!("/zones/{}/spectrum/apps", self.zone)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a boot config says that is narrow enough for tests.
pub fn terms(reserved: Reserved, outside: &Arc<Outside>, analytics: byway::analytics::Reader) -> Terms {
    Terms {
        reserved,
        requests_per_5min: 1_200,
        apps_per_account: 100,
        origins_per_account: 110,
        names_per_account: 120,
        rules_per_account: 60_000,
        prefixes_per_account: 6,
        loa_bytes_per_account: 100,
        checker: outside.clone(),
        announcer: outside.clone(),
        analytics,
    }
}

/// An approved prefix.
pub fn prefix(account: Id, net: &str) -> Prefix {
    let net = Net::new(net.parse().expect("a net"), true).expect("a prefix");
    Prefix {
        id: new_id().expect("random"),
        account,
        net,
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

/// The whole prefix is Spectrum's.
pub fn binding(prefix: &Prefix) -> Binding {
    let id = new_id().expect("random");
    Binding { id, prefix: prefix.id, cidr: prefix.net.net(), service: Service::Spectrum, created_at: MADE }
}

fn token(user: Id, grants: Vec<Grant>, vault: &SqliteVault) -> (Token, String) {
    let text = TokenText { id: new_id().expect("random"), secret: Secret::draw().expect("random") };
    let token = Token {
        id: text.id,
        name: "root".into(),
        user,
        hash: text.secret.hash(&vault.hash_key()),
        grants,
        policies: Vec::new(),
        enabled: true,
        issued_on: MADE,
        modified_on: MADE,
        expires_on: None,
    };
    (token, text.text())
}

fn workshop(folder: &Path, reserved: Reserved) -> Workshop {
    Workshop::new(&folder.join("store"), Store::new(folder), reserved, 1_000, [1, 2])
}

async fn control_loop(
    mut workshop: Workshop,
    estate: Estate,
    mut inquiries: tokio::sync::mpsc::Receiver<Inquiry>,
    (mood, snapshot, heard): (Arc<std::sync::Mutex<Loop>>, Sight, Heard),
) {
    let first = workshop.install(Arc::new(move || lower(&estate)), Box::new(|| Ok(())));
    let loaded = first.expect("what the store holds compiles");
    workshop.compiler.commit(&loaded.compiled);
    let mut force = Force { workshop, loaded };
    *snapshot.lock().expect("no panic") = Some(force.loaded.compiled.snapshot.clone());
    while let Some(inquiry) = inquiries.recv().await {
        match inquiry {
            Inquiry::Install(mut install) => {
                let (nobody, _) = tokio::sync::oneshot::channel();
                let reply = std::mem::replace(&mut install.reply, nobody);
                let is = std::mem::replace(&mut *mood.lock().expect("no panic"), Loop::Confirms);
                if is == Loop::Refuses {
                    let text = "the bench refuses it".into();
                    let problem = Problem { place: String::new(), line: None, text, code: None };
                    let _ = reply.send(Installed::Refused(vec![problem]));
                    continue;
                }
                let installed = force.install(install);
                *snapshot.lock().expect("no panic") = Some(force.loaded.compiled.snapshot.clone());
                let late = is == Loop::IsLate;
                // What is only tried reaches no worker.
                let published = matches!(installed, Installed::InForce { .. });
                let _ = reply.send(if late && published { Installed::NotConfirmed } else { installed });
            }
            Inquiry::Ready(reply) => drop(reply.send(byway::control::desk::Readiness::Ready)),
            Inquiry::Trial(news) => heard.lock().expect("no panic").push(news),
            Inquiry::Ask(..) | Inquiry::Metrics(..) | Inquiry::ListenerTls(_) => {
                panic!("the API asks for neither")
            }
        }
    }
}

/// Who checks prefixes and announces them, on the bench.
#[derive(Debug, Default)]
pub struct Outside {
    /// What the next checks come to.
    pub checks: std::sync::Mutex<Checks>,
    /// What was handed over for announcing, one list after another.
    pub announced: std::sync::Mutex<Vec<Vec<Route>>>,
}

impl Checker for Outside {
    fn check(&self, _: Claim) -> std::pin::Pin<Box<dyn Future<Output = Checks> + Send + '_>> {
        let checks = self.checks.lock().expect("no panic").clone();
        Box::pin(std::future::ready(checks))
    }
}

impl Announcer for Outside {
    fn announce(&self, routes: &[Route]) {
        self.announced.lock().expect("no panic").push(routes.to_vec());
    }
}

impl Stand {
    /// The next checks of prefixes come to these: routing registry, RPKI, ownership.
    pub fn checks(&self, states: [CheckState; 3]) {
        let [irr, rpki, ownership] = states.map(|state| Check::new(state, "the bench says so"));
        *self.outside.checks.lock().expect("no panic") = Checks { irr, rpki, ownership };
    }

    /// A call over the admin socket.
    pub fn admin(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = Request::builder().method(method).uri(format!("/client/v4{path}"));
        let request = request.header("content-type", "application/json");
        self.send_from(Peer::Local { uid: 0 }, request.body(Body::from(body.to_string())).expect("a request"))
    }

    /// The path of what the account has below `addressing`.
    pub fn addressing(&self, path: &str) -> String {
        format!("/accounts/{}/addressing/{path}", self.account)
    }
}

impl Stand {
    /// A file, by the root token.
    pub fn file(&self, path: &str) -> (HeaderMap, Vec<u8>) {
        let request = Request::builder().uri(format!("/client/v4{path}"));
        let request = request.header("authorization", format!("Bearer {}", self.root));
        let request = request.body(Body::empty()).expect("a request");
        let (status, headers, bytes) = self.raw(Peer::Net(([192, 0, 2, 1], 40_000).into()), request);
        assert!(status.is_success(), "{status:?}");
        (headers, bytes)
    }
}
