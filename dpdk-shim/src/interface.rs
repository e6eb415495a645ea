//! The MTU of a kernel interface that a software device stands on. DPDK's own call refuses jumbo frames on AF_PACKET,
//! whose rings carry them. Asked in the calling thread's network namespace.

use crate::failure::{EINVAL, Failure, check};
use crate::sys;
use std::ffi::CString;

/// The interface's MTU in bytes.
///
/// # Errors
/// There is no such interface.
pub fn mtu(name: &str) -> Result<u32, Failure> {
    let name = CString::new(name).map_err(|_| Failure::new("SIOCGIFMTU", EINVAL))?;
    // SAFETY: a zero-terminated string that is only read.
    check("SIOCGIFMTU", unsafe { sys::bw_interface_mtu(name.as_ptr()) })
}

/// Sets the interface's MTU; needs CAP_NET_ADMIN.
///
/// # Errors
/// Rights are missing, or the interface cannot carry such frames.
pub fn set_mtu(name: &str, mtu: u16) -> Result<(), Failure> {
    let name = CString::new(name).map_err(|_| Failure::new("SIOCSIFMTU", EINVAL))?;
    // SAFETY: a zero-terminated string that is only read.
    check("SIOCSIFMTU", unsafe { sys::bw_interface_set_mtu(name.as_ptr(), mtu) }).map(drop)
}
