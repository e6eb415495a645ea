//! Who lives next door: hops, their hardware addresses, and how they are learnt (ARP, RFC 826; NDP, RFC 4861).

mod index;
mod table;

pub(super) use table::{Asked, Hearing, Neighbors, Path};
pub use table::{HopState, View};
