//! The control side: boot config, reloads, events, metrics, the local socket. Never imports worker or session.

pub mod ask;
pub mod config;
pub mod desk;
mod event_log;
mod heartbeat;
mod http;
pub mod log;
mod notify;
pub mod ports;
pub mod privileges;
mod socket;
mod store;
mod timestamp;
mod watch;

pub use event_log::{AppFacts, EventLog};
pub use heartbeat::{Hang, Heartbeat};
pub use http::MetricsListener;
pub use notify::notify;
pub use socket::ControlSocket;
pub use store::{Store, Stored, read_text};
pub use timestamp::{WallClock, rfc3339};
pub use watch::FileWatch;
