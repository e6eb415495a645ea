//! Ports as control sees them: their reports, links and frames. cli brings a view for each kind of port.

use crate::base::PortId;
use crate::port::{PortInfo, PortStats, RssReport};
use crate::telemetry::expose::{Kind, Number, Sink};
use serde_json::{Value, json};

/// What control asks of the ports, a few times a second.
pub trait PortsView: Send {
    /// What each port is, in the order of their ids.
    fn infos(&self) -> &[PortInfo];
    /// Looks after all ports: takes counts, sees links change, brings vanished devices back.
    fn tend(&mut self) -> Vec<(PortId, PortNews)>;
    /// A port as of the last `tend`.
    fn state(&self, port: PortId) -> PortState;
}

/// What happened to a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortNews {
    /// The link came up.
    LinkUp,
    /// The link went down.
    LinkDown,
    /// The device is gone.
    Vanished,
    /// The device is back.
    Back,
    /// The device is there again and does not open; why.
    NotBack(String),
}

/// A port at one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortState {
    /// Whether its link was up.
    pub link_up: bool,
    /// Its frames so far.
    pub stats: PortStats,
    /// How often its device vanished.
    pub vanished: u64,
}

/// What byway does itself because the device does not.
pub fn in_software(info: &PortInfo) -> Vec<&'static str> {
    let sum = &info.checksum;
    let all = [
        (sum.rx_ip, "verify IPv4 checksums"),
        (sum.rx_tcp, "verify TCP checksums"),
        (sum.tx_ip, "fill IPv4 checksums"),
        (sum.tx_tcp, "fill TCP checksums"),
        (info.rss != RssReport::Foreign, "hand flows over between workers"),
    ];
    all.into_iter().filter(|(done, _)| !done).map(|(_, what)| what).collect()
}

/// The word for a port's receive-side scaling.
pub fn rss_word(rss: RssReport) -> String {
    match rss {
        RssReport::SingleQueue => "one queue".into(),
        RssReport::Programmed { table_len } => format!("ours, table of {table_len}"),
        RssReport::Foreign => "the device's own".into(),
    }
}

/// A hardware address in words.
pub fn mac_word(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// A port for the local socket.
pub fn row(info: &PortInfo, state: &PortState) -> Value {
    let PortState { link_up, stats, vanished } = state;
    json!({
        "name": info.name,
        "driver": info.driver,
        "mac": mac_word(info.mac),
        "mtu": info.mtu,
        "link": if *link_up { "up" } else { "down" },
        "queues": format!("{}/{}", info.rx_queues, info.tx_queues),
        "rss": rss_word(info.rss),
        "checksum": {
            "rx_ip": info.checksum.rx_ip,
            "rx_tcp": info.checksum.rx_tcp,
            "tx_ip": info.checksum.tx_ip,
            "tx_tcp": info.checksum.tx_tcp,
        },
        "tso_bytes": info.tso_bytes,
        "software": in_software(info),
        "numa_node": info.numa_node,
        "vanished": vanished,
        "stats": {
            "rx_frames": stats.rx_frames,
            "rx_bytes": stats.rx_bytes,
            "tx_frames": stats.tx_frames,
            "tx_bytes": stats.tx_bytes,
            "rx_lost": stats.rx_lost,
            "rx_errors": stats.rx_errors,
            "tx_errors": stats.tx_errors,
        },
    })
}

type StatRow = (&'static str, &'static str, fn(&PortStats) -> u64);

const STATS: &[StatRow] = &[
    ("byway_port_received_frames_total", "Frames that the device received.", |stats| stats.rx_frames),
    ("byway_port_received_bytes_total", "Bytes that the device received.", |stats| stats.rx_bytes),
    ("byway_port_sent_frames_total", "Frames that the device sent.", |stats| stats.tx_frames),
    ("byway_port_sent_bytes_total", "Bytes that the device sent.", |stats| stats.tx_bytes),
    ("byway_port_lost_frames_total", "Frames lost before byway saw them.", |stats| stats.rx_lost),
    ("byway_port_receive_errors_total", "Frames that came in with an error of the link.", |stats| {
        stats.rx_errors
    }),
    ("byway_port_send_errors_total", "Frames that the device failed to send.", |stats| stats.tx_errors),
];

/// All ports for Prometheus.
pub fn expose(infos: &[PortInfo], states: &[PortState], sink: &mut impl Sink) {
    let ports = || infos.iter().zip(states);
    sink.family("byway_port_link_up", Kind::Gauge, "Whether the port's link is up.");
    for (info, state) in ports() {
        sink.sample("", &[("port", &info.name)], Number::Whole(state.link_up.into()));
    }
    sink.family("byway_port_vanished_total", Kind::Counter, "How often the port's device vanished.");
    for (info, state) in ports() {
        sink.sample("", &[("port", &info.name)], Number::Whole(state.vanished));
    }
    for (name, help, read) in STATS {
        sink.family(name, Kind::Counter, help);
        for (info, state) in ports() {
            sink.sample("", &[("port", &info.name)], Number::Whole(read(&state.stats)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::ChecksumOffload;

    #[test]
    fn a_row_names_what_falls_to_software() {
        let info = PortInfo {
            id: PortId(0),
            name: "north".into(),
            driver: "net_af_packet".into(),
            mac: [2, 0, 0, 0, 0, 0xab],
            mtu: 1500,
            rx_queues: 2,
            tx_queues: 2,
            rss: RssReport::Foreign,
            checksum: ChecksumOffload { rx_ip: true, rx_tcp: true, tx_ip: true, tx_tcp: false },
            tso_bytes: 0,
            numa_node: None,
        };
        let row = row(&info, &PortState { link_up: true, ..PortState::default() });
        assert_eq!(row["mac"], "02:00:00:00:00:ab");
        assert_eq!(row["software"], json!(["fill TCP checksums", "hand flows over between workers"]));
        assert_eq!(row["link"], "up");
    }
}
