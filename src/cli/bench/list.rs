//! `byway bench list`: the benches that there are, for scripts. A new bench is a row here.

use crate::cli::command::{tell, tell_json};
use serde_json::json;
use std::process::ExitCode;

/// One bench.
pub struct Bench {
    /// What its results are called.
    pub name: &'static str,
    /// The arguments of `byway bench` that run it.
    pub arguments: &'static str,
    /// What it measures.
    pub what: &'static str,
}

/// All of them, in the order in which they are run.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "session",
        arguments: "session",
        what: "instructions of a relayed segment and a connection, bytes of a session",
    },
    Bench {
        name: "session-udp",
        arguments: "session --udp",
        what: "instructions of a relayed datagram, bytes of a session",
    },
    Bench {
        name: "session-tls",
        arguments: "session --tls --quick",
        what: "instructions of a TLS record and connection",
    },
    Bench {
        name: "handshakes",
        arguments: "handshakes",
        what: "TLS handshakes a second beside openssl, plain flows beside a flood of them",
    },
    Bench {
        name: "flood",
        arguments: "flood",
        what: "real clients beside a flood of SYNs that the port just carries, over AF_PACKET",
    },
    Bench {
        name: "connect",
        arguments: "connect",
        what: "connections a second of one worker on an in-memory port, and their instructions",
    },
    Bench {
        name: "bulk",
        arguments: "bulk",
        what: "bytes a second of one worker on an in-memory port, full segments",
    },
    Bench {
        name: "idle",
        arguments: "idle",
        what: "bytes of an idle session, spliced and parked, a million of each",
    },
    Bench {
        name: "control",
        arguments: "control",
        what: "a change of an app by the API among 100 and 100,000, and a worker's packet rate beside 100 a second",
    },
    Bench {
        name: "proxy",
        arguments: "proxy",
        what: "bytes, connections and requests of real clients beside HAProxy, nginx and a bare wire",
    },
    Bench {
        name: "goodput",
        arguments: "goodput",
        what: "goodput of BBR and CUBIC over a path that loses, spliced beside a direct route",
    },
    Bench {
        name: "lossy",
        arguments: "lossy",
        what: "the sender of managed sessions over a path that loses, on a virtual clock",
    },
    #[cfg(feature = "dpdk")]
    Bench {
        name: "forward-splice",
        arguments: "forward --scenario splice",
        what: "spliced segments a second beside macswap, 1,024 sessions",
    },
    #[cfg(feature = "dpdk")]
    Bench {
        name: "forward-million",
        arguments: "forward --scenario splice --flows 1000000",
        what: "the same with a million sessions",
    },
    #[cfg(feature = "dpdk")]
    Bench {
        name: "forward-udp",
        arguments: "forward --scenario udp",
        what: "datagrams a second beside macswap",
    },
    #[cfg(feature = "dpdk")]
    Bench {
        name: "forward-blocked",
        arguments: "forward --scenario blocked",
        what: "dropped SYNs a second of blocked sources among a million rules, beside macswap",
    },
    #[cfg(feature = "dpdk")]
    Bench {
        name: "forward-noapp",
        arguments: "forward --scenario noapp",
        what: "dropped SYNs a second to an address without an app, beside macswap",
    },
    #[cfg(feature = "dpdk")]
    Bench {
        name: "forward-synflood",
        arguments: "forward --scenario synflood",
        what: "SYNs a second that cookies answer, beside macswap",
    },
];

/// Prints them.
pub fn list(json: bool) -> ExitCode {
    if json {
        let row =
            |bench: &Bench| json!({ "name": bench.name, "arguments": bench.arguments, "what": bench.what });
        return tell_json(&BENCHES.iter().map(row).collect());
    }
    let line = |bench: &Bench| format!("{:<14} {:<24} {}", bench.name, bench.arguments, bench.what);
    tell(BENCHES.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::Parser;

    #[test]
    fn every_listed_bench_is_one_that_the_command_line_takes() {
        for bench in BENCHES {
            let words = ["byway", "bench"].into_iter().chain(bench.arguments.split(' ')).chain(["--json"]);
            assert!(Cli::try_parse_from(words).is_ok(), "{}", bench.arguments);
        }
    }
}
