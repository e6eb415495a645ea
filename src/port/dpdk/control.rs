//! Control's end of a port: counts, link, frames that the driver loses silently, and bringing a vanished device back.
//!
//! ```text
//!            interface gone, or another of its name             interface there
//!  in service ------------------------------------> unplugged ------------------> in service
//!                workers leave by the gate, unplug               plug, set up, same MAC, open the gate
//! ```
//!
//! A link that goes down and up again needs none of this: an AF_PACKET socket stays bound to its interface.

use super::error::PortError;
use super::interface::{self, Index};
use super::recipe::Recipe;
use crate::port::{PortInfo, PortStats};
use dpdk_sys::port::{Device, Stats};

/// What changed at a port since control looked last.
#[derive(Debug)]
pub enum PortEvent {
    /// The link came up: workers announce their addresses.
    LinkUp,
    /// The link went down.
    LinkDown,
    /// The device is gone and out of service.
    Vanished,
    /// The device is back and in service, with its old hardware address.
    Reopened,
    /// The device is there again, and could not be opened; tried again at the next look.
    ReopenFailed(PortError),
    /// A worker did not leave the vanished device within a second; tried again at the next look.
    WorkerStays,
}

/// A port's state in one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortSample {
    /// Counts since start, over all lives of the device.
    pub stats: PortStats,
    /// Whether the link is up.
    pub link_up: bool,
    /// How often the device vanished.
    pub vanished: u64,
    /// How often it was brought back.
    pub reopened: u64,
}

/// Control's end of one port.
#[derive(Debug)]
pub struct PortControl {
    device: Device,
    info: PortInfo,
    recipe: Recipe,
    /// The interface that the port stands on, while it is in service.
    standing: Option<Standing>,
    sample: PortSample,
    /// Counts of the device's former lives.
    before: PortStats,
}

/// The interface under a port.
#[derive(Clone, Copy, Debug)]
struct Standing {
    index: Index,
    /// The interface's received frames when the port came into service.
    rx_frames: u64,
}

impl PortControl {
    pub(super) fn new(device: Device, info: PortInfo, recipe: Recipe) -> Self {
        let mut control = Self {
            device,
            info,
            recipe,
            standing: None,
            sample: PortSample::default(),
            before: PortStats::default(),
        };
        control.standing = control.stand();
        control.sample.link_up = control.is_link_up();
        control
    }

    /// What the port is.
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// The port's state as of the last `tend`.
    pub fn sample(&self) -> PortSample {
        self.sample
    }

    /// The driver's own counters by its own names; empty where it has none.
    pub fn driver_counters(&self) -> Vec<(String, u64)> {
        if self.device.is_plugged() { self.device.xstats().unwrap_or_default() } else { Vec::new() }
    }

    /// Looks after the port: takes counts, sees link changes, takes a vanished device out of service and brings it
    /// back. Control calls it a few times a second; it may wait up to a second for workers to leave a vanished device.
    pub fn tend(&mut self) -> Option<PortEvent> {
        if self.device.is_plugged() && self.has_vanished() {
            return Some(self.take_out());
        }
        if !self.device.is_plugged() {
            return self.bring_back();
        }
        self.count();
        let up = self.is_link_up();
        if up == std::mem::replace(&mut self.sample.link_up, up) {
            return None;
        }
        Some(if up { PortEvent::LinkUp } else { PortEvent::LinkDown })
    }

    fn has_vanished(&self) -> bool {
        let Some(name) = self.recipe.device.interface() else { return false };
        interface::index(name) != self.standing.map(|standing| standing.index)
    }

    fn take_out(&mut self) -> PortEvent {
        self.sample.link_up = false;
        let last = self.lived();
        if self.device.unplug().is_err() {
            return PortEvent::WorkerStays;
        }
        self.before = last;
        self.sample.stats = last;
        self.standing = None;
        self.sample.vanished += 1;
        PortEvent::Vanished
    }

    fn bring_back(&mut self) -> Option<PortEvent> {
        if self.recipe.device.interface().is_some_and(|name| interface::index(name).is_none()) {
            return None;
        }
        match self.reopen() {
            Ok(()) => {
                self.standing = self.stand();
                self.device.back_in_service();
                self.sample.reopened += 1;
                self.sample.link_up = self.is_link_up();
                Some(PortEvent::Reopened)
            }
            Err(error) => {
                // Left half open it would be neither in nor out of service.
                let _ = self.device.unplug();
                Some(PortEvent::ReopenFailed(error))
            }
        }
    }

    fn reopen(&mut self) -> Result<(), PortError> {
        let device = self.recipe.device.to_string();
        self.device.plug_again(&self.recipe.args).map_err(|failure| PortError::PlugFailed {
            device,
            failure,
            said: super::error::said(),
        })?;
        self.recipe.bring_up(&mut self.device)?;
        // Workers and neighbours know the old address. A driver that cannot set it has kept it (or has none).
        let _ = self.device.set_mac(self.info.mac);
        Ok(())
    }

    fn is_link_up(&self) -> bool {
        match self.recipe.device.interface() {
            Some(name) => interface::is_running(name),
            None => self.device.link_up().unwrap_or(false),
        }
    }

    fn stand(&self) -> Option<Standing> {
        let name = self.recipe.device.interface()?;
        let index = interface::index(name)?;
        Some(Standing { index, rx_frames: interface::rx_frames(name).unwrap_or(0) })
    }

    fn count(&mut self) {
        self.sample.stats = self.lived();
    }

    /// Counts over all lives. Frames lost never become fewer.
    fn lived(&self) -> PortStats {
        let arrived = self.arrived();
        let Ok(now) = self.device.stats() else { return self.sample.stats };
        let hidden = arrived.map(|arrived| arrived.saturating_sub(now.rx_frames));
        let mut all = sum(self.before, &now, hidden);
        all.rx_lost = all.rx_lost.max(self.sample.stats.rx_lost);
        all
    }

    /// Frames that the interface received in this life. Frames in the ring are no loss: the driver is asked a moment
    /// later, when workers have taken in what had arrived by then.
    fn arrived(&self) -> Option<u64> {
        let name = self.recipe.device.interface()?;
        let arrived = interface::rx_frames(name)?.saturating_sub(self.standing?.rx_frames);
        std::thread::sleep(std::time::Duration::from_millis(2));
        Some(arrived)
    }
}

/// A kernel interface's loss is what arrived and did not come up; elsewhere the driver counts it.
fn sum(before: PortStats, now: &Stats, hidden: Option<u64>) -> PortStats {
    PortStats {
        rx_frames: before.rx_frames + now.rx_frames,
        rx_bytes: before.rx_bytes + now.rx_bytes,
        tx_frames: before.tx_frames + now.tx_frames,
        tx_bytes: before.tx_bytes + now.tx_bytes,
        rx_lost: before.rx_lost + hidden.unwrap_or(now.rx_missed + now.rx_no_buffer),
        rx_errors: before.rx_errors + now.rx_errors,
        tx_errors: before.tx_errors + now.tx_errors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_loss_replaces_the_drivers_count_and_former_lives_are_added() {
        let before = PortStats { rx_frames: 5, rx_lost: 2, ..PortStats::default() };
        let now = Stats { rx_frames: 7, rx_missed: 1, rx_no_buffer: 3, ..Stats::default() };
        assert_eq!(sum(before, &now, None).rx_lost, 6);
        assert_eq!(sum(before, &now, Some(10)).rx_lost, 12);
        assert_eq!(sum(before, &now, None).rx_frames, 12);
    }
}
