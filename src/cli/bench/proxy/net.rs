//! The hosts of the bench, who has which address, and what runs at the origin. Addresses are those of RFC 2544 and, for
//! the edge, of RFC 5737.

use super::super::lab::{Daemon, Folder, Host, IPERF_PORT, LabError, Nic, Seat, start_iperf, wire};
use crate::worker::allowed_cpus;

/// The port of origins' web servers, and of the apps in front of them.
pub const WEB: u16 = 80;
/// The port of origins' iperf3, and of the apps in front of it.
pub const BULK: u16 = IPERF_PORT;
/// Where the origin is on the kernel's wire.
pub const ORIGIN_OF_KERNEL: &str = "198.18.3.2";
/// Where the kernel's proxies listen.
pub const KERNEL: &str = "198.18.2.1";
/// As above; on this wire the client's own subnet.
pub const ORIGIN_OF_WIRE: &str = "198.18.4.3";

/// Hosts, wires and origins; all gone when dropped. Fields are dropped in this order.
pub struct Net {
    _origins: Vec<Daemon>,
    /// Where files of this run are.
    pub folder: Folder,
    /// Clients.
    pub client: Host,
    /// Where byway runs.
    pub byway: Host,
    /// Where proxies on the kernel's TCP run.
    pub kernel: Host,
    /// Where the bare wire runs.
    pub wire: Host,
    _origin: Host,
    /// The CPU of proxies, for taskset(1).
    pub proxy_cpu: String,
    /// The CPU of clients and origins.
    pub peer_cpu: String,
}

impl Net {
    /// Makes all of it.
    ///
    /// # Errors
    /// `OneCpu`, and those of the hosts, wires and origins.
    pub fn new() -> Result<Self, LabError> {
        let cpus = allowed_cpus();
        let [peer, .., proxy] = cpus[..] else { return Err(LabError::OneCpu) };
        let [client, byway, kernel, bare, origin] =
            ["client", "byway", "kernel", "wire", "origin"].map(Host::new);
        let (client, byway, kernel, bare, origin) = (client?, byway?, kernel?, bare?, origin?);
        byway.silence()?;
        bare.silence()?;
        connect(
            [&client, &byway, &origin],
            ["c0", "o0"],
            &ends("198.18.0.2/24", None, None, "198.18.1.2/24"),
        )?;
        let through = ends("198.18.2.2/24", Some("198.18.2.1/24"), Some("198.18.3.1/24"), "198.18.3.2/24");
        connect([&client, &kernel, &origin], ["c1", "o1"], &through)?;
        connect(
            [&client, &bare, &origin],
            ["c2", "o2"],
            &ends("198.18.4.2/24", None, None, "198.18.4.3/24"),
        )?;
        client.ip(&["route", "add", "198.51.100.0/24", "via", "198.18.0.1"])?;
        for host in [&client, &kernel, &origin] {
            tune(host)?;
        }
        let folder = Folder::new("proxy")?;
        let peer_cpu = peer.to_string();
        let origins = start_origins(Seat { host: &origin, cpus: &peer_cpu }, &folder)?;
        let proxy_cpu = proxy.to_string();
        Ok(Self {
            _origins: origins,
            folder,
            client,
            byway,
            kernel,
            wire: bare,
            _origin: origin,
            proxy_cpu,
            peer_cpu,
        })
    }

    /// Where clients run.
    pub fn client_seat(&self) -> Seat<'_> {
        Seat { host: &self.client, cpus: &self.peer_cpu }
    }
}

/// Addresses of the four ends of a road: client, proxy's two, origin.
type Ends<'a> = [Vec<&'a str>; 4];

fn ends<'a>(client: &'a str, north: Option<&'a str>, south: Option<&'a str>, origin: &'a str) -> Ends<'a> {
    [vec![client], north.into_iter().collect(), south.into_iter().collect(), vec![origin]]
}

/// Two wires: client to proxy's edge0, its edge1 to origin.
fn connect(
    [client, proxy, origin]: [&Host; 3],
    [near, far]: [&str; 2],
    ends: &Ends<'_>,
) -> Result<(), LabError> {
    let nic = |host, name, at: usize| Nic { host, name, addresses: &ends[at] };
    wire(&nic(client, near, 0), &nic(proxy, "edge0", 1))?;
    wire(&nic(origin, far, 3), &nic(proxy, "edge1", 2))
}

/// Source ports for as many short connections as a round opens.
fn tune(host: &Host) -> Result<(), LabError> {
    host.set("net.ipv4.ip_local_port_range", "1024 65535")?;
    host.set("net.ipv4.tcp_tw_reuse", "1")?;
    host.set("net.core.somaxconn", "4096")
}

/// A web server that answers 64 bytes from memory, and iperf3.
fn start_origins(seat: Seat<'_>, folder: &Folder) -> Result<Vec<Daemon>, LabError> {
    let conf = folder.write("origin.conf", &origin_conf(folder))?;
    let conf = conf.display().to_string();
    let web = Daemon::start("origin", seat, folder, &["nginx", "-c", &conf])?.wait_port(seat.host, WEB)?;
    Ok(vec![web, start_iperf(seat, folder)?])
}

fn origin_conf(folder: &Folder) -> String {
    format!(
        "daemon off; master_process off; pid {root}/origin.pid; error_log stderr crit;
         events {{ worker_connections 16384; }}
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 60s;
         server {{ listen {WEB} backlog=4096; location / {{ return 200 '{body}'; }} }} }}\n",
        root = folder.root().display(),
        body = "b".repeat(64),
    )
}
