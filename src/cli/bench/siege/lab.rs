//! Three network namespaces with a running byway in the middle; gone with the value, whatever happened.

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The edge endpoint of the one app.
pub const EDGE: &str = "198.51.100.10:80";
/// Its origin.
pub const ORIGIN: &str = "198.18.1.2:80";
/// Where the flood comes from; the edge's answers go to the clients' kernel, which has no use for them.
const FLOOD_FROM: &str = "198.18.64.0/18";
/// Tries, a tenth of a second each, for byway to answer on its socket.
const TRIES: u32 = 300;

const BOOT: &str = r#"
tables = "tables.json"
state_dir = "state"
socket = "byway.sock"
metrics = ""
events = ""
user = ""
lab = true
origin_allow = ["198.18.0.0/15"]

[[ports]]
name = "north"
device = "net_af_packet,iface=edge0"
addresses = ["198.18.0.1/24"]

[[ports]]
name = "south"
device = "net_af_packet,iface=edge1"
addresses = ["198.18.1.1/24"]

[[routes]]
to = "0.0.0.0/0"
via = "198.18.0.2"
port = "north"

[egress]
ipv4 = ["198.18.1.10"]
"#;
const TABLES: &str = r#"{
  "prefixes": [{"cidr": "198.51.100.0/24"}],
  "apps": [{"id": "4590376cf2994d72cee36828ec4eff19", "protocol": "tcp/80",
            "dns": {"type": "ADDRESS", "name": "bench.example.com"}, "origin_direct": ["tcp://198.18.1.2:80"],
            "edge_ips": {"type": "static", "ips": ["198.51.100.10"]}}]
}"#;

/// A namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host {
    /// Clients and the flood.
    Client,
    /// byway.
    Edge,
    /// The origin.
    Origin,
}

impl Host {
    const ALL: [Self; 3] = [Self::Client, Self::Edge, Self::Origin];

    const fn letter(self) -> char {
        match self {
            Self::Client => 'c',
            Self::Edge => 'e',
            Self::Origin => 'o',
        }
    }
}

/// The laboratory.
pub struct Lab {
    id: u32,
    folder: PathBuf,
    byway: Option<Child>,
}

/// What the edge's north port says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrivals {
    /// Frames that came up.
    pub received: u64,
    /// Frames that the kernel or the port lost.
    pub lost: u64,
}

impl Lab {
    /// Makes it; byway is ready when this returns.
    ///
    /// # Errors
    /// What could not be made, and why.
    pub fn raise() -> Result<Self, String> {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("byway-flood-{id}"));
        let mut lab = Self { id, folder, byway: None };
        std::fs::create_dir_all(&lab.folder).map_err(|error| format!("{}: {error}", lab.folder.display()))?;
        Host::ALL.iter().try_for_each(|host| ip(&format!("netns add {}", lab.ns(*host))))?;
        lab.wire(Host::Client, "edge0", "198.18.0.2/24")?;
        lab.wire(Host::Origin, "edge1", "198.18.1.2/24")?;
        ip(&format!("-n {} route add 198.51.100.0/24 via 198.18.0.1", lab.ns(Host::Client)))?;
        lab.start()?;
        Ok(lab)
    }

    /// Moves the calling thread into a namespace, for good.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn enter(ns: &str) -> Result<(), String> {
        let file =
            File::open(format!("/run/netns/{ns}")).map_err(|error| format!("namespace {ns}: {error}"))?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|error| format!("namespace {ns}: {error}"))
    }

    /// The name of a namespace.
    pub fn ns(&self, host: Host) -> String {
        format!("byf{}{}", self.id, host.letter())
    }

    /// Floods the app with SYNs; what the generator said.
    ///
    /// # Errors
    /// It did not run.
    pub fn flood(&self, a_second: u64, seconds: u64) -> Result<Value, String> {
        let mac = run("ip", &format!("netns exec {} cat /sys/class/net/edge0/address", self.ns(Host::Edge)))?;
        let line = format!(
            "gen syn --json --port net_af_packet,iface=eth0 --mac {} --from {FLOOD_FROM} --to 198.51.100.10 --to-ports 80 \
             --cpu {} --rate {a_second} --seconds {seconds}",
            mac.trim(),
            generator_cpu()
        );
        let said = self.byway_in(Host::Client, &line)?;
        serde_json::from_str(&said).map_err(|_| format!("byway gen said: {said}"))
    }

    /// What arrived at the edge so far.
    ///
    /// # Errors
    /// byway does not answer.
    pub fn arrivals(&self) -> Result<Arrivals, String> {
        // Control looks at its ports twice a second.
        std::thread::sleep(Duration::from_millis(1_100));
        let ports = self.show("ports")?;
        let count = |field: &str| ports["ports"][0]["stats"][field].as_u64().unwrap_or(0);
        Ok(Arrivals { received: count("rx_frames"), lost: count("rx_lost") })
    }

    fn show(&self, what: &str) -> Result<Value, String> {
        let socket = self.folder.join("byway.sock");
        let said = self.byway_in(Host::Edge, &format!("show {what} --json --socket {}", socket.display()))?;
        serde_json::from_str(&said).map_err(|_| format!("byway show said: {said}"))
    }

    fn byway_in(&self, host: Host, line: &str) -> Result<String, String> {
        run("ip", &format!("netns exec {} {} {line}", self.ns(host), own_path()?.display()))
    }

    /// A veth pair between `host` (as eth0) and the edge, checksums and segmentation left to nobody.
    fn wire(&self, host: Host, edge: &str, address: &str) -> Result<(), String> {
        let (ns, middle) = (self.ns(host), self.ns(Host::Edge));
        ip(&format!("-n {ns} link add eth0 type veth peer name {edge} netns {middle}"))?;
        for (ns, name) in [(&ns, "eth0"), (&middle, edge)] {
            run("ip", &format!("netns exec {ns} sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1"))?;
            run("ip", &format!("netns exec {ns} ethtool -K {name} tx off tso off gso off gro off sg off"))?;
            ip(&format!("-n {ns} link set {name} up"))?;
        }
        ip(&format!("-n {ns} link set lo up"))?;
        ip(&format!("-n {ns} addr add {address} dev eth0"))
    }

    fn start(&mut self) -> Result<(), String> {
        let put = |name: &str, text: &str| std::fs::write(self.folder.join(name), text);
        put("edge.toml", BOOT)
            .and_then(|()| put("tables.json", TABLES))
            .map_err(|error| error.to_string())?;
        let log = File::create(self.folder.join("log")).map_err(|error| error.to_string())?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ns(Host::Edge)]).arg(own_path()?).arg("run").arg("--config");
        command.arg(self.folder.join("edge.toml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.byway = Some(command.spawn().map_err(|error| format!("byway run: {error}"))?);
        for _ in 0..TRIES {
            std::thread::sleep(Duration::from_millis(100));
            if self.show("status").is_ok_and(|status| status["phase"] == "serving") {
                return Ok(());
            }
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("byway did not come up: {}", log.lines().last().unwrap_or("it said nothing")))
    }
}

impl Drop for Lab {
    /// Whatever fails to go away here is gone or was never there.
    fn drop(&mut self) {
        if let Some(mut byway) = self.byway.take() {
            let pid = Pid::from_raw(byway.id() as i32);
            // Twice: sessions that are left are reset, not waited for.
            let _ = kill(pid, Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(200));
            let _ = kill(pid, Signal::SIGTERM);
            let _ = byway.wait();
        }
        for host in Host::ALL {
            let _ = ip(&format!("netns del {}", self.ns(host)));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The first CPU: a lone worker has the last.
fn generator_cpu() -> u16 {
    crate::worker::allowed_cpus().first().copied().unwrap_or(0)
}

fn own_path() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the path of this program: {error}"))
}

fn ip(line: &str) -> Result<(), String> {
    run("ip", line).map(drop)
}

fn run(program: &str, line: &str) -> Result<String, String> {
    let out = Command::new(program).args(line.split_whitespace()).stdin(Stdio::null()).output();
    let out = out.map_err(|error| format!("{program}: {error}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    Err(format!("{program} {line}: {}", said.lines().last().unwrap_or("failed")))
}
