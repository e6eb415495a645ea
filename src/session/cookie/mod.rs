//! SYN cookies: a SYN is answered without memory, and the ACK that proves its cookie brings the session into being.

mod answer;
mod code;
mod options;
mod revive;
mod sip;
mod spent;

pub use answer::Cookies;
pub use code::{Failure, Found};
pub use sip::Sip;
