//! Exact match by DPDK's cuckoo hash, and the Toeplitz hash of receive-side scaling in software.

use crate::eal::Eal;
use crate::failure::{ENOMEM, Failure, check};
use crate::sys;
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Keys of `N` bytes to places in 0..entries, for an array of the caller's.
#[derive(Debug)]
pub struct Table<const N: usize>(NonNull<sys::rte_hash>);

// SAFETY: the table has no tie to a thread.
unsafe impl<const N: usize> Send for Table<N> {}
// SAFETY: lookups only read; changes take `&mut self`.
unsafe impl<const N: usize> Sync for Table<N> {}

impl<const N: usize> Table<N> {
    /// An empty table of `entries` keys on NUMA `node`.
    ///
    /// # Errors
    /// Too little memory, as a rule.
    pub fn new(_eal: Eal, entries: u32, node: Option<u8>) -> Result<Self, Failure> {
        let name = format!("byway_hash_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).unwrap_or_default();
        let node = node.map_or(-1, i32::from);
        // SAFETY: EAL is up; the name is zero-terminated and copied.
        let raw = unsafe { sys::bw_hash_create(name.as_ptr(), node, entries, N as u32) };
        NonNull::new(raw).map(Self).ok_or(Failure::new("rte_hash_create", ENOMEM))
    }

    /// Adds a key; its place, the old one where the key was there.
    ///
    /// # Errors
    /// The table is full.
    pub fn add(&mut self, key: &[u8; N]) -> Result<u32, Failure> {
        // SAFETY: the table is live, nobody else uses it now, and the key has the table's length.
        check("rte_hash_add_key", unsafe { sys::bw_hash_add(self.0.as_ptr(), key.as_ptr().cast()) })
    }

    /// The place of a key.
    pub fn find(&self, key: &[u8; N]) -> Option<u32> {
        // SAFETY: the table is live and the key has its length.
        let place = unsafe { sys::bw_hash_find(self.0.as_ptr(), key.as_ptr().cast()) };
        u32::try_from(place).ok()
    }

    /// Removes a key; the place it had.
    pub fn remove(&mut self, key: &[u8; N]) -> Option<u32> {
        // SAFETY: the table is live, nobody else uses it now, and the key has the table's length.
        let place = unsafe { sys::bw_hash_remove(self.0.as_ptr(), key.as_ptr().cast()) };
        u32::try_from(place).ok()
    }
}

impl<const N: usize> Drop for Table<N> {
    fn drop(&mut self) {
        // SAFETY: this value owns the table.
        unsafe { sys::bw_hash_free(self.0.as_ptr()) };
    }
}

/// The Toeplitz hash over `words` (host order, in the order that a NIC reads them): `rte_softrss`. `None` when the key
/// is too short for them.
pub fn toeplitz(words: &[u32], key: &[u8]) -> Option<u32> {
    if key.len() < words.len() * 4 + 4 {
        return None;
    }
    // SAFETY: `words` has the stated length; the key reaches one word beyond it, which is how far the call reads.
    Some(unsafe { sys::bw_toeplitz(words.as_ptr(), words.len() as u32, key.as_ptr()) })
}
