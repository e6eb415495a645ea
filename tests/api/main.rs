//! The API as its clients see it: the shipping router, store and compiler, without a socket and without workers.

mod apps;
mod auth;
mod stand;
mod store;
mod tenants;
