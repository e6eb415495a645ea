//! The Cloudflare-v4-compatible API: HTTP in, entities changed, tables in force, envelopes out. Meets the control loop
//! over its desk, the store as a `Vault`.
//!
//! **To add an operation**: write its handler in the file of its kind (`apps`, `rules`, ...), and beside the others in the file of
//! the same name in `operations` what a client has to know of it:
//!
//! ```text
//!  Operation::get("/zones/{zone_id}/dns_records", records::list)     the path below /client/v4; {..._id} is an id
//!      .named("dns_records_list", "DNS records of a zone")           operationId, one line
//!      .wants(Want::There(Permission::Dns, Level::Read))             adds 403 with 9109
//!      .asks("type", word(KINDS))                                    each parameter that the handler reads
//!      .pages(record())                                              or answers, creates, downloads; bare without
//!      .fails(404, &[ApiCode::NotFound])                             codes beside those that all operations have
//! ```
//!
//! A new file of `operations` is named in its door and in `operations::table`. Nothing else is served and nothing else is
//! documented: the router and `/client/v4/openapi.json` are both made of that list. `tests/api/book.rs` holds every reply that
//! any test of the API sees against the document. An operation has a row in the table of leave (`tests/api/leave.rs`), by which
//! `matrix.rs` asks for it with every kind of credentials; `world.rs` has an entity for each parameter of a path and a body that
//! succeeds; `codes.rs` wants each documented code met by some test.

mod addressing;
mod admin_socket;
mod analytics;
mod answer;
mod app_rules;
mod apps;
mod archive;
mod ask;
mod audit;
mod back;
mod caller;
mod certificates;
mod cloudflare;
mod code;
mod credentials;
mod dns;
mod fields;
mod form;
mod history;
mod kept;
mod list;
mod listener_tls;
mod lockout;
mod merge;
mod moving;
mod office;
mod on_trial;
mod openapi;
mod operations;
mod own;
mod prepared;
mod probes;
mod proof;
mod query;
mod queue;
mod quotas;
mod rates;
mod revived;
mod router;
mod rules;
mod server;
mod tenants;
mod tokens;
mod trial;
mod user_tokens;
mod users;
mod uses;
mod verdict;

pub use addressing::{Announcer, LoggedRoutes, Route};
pub use admin_socket::AdminSocket;
pub use answer::{Answer, ErrorItem, Failure, Success};
pub use caller::{Pass, Peer};
pub use code::ApiCode;
pub use credentials::{Secret, TokenText, new_id, random};
pub use kept::read;
pub use listener_tls::ListenerTls;
pub use moving::{told, with_key};
pub use office::{Errand, Office, Plan, Terms};
pub use on_trial::back_at_start;
pub use openapi::served as openapi_text;
pub use prepared::{entry, entry_of};
pub use proof::{Checker, Claim, Sources};
pub use revived::{Revived, revivals, revived};
pub use router::router;
pub use server::{ApiListeners, start};
