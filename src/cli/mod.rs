//! Composition: the only room where worker and control meet.

mod args;
mod check;
mod command;
mod init;

pub use command::main;
