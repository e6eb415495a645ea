//! The threads that make TLS handshakes: on the control side's CPUs, without privileges, polling like the workers.

use super::launch::{Cpu, LaunchError, confine};
use crate::base::{Clock, OsClock};
use crate::session::tls::Crypto;
use caps::CapSet;
use std::time::Duration;

/// Handshakes between two looks at the clock.
const JOBS_PER_TURN: usize = 8;
/// Naps of an idle thread: short ones at first, since the next part of a handshake is a round trip away, then longer.
const NAP: Duration = Duration::from_micros(50);
const NAP_LONG: Duration = Duration::from_millis(1);
/// Short naps before the first long one: about half a second of them.
const NAPS_SHORT: u32 = 5_000;

/// Starts crypto thread `index` on `cpus`; it lives as long as the process.
///
/// # Errors
/// `ThreadRefused`. A thread that cannot be kept on its CPUs runs where the kernel lets it.
pub fn spawn_crypto(index: usize, cpus: Vec<Cpu>, crypto: Crypto, clock: OsClock) -> Result<(), LaunchError> {
    let thread = std::thread::Builder::new().name(format!("crypto-{index}"));
    let run = move || {
        let _ = confine(&cpus);
        for set in [CapSet::Ambient, CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
            // Where there are none to give up, nothing is lost.
            let _ = caps::clear(None, set);
        }
        serve(&crypto, clock);
    };
    thread.spawn(run).map(drop).map_err(|error| LaunchError::ThreadRefused(error.kind()))
}

fn serve(crypto: &Crypto, clock: OsClock) -> ! {
    let mut idle = 0_u32;
    loop {
        if crypto.turn(clock.now(), JOBS_PER_TURN) != 0 {
            idle = 0;
            continue;
        }
        idle = idle.saturating_add(1);
        std::thread::sleep(if idle < NAPS_SHORT { NAP } else { NAP_LONG });
    }
}
