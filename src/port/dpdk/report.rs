//! What the operator reads of a port at start: driver, queues, spreading, offloads, and what falls back to software.

use crate::port::{PortInfo, RssReport};
use std::fmt;

/// The start-up report of one port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortReport {
    /// What the port is.
    pub info: PortInfo,
    /// Workers in all; those beyond the receive queues get their frames by hand-over.
    pub workers: u16,
    /// What the device refused or lacks, in sentences.
    pub notes: Vec<String>,
}

impl fmt::Display for PortReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.info;
        let numa = info.numa_node.map_or("none".to_owned(), |node| node.to_string());
        write!(
            f,
            "port {}: driver {}, mac {}, mtu {}, queues rx {} tx {}, rss {}, numa {numa}, checksums by the device: {}; \
             in software: {}; long segments: {}",
            info.name,
            info.driver,
            Mac(info.mac),
            info.mtu,
            info.rx_queues,
            info.tx_queues,
            rss(info.rss),
            self.checksums(true),
            self.checksums(false),
            self.long_segments(),
        )?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl PortReport {
    /// What the device cuts.
    fn long_segments(&self) -> String {
        match self.info.tso_bytes {
            0 => "none".into(),
            bytes => format!("up to {bytes} bytes over IPv4 cut by the device (TSO), none over IPv6"),
        }
    }

    /// The checksums that the device handles (`true`) or leaves to us (`false`).
    fn checksums(&self, by_device: bool) -> String {
        let has = self.info.checksum;
        let all =
            [("rx ip", has.rx_ip), ("rx tcp", has.rx_tcp), ("tx ip", has.tx_ip), ("tx tcp", has.tx_tcp)];
        let names: Vec<&str> = all.iter().filter(|(_, on)| *on == by_device).map(|(name, _)| *name).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}

fn rss(rss: RssReport) -> String {
    match rss {
        RssReport::SingleQueue => "not needed (one queue)".into(),
        RssReport::Programmed { table_len } => format!("programmed ({table_len} entries)"),
        RssReport::Foreign => "by a rule of its own (hand-over in software)".into(),
    }
}

struct Mac([u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PortId;
    use crate::port::ChecksumOffload;

    #[test]
    fn a_report_names_what_falls_back_to_software() {
        let checksum = ChecksumOffload { rx_ip: true, tx_tcp: true, ..ChecksumOffload::default() };
        let info = PortInfo {
            id: PortId(0),
            name: "edge0".into(),
            driver: "net_x".into(),
            mac: [2, 0, 0, 0, 0, 0xaf],
            mtu: 1500,
            rx_queues: 2,
            tx_queues: 2,
            rss: RssReport::Foreign,
            checksum,
            tso_bytes: 0,
            numa_node: None,
        };
        let mut report = PortReport { info, workers: 3, notes: vec!["a note".into()] };
        assert_eq!(
            report.to_string(),
            "port edge0: driver net_x, mac 02:00:00:00:00:af, mtu 1500, queues rx 2 tx 2, rss by a rule of its own \
             (hand-over in software), numa none, checksums by the device: rx ip, tx tcp; in software: rx tcp, tx ip; \
             long segments: none; a note"
        );
        report.info.tso_bytes = 16_384;
        assert!(
            report
                .to_string()
                .contains("up to 16384 bytes over IPv4 cut by the device (TSO), none over IPv6")
        );
    }
}
