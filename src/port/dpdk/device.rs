//! The device string of the boot config, parsed: a PCI address or a DPDK software device with its arguments.

use super::PortError;
use std::fmt;

/// Software devices that byway serves or measures with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// A kernel interface by AF_PACKET.
    AfPacket,
    /// A kernel interface by AF_XDP.
    AfXdp,
    /// A tap device towards this machine's kernel.
    Tap,
    /// Shared memory with another process (memif).
    Memif,
    /// A vhost-user back end, by its socket.
    VirtioUser,
    /// A vhost-user back end of our own.
    Vhost,
    /// Capture files.
    Pcap,
    /// Nothing: for measurements.
    Null,
    /// A ring that ends where it begins: for measurements.
    Ring,
}

/// What a port's device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A network card on the PCI bus.
    Pci,
    /// A software device.
    Software(Driver),
}

/// A parsed device string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSpec {
    kind: Kind,
    /// The PCI address, or the driver's word with any number taken off.
    word: String,
    /// The operator's arguments, `key=value` each.
    args: Vec<String>,
}

const DRIVERS: [(&str, Driver); 10] = [
    ("net_af_packet", Driver::AfPacket),
    ("net_af_xdp", Driver::AfXdp),
    ("net_tap", Driver::Tap),
    ("net_memif", Driver::Memif),
    ("net_virtio_user", Driver::VirtioUser),
    ("virtio_user", Driver::VirtioUser),
    ("net_vhost", Driver::Vhost),
    ("net_pcap", Driver::Pcap),
    ("net_null", Driver::Null),
    ("net_ring", Driver::Ring),
];

/// Bytes of an AF_PACKET ring, a queue and direction.
const RING_BYTES: u32 = 8 << 20;
/// Bytes of one block of it, about.
const BLOCK_BYTES: u32 = 65_536;

impl DeviceSpec {
    /// Reads a device string: `0000:01:00.0[,args]` or `net_<driver>[number][,args]`.
    ///
    /// # Errors
    /// `DeviceUnreadable`, `DriverUnknown`, `ArgumentMissing`.
    pub fn parse(text: &str) -> Result<Self, PortError> {
        let mut parts = text.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let args: Vec<String> = parts.filter(|arg| !arg.is_empty()).map(str::to_owned).collect();
        if is_pci_address(first) {
            return Ok(Self { kind: Kind::Pci, word: first.to_ascii_lowercase(), args });
        }
        if !first.starts_with("net_") && !first.starts_with("virtio_") {
            return Err(PortError::DeviceUnreadable { device: text.to_owned() });
        }
        let word = first.trim_end_matches(|char: char| char.is_ascii_digit());
        let known = DRIVERS.iter().find(|(name, _)| *name == word);
        let Some((word, driver)) = known else {
            return Err(PortError::DriverUnknown { driver: word.to_owned() });
        };
        let spec = Self { kind: Kind::Software(*driver), word: (*word).to_owned(), args };
        match driver.needs().find(|need| spec.argument(need).is_none()) {
            Some(need) => Err(PortError::ArgumentMissing { driver: spec.word, argument: need }),
            None => Ok(spec),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// DPDK's name of the device as port number `port` of the boot config.
    pub fn name(&self, port: u8) -> String {
        match self.kind {
            Kind::Pci => self.word.clone(),
            Kind::Software(_) => format!("{}{port}", self.word),
        }
    }

    /// The kernel interface that the device stands on, where it stands on one.
    pub fn interface(&self) -> Option<&str> {
        match self.kind {
            Kind::Software(Driver::AfPacket | Driver::AfXdp) => self.argument("iface"),
            Kind::Software(
                Driver::Tap
                | Driver::Memif
                | Driver::VirtioUser
                | Driver::Vhost
                | Driver::Pcap
                | Driver::Null
                | Driver::Ring,
            )
            | Kind::Pci => None,
        }
    }

    /// The arguments for DPDK: the operator's, and those of ours that the operator did not give.
    pub fn arguments(&self, queues: u16, mtu: u16) -> String {
        let ours = match self.kind {
            Kind::Software(Driver::AfPacket) => af_packet_ring(queues, mtu),
            Kind::Software(Driver::VirtioUser) => {
                vec![format!("queues={queues}"), "queue_size=1024".into()]
            }
            Kind::Software(Driver::Vhost) => vec![format!("queues={queues}")],
            Kind::Software(Driver::Memif) => vec!["rsize=11".into()],
            Kind::Software(Driver::AfXdp | Driver::Tap | Driver::Pcap | Driver::Null | Driver::Ring)
            | Kind::Pci => Vec::new(),
        };
        let missing = ours.into_iter().filter(|arg| self.argument(key(arg)).is_none());
        self.args.iter().cloned().chain(missing).collect::<Vec<_>>().join(",")
    }

    /// The value of one of the operator's arguments.
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|arg| key(arg) == name).map(|arg| arg[key(arg).len()..].trim_start_matches('='))
    }
}

impl Driver {
    /// Arguments that it cannot do without.
    fn needs(self) -> impl Iterator<Item = &'static str> {
        let needs: &[&str] = match self {
            Self::AfPacket | Self::AfXdp | Self::Vhost => &["iface"],
            Self::VirtioUser => &["path"],
            Self::Tap | Self::Memif | Self::Pcap | Self::Null | Self::Ring => &[],
        };
        needs.iter().copied()
    }

    /// Whether it opens sockets or devices of the kernel, for which it wants CAP_NET_RAW and CAP_NET_ADMIN.
    pub fn is_of_the_kernel(self) -> bool {
        match self {
            Self::AfPacket | Self::AfXdp | Self::Tap => true,
            Self::Memif | Self::VirtioUser | Self::Vhost | Self::Pcap | Self::Null | Self::Ring => false,
        }
    }

    /// Whether it hands its memory to another process as one file a node (`--single-file-segments`).
    pub fn shares_memory(self) -> bool {
        match self {
            Self::VirtioUser | Self::Vhost => true,
            Self::AfPacket | Self::AfXdp | Self::Tap | Self::Memif | Self::Pcap | Self::Null | Self::Ring => {
                false
            }
        }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        self.args.iter().try_for_each(|arg| write!(f, ",{arg}"))
    }
}

fn key(arg: &str) -> &str {
    arg.split('=').next().unwrap_or(arg)
}

/// A ring of 8 MiB a queue and direction. The driver wants frames that fit a buffer of the pool and lie without a gap,
/// the kernel blocks of whole pages: four frames of whole KiB are both.
fn af_packet_ring(queues: u16, mtu: u16) -> Vec<String> {
    let frame = dpdk_sys::pool::buffer_len(mtu);
    let four = frame * 4;
    let block = four * (BLOCK_BYTES / four).max(1);
    let count = RING_BYTES / block * (block / frame);
    vec![
        format!("qpairs={queues}"),
        format!("blocksz={block}"),
        format!("framesz={frame}"),
        format!("framecnt={count}"),
    ]
}

/// `dddd:bb:dd.f`, hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let pieces: Vec<&str> = text.split([':', '.']).collect();
    let hex = |piece: &&str, len: usize| piece.len() == len && piece.bytes().all(|b| b.is_ascii_hexdigit());
    pieces.len() == 4
        && text.len() == 12
        && pieces.iter().zip([4, 2, 2, 1]).all(|(piece, len)| hex(piece, len))
        && text.as_bytes()[10] == b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_and_software_devices_are_told_apart() {
        let nic = DeviceSpec::parse("0000:3B:00.1").expect("an address");
        assert_eq!((nic.kind(), nic.name(4).as_str()), (Kind::Pci, "0000:3b:00.1"));
        let tap = DeviceSpec::parse("net_tap7,iface=tap0").expect("a device");
        assert_eq!((tap.kind(), tap.name(1).as_str()), (Kind::Software(Driver::Tap), "net_tap1"));
        assert_eq!(tap.to_string(), "net_tap,iface=tap0");
    }

    #[test]
    fn what_is_no_device_is_refused_by_name() {
        for text in ["", "eth0", "00:01.0", "0000:01.00:0"] {
            assert!(matches!(DeviceSpec::parse(text), Err(PortError::DeviceUnreadable { .. })), "{text}");
        }
        assert!(matches!(DeviceSpec::parse("net_foo,x=1"), Err(PortError::DriverUnknown { .. })));
        let missing = DeviceSpec::parse("net_af_packet");
        assert!(matches!(missing, Err(PortError::ArgumentMissing { argument: "iface", .. })));
    }

    #[test]
    fn an_interface_alone_is_enough_and_the_operators_arguments_win() {
        let plain = DeviceSpec::parse("net_af_packet,iface=eth1").expect("a device");
        let args = plain.arguments(2, 1500);
        assert_eq!(args, "iface=eth1,qpairs=2,blocksz=65536,framesz=2048,framecnt=4096");
        let own = DeviceSpec::parse("net_af_packet,iface=eth1,qpairs=1").expect("a device");
        assert!(own.arguments(2, 9000).contains("qpairs=1,blocksz=36864,framesz=9216,framecnt=908"));
        assert_eq!(own.interface(), Some("eth1"));
    }
}
