//! A thread of ours made known to DPDK: it gets an lcore id, and with it its own cache of every pool.

use crate::eal::Eal;
use crate::failure::{Failure, check};
use crate::sys;
use std::marker::PhantomData;

/// The calling thread is registered while this lives. Pin the thread first: DPDK reads its affinity once.
#[derive(Debug)]
pub struct Registration {
    lcore: u32,
    /// Bound to its thread.
    _thread: PhantomData<*const ()>,
}

impl Registration {
    /// Registers the calling thread.
    ///
    /// # Errors
    /// All of DPDK's lcore ids (128) are taken, or the thread has one already.
    pub fn new(_eal: Eal) -> Result<Self, Failure> {
        // SAFETY: EAL is up, which the token proves.
        let rc = unsafe { sys::bw_thread_register() };
        check("rte_thread_register", rc)?;
        // SAFETY: reads a thread-local of DPDK.
        let lcore = unsafe { sys::bw_lcore_id() };
        Ok(Self { lcore, _thread: PhantomData })
    }

    /// DPDK's number of this thread.
    pub fn lcore(&self) -> u32 {
        self.lcore
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: the type is not Send, so this is the thread that registered.
        unsafe { sys::bw_thread_unregister() };
    }
}
