//! One frame buffer (an mbuf), owned: given back to its pool on drop, from whichever thread.

use crate::queue::BURST_MAX;
use crate::sys;
use arrayvec::ArrayVec;
use std::ptr;

/// A frame buffer of one segment.
#[repr(transparent)]
#[derive(Debug)]
pub struct Frame(pub(crate) sys::bw_frame);

// SAFETY: an mbuf has no tie to a thread: pools are multi-producer and multi-consumer, and one owner at a time.
unsafe impl Send for Frame {}

/// What a device says of a checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It did not look.
    Unknown,
    /// It is right, or the device vouches for the data though the field is not filled in.
    Good,
    /// It is wrong.
    Bad,
}

/// What a device is asked to fill in when it sends a frame. Lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TxWork {
    /// Length of the Ethernet header.
    pub l2_len: u8,
    /// Length of the IP header.
    pub l3_len: u8,
    /// Whether the packet is IPv6.
    pub ipv6: bool,
    /// The IPv4 header checksum.
    pub ip_checksum: bool,
    /// The TCP checksum, over the pseudo-header sum that is in its field.
    pub tcp_checksum: bool,
    /// Cut into segments of so many bytes of payload (TSO); zero: not cut.
    pub segment: u16,
    /// Length of the TCP header, where it is cut.
    pub l4_len: u8,
}

impl Frame {
    /// The frame, from the Ethernet header on (only the first segment of several).
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `data` points at `capacity >= len` bytes of the mbuf that this value owns (dangling only when both
        // are 0).
        unsafe { std::slice::from_raw_parts(self.0.data, self.0.len.into()) }
    }

    /// The same, to be written.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.0.data, self.0.len.into()) }
    }

    /// Makes the frame `len` bytes long; `false`, and nothing changed, when the buffer is shorter.
    #[inline]
    pub fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= self.capacity();
        if fits {
            self.0.len = len as u16;
        }
        fits
    }

    /// The longest frame that the buffer holds.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.0.capacity.into()
    }

    /// The RSS hash, where the device gave one.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        self.says(sys::BW_RX_RSS).then_some(self.0.rss_hash)
    }

    /// State of the IPv4 header checksum.
    #[inline]
    pub fn ip_checksum(&self) -> Verdict {
        self.verdict(sys::BW_RX_IP_GOOD, sys::BW_RX_IP_BAD)
    }

    /// State of the TCP or UDP checksum.
    #[inline]
    pub fn l4_checksum(&self) -> Verdict {
        self.verdict(sys::BW_RX_L4_GOOD, sys::BW_RX_L4_BAD)
    }

    /// Whether the device spread the frame over several buffers.
    #[inline]
    pub fn is_multi_segment(&self) -> bool {
        self.says(sys::BW_RX_MULTI_SEGMENT)
    }

    /// Whether the device took a VLAN tag off.
    #[inline]
    pub fn is_vlan_stripped(&self) -> bool {
        self.says(sys::BW_RX_VLAN_STRIPPED)
    }

    /// Asks the device for checksums at transmission.
    #[inline]
    pub fn set_tx_work(&mut self, work: TxWork) {
        let bit = |on: bool, bit: u32| if on { bit as u8 } else { 0 };
        self.0.tx_flags = bit(work.ip_checksum, sys::BW_TX_IP)
            | bit(work.tcp_checksum, sys::BW_TX_TCP)
            | bit(work.ipv6, sys::BW_TX_IPV6);
        self.0.l2_len = work.l2_len;
        self.0.l3_len = work.l3_len;
        self.0.segment = work.segment;
        self.0.l4_len = work.l4_len;
    }

    /// Forgets the buffer, which somebody else owns now.
    #[inline]
    pub(crate) fn spend(&mut self) {
        self.0.mbuf = ptr::null_mut();
        self.0.data = ptr::NonNull::dangling().as_ptr();
        self.0.len = 0;
        self.0.capacity = 0;
    }

    #[inline]
    fn says(&self, flag: u32) -> bool {
        u32::from(self.0.rx_flags) & flag != 0
    }

    #[inline]
    fn verdict(&self, good: u32, bad: u32) -> Verdict {
        if self.says(good) {
            Verdict::Good
        } else if self.says(bad) {
            Verdict::Bad
        } else {
            Verdict::Unknown
        }
    }
}

/// Gives the buffers of `batch` back to their pools, in one call for each `BURST_MAX`.
#[inline]
pub fn free<const N: usize>(batch: &mut ArrayVec<Frame, N>) {
    for chunk in batch.chunks_mut(BURST_MAX) {
        let frames = chunk.as_mut_ptr().cast::<sys::bw_frame>();
        // SAFETY: each of the frames owns its mbuf, and is forgotten below.
        unsafe { sys::bw_frames_free(frames, chunk.len() as u16) };
    }
    // SAFETY: fewer elements than are initialised; those forgotten own nothing any more.
    unsafe { batch.set_len(0) };
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if !self.0.mbuf.is_null() {
            // SAFETY: this value owns the mbuf, and nobody uses it after the drop; pools are never freed.
            unsafe { sys::bw_frame_free(self.0.mbuf) };
        }
    }
}
