//! TCP scripts: what client and origin send, what byway must send them, and when.
//!
//! Each file of `tests/tcp_script` is one test. A line is a step:
//! ```text
//!  set mtu=1400 window_shift=7            a setting; before anything else
//!  connect [c <options>] [o <options>]    both handshakes, checked
//!  +10ms c> P. seq=1 ack=1 len=100        after 10 ms the client sends this    (o> the origin)
//!  +0 c> R seq=7 => rst_unacceptable      ... and the segment is dropped by this name
//!  +11ms c< . seq=1 ack=101 win=510       by then, and not 3 ms earlier, the client gets this  (o< the origin)
//!  +0 c! toobig mtu=1280 seq=1            an ICMP error that quotes what we sent the client
//!  event disconnect 200                   the next event
//!  sessions 1                             sessions alive          (half_open, time_wait alike)
//!  counter SessionsSpliced 1              what a counter says
//!  again                                  the client calls once more, from its next port
//!  room 0                                 frames to be had from now on
//!  status closed by settings ...          see `world`
//! ```
//! Numbers count from the initial sequence numbers of the direction. Every frame that byway sends must be expected by
//! the script, in its side's order. Each script runs over IPv4 and IPv6 (unless it says `only ipv4`), on fresh sockets,
//! on sockets that a wild connection has used before, and parked after each forty quiet milliseconds: all must send the same. Payload is a pattern of its position, and checked wherever it comes out.

mod admit;
mod parse;
mod strangers;
mod table;
mod wire;
mod world;

use std::path::Path;

#[test]
fn every_script_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tcp_script");
    let only = std::env::var("SCRIPT").unwrap_or_default();
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of scripts")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".pkt") && name.contains(&only))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut failures = Vec::new();
    for name in &names {
        let text = std::fs::read_to_string(folder.join(name)).expect("a script");
        for family in ["4", "6"] {
            if text.contains("only ipv") && !text.contains(&format!("only ipv{family}")) {
                continue;
            }
            for form in Form::ALL {
                if let Err(error) = world::run(&text, family == "6", form) {
                    failures.push(format!("{name} over IPv{family}, {form:?}: {error}"));
                }
            }
        }
    }
    println!("{} scripts", names.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// How a script is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// On sockets as they were made.
    Fresh,
    /// On sockets that another connection used before.
    Used,
    /// Sessions give up their sockets whenever they have been quiet for forty milliseconds.
    Parked,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fresh, Self::Used, Self::Parked];

    /// What is set before a script says anything.
    pub fn pairs(self) -> Vec<(String, String)> {
        match self {
            Self::Fresh | Self::Used => Vec::new(),
            Self::Parked => [("parked", "8"), ("park_after_ms", "40")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
        }
    }
}
