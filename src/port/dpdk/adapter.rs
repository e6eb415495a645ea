//! `Port` and `Frame` over DPDK: a worker's end. Cost: one C call a burst each way, one more for 32 fresh frames, and
//! one for 32 that are dropped instead of sent.

use crate::base::Span;
use crate::port::{Frame, FrameBatch, Port, PortInfo, RxMeta, TxBatch, TxMeta};
use crate::wire::ChecksumState;
use arrayvec::ArrayVec;
use dpdk_sys::frame::{TxWork, Verdict};
use dpdk_sys::pool::{BULK_MAX, Pool};
use dpdk_sys::queue::{self, QueuePair};
use std::sync::Arc;

/// A DPDK frame buffer (mbuf), owned.
pub type DpdkFrame = dpdk_sys::frame::Frame;

/// One worker's queues of one DPDK device.
#[derive(Debug)]
pub struct DpdkPort {
    info: Arc<PortInfo>,
    queues: QueuePair,
    pool: Pool,
    /// Buffers for packets that the device cuts; `None` where it cuts none.
    long: Option<Pool>,
    /// Fresh frames, taken from the pool 32 at a time.
    fresh: ArrayVec<DpdkFrame, BULK_MAX>,
}

impl DpdkPort {
    pub(super) fn new(info: Arc<PortInfo>, queues: QueuePair, pool: Pool, long: Option<Pool>) -> Self {
        Self { info, queues, pool, long, fresh: ArrayVec::new() }
    }

    /// Whether this worker has a receive queue of the device.
    pub fn receives(&self) -> bool {
        self.queues.receives()
    }
}

impl Port for DpdkPort {
    type Frame = DpdkFrame;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    #[inline]
    fn receive(&mut self, batch: &mut FrameBatch<DpdkFrame>) {
        self.queues.receive(batch);
    }

    #[inline]
    fn transmit(&mut self, batch: &mut TxBatch<DpdkFrame>) {
        self.queues.send(batch);
    }

    #[inline]
    fn free(&mut self, batch: &mut FrameBatch<DpdkFrame>) {
        dpdk_sys::frame::free(batch);
    }

    #[inline]
    fn allocate(&mut self) -> Option<DpdkFrame> {
        if self.fresh.is_empty() {
            self.refill();
        }
        self.fresh.pop()
    }

    fn allocate_long(&mut self) -> Option<DpdkFrame> {
        let mut taken = None;
        let _ = self.long?.allocate(1, |mut frame| {
            frame.set_len(0);
            taken = Some(frame);
        });
        taken
    }

    fn arm(&mut self) -> bool {
        self.queues.arm()
    }

    fn disarm(&mut self) {
        self.queues.disarm();
    }

    fn wait(&mut self, limit: Span) {
        queue::wait_for_interrupt(limit.millis().min(u16::MAX.into()) as u16);
    }
}

impl DpdkPort {
    /// A nearly empty pool gives its last frames one by one.
    fn refill(&mut self) {
        for count in [BULK_MAX, 1] {
            let fresh = &mut self.fresh;
            let taken = self.pool.allocate(count, |mut frame| {
                frame.set_len(0);
                fresh.push(frame);
            });
            if taken.is_ok() {
                return;
            }
        }
    }
}

impl Frame for DpdkFrame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes_mut()
    }

    #[inline]
    fn set_len(&mut self, len: usize) -> bool {
        self.set_len(len)
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.capacity()
    }

    #[inline]
    fn rx_meta(&self) -> RxMeta {
        RxMeta {
            ip_checksum: state(self.ip_checksum()),
            l4_checksum: state(self.l4_checksum()),
            rss_hash: self.rss_hash(),
            multi_segment: self.is_multi_segment(),
            vlan_stripped: self.is_vlan_stripped(),
        }
    }

    #[inline(always)]
    fn rx_checked(&self) -> Option<(ChecksumState, ChecksumState)> {
        match self.is_plain() {
            true => Some((ChecksumState::Unknown, ChecksumState::Unknown)),
            false if self.is_multi_segment() || self.is_vlan_stripped() => None,
            false => Some((state(self.ip_checksum()), state(self.l4_checksum()))),
        }
    }

    #[inline]
    fn set_tx_meta(&mut self, meta: TxMeta) {
        self.set_tx_work(TxWork {
            l2_len: meta.l2_len,
            l3_len: meta.l3_len,
            ipv6: meta.ipv6,
            ip_checksum: meta.ip_checksum,
            tcp_checksum: meta.tcp_checksum,
            segment: meta.segment,
            l4_len: meta.l4_len,
        });
    }
}

#[inline]
fn state(verdict: Verdict) -> ChecksumState {
    match verdict {
        Verdict::Unknown => ChecksumState::Unknown,
        Verdict::Good => ChecksumState::Good,
        Verdict::Bad => ChecksumState::Bad,
    }
}
