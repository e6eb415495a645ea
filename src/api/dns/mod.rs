//! DNS records of zones (`/zones/{zone}/dns_records`): those that operators make, and those that follow from apps, which
//! nobody else writes. Kept and shown; nothing answers them yet.

mod batch;
mod clash;
pub mod filter;
mod read;
pub mod records;
mod row;
#[cfg(test)]
mod tests;
pub mod transfer;
mod zone_file;

pub use batch::batch;
pub use clash::app_clash;
pub use records::{created, replaced};
