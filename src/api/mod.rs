//! The Cloudflare-v4-compatible API: HTTP in, entities changed, tables in force, envelopes out. Meets the control loop
//! over its desk, the store as a `Vault`.

mod addressing;
mod answer;
mod app_rules;
mod apps;
mod ask;
mod back;
mod caller;
mod certificates;
mod code;
mod credentials;
mod fields;
mod merge;
mod moving;
mod office;
mod own;
mod proof;
mod query;
mod rates;
mod router;
mod rules;
mod server;
mod tenants;
mod tokens;

pub use addressing::{Announcer, LoggedRoutes, Route};
pub use answer::{Answer, ErrorItem, Failure, Success};
pub use caller::Peer;
pub use code::ApiCode;
pub use credentials::{Secret, TokenText, new_id, random};
pub use moving::{told, with_key};
pub use office::{Errand, Office, Plan, Terms, entry, read};
pub use proof::{Checker, Claim, Sources};
pub use router::router;
pub use server::{AdminSocket, ApiListeners, start, tls};
