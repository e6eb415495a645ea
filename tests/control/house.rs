//! A byway over a port in memory, in a folder of its own, and the ways to ask it.

use byway::base::PortId;
use byway::cli::crew::{Ports, serve};
use byway::cli::run::prepare;
use byway::control::Outcome;
use byway::control::config::boot;
use byway::control::ports::{PortNews, PortState, PortsView};
use byway::port::mem::{MemFrame, MemOptions, MemPort, MemWire, link};
use byway::port::{FrameBatch, Port, PortInfo, TxBatch};
use byway::worker::Registrar;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Scenes play alone.
static STAGE: Mutex<()> = Mutex::new(());

/// What the port does at the next reception.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mood {
    /// Its work.
    Well,
    /// It does not return for three seconds.
    Stuck,
    /// It panics.
    Mad,
}

/// The hands on a running port.
#[derive(Clone, Default)]
pub struct Hands {
    mood: Arc<AtomicU8>,
    link_down: Arc<AtomicU8>,
}

/// A port in memory with a mood.
struct MoodyPort {
    port: MemPort,
    hands: Hands,
}

impl Port for MoodyPort {
    type Frame = MemFrame;

    fn info(&self) -> &PortInfo {
        self.port.info()
    }

    fn receive(&mut self, batch: &mut FrameBatch<MemFrame>) {
        match self.hands.mood.swap(Mood::Well as u8, Ordering::Relaxed) {
            1 => std::thread::sleep(Duration::from_secs(3)),
            2 => panic!("the port is mad"),
            _ => self.port.receive(batch),
        }
    }

    fn transmit(&mut self, batch: &mut TxBatch<MemFrame>) {
        self.port.transmit(batch);
    }

    fn allocate(&mut self) -> Option<MemFrame> {
        self.port.allocate()
    }
}

struct View {
    infos: Vec<PortInfo>,
    hands: Hands,
    up: bool,
}

impl PortsView for View {
    fn infos(&self) -> &[PortInfo] {
        &self.infos
    }

    fn tend(&mut self) -> Vec<(PortId, PortNews)> {
        let up = self.hands.link_down.load(Ordering::Relaxed) == 0;
        let news = if up { PortNews::LinkUp } else { PortNews::LinkDown };
        let moved = std::mem::replace(&mut self.up, up) != up;
        moved.then_some((PortId(0), news)).into_iter().collect()
    }

    fn state(&self, _port: PortId) -> PortState {
        PortState { link_up: self.up, ..PortState::default() }
    }
}

/// The process under test.
pub struct House {
    _alone: MutexGuard<'static, ()>,
    folder: PathBuf,
    metrics: SocketAddr,
    /// The network's end of its port.
    pub wire: MemWire,
    hands: Hands,
    run: JoinHandle<Result<Outcome, String>>,
}

/// A table with one app.
pub const TABLE: &str = r#"{"prefixes":[{"cidr":"198.51.100.0/24"}],"apps":[
    {"id":"web","protocol":"tcp/80","dns":{"type":"ADDRESS","name":"www.example.com"},"ip_firewall":true,
     "origin_direct":["tcp://192.0.2.1:80"],"edge_ips":{"type":"static","ips":["198.51.100.10"]}}],
    "access_rules":[{"id":"bad","mode":"block","configuration":{"target":"ip","value":"203.0.113.66"}}]}"#;

impl House {
    /// Opens the house with `table` as its table file and `stored` as its last good one.
    pub fn open(name: &str, table: &str, stored: Option<&str>) -> Self {
        Self::open_with(name, table, stored, "")
    }

    /// The same with more of a boot config.
    pub fn open_with(name: &str, table: &str, stored: Option<&str>, more: &str) -> Self {
        Self::open_among(name, table, stored, more, &[])
    }

    /// The same with files in its folder.
    pub fn open_among(
        name: &str,
        table: &str,
        stored: Option<&str>,
        more: &str,
        files: &[(&str, &[u8])],
    ) -> Self {
        let alone = STAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let folder = std::env::temp_dir().join(format!("byway-house-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("state")).expect("a folder");
        fs::write(folder.join("t.json"), table).expect("written");
        for (file, bytes) in files {
            put(&folder.join(file), bytes);
        }
        if let Some(stored) = stored {
            fs::write(folder.join("state/last_good.json"), stored).expect("written");
        }
        let text = "tables = \"t.json\"\nstate_dir = \"state\"\nsocket = \"s\"\nevents = \"e.jsonl\"\nlab = true\norigin_allow = [\"192.0.2.0/24\"]\nuser = \"\"\n\
             metrics = \"127.0.0.1:0\"\ndrain_s = 1\n[tcp]\nsessions = 64\nhalf_open = 16\n\
             [[ports]]\nname = \"mem\"\ndevice = \"net_null\"\naddresses = [\"198.18.0.1/24\"]\n\
             [[routes]]\nto = \"0.0.0.0/0\"\nvia = \"198.18.0.2\"\n[egress]\nipv4 = [\"198.18.0.10\"]\n\
             [[neighbors.static]]\naddress = \"198.18.0.2\"\nmac = \"02:00:00:00:00:02\"\n";
        let spec = boot::parse(&format!("{text}{more}"), &folder).expect("a right config");
        let prepared = prepare(spec).expect("prepared");
        let listener = prepared.listeners.metrics.as_ref().expect("bound");
        let metrics = listener.address().expect("an address");
        let (wire, ports) = link(MemOptions::default());
        let hands = Hands::default();
        let view = View { infos: vec![ports[0].info().clone()], hands: hands.clone(), up: true };
        let moody = |port| MoodyPort { port, hands: hands.clone() };
        let workers = vec![ports.into_iter().map(moody).collect()];
        let ports = Ports { workers, view: Box::new(view), registrar: Registrar::none() };
        let run = std::thread::spawn(move || serve(prepared, ports));
        let house = Self { _alone: alone, folder, metrics, wire, hands, run };
        house.wait("it serves", |house| house.ask(r#"{"ask":"status"}"#)["phase"] == "serving");
        house
    }

    /// The reply to one request line; null when nobody answers.
    pub fn ask(&self, line: &str) -> Value {
        let Ok(mut stream) = UnixStream::connect(self.folder.join("s")) else { return Value::Null };
        let mut reply = String::new();
        let sent = stream.write_all(format!("{line}\n").as_bytes());
        let read = sent.and_then(|()| BufReader::new(stream).read_line(&mut reply));
        read.map_or(Value::Null, |_| serde_json::from_str(&reply).unwrap_or(Value::Null))
    }

    /// Status line and body of an HTTP GET.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("answered");
        reply
    }

    /// Replaces the table file by rename, as editors do.
    pub fn put_table(&self, text: &str) {
        let beside = self.folder.join("t.new");
        fs::write(&beside, text).expect("written");
        fs::rename(&beside, self.folder.join("t.json")).expect("renamed");
    }

    /// Writes a file of the house's folder anew.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        put(&self.folder.join(name), bytes);
    }

    /// The text of a file in the house's folder.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Where a file of the house's folder is, by no detour.
    pub fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.folder.join(name)).expect("there")
    }

    /// Takes a file of the house's folder away.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).expect("it was there");
    }

    /// Sets the port's mood.
    pub fn mood(&self, mood: Mood) {
        self.hands.mood.store(mood as u8, Ordering::Relaxed);
    }

    /// Pulls the cable, or puts it back.
    pub fn link(&self, up: bool) {
        self.hands.link_down.store(u8::from(!up), Ordering::Relaxed);
    }

    /// Waits until something holds, ten seconds at most.
    pub fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !holds(self) {
            assert!(Instant::now() < until, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What byway sends, frame by frame until `enough` says so, five seconds at most.
    pub fn hear(&mut self, mut enough: impl FnMut(&[u8]) -> bool) {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            match self.wire.receive() {
                Some(frame) if enough(&frame) => return,
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// How it ended; the folder stays for the next house of this name.
    pub fn leave(self) -> Outcome {
        self.run.join().expect("no panic").expect("it started")
    }

    /// Whether the process has ended.
    pub fn is_over(&self) -> bool {
        self.run.is_finished()
    }

    /// How it ended; the folder goes away.
    pub fn close(self) -> Outcome {
        let outcome = self.run.join().expect("no panic").expect("it started");
        let _ = fs::remove_dir_all(&self.folder);
        outcome
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, bytes).expect("written");
}
