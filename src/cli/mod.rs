//! Composition: the only room where worker and control meet.

mod args;
mod check;
mod client;
mod command;
pub mod doctor;
mod init;
mod show;
mod text;

pub use command::main;
