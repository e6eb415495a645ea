//! `byway bench connect` and `byway bench bulk`: connections and bytes a second of one worker on an in-memory port with
//! checksum offload. What is timed are the worker's turns alone, in CPU time; hosts and their frames are not.

mod bulk;
mod connect;
mod mode;

pub use bulk::{BulkArgs, FLOWS, PAYLOAD, bench_bulk, count_bulk};
pub use connect::{ConnectProbe, bench_connect, run_connect_probe};
