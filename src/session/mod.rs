//! TCP sessions: a client leg and an origin leg relayed by smoltcp, with a guard in front.

mod net;
mod settings;
mod view;

pub use net::Net;
pub use settings::{ComesHome, Congestion, Settings};
pub use view::{Admission, Phase, SessionView, Standing};
