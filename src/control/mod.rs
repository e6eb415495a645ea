//! The control side: boot config, reloads, events, metrics, the local socket. Never imports worker or session.

mod answers;
pub mod app_rows;
pub mod ask;
pub mod config;
pub mod desk;
mod event_log;
mod fleet;
pub mod geo;
mod heartbeat;
mod http;
mod life;
mod listing;
pub mod log;
mod notify;
mod numbers;
pub mod ports;
pub mod privileges;
mod reloads;
mod socket;
mod store;
mod timestamp;
mod watch;
pub mod whereabouts;
mod workshop;

pub use event_log::{AppFacts, EventLog};
pub use fleet::{Crew, Fleet};
pub use heartbeat::{Hang, Heartbeat};
pub use http::MetricsListener;
pub use life::{Listeners, Outcome, Parts, run};
pub use notify::notify;
pub use reloads::{Reloads, summary};
pub use socket::ControlSocket;
pub use store::{Store, Stored, read_text};
pub use timestamp::{WallClock, rfc3339};
pub use watch::FileWatch;
pub use workshop::{LoadError, Loaded, Source, Workshop};
