//! The ports of one worker with what waits for them: transmit batches, and a stash of empty buffers.
//!
//! A batch that the device did not take whole is carried over and goes first in the next turn. A frame that finds
//! its batch full is lost, and counted. The stash is what lets `room` promise that the next `emit` calls succeed.

use crate::base::PortId;
use crate::base::limits::{BURST_FRAMES_MAX, SPARE_FRAMES_MAX};
use crate::port::{Frame, FrameBatch, Port, TxBatch, TxMeta};
use crate::wire::ethernet;
use arrayvec::ArrayVec;

/// Ports, transmit batches and spare buffers.
pub struct Outbox<P: Port> {
    ports: Vec<P>,
    batches: Vec<TxBatch<P::Frame>>,
    spares: ArrayVec<P::Frame, SPARE_FRAMES_MAX>,
    /// A buffer of each port for a packet that it cuts.
    long: Vec<Option<P::Frame>>,
    /// Frames that are done with, on their way back to their pools.
    done: FrameBatch<P::Frame>,
    /// What a spare buffer holds at least: the longest frame of any port.
    spare_bytes_min: usize,
}

/// What a flush brought out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flushed {
    /// Frames that the ports took.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<P: Port> Outbox<P> {
    /// Around `ports`, in the order of their ids.
    pub fn new(ports: Vec<P>) -> Self {
        let batches = ports.iter().map(|_| TxBatch::new()).collect();
        let longest = ports.iter().map(|port| usize::from(port.info().mtu)).max().unwrap_or(0);
        let spare_bytes_min = longest + ethernet::HEADER_LEN;
        let long = ports.iter().map(|_| None).collect();
        Self { ports, batches, spares: ArrayVec::new(), long, done: FrameBatch::new(), spare_bytes_min }
    }

    /// The ports, to be changed between turns.
    pub fn ports_mut(&mut self) -> &mut [P] {
        &mut self.ports
    }

    /// One burst from a port.
    #[inline]
    pub fn receive(&mut self, port: PortId, batch: &mut FrameBatch<P::Frame>) {
        self.ports[port.index()].receive(batch);
    }

    /// The ports.
    pub fn ports(&self) -> &[P] {
        &self.ports
    }

    /// Puts a frame into a port's batch; gives it back when the batch is full even after an attempt to send.
    #[inline(always)]
    pub fn push(&mut self, port: PortId, frame: P::Frame, flushed: &mut Flushed) -> Result<(), P::Frame> {
        match self.batches[port.index()].try_push(frame) {
            Ok(()) => Ok(()),
            Err(full) => self.push_on(port, full.element(), flushed),
        }
    }

    /// The same where the batch is full.
    #[inline(never)]
    fn push_on(&mut self, port: PortId, frame: P::Frame, flushed: &mut Flushed) -> Result<(), P::Frame> {
        self.flush_port(port.index(), flushed);
        self.batches[port.index()].try_push(frame).map_err(|full| full.element())
    }

    /// How many buffers are at hand for which every port has room. Tops the stash up, and sends where a batch is
    /// nearly full.
    #[inline]
    pub fn room(&mut self, flushed: &mut Flushed) -> usize {
        let room = self.room_now();
        if room < BURST_FRAMES_MAX { self.make_room(flushed) } else { room }
    }

    #[inline(always)]
    fn room_now(&self) -> usize {
        let free = self.batches.iter().map(|batch| batch.remaining_capacity());
        free.fold(self.spares.len(), usize::min)
    }

    #[inline(never)]
    fn make_room(&mut self, flushed: &mut Flushed) -> usize {
        if self.spares.len() < BURST_FRAMES_MAX {
            self.top_up();
        }
        for port in 0..self.ports.len() {
            if self.batches[port].remaining_capacity() < BURST_FRAMES_MAX {
                self.flush_port(port, flushed);
            }
        }
        if self.batches.is_empty() { 0 } else { self.room_now() }
    }

    /// An empty buffer; `None` when there is none anywhere.
    #[inline]
    pub fn spare(&mut self) -> Option<P::Frame> {
        if self.spares.is_empty() {
            self.top_up();
        }
        self.spares.pop()
    }

    /// Whether a buffer for a packet that a port cuts is at hand.
    #[inline]
    pub fn has_long(&mut self, port: PortId) -> bool {
        let (place, port) = (&mut self.long[port.index()], &mut self.ports[port.index()]);
        if place.is_none() {
            *place = port.allocate_long();
        }
        place.is_some()
    }

    /// That buffer.
    #[inline]
    pub fn take_long(&mut self, port: PortId) -> Option<P::Frame> {
        self.long[port.index()].take()
    }

    /// Keeps a received frame that was read and done with as an empty buffer, while there is room for one: its way back
    /// to the pool and another's way out of it are saved.
    #[inline(always)]
    pub fn recycle(&mut self, frame: P::Frame) {
        if self.spares.is_full() { self.give_back(frame) } else { self.keep(frame) }
    }

    #[inline(never)]
    fn keep(&mut self, mut frame: P::Frame) {
        if frame.capacity() < self.spare_bytes_min {
            return self.give_back(frame);
        }
        frame.set_tx_meta(TxMeta::default());
        if frame.set_len(0) {
            self.spares.push(frame);
        }
    }

    /// Buffers go back many at a time, the last ones with the turn's end.
    #[inline(always)]
    fn give_back(&mut self, frame: P::Frame) {
        if self.done.is_full() {
            self.free_done();
        }
        self.done.push(frame);
    }

    #[inline(never)]
    fn free_done(&mut self) {
        // A buffer knows its pool, so that any port may give it back.
        if let Some(port) = self.ports.first_mut() {
            port.free(&mut self.done);
        }
    }

    /// Sends everything that the ports take.
    pub fn flush(&mut self) -> Flushed {
        if !self.done.is_empty() {
            self.free_done();
        }
        let mut flushed = Flushed::default();
        for port in 0..self.ports.len() {
            self.flush_port(port, &mut flushed);
        }
        flushed
    }

    /// Frames that wait in the batches.
    pub fn waiting(&self) -> usize {
        self.batches.iter().map(|batch| batch.len()).sum()
    }

    fn flush_port(&mut self, port: usize, flushed: &mut Flushed) {
        let batch = &mut self.batches[port];
        if batch.is_empty() {
            return;
        }
        let (frames, bytes) = (batch.len(), bytes_in(batch));
        self.ports[port].transmit(batch);
        flushed.frames += (frames - batch.len()) as u64;
        flushed.bytes += bytes - bytes_in(batch);
    }

    fn top_up(&mut self) {
        for port in &mut self.ports {
            while !self.spares.is_full() {
                let Some(frame) = port.allocate() else { break };
                self.spares.push(frame);
            }
        }
    }
}

fn bytes_in<F: Frame>(batch: &TxBatch<F>) -> u64 {
    batch.iter().map(|frame| frame.bytes().len() as u64).sum()
}
