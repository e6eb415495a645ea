//! The generator's port: one DPDK device, opened for one thread on a CPU of its own.

use crate::base::{PortId, WorkerId};
use crate::port::dpdk::{DeviceSpec, Dpdk, DpdkPort, Hugepages, Plan, PortSpec};
use crate::wire::RSS_KEY;
use crate::worker::{Layout, Registrar, Wanted, allowed_cpus, isolated_cpus, spawn};
use serde_json::Value;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::signal::unix::{SignalKind, signal};

/// Frame buffers.
const FRAMES: u32 = 16_384;
const MTU: u16 = 1_500;

/// Runs `body` on a thread of its own with the port of `device`; it is told when SIGINT or SIGTERM came.
///
/// # Errors
/// One line that says what to do.
pub(super) fn on_port(
    device: &str,
    cpu: Option<u16>,
    body: impl FnOnce(DpdkPort, Receiver<()>) -> Result<Value, String> + Send + 'static,
) -> Result<Value, String> {
    let wanted = cpu.map_or(Wanted::Count(1), |cpu| Wanted::Cpus(vec![cpu]));
    let layout = Layout::choose(&wanted, &allowed_cpus(), &isolated_cpus());
    let layout = layout.map_err(|error| error.to_string())?;
    let device = DeviceSpec::parse(device).map_err(|error| error.to_string())?;
    let ports =
        [PortSpec { id: PortId(0), name: "gen".into(), device, mtu: MTU, queues: Some(1), tso: false }];
    let plan = Plan {
        ports: &ports,
        workers: 1,
        frames: FRAMES,
        buffer_bytes: None,
        hugepages: Hugepages::Auto,
        memory_mib: None,
        control_cpus: &layout.control,
        rss_key: &RSS_KEY,
        rss_table: &[0; 128],
        rx_interrupts: false,
    };
    let dpdk = Dpdk::start(&plan).map_err(|error| error.to_string())?;
    let mut opened = dpdk.open(&plan).map_err(|error| error.to_string())?;
    let port = opened.workers.pop().and_then(|mut ports| ports.pop()).ok_or("the port has no queue")?;
    let (stop, stopped) = channel();
    std::thread::spawn(move || wait_for_signal(&stop));
    let registrar = Registrar::dpdk(dpdk.eal());
    let thread = spawn(WorkerId(0), layout.workers[0], registrar, move || body(port, stopped));
    let done = thread.map_err(|error| error.to_string())?.join();
    // Its port is closed once nobody uses it any more.
    drop(opened);
    done.ok().flatten().unwrap_or_else(|| Err("the generator's thread ended by itself".into()))
}

/// Tells once; without handlers the process ends at a signal as any does.
fn wait_for_signal(stop: &Sender<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = handlers else { return };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // The run may be over already.
        let _ = stop.send(());
    });
}
