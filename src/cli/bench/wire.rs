//! What plays the network around a bench's worker.

use crate::port::mem::{MemPort, MemWire};
use crate::port::{Frame, Port};
use crate::worker::Worker;

/// Where peers put frames, and find those of the edge.
pub trait Wire<P: Port> {
    /// Puts a frame that `write` writes in front of the worker; `write` says how long it is, and leaves its checksums zero.
    ///
    /// # Panics
    /// Where there is no buffer or no room for it: a bench sends a burst at a time.
    fn send(&mut self, worker: &mut Worker<P>, write: impl FnOnce(&mut [u8]) -> usize);

    /// The next frame that the worker sent.
    fn take(&mut self, worker: &mut Worker<P>) -> Option<P::Frame>;
}

/// A port in memory, which vouches for the checksums.
impl Wire<MemPort> for MemWire {
    fn send(&mut self, _: &mut Worker<MemPort>, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut frame = self.allocate().expect("the bench's pool holds a burst and more");
        let capacity = frame.capacity();
        assert!(frame.set_len(capacity));
        let len = write(frame.bytes_mut());
        assert!(frame.set_len(len));
        frame.set_rx_meta(super::make::rx_meta());
        assert!(self.inject(0, frame).is_ok(), "the bench's ring holds a burst and more");
    }

    fn take(&mut self, _: &mut Worker<MemPort>) -> Option<<MemPort as Port>::Frame> {
        MemWire::take(self)
    }
}
