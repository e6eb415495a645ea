//! A DPDK call that failed: its name and its errno.

use std::fmt;

/// Which DPDK call failed, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The DPDK function.
    pub call: &'static str,
    /// The positive errno it gave.
    pub errno: i32,
}

/// Not permitted.
pub const EPERM: i32 = 1;
/// No such entry.
pub const ENOENT: i32 = 2;
/// Not enough memory.
pub const ENOMEM: i32 = 12;
/// Not permitted for this user.
pub const EACCES: i32 = 13;
/// In use by somebody else.
pub const EBUSY: i32 = 16;
/// No such device.
pub const ENODEV: i32 = 19;
/// Invalid argument.
pub const EINVAL: i32 = 22;
/// The driver cannot do this.
pub const ENOTSUP: i32 = 95;

impl Failure {
    pub(crate) const fn new(call: &'static str, errno: i32) -> Self {
        Self { call, errno }
    }

    /// Whether the driver has no such function at all.
    pub const fn is_unsupported(self) -> bool {
        self.errno == ENOTSUP
    }

    /// Whether rights are missing.
    pub const fn is_permission(self) -> bool {
        self.errno == EPERM || self.errno == EACCES
    }

    /// Whether memory ran out.
    pub const fn is_memory(self) -> bool {
        self.errno == ENOMEM
    }

    /// Whether the device or its driver is not there.
    pub const fn is_missing(self) -> bool {
        self.errno == ENODEV || self.errno == ENOENT
    }
}

/// The shim's convention as a `Result`: negative is an errno.
pub(crate) fn check(call: &'static str, rc: i32) -> Result<u32, Failure> {
    u32::try_from(rc).map_err(|_| Failure::new(call, rc.saturating_neg()))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, std::io::Error::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_code_is_an_errno_and_reads_like_one() {
        assert_eq!(check("rte_x", 3), Ok(3));
        let failure = check("rte_x", -EPERM).expect_err("negative");
        assert!(failure.is_permission() && !failure.is_memory());
        assert!(failure.to_string().starts_with("rte_x: Operation not permitted"));
    }
}
