//! An edge of real workers on ports in memory, with the addresses of the laboratory.
//!
//! ```text
//!  clients 10.0.0.0/8, 2001:2:1::/48       origins 192.0.2.0/24, 2001:2:2::/48
//!                          \               /
//!                  gateway 198.18.0.2, 2001:2:0:1::2
//!                                  |
//!  port 198.18.0.1/24, 2001:2:0:1::1/64   egress 198.18.0.10, 2001:2:0:1::10   edge 198.51.100.0/24, 2001:db8::/48
//! ```

use crate::base::{Addr, Instant, PortId, Span, WorkerId};
use crate::firewall::{Mode, RuleNet, RuleSpec, Target};
use crate::flow::{EgressPool, SharePercents};
use crate::port::Port;
use crate::session;
use crate::snapshot::{
    AccountSpec, Compiler, ControlMail, LiveSpec, Snapshot, SnapshotPublisher, ZoneSpec, cell, mail,
};
use crate::table::{
    AppId, AppSpec, ConnectionLimits, Dns, DnsKind, DnsName, EdgeIps, EdgePorts, OriginDirect, OriginSpec,
    OriginTlsName, PortRange, Prefix, PrefixSpec, ProxyProtocol, ScopeName, Stretch, TlsMode, TrafficType,
    UdpOptions,
};
use crate::telemetry::{PageReader, PageSize, page};
use crate::tls::Material;
use crate::wire::Protocol;
use crate::worker::{
    Equipment, PortSettings, Rates, Refusal, RouteSettings, Settings, Worker, handover_rings,
};
use std::net::IpAddr;
use std::sync::Arc;

/// The edge port's hardware address.
pub const EDGE_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// The gateway's.
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
/// The secret of every simulated boot.
pub const SECRET: [u8; 32] = [7; 32];

/// The edge addresses that `live_spec` gives to apps, an IPv4 and an IPv6 one.
pub const EDGE_IPS: [&str; 2] = ["198.51.100.10", "2001:db8::1"];

/// Where the laboratory's origins lie; all of it is special-purpose space.
pub const ORIGIN_NETS: [&str; 4] = ["192.0.2.0/24", "198.18.0.0/24", "2001:2::/48", "2001:2:2::/48"];

/// An address from its text.
///
/// # Panics
/// When the text is no address.
pub fn addr(text: &str) -> Addr {
    text.parse::<IpAddr>().expect("an address").into()
}

/// Whether an address lies beyond the gateway, or is the gateway itself.
pub fn is_outside(addr: Addr) -> bool {
    match addr.to_ip() {
        IpAddr::V4(ip) => {
            ip.octets()[0] == 10 || ip.octets()[..3] == [192, 0, 2] || ip.octets() == [198, 18, 0, 2]
        }
        IpAddr::V6(ip) => {
            let head = &ip.segments()[..3];
            head == [0x2001, 2, 1] || head == [0x2001, 2, 2] || ip.segments() == [0x2001, 2, 0, 1, 0, 0, 0, 2]
        }
    }
}

/// One app of the laboratory: an edge port on both edge addresses, and its origin.
#[derive(Clone, Copy, Debug)]
pub struct LabApp {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port at the edge.
    pub port: u16,
    /// The origin's address.
    pub origin: &'static str,
    /// The origin's port.
    pub origin_port: u16,
    /// Whether access rules act on it.
    pub ip_firewall: bool,
    /// What the origin is told of the client.
    pub proxy_protocol: ProxyProtocol,
    /// byway's own fields for UDP.
    pub udp: UdpOptions,
}

impl LabApp {
    /// `udp/53` to an IPv4 origin.
    pub const DNS: Self = Self {
        protocol: Protocol::Udp,
        port: 53,
        origin: "192.0.2.1",
        origin_port: 53,
        ip_firewall: false,
        proxy_protocol: ProxyProtocol::Off,
        udp: UdpOptions { amplification_limit: UdpOptions::AMPLIFICATION_LIMIT, proxy_every_datagram: false },
    };
    /// `tcp/80` to an IPv4 origin.
    pub const WEB: Self = Self { protocol: Protocol::Tcp, port: 80, origin_port: 8080, ..Self::DNS };
}

/// Port 80 to an IPv4 origin, 81 to an IPv6 one, 22 behind the firewall, 53 for UDP.
pub const LAB_APPS: [LabApp; 4] = [
    LabApp::WEB,
    LabApp { port: 81, origin: "2001:2:2::1", origin_port: 8081, ..LabApp::WEB },
    LabApp { port: 22, origin_port: 22, ip_firewall: true, ..LabApp::WEB },
    LabApp::DNS,
];

/// What of the laboratory's prefixes belongs to another service.
pub const ELSEWHERE: [&str; 2] = ["198.51.100.252/31", "2001:db8:0:fffe::/64"];

/// A live spec of these apps, with these addresses blocked.
///
/// # Panics
/// Never: its texts are constants.
pub fn live_spec(apps: &[LabApp], blocked: &[Addr]) -> LiveSpec {
    let prefix = |text: &str, elsewhere: &str| PrefixSpec {
        elsewhere: Box::new([Stretch::from(elsewhere.parse::<ipnet::IpNet>().expect("a net"))]),
        ..PrefixSpec::plain(Prefix::new(text.parse().expect("a net"), true).expect("a prefix"))
    };
    let rule = |addr: &Addr| RuleSpec {
        target: Target::Net(RuleNet::one(*addr)),
        mode: Mode::Block,
        id: None,
        notes: None,
    };
    let zone = ZoneSpec {
        id: ScopeName::default_scope(),
        certificates: Vec::new(),
        apps: apps.iter().map(app_spec).collect(),
        access_rules: blocked.iter().map(rule).collect(),
    };
    LiveSpec {
        prefixes: vec![prefix("198.51.100.0/24", ELSEWHERE[0]), prefix("2001:db8::/48", ELSEWHERE[1])],
        accounts: vec![AccountSpec {
            id: ScopeName::default_scope(),
            zones: vec![zone],
            access_rules: vec![],
        }],
        access_rules: Vec::new(),
        allow_partial: false,
    }
}

fn app_spec(app: &LabApp) -> AppSpec {
    let one = |port| PortRange::one(port).expect("a port");
    let id = u128::from(app.port) << 8 | u128::from(app.protocol as u8);
    let origin = OriginDirect { protocol: app.protocol, addr: addr(app.origin), ports: one(app.origin_port) };
    AppSpec {
        id: AppId::from_bits(id),
        edge: EdgePorts { protocol: app.protocol, ports: one(app.port), word: None },
        dns: Dns { kind: DnsKind::Address, name: DnsName::new("lab.example.com").expect("a name") },
        origin: OriginSpec::Direct(vec![origin].into()),
        origin_port: None,
        ip_firewall: app.ip_firewall,
        proxy_protocol: app.proxy_protocol,
        udp: app.udp,
        tls: TlsMode::Off,
        min_tls: None,
        probe: None,
        origin_tls_name: OriginTlsName::App,
        traffic_type: TrafficType::Direct,
        edge_ips: EdgeIps::Static(EDGE_IPS.map(addr).into()),
        edge_spelled: None,
        leased: Box::default(),
        nameless: Box::default(),
        argo_smart_routing: false,
        allow_partial: false,
        limits: None,
        created_on: None,
        modified_on: None,
    }
}

/// Session settings of a small edge.
pub fn session_settings() -> session::Settings {
    session::Settings {
        sessions_max: 1024,
        half_open_max: 256,
        syn_cookies: session::SynCookies::Off,
        splice_handshake: session::SpliceHandshake::Immediate,
        splice_quiesce_after: Span::ZERO,
        spliced_max: 0,
        parked_max: 0,
        park_after: Span::ZERO,
        time_wait_max: 4096,
        rx_buffer_bytes: 8 * 1024,
        tx_buffer_bytes: 8 * 1024,
        window_shift: 7,
        timestamps: true,
        congestion: session::Congestion::Bbr,
        port_mtus: vec![1500],
        mss_max: None,
        connect_timeout: Span::from_secs(60),
        half_open_timeout: Span::from_secs(60),
        idle_timeout: Span::from_secs(3_600),
        fin_timeout: Span::from_secs(120),
        keepalive: Span::from_secs(300),
        user_timeout: Span::from_secs(300),
        time_wait: Span::from_secs(60),
        removed_app_grace: Span::from_secs(30),
        challenge_acks_per_s: 1_000,
        shares: SharePercents::ALL,
        limits: ConnectionLimits::OFF,
        egress: EgressPool {
            ipv4: vec![addr("198.18.0.10")],
            ipv6: vec![addr("2001:2:0:1::10")],
            ports: 1024..=65_535,
            quarantine: Span::from_secs(60),
            quarantine_max: 16_384,
        },
        comes_home: None,
    }
}

/// UDP session settings of a small edge.
pub fn udp_settings() -> session::udp::Settings {
    session::udp::Settings {
        sessions_max: 256,
        idle_timeout: Span::from_secs(60),
        shares: SharePercents::ALL,
        unanswered_timeout: Span::from_secs(5),
        removed_app_grace: Span::from_secs(30),
        special_sources: true,
        egress: session_settings().egress,
        comes_home: None,
    }
}

/// Worker settings of the laboratory's edge.
///
/// # Panics
/// Never: its texts are constants.
pub fn settings(workers: u8) -> Settings {
    let net = |text: &str| text.parse().expect("a net");
    let route = |to: &str, via: &str| RouteSettings {
        to: net(to),
        via: Some(via.parse().expect("an address")),
        port: PortId(0),
    };
    Settings {
        workers,
        ports: vec![PortSettings {
            addresses: vec![net("198.18.0.1/24"), net("2001:2:0:1::1/64")],
            answer_neighbors_for_prefixes: true,
            static_neighbors: Vec::new(),
        }],
        routes: vec![route("0.0.0.0/0", "198.18.0.2"), route("::/0", "2001:2:0:1::2")],
        unused_tcp: Refusal::Drop,
        blocked_tcp: Refusal::Drop,
        denied_sources: Vec::new(),
        origin_allow: ORIGIN_NETS.map(|net| net.parse().expect("a net")).into(),
        rates: Rates::default(),
        session: session_settings(),
        gro: true,
        udp: udp_settings(),
    }
}

/// The control side of a simulated edge.
pub struct Control {
    /// Compiles live specs.
    pub compiler: Compiler,
    /// Publishes snapshots.
    pub publisher: SnapshotPublisher,
    /// The workers' mail.
    pub mails: Vec<ControlMail>,
    /// The workers' pages.
    pub pages: Vec<PageReader>,
    /// Certificates and trust, where apps ask for TLS.
    pub material: Option<Material>,
}

impl Control {
    /// Compiles and publishes a live spec.
    ///
    /// # Panics
    /// When a limit is in the way.
    pub fn publish(&mut self, spec: &LiveSpec) -> Arc<Snapshot> {
        let compiled = self.compiler.compile_with(spec, self.material.as_ref()).expect("within the limits");
        self.publisher.publish(compiled.snapshot.clone());
        self.compiler.commit(&compiled);
        compiled.snapshot
    }
}

/// Workers on these ports (a list of ports for each worker), and the control side that has published `spec`.
pub fn edge<P: Port>(settings: &Settings, ports: Vec<Vec<P>>, spec: &LiveSpec) -> (Vec<Worker<P>>, Control) {
    let (publisher, readers) = cell(Snapshot::empty(), ports.len());
    let compiler = Compiler::new([1, 2], 4_096, 4_096);
    let (mails, pages) = (Vec::new(), Vec::new());
    let mut control = Control { compiler, publisher, mails, pages, material: None };
    let rings = handover_rings(settings.workers);
    let mut workers = Vec::new();
    for (id, ((ports, reader), handover)) in
        (0..).map(WorkerId).zip(ports.into_iter().zip(readers).zip(rings))
    {
        let (page_writer, page_reader) = page(id, PageSize { apps: 64, rules: 64 });
        let (control_mail, worker_mail) = mail();
        control.mails.push(control_mail);
        control.pages.push(page_reader);
        let equipment =
            Equipment { ports, reader, mail: worker_mail, handover, page: page_writer, secret: SECRET };
        workers.push(Worker::new(id, settings, equipment, Instant::ZERO));
    }
    control.publish(spec);
    (workers, control)
}
