//! The hosts of the bench: two roads from one client to one origin. Addresses are those of RFC 2544 and RFC 5737.

use super::super::lab::{
    Daemon, EDGE, Folder, Host, IPERF_PORT, LabError, Nic, Seat, boot, start_byway, start_iperf, tables, wire,
};
use super::slow_wire::{SlowWire, Terms};
use crate::worker::allowed_cpus;

/// Where byway tells its counters.
const METRICS: &str = "127.0.0.1:9180";

/// A way from the client to the origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Road {
    /// Through byway's app.
    Byway,
    /// Through a router, which is a kernel.
    Direct,
}

impl Road {
    /// Where a client finds the origin's iperf3.
    pub const fn door(self) -> &'static str {
        match self {
            Self::Byway => EDGE,
            Self::Direct => "198.18.3.2",
        }
    }
}

/// Byway's `[tcp] splice_handshake`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// The default.
    Immediate,
    /// Origins measure the whole path.
    ClientRtt,
}

impl Handshake {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ClientRtt, Self::Immediate];

    /// As the config has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::ClientRtt => "client_rtt",
        }
    }
}

/// Hosts, wires and what runs in them; all gone when dropped. Fields are dropped in this order.
pub struct Net {
    _byway: Daemon,
    _origins: Daemon,
    _wires: [SlowWire; 2],
    _folder: Folder,
    client: Host,
    byway: Host,
    _router: Host,
    _lossy: Host,
    _slow: Host,
    _origin: Host,
    peer_cpu: String,
}

impl Net {
    /// Makes all of it; `loss_percent` of the packets are lost beside the client, in either direction.
    ///
    /// # Errors
    /// `OneCpu`, and those of hosts, wires, daemons and nft(8).
    pub fn new(terms: Terms, loss_percent: u32, handshake: Handshake) -> Result<Self, LabError> {
        let cpus = allowed_cpus();
        let [peer, .., worker] = cpus[..] else { return Err(LabError::OneCpu) };
        let [client, lossy, slow, byway, router, origin] =
            ["client", "lossy", "slow", "byway", "router", "origin"].map(Host::new);
        let (client, lossy, slow) = (client?, lossy?, slow?);
        let (byway, router, origin) = (byway?, router?, origin?);
        byway.silence()?;
        slow.silence()?;
        router.set("net.ipv4.ip_forward", "1")?;
        connect([&client, &lossy, &slow, &byway, &origin], ["c0", "a0", "a1", "o0"], OF_BYWAY)?;
        connect([&client, &lossy, &slow, &router, &origin], ["c1", "b0", "b1", "o1"], OF_ROUTER)?;
        client.ip(&["route", "add", "198.51.100.0/24", "via", "198.18.0.1"])?;
        client.ip(&["route", "add", "198.18.3.0/24", "via", "198.18.2.1"])?;
        origin.ip(&["route", "add", "198.18.2.0/24", "via", "198.18.3.1"])?;
        let folder = Folder::new("goodput")?;
        let rules = folder.write("loss.nft", &loss(loss_percent))?.display().to_string();
        lossy.run(&["nft", "-f", &rules])?;
        let wires = [SlowWire::new(&slow, ["a0", "a1"], terms)?, SlowWire::new(&slow, ["b0", "b1"], terms)?];
        let peer_cpu = peer.to_string();
        let origins = start_iperf(Seat { host: &origin, cpus: &peer_cpu }, &folder)?;
        let cpus = format!("{peer},{worker}");
        let seat = Seat { host: &byway, cpus: &cpus };
        let edge = start_byway(
            seat,
            &folder,
            &boot("net_af_packet", METRICS, &more(worker, handshake)),
            &tables(&[IPERF_PORT]),
        )?;
        Ok(Self {
            _byway: edge,
            _origins: origins,
            _wires: wires,
            _folder: folder,
            client,
            byway,
            _router: router,
            _lossy: lossy,
            _slow: slow,
            _origin: origin,
            peer_cpu,
        })
    }

    /// Where clients run.
    pub fn client_seat(&self) -> Seat<'_> {
        Seat { host: &self.client, cpus: &self.peer_cpu }
    }

    /// Of the bytes that byway carried so far, how many were spliced.
    ///
    /// # Errors
    /// `Refused`, `Unreadable`: byway does not answer.
    pub fn spliced_share(&self) -> Result<f64, LabError> {
        let metrics = self.byway.run(&["curl", "--silent", &format!("http://{METRICS}/metrics")])?;
        spliced_share(&metrics).ok_or(LabError::Unreadable("byway".to_owned(), metrics))
    }
}

/// Addresses of a road: of the client, of the middle's two ends, of the origin.
const OF_BYWAY: [&[&str]; 4] = [&["198.18.0.2/24"], &[], &[], &["198.18.1.2/24"]];
const OF_ROUTER: [&[&str]; 4] =
    [&["198.18.2.2/24"], &["198.18.2.1/24"], &["198.18.3.1/24"], &["198.18.3.2/24"]];

/// Four wires: client to a bridge of the lossy host's, from there to one end of the slow wire, its other end to the
/// middle's edge0, edge1 to the origin.
fn connect(
    [client, lossy, slow, middle, origin]: [&Host; 5],
    names: [&str; 4],
    addresses: [&[&str]; 4],
) -> Result<(), LabError> {
    let nic = |host, name, addresses| Nic { host, name, addresses };
    let (bridge, near, far) =
        (format!("br-{}", names[0]), format!("near-{}", names[0]), format!("far-{}", names[0]));
    lossy.ip(&["link", "add", &bridge, "type", "bridge"])?;
    lossy.ip(&["link", "set", &bridge, "up"])?;
    wire(&nic(client, names[0], addresses[0]), &nic(lossy, &near, &[]))?;
    wire(&nic(lossy, &far, &[]), &nic(slow, names[1], &[]))?;
    for port in [&near, &far] {
        lossy.ip(&["link", "set", port, "master", &bridge])?;
    }
    wire(&nic(slow, names[2], &[]), &nic(middle, "edge0", addresses[1]))?;
    wire(&nic(origin, names[3], addresses[3]), &nic(middle, "edge1", addresses[2]))
}

/// Random loss of all that crosses a bridge. (At an end host's own output the sender would be told.)
fn loss(percent: u32) -> String {
    format!(
        "table bridge lossy {{\n chain crossing {{\n  type filter hook forward priority 0;\n  \
         ether type {{ ip, ip6 }} numgen random mod 100 < {percent} drop;\n }}\n}}\n"
    )
}

fn more(worker: u16, handshake: Handshake) -> String {
    let handshake = handshake.name();
    format!(
        "[workers]\nlcores = [{worker}]\n\n[tcp]\nsplice_handshake = \"{handshake}\"\n\n\
         [egress]\nipv4 = [\"198.18.1.10\"]\n"
    )
}

/// Of all payload bytes (`byway_app_bytes_total`) those that were not relayed by managed sessions
/// (`byway_relayed_bytes_total`).
fn spliced_share(metrics: &str) -> Option<f64> {
    let sum = |name: &str| -> Option<f64> {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.split_whitespace().next_back()?.parse::<f64>().ok()).sum()
    };
    let (all, managed) = (sum("byway_app_bytes_total")?, sum("byway_relayed_bytes_total")?);
    Some((all - managed) / all.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spliced_share_is_of_all_bytes_of_both_directions() {
        let metrics = "# HELP byway_app_bytes_total x\nbyway_app_bytes_total{app=\"a\",direction=\"in\"} 60\n\
                       byway_app_bytes_total{app=\"a\",direction=\"out\"} 40\n\
                       byway_relayed_bytes_total{from=\"client\"} 4\nbyway_relayed_bytes_total{from=\"origin\"} 6\n";
        assert_eq!(spliced_share(metrics), Some(0.9));
    }
}
