//! The edge of the benches: its address, its files, and its start. One wire to clients (`edge0`), one to origins
//! (`edge1`); addresses are those of RFC 2544 and RFC 5737.

use super::daemon::{Daemon, Seat, own_program};
use super::error::LabError;
use super::folder::Folder;
use serde_json::json;

/// The edge address of all apps.
pub const EDGE: &str = "198.51.100.10";
/// The origin of all apps.
const ORIGIN: &str = "198.18.1.2";

/// A boot config on a driver of DPDK's; `metrics` is where they are served, or empty, and `more` holds further tables.
pub fn boot(driver: &str, metrics: &str, more: &str) -> String {
    format!(
        r#"tables = "tables.json"
state_dir = "state"
socket = "byway.sock"
metrics = "{metrics}"
events = ""
user = ""
lab = true
origin_allow = ["198.18.0.0/15"]

[[ports]]
name = "north"
device = "{driver},iface=edge0"
addresses = ["198.18.0.1/24"]

[[ports]]
name = "south"
device = "{driver},iface=edge1"
addresses = ["198.18.1.1/24"]

[[routes]]
to = "0.0.0.0/0"
via = "198.18.0.2"
port = "north"

{more}"#
    )
}

/// A table file with an app for each of these TCP ports.
pub fn tables(ports: &[u16]) -> String {
    let app = |port: &u16| {
        json!({
            "protocol": format!("tcp/{port}"), "edge_ips": {"type": "static", "ips": [EDGE]},
            "dns": {"type": "ADDRESS", "name": format!("tcp-{port}.bench.example")},
            "origin_direct": [format!("tcp://{ORIGIN}:{port}")],
        })
    };
    let zone = json!({"id": "bench.example", "apps": ports.iter().map(app).collect::<Vec<_>>()});
    let accounts = json!([{"id": "bench", "zones": [zone]}]);
    json!({"version": 1, "prefixes": [{"cidr": "198.51.100.0/24"}], "accounts": accounts}).to_string()
}

/// Starts this very binary as an edge on these files, and waits until it says that it is ready.
///
/// # Errors
/// Those of `Daemon` and `Folder`.
pub fn start_byway(seat: Seat<'_>, folder: &Folder, boot: &str, tables: &str) -> Result<Daemon, LabError> {
    folder.write("tables.json", tables)?;
    let config = folder.write("edge.toml", boot)?.display().to_string();
    let byway = Daemon::start("byway", seat, folder, &[&own_program()?, "run", "--config", &config])?;
    byway.wait(|said| said.lines().any(|line| line.starts_with("byway: ready")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::boot as config;

    #[test]
    fn the_files_are_ones_that_byway_takes() {
        let more = "[workers]\nlcores = [0]\n\n[egress]\nipv4 = [\"198.18.1.10\"]\n";
        let spec = config::parse(&boot("net_af_packet", "127.0.0.1:9180", more), std::path::Path::new("/"));
        assert!(spec.is_ok(), "{:?}", spec.err());
        assert!(tables(&[80, 5_201]).contains("tcp://198.18.1.2:5201"));
    }
}
