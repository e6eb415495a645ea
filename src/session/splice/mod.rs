//! Spliced sessions: once both handshakes are done and nothing is under way, a session without TLS is nothing but a
//! translation of headers, and the two end hosts' own TCP does the rest.
//!
//! ```text
//!  managed session, drained or its client held --hand_over--> Record --pass / odd--> segments go on, translated
//!   (slot and buffers free again)             |
//!                                             `-- FIN and FIN, RST, timers, rules --> gone (ending)
//! ```

mod ending;
mod hand_over;
mod hold;
mod icmp;
mod odd;
mod options;
mod pass;
mod quiesce;
mod record;
mod splices;
mod walk;

pub(super) use hand_over::is_quiet;
pub use icmp::PathNews;
pub use pass::Passed;
pub(super) use splices::Splices;
