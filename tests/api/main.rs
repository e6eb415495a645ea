//! The API as its clients see it: the shipping router, store and compiler, without a socket and without workers.

mod address_maps;
mod addressing;
mod analytics;
mod apps;
mod auth;
mod bgp;
mod book;
mod certificates;
mod cloudflare;
mod codes;
mod dns;
mod dns_meets;
mod document;
mod full_disk;
mod killed;
mod leave;
mod matrix;
mod moving;
mod refusals;
mod rules;
mod sequences;
mod stand;
mod store;
mod tenants;
mod terraform;
mod world;
