//! A capture in, a capture out: feeds a port in memory from one file and writes what it sends to another.
//!
//! ```text
//!   in.pcap -> Replay -> MemPort -> worker        the caller turns the worker and its clock:
//!  out.pcap <- Replay <- MemPort <- worker        while let Some(at) = next_at { feed(at); turn(at); drain(at) }
//! ```

use super::file::{PcapError, PcapReader, PcapWriter, Record};
use crate::base::{Instant, Span};
use crate::port::mem::MemWire;
use std::io::{Read, Write};

/// Both captures and the wire between them. Times are the caller's: the first record is at `Instant::ZERO`.
pub struct Replay<R, W> {
    reader: PcapReader<R>,
    writer: PcapWriter<W>,
    wire: MemWire,
    next: Option<Record>,
    /// The first record's time.
    start: Span,
    counts: ReplayCounts,
}

/// What went through a replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplayCounts {
    /// Frames fed to the port.
    pub fed: u64,
    /// Frames that the port had no room for.
    pub lost: u64,
    /// Frames left out, because the capture had not kept them whole.
    pub cut: u64,
    /// Frames written.
    pub written: u64,
}

impl<R: Read, W: Write> Replay<R, W> {
    /// Reads the first record.
    pub fn new(mut reader: PcapReader<R>, writer: PcapWriter<W>, wire: MemWire) -> Result<Self, PcapError> {
        let next = reader.next_record()?;
        let start = next.as_ref().map_or(Span::ZERO, |record| record.at.since(Instant::ZERO));
        Ok(Self { reader, writer, wire, next, start, counts: ReplayCounts::default() })
    }

    /// When the next record is due, by the caller's clock; `None` when all were fed. A record that is older than the
    /// one before it is due at once.
    pub fn next_at(&self) -> Option<Instant> {
        self.next.as_ref().map(|record| Instant::ZERO + record.at.since(Instant::ZERO + self.start))
    }

    /// Feeds up to `frames_max` records that are due at `now` to the port; how many.
    pub fn feed(&mut self, now: Instant, frames_max: usize) -> Result<usize, PcapError> {
        let mut fed = 0;
        while fed < frames_max && self.next_at().is_some_and(|at| at <= now) {
            let Some(record) = self.next.take() else { break };
            fed += 1;
            self.send(&record);
            self.next = self.reader.next_record()?;
        }
        Ok(fed)
    }

    /// Writes what the port sent, stamped with `now`; how many frames.
    pub fn drain(&mut self, now: Instant) -> Result<usize, PcapError> {
        let mut drained = 0;
        while let Some(frame) = self.wire.receive() {
            self.writer.write(now + self.start, &frame)?;
            drained += 1;
        }
        self.counts.written += drained;
        Ok(drained as usize)
    }

    /// What went through so far.
    pub const fn counts(&self) -> ReplayCounts {
        self.counts
    }

    /// Writes out what is buffered, and gives the output back.
    pub fn finish(self) -> Result<W, PcapError> {
        self.writer.finish()
    }

    fn send(&mut self, record: &Record) {
        if !record.is_whole() {
            self.counts.cut += 1;
        } else if self.wire.send(&record.bytes) {
            self.counts.fed += 1;
        } else {
            self.counts.lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::mem::{MemOptions, link};
    use crate::port::{FrameBatch, Port, TxBatch};

    fn capture(frames: &[(u64, u8)]) -> Vec<u8> {
        let mut writer = PcapWriter::new(Vec::new()).expect("memory takes all");
        for (nanos, byte) in frames {
            writer.write(Instant::from_nanos(*nanos), &[*byte; 60]).expect("memory takes all");
        }
        writer.finish().expect("memory takes all")
    }

    #[test]
    fn echo_of_a_capture_is_the_same_capture() {
        let start = 1_700_000_000_000_000_000;
        let file = capture(&[(start, 1), (start + 10, 2), (start + 10, 3), (start + 5_000_000_000, 4)]);
        let (wire, mut ports) = link(MemOptions::default());
        let writer = PcapWriter::new(Vec::new()).expect("memory takes all");
        let mut replay =
            Replay::new(PcapReader::new(&file[..]).expect("a good file"), writer, wire).expect("records");
        let mut turns = Vec::new();
        while let Some(at) = replay.next_at() {
            let fed = replay.feed(at, 32).expect("good records");
            turns.push((at.nanos(), fed));
            let mut batch = FrameBatch::new();
            ports[0].receive(&mut batch);
            ports[0].transmit(&mut batch.into_iter().collect::<TxBatch<_>>());
            assert_eq!(replay.drain(at).expect("memory takes all"), fed);
        }
        assert_eq!(turns, [(0, 1), (10, 2), (5_000_000_000, 1)]);
        assert_eq!(replay.counts(), ReplayCounts { fed: 4, lost: 0, cut: 0, written: 4 });
        assert_eq!(replay.finish().expect("memory takes all"), file);
    }
}
