//! The control side: boot config, reloads, events, metrics, the local socket. Never imports worker or session.

pub mod config;
