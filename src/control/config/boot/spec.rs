//! `BootSpec`: the boot config as values. Only `parse` makes one, so one that exists holds every rule of `check`.

use super::api::ApiSpec;
use crate::base::limits::{RESTING_MAX, RESTING_MIN, RESTING_PER_SESSION};
use crate::base::{PortId, Span};
use crate::control::{PushSettings, Rotation};
use crate::table::ConnectionLimits;
use crate::tls::MinTls;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Everything that a start needs to know. A change needs a restart.
#[derive(Clone, PartialEq, Debug)]
pub struct BootSpec {
    /// The live table file; empty where the API rules.
    pub tables: PathBuf,
    /// The API; `None`: the table file rules.
    pub api: Option<ApiSpec>,
    /// Folder of the last good table.
    pub state_dir: PathBuf,
    /// What a bad table file does at start.
    pub on_bad_config: OnBadConfig,
    /// Documentation nets may be onboarded.
    pub lab: bool,
    /// Special-purpose nets, private ones above all, that origins may lie in.
    pub origin_allow: Vec<IpNet>,
    /// Whether apps with `traffic_type` http are carried as plain TCP; otherwise they are refused.
    pub http_as_tcp: bool,
    /// Nets that dynamic edge addresses come from, both families.
    pub edge_pool: Vec<IpNet>,
    /// The site's name in events (`ColoCode`); empty: left out.
    pub site: String,
    /// The local control socket; `None`: off.
    pub socket: Option<PathBuf>,
    /// Where metrics and probes are served; `None`: off.
    pub metrics: Option<SocketAddr>,
    /// Where events go.
    pub events: EventsTarget,
    /// When the event file is turned over.
    pub events_rotation: Rotation,
    /// The collector that events are sent to; `None`: off.
    pub events_push: Option<PushSettings>,
    /// The user to become after port set-up; `None`: stay.
    pub user: Option<String>,
    /// How long SIGTERM waits for live sessions.
    pub drain: Span,
    /// The workers and their CPUs.
    pub workers: WorkersSpec,
    /// Buffers and tables made at launch.
    pub memory: MemorySpec,
    /// The ports, in the order of their `PortId`s; at least one.
    pub ports: Vec<PortSpec>,
    /// Static routes; gateways lie on-link on their ports.
    pub routes: Vec<RouteSpec>,
    /// Addresses and ports of origin legs.
    pub egress: EgressSpec,
    /// TCP sessions.
    pub tcp: TcpSpec,
    /// UDP sessions.
    pub udp: UdpSpec,
    /// Who may take how much.
    pub limits: LimitsSpec,
    /// TLS of apps that ask for it.
    pub tls: TlsSpec,
    /// ICMP rates.
    pub icmp: IcmpSpec,
    /// Neighbour resolution.
    pub neighbors: NeighborSpec,
    /// Sources to refuse beside the built-in martians.
    pub deny: Vec<IpNet>,
    /// Databases of where addresses come from.
    pub geo: GeoSpec,
    /// Name servers for `origin_dns`.
    pub dns: DnsSpec,
    /// Active probes of origins.
    pub health: HealthSpec,
}

/// Databases of where addresses come from, each read anew when it changes; `None`: there is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GeoSpec {
    /// MMDB with `autonomous_system_number`.
    pub asn: Option<PathBuf>,
    /// MMDB with `country.iso_code`.
    pub country: Option<PathBuf>,
    /// A list of Tor's exits, an address or net a line.
    pub tor: Option<PathBuf>,
}

impl GeoSpec {
    /// The three paths.
    pub fn paths(&self) -> [Option<&Path>; 3] {
        [self.asn.as_deref(), self.country.as_deref(), self.tor.as_deref()]
    }
}

/// What a bad table file does at start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnBadConfig {
    /// The last good table is put in force, and this is said.
    LastGood,
    /// The process ends with exit code 1.
    Refuse,
}

/// Where events are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventsTarget {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To this file, appended; opened again on SIGHUP.
    File(PathBuf),
}

/// What an idle worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// It looks again at once, always.
    Poll,
    /// It waits for an interrupt of its ports where all have them, else it naps.
    Interrupt,
    /// It sleeps for some microseconds.
    Nap,
}

/// The workers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkersSpec {
    /// Which CPUs they run on.
    pub placement: Placement,
    /// What an idle worker does.
    pub idle: Idle,
    /// Turns without work before a rest.
    pub idle_polls: u32,
    /// Whether segments of one flow that come together are judged once.
    pub gro: bool,
    /// The longest nap.
    pub idle_sleep: Span,
    /// A worker that does not turn for this long ends the process.
    pub hang: Span,
}

impl WorkersSpec {
    /// How many workers there are.
    pub fn count(&self) -> usize {
        match &self.placement {
            Placement::Lcores(cpus) => cpus.len(),
            Placement::Count(count) => *count,
        }
    }
}

/// Which CPUs the workers run on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Placement {
    /// These CPUs, one worker each.
    Lcores(Vec<u16>),
    /// So many workers on the last CPUs of the process's set.
    Count(usize),
}

/// Whether frame buffers live in hugepages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hugepages {
    /// Where there are any.
    Auto,
    /// Never.
    Off,
    /// Always: no start without.
    Require,
}

/// Buffers and tables made at launch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemorySpec {
    /// Whether frame buffers live in hugepages.
    pub hugepages: Hugepages,
    /// Frame buffers of a port and worker.
    pub frames: usize,
    /// What byway may take with every table full, in MiB; `None`: what the tables' own keys come to.
    pub budget_mib: Option<usize>,
    /// Memory given to DPDK in MiB; `None`: as much as the frames need.
    pub dpdk_mib: Option<usize>,
    /// Apps with counters of their own; those beyond share one.
    pub app_counters: usize,
    /// Access rules with counters of their own; those beyond share one.
    pub rule_counters: usize,
}

/// One port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortSpec {
    /// Its name in logs, routes and counters.
    pub name: String,
    /// The device behind it.
    pub device: DeviceSpec,
    /// The largest IP packet, in bytes.
    pub mtu: u16,
    /// Its own addresses, each with the length of its subnet.
    pub addresses: Vec<IpNet>,
    /// Whether ARP and NDP are answered for onboarded prefixes here.
    pub answer_neighbors_for_prefixes: bool,
    /// Receive queues; `None`: one a worker, as far as the device has them.
    pub queues: Option<u16>,
    /// Whether the device cuts long TCP segments (TSO), where it can.
    pub tso: bool,
}

/// A device as DPDK names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceSpec {
    /// A PCI address in full form, `0000:01:00.0`.
    Pci(String),
    /// A virtual device.
    Virtual {
        /// The driver, `net_af_packet`.
        driver: String,
        /// Its arguments, `iface=eth1`; may be empty.
        args: String,
    },
}

impl DeviceSpec {
    /// Whether it stands on the kernel's own sockets or interfaces, which want rights to be opened anew.
    pub fn is_of_the_kernel(&self) -> bool {
        match self {
            Self::Pci(_) => false,
            Self::Virtual { driver, .. } => {
                ["net_af_packet", "net_af_xdp", "net_tap"].iter().any(|name| driver.starts_with(name))
            }
        }
    }

    /// The value of argument `key` of a virtual device.
    pub fn arg(&self, key: &str) -> Option<&str> {
        match self {
            Self::Pci(_) => None,
            Self::Virtual { args, .. } => args
                .split(',')
                .find_map(|arg| arg.split_once('=').and_then(|(name, value)| (name == key).then_some(value))),
        }
    }
}

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pci(address) => f.write_str(address),
            Self::Virtual { driver, args } if args.is_empty() => f.write_str(driver),
            Self::Virtual { driver, args } => write!(f, "{driver},{args}"),
        }
    }
}

/// One static route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteSpec {
    /// The destinations; host bits are zero.
    pub to: IpNet,
    /// The gateway, on-link on `port`, of the same family.
    pub via: IpAddr,
    /// The port.
    pub port: PortId,
}

/// Addresses and ports of origin legs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EgressSpec {
    /// IPv4 addresses.
    pub ipv4: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Source ports, split among the workers.
    pub ports: RangeInclusive<u16>,
    /// How long a tuple rests after use.
    pub quarantine: Span,
}

/// What a SYN that is not served gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// Nothing.
    Drop,
    /// RST.
    Rst,
}

/// When first SYNs are answered by a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SynCookiesSpec {
    /// Never.
    Off,
    /// While half-open sessions are many, or more SYNs come than may open sessions.
    Auto,
    /// Always.
    Always,
}

/// When the origin's handshake is completed, of a session that is to be spliced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpliceHandshakeSpec {
    /// As soon as its SYN-ACK is here.
    Immediate,
    /// A round trip of the client later.
    ClientRtt,
}

/// How the sender of managed sessions finds its pace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CongestionControlSpec {
    /// By a model of the path: rate and shortest round trip.
    Bbr,
    /// By losses.
    Cubic,
    /// Not at all.
    None,
}

/// TCP sessions. Numbers are a worker's, buffers a leg's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpSpec {
    /// A SYN to an edge address or port without an app.
    pub unused_tcp: Unanswered,
    /// A SYN that an access rule blocks.
    pub blocked_tcp: Unanswered,
    /// Sessions that one worker holds.
    pub sessions: usize,
    /// Those of them whose client has not yet proven its handshake.
    pub half_open: usize,
    /// When first SYNs are answered by a cookie, without memory.
    pub syn_cookies: SynCookiesSpec,
    /// Percent of `half_open` from which `auto` does so.
    pub syn_cookies_percent: u8,
    /// ACKs without a session whose number is held against cookies, a second and worker.
    pub syn_cookie_checks_per_s: u32,
    /// Whether sessions that need no look at their bytes become mere translations of headers.
    pub splice: bool,
    /// Those that one worker holds, beside `sessions`.
    pub spliced_sessions: usize,
    /// When the origin's handshake of a session that is to be spliced is completed.
    pub splice_handshake: SpliceHandshakeSpec,
    /// How long such a session may be under way before it is brought to rest for that; zero: for ever.
    pub splice_quiesce_after: Span,
    /// Sessions, beside `sessions`, that have given up their sockets.
    pub parked_sessions: usize,
    /// How long a session may be quiet before it does; zero: for ever.
    pub park_after: Span,
    /// Receive buffer of one leg, in bytes.
    pub rx_buffer_bytes: usize,
    /// Transmit buffer of one leg, in bytes.
    pub tx_buffer_bytes: usize,
    /// The window scale that byway announces (RFC 7323).
    pub window_shift: u8,
    /// Whether timestamps are offered and taken (RFC 7323 3).
    pub timestamps: bool,
    /// How the sender of managed sessions finds its pace.
    pub congestion_control: CongestionControlSpec,
    /// The largest MSS announced and used; `None`: what the port's MTU gives.
    pub mss_max: Option<u16>,
    /// The origin has to answer within this span.
    pub connect_timeout: Span,
    /// The client's third packet has to come within this span.
    pub half_open_timeout: Span,
    /// A session without data for this long ends.
    pub idle_timeout: Span,
    /// A leg that waits for the last FIN or its ACK ends after this span.
    pub fin_timeout: Span,
    /// Keep-alive probes on silent legs; zero: none.
    pub keepalive: Span,
    /// Unanswered data ends the leg after this span.
    pub user_timeout: Span,
    /// How long a closed tuple is remembered.
    pub time_wait: Span,
    /// How long sessions of a removed app may go on before they are reset.
    pub removed_app_drain: Span,
    /// First SYNs that may open a session, a second and worker.
    pub syn_per_s: u32,
    /// RSTs that answer segments out of state, a second and worker; 0: none are sent.
    pub rst_per_s: u32,
    /// Challenge ACKs a second and worker (RFC 5961 7).
    pub challenge_ack_per_s: u32,
}

impl TcpSpec {
    /// Tuples of a worker in TIME-WAIT, and as many source ports at rest.
    pub fn resting(&self) -> usize {
        (self.sessions * RESTING_PER_SESSION).clamp(RESTING_MIN, RESTING_MAX)
    }
}

/// Which origins are probed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probing {
    /// None.
    Off,
    /// Those of apps that have several.
    Several,
    /// All.
    All,
}

/// Active probes of TCP apps' origins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HealthSpec {
    /// Which origins.
    pub probe: Probing,
    /// Between two probes of one origin.
    pub interval: Span,
    /// How long an origin may take to answer.
    pub timeout: Span,
    /// Failures in a row that take an origin out.
    pub fall: u32,
    /// Successes in a row that bring it back.
    pub rise: u32,
}

impl HealthSpec {
    /// Whether the origins of an app that has so many are probed.
    pub const fn probes(&self, origins: usize) -> bool {
        match self.probe {
            Probing::Off => false,
            Probing::Several => origins > 1,
            Probing::All => true,
        }
    }
}

/// Name servers for `origin_dns`, and how long their answers hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsSpec {
    /// The name servers, reached through the box's own network; empty: no name is resolved.
    pub resolvers: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Span,
    /// Tries of one question.
    pub attempts: usize,
    /// The least time that a record's own ttl counts for, where the app names none.
    pub ttl_min: Span,
    /// How long the last good answer may be used.
    pub stale_max: Span,
}

/// UDP sessions. Numbers are a worker's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpSpec {
    /// Sessions that one worker holds.
    pub sessions: usize,
    /// A session without a datagram for this long ends.
    pub idle_timeout: Span,
    /// The same while its origin has not answered.
    pub unanswered_timeout: Span,
}

impl UdpSpec {
    /// Source ports of a worker at rest.
    pub fn resting(&self) -> usize {
        self.sessions.clamp(RESTING_MIN, RESTING_MAX)
    }
}

/// Who may take how much of a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitsSpec {
    /// Percent of sessions, half-open slots, UDP flows and source ports that one app may hold once most are in use.
    pub app_share_percent: u8,
    /// The same for one account.
    pub account_share_percent: u8,
    /// The limits of apps that have none of their own.
    pub connections: ConnectionLimits,
}

/// TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsSpec {
    /// Threads that make handshakes.
    pub crypto_threads: usize,
    /// Handshakes of one worker that may be with them at once.
    pub crypto_jobs: usize,
    /// New sessions of apps with TLS, a second and worker.
    pub handshakes_per_s: u32,
    /// How long each part of a handshake may take.
    pub handshake_timeout: Span,
    /// The oldest version of clients, for apps that do not say.
    pub min_tls: MinTls,
    /// The folder that paths of `certificates` in the table file start at.
    pub certificates: PathBuf,
    /// Further authorities that `strict` trusts, PEM.
    pub ca_bundle: Option<PathBuf>,
}

/// ICMP rates, a second and worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpSpec {
    /// Echo replies; 0: none.
    pub echo_per_s: u32,
    /// ICMP errors sent; 0: none.
    pub errors_per_s: u32,
    /// ICMP errors taken in; 0: none.
    pub errors_in_per_s: u32,
}

/// Neighbour resolution.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighborSpec {
    /// ARP requests and neighbour solicitations answered a second and worker.
    pub per_s: u32,
    /// Neighbours that are never asked for.
    pub fixed: Vec<StaticNeighbor>,
}

/// A neighbour that is never asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticNeighbor {
    /// Its address, on-link on `port`.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The port.
    pub port: PortId,
}
