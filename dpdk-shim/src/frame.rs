//! One frame buffer (an mbuf), owned: given back to its pool on drop, from whichever thread.
//!
//! A frame is one pointer, and what is known of it stands in the mbuf's first cache line, which the driver has just written:
//! frames go from place to place in one register, and nothing is copied out of mbufs at reception or into them at
//! transmission.

use crate::queue::BURST_MAX;
use crate::sys;
use arrayvec::ArrayVec;
use std::ptr::NonNull;

/// A frame buffer of one segment.
#[repr(transparent)]
#[derive(Debug)]
pub struct Frame(NonNull<sys::bw_mbuf>);

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
    /// The mbuf's first line.
    #[inline(always)]
    fn head(&self) -> &sys::bw_mbuf {
        // SAFETY: this value owns a live mbuf, whose first line is laid out as `bw_mbuf` (shim.c asserts it).
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn head_mut(&mut self) -> &mut sys::bw_mbuf {
        // SAFETY: as in `head`, and `&mut self` makes this the only reference; DPDK keeps its hands off mbufs it gave away.
        unsafe { self.0.as_mut() }
    }

    /// Where the frame begins.
    #[inline(always)]
    fn data(&self) -> *mut u8 {
        let head = self.head();
        // SAFETY: the driver put the frame's begin into the mbuf's own buffer, `buf_len` bytes from `buf_addr` on.
        unsafe { head.buf_addr.add(head.data_off.into()) }
    }

    /// The frame, from the Ethernet header on (only the first segment of several).
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: from `data` on there are `data_len` bytes in the buffer of the mbuf that this value owns.
        unsafe { std::slice::from_raw_parts(self.data(), self.head().data_len.into()) }
    }

    /// The same, to be written.
    #[inline(always)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.data(), self.head().data_len.into()) }
    }

    /// Makes the frame `len` bytes long; `false`, and nothing changed, when the buffer is shorter.
    #[inline]
    pub fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= self.capacity();
        if fits {
            let head = self.head_mut();
            (head.data_len, head.pkt_len) = (len as u16, len as u32);
        }
        fits
    }

    /// The longest frame that the buffer holds.
    #[inline]
    pub fn capacity(&self) -> usize {
        let head = self.head();
        head.buf_len.saturating_sub(head.data_off).into()
    }

    /// The RSS hash, where the device gave one.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        self.says(sys::BW_RX_RSS).then_some(self.head().rss_hash)
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
        self.head().nb_segs != 1
    }

    /// Whether the device took a VLAN tag off.
    #[inline]
    pub fn is_vlan_stripped(&self) -> bool {
        self.says(sys::BW_RX_VLAN_STRIPPED)
    }

    /// Whether the frame lies in one buffer and the device said nothing of its checksums or of a tag.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        const SAID: u32 = sys::BW_RX_IP_GOOD
            | sys::BW_RX_IP_BAD
            | sys::BW_RX_L4_GOOD
            | sys::BW_RX_L4_BAD
            | sys::BW_RX_VLAN_STRIPPED;
        !self.says(SAID) && !self.is_multi_segment()
    }

    /// Asks the device for checksums at transmission.
    #[inline]
    pub fn set_tx_work(&mut self, work: TxWork) {
        if !work.ip_checksum && !work.tcp_checksum {
            self.head_mut().ol_flags &= !sys::BW_TX_MASK;
            return;
        }
        let bit = |on: bool, bit: u32| if on { bit as u8 } else { 0 };
        let work = sys::bw_tx_work {
            flags: bit(work.ip_checksum, sys::BW_TX_IP)
                | bit(work.tcp_checksum, sys::BW_TX_TCP)
                | bit(work.ipv6, sys::BW_TX_IPV6),
            l2_len: work.l2_len,
            l3_len: work.l3_len,
            l4_len: work.l4_len,
            segment: work.segment,
        };
        // SAFETY: this value owns a live mbuf; `work` is only read.
        unsafe { sys::bw_frame_set_work(self.0.as_ptr(), &raw const work) };
    }

    #[inline]
    fn says(&self, flag: u32) -> bool {
        self.head().ol_flags & u64::from(flag) != 0
    }

    /// DPDK sets both bits where the device vouches for the data, though the field is not filled in.
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
        let frames = chunk.as_mut_ptr().cast::<*mut sys::bw_mbuf>();
        // SAFETY: each of the frames owns its mbuf, and is forgotten below.
        unsafe { sys::bw_frames_free(frames, chunk.len() as u16) };
    }
    // SAFETY: fewer elements than are initialised; those forgotten own nothing any more.
    unsafe { batch.set_len(0) };
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this value owns the mbuf, and nobody uses it after the drop; pools are never freed.
        unsafe { sys::bw_frame_free(self.0.as_ptr()) };
    }
}
