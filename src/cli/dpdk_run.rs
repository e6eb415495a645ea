//! `byway run` on DPDK's ports: DPDK up, ports open, workers off, privileges gone, control on.

use super::crew::{self, Ports};
use super::run::Prepared;
use crate::base::PortId;
use crate::control::config::boot::{BootSpec, Hugepages, Idle};
use crate::control::ports::{PortNews, PortState, PortsView};
use crate::control::privileges::{RECOVERY, become_user};
use crate::control::{Outcome, log};
use crate::port::PortInfo;
use crate::port::dpdk::{self, Dpdk, Opened, Plan, PortControl, PortError, PortEvent, PortSpec};
use crate::wire::{RSS_KEY, Steering};
use crate::worker::{Registrar, confine, numa_mismatches};
use caps::Capability;

/// Serves until told to end.
///
/// # Errors
/// One line that says what to do.
pub fn serve(prepared: Prepared) -> Result<Outcome, String> {
    let (dpdk, opened) = open(&prepared).map_err(|error| error.to_string())?;
    let Opened { workers, controls, reports } = opened;
    reports.iter().for_each(log::info);
    if let Some(warning) = dpdk.warning() {
        log::warning(warning);
    }
    let view = View::new(controls);
    for mismatch in numa_mismatches(&prepared.layout, view.infos()) {
        log::warning(mismatch);
    }
    let said = |error: crate::worker::LaunchError| error.to_string();
    confine(&prepared.layout.control).map_err(said)?;
    // Before the workers are made: they give up even what this thread keeps, and the C library cannot change the
    // user of a thread that may not.
    drop_privileges(&prepared)?;
    let registrar = Registrar::dpdk(dpdk.eal());
    crew::serve(prepared, Ports { workers, view: Box::new(view), registrar })
}

fn open(prepared: &Prepared) -> Result<(Dpdk, Opened), PortError> {
    let Prepared { spec, layout, .. } = prepared;
    let ports = port_specs(spec)?;
    let table: Vec<u16> =
        Steering::new(spec.workers.count() as u8).table().iter().map(|worker| worker.0.into()).collect();
    let plan = Plan {
        ports: &ports,
        workers: spec.workers.count() as u16,
        frames: spec.memory.frames as u32,
        buffer_bytes: None,
        hugepages: hugepages(spec.memory.hugepages),
        memory_mib: spec.memory.dpdk_mib.map(|mib| mib as u32),
        control_cpus: &layout.control,
        rss_key: &RSS_KEY,
        rss_table: &table,
        rx_interrupts: spec.workers.idle == Idle::Interrupt,
    };
    let dpdk = Dpdk::start(&plan)?;
    let opened = dpdk.open(&plan)?;
    Ok((dpdk, opened))
}

fn port_specs(spec: &BootSpec) -> Result<Vec<PortSpec>, PortError> {
    let lower = |(id, port): (u8, &crate::control::config::boot::PortSpec)| {
        let device = dpdk::DeviceSpec::parse(&port.device.to_string())?;
        let (id, name) = (PortId(id), port.name.clone());
        Ok(PortSpec { id, name, device, mtu: port.mtu, queues: port.queues, tso: port.tso })
    };
    (0..).zip(&spec.ports).map(lower).collect()
}

const fn hugepages(wanted: Hugepages) -> dpdk::Hugepages {
    match wanted {
        Hugepages::Auto => dpdk::Hugepages::Auto,
        Hugepages::Off => dpdk::Hugepages::Off,
        Hugepages::Require => dpdk::Hugepages::Require,
    }
}

/// Becomes the config's user. Only this thread, which brings vanished interfaces back, keeps what that needs.
fn drop_privileges(prepared: &Prepared) -> Result<(), String> {
    let Some(user) = &prepared.user else { return Ok(()) };
    let of_kernel = prepared.spec.ports.iter().any(|port| port.device.is_of_the_kernel());
    let keep: &[Capability] = if of_kernel { &RECOVERY } else { &[] };
    become_user(user, keep).map_err(|error| error.to_string())
}

/// DPDK's ports as control sees them.
struct View {
    controls: Vec<PortControl>,
    infos: Vec<PortInfo>,
}

impl View {
    fn new(controls: Vec<PortControl>) -> Self {
        let infos = controls.iter().map(|control| control.info().clone()).collect();
        Self { controls, infos }
    }
}

impl PortsView for View {
    fn infos(&self) -> &[PortInfo] {
        &self.infos
    }

    fn tend(&mut self) -> Vec<(PortId, PortNews)> {
        let each = (0..).zip(&mut self.controls);
        each.filter_map(|(id, control)| Some((PortId(id), news(control.tend()?)))).collect()
    }

    fn state(&self, port: PortId) -> PortState {
        let sample = self.controls.get(port.index()).map(PortControl::sample).unwrap_or_default();
        PortState { link_up: sample.link_up, stats: sample.stats, vanished: sample.vanished }
    }
}

fn news(event: PortEvent) -> PortNews {
    match event {
        PortEvent::LinkUp => PortNews::LinkUp,
        PortEvent::LinkDown => PortNews::LinkDown,
        PortEvent::Vanished => PortNews::Vanished,
        PortEvent::Reopened => PortNews::Back,
        PortEvent::ReopenFailed(error) => PortNews::NotBack(error.to_string()),
        PortEvent::WorkerStays => PortNews::NotBack("a worker still holds it".into()),
    }
}
