//! One process of the bench: a byway over a store of one size, its changes timed, its worker counted.

use super::super::world::{Counting, World};
use super::client::Client;
use super::stage::{self, FLOWS, Stage, edge};
use crate::base::{Clock, OsClock, Span};
use crate::estate::Id;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

/// Apps that are made, changed and deleted to time that.
const TIMED: u32 = 400;
/// The longest that is told apart.
const TOOK_US_MAX: u64 = 60_000_000;
/// Windows with changes, and as many without.
const WINDOWS: usize = 7;
/// Changes of a window, and how many of them in a second.
const CHANGES: u32 = 300;
const CHANGES_PER_S: u64 = 100;
/// Payload of a segment.
const PAYLOAD: u16 = 64;
/// Bytes of its frame: Ethernet, IPv4, TCP.
const FRAME_BYTES: u16 = PAYLOAD + 14 + 20 + 20;
/// Numbers of apps that no store has: their addresses lie at the prefix's end.
const FREE: u32 = 110_000;

/// What is measured in one process.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ControlProbe {
    /// Apps in the store.
    #[arg(long)]
    pub apps: u32,
}

/// How long one kind of change takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// The median, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

/// What the process tells its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// By verb.
    pub latencies: Vec<(String, Latency)>,
    /// From opening the store to the first table.
    pub start_ms: f64,
    /// Changes a second of each window.
    pub changes_per_s: Vec<f64>,
    /// Millions of frames a second of the worker's time, with changes and without.
    pub rates: Vec<(f64, f64)>,
    /// Sessions that take part.
    pub flows: usize,
    /// Bytes of a segment's frame.
    pub frame_bytes: u16,
}

/// The child's side.
pub fn run_control_probe(probe: &ControlProbe) -> ExitCode {
    let folder = std::env::temp_dir().join(format!("byway-bench-control-{}", std::process::id()));
    let measured = std::fs::create_dir_all(folder.join("state"))
        .map_err(|error| format!("{}: {error}", folder.display()))
        .and_then(|()| measure(&folder, probe.apps));
    let _ = std::fs::remove_dir_all(&folder);
    match measured.map(|measured| serde_json::to_string(&measured)) {
        Ok(Ok(line)) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(folder: &Path, apps: u32) -> Result<Measured, String> {
    let Stage { mut world, api, token, zone, start_ms } = stage::open(folder, apps)?;
    world.settle();
    let (orders, to_do) = channel();
    let (done, came) = channel();
    let thread = std::thread::Builder::new().name("byway-client".into());
    thread
        .spawn(move || work(&mut wait_for(api, &token), zone, &to_do, &done))
        .map_err(|error| error.to_string())?;
    let told = |order, world: &mut World, pause| -> Result<Came, String> {
        Sender::send(&orders, order).map_err(|_| "the client ended")?;
        turn_until(world, &came, pause)
    };
    // A worker that has little to do naps between its turns.
    let nap = Duration::from_micros(100);
    let latencies = match told(Order::Time, &mut world, Some(nap))? {
        Came::Timed(latencies) => latencies,
        Came::Changed(_) => return Err("the client did something else".into()),
    };
    let (mut changes_per_s, mut rates) = (Vec::new(), Vec::new());
    for window in 0..WINDOWS {
        world.counting = Counting::Time;
        let mut runs = [0.0; 2];
        // In turn, each first as often as the other.
        for changes in [window % 2 == 0, window % 2 != 0] {
            world.turned = Span::ZERO;
            let before = world.relayed();
            let order = if changes { Order::Change } else { Order::Rest };
            if let Came::Changed(rate) = told(order, &mut world, None)? {
                changes_per_s.extend(changes.then_some(rate));
            }
            let frames = world.relayed() - before;
            runs[usize::from(!changes)] = frames as f64 / world.turned.nanos().max(1) as f64 * 1e3;
        }
        rates.push((runs[0], runs[1]));
    }
    let (flows, frame_bytes) = (FLOWS, FRAME_BYTES);
    Ok(Measured { latencies, start_ms, changes_per_s, rates, flows, frame_bytes })
}

/// What the client is to do.
enum Order {
    /// Time each kind of change.
    Time,
    /// Make a window's changes.
    Change,
    /// Let as much time pass.
    Rest,
}

/// What came of it.
enum Came {
    Timed(Vec<(String, Latency)>),
    /// Changes a second.
    Changed(f64),
}

/// Turns the worker, with traffic, until the client is done.
fn turn_until(world: &mut World, came: &Receiver<Came>, pause: Option<Duration>) -> Result<Came, String> {
    let all: Vec<usize> = (0..FLOWS).collect();
    let active = if pause.is_some() { &all[..32] } else { &all[..] };
    loop {
        world.relay(active, PAYLOAD, Span::from_millis(1));
        match came.try_recv() {
            Ok(came) => return Ok(came),
            Err(TryRecvError::Empty) => pause.into_iter().for_each(std::thread::sleep),
            Err(TryRecvError::Disconnected) => return Err("the client ended".into()),
        }
    }
}

/// The API listens once the control loop has begun.
fn wait_for(api: SocketAddr, token: &str) -> Client {
    for _ in 0..1_000 {
        match Client::connect(api, token) {
            Ok(client) => return client,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("the API does not listen on {api}");
}

/// The client's thread.
fn work(client: &mut Client, zone: Id, to_do: &Receiver<Order>, done: &Sender<Came>) {
    let path = format!("/zones/{zone}/spectrum/apps");
    let clock = OsClock::new();
    while let Ok(order) = to_do.recv() {
        let came = match order {
            Order::Time => Came::Timed(time(client, &path, clock)),
            Order::Change => Came::Changed(change(client, &path, clock)),
            Order::Rest => {
                std::thread::sleep(Duration::from_millis(u64::from(CHANGES) * 1_000 / CHANGES_PER_S));
                Came::Changed(0.0)
            }
        };
        if done.send(came).is_err() {
            return;
        }
    }
}

/// Each kind of change, one request after another.
fn time(client: &mut Client, path: &str, clock: OsClock) -> Vec<(String, Latency)> {
    let mut ids = Vec::new();
    let create = timed(clock, |number| ids.push(id(&client.call("POST", path, &body(number, 80)))));
    let at = |number: u32| format!("{path}/{}", ids[number as usize]);
    let update = timed(clock, |number| drop(client.call("PUT", &at(number), &body(number, 81))));
    let delete = timed(clock, |number| drop(client.call("DELETE", &at(number), &Value::Null)));
    [("create", create), ("update", update), ("delete", delete)]
        .map(|(verb, took)| (verb.into(), took))
        .into()
}

fn timed(clock: OsClock, mut change: impl FnMut(u32)) -> Latency {
    let mut histogram = Histogram::<u64>::new_with_max(TOOK_US_MAX, 3).expect("bounds that it takes");
    for number in 0..TIMED {
        let began = clock.now();
        change(number);
        histogram.saturating_record(clock.now().since(began).nanos() / 1_000);
    }
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Latency { p50_ms: at(0.5), p99_ms: at(0.99) }
}

/// A window's changes, paced: each app is made, changed and deleted. How many a second it came to.
fn change(client: &mut Client, path: &str, clock: OsClock) -> f64 {
    let (began, mut last) = (clock.now(), String::new());
    for number in 0..CHANGES {
        let due = began + Span::from_nanos(u64::from(number) * 1_000_000_000 / CHANGES_PER_S);
        let now = clock.now();
        if now < due {
            std::thread::sleep(Duration::from_nanos(due.since(now).nanos()));
        }
        match number % 3 {
            0 => last = id(&client.call("POST", path, &body(number, 80))),
            1 => drop(client.call("PUT", &format!("{path}/{last}"), &body(number - 1, 81))),
            _ => drop(client.call("DELETE", &format!("{path}/{last}"), &Value::Null)),
        }
    }
    f64::from(CHANGES) / (clock.now().since(began).nanos() as f64 / 1e9)
}

fn id(app: &Value) -> String {
    app["id"].as_str().expect("an app has an id").to_owned()
}

/// An app whose address no other one has.
fn body(number: u32, origin_port: u16) -> Value {
    let (addr, port) = edge(FREE + 2 * number);
    json!({
        "protocol": format!("tcp/{port}"),
        "dns": { "type": "ADDRESS", "name": format!("b{number}.example.com") },
        "origin_direct": [format!("tcp://198.18.0.2:{origin_port}")],
        "edge_ips": { "type": "static", "ips": [addr.to_string()] },
    })
}
