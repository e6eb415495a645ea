//! What the kernel says of an interface that a port stands on: is it there, is it up, how many frames came in.
//!
//! All of it is asked in the caller's own network namespace, whatever `/sys` shows.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// The kernel's number of an interface; a new one each time it is made anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Index(u32);

/// The interface's number; `None` when there is none of this name.
pub fn index(name: &str) -> Option<Index> {
    if_nametoindex(name).ok().map(Index)
}

/// Whether the interface is up and has a carrier.
pub fn is_running(name: &str) -> bool {
    let Ok(all) = getifaddrs() else { return false };
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    all.into_iter().any(|entry| entry.interface_name == name && entry.flags.contains(wanted))
}

/// Frames that the interface received since it was made.
pub fn rx_frames(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    rx_frames_in(&text, name)
}

/// `/proc/net/dev`: `name: bytes packets errs drop ...`.
fn rx_frames_in(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|word| word.trim() == name))?;
    line.split_once(':')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_there_and_an_invented_one_is_not() {
        assert!(index("lo").is_some() && rx_frames("lo").is_some());
        assert!(index("bw-none-such").is_none() && rx_frames("bw-none-such").is_none());
        assert!(!is_running("bw-none-such"));
    }

    #[test]
    fn received_frames_are_the_second_column() {
        let text = "Inter-|   Receive\n face |bytes packets\n  eth1: 10 20 0 0 0 0 0 0 1 2\n eth10: 1 2 3\n";
        assert_eq!((rx_frames_in(text, "eth1"), rx_frames_in(text, "eth10")), (Some(20), Some(2)));
        assert_eq!(rx_frames_in(text, "eth"), None);
    }
}
