//! A table that the API puts in force: it is compiled, kept in the API's store, published and confirmed, or refused.

use super::config::Problem;
use crate::base::Epoch;
use crate::snapshot::{AppChange, LiveSpec};
use crate::table::{AppId, AppState};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Keeps the change in the store, once it is known to compile. The error is one line.
pub type Keep = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// All that is to be in force, written down when somebody asks: most changes are carried out without.
pub type Lowered = Arc<dyn Fn() -> LiveSpec + Send + Sync>;

/// What the API asks for.
pub struct Install {
    /// All that is to be in force.
    pub whole: Lowered,
    /// What that differs in from what is in force now, where it is apps alone.
    pub apps: Option<Vec<AppChange>>,
    /// Keeps it; `None`: it is compiled alone, to see whether it is right.
    pub keep: Option<Keep>,
    /// Whether it is on trial once it is in force.
    pub on_trial: bool,
    /// Apps whose states are wanted in the answer.
    pub asked: Vec<AppId>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Installed>,
}

/// What came of it.
#[derive(Debug)]
pub enum Installed {
    /// All workers have taken it.
    InForce {
        /// Its epoch.
        epoch: Epoch,
        /// The states of the apps that were asked for.
        states: Vec<(AppId, AppState)>,
    },
    /// It compiles; it was not to be kept, and nothing changed. The states that the apps that were asked for would have.
    Right(Vec<(AppId, AppState)>),
    /// It was not kept, and nothing changed: why.
    Refused(Vec<Problem>),
    /// It could not be kept, and nothing changed: why.
    NotKept(String),
    /// It is kept and published, and some worker has not taken it in time.
    NotConfirmed,
    /// It is kept, and byway is on its way out: it will be in force at the next start.
    KeptNotPublished,
    /// byway is on its way out, and nothing changed.
    Ending,
}

/// Who waits for a reload.
pub(super) enum Client {
    /// The local socket.
    Socket(oneshot::Sender<Value>),
    /// The API.
    Api(Vec<AppId>, oneshot::Sender<Installed>),
}

impl From<oneshot::Sender<Value>> for Client {
    fn from(reply: oneshot::Sender<Value>) -> Self {
        Self::Socket(reply)
    }
}

impl Client {
    /// Answers; whoever asked may have gone.
    pub fn answer(self, socket: &Value, api: impl FnOnce(&[AppId]) -> Installed) {
        match self {
            Self::Socket(reply) => drop(reply.send(socket.clone())),
            Self::Api(asked, reply) => {
                let installed = api(&asked);
                drop(reply.send(installed));
            }
        }
    }
}

impl fmt::Debug for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Install").field("asked", &self.asked).finish_non_exhaustive()
    }
}
