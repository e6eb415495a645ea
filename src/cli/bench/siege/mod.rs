//! `byway bench flood`: real clients beside a flood of SYNs, over veth and AF_PACKET, against the same in quiet.
//!
//! ```text
//!  client                           edge                            origin
//!  100 clients a second  --veth--  byway (AF_PACKET)  --veth--      an origin
//!  byway gen syn
//! ```

mod lab;
mod talks;
mod verb;

pub use verb::bench_flood;
