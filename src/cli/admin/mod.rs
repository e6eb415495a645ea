//! `byway admin`: the first user and token, calls over the admin socket, copies of the store, history.

mod args;
mod ask;
mod history;
mod init;
mod moving;
mod passphrase;
mod restore;
mod seal;
mod verb;

pub use args::AdminCommand;
pub use ask::{ask, result};
pub use verb::run;
