//! TLS of sessions. `Pair` makes the handshakes of both legs on a crypto thread, `Flow` carries established records on
//! the worker; both are free of I/O.
//!
//! ```text
//!  client arrived -> Pair: hello? --> origin called --> origin's handshake --> client's handshake --> Flow
//!       worker:  bytes in, bytes out      ^ each arrow is a trip to a crypto thread and back ^     records, here
//! ```

mod crypto;
mod failure;
mod flow;
mod pair;
mod session;
mod tend;

pub use crypto::{Crypto, CryptoLane, CryptoSettings, crypto};
pub use failure::Failure;
pub use flow::{End, Flow, Legs, Moved, Shut};
pub use pair::Pair;
pub(super) use session::SessionTls;
