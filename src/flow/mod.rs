//! Which session a frame belongs to: keyed hash, flow table, tuples at rest, source ports, shares.

mod hash;
mod leg_ref;
mod map;
mod rest;
mod reuse;
mod share;
mod source_port;

pub use hash::FlowHasher;
pub use leg_ref::{LegRef, Side};
pub use map::{FlowMap, Slot};
pub use rest::{Rest, Resting, Sleep};
pub use reuse::{Call, Choice, EarlyReuse, UsedTuple};
pub use share::{Share, SharePercents, Tenant};
pub use source_port::{EgressPool, SourcePorts, owner_of_port};
