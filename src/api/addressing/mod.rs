//! BYOIP (`/accounts/{account}/addressing`): prefixes and what belongs to them (`reference/spectrum.md`, section 3).

pub mod address_maps;
mod announce;
mod apps_at;
pub mod bgp;
pub mod bindings;
pub mod delegations;
pub mod loa;
pub mod prefixes;
mod words;

pub use announce::{Announcer, LoggedRoutes, Route, routes};
