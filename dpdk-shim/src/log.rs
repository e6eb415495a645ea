//! DPDK's log, caught: the last lines are kept so that an error of ours can quote them. Never printed by itself.

use crate::failure::{Failure, check};
use crate::sys;
use std::collections::VecDeque;
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard};

/// Lines kept; older ones are forgotten.
const LINES_MAX: usize = 256;
/// Bytes kept of one line.
const LINE_LEN_MAX: usize = 512;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Takes all lines that DPDK logged since the last call, oldest first.
pub fn take() -> Vec<String> {
    lines().drain(..).collect()
}

/// Leads DPDK's log here; called before EAL starts, so that nothing goes to the terminal or to syslog.
pub(crate) fn capture() -> Result<(), Failure> {
    // SAFETY: `sink` is a function for the whole life of the process and may be called from any thread.
    let rc = unsafe { sys::bw_log_open(Some(sink)) };
    check("rte_openlog_stream", rc).map(drop)
}

extern "C" fn sink(text: *const c_char, len: usize) {
    if text.is_null() || len == 0 {
        return;
    }
    // SAFETY: the C side passes a buffer of `len` bytes that lives until this call returns.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
        keep(line);
    }
}

fn keep(line: &str) {
    let mut lines = lines();
    if lines.len() == LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(line.chars().take(LINE_LEN_MAX).collect());
}

/// A panic cannot happen while the lock is held; a poisoned lock is taken all the same, as this runs below C.
fn lines() -> MutexGuard<'static, VecDeque<String>> {
    LINES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
