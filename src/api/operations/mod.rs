//! Everything that the API serves, one file for each that answers. See `api` for how to add an operation.

mod address_maps;
mod analytics;
mod apps;
mod audit;
mod bgp;
mod bindings;
mod certificates;
mod cloudflare;
mod delegations;
mod dns;
mod loa;
mod moving;
mod own;
mod prefixes;
mod rules;
mod table;
mod tenants;
mod tokens;
mod users;

pub use table::all;
