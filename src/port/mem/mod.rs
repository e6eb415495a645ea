//! A port made of memory: rings of frames between a worker and whoever plays the wire. For tests, simulation, replay
//! and instruction counts.
//!
//! ```text
//!             send, inject -> [rx ring, one a queue] -> receive
//!   MemWire                                                      MemPort (one a worker)
//!             take, receive <- [tx ring, one a port] <- transmit
//!                   all frames come from one pool of fixed size, and go home on drop
//! ```

mod cut;
mod frame;
mod link;
mod offload;
mod options;

pub use frame::MemFrame;
pub use link::{MemPort, MemWire, link};
pub use options::{MemOptions, Spread};
