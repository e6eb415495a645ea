//! The control side over ports in memory: one process as `byway run` composes it, asked over its socket and its probes,
//! reloaded, broken and ended. Signals go to the whole process, so the scenes play one after another.

mod certificates;
mod dns;
mod house;
mod local;
mod origins;
mod scenes;
