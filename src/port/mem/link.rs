//! The two ends of a link in memory: `MemPort` for a worker, `MemWire` for whoever plays the network.

use super::cut;
use super::frame::{MemFrame, Pool};
use super::offload;
use super::options::MemOptions;
use crate::base::limits::TSO_FRAMES;
use crate::port::{Frame, FrameBatch, Port, PortInfo, PortStats, RssReport, RxMeta, TxBatch};
use crate::wire::ChecksumState;
use crossbeam::queue::ArrayQueue;
use std::collections::VecDeque;
use std::sync::Arc;

type Ring = Arc<ArrayQueue<MemFrame>>;

/// Room behind the MTU for an Ethernet header and for frames that are too long on purpose.
const SLACK_BYTES: usize = 64;
const BUFFER_BYTES_MIN: usize = 2048;
const ETHERNET_LEN: usize = 14;

/// One worker's view of a port in memory.
pub struct MemPort {
    info: PortInfo,
    /// `None` for a worker beyond the receive queues.
    rx: Option<Ring>,
    tx: Ring,
    pool: Pool,
    /// Buffers for packets that the port cuts; `None` where it cuts none.
    long: Option<Pool>,
}

/// The network's end.
pub struct MemWire {
    options: MemOptions,
    rx: Vec<Ring>,
    tx: Vec<Ring>,
    pool: Pool,
    long: Option<Pool>,
    /// Segments of a frame that was cut, on their way.
    cut: VecDeque<Vec<u8>>,
    stats: PortStats,
}

/// Makes a link: the network's end, and one port a worker.
pub fn link(options: MemOptions) -> (MemWire, Vec<MemPort>) {
    let ring = || Arc::new(ArrayQueue::new(options.ring_slots.max(1)));
    let frame_bytes = BUFFER_BYTES_MIN.max(usize::from(options.mtu) + SLACK_BYTES);
    let pool = Pool::new(options.frames, frame_bytes);
    let long_bytes = usize::from(options.tso_bytes) + SLACK_BYTES;
    let long_frames = TSO_FRAMES as usize * usize::from(options.workers.max(1));
    let long = (options.tso_bytes != 0).then(|| Pool::new(long_frames, long_bytes));
    let rx: Vec<Ring> = (0..options.rx_queues.max(1)).map(|_| ring()).collect();
    let tx: Vec<Ring> = (0..options.workers.max(1)).map(|_| ring()).collect();
    let port = |(worker, tx): (usize, &Ring)| MemPort {
        info: info(&options),
        rx: rx.get(worker).cloned(),
        tx: tx.clone(),
        pool: pool.clone(),
        long: long.clone(),
    };
    let ports = tx.iter().enumerate().map(port).collect();
    (MemWire { options, rx, tx, pool, long, cut: VecDeque::new(), stats: PortStats::default() }, ports)
}

fn info(options: &MemOptions) -> PortInfo {
    PortInfo {
        id: options.id,
        name: options.name.clone(),
        driver: "mem".into(),
        mac: options.mac,
        mtu: options.mtu,
        rx_queues: options.rx_queues.max(1),
        tx_queues: options.workers.max(1),
        rss: if options.rx_queues <= 1 { RssReport::SingleQueue } else { options.rss },
        checksum: options.checksum,
        tso_bytes: options.tso_bytes,
        numa_node: None,
    }
}

impl Port for MemPort {
    type Frame = MemFrame;

    #[inline]
    fn info(&self) -> &PortInfo {
        &self.info
    }

    #[inline]
    fn receive(&mut self, batch: &mut FrameBatch<MemFrame>) {
        let Some(ring) = &self.rx else { return };
        while !batch.is_full() {
            let Some(frame) = ring.pop() else { return };
            batch.push(frame);
        }
    }

    fn transmit(&mut self, batch: &mut TxBatch<MemFrame>) {
        let room = self.tx.capacity() - self.tx.len();
        let count = room.min(batch.len());
        for frame in batch.drain(..count) {
            // Only this port pushes here, so the room that was there is there still.
            drop(self.tx.push(frame));
        }
    }

    #[inline]
    fn allocate(&mut self) -> Option<MemFrame> {
        self.pool.take()
    }

    #[inline]
    fn allocate_long(&mut self) -> Option<MemFrame> {
        self.long.as_ref()?.take()
    }
}

impl MemWire {
    /// Lets the port receive a copy of `frame`, checked as far as the port claims checksum offload, on the queue that
    /// the port's RSS says. `false`, and counted in `rx_lost`, when there is no buffer or the ring is full.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        let spread = (self.options.spread)(frame);
        let mut meta = self.check(frame);
        meta.rss_hash = spread.rss_hash;
        let queue = usize::from(spread.queue) % self.rx.len();
        let copy = self.pool.take().and_then(|mut copy| copy.fill(frame).then_some(copy));
        let Some(mut copy) = copy else {
            self.stats.rx_lost += 1;
            return false;
        };
        copy.set_rx_meta(meta);
        self.inject(queue, copy).is_ok()
    }

    /// Puts `frame` as it is into a receive queue. Gives it back, and counts it in `rx_lost`, when the ring is full.
    /// Panics when there is no such queue.
    pub fn inject(&mut self, queue: usize, frame: MemFrame) -> Result<(), MemFrame> {
        let bytes = frame.bytes().len() as u64;
        let outcome = self.rx[queue].push(frame);
        let taken = u64::from(outcome.is_ok());
        self.stats.rx_frames += taken;
        self.stats.rx_bytes += taken * bytes;
        self.stats.rx_lost += 1 - taken;
        outcome
    }

    /// The next frame that a worker sent, as it lies in the ring: checksums that were left to the device are not
    /// filled in. Workers' rings are asked in turn of their number.
    pub fn take(&mut self) -> Option<MemFrame> {
        let frame = self.tx.iter().find_map(|ring| ring.pop())?;
        self.stats.tx_frames += 1;
        self.stats.tx_bytes += frame.bytes().len() as u64;
        Some(frame)
    }

    /// The next frame that a worker sent, as a device would put it on the wire. A frame that asks for offloads that
    /// the port does not claim, or that is not what its `TxMeta` says, comes out unfilled and counts in `tx_errors`. What it
    /// asks to be cut comes out segment by segment.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        if let Some(segment) = self.cut.pop_front() {
            return Some(segment);
        }
        let mut frame = self.take()?;
        let (meta, claims) = (frame.tx_meta(), self.options.checksum);
        if meta.segment != 0 {
            let claimed = (claims.tx_ip || !meta.ip_checksum)
                && claims.tx_tcp
                && frame.bytes().len() <= self.long_bytes();
            self.cut = if claimed { cut::segments(frame.bytes(), meta) } else { VecDeque::new() };
            self.stats.tx_errors += u64::from(self.cut.is_empty());
            return self.cut.pop_front().or_else(|| Some(frame.bytes().to_vec()));
        }
        let claimed = (!meta.ip_checksum || claims.tx_ip) && (!meta.tcp_checksum || claims.tx_tcp);
        if !(claimed && offload::fill(frame.bytes_mut(), meta)) {
            self.stats.tx_errors += 1;
        }
        Some(frame.bytes().to_vec())
    }

    /// A fresh buffer from the port's pool, for `inject`.
    pub fn allocate(&self) -> Option<MemFrame> {
        self.pool.take()
    }

    /// Buffers that are in a ring or in somebody's hands. Zero when nothing leaked.
    pub fn frames_held(&self) -> usize {
        self.pool.held() + self.long.as_ref().map_or(0, Pool::held)
    }

    /// The longest frame that the port cuts.
    fn long_bytes(&self) -> usize {
        usize::from(self.options.tso_bytes) + ETHERNET_LEN
    }

    /// Frames that lie in the transmit rings.
    pub fn frames_waiting(&self) -> usize {
        self.tx.iter().map(|ring| ring.len()).sum()
    }

    /// What went over the link so far, seen from the port.
    pub const fn stats(&self) -> PortStats {
        self.stats
    }

    /// What a device with the claimed offloads says of `frame`.
    fn check(&self, frame: &[u8]) -> RxMeta {
        let claims = self.options.checksum;
        if !claims.rx_ip && !claims.rx_tcp {
            return RxMeta::default();
        }
        let (ip, l4) = offload::verify(frame);
        let told = |claimed, state| if claimed { state } else { ChecksumState::Unknown };
        RxMeta {
            ip_checksum: told(claims.rx_ip, ip),
            l4_checksum: told(claims.rx_tcp, l4),
            ..RxMeta::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::mem::Spread;
    use crate::port::{ChecksumOffload, TxMeta};

    const ALL: ChecksumOffload = ChecksumOffload { rx_ip: true, rx_tcp: true, tx_ip: true, tx_tcp: true };

    /// A SYN over IPv4; its checksums were computed by another program.
    const SYN: [u8; 54] = [
        0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
        0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0x8e, 0x90, 192, 0, 2, 1, 198, 51, 100, 10, // IPv4
        0x04, 0xd2, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0xbe, 0xba, 0, 0, // TCP
    ];

    fn one(options: MemOptions) -> (MemWire, MemPort) {
        let (wire, mut ports) = link(options);
        (wire, ports.remove(0))
    }

    fn received(port: &mut MemPort) -> Vec<(Vec<u8>, RxMeta)> {
        let mut batch = FrameBatch::new();
        port.receive(&mut batch);
        batch.iter().map(|frame| (frame.bytes().to_vec(), frame.rx_meta())).collect()
    }

    fn sending(port: &mut MemPort, bytes: &[u8], meta: TxMeta) -> TxBatch<MemFrame> {
        let mut batch = TxBatch::new();
        let mut frame = port.allocate().expect("a frame");
        assert!(frame.fill(bytes));
        frame.set_tx_meta(meta);
        batch.push(frame);
        port.transmit(&mut batch);
        batch
    }

    #[test]
    fn frames_cross_in_order_and_go_home() {
        let (mut wire, mut port) = one(MemOptions::default());
        for byte in 0..40u8 {
            assert!(wire.send(&[byte; 60]));
        }
        assert_eq!(wire.frames_held(), 40);
        let first: Vec<_> = received(&mut port).iter().map(|(bytes, _)| bytes[0]).collect();
        assert_eq!(first, (0..32).collect::<Vec<_>>());
        assert_eq!(received(&mut port).len(), 8);
        assert_eq!(wire.frames_held(), 0);
        assert_eq!(wire.stats(), PortStats { rx_frames: 40, rx_bytes: 2400, ..PortStats::default() });
    }

    #[test]
    fn empty_pool_gives_no_frame_and_counts_the_loss() {
        let (mut wire, mut port) = one(MemOptions { frames: 2, ..MemOptions::default() });
        let held: Vec<_> = (0..2).map(|_| port.allocate().expect("a frame")).collect();
        assert!(port.allocate().is_none());
        assert!(!wire.send(&[0; 60]));
        assert_eq!(wire.stats().rx_lost, 1);
        drop(held);
        assert!(wire.send(&[0; 60]));
    }

    #[test]
    fn full_transmit_ring_leaves_the_rest_in_the_batch() {
        let (mut wire, mut port) = one(MemOptions { ring_slots: 3, ..MemOptions::default() });
        let mut batch: TxBatch<_> = (0..5).map(|_| port.allocate().expect("a frame")).collect();
        port.transmit(&mut batch);
        assert_eq!((batch.len(), wire.frames_waiting()), (2, 3));
        assert!(wire.take().is_some());
        port.transmit(&mut batch);
        assert_eq!((batch.len(), wire.frames_waiting()), (1, 3));
    }

    #[test]
    fn device_that_claims_offload_fills_and_then_finds_its_own_sums_good() {
        let (mut wire, mut port) = one(MemOptions { checksum: ALL, ..MemOptions::default() });
        let mut bare = SYN;
        bare[24..26].fill(0);
        // The pseudo-header: addresses, protocol and length.
        let words = [0xc000u32, 0x0201, 0xc633, 0x640a, 6, 20];
        let pseudo = words.iter().sum::<u32>();
        bare[50..52].copy_from_slice(&((pseudo >> 16) as u16 + pseudo as u16).to_be_bytes());
        let meta =
            TxMeta { l2_len: 14, l3_len: 20, ip_checksum: true, tcp_checksum: true, ..TxMeta::default() };
        assert!(sending(&mut port, &bare, meta).is_empty());
        let filled = wire.receive().expect("a frame");
        assert_eq!(filled, SYN);
        assert_eq!(wire.stats().tx_errors, 0);
        assert!(wire.send(&filled));
        let mut broken = filled.clone();
        broken[53] ^= 1;
        assert!(wire.send(&broken));
        let states: Vec<_> =
            received(&mut port).iter().map(|(_, meta)| (meta.ip_checksum, meta.l4_checksum)).collect();
        let good = ChecksumState::Good;
        assert_eq!(states, [(good, good), (good, ChecksumState::Bad)]);
    }

    #[test]
    fn device_without_offload_says_nothing_and_refuses_to_fill() {
        let (mut wire, mut port) = one(MemOptions::default());
        assert!(wire.send(&SYN));
        assert_eq!(received(&mut port)[0].1, RxMeta::default());
        let meta = TxMeta { l2_len: 14, l3_len: 20, ip_checksum: true, ..TxMeta::default() };
        sending(&mut port, &SYN, meta);
        assert_eq!(wire.receive().expect("a frame"), SYN);
        assert_eq!(wire.stats().tx_errors, 1);
    }

    #[test]
    fn frames_spread_over_queues_and_workers_beyond_them_receive_nothing() {
        let spread =
            |frame: &[u8]| Spread { queue: u16::from(frame[0]), rss_hash: Some(u32::from(frame[0])) };
        let options = MemOptions { workers: 3, rx_queues: 2, spread, ..MemOptions::default() };
        let (mut wire, mut ports) = link(options);
        (0..4u8).for_each(|byte| assert!(wire.send(&[byte; 60])));
        let bytes = |port: &mut MemPort| received(port).iter().map(|(bytes, _)| bytes[0]).collect::<Vec<_>>();
        assert_eq!(bytes(&mut ports[0]), [0, 2]);
        assert_eq!(bytes(&mut ports[1]), [1, 3]);
        assert!(bytes(&mut ports[2]).is_empty());
        sending(&mut ports[2], &SYN, TxMeta::default());
        assert_eq!(wire.receive().expect("worker 2 can send"), SYN);
    }

    #[test]
    fn offload_engine_leaves_frames_alone_that_it_cannot_read() {
        let unknown = (ChecksumState::Unknown, ChecksumState::Unknown);
        for len in 0..34 {
            assert_eq!(offload::verify(&SYN[..len]), unknown, "{len} bytes");
        }
        let all =
            TxMeta { l2_len: 14, l3_len: 20, ip_checksum: true, tcp_checksum: true, ..TxMeta::default() };
        for len in 0..SYN.len() {
            assert!(!offload::fill(&mut SYN[..len].to_vec(), all), "{len} bytes");
        }
        assert!(!offload::fill(&mut SYN.to_vec(), TxMeta { l3_len: 255, ..all }));
    }
}
