//! Frame buffers: one DPDK mempool a NUMA node and size.

use crate::eal::Eal;
use crate::failure::{EINVAL, ENOMEM, Failure, check};
use crate::frame::Frame;
use crate::sys;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Frames of one `allocate` call at most.
pub const BULK_MAX: usize = sys::BW_BURST_MAX as usize;
/// Room in front of a frame, which DPDK's drivers expect.
const HEADROOM: u16 = 128;
/// Ethernet header, CRC, two VLAN tags, and what the kernel puts before a frame in an AF_PACKET ring.
const OVERHEAD: u32 = 14 + 4 + 8 + 96;
/// Frames that each thread's cache keeps.
const CACHE: u32 = 256;
/// Bytes of an mbuf's own header and the mempool's object header and trailer.
const OBJECT_OVERHEAD: u64 = 128 + 64;

/// A pool of frame buffers. It lives until the process ends: a frame may sit anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    raw: NonNull<sys::rte_mempool>,
    frames: u32,
}

// SAFETY: mempools are multi-producer and multi-consumer by construction (`ring_mp_mc`).
unsafe impl Send for Pool {}
// SAFETY: as above; the pool's own fields are never written here.
unsafe impl Sync for Pool {}

static NUMBER: AtomicU32 = AtomicU32::new(0);
const CALL: &str = "rte_pktmbuf_pool_create";

impl Pool {
    /// Makes a pool of `frames` buffers that each hold a frame of `mtu`, on NUMA `node` (`None`: any).
    ///
    /// # Errors
    /// `rte_pktmbuf_pool_create` failed: too little memory, as a rule.
    pub fn new(eal: Eal, frames: u32, mtu: u16, node: Option<u8>) -> Result<Self, Failure> {
        let bytes = u16::try_from(buffer_len(mtu)).ok().and_then(|room| room.checked_add(HEADROOM));
        Self::with_buffers(eal, frames, bytes.ok_or(Failure::new(CALL, EINVAL))?, node)
    }

    /// The same with buffers of `bytes` each, their headroom of 128 included.
    ///
    /// # Errors
    /// As `new`; `EINVAL` where nothing is left behind the headroom.
    pub fn with_buffers(_eal: Eal, frames: u32, bytes: u16, node: Option<u8>) -> Result<Self, Failure> {
        if bytes <= HEADROOM {
            return Err(Failure::new(CALL, EINVAL));
        }
        let name = format!("byway_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).map_err(|_| Failure::new(CALL, EINVAL))?;
        let cache = CACHE.min(frames / 4);
        let node = node.map_or(-1, i32::from);
        // SAFETY: EAL is up; the name is a zero-terminated string that DPDK copies.
        let raw = unsafe { sys::bw_pool_create(name.as_ptr(), frames, cache, bytes, node) };
        NonNull::new(raw).map(|raw| Self { raw, frames }).ok_or(Failure::new(CALL, ENOMEM))
    }

    /// How many buffers it has in all.
    pub fn frames(self) -> u32 {
        self.frames
    }

    /// How many of them are free now. Slow; for tests and reports.
    pub fn available(self) -> u32 {
        // SAFETY: the pool is live; it is only read.
        unsafe { sys::bw_pool_available(self.raw.as_ptr()) }
    }

    /// Takes `count` (at most `BULK_MAX`) empty frames, all or none, and hands each to `take`.
    ///
    /// # Errors
    /// The pool has fewer free buffers.
    pub fn allocate(self, count: usize, mut take: impl FnMut(Frame)) -> Result<(), Failure> {
        let mut room = [const { MaybeUninit::<Frame>::uninit() }; BULK_MAX];
        let count = count.min(BULK_MAX);
        // SAFETY: `room` has space for `count` frames, each a transparent pointer to an mbuf; the pool is live.
        let rc = unsafe { sys::bw_frames_allocate(self.raw(), room.as_mut_ptr().cast(), count as u16) };
        check("rte_pktmbuf_alloc_bulk", rc)?;
        for slot in &room[..count] {
            // SAFETY: the call above filled the first `count` slots; each is read once.
            take(unsafe { slot.assume_init_read() });
        }
        Ok(())
    }

    pub(crate) fn raw(self) -> *mut sys::rte_mempool {
        self.raw.as_ptr()
    }
}

/// Bytes of one buffer for frames of `mtu`: whole KiB, as some NICs round down, and at least DPDK's usual 2,048.
pub const fn buffer_len(mtu: u16) -> u32 {
    let need = mtu as u32 + OVERHEAD;
    let whole = need.div_ceil(1024) * 1024;
    if whole < 2048 { 2048 } else { whole }
}

/// Memory that a pool takes, in bytes, a little on the high side.
pub const fn memory_bytes(frames: u32, mtu: u16) -> u64 {
    memory_of(frames, buffer_len(mtu) + HEADROOM as u32)
}

/// The same for buffers of `bytes` each, headroom included.
pub const fn memory_of(frames: u32, bytes: u32) -> u64 {
    frames as u64 * (bytes as u64 + OBJECT_OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_its_mtu_and_all_headers() {
        assert_eq!(buffer_len(1500), 2048);
        assert_eq!(buffer_len(9000), 9216);
        assert_eq!(buffer_len(1950), 3072);
    }
}
