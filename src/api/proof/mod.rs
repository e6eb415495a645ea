//! Whether a prefix is its account's to announce: the routing registry, the RPKI, and a token that its holder publishes.

mod checker;
mod irr;
mod ownership;
mod rpki;

pub use checker::{Checker, Claim, Sources};
