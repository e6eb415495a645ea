//! kill -9 in the middle of random sequences: a whole byway (control loop, worker, listeners, store) in a process of its own,
//! over a port in memory, asked over TCP. After each start everything that was acknowledged is there, in the store, in the
//! answers and in force, and of the call that was under way all or nothing.

use crate::sequences::model::{Account, Binding, Model, Prefix, Zone};
use crate::sequences::verbs::{FORM, Ground, Request, Verb, draw, request};
use crate::sequences::view::{View, by_answers, by_export};
use crate::stand::{MADE, binding, prefix};
use axum::http::Method;
use byway::api::{Secret, TokenText, entry, new_id, read};
use byway::base::Rng;
use byway::cli::crew::{Ports, serve};
use byway::cli::run::{prepare, reserved};
use byway::control::config::boot::{self, BootSpec};
use byway::control::ports::{PortNews, PortState, PortsView};
use byway::estate::{Change, Grant, Token, User};
use byway::port::mem::{MemOptions, link};
use byway::port::{Port, PortInfo};
use byway::vault::{SqliteVault, Vault};
use byway::worker::Registrar;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a byway is killed.
const KILLS: u64 = 200;
/// Calls before the one that may be the last, at most.
const CALLS_MAX: u64 = 8;
/// The longest time from the call that begins the end to the end, in microseconds: a call takes a few milliseconds.
const LINGER_US_MAX: u64 = 12_000;
/// In the child's environment: where it lives.
const FOLDER: &str = "BYWAY_KILLED_FOLDER";

#[test]
fn kill_9_in_the_middle_of_sequences_loses_nothing_acknowledged_and_leaves_no_half_of_a_call() {
    let house = House::build("sequences");
    let mut rng = Rng::new(0x00d1_e900);
    let (mut model, mut done, mut whole, mut nothing) = (house.model.clone(), 0_u32, 0_u32, 0_u32);
    for kill in 0..KILLS {
        // Printed where the test fails.
        println!("kill {kill}");
        let mut process = house.start();
        assert_eq!(
            house.answers().expect("it answers"),
            model.shown(),
            "kill {kill}: answers after the start"
        );
        assert_eq!(house.in_force(), ids(&model), "kill {kill}: in force after the start");
        for _ in 0..rng.below(CALLS_MAX) {
            let (verb, reply) = house.call(&mut rng, &model);
            take(&verb, &reply.expect("it lives"), &mut model);
            if model.has_nameless() {
                model = model.recognised(&house.answers().expect("it lives"));
            }
        }
        let linger = Duration::from_micros(rng.below(LINGER_US_MAX));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(linger);
            process.end();
        });
        let last = loop {
            match house.call(&mut rng, &model) {
                (verb, Some(reply)) => take(&verb, &reply, &mut model),
                (verb, None) => break Some(verb),
            }
            done += 1;
            if model.has_nameless() {
                match house.answers() {
                    Some(view) => model = model.recognised(&view),
                    None => break None,
                }
            }
        };
        killer.join().expect("killed");
        let found = house.stored();
        model = model.recognised(&found);
        if found == model.view() {
            nothing += 1;
            continue;
        }
        let last = last.unwrap_or_else(|| panic!("kill {kill}: what was answered is not kept"));
        let known = model.view();
        let next = last.after(&model).unwrap_or_else(|_| {
            let odd: Vec<_> = found.iter().filter(|(key, row)| known.get(*key) != Some(row)).collect();
            let gone: Vec<_> = known.iter().filter(|(key, _)| !found.contains_key(*key)).collect();
            panic!("kill {kill}: {last:?} changed something: {odd:?} for {gone:?}")
        });
        let new = found.keys().find(|key| !known.contains_key(*key)).and_then(|key| key.split_once(' '));
        model = next.recognised(&found).named(new.map_or("none", |(_, id)| id));
        assert_eq!(found, model.view(), "kill {kill}: half of {last:?}");
        whole += 1;
    }
    println!("{done} calls near the end were answered; of those under way {whole} were kept, {nothing} not");
    // A kill that never meets a call would prove little.
    assert!(whole >= 3 && nothing >= 20, "{whole} and {nothing}");
}

/// Takes an answered call into the model.
fn take(verb: &Verb, (status, answer): &(u16, Value), model: &mut Model) {
    match verb.after(model) {
        Ok(next) => {
            assert!((200..300).contains(status), "{verb:?}: {status} {answer}");
            // An import tells no ids.
            *model = match answer["result"]["id"].as_str() {
                Some(id) => next.named(id),
                None => next,
            };
        }
        Err(_) => assert!((400..500).contains(status), "{verb:?}: {status} {answer}"),
    }
}

fn ids(model: &Model) -> BTreeSet<String> {
    model.apps.iter().map(|app| app.id.clone()).collect()
}

/// Where a byway lives, and what it begins with.
pub struct House {
    /// Its folder.
    pub folder: PathBuf,
    address: SocketAddr,
    token: String,
    ground: Ground,
    /// What it begins with.
    pub model: Model,
}

/// A byway that ends with its value.
pub struct Process(Child);

impl Process {
    /// Kills it.
    pub fn end(&mut self) {
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("its end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl House {
    /// In a folder of its own, by `name`.
    pub fn build(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("byway-killed-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("state")).expect("a folder");
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let text = format!(
            "state_dir = \"state\"\nsocket = \"s\"\nevents = \"\"\nlab = true\norigin_allow = [\"192.0.2.0/24\"]\nuser = \"\"\n\
             metrics = \"\"\n[tcp]\nsessions = 64\nhalf_open = 16\nspliced_sessions = 16\nparked_sessions = 16\n\
             [udp]\nsessions = 16\n[[ports]]\nname = \"mem\"\ndevice = \"net_null\"\naddresses = [\"198.18.0.1/24\"]\n\
             [[routes]]\nto = \"0.0.0.0/0\"\nvia = \"198.18.0.2\"\n[egress]\nipv4 = [\"198.18.0.10\"]\n\
             [[neighbors.static]]\naddress = \"198.18.0.2\"\nmac = \"02:00:00:00:00:02\"\n\
             [api]\nstore = \"store\"\nlisten = \"{address}\"\nsocket = \"api.sock\"\nrequests_per_5min = 1000000\n\
             prefixes_per_account = 6\n"
        );
        std::fs::write(folder.join("edge.toml"), text).expect("written");
        let id = || new_id().expect("random");
        let (user, account, zone) = (id(), id(), id());
        let mut vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("a store");
        let text = TokenText { id: id(), secret: Secret::draw().expect("random") };
        let root = Token {
            id: text.id,
            name: "root".into(),
            user,
            hash: text.secret.hash(&vault.hash_key()),
            grants: Grant::everything(),
            policies: Vec::new(),
            enabled: true,
            issued_on: MADE,
            modified_on: MADE,
            expires_on: None,
        };
        let net = prefix(account, "203.0.113.0/24");
        let bound = binding(&net);
        let mut change = Change::default();
        let mut model = Model { letter_bytes_max: 100 << 20, ..Model::default() };
        let word = |id: byway::estate::Id| id.to_string();
        model.accounts.push(Account { id: word(account), name: "one".into() });
        model.zones.push(Zone { id: word(zone), name: "example.net".into(), account: word(account) });
        model.tokens.push(crate::sequences::model::Token { id: word(root.id), name: "root".into() });
        let (own, holder) = (word(net.id), word(account));
        model.prefixes.push(Prefix { id: own, account: holder, net: 0, approved: true, letter: None });
        let whole = Binding { id: word(bound.id), prefix: word(net.id), range: (0, 24), service: "Spectrum" };
        model.bindings.push(whole);
        change.make(User { id: user, email: "ops@example.net".into(), key_hash: None, created_on: MADE });
        change.make(byway::estate::Account {
            id: account,
            name: "one".into(),
            owner: user,
            created_on: MADE,
        });
        let name = "example.net".into();
        change.make(byway::estate::Zone { id: zone, name, account, created_on: MADE, modified_on: MADE });
        change.make(net);
        change.make(bound);
        change.make(root);
        vault.commit(&entry("test".into(), "set-up".into(), &change, MADE)).expect("kept");
        drop(vault);
        let ground = Ground { user: user.to_string(), group: String::new() };
        let mut house = Self { folder, address, token: text.text(), ground, model };
        let process = house.start();
        let groups = house.ask(&get("/user/tokens/permission_groups")).expect("it answers").1;
        let list = groups["result"].as_array().expect("a list");
        let group = list.iter().find(|group| group["name"] == "Zone Settings Read").expect("one");
        house.ground.group = group["id"].as_str().expect("an id").to_owned();
        drop(process);
        house
    }

    /// Starts a byway and waits until it serves.
    pub fn start(&self) -> Process {
        let log = std::fs::File::create(self.folder.join("log")).expect("a log");
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "killed::a_whole_byway", "--nocapture"]).env(FOLDER, &self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut process = Process(command.spawn().expect("it starts"));
        let until = Instant::now() + Duration::from_secs(30);
        while self.control(r#"{"ask":"status"}"#)["phase"] != "serving" {
            let ended = process.0.try_wait().expect("asked");
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < until, "it does not serve ({ended:?}): {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    }

    /// The reply of the control socket to one line.
    pub fn control(&self, line: &str) -> Value {
        let Ok(mut stream) = UnixStream::connect(self.folder.join("s")) else { return Value::Null };
        let mut reply = String::new();
        let sent = stream.write_all(format!("{line}\n").as_bytes());
        let read = sent.and_then(|()| BufReader::new(stream).read_line(&mut reply));
        read.map_or(Value::Null, |_| serde_json::from_str(&reply).unwrap_or(Value::Null))
    }

    /// Ids of the apps that workers carry.
    pub fn in_force(&self) -> BTreeSet<String> {
        let apps = self.control(r#"{"ask":"apps"}"#)["apps"].take();
        let apps = apps.as_array().expect("a list").iter().filter(|app| app["state"] == "in_force");
        apps.map(|app| app["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// A random call, and its answer if there was one.
    fn call(&self, rng: &mut Rng, model: &Model) -> (Verb, Option<(u16, Value)>) {
        let verb = draw(rng, model, &self.ground);
        let reply = self.ask(&request(&verb, model, &self.ground));
        (verb, reply)
    }

    /// One request over HTTP/1.1; `None`: the answer did not come whole.
    pub fn ask(&self, request: &Request) -> Option<(u16, Value)> {
        let (body, content) = (request.text(), if request.is_form { FORM } else { "application/json" });
        let text = format!(
            "{} /client/v4{} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\ncontent-type: {content}\r\ncontent-length: {}\r\n\r\n{body}",
            request.method,
            request.path,
            self.token,
            body.len()
        );
        let mut reply = Vec::new();
        match request.by_admin {
            true => {
                let mut stream = UnixStream::connect(self.folder.join("api.sock")).ok()?;
                stream.write_all(text.as_bytes()).ok()?;
                stream.read_to_end(&mut reply).ok()?;
            }
            false => {
                let mut stream = TcpStream::connect(self.address).ok()?;
                stream.write_all(text.as_bytes()).ok()?;
                stream.read_to_end(&mut reply).ok()?;
            }
        }
        let reply = String::from_utf8(reply).ok()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    fn answers(&self) -> Option<View> {
        let ask = |_: Method, path: &str| self.ask(&get(path)).map(|(_, answer)| answer);
        by_answers(&ask, &self.ground)
    }

    /// What a copy of the store's files holds: the store itself is left to the next start.
    pub fn stored(&self) -> View {
        let mut vault = self.copy();
        let taken = reserved(&spec(&self.folder));
        by_export(&byway::estate::export(&read(&mut vault, &taken).expect("the store reads")))
    }

    /// A copy of the store.
    pub fn copy(&self) -> SqliteVault {
        let copy = self.folder.join("copy");
        for suffix in ["", "-wal"] {
            let part = |name: &str| self.folder.join(format!("{name}{suffix}"));
            let _ = std::fs::remove_file(part("copy"));
            if part("store").exists() {
                std::fs::copy(part("store"), part("copy")).expect("copied");
            }
        }
        SqliteVault::open(&copy, [1; 32], "test").expect("the store opens")
    }
}

fn get(path: &str) -> Request {
    Request::by(Method::GET, path.into(), Value::Null)
}

fn spec(folder: &Path) -> BootSpec {
    let text = std::fs::read_to_string(folder.join("edge.toml")).expect("there");
    boot::parse(&text, folder).expect("a right config")
}

/// A port that is always well.
struct Well(Vec<PortInfo>);

impl PortsView for Well {
    fn infos(&self) -> &[PortInfo] {
        &self.0
    }

    fn tend(&mut self) -> Vec<(byway::base::PortId, PortNews)> {
        Vec::new()
    }

    fn state(&self, _port: byway::base::PortId) -> PortState {
        PortState { link_up: true, ..PortState::default() }
    }
}

/// The process that is killed; alone it does nothing.
#[test]
fn a_whole_byway() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let prepared = prepare(spec(Path::new(&folder))).expect("prepared");
    let (_wire, ports) = link(MemOptions { frames: 256, ..MemOptions::default() });
    let view = Box::new(Well(vec![ports[0].info().clone()]));
    let workers = vec![ports.into_iter().collect()];
    serve(prepared, Ports { workers, view, registrar: Registrar::none() }).expect("it ran");
}
