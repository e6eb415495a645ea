//! Ports as control sees them: their reports, links and frames. cli brings a view for each kind of port.

use crate::base::PortId;
use crate::port::{PortInfo, PortStats, RssReport};
use crate::telemetry::expose::{Kind, Number, Sink};
use serde_json::{Value, json};

/// What control asks of the ports, about once a second.
pub trait PortsView: Send {
    /// What each port is, in the order of their ids.
    fn infos(&self) -> &[PortInfo];
    /// Frames so far.
    fn stats(&mut self, port: PortId) -> PortStats;
    /// Whether the link is up.
    fn link_up(&mut self, port: PortId) -> bool;
}

/// A port at one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortState {
    /// Whether its link was up.
    pub link_up: bool,
    /// Its frames so far.
    pub stats: PortStats,
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

/// One line for the start-up report.
pub fn report(info: &PortInfo, device: &str) -> String {
    let software = in_software(info);
    let software = if software.is_empty() { "nothing".to_owned() } else { software.join(", ") };
    let node = info.numa_node.map_or("none".to_owned(), |node| node.to_string());
    format!(
        "port {}: {device}, driver {}, mac {}, mtu {}, queues {} rx and {} tx, rss: {}, numa node {node}, in software: {software}",
        info.name,
        info.driver,
        mac_word(info.mac),
        info.mtu,
        info.rx_queues,
        info.tx_queues,
        rss_word(info.rss),
    )
}

/// A port for the local socket.
pub fn row(info: &PortInfo, state: &PortState) -> Value {
    let PortState { link_up, stats } = state;
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
        "software": in_software(info),
        "numa_node": info.numa_node,
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
    fn the_report_names_what_falls_to_software() {
        let info = PortInfo {
            id: PortId(0),
            name: "north".into(),
            driver: "net_af_packet".into(),
            mac: [2, 0, 0, 0, 0, 0xab],
            mtu: 1500,
            rx_queues: 2,
            tx_queues: 2,
            rss: RssReport::Foreign,
            checksum: ChecksumOffload { rx_ip: true, ..ChecksumOffload::default() },
            numa_node: None,
        };
        let line = report(&info, "net_af_packet,iface=edge0");
        assert!(line.contains("mac 02:00:00:00:00:ab"), "{line}");
        assert!(line.ends_with(
            "in software: verify TCP checksums, fill IPv4 checksums, fill TCP checksums, hand flows over between workers"
        ));
    }
}
