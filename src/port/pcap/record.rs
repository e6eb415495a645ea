//! A port around a port that writes down every frame that passes, both ways. For finding faults on a live edge: no
//! other program can listen to a DPDK port. It writes on the road, so the edge is slower while it is there. It has the device
//! cut no segments, so that what is written down is what is sent.

use super::file::PcapWriter;
use crate::base::{Clock, Instant, Span};
use crate::port::{Frame, FrameBatch, Port, PortInfo, TxBatch};
use std::io::Write;

/// A port whose frames are recorded as the worker sees them: checksums left to the device are not filled in.
pub struct RecordPort<P, W, C> {
    inner: P,
    info: PortInfo,
    clock: C,
    /// The Unix time at which the clock read zero.
    epoch: Span,
    /// `None` after a failure to write: recording stops, traffic goes on.
    writer: Option<PcapWriter<W>>,
}

impl<P: Port, W: Write + Send, C: Clock + Send> RecordPort<P, W, C> {
    /// Records what passes `inner`, stamped with the clock's time since `epoch`, the Unix time of the clock's zero.
    pub fn new(inner: P, writer: PcapWriter<W>, clock: C, epoch: Span) -> Self {
        let info = PortInfo { tso_bytes: 0, ..inner.info().clone() };
        Self { inner, info, clock, epoch, writer: Some(writer) }
    }

    /// Whether frames are still written down; not so after the output failed.
    pub const fn is_recording(&self) -> bool {
        self.writer.is_some()
    }

    /// Ends the recording; the output, unless it failed before or does now.
    pub fn finish(self) -> Option<W> {
        self.writer?.finish().ok()
    }

    fn now(&self) -> Instant {
        self.clock.now() + self.epoch
    }

    fn record(&mut self, at: Instant, frame: &[u8]) {
        if let Some(writer) = &mut self.writer
            && writer.write(at, frame).is_err()
        {
            self.writer = None;
        }
    }
}

impl<P: Port, W: Write + Send, C: Clock + Send> Port for RecordPort<P, W, C> {
    type Frame = P::Frame;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut FrameBatch<P::Frame>) {
        self.inner.receive(batch);
        let now = self.now();
        for frame in batch.iter() {
            self.record(now, frame.bytes());
        }
    }

    fn transmit(&mut self, batch: &mut TxBatch<P::Frame>) {
        // The port takes frames from the front, and they are gone then: each is written down on its first way out,
        // and what is left over is offered one frame at a time.
        let mut waiting = std::mem::take(batch).into_iter();
        let now = self.now();
        for frame in waiting.by_ref() {
            let copy = frame.bytes().to_vec();
            batch.push(frame);
            self.inner.transmit(batch);
            if !batch.is_empty() {
                break;
            }
            self.record(now, &copy);
        }
        batch.extend(waiting);
    }

    fn allocate(&mut self) -> Option<P::Frame> {
        self.inner.allocate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::mem::{MemOptions, link};
    use crate::port::pcap::PcapReader;

    struct Stopped(Instant);

    impl Clock for Stopped {
        fn now(&self) -> Instant {
            self.0
        }
    }

    #[test]
    fn both_directions_are_written_and_refused_frames_are_not() {
        let (mut wire, mut ports) = link(MemOptions { ring_slots: 2, ..MemOptions::default() });
        let writer = PcapWriter::new(Vec::new()).expect("memory takes all");
        let clock = Stopped(Instant::from_nanos(5));
        let mut port = RecordPort::new(ports.remove(0), writer, clock, Span::from_secs(1));
        assert!(wire.send(&[1; 60]));
        let mut batch = FrameBatch::new();
        port.receive(&mut batch);
        let mut sent: TxBatch<_> = [2u8, 3, 4]
            .map(|byte| {
                let mut frame = port.allocate().expect("a frame");
                assert!(frame.fill(&[byte; 60]));
                frame
            })
            .into_iter()
            .collect();
        port.transmit(&mut sent);
        assert_eq!(sent.iter().map(|frame| frame.bytes()[0]).collect::<Vec<_>>(), [4]);
        let file = port.finish().expect("memory takes all");
        let mut reader = PcapReader::new(&file[..]).expect("a good file");
        for byte in 1..=3 {
            let record = reader.next_record().expect("a good record").expect("a record");
            assert_eq!((record.at, record.bytes), (Instant::from_nanos(1_000_000_005), vec![byte; 60]));
        }
        assert_eq!(reader.next_record().expect("a good end"), None);
    }
}
