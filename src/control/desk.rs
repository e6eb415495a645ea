//! The counter between the listeners and the control loop: inquiries go over it, the loop alone owns the state.

use super::ask::Ask;
use super::install::Install;
use crate::base::TrialTime;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// Inquiries that wait for the loop.
const INQUIRIES_MAX: usize = 64;

/// How ready byway is, for probes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Traffic is served by the table on disk, over all ports.
    Ready,
    /// Traffic is served, but something needs a look.
    Degraded(Vec<String>),
    /// No new connections are taken.
    NotReady(String),
}

/// What the API changed, on trial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldTrial {
    /// The time that it has.
    pub time: TrialTime,
    /// The version of the store that it goes back to.
    pub base: u64,
    /// Why it is not taken back although its time is over.
    pub problem: Option<String>,
}

/// What the loop is told of the API's trials.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrialNews {
    /// The one under way.
    pub held: Option<HeldTrial>,
    /// How often going back failed since the start.
    pub failures: u64,
}

/// What the loop may be asked, and told.
pub enum Inquiry {
    /// A request of the local socket.
    Ask(Ask, oneshot::Sender<Value>),
    /// The Prometheus text.
    Metrics(oneshot::Sender<String>),
    /// A table of the API's.
    Install(Install),
    /// What the API has on trial; nobody waits for an answer.
    Trial(TrialNews),
    /// What is wrong with the pair of the API's listener that was read last, if anything is; nobody waits for an answer.
    ListenerTls(Option<String>),
    /// How ready byway is.
    Ready(oneshot::Sender<Readiness>),
}

/// The listeners' side.
#[derive(Clone)]
pub struct Desk(mpsc::Sender<Inquiry>);

impl Desk {
    /// Both sides.
    pub fn open() -> (Self, mpsc::Receiver<Inquiry>) {
        let (sender, receiver) = mpsc::channel(INQUIRIES_MAX);
        (Self(sender), receiver)
    }

    /// Puts an inquiry to the loop; `false` when the loop has ended.
    pub async fn put(&self, inquiry: Inquiry) -> bool {
        self.0.send(inquiry).await.is_ok()
    }
}
