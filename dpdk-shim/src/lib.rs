//! Everything unsafe: CPU intrinsics always, DPDK behind the `link` feature.

pub mod cpu;
