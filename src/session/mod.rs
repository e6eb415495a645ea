//! TCP sessions: a client leg and an origin leg relayed by smoltcp, with a guard in front.

mod net;

pub use net::Net;
