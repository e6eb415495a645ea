//! UDP sessions: a client and an origin paired by five-tuple, their datagrams rewritten in the frame they came in.

mod elders;
mod end;
mod ending;
mod icmp;
mod open;
mod outgoing;
mod pass;
mod record;
mod relay;
mod sessions;
mod settings;
mod walk;

pub use icmp::IcmpError;
pub use open::Wanted;
pub use outgoing::{Datagram, Outgoing, Prefix};
pub use relay::Verdict;
pub use sessions::Sessions;
pub use settings::Settings;
