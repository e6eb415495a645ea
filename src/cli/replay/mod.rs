//! `byway replay`: the shipping worker over a capture, without a NIC. The capture's clock, a fixed secret and static
//! neighbours make the output depend on the input alone.

mod drive;
mod learn;
mod verb;

pub use verb::run;
