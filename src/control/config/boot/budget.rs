//! A budget of memory shared out among the kinds of sessions: those that the config does not number get what is left.

use super::memory::{Kind, MemoryEstimate};
use super::spec::BootSpec;
use crate::base::Span;
use crate::base::limits::{SESSIONS_MAX, SESSIONS_MIN};

/// Which numbers of sessions the config names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Given {
    /// `[tcp] sessions`.
    pub sessions: bool,
    /// `[tcp] half_open`.
    pub half_open: bool,
    /// `[tcp] spliced_sessions`.
    pub spliced_sessions: bool,
    /// `[tcp] parked_sessions`.
    pub parked_sessions: bool,
    /// `[udp] sessions`.
    pub udp_sessions: bool,
}

/// Chooses the numbers that are not given so that all fits into the budget, where there is one.
///
/// # Errors
/// Why it cannot be: what is given, and a least of the rest, take more.
pub fn share(spec: &mut BootSpec, given: Given) -> Result<(), String> {
    let Some(mib) = spec.memory.budget_mib else { return Ok(()) };
    let open = Kind::ALL.into_iter().filter(|kind| !is_given(*kind, spec, given));
    let open: Vec<Kind> = open.collect();
    open.iter().for_each(|kind| set(*kind, spec, SESSIONS_MIN));
    let least = MemoryEstimate::of(spec).total_bytes();
    let budget = mib << 20;
    if least > budget {
        let needed = least.div_ceil(1 << 20);
        return Err(format!("{mib} MiB do not hold what is given; {needed} MiB would"));
    }
    let mut left = (budget - least) / spec.workers.count();
    loop {
        share_out(spec, &open, left);
        // What rests and the flow tables grow with sessions, and are taken off what they share.
        let over = MemoryEstimate::of(spec).total_bytes().saturating_sub(budget);
        if over == 0 {
            break;
        }
        left = left.saturating_sub(over.div_ceil(spec.workers.count()));
    }
    open.iter().for_each(|kind| use_up(spec, *kind, budget));
    if !given.half_open {
        spec.tcp.half_open = spec.tcp.half_open.min(spec.tcp.sessions);
    }
    Ok(())
}

/// Gives `left` bytes of a worker to the kinds that are `open`, beside the least that each has.
fn share_out(spec: &mut BootSpec, open: &[Kind], mut left: usize) {
    let mut weights: usize = open.iter().map(|kind| weight(*kind)).sum();
    // Small kinds first: what their bound leaves over goes to those after them.
    for kind in open.iter().rev() {
        let part = left / weights * weight(*kind);
        let more = (part / kind.bytes_each(spec)).min(SESSIONS_MAX - SESSIONS_MIN);
        set(*kind, spec, SESSIONS_MIN + more);
        left -= more * kind.bytes_each(spec);
        weights -= weight(*kind);
    }
}

/// Gives a kind what a flow table that doubles one session later has left over.
fn use_up(spec: &mut BootSpec, kind: Kind, budget: usize) {
    let (had, workers) = (kind.sessions(spec), spec.workers.count());
    let left = budget.saturating_sub(MemoryEstimate::of(spec).total_bytes());
    set(kind, spec, (had + left / workers / kind.bytes_each(spec)).min(SESSIONS_MAX));
    if MemoryEstimate::of(spec).total_bytes() > budget {
        set(kind, spec, had);
    }
}

/// Shares of what is left.
const fn weight(kind: Kind) -> usize {
    match kind {
        Kind::Managed => 8,
        Kind::Parked => 2,
        Kind::Spliced => 6,
        Kind::Udp => 2,
    }
}

fn is_given(kind: Kind, spec: &BootSpec, given: Given) -> bool {
    match kind {
        Kind::Managed => given.sessions,
        Kind::Parked => given.parked_sessions || spec.tcp.park_after == Span::ZERO,
        Kind::Spliced => given.spliced_sessions || !spec.tcp.splice,
        Kind::Udp => given.udp_sessions,
    }
}

fn set(kind: Kind, spec: &mut BootSpec, sessions: usize) {
    match kind {
        Kind::Managed => spec.tcp.sessions = sessions,
        Kind::Parked => spec.tcp.parked_sessions = sessions,
        Kind::Spliced => spec.tcp.spliced_sessions = sessions,
        Kind::Udp => spec.udp.sessions = sessions,
    }
}
