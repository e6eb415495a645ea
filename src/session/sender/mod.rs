//! The sender of managed legs: what is in flight, what of it is lost, how fast it goes out.

mod bbr;
mod board;
mod boards;
mod control;
mod cubic;
mod flight;
mod pace;
mod rate;
mod ring;
mod rtt;
mod send;
mod stamp;
mod state;

pub use boards::Boards;
pub use flight::Sent;
pub use ring::Ring;
pub use send::Ack;
pub use state::Sender;
