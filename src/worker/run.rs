//! The loop around `Worker::turn`, with a clock: polls, naps when idle, and catches a panic at its root.

use super::Worker;
use crate::base::{Clock, Span};
use crate::port::Port;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Idle turns before a nap: a frame that follows at once still meets a busy worker.
const TURNS_BEFORE_NAP: u32 = 16;

/// How a worker's loop ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It panicked, with this message. Its sessions are lost.
    Panicked(String),
}

/// Turns until it is told to stop. `nap` is the longest pause of an idle worker; zero polls without pause.
///
/// A panic is caught here and reported, so that the process can say which worker died and why before it ends.
pub fn run<P: Port>(worker: &mut Worker<P>, clock: &impl Clock, nap: Span) -> Ended {
    match catch_unwind(AssertUnwindSafe(|| turn_until_stopped(worker, clock, nap))) {
        Ok(()) => Ended::Stopped,
        Err(panic) => Ended::Panicked(message(panic.as_ref())),
    }
}

fn turn_until_stopped<P: Port>(worker: &mut Worker<P>, clock: &impl Clock, nap: Span) {
    let mut idle_turns = 0_u32;
    loop {
        let turn = worker.turn(clock.now());
        if turn.stop {
            return;
        }
        idle_turns = if turn.is_idle() { idle_turns.saturating_add(1) } else { 0 };
        if idle_turns <= TURNS_BEFORE_NAP || nap == Span::ZERO {
            dpdk_sys::cpu::pause();
            continue;
        }
        let until = worker.next_deadline().map_or(nap, |at| at.since(clock.now()));
        let pause = nap.min(until);
        if pause > Span::ZERO {
            std::thread::sleep(std::time::Duration::from_nanos(pause.nanos()));
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
