//! Giving privileges up: no new ones from the first moment, another user after port set-up, no core dumps, and a look at
//! every thread afterwards, because the kernel keeps all of this a thread.

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, User, geteuid, gettid, setgroups, setresgid, setresuid};
use std::fmt;
use std::path::Path;

/// Whom the process becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunAs {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// What the bringing back of a vanished kernel interface needs: a packet socket, an MTU, a hardware address, and rings
/// locked in memory past `RLIMIT_MEMLOCK` (AF_PACKET's are 16 MiB).
pub const RECOVERY: [Capability; 3] =
    [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN, Capability::CAP_IPC_LOCK];

/// Why privileges could not be given up. None of them may be passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivilegeError {
    /// The system has no such user.
    UserUnknown(String),
    /// The process is not root, so it cannot become another.
    NotRoot(String),
    /// A system call failed.
    Refused {
        /// The call.
        call: &'static str,
        /// Its errno.
        errno: i32,
    },
    /// A thread kept more than it should have.
    ThreadKept {
        /// The thread.
        thread: String,
        /// The line of its status that is wrong.
        line: String,
    },
    /// `/proc` could not be read.
    ProcUnreadable,
}

impl RunAs {
    /// Looks the user up.
    ///
    /// # Errors
    /// `UserUnknown`.
    pub fn find(name: &str) -> Result<Self, PrivilegeError> {
        let found = User::from_name(name).ok().flatten();
        let user = found.ok_or_else(|| PrivilegeError::UserUnknown(name.to_owned()))?;
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid })
    }

    /// The user's and the group's number, for files that the process shall keep reaching.
    pub fn ids(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }
}

/// No thread made from now on gains a privilege by running a program, and no core file is written. Call it first, before
/// any thread is made: each inherits it.
///
/// # Errors
/// `Refused`.
pub fn forbid_gains() -> Result<(), PrivilegeError> {
    prctl::set_no_new_privs().map_err(refused("prctl(PR_SET_NO_NEW_PRIVS)"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(refused("setrlimit(RLIMIT_CORE)"))?;
    prctl::set_dumpable(false).map_err(refused("prctl(PR_SET_DUMPABLE)"))
}

/// Makes the whole process (all threads) the given user. Only the calling thread keeps `keep`, and threads that it makes
/// later inherit those: make the others first, or `shed` in them.
///
/// # Errors
/// `NotRoot`, `Refused`, or what `verify` finds.
pub fn become_user(user: &RunAs, keep: &[Capability]) -> Result<(), PrivilegeError> {
    if geteuid() == user.uid && !user.uid.is_root() {
        return hold_only(keep);
    }
    if !geteuid().is_root() {
        return Err(PrivilegeError::NotRoot(user.name.clone()));
    }
    prctl::set_keepcaps(true).map_err(refused("prctl(PR_SET_KEEPCAPS)"))?;
    // The C library carries these three to every thread (setxid(7), "C library/kernel differences").
    setgroups(&[user.gid]).map_err(refused("setgroups"))?;
    setresgid(user.gid, user.gid, user.gid).map_err(refused("setresgid"))?;
    setresuid(user.uid, user.uid, user.uid).map_err(refused("setresuid"))?;
    prctl::set_keepcaps(false).map_err(refused("prctl(PR_SET_KEEPCAPS)"))?;
    hold_only(keep)?;
    // A change of user sets the flag anew from fs.suid_dumpable.
    prctl::set_dumpable(false).map_err(refused("prctl(PR_SET_DUMPABLE)"))?;
    verify(user, keep)
}

/// Gives up every capability of the calling thread.
///
/// # Errors
/// `Refused`.
pub fn shed() -> Result<(), PrivilegeError> {
    hold_only(&[])
}

/// Reads the status of every thread: its users, groups, capabilities, and that it can gain none.
///
/// # Errors
/// `ThreadKept` for the first thread that is not as it should be.
pub fn verify(user: &RunAs, keep: &[Capability]) -> Result<(), PrivilegeError> {
    let tasks = std::fs::read_dir("/proc/self/task").map_err(|_| PrivilegeError::ProcUnreadable)?;
    let own = gettid().to_string();
    for task in tasks.flatten() {
        // A thread that ended in between has no status, and no privilege.
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else { continue };
        let is_own = task.file_name().to_str() == Some(&own);
        let allowed = if is_own { mask(keep) } else { 0 };
        if let Some(line) = excess(&status, user, allowed) {
            return Err(PrivilegeError::ThreadKept { thread: name_of(&task.path()), line: line.to_owned() });
        }
    }
    Ok(())
}

fn hold_only(keep: &[Capability]) -> Result<(), PrivilegeError> {
    let keep: CapsHashSet = keep.iter().copied().collect();
    let have = caps::read(None, CapSet::Permitted).map_err(|_| refused_caps())?;
    let keep = keep.intersection(&have).copied().collect();
    caps::clear(None, CapSet::Inheritable).map_err(|_| refused_caps())?;
    // Effective first: it may never hold more than permitted.
    caps::set(None, CapSet::Effective, &keep).map_err(|_| refused_caps())?;
    caps::set(None, CapSet::Permitted, &keep).map_err(|_| refused_caps())
}

/// The first line of a thread's status that says more than it should.
fn excess<'a>(status: &'a str, user: &RunAs, allowed: u64) -> Option<&'a str> {
    status.lines().find(|line| {
        let Some((key, value)) = line.split_once(':') else { return false };
        let all = |wanted: u32| value.split_whitespace().all(|id| id.parse() == Ok(wanted));
        let bits = || u64::from_str_radix(value.trim(), 16).unwrap_or(u64::MAX);
        match key {
            "Uid" => !all(user.uid.as_raw()),
            "Gid" | "Groups" => !all(user.gid.as_raw()),
            "CapEff" | "CapPrm" => bits() & !allowed != 0,
            "CapInh" | "CapAmb" => bits() != 0,
            "NoNewPrivs" => value.trim() != "1",
            _ => false,
        }
    })
}

fn name_of(task: &Path) -> String {
    let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    name.trim().to_owned()
}

fn mask(capabilities: &[Capability]) -> u64 {
    capabilities.iter().fold(0, |mask, capability| mask | capability.bitmask())
}

fn refused(call: &'static str) -> impl Fn(Errno) -> PrivilegeError {
    move |errno| PrivilegeError::Refused { call, errno: errno as i32 }
}

fn refused_caps() -> PrivilegeError {
    PrivilegeError::Refused { call: "capset", errno: Errno::EPERM as i32 }
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserUnknown(name) => write!(
                f,
                "there is no user {name}: run `useradd --system --shell /usr/sbin/nologin {name}`, or set `user` to another"
            ),
            Self::NotRoot(name) => {
                write!(
                    f,
                    "only root can become {name}: start byway as root, or as {name} with its capabilities"
                )
            }
            Self::Refused { call, errno } => {
                write!(
                    f,
                    "privileges could not be given up: {call}: {}",
                    std::io::Error::from_raw_os_error(*errno)
                )
            }
            Self::ThreadKept { thread, line } => {
                write!(f, "privileges were not given up: thread {thread} still has `{line}`")
            }
            Self::ProcUnreadable => {
                f.write_str("privileges cannot be checked: /proc/self/task is not readable")
            }
        }
    }
}

impl std::error::Error for PrivilegeError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> RunAs {
        RunAs { name: "nobody".into(), uid: Uid::from_raw(65534), gid: Gid::from_raw(65534) }
    }

    const GOOD: &str = "Name:\tx\nUid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\n\
        Groups:\t65534 \nCapInh:\t0000000000000000\nCapPrm:\t0000000000002000\nCapEff:\t0000000000002000\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";

    #[test]
    fn a_thread_that_gave_all_up_passes() {
        assert_eq!(excess(GOOD, &nobody(), mask(&[Capability::CAP_NET_RAW])), None);
    }

    #[test]
    fn whatever_a_thread_kept_is_named() {
        let allowed = mask(&[Capability::CAP_NET_RAW]);
        assert_eq!(excess(GOOD, &nobody(), 0), Some("CapPrm:\t0000000000002000"));
        for (good, bad) in [
            ("Uid:\t65534\t65534", "Uid:\t65534\t0"),
            ("Groups:\t65534 ", "Groups:\t65534 0"),
            ("CapInh:\t0000000000000000", "CapInh:\t0000000000000001"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
        ] {
            let status = GOOD.replace(good, bad);
            assert!(excess(&status, &nobody(), allowed).is_some_and(|line| line.starts_with(bad)), "{bad}");
        }
    }

    #[test]
    fn an_unknown_user_is_an_error_that_says_how_to_make_one() {
        let error = RunAs::find("bw-no-such-user").expect_err("unknown");
        assert!(error.to_string().contains("useradd --system"), "{error}");
    }
}
