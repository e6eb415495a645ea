//! How a port is set up: what its device is asked to do, given what it can; and how it is brought up, at start and when
//! it comes back.

use super::device::{DeviceSpec, Driver, Kind};
use super::error::{PortError, said};
use super::open::{Plan, PortSpec};
use crate::base::limits::TSO_BYTES_MAX;
use crate::port::{ChecksumOffload, PortInfo, RssReport};
use dpdk_sys::Failure;
use dpdk_sys::interface as interface_mtu;
use dpdk_sys::pool::Pool;
use dpdk_sys::port::{Capabilities, Device, Offloads, Setup};

/// Room in a frame beyond the MTU: Ethernet header and CRC.
const FRAME_OVERHEAD: u32 = 18;

/// How a port is set up: kept, so that a vanished device can be set up again in the same way.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) port: String,
    pub(super) device: DeviceSpec,
    pub(super) args: String,
    pool: Pool,
    node: Option<u8>,
    pub(super) queues: u16,
    mtu: u16,
    /// The MTU that fits what the driver says of itself at configuration.
    configured_mtu: u16,
    offloads: Offloads,
    rss_key: Option<Vec<u8>>,
    rx_interrupts: bool,
}

impl Recipe {
    pub(super) fn new(
        plan: &Plan<'_>,
        spec: &PortSpec,
        can: &Capabilities,
        args: String,
        pool: Pool,
    ) -> Self {
        let wanted = spec.queues.unwrap_or(plan.workers).min(plan.workers);
        let queues = wanted.min(can.rx_queues_max).min(can.tx_queues_max).max(1);
        let key = (queues > 1 && can.spreads_tcp && can.reta_len > 0)
            .then(|| key_of(plan.rss_key, can.rss_key_len));
        let longest = can.frame_len_max.saturating_sub(FRAME_OVERHEAD).clamp(can.mtu_min.max(68), 65_535);
        let Offloads { tx_tcp, tx_tso, .. } = can.offloads;
        // Its driver holds a segment's whole frame against the MTU, keeps those of full length, and all behind them, for ever.
        let is_tap = spec.device.kind() == Kind::Software(Driver::Tap);
        let offloads = Offloads {
            rx_rss_hash: can.offloads.rx_rss_hash && key.is_some(),
            // What is cut has checksums that only the device can know.
            tx_tso: spec.tso && tx_tso && tx_tcp && !is_tap,
            ..can.offloads
        };
        Self {
            port: spec.name.clone(),
            device: spec.device.clone(),
            args,
            pool,
            node: can.numa_node,
            queues,
            mtu: spec.mtu,
            configured_mtu: spec.mtu.min(longest as u16),
            offloads,
            rss_key: key,
            rx_interrupts: plan.rx_interrupts,
        }
    }

    /// Configures and starts a plugged device; what it refused, in sentences.
    pub(super) fn bring_up(&self, device: &mut Device) -> Result<Vec<String>, PortError> {
        let setup = Setup {
            rx_queues: self.queues,
            tx_queues: self.queues,
            mtu: self.configured_mtu,
            offloads: self.offloads,
            rss_key: self.rss_key.as_deref(),
            rx_interrupts: self.rx_interrupts,
        };
        let failed = |failure| PortError::SetupFailed { port: self.port.clone(), failure, said: said() };
        device.start(&setup, self.pool, self.node).map_err(failed)?;
        let mut notes = Vec::new();
        notes.extend(self.settle_mtu(device)?);
        notes.extend(listen_to_groups(device));
        Ok(notes)
    }

    /// A kernel interface gets the MTU of the config; any other device has it by now, or takes it.
    fn settle_mtu(&self, device: &mut Device) -> Result<Option<String>, PortError> {
        let refused = || PortError::MtuRefused { port: self.port.clone(), mtu: self.mtu, said: said() };
        if let Some(name) = self.device.interface() {
            return self.settle_interface_mtu(name).map_err(|_| refused());
        }
        if self.configured_mtu == self.mtu || device.mtu() == Ok(self.mtu) {
            return Ok(None);
        }
        device.set_mtu(self.mtu).map(|()| None).map_err(|_| refused())
    }

    fn settle_interface_mtu(&self, name: &str) -> Result<Option<String>, Failure> {
        let has = interface_mtu::mtu(name)?;
        if has == u32::from(self.mtu) {
            return Ok(None);
        }
        match interface_mtu::set_mtu(name, self.mtu) {
            Ok(()) => Ok(Some(format!("the MTU of {name} was {has} and is {} now", self.mtu))),
            Err(_) if has > u32::from(self.mtu) => Ok(Some(format!("the MTU of {name} stays {has}"))),
            Err(failure) => Err(failure),
        }
    }

    pub(super) fn program_rss(&self, device: &mut Device, plan: &Plan<'_>) -> RssReport {
        if self.queues == 1 {
            return RssReport::SingleQueue;
        }
        let Some(key) = &self.rss_key else { return RssReport::Foreign };
        let Ok(can) = device.capabilities() else { return RssReport::Foreign };
        let reaches = plan.rss_table.iter().all(|queue| *queue < self.queues);
        let exact = reaches && repeats_every(plan.rss_table, can.reta_len.into());
        let done = exact
            && device.set_redirection(can.reta_len, plan.rss_table).is_ok()
            && device.spreads_by(plan.rss_key, key.len() as u8);
        if done { RssReport::Programmed { table_len: can.reta_len } } else { RssReport::Foreign }
    }

    pub(super) fn info(&self, spec: &PortSpec, can: &Capabilities, rss: RssReport) -> PortInfo {
        let Offloads { rx_ip, rx_tcp, tx_ip, tx_tcp, tx_tso, .. } = self.offloads;
        PortInfo {
            id: spec.id,
            name: spec.name.clone(),
            driver: can.driver.clone(),
            mac: can.mac,
            mtu: self.mtu,
            rx_queues: self.queues,
            tx_queues: self.queues,
            rss,
            checksum: ChecksumOffload { rx_ip, rx_tcp, tx_ip, tx_tcp },
            tso_bytes: if tx_tso { TSO_BYTES_MAX } else { 0 },
            numa_node: can.numa_node,
        }
    }
}

/// NDP solicitations go to groups; a device that cannot take them all in takes every frame in (AF_PACKET).
fn listen_to_groups(device: &mut Device) -> Option<String> {
    if device.all_multicast().is_ok() || device.promiscuous().is_ok() {
        return None;
    }
    Some("the driver has no multicast setting".into())
}

/// Our key at the length that the device wants. A Toeplitz key matters only as far as the input reaches (36 bytes and
/// four more), so zeros behind ours change nothing.
fn key_of(key: &[u8], len: u8) -> Vec<u8> {
    let mut whole = key.to_vec();
    whole.resize(usize::from(len).max(key.len()), 0);
    whole
}

/// Whether a device table of `len` entries can say the same as `table`, which the hash's low bits index.
fn repeats_every(table: &[u16], len: usize) -> bool {
    let divides = |a: usize, b: usize| a > 0 && b > 0 && b.is_multiple_of(a);
    divides(table.len(), len)
        || (divides(len, table.len()) && table.iter().enumerate().all(|(i, q)| *q == table[i % len]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_table_must_be_able_to_say_what_ours_says() {
        let by = |workers: u16| (0..128).map(|i| i % workers).collect::<Vec<_>>();
        assert!(repeats_every(&by(3), 128) && repeats_every(&by(3), 512));
        assert!(repeats_every(&by(2), 64), "two divides 64");
        assert!(!repeats_every(&by(3), 64), "three does not");
        assert!(!repeats_every(&by(2), 0));
    }

    #[test]
    fn a_longer_key_begins_with_ours() {
        assert_eq!(key_of(&[7; 40], 52)[38..42], [7, 7, 0, 0]);
        assert_eq!(key_of(&[7; 40], 0).len(), 40);
    }
}
