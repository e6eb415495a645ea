//! The shipping worker on an in-memory port, as the bench runs it.

use super::peer::PEER_MAC;
use super::world::World;
use crate::base::{Addr, Instant, PortId, Span, WorkerId};
use crate::control::config::tables;
use crate::flow::{EgressPool, SharePercents};
use crate::port::mem::{self, MemOptions, MemPort, MemWire};
use crate::port::{ChecksumOffload, Port, RxMeta};
use crate::session;
use crate::snapshot::{Compiler, Snapshot, SnapshotReader, WorkerMail, cell, mail};
use crate::table::ConnectionLimits;
use crate::telemetry::{PageSize, PageWriter, page};
use crate::tls::Material;
use crate::wire::ChecksumState;
use crate::worker::{self, Equipment, Worker, handover_rings};
use std::any::Any;
use std::sync::Arc;

/// The apps of the bench's table: `tcp/80` and `udp/53` on `peer::EDGE`, to `peer::ORIGIN`.
pub const TABLES: &str = r#"{
  "prefixes": [{"cidr": "198.51.100.0/24"}],
  "apps": [{"id": "4590376cf2994d72cee36828ec4eff19", "protocol": "tcp/80",
            "dns": {"type": "ADDRESS", "name": "bench.example.com"}, "origin_direct": ["tcp://198.18.0.2:80"],
            "edge_ips": {"type": "static", "ips": ["198.51.100.10"]}},
           {"id": "5590376cf2994d72cee36828ec4eff19", "protocol": "udp/53",
            "dns": {"type": "ADDRESS", "name": "bench.example.com"}, "origin_direct": ["udp://198.18.0.2:53"],
            "edge_ips": {"type": "static", "ips": ["198.51.100.10"]}}]
}"#;
/// Bytes of each of a session's four buffers in the bench.
pub const BUFFER_BYTES: usize = 8_192;
/// The bench's boot secret: fixed, so that two runs count the same.
const SECRET: [u8; 32] = *b"a fixed secret for repeatability";
/// The edge's hardware address.
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Access rules that a bench's table has room for, where it is not about them.
pub const RULES: usize = 16;
/// When a bench's worker starts.
pub const START: Instant = Instant::from_nanos(Span::from_secs(1).nanos());
/// All checksums done by the device.
const OFFLOAD: ChecksumOffload = ChecksumOffload { rx_ip: true, rx_tcp: true, tx_ip: true, tx_tcp: true };

/// A worker for `sessions` sessions and the peers around it.
pub fn world(sessions: usize, offload: bool, timestamps: bool) -> World {
    let (worker, wire, held) = equipped(sessions, 0, offload);
    World::new(worker, wire, MAC, timestamps, held)
}

/// The same with sessions that are all spliced; one leaves its managed slot before the next burst opens.
pub fn spliced_world(sessions: usize, offload: bool, timestamps: bool) -> World {
    let (worker, wire, held) = equip(Shape {
        tcp_sessions: 0,
        spliced_sessions: sessions + 64,
        udp_sessions: 0,
        offload,
        buffer_bytes: BUFFER_BYTES,
        snapshot: snapshot(TABLES, None),
        rules: RULES,
        tune: |_| {},
    });
    World::new(worker, wire, MAC, timestamps, held)
}

/// What a bench's worker is made for.
pub struct Shape {
    /// TCP sessions.
    pub tcp_sessions: usize,
    /// Spliced ones.
    pub spliced_sessions: usize,
    /// UDP sessions.
    pub udp_sessions: usize,
    /// Whether the device does all checksums.
    pub offload: bool,
    /// Bytes of each of a session's four buffers.
    pub buffer_bytes: usize,
    /// The table in force.
    pub snapshot: Snapshot,
    /// Access rules that are counted one by one.
    pub rules: usize,
    /// Changes other settings.
    pub tune: fn(&mut worker::Settings),
}

/// A worker for so many TCP and UDP sessions, the other end of its port, and what it must not outlive.
pub fn equipped(
    sessions: usize,
    udp_sessions: usize,
    offload: bool,
) -> (Worker<MemPort>, MemWire, Box<dyn Any>) {
    let snapshot = snapshot(TABLES, None);
    let (tcp_sessions, buffer_bytes) = (sessions, BUFFER_BYTES);
    let (spliced_sessions, tune) = (0, |_: &mut worker::Settings| {});
    equip(Shape {
        tcp_sessions,
        spliced_sessions,
        udp_sessions,
        offload,
        buffer_bytes,
        snapshot,
        rules: RULES,
        tune,
    })
}

/// The same for any shape.
pub fn equip(shape: Shape) -> (Worker<MemPort>, MemWire, Box<dyn Any>) {
    equip_cutting(shape, 0)
}

/// The same with a port that cuts packets of up to `tso_bytes`.
pub fn equip_cutting(shape: Shape, tso_bytes: u16) -> (Worker<MemPort>, MemWire, Box<dyn Any>) {
    let checksum = if shape.offload { OFFLOAD } else { ChecksumOffload::default() };
    let options = MemOptions { mac: MAC, checksum, tso_bytes, ..MemOptions::default() };
    let (wire, mut ports) = mem::link(options);
    let (worker, held) = equip_on(shape, ports.remove(0));
    (worker, wire, held)
}

/// A worker on `port`, which knows itself what it does of checksums, and what the worker must not outlive.
pub fn equip_on<P: Port>(shape: Shape, port: P) -> (Worker<P>, Box<dyn Any>) {
    let (publisher, mut readers) = cell(shape.snapshot.clone(), 1);
    let (control_mail, worker_mail) = mail();
    let (page, _) = page(WorkerId(0), PageSize { apps: 16, rules: shape.rules });
    let worker = equip_with(&shape, port, (readers.remove(0), worker_mail, page));
    (worker, Box::new((publisher, control_mail)))
}

/// The same whose snapshots, mail and page have their other ends with the caller; the shape's snapshot does not matter.
pub fn equip_with<P: Port>(
    shape: &Shape,
    port: P,
    (reader, mail, page): (SnapshotReader, WorkerMail, PageWriter),
) -> Worker<P> {
    let mut settings = settings(shape.tcp_sessions);
    settings.session.port_mtus = vec![port.info().mtu];
    (settings.session.rx_buffer_bytes, settings.session.tx_buffer_bytes) =
        (shape.buffer_bytes, shape.buffer_bytes);
    settings.session.spliced_max = shape.spliced_sessions as u32;
    settings.udp = udp_settings(shape.udp_sessions);
    (shape.tune)(&mut settings);
    let handover = handover_rings(1).remove(0);
    let equipment = Equipment { ports: vec![port], reader, mail, handover, page, secret: SECRET };
    Worker::new(WorkerId(0), &settings, equipment, START)
}

/// What a received frame's device says of it: all checksums verified.
pub const fn rx_meta() -> RxMeta {
    RxMeta {
        ip_checksum: ChecksumState::Good,
        l4_checksum: ChecksumState::Good,
        rss_hash: None,
        multi_segment: false,
        vlan_stripped: false,
    }
}

/// A compiled table.
pub fn snapshot(tables: &str, material: Option<&Material>) -> Snapshot {
    snapshot_with(tables, material, RULES)
}

/// The same with room for so many access rules.
pub fn snapshot_with(tables: &str, material: Option<&Material>, rules: usize) -> Snapshot {
    let reserved = super::super::whereabouts::lab();
    let read = tables::read(tables.as_bytes(), &reserved).expect("the bench's table is valid");
    let compiled = Compiler::new([1, 2], 16, rules as u32).compile_with(&read.spec, material);
    Arc::unwrap_or_clone(compiled.expect("the bench's table compiles").snapshot)
}

/// The worker's settings: the defaults of the boot config, but for the number of sessions and their buffers.
fn settings(sessions: usize) -> worker::Settings {
    worker::Settings {
        workers: 1,
        ports: vec![worker::PortSettings {
            addresses: vec!["198.18.0.1/24".parse().expect("a network")],
            answer_neighbors_for_prefixes: false,
            static_neighbors: vec![
                ("198.18.0.254".parse().expect("an address"), PEER_MAC),
                ("198.18.0.2".parse().expect("an address"), PEER_MAC),
            ],
        }],
        routes: vec![worker::RouteSettings {
            to: "0.0.0.0/0".parse().expect("a network"),
            via: Some("198.18.0.254".parse().expect("an address")),
            port: PortId(0),
        }],
        unused_tcp: worker::Refusal::Drop,
        blocked_tcp: worker::Refusal::Drop,
        denied_sources: vec![],
        origin_allow: super::super::whereabouts::lab().origin_allow,
        rates: worker::Rates::default(),
        session: session_settings(sessions),
        gro: true,
        udp: udp_settings(0),
    }
}

/// UDP sessions of the bench.
fn udp_settings(sessions: usize) -> session::udp::Settings {
    session::udp::Settings {
        sessions_max: sessions as u32 + 64,
        idle_timeout: Span::from_secs(60),
        shares: SharePercents::ALL,
        unanswered_timeout: Span::from_secs(5),
        removed_app_grace: Span::from_secs(60),
        special_sources: true,
        egress: session_settings(0).egress,
        comes_home: None,
    }
}

/// Sessions of the bench: 100,000 need more source ports than one address has.
fn session_settings(sessions: usize) -> session::Settings {
    let egress = (10..14).map(|host| Addr::v4([198, 18, 0, host])).collect();
    session::Settings {
        sessions_max: sessions as u32 + 64,
        half_open_max: 4_096,
        syn_cookies: session::SynCookies::Off,
        splice_handshake: session::SpliceHandshake::Immediate,
        splice_quiesce_after: Span::ZERO,
        spliced_max: 0,
        parked_max: 0,
        park_after: Span::ZERO,
        time_wait_max: 4_096,
        rx_buffer_bytes: BUFFER_BYTES,
        tx_buffer_bytes: BUFFER_BYTES,
        window_shift: 7,
        timestamps: true,
        congestion: session::Congestion::Bbr,
        port_mtus: vec![1500],
        mss_max: None,
        connect_timeout: Span::from_secs(10),
        half_open_timeout: Span::from_secs(10),
        idle_timeout: Span::from_secs(86_400),
        fin_timeout: Span::from_secs(60),
        keepalive: Span::from_secs(300),
        user_timeout: Span::from_secs(120),
        time_wait: Span::from_secs(60),
        removed_app_grace: Span::from_secs(60),
        challenge_acks_per_s: 1_000,
        shares: SharePercents::ALL,
        limits: ConnectionLimits::OFF,
        egress: EgressPool {
            ipv4: egress,
            ipv6: vec![],
            ports: 1_024..=65_535,
            quarantine: Span::from_secs(60),
            quarantine_max: 4_096,
        },
        comes_home: None,
    }
}
