//! The loop around `Worker::turn`, with a clock: polls, rests when idle, counts cycles, and catches a panic at its root.

use super::Worker;
use super::rest::{Outlook, Pause, Rest, RestTerms};
use crate::base::{Clock, Span};
use crate::port::Port;
use crate::telemetry::Counter;
use dpdk_sys::cpu;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a worker's loop ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It panicked, with this message. Its sessions are lost.
    Panicked(String),
}

/// Turns until it is told to stop, and rests as `terms` say.
///
/// A panic is caught here and reported, so that the process can say which worker died and why before it ends.
pub fn run<P: Port>(worker: &mut Worker<P>, clock: &impl Clock, terms: RestTerms) -> Ended {
    match catch_unwind(AssertUnwindSafe(|| turn_until_stopped(worker, clock, terms))) {
        Ok(()) => Ended::Stopped,
        Err(panic) => Ended::Panicked(message(panic.as_ref())),
    }
}

fn turn_until_stopped<P: Port>(worker: &mut Worker<P>, clock: &impl Clock, terms: RestTerms) {
    let mut rest = Rest::new(terms);
    let mut ended = cpu::cycles();
    loop {
        let began = cpu::cycles();
        let turn = worker.turn(clock.now());
        // Rests are what lies between the end of a turn and the next one's begin.
        let before = std::mem::replace(&mut ended, cpu::cycles());
        let busy = if turn.is_idle() { 0 } else { ended.wrapping_sub(began) };
        worker.note_cycles(ended.wrapping_sub(before), busy);
        if turn.stop {
            return;
        }
        if rest.is_due(&turn) {
            let now = clock.now();
            let deadline = worker.next_deadline();
            pause(worker, &mut rest, &Outlook { now, deadline, ports_only: worker.awaits_ports_only() });
        } else {
            disarm(worker, &mut rest);
            cpu::pause();
        }
    }
}

fn pause<P: Port>(worker: &mut Worker<P>, rest: &mut Rest, outlook: &Outlook) {
    match rest.pause(outlook) {
        Pause::None => cpu::pause(),
        Pause::Arm if worker.arm() => rest.set_armed(true),
        Pause::Arm => sleep(worker, rest.nap(Span::from_secs(1))),
        Pause::Interrupt(limit) => {
            worker.wait(limit);
            disarm(worker, rest);
        }
        nap @ Pause::Nap(_) => {
            disarm(worker, rest);
            sleep(worker, nap);
        }
    }
}

fn sleep<P: Port>(worker: &Worker<P>, pause: Pause) {
    if let Pause::Nap(nap) = pause {
        worker.count_rest(Counter::Naps);
        std::thread::sleep(std::time::Duration::from_nanos(nap.nanos()));
    }
}

fn disarm<P: Port>(worker: &mut Worker<P>, rest: &mut Rest) {
    if rest.is_armed() {
        worker.disarm();
        rest.set_armed(false);
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
