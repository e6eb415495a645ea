//! The four contenders: how each is started, and where a client finds the origin behind it.

use super::super::lab::{Daemon, EDGE, LabError, Seat, boot, start_byway, tables};
use super::net::{BULK, KERNEL, Net, ORIGIN_OF_KERNEL, ORIGIN_OF_WIRE, WEB};

/// Ports that nginx listens on, beside HAProxy's.
const NGINX_WEB: u16 = 1_080;
const NGINX_BULK: u16 = 6_201;

/// Who carries the traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    /// byway on AF_PACKET.
    BywayAfPacket,
    /// byway on AF_XDP.
    BywayAfXdp,
    /// HAProxy in TCP mode with one thread.
    Haproxy,
    /// nginx' stream module with one process.
    Nginx,
    /// testpmd, which passes frames from one AF_PACKET port to the other unseen.
    Wire,
}

impl Contender {
    /// All of them, in the order of a round.
    pub const ALL: [Self; 5] =
        [Self::BywayAfPacket, Self::Haproxy, Self::BywayAfXdp, Self::Nginx, Self::Wire];

    /// As rows name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BywayAfPacket => "byway_af_packet",
            Self::BywayAfXdp => "byway_af_xdp",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Wire => "wire",
        }
    }

    /// Whether it is byway.
    pub const fn is_byway(self) -> bool {
        matches!(self, Self::BywayAfPacket | Self::BywayAfXdp)
    }

    /// Where a client finds the web server behind it, and iperf3.
    pub const fn doors(self) -> (&'static str, u16, u16) {
        match self {
            Self::BywayAfPacket | Self::BywayAfXdp => (EDGE, WEB, BULK),
            Self::Haproxy => (KERNEL, WEB, BULK),
            Self::Nginx => (KERNEL, NGINX_WEB, NGINX_BULK),
            Self::Wire => (ORIGIN_OF_WIRE, WEB, BULK),
        }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// Those of `Daemon`.
    pub fn start(self, net: &Net) -> Result<Daemon, LabError> {
        match self {
            Self::BywayAfPacket => start_edge(net, "net_af_packet"),
            Self::BywayAfXdp => start_edge(net, "net_af_xdp"),
            Self::Haproxy => start_haproxy(net),
            Self::Nginx => start_nginx(net),
            Self::Wire => start_wire(net),
        }
    }
}

/// This very binary: its worker on the proxy's CPU, its other threads with the peers.
fn start_edge(net: &Net, driver: &str) -> Result<Daemon, LabError> {
    let cpus = format!("{},{}", net.peer_cpu, net.proxy_cpu);
    let seat = Seat { host: &net.byway, cpus: &cpus };
    start_byway(seat, &net.folder, &boot(driver, "127.0.0.1:9180", &more(net)), &tables(&[WEB, BULK]))
}

fn more(net: &Net) -> String {
    let (cpu, egress) =
        (&net.proxy_cpu, (10..18).map(|last| format!("\"198.18.1.{last}\"")).collect::<Vec<_>>());
    format!("[workers]\nlcores = [{cpu}]\nidle = \"poll\"\n\n[egress]\nipv4 = [{}]\n", egress.join(", "))
}

fn start_haproxy(net: &Net) -> Result<Daemon, LabError> {
    let listen = |name: &str, port: u16| {
        format!(
            "listen {name}\n bind {KERNEL}:{port} backlog 4096\n server origin {ORIGIN_OF_KERNEL}:{port}\n"
        )
    };
    let head = "global\n nbthread 1\n maxconn 4000\ndefaults\n mode tcp\n maxconn 4000\n timeout connect 5s\n \
                timeout client 1m\n timeout server 1m\n";
    let conf = format!("{head}{}{}", listen("web", WEB), listen("bulk", BULK));
    let conf = net.folder.write("haproxy.cfg", &conf)?.display().to_string();
    let seat = Seat { host: &net.kernel, cpus: &net.proxy_cpu };
    Daemon::start("haproxy", seat, &net.folder, &["haproxy", "-db", "-f", &conf])?
        .wait_port(&net.kernel, BULK)
}

fn start_nginx(net: &Net) -> Result<Daemon, LabError> {
    let server = |port: u16, origin: u16| {
        format!("server {{ listen {KERNEL}:{port} backlog=4096; proxy_pass {ORIGIN_OF_KERNEL}:{origin}; }}\n")
    };
    let conf = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; master_process off; pid {}/nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 16384; }}\nstream {{\n{}{}}}\n",
        net.folder.root().display(),
        server(NGINX_WEB, WEB),
        server(NGINX_BULK, BULK),
    );
    let conf = net.folder.write("nginx.conf", &conf)?.display().to_string();
    let seat = Seat { host: &net.kernel, cpus: &net.proxy_cpu };
    Daemon::start("nginx", seat, &net.folder, &["nginx", "-c", &conf])?.wait_port(&net.kernel, NGINX_BULK)
}

/// testpmd wants a main lcore that forwards nothing: both are on the proxy's CPU, and the main one sleeps.
fn start_wire(net: &Net) -> Result<Daemon, LabError> {
    let lcores = format!("0@{cpu},1@{cpu}", cpu = net.proxy_cpu);
    let port = |at: u8| {
        format!("net_af_packet{at},iface=edge{at},qpairs=1,framesz=2048,blocksz=65536,framecnt=4096")
    };
    let seat = Seat { host: &net.wire, cpus: &net.proxy_cpu };
    let eal = ["--no-huge", "--no-shconf", "-m", "256", "--no-pci", "--no-telemetry", "--lcores", &lcores];
    let ports = ["--vdev", &port(0), "--vdev", &port(1), "--"].map(str::to_owned);
    let own = [
        "--forward-mode=io",
        "--total-num-mbufs=16384",
        "--no-mlockall",
        "--auto-start",
        "--stats-period=3600",
    ];
    let words: Vec<&str> = eal.into_iter().chain(ports.iter().map(String::as_str)).chain(own).collect();
    let wire = Daemon::start("testpmd", seat, &net.folder, &[&["dpdk-testpmd"], &words[..]].concat())?;
    wire.wait(|said| said.contains("start packet forwarding") || said.contains("io packet forwarding"))
}
