//! Control's end of a port: plug, capabilities, set-up, statistics, and taking it out of service and back.

use crate::eal::Eal;
use crate::failure::{EBUSY, EINVAL, Failure, check};
use crate::pool::Pool;
use crate::queue::{Gate, QueuePair};
use crate::sys;
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard};

/// Receive and transmit slots asked for; the driver adjusts them to what it can.
const RING_SLOTS: u16 = 1024;
/// Entries of the longest redirection table that DPDK 22.11 knows.
const RETA_MAX: usize = 512;
/// Longest RSS key of any driver, in bytes.
const KEY_MAX: usize = 64;

/// DPDK's set-up calls are for one thread at a time (they share tables without locks); statistics are not held up.
static SET_UP: Mutex<()> = Mutex::new(());

fn set_up() -> MutexGuard<'static, ()> {
    SET_UP.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Where a device hangs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bus {
    /// A PCI device, by its address.
    Pci,
    /// A software device, by its driver's name and a number.
    Virtual,
}

/// Work that a device can do for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offloads {
    /// Verify the IPv4 header checksum.
    pub rx_ip: bool,
    /// Verify TCP checksums.
    pub rx_tcp: bool,
    /// Deliver the RSS hash with the frame.
    pub rx_rss_hash: bool,
    /// Fill in the IPv4 header checksum.
    pub tx_ip: bool,
    /// Fill in TCP checksums.
    pub tx_tcp: bool,
    /// Cut long TCP segments (TSO).
    pub tx_tso: bool,
}

/// What a device can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// The driver's name.
    pub driver: String,
    /// Work it can take over.
    pub offloads: Offloads,
    /// Whether it spreads TCP over IPv4 and over IPv6 by its ports.
    pub spreads_tcp: bool,
    /// The smallest MTU.
    pub mtu_min: u32,
    /// The largest MTU.
    pub mtu_max: u32,
    /// The longest frame that it receives, in bytes, CRC included as a rule.
    pub frame_len_max: u32,
    /// Receive queues at most.
    pub rx_queues_max: u16,
    /// Transmit queues at most.
    pub tx_queues_max: u16,
    /// Entries of its redirection table; 0: none.
    pub reta_len: u16,
    /// Bytes of its RSS key; 0: unknown.
    pub rss_key_len: u8,
    /// Its NUMA node; `None` where it has none.
    pub numa_node: Option<u8>,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// How to set a port up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup<'a> {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// MTU that the driver is told at configuration.
    pub mtu: u16,
    /// Work to hand to the device; only what its capabilities name.
    pub offloads: Offloads,
    /// The RSS key; `None`: no spreading by the device.
    pub rss_key: Option<&'a [u8]>,
    /// Whether receive queues shall be able to interrupt; a driver without such interrupts does not mind.
    pub rx_interrupts: bool,
}

/// Counts of a port since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that the device dropped because its ring was full.
    pub rx_missed: u64,
    /// Receptions that failed because the pool was empty.
    pub rx_no_buffer: u64,
    /// Frames received with an error.
    pub rx_errors: u64,
    /// Frames that could not be sent, those included that the driver's own check refused.
    pub tx_errors: u64,
}

/// How many queues a port was started with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Queues {
    rx: u16,
    tx: u16,
}

/// A plugged device. Dropped, it is stopped and unplugged, unless a worker does not leave it: then it stays.
#[derive(Debug)]
pub struct Device {
    eal: Eal,
    bus: Bus,
    name: CString,
    port: u16,
    plugged: bool,
    started: Option<Queues>,
    gate: Option<Arc<Gate>>,
    _not_sync: PhantomData<Cell<()>>,
}

impl Device {
    /// Plugs device `name` in: a PCI address, or a driver's name and number with its `args`.
    ///
    /// # Errors
    /// `rte_eal_hotplug_add` failed; DPDK's own words are in `log::take`.
    pub fn plug(eal: Eal, bus: Bus, name: &str, args: &str) -> Result<Self, Failure> {
        let name = CString::new(name).map_err(|_| Failure::new("rte_eal_hotplug_add", EINVAL))?;
        let mut device = Self {
            eal,
            bus,
            name,
            port: 0,
            plugged: false,
            started: None,
            gate: None,
            _not_sync: PhantomData,
        };
        device.plug_in(args)?;
        Ok(device)
    }

    /// What the device can do.
    ///
    /// # Errors
    /// `rte_eth_dev_info_get` failed.
    pub fn capabilities(&self) -> Result<Capabilities, Failure> {
        let mut raw = sys::bw_capabilities::default();
        // SAFETY: EAL is up; `raw` is a live struct of the expected layout.
        let rc = unsafe { sys::bw_port_capabilities(self.port, &raw mut raw) };
        check("rte_eth_dev_info_get", rc)?;
        Ok(Capabilities::from(&raw))
    }

    /// Configures the port, its queues with buffers from `pool` on NUMA `node`, and starts it.
    ///
    /// # Errors
    /// The first DPDK call that failed; `EINVAL` when workers hold queues and the numbers are not those they were
    /// handed out under, `EBUSY` when the port is started already.
    pub fn start(&mut self, setup: &Setup<'_>, pool: Pool, node: Option<u8>) -> Result<(), Failure> {
        let queues = Queues { rx: setup.rx_queues, tx: setup.tx_queues };
        if self.started.is_some() {
            return Err(Failure::new("rte_eth_dev_start", EBUSY));
        }
        if self.gate.as_ref().is_some_and(|gate| !gate.fits(queues.rx, queues.tx)) {
            return Err(Failure::new("rte_eth_dev_configure", EINVAL));
        }
        let _one_at_a_time = set_up();
        self.configure(setup)?;
        let (rx_slots, tx_slots) = self.adjust_rings()?;
        let node = node.map_or(-1, i32::from);
        for queue in 0..setup.rx_queues {
            // SAFETY: EAL is up, the port is configured and stopped, and pools live as long as the process.
            let rc = unsafe { sys::bw_rx_queue_setup(self.port, queue, rx_slots, node, pool.raw()) };
            check("rte_eth_rx_queue_setup", rc)?;
        }
        for queue in 0..setup.tx_queues {
            // SAFETY: EAL is up and the port is configured and stopped.
            let rc = unsafe { sys::bw_tx_queue_setup(self.port, queue, tx_slots, node) };
            check("rte_eth_tx_queue_setup", rc)?;
        }
        // SAFETY: EAL is up and the port is configured.
        check("rte_eth_dev_start", unsafe { sys::bw_port_start(self.port) })?;
        self.started = Some(queues);
        Ok(())
    }

    /// Hands the queues of a started port to `workers`; a second call, or one before `start`, gives nothing.
    pub fn queues(&mut self, workers: u16) -> Vec<QueuePair> {
        let (None, Some(queues)) = (&self.gate, self.started) else { return Vec::new() };
        let (gate, pairs) = Gate::new(self.port, workers, queues.rx, queues.tx);
        self.gate = Some(gate);
        pairs
    }

    /// Takes the port out of service: waits until the workers left it, closes it, unplugs it.
    ///
    /// # Errors
    /// `EBUSY` when a worker did not leave within a second; else the call that failed. May be called again.
    pub fn unplug(&mut self) -> Result<(), Failure> {
        if self.gate.as_ref().is_some_and(|gate| !gate.close()) {
            return Err(Failure::new("waiting for workers to leave the port", EBUSY));
        }
        if !self.plugged {
            return Ok(());
        }
        let _one_at_a_time = set_up();
        // SAFETY: no worker touches the queues any more, which the gate proves.
        let _ = unsafe { sys::bw_port_stop(self.port) };
        let bus = self.bus.name();
        // SAFETY: both strings are zero-terminated; closing a device is part of removing it.
        let rc = unsafe { sys::bw_port_unplug(bus.as_ptr(), self.name.as_ptr()) };
        self.started = None;
        check("rte_eal_hotplug_remove", rc)?;
        self.plugged = false;
        Ok(())
    }

    /// Plugs an unplugged device in again; `start` and `back_in_service` follow.
    ///
    /// # Errors
    /// `rte_eal_hotplug_add` failed.
    pub fn plug_again(&mut self, args: &str) -> Result<(), Failure> {
        self.plug_in(args)
    }

    /// Opens a port that was started again to its workers.
    pub fn back_in_service(&self) {
        if let (Some(gate), Some(_)) = (&self.gate, self.started) {
            gate.open(self.port);
        }
    }

    /// Whether the device is plugged.
    pub fn is_plugged(&self) -> bool {
        self.plugged
    }

    /// The MTU that the driver reports.
    ///
    /// # Errors
    /// `rte_eth_dev_get_mtu` failed.
    pub fn mtu(&self) -> Result<u16, Failure> {
        let mut mtu = 0;
        // SAFETY: EAL is up; `mtu` is a live place.
        let rc = unsafe { sys::bw_port_mtu(self.port, &raw mut mtu) };
        check("rte_eth_dev_get_mtu", rc).map(|_| mtu)
    }

    /// Sets the MTU.
    ///
    /// # Errors
    /// The driver refused it or cannot.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), Failure> {
        // SAFETY: EAL is up; any port number is checked by DPDK.
        check("rte_eth_dev_set_mtu", unsafe { sys::bw_port_set_mtu(self.port, mtu) }).map(drop)
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    /// The driver refused it or cannot.
    pub fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), Failure> {
        // SAFETY: EAL is up; the address has 6 bytes.
        let rc = unsafe { sys::bw_port_set_mac(self.port, mac.as_ptr()) };
        check("rte_eth_dev_default_mac_addr_set", rc).map(drop)
    }

    /// Receives all multicast groups (NDP needs solicited-node groups).
    ///
    /// # Errors
    /// The driver cannot.
    pub fn all_multicast(&mut self) -> Result<(), Failure> {
        // SAFETY: EAL is up; any port number is checked by DPDK.
        check("rte_eth_allmulticast_enable", unsafe { sys::bw_port_all_multicast(self.port) }).map(drop)
    }

    /// Receives every frame on the wire.
    ///
    /// # Errors
    /// The driver cannot.
    pub fn promiscuous(&mut self) -> Result<(), Failure> {
        // SAFETY: EAL is up; any port number is checked by DPDK.
        check("rte_eth_promiscuous_enable", unsafe { sys::bw_port_promiscuous(self.port) }).map(drop)
    }

    /// Programs the redirection table: entry `i` of the device leads to queue `table[i % table.len()]`.
    ///
    /// # Errors
    /// The driver cannot, or the table is empty or too long.
    pub fn set_redirection(&mut self, reta_len: u16, table: &[u16]) -> Result<(), Failure> {
        let len = usize::from(reta_len);
        if table.is_empty() || len > RETA_MAX {
            return Err(Failure::new("rte_eth_dev_rss_reta_update", EINVAL));
        }
        let queues: Vec<u16> = (0..len).map(|entry| table[entry % table.len()]).collect();
        // SAFETY: `queues` has `reta_len` entries.
        let rc = unsafe { sys::bw_port_set_reta(self.port, queues.as_ptr(), reta_len) };
        check("rte_eth_dev_rss_reta_update", rc).map(drop)
    }

    /// Whether the device spreads by `key`, read back from it.
    pub fn spreads_by(&self, key: &[u8], key_len: u8) -> bool {
        let mut read = [0u8; KEY_MAX];
        if usize::from(key_len) > KEY_MAX || key.len() > KEY_MAX {
            return false;
        }
        // SAFETY: `read` has room for `key_len` bytes.
        let rc = unsafe { sys::bw_port_rss_key(self.port, read.as_mut_ptr(), key_len) };
        rc >= 0 && read[..key.len()] == *key
    }

    /// Whether the driver says that the link is up; some drivers always do.
    ///
    /// # Errors
    /// `rte_eth_link_get_nowait` failed.
    pub fn link_up(&self) -> Result<bool, Failure> {
        // SAFETY: EAL is up; any port number is checked by DPDK.
        check("rte_eth_link_get_nowait", unsafe { sys::bw_port_link_up(self.port) }).map(|up| up == 1)
    }

    /// Counts since the port was started.
    ///
    /// # Errors
    /// `rte_eth_stats_get` failed.
    pub fn stats(&self) -> Result<Stats, Failure> {
        let mut raw = sys::bw_stats::default();
        // SAFETY: EAL is up; `raw` is a live struct of the expected layout.
        let rc = unsafe { sys::bw_port_stats(self.port, &raw mut raw) };
        check("rte_eth_stats_get", rc)?;
        let refused = self.gate.as_ref().map_or(0, |gate| gate.refused());
        Ok(Stats {
            rx_frames: raw.rx_frames,
            rx_bytes: raw.rx_bytes,
            tx_frames: raw.tx_frames,
            tx_bytes: raw.tx_bytes,
            rx_missed: raw.rx_missed,
            rx_no_buffer: raw.rx_no_buffer,
            rx_errors: raw.rx_errors,
            tx_errors: raw.tx_errors + refused,
        })
    }

    /// The driver's own counters by its own names, up to 256.
    ///
    /// # Errors
    /// `rte_eth_xstats_get` failed.
    pub fn xstats(&self) -> Result<Vec<(String, u64)>, Failure> {
        let mut raw = vec![sys::bw_xstat::default(); 256];
        // SAFETY: `raw` has as many entries as the count says.
        let rc = unsafe { sys::bw_port_xstats(self.port, raw.as_mut_ptr(), raw.len() as u16) };
        let count = check("rte_eth_xstats_get", rc)? as usize;
        Ok(raw[..count].iter().map(|entry| (text(&entry.name), entry.value)).collect())
    }

    fn plug_in(&mut self, args: &str) -> Result<(), Failure> {
        let args = CString::new(args).map_err(|_| Failure::new("rte_eal_hotplug_add", EINVAL))?;
        let bus = self.bus.name();
        let _one_at_a_time = set_up();
        // SAFETY: three zero-terminated strings, which DPDK copies; the token proves that EAL is up.
        let rc = unsafe { sys::bw_port_plug(bus.as_ptr(), self.name.as_ptr(), args.as_ptr()) };
        check("rte_eal_hotplug_add", rc)?;
        let _: Eal = self.eal;
        self.plugged = true;
        // SAFETY: a zero-terminated string that is only read.
        let port = unsafe { sys::bw_port_find(self.name.as_ptr()) };
        self.port = check("rte_eth_dev_info_get", port)? as u16;
        Ok(())
    }

    fn configure(&mut self, setup: &Setup<'_>) -> Result<(), Failure> {
        let key = setup.rss_key.unwrap_or_default();
        let config = sys::bw_port_config {
            rx_queues: setup.rx_queues,
            tx_queues: setup.tx_queues,
            mtu: setup.mtu,
            offloads: setup.offloads.bits(),
            rss_kinds: if key.is_empty() { 0 } else { sys::BW_RSS_TCP4 | sys::BW_RSS_TCP6 },
            rss_key: key.as_ptr(),
            rss_key_len: key.len().min(KEY_MAX) as u8,
            rx_interrupts: setup.rx_interrupts.into(),
        };
        // SAFETY: `config` and the key it points at live through the call, and DPDK copies both.
        check("rte_eth_dev_configure", unsafe { sys::bw_port_configure(self.port, &raw const config) })
            .map(drop)
    }

    fn adjust_rings(&self) -> Result<(u16, u16), Failure> {
        let (mut rx, mut tx) = (RING_SLOTS, RING_SLOTS);
        // SAFETY: EAL is up; both are live places.
        let rc = unsafe { sys::bw_port_adjust_rings(self.port, &raw mut rx, &raw mut tx) };
        check("rte_eth_dev_adjust_nb_rx_tx_desc", rc).map(|_| (rx, tx))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.plugged {
            // A worker that hangs keeps its port; the process is about to end then.
            let _ = self.unplug();
        }
    }
}

impl Bus {
    const fn name(self) -> &'static CStr {
        match self {
            Self::Pci => c"pci",
            Self::Virtual => c"vdev",
        }
    }
}

impl Offloads {
    const fn bits(self) -> u32 {
        (self.rx_ip as u32 * sys::BW_OFFLOAD_RX_IP)
            | (self.rx_tcp as u32 * sys::BW_OFFLOAD_RX_TCP)
            | (self.rx_rss_hash as u32 * sys::BW_OFFLOAD_RX_RSS_HASH)
            | (self.tx_ip as u32 * sys::BW_OFFLOAD_TX_IP)
            | (self.tx_tcp as u32 * sys::BW_OFFLOAD_TX_TCP)
            | (self.tx_tso as u32 * sys::BW_OFFLOAD_TX_TSO)
    }

    const fn from_bits(bits: u32) -> Self {
        Self {
            rx_ip: bits & sys::BW_OFFLOAD_RX_IP != 0,
            rx_tcp: bits & sys::BW_OFFLOAD_RX_TCP != 0,
            rx_rss_hash: bits & sys::BW_OFFLOAD_RX_RSS_HASH != 0,
            tx_ip: bits & sys::BW_OFFLOAD_TX_IP != 0,
            tx_tcp: bits & sys::BW_OFFLOAD_TX_TCP != 0,
            tx_tso: bits & sys::BW_OFFLOAD_TX_TSO != 0,
        }
    }
}

impl From<&sys::bw_capabilities> for Capabilities {
    fn from(raw: &sys::bw_capabilities) -> Self {
        Self {
            driver: text(&raw.driver),
            offloads: Offloads::from_bits(raw.offloads),
            spreads_tcp: raw.rss_kinds == sys::BW_RSS_TCP4 | sys::BW_RSS_TCP6,
            mtu_min: raw.min_mtu,
            mtu_max: raw.max_mtu,
            frame_len_max: raw.max_frame_len,
            rx_queues_max: raw.max_rx_queues,
            tx_queues_max: raw.max_tx_queues,
            reta_len: raw.reta_len,
            rss_key_len: raw.rss_key_len,
            numa_node: u8::try_from(raw.numa_node).ok(),
            mac: raw.mac,
        }
    }
}

/// A zero-terminated C array as text.
fn text(chars: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().take_while(|char| **char != 0).map(|char| *char as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offloads_survive_the_way_through_bits() {
        let some = Offloads { rx_ip: true, tx_tcp: true, tx_tso: true, ..Offloads::default() };
        assert_eq!(Offloads::from_bits(some.bits()), some);
        assert_eq!(Offloads::default().bits(), 0);
    }
}
