//! A byway as `run` composes it, API and store file and all, but for its one worker, which the bench turns itself.

use super::super::make::{self, Shape};
use super::super::peer;
use super::super::world::World;
use crate::api::{Secret as TokenSecret, TokenText, entry, new_id};
use crate::base::{Addr, Clock, OsClock, PortId, WorkerId};
use crate::cli::run::{Prepared, prepare};
use crate::cli::{estate, lower};
use crate::control::config::boot;
use crate::control::config::tables;
use crate::control::health::Prober;
use crate::control::ports::{PortNews, PortState, PortsView};
use crate::control::resolve::{OriginCache, Resolver};
use crate::control::{self, Crew, EventLog, Fleet, Parts, Reloads};
use crate::estate::{
    Account, App, Approval, Binding, Change, Checks, Id, Prefix, Service, Stamp, Token, User, Zone,
};
use crate::port::ChecksumOffload;
use crate::port::PortInfo;
use crate::port::mem::{self, MemOptions};
use crate::snapshot::{Snapshot, cell, mail};
use crate::table::{AppSpec, DnsName, EdgeIps, EdgePorts, PortRange, Prefix as Net};
use crate::telemetry::page;
use crate::vault::{SqliteVault, Vault};
use crate::wire::Protocol;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Sessions that the worker carries.
pub const FLOWS: usize = 1_024;
/// The prefix that the apps of the store lie in.
const MANY: [u8; 4] = [5, 6, 0, 0];
/// Apps of one address.
const APPS_PER_ADDR: u32 = 2;
/// All checksums done by the device.
const OFFLOAD: ChecksumOffload = ChecksumOffload { rx_ip: true, rx_tcp: true, tx_ip: true, tx_tcp: true };

/// What runs, and how to ask it.
pub struct Stage {
    /// The worker with its peers.
    pub world: World,
    /// Where the API listens.
    pub api: SocketAddr,
    /// A token that may do everything.
    pub token: String,
    /// The zone of all apps.
    pub zone: Id,
    /// From opening the store to the first table, in milliseconds.
    pub start_ms: f64,
}

/// Fills a store in `folder` with `apps` apps and the one that the worker's peers talk to, and starts a byway on it.
///
/// # Errors
/// One line.
pub fn open(folder: &Path, apps: u32) -> Result<Stage, String> {
    let (token, zone) = fill(&folder.join("store"), apps)?;
    let api = free_port()?;
    let spec = boot::parse(&config(api), folder);
    let spec = spec.map_err(|problems| format!("the bench's config: {problems:?}"))?;
    let clock = OsClock::new();
    let began = clock.now();
    let prepared = prepare(spec)?;
    let start_ms = clock.now().since(began).nanos() as f64 / 1e6;
    let world = start(prepared, clock)?;
    Ok(Stage { world, api, token, zone, start_ms })
}

/// The edge address and port of app `number` of the store.
pub fn edge(number: u32) -> (Addr, u16) {
    let bits = u32::from_be_bytes(MANY) + number / APPS_PER_ADDR;
    (Addr::v4(bits.to_be_bytes()), 443 + (number % APPS_PER_ADDR) as u16)
}

fn config(api: SocketAddr) -> String {
    format!(
        "state_dir = \"state\"\nsocket = \"\"\nmetrics = \"\"\nevents = \"e.jsonl\"\nlab = true\norigin_allow = [\"198.18.0.0/15\"]\nuser = \"\"\n\
         [api]\nstore = \"store\"\nlisten = \"{api}\"\nsocket = \"api.sock\"\nrequests_per_5min = 1000000\n\
         apps_per_account = 1000000\n\
         [tcp]\nsessions = 64\nhalf_open = 16\n[[ports]]\nname = \"mem\"\ndevice = \"net_null\"\naddresses = [\"198.18.0.1/24\"]\n\
         [[routes]]\nto = \"0.0.0.0/0\"\nvia = \"198.18.0.254\"\n[egress]\nipv4 = [\"198.18.0.10\"]\n\
         [[neighbors.static]]\naddress = \"198.18.0.254\"\nmac = \"02:00:00:00:00:02\"\n"
    )
}

fn free_port() -> Result<SocketAddr, String> {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.map_err(|error| format!("127.0.0.1: {error}"))
}

/// Everything that apps need, and the apps, in one change.
fn fill(store: &Path, apps: u32) -> Result<(String, Id), String> {
    let mut vault = estate::vault(store)?;
    let now = Stamp(OsClock::unix_micros());
    let user = User { id: new_id()?, email: "bench@example.net".into(), key_hash: None, created_on: now };
    let account = Account { id: new_id()?, name: "bench".into(), owner: user.id, created_on: now };
    let zone = Zone {
        id: new_id()?,
        name: "example.com".into(),
        account: account.id,
        created_on: now,
        modified_on: now,
    };
    let (text, token) = root_token(&user, &vault, now)?;
    let mut change = Change::default();
    for net in ["198.51.100.0/24", "5.6.0.0/16"] {
        let prefix = prefix(account.id, net, now)?;
        let (id, cidr) = (new_id()?, prefix.net.net());
        change.make(Binding { id, prefix: prefix.id, cidr, service: Service::Spectrum, created_at: now });
        change.make(prefix);
    }
    let zone_id = zone.id;
    change.make(user);
    change.make(account);
    change.make(zone);
    change.make(token);
    let talked_to = talked_to()?;
    for number in 0..apps {
        let (addr, port) = edge(number);
        let spec = app(&talked_to, new_id()?, (addr, port), number);
        change.make(App { id: id_of(&spec)?, zone: zone_id, spec });
    }
    change.make(App { id: id_of(&talked_to)?, zone: zone_id, spec: talked_to });
    let kept = vault.commit(&entry("bench".into(), "set-up".into(), &change, now));
    kept.map_err(|error| error.to_string())?;
    Ok((text, zone_id))
}

fn root_token(user: &User, vault: &SqliteVault, now: Stamp) -> Result<(String, Token), String> {
    let text = TokenText { id: new_id()?, secret: TokenSecret::draw()? };
    let token = Token::root(text.id, user.id, text.secret.hash(&vault.hash_key()), now);
    Ok((text.text(), token))
}

fn prefix(account: Id, net: &str, now: Stamp) -> Result<Prefix, String> {
    let net = Net::new(net.parse().expect("a net"), true).map_err(|error| error.to_string())?;
    Ok(Prefix {
        id: new_id()?,
        account,
        net,
        asn: 64_496,
        description: String::new(),
        approved: Approval::Approved,
        checks: Checks::default(),
        ownership_token: "bench".into(),
        loa: None,
        delegate_loa_creation: false,
        created_at: now,
        modified_at: now,
    })
}

/// The app of the worker's peers: the first one of the benches' table.
fn talked_to() -> Result<AppSpec, String> {
    let read = tables::read(make::TABLES.as_bytes(), &crate::cli::whereabouts::lab());
    let mut spec = read.map_err(|errors| errors.to_string())?.spec;
    Ok(spec.accounts[0].zones[0].apps.swap_remove(0))
}

/// One of the many.
fn app(like: &AppSpec, id: Id, (addr, port): (Addr, u16), number: u32) -> AppSpec {
    let ports = PortRange::one(port).expect("a port");
    let mut spec = AppSpec { id: id.app(), ..like.clone() };
    spec.edge = EdgePorts { protocol: Protocol::Tcp, ports, word: None };
    spec.dns.name = DnsName::new(&format!("a{number}.example.com")).expect("a name");
    spec.edge_ips = EdgeIps::Static([addr].into());
    spec
}

fn id_of(spec: &AppSpec) -> Result<Id, String> {
    Id::parse(spec.id.as_str()).ok_or_else(|| format!("{} is no id", spec.id))
}

/// Control and API on their threads; the worker stays here.
fn start(prepared: Prepared, clock: OsClock) -> Result<World, String> {
    let Prepared { spec, mut listeners, workshop, loaded, problems, kept, recorder, secret, .. } = prepared;
    listeners.socket = None;
    let (wire, mut ports) =
        mem::link(MemOptions { mac: make::MAC, checksum: OFFLOAD, ..MemOptions::default() });
    let port = ports.remove(0);
    let view = View(vec![crate::port::Port::info(&port).clone()]);
    let (publisher, mut readers) = cell(loaded.compiled.snapshot.as_ref().clone(), 1);
    let (control_mail, worker_mail) = mail();
    let (page_writer, page_reader) = page(WorkerId(0), lower::page_size(&spec));
    let shape = Shape {
        tcp_sessions: 0,
        spliced_sessions: FLOWS + 64,
        udp_sessions: 0,
        offload: true,
        buffer_bytes: make::BUFFER_BYTES,
        snapshot: Snapshot::empty(),
        rules: make::RULES,
        tune: |_| {},
    };
    let worker = make::equip_with(&shape, port, (readers.remove(0), worker_mail, page_writer));
    let fleet = Fleet::new(vec![page_reader], vec![control_mail], publisher, Box::new(Driven));
    let events = EventLog::open(spec.events.clone(), spec.events_rotation, &spec.site);
    let prober = Prober::new(spec.health, secret.tables()[1]);
    let cache = OriginCache::new(&spec.state_dir);
    let (drain, hang) = (spec.drain, crate::base::Span::from_secs(600));
    let reloads = Reloads::new(workshop, loaded, problems, spec.tcp.removed_app_drain);
    let resolver = Resolver::new(spec.dns, cache, kept, secret.tables()[0]);
    let ports = Box::new(view);
    // Nobody asks where it is: there is no control socket.
    let admin_socket = None;
    let parts =
        Parts { clock, fleet, ports, reloads, events, resolver, prober, recorder, admin_socket, drain, hang };
    let control = std::thread::Builder::new().name("byway-control".into());
    control.spawn(move || control::run(parts, listeners)).map_err(|error| error.to_string())?;
    let mut world = World::new(worker, wire, make::MAC, false, Box::new(()));
    world.open(FLOWS);
    debug_assert_eq!(peer::EDGE_PORT, 80, "the app that is talked to");
    Ok(world)
}

/// The worker is turned by the bench.
struct Driven;

impl Crew for Driven {
    fn fallen(&mut self) -> Option<(WorkerId, String)> {
        None
    }

    fn all_gone(&mut self) -> bool {
        true
    }
}

struct View(Vec<PortInfo>);

impl PortsView for View {
    fn infos(&self) -> &[PortInfo] {
        &self.0
    }

    fn tend(&mut self) -> Vec<(PortId, PortNews)> {
        Vec::new()
    }

    fn state(&self, _: PortId) -> PortState {
        PortState { link_up: true, ..PortState::default() }
    }
}
