//! Composition: the only room where worker and control meet.

mod admin;
mod against;
mod apply;
mod args;
mod bench;
mod check;
mod client;
mod cloudflare;
mod command;
pub mod crew;
pub mod doctor;
#[cfg(feature = "dpdk")]
mod dpdk_run;
mod estate;
mod folders;
mod generate;
mod init;
mod inspect;
mod lower;
mod replay;
mod rules;
pub mod run;
pub mod secret;
mod show;
mod text;
mod whereabouts;

pub use command::main;
