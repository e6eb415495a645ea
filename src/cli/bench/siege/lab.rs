//! Three hosts with a running byway in the middle; gone with the value, whatever happened.

use super::super::lab::{
    Daemon, Folder, Host, LabError, Nic, Seat, boot, own_program, start_byway, tables, wire,
};
use crate::worker::{allowed_cpus, confine};
use serde_json::Value;
use std::time::Duration;

/// The edge endpoint of the one app.
pub const EDGE: &str = "198.51.100.10:80";
/// Its origin.
pub const ORIGIN: &str = "198.18.1.2:80";
/// Where the flood comes from; the edge's answers go to the clients' kernel, which has no use for them.
const FLOOD_FROM: &str = "198.18.64.0/18";

const MORE: &str = "[egress]\nipv4 = [\"198.18.1.10\"]\n";

/// The laboratory. Fields are dropped in this order.
pub struct Lab {
    _byway: Daemon,
    folder: Folder,
    /// Clients and the flood.
    pub client: Host,
    edge: Host,
    /// The origin.
    pub origin: Host,
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
    pub fn raise() -> Result<Self, LabError> {
        let [client, edge, origin] = ["client", "edge", "origin"].map(Host::new);
        let (client, edge, origin) = (client?, edge?, origin?);
        edge.silence()?;
        let nic = |host, name, addresses| Nic { host, name, addresses };
        wire(&nic(&client, "eth0", &["198.18.0.2/24"]), &nic(&edge, "edge0", &[]))?;
        wire(&nic(&origin, "eth0", &["198.18.1.2/24"]), &nic(&edge, "edge1", &[]))?;
        client.ip(&["route", "add", "198.51.100.0/24", "via", "198.18.0.1"])?;
        let folder = Folder::new("flood")?;
        let byway = start(&edge, &folder)?;
        Ok(Self { _byway: byway, folder, client, edge, origin })
    }

    /// Floods the app with SYNs; what the generator said.
    ///
    /// # Errors
    /// It did not run.
    pub fn flood(&self, a_second: u64, seconds: u64) -> Result<Value, LabError> {
        let mac = self.edge.run(&["cat", "/sys/class/net/edge0/address"])?;
        let line = format!(
            "gen syn --json --port net_af_packet,iface=eth0 --mac {} --from {FLOOD_FROM} --to 198.51.100.10 --to-ports 80 \
             --cpu {} --rate {a_second} --seconds {seconds}",
            mac.trim(),
            generator_cpu()
        );
        // It makes up for what it missed; a client that waited for its CPU would be taken for one that waited for the edge.
        ask(&self.client, &["nice", "-n", "19"], &line)
    }

    /// What arrived at the edge so far.
    ///
    /// # Errors
    /// byway does not answer.
    pub fn arrivals(&self) -> Result<Arrivals, LabError> {
        // Control looks at its ports twice a second.
        std::thread::sleep(Duration::from_millis(1_100));
        let socket = self.folder.path("byway.sock");
        let ports = ask(&self.edge, &[], &format!("show ports --json --socket {}", socket.display()))?;
        let count = |field: &str| ports["ports"][0]["stats"][field].as_u64().unwrap_or(0);
        Ok(Arrivals { received: count("rx_frames"), lost: count("rx_lost") })
    }
}

fn start(edge: &Host, folder: &Folder) -> Result<Daemon, LabError> {
    let cpus: Vec<String> = allowed_cpus().iter().map(u16::to_string).collect();
    start_byway(
        Seat { host: edge, cpus: &cpus.join(",") },
        folder,
        &boot("net_af_packet", "", MORE),
        &tables(&[80]),
    )
}

/// What this program, run in a host by `by` with these words, answers as JSON.
fn ask(host: &Host, by: &[&str], line: &str) -> Result<Value, LabError> {
    let own = own_program()?;
    let words = by.iter().copied().chain(std::iter::once(own.as_str())).chain(line.split_whitespace());
    let words: Vec<&str> = words.collect();
    let said = host.run(&words)?;
    serde_json::from_str(&said).map_err(|_| LabError::Unreadable("byway".to_owned(), said))
}

/// The first CPU: a lone worker has the last.
fn generator_cpu() -> u16 {
    allowed_cpus().first().copied().unwrap_or(0)
}

/// Keeps the calling thread, and all that it starts from now on, off the CPU of the running byway's worker: a client or an origin
/// there would wait for the worker to be taken off it, and take it off.
///
/// # Errors
/// The kernel allows none of the others.
pub fn leave_worker_alone() -> Result<(), LabError> {
    let cpus = allowed_cpus();
    let Some((_, others @ [_, ..])) = cpus.split_last() else { return Ok(()) };
    confine(others).map_err(|error| LabError::Refused("a worker alone".to_owned(), error.to_string()))
}
