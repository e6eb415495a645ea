//! What is taken over from Cloudflare, or from another box that speaks its API: lists as they were answered there go in, one
//! change comes out, with a report of all that could not be taken as it was. Fetches nothing itself.

mod address_maps;
mod apps;
mod certificates;
mod draft;
mod letters;
mod lists;
mod prefixes;
mod records;
mod report;
mod rules;
mod spare;
mod tenants;
mod verb;

pub use report::{About, Fate};
pub use verb::import;
