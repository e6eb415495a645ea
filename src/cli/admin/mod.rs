//! `byway admin`: the first user and token, calls over the admin socket, tokens and keys, copies of the
//! store, history and trials.

mod args;
mod ask;
mod hand_out;
mod history;
mod init;
mod moving;
mod passphrase;
mod restore;
mod seal;
mod secrets;
mod trial;
mod verb;

pub use args::AdminCommand;
pub use ask::{ask, result};
pub use trial::{confirm, revert};
pub use verb::run;
