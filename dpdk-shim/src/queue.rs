//! A worker's end of a port: one receive and one transmit queue, and the gate through which control takes a port out of
//! service (to close it and plug it in again) without a lock on the road.
//!
//! ```text
//!  control                          worker, at each burst
//!  close: generation += 1 (odd) --> sees an odd generation: stores it as `seen`, touches the queues no more
//!  wait until every `seen` == generation
//!  ... stop, close, plug, start ...
//!  open: port = new id; generation += 1 (even) --> sees it: takes the port id, works again
//! ```
//!
//! Cost on the road: one load a burst, which stays in the cache as long as nobody closes the gate.

use crate::frame::Frame;
use crate::sys;
use arrayvec::ArrayVec;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Frames of one burst at most.
pub const BURST_MAX: usize = sys::BW_BURST_MAX as usize;
/// A queue pair that was dropped; no generation reaches it.
const GONE: u32 = u32::MAX;
/// How long control waits for the workers to leave a port.
const LEAVE_MS_MAX: u64 = 1000;

/// One worker's queues of one port. `Send`, so that it can move to its worker; not `Sync`.
#[derive(Debug)]
pub struct QueuePair {
    gate: Arc<Gate>,
    slot: usize,
    seen: u32,
    port: u16,
    rx: Option<u16>,
    tx: u16,
    shared_tx: bool,
    interrupts: Interrupts,
    _not_sync: PhantomData<Cell<()>>,
}

/// Whether the receive queue interrupts its worker's thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Interrupts {
    /// Registered with the thread under this generation of the gate.
    Registered(u32),
    /// Refused; asked again after so many more wishes, since a vhost has them only once its peer is there.
    Refused(u16),
}

/// Wishes for interrupts between two attempts to register.
const WISHES_PER_ATTEMPT: u16 = 1_024;

/// Waits until a queue that was armed by this thread has frames, for `ms` milliseconds at most.
pub fn wait_for_interrupt(ms: u16) {
    // SAFETY: has no preconditions; without a registered queue it is a sleep.
    let _ = unsafe { sys::bw_rx_interrupt_wait(ms.into()) };
}

impl QueuePair {
    /// Receives a burst into the room that `batch` has, at most `BURST_MAX` frames; never waits. How many came.
    #[inline]
    pub fn receive<const N: usize>(&mut self, batch: &mut ArrayVec<Frame, N>) -> usize {
        if !self.is_open() {
            return 0;
        }
        let Some(queue) = self.rx else { return 0 };
        let (held, room) = (batch.len(), batch.remaining_capacity().min(BURST_MAX));
        // SAFETY: `held` is at most the capacity, so the address stays within the vector or one past it.
        let free = unsafe { batch.as_mut_ptr().add(held) }.cast::<*mut sys::bw_mbuf>();
        // SAFETY: the gate is open, so the port is started and this queue exists; nobody else holds its number; behind
        // `free` is space for `room` frames, each a transparent pointer to an mbuf.
        let count = unsafe { sys::bw_rx_burst(self.port, queue, free, room as u16) };
        // SAFETY: the call above filled `count` places, which is at most `room`.
        unsafe { batch.set_len(held + usize::from(count)) };
        count.into()
    }

    /// Sends frames from the front of `batch` and takes them out of it; the others had no room. How many are gone.
    #[inline]
    pub fn send<const N: usize>(&mut self, batch: &mut ArrayVec<Frame, N>) -> usize {
        if !self.is_open() || !self.take_tx() {
            return 0;
        }
        let mut gone = 0;
        for chunk in batch.chunks_mut(BURST_MAX) {
            let sent = self.send_chunk(chunk);
            gone += sent;
            if sent < chunk.len() {
                break;
            }
        }
        self.leave_tx();
        if gone == batch.len() {
            // SAFETY: fewer elements than are initialised; each of those forgotten is owned by the driver, or freed.
            unsafe { batch.set_len(0) };
        } else {
            batch.drain(..gone).for_each(std::mem::forget);
        }
        gone
    }

    /// Whether the port is in service, as far as this worker has seen.
    #[inline]
    pub fn is_open(&mut self) -> bool {
        let now = self.gate.generation.load(Ordering::Acquire);
        if now != self.seen {
            self.pass(now);
        }
        now & 1 == 0
    }

    /// Whether this worker has a receive queue of the port.
    pub fn receives(&self) -> bool {
        self.rx.is_some()
    }

    /// Lets the receive queue interrupt the calling thread, always the same one; `false` where the driver cannot. A
    /// worker without a receive queue has nothing to wait for. Frames that came before are not told: look again.
    pub fn arm(&mut self) -> bool {
        if !self.is_open() {
            return false;
        }
        let Some(queue) = self.rx else { return true };
        // SAFETY: the gate is open, so the port is started and this queue exists; nobody else holds its number.
        self.is_registered(queue) && unsafe { sys::bw_rx_interrupt_enable(self.port, queue) } >= 0
    }

    /// Takes `arm` back.
    pub fn disarm(&mut self) {
        if let (true, Some(queue)) = (self.is_open(), self.rx) {
            // SAFETY: as for `arm`.
            let _ = unsafe { sys::bw_rx_interrupt_disable(self.port, queue) };
        }
    }

    fn is_registered(&mut self, queue: u16) -> bool {
        match self.interrupts {
            Interrupts::Registered(generation) if generation == self.seen => return true,
            Interrupts::Refused(wishes) if wishes > 0 => {
                self.interrupts = Interrupts::Refused(wishes - 1);
                return false;
            }
            Interrupts::Registered(_) | Interrupts::Refused(_) => {}
        }
        // SAFETY: as for `arm`.
        let done = unsafe { sys::bw_rx_interrupt_register(self.port, queue) } >= 0;
        self.interrupts =
            if done { Interrupts::Registered(self.seen) } else { Interrupts::Refused(WISHES_PER_ATTEMPT) };
        done
    }

    fn send_chunk(&mut self, chunk: &mut [Frame]) -> usize {
        let mut refused = 0;
        let frames = chunk.as_mut_ptr().cast::<*mut sys::bw_mbuf>();
        // SAFETY: the gate is open and this worker holds the queue; each `Frame` is a transparent pointer to an mbuf
        // that it owns, and there are at most `BURST_MAX`. Those that are gone are forgotten by the caller.
        let gone =
            unsafe { sys::bw_tx_burst(self.port, self.tx, frames, chunk.len() as u16, &raw mut refused) };
        if refused > 0 {
            self.gate.refused.fetch_add(refused.into(), Ordering::Relaxed);
        }
        gone.into()
    }

    #[cold]
    fn pass(&mut self, now: u32) {
        self.seen = now;
        self.port = self.gate.port.load(Ordering::Relaxed);
        self.gate.lanes[self.slot].seen.store(now, Ordering::Release);
    }

    #[inline]
    fn take_tx(&self) -> bool {
        !self.shared_tx || !self.gate.tx_busy[usize::from(self.tx)].swap(true, Ordering::Acquire)
    }

    #[inline]
    fn leave_tx(&self) {
        if self.shared_tx {
            self.gate.tx_busy[usize::from(self.tx)].store(false, Ordering::Release);
        }
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        self.gate.lanes[self.slot].seen.store(GONE, Ordering::Release);
    }
}

/// Control's end of the gate.
#[derive(Debug)]
pub(crate) struct Gate {
    generation: AtomicU32,
    port: AtomicU16,
    refused: AtomicU64,
    lanes: Box<[Lane]>,
    rx_queues: u16,
    tx_busy: Box<[AtomicBool]>,
}

/// What one worker has seen; on a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Lane {
    seen: AtomicU32,
}

impl Gate {
    /// An open gate and the queue pairs of `workers` behind it. Worker `i` gets receive queue `i` where there is one
    /// and transmit queue `i % tx_queues`, shared with others (one at a time) where they are too few.
    pub(crate) fn new(
        port: u16,
        workers: u16,
        rx_queues: u16,
        tx_queues: u16,
    ) -> (Arc<Self>, Vec<QueuePair>) {
        assert!(tx_queues > 0, "a port that starts has a transmit queue");
        let gate = Arc::new(Self {
            generation: AtomicU32::new(0),
            port: AtomicU16::new(port),
            refused: AtomicU64::new(0),
            lanes: (0..workers).map(|_| Lane { seen: AtomicU32::new(0) }).collect(),
            rx_queues,
            tx_busy: (0..tx_queues).map(|_| AtomicBool::new(false)).collect(),
        });
        let pairs = (0..workers).map(|worker| QueuePair {
            gate: Arc::clone(&gate),
            slot: worker.into(),
            seen: 0,
            port,
            rx: (worker < rx_queues).then_some(worker),
            tx: worker % tx_queues,
            shared_tx: workers > tx_queues,
            interrupts: Interrupts::Refused(0),
            _not_sync: PhantomData,
        });
        let pairs = pairs.collect();
        (gate, pairs)
    }

    /// Whether a port with these numbers of queues can serve the queue pairs that were handed out.
    pub(crate) fn fits(&self, rx_queues: u16, tx_queues: u16) -> bool {
        self.rx_queues == rx_queues && self.tx_busy.len() == usize::from(tx_queues)
    }

    /// Closes the gate and waits until every worker has left; `false` when one did not within a second (the gate stays
    /// closed, the caller may ask again).
    pub(crate) fn close(&self) -> bool {
        let now = self.generation.load(Ordering::Relaxed) | 1;
        self.generation.store(now, Ordering::Release);
        let left =
            |lane: &Lane| matches!(lane.seen.load(Ordering::Acquire), seen if seen == now || seen == GONE);
        for _ in 0..LEAVE_MS_MAX {
            if self.lanes.iter().all(left) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Opens a closed gate to `port`.
    pub(crate) fn open(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
        let now = self.generation.load(Ordering::Relaxed);
        self.generation.store((now | 1).wrapping_add(1), Ordering::Release);
    }

    /// Frames that the driver's own check refused to send.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_waits_for_every_worker_and_counts_dropped_ones_as_gone() {
        let (gate, mut pairs) = Gate::new(3, 2, 1, 1);
        assert!(pairs[0].receives() && !pairs[1].receives());
        let mut second = pairs.pop().expect("two pairs");
        drop(pairs);
        let worker = std::thread::spawn(move || {
            while second.is_open() {
                std::hint::spin_loop();
            }
            second
        });
        assert!(gate.close());
        let mut second = worker.join().expect("no panic");
        assert!(!second.is_open());
        gate.open(5);
        assert!(second.is_open());
        assert_eq!(second.port, 5);
    }

    #[test]
    fn a_worker_that_never_looks_keeps_the_gate_from_closing() {
        let (gate, pairs) = Gate::new(0, 1, 1, 1);
        assert!(!gate.close());
        drop(pairs);
        assert!(gate.close());
    }
}
