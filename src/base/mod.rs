//! Words that every room needs: bounds, time, identities, addresses, drop reasons. Imports nothing of byway.

mod addr;
mod block_set;
mod drop_reason;
mod fate;
pub mod frozen_map;
mod id;
pub mod limits;
pub mod outside;
mod probe;
mod rng;
mod shared_map;
mod slab;
mod slot_pages;
mod time;
mod trial_time;
mod wheel;
mod whence;

pub use addr::{Addr, Endpoint};
pub use block_set::BlockSet;
pub use drop_reason::{DropClass, DropReason};
pub use fate::Fate;
pub use id::{AccountSlot, AppSlot, Epoch, Hop, PortId, RuleSlot, WorkerId, ZoneSlot, hex128};
pub use probe::{ProbeOrder, ProbeOutcome};
pub use rng::Rng;
#[cfg(test)]
pub use shared_map::LOOKS;
pub use shared_map::SharedMap;
pub use slab::{Key, Slab};
pub use slot_pages::SlotPages;
pub use time::{Clock, Instant, OsClock, Span, ThreadClock};
pub use trial_time::{TRIAL_S_MAX, TrialTime};
pub use wheel::Wheel;
pub use whence::{AsNumber, Country, Whence};
