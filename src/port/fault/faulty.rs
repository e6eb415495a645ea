//! The port around a port: each direction goes through a lane of faults.
//!
//! A device verifies and fills in checksums behind the place where a wire does its damage. So that a flipped bit is
//! never hidden by the device inside, a faulty port claims no checksum offload, and its frames bring no verdict. Nor does it
//! cut segments, so that faults befall what is on the wire.

use super::lane::Lane;
use super::rates::{FaultCounts, FaultRates};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::port::{ChecksumOffload, Frame, FrameBatch, Port, PortInfo, RxMeta, TxBatch, TxMeta};
use crate::wire::ChecksumState;

/// A port whose frames suffer. A turn is a call of `receive`; what waits in the transmit lane goes out then, too.
pub struct FaultPort<P: Port> {
    inner: P,
    info: PortInfo,
    rx: Lane<P::Frame>,
    tx: Lane<P::Frame>,
    /// Frames that came out of the transmit lane and that the inner port had no room for yet.
    leaving: TxBatch<P::Frame>,
}

/// A frame of the port inside, without its checksum verdict.
pub struct FaultFrame<F>(F);

impl<P: Port> FaultPort<P> {
    /// Puts faults around `inner`: `receiving` on frames towards the worker, `sending` on frames from it.
    pub fn new(inner: P, receiving: FaultRates, sending: FaultRates, seed: u64) -> Self {
        let info = PortInfo { checksum: ChecksumOffload::default(), tso_bytes: 0, ..inner.info().clone() };
        let (rx, tx) = (Lane::new(receiving, seed), Lane::new(sending, !seed));
        Self { inner, info, rx, tx, leaving: TxBatch::new() }
    }

    /// Changes the rates from the next frame on; frames held already keep their fate.
    pub fn set_rates(&mut self, receiving: FaultRates, sending: FaultRates) {
        self.rx.set_rates(receiving);
        self.tx.set_rates(sending);
    }

    /// What was done to received frames.
    pub const fn receiving(&self) -> FaultCounts {
        self.rx.counts()
    }

    /// What was done to sent frames.
    pub const fn sending(&self) -> FaultCounts {
        self.tx.counts()
    }

    /// Sends what is due, as far as the inner port has room.
    fn flush(&mut self) {
        while !self.leaving.is_full() {
            let Some(frame) = self.tx.pop() else { break };
            self.leaving.push(frame);
        }
        if !self.leaving.is_empty() {
            self.inner.transmit(&mut self.leaving);
        }
    }

    /// Moves frames from the inner port into the receive lane, unless that is stalled or near full: then they wait
    /// in the inner port's ring, as with a device that stalls.
    fn fill(&mut self) {
        if self.rx.is_stalled() || self.rx.room() < BURST_FRAMES_MAX {
            return;
        }
        let mut came = FrameBatch::new();
        self.inner.receive(&mut came);
        for frame in came {
            self.rx.push(frame, |frame| twin(&mut self.inner, frame));
        }
    }
}

impl<P: Port> Port for FaultPort<P> {
    type Frame = FaultFrame<P::Frame>;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut FrameBatch<Self::Frame>) {
        self.rx.turn();
        self.tx.turn();
        self.flush();
        self.fill();
        while !batch.is_full() {
            let Some(frame) = self.rx.pop() else { return };
            batch.push(FaultFrame(frame));
        }
    }

    fn transmit(&mut self, batch: &mut TxBatch<Self::Frame>) {
        if self.tx.is_stalled() {
            return;
        }
        let count = self.tx.room().min(batch.len());
        for frame in batch.drain(..count) {
            self.tx.push(frame.0, |frame| twin(&mut self.inner, frame));
        }
        self.flush();
    }

    fn allocate(&mut self) -> Option<Self::Frame> {
        self.inner.allocate().map(FaultFrame)
    }
}

impl<F: Frame> Frame for FaultFrame<F> {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }

    fn set_len(&mut self, len: usize) -> bool {
        self.0.set_len(len)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }

    fn rx_meta(&self) -> RxMeta {
        let unknown = ChecksumState::Unknown;
        RxMeta { ip_checksum: unknown, l4_checksum: unknown, ..self.0.rx_meta() }
    }

    fn set_tx_meta(&mut self, meta: TxMeta) {
        self.0.set_tx_meta(meta);
    }
}

/// A copy of `frame`; `None` without a buffer for it.
fn twin<P: Port>(port: &mut P, frame: &P::Frame) -> Option<P::Frame> {
    let mut twin = port.allocate()?;
    if !twin.set_len(frame.bytes().len()) {
        return None;
    }
    twin.bytes_mut().copy_from_slice(frame.bytes());
    Some(twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::fault::Ppm;
    use crate::port::mem::{MemOptions, MemPort, MemWire, link};
    use std::collections::HashSet;

    const CLEAN: FaultRates = FaultRates {
        lose: Ppm::NEVER,
        repeat: Ppm::NEVER,
        reorder: Ppm::NEVER,
        delay: Ppm::NEVER,
        corrupt: Ppm::NEVER,
        truncate: Ppm::NEVER,
        stall: Ppm::NEVER,
        delay_turns_max: 4,
        stall_turns_max: 5,
    };
    const ALWAYS: Ppm = Ppm::ALWAYS;

    fn faulty(receiving: FaultRates, sending: FaultRates, seed: u64) -> (MemWire, FaultPort<MemPort>) {
        let (wire, mut ports) = link(MemOptions::default());
        (wire, FaultPort::new(ports.remove(0), receiving, sending, seed))
    }

    /// Sends `count` frames to the port, `a_turn` a turn, and returns what came out, with the turn.
    fn received(
        wire: &mut MemWire,
        port: &mut FaultPort<MemPort>,
        count: u8,
        a_turn: usize,
    ) -> Vec<(u32, Vec<u8>)> {
        let numbers: Vec<u8> = (0..count).collect();
        let mut came = Vec::new();
        for turn in 0..200 {
            let now = numbers.chunks(a_turn).nth(turn).unwrap_or(&[]);
            now.iter().for_each(|number| assert!(wire.send(&[*number; 60])));
            let mut batch = FrameBatch::new();
            port.receive(&mut batch);
            came.extend(batch.iter().map(|frame| (turn as u32, frame.bytes().to_vec())));
        }
        assert_eq!(wire.frames_held(), 0, "a frame leaked");
        came
    }

    fn numbers(came: &[(u32, Vec<u8>)]) -> Vec<u8> {
        came.iter().map(|(_, bytes)| bytes[0]).collect()
    }

    fn received_with(rates: FaultRates) -> (Vec<(u32, Vec<u8>)>, FaultCounts) {
        let (mut wire, mut port) = faulty(rates, CLEAN, 1);
        (received(&mut wire, &mut port, 100, 10), port.receiving())
    }

    #[test]
    fn port_without_faults_changes_nothing() {
        let (came, counts) = received_with(CLEAN);
        assert_eq!(numbers(&came), (0..100).collect::<Vec<_>>());
        assert_eq!(counts, FaultCounts { passed: 100, ..FaultCounts::default() });
    }

    #[test]
    fn lost_frames_do_not_come() {
        let (came, counts) = received_with(FaultRates { lose: Ppm::percent(30), ..CLEAN });
        assert!((15..45).contains(&counts.lost), "{counts:?}");
        assert_eq!((came.len() as u64, counts.passed), (100 - counts.lost, 100 - counts.lost));
    }

    #[test]
    fn repeated_frames_come_twice() {
        let (came, counts) = received_with(FaultRates { repeat: ALWAYS, ..CLEAN });
        assert_eq!((came.len(), counts.repeated), (200, 100));
        assert!(came.chunks(2).all(|pair| pair[0].1 == pair[1].1));
    }

    #[test]
    fn reordered_frames_come_behind_later_ones_and_none_is_missing() {
        let (came, counts) = received_with(FaultRates { reorder: Ppm::percent(20), ..CLEAN });
        let numbers = numbers(&came);
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 100);
        assert!(counts.reordered > 5 && !numbers.is_sorted(), "{counts:?}");
    }

    #[test]
    fn reordered_frame_falls_behind_its_own_turn_and_the_next() {
        let reorder = FaultRates { reorder: ALWAYS, ..CLEAN };
        let (mut wire, mut port) = faulty(reorder, CLEAN, 1);
        let mut turn = |sent: &[u8], reorder| {
            port.set_rates(FaultRates { reorder, ..CLEAN }, CLEAN);
            sent.iter().for_each(|byte| assert!(wire.send(&[*byte; 60])));
            let mut batch = FrameBatch::new();
            port.receive(&mut batch);
            batch.iter().map(|frame| frame.bytes()[0]).collect::<Vec<_>>()
        };
        assert!(turn(&[0], ALWAYS).is_empty());
        assert_eq!(turn(&[1, 2], Ppm::NEVER), [1, 2, 0]);
    }

    #[test]
    fn delayed_frames_come_within_the_stated_turns() {
        let (came, counts) = received_with(FaultRates { delay: ALWAYS, ..CLEAN });
        assert_eq!((came.len(), counts.delayed), (100, 100));
        let waits: HashSet<_> = came.iter().map(|(turn, bytes)| turn - u32::from(bytes[0]) / 10).collect();
        assert_eq!(waits, HashSet::from([1, 2, 3, 4]));
    }

    #[test]
    fn corrupted_frames_differ_in_one_bit() {
        let (came, counts) = received_with(FaultRates { corrupt: ALWAYS, ..CLEAN });
        assert_eq!(counts.corrupted, 100);
        for (sent, (_, bytes)) in (0..100u8).zip(&came) {
            assert_eq!(bytes.iter().map(|byte| (byte ^ sent).count_ones()).sum::<u32>(), 1);
        }
    }

    #[test]
    fn truncated_frames_are_shorter() {
        let (came, counts) = received_with(FaultRates { truncate: ALWAYS, ..CLEAN });
        assert_eq!(counts.truncated, 100);
        assert!(came.iter().all(|(_, bytes)| bytes.len() < 60));
    }

    #[test]
    fn stall_holds_everything_and_then_lets_it_go() {
        let (came, counts) = received_with(FaultRates { stall: Ppm::percent(10), ..CLEAN });
        assert!(counts.stalled_turns > 0);
        assert_eq!(numbers(&came), (0..100).collect::<Vec<_>>());
        assert!(came.iter().any(|(turn, bytes)| *turn > u32::from(bytes[0]) / 10), "nothing was held");
    }

    #[test]
    fn one_seed_gives_the_same_faults_again_and_another_gives_others() {
        let half = Ppm::percent(50);
        let rates =
            FaultRates { lose: half, repeat: half, reorder: half, corrupt: half, delay: half, ..CLEAN };
        let run = |seed| {
            let (mut wire, mut port) = faulty(rates, CLEAN, seed);
            received(&mut wire, &mut port, 100, 10)
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn sent_frames_suffer_and_leave_by_later_turns() {
        let (mut wire, mut port) = faulty(CLEAN, FaultRates { delay: ALWAYS, repeat: ALWAYS, ..CLEAN }, 3);
        let mut batch: TxBatch<_> = (0..10).map(|_| port.allocate().expect("a frame")).collect();
        port.transmit(&mut batch);
        assert!(batch.is_empty());
        assert_eq!(wire.frames_waiting(), 0);
        (0..4).for_each(|_| port.receive(&mut FrameBatch::new()));
        assert_eq!((wire.frames_waiting(), port.sending().passed), (20, 20));
        while wire.take().is_some() {}
        assert_eq!(wire.frames_held(), 0);
    }

    #[test]
    fn stalled_transmit_leaves_the_batch_as_it_is() {
        let (_wire, mut port) = faulty(CLEAN, FaultRates { stall: ALWAYS, ..CLEAN }, 3);
        port.receive(&mut FrameBatch::new());
        let mut batch: TxBatch<_> = port.allocate().into_iter().collect();
        port.transmit(&mut batch);
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn damaged_frames_never_carry_a_devices_verdict() {
        let checksum = ChecksumOffload { rx_ip: true, rx_tcp: true, tx_ip: true, tx_tcp: true };
        let (mut wire, mut ports) = link(MemOptions { checksum, ..MemOptions::default() });
        let mut frame = wire.allocate().expect("a frame");
        let good = ChecksumState::Good;
        frame.set_rx_meta(RxMeta { ip_checksum: good, l4_checksum: good, ..RxMeta::default() });
        assert!(wire.inject(0, frame).is_ok());
        let mut port = FaultPort::new(ports.remove(0), CLEAN, CLEAN, 0);
        assert_eq!(port.info().checksum, ChecksumOffload::default());
        let mut batch = FrameBatch::new();
        port.receive(&mut batch);
        assert_eq!(batch[0].rx_meta(), RxMeta::default());
    }
}
