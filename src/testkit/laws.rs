//! What must hold between any two turns of any worker, whatever strangers and faults do.

use crate::base::DropReason;
use crate::port::Port;
use crate::telemetry::{Counter, Gauge};
use crate::worker::Worker;

/// Checks the laws that one worker can be held to by itself; what is broken comes back as a sentence.
///
/// # Errors
/// The first law that does not hold, with its numbers.
pub fn check<P: Port>(worker: &Worker<P>, sessions_max: usize) -> Result<(), String> {
    let ledger = worker.ledger();
    if !ledger.inward_balances() {
        return Err(format!("a frame taken in has no fate, or two: {ledger:?}"));
    }
    if !ledger.outward_balances(worker.frames_waiting()) {
        return Err(format!("an outgoing frame is lost: {ledger:?}, {} wait", worker.frames_waiting()));
    }
    let page = worker.page();
    let told = [
        (Counter::ReceivedFrames, ledger.received),
        (Counter::TakenOverFrames, ledger.taken),
        (Counter::ReturnedFrames, ledger.sent),
        (Counter::AbsorbedFrames, ledger.absorbed),
        (Counter::HandedOverFrames, ledger.handed),
        (Counter::SentFrames, ledger.transmitted),
    ];
    for (counter, value) in told {
        if page.counter(counter) != value {
            return Err(format!("{counter:?} tells {} and is {value}", page.counter(counter)));
        }
    }
    if page.dropped_total() != ledger.dropped {
        return Err(format!("drops tell {} and are {}", page.dropped_total(), ledger.dropped));
    }
    let lost = [DropReason::TxFull, DropReason::NeighborUnresolved, DropReason::NoRoute];
    let lost_told: u64 = lost.iter().map(|reason| page.refused(*reason)).sum();
    if lost_told < ledger.lost {
        return Err(format!("losses tell {lost_told} and are {}", ledger.lost));
    }
    if worker.sessions() > sessions_max || page.gauge(Gauge::Sessions) != worker.sessions() as u64 {
        return Err(format!("{} sessions of {sessions_max} at most", worker.sessions()));
    }
    if worker.udp_sessions() > sessions_max || page.gauge(Gauge::UdpSessions) != worker.udp_sessions() as u64
    {
        return Err(format!("{} UDP sessions of {sessions_max} at most", worker.udp_sessions()));
    }
    Ok(())
}
