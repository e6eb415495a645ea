//! A port with a stage before it: hand-made frames set a worker up, then the port behind takes over. One worker so has
//! flows that were installed by its own code, and a device that knows nothing of handshakes.

use super::super::wire::Wire;
use crate::base::limits::BURST_FRAMES_MAX;
use crate::port::{Frame, FrameBatch, Port, PortInfo, TxBatch};
use crate::wire::checksum::finish_ip_tcp;
use crate::wire::ethernet;
use crate::worker::Worker;
use std::collections::VecDeque;

/// A port that plays to its stage until `lift`.
pub struct Staged<P: Port> {
    port: P,
    stage: Option<Stage<P::Frame>>,
}

struct Stage<F> {
    inbox: VecDeque<F>,
    outbox: VecDeque<F>,
}

/// The hands on the stage.
pub struct StageHands;

impl<P: Port> Staged<P> {
    /// A stage before `port`.
    pub fn new(port: P) -> Self {
        Self { port, stage: Some(Stage { inbox: VecDeque::new(), outbox: VecDeque::new() }) }
    }

    /// From here on frames come from the port behind, and go there.
    pub fn lift(&mut self) {
        self.stage = None;
    }
}

impl<P: Port> Port for Staged<P> {
    type Frame = P::Frame;

    fn info(&self) -> &PortInfo {
        self.port.info()
    }

    #[inline]
    fn receive(&mut self, batch: &mut FrameBatch<P::Frame>) {
        match &mut self.stage {
            None => self.port.receive(batch),
            Some(stage) => {
                let count = stage.inbox.len().min(BURST_FRAMES_MAX);
                batch.extend(stage.inbox.drain(..count));
            }
        }
    }

    #[inline]
    fn transmit(&mut self, batch: &mut TxBatch<P::Frame>) {
        match &mut self.stage {
            None => self.port.transmit(batch),
            Some(stage) => stage.outbox.extend(batch.drain(..)),
        }
    }

    #[inline]
    fn free(&mut self, batch: &mut FrameBatch<P::Frame>) {
        self.port.free(batch);
    }

    #[inline]
    fn allocate(&mut self) -> Option<P::Frame> {
        self.port.allocate()
    }
}

impl StageHands {
    /// Puts a complete frame in front of the worker.
    ///
    /// # Panics
    /// As `send`.
    pub fn put<P: Port>(&mut self, worker: &mut Worker<Staged<P>>, frame: &[u8]) {
        self.send(worker, |bytes| {
            bytes[..frame.len()].copy_from_slice(frame);
            frame.len()
        });
    }
}

impl<P: Port> Wire<Staged<P>> for StageHands {
    fn send(&mut self, worker: &mut Worker<Staged<P>>, write: impl FnOnce(&mut [u8]) -> usize) {
        let Staged { port, stage } = &mut worker.ports_mut()[0];
        let mut frame = port.allocate().expect("the pool holds a burst and more");
        assert!(frame.set_len(frame.capacity()), "a buffer has room for what it can hold");
        let len = write(frame.bytes_mut());
        assert!(frame.set_len(len), "a frame of the stage is short");
        finish_ip_tcp(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        stage.as_mut().expect("the stage is still there").inbox.push_back(frame);
    }

    fn take(&mut self, worker: &mut Worker<Staged<P>>) -> Option<P::Frame> {
        worker.ports_mut()[0].stage.as_mut()?.outbox.pop_front()
    }
}
