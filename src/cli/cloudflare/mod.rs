//! `byway admin import cloudflare`: lists fetched from Cloudflare's API (or another box that speaks it) or read from saved
//! replies, and handed to a running byway, which plans and takes them as one change. Nothing but GET goes to the other side.

mod args;
mod live;
mod saved;
#[cfg(test)]
mod tests;
mod verb;
mod walk;

pub use args::CloudflareArgs;
pub use verb::run;
