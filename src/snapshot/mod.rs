//! All that workers read, frozen; and the cell and the mail through which worker and control meet.

mod cell;
mod compile;
mod cross_check;
mod explain;
mod frozen;
mod live_spec;
mod mail;
mod reorigin;
mod rule_change;

pub use cell::{SnapshotPublisher, SnapshotReader, cell};
pub use compile::{Acting, AppReport, Compiled, Compiler, LimitError, RuleRef, RuleReport};
pub use cross_check::{Disagreement, cross_check};
pub use explain::{Explanation, explain};
pub use frozen::Snapshot;
pub use live_spec::{AccountSpec, CertificateSpec, HeldCertificate, LiveSpec, ScopeKind, ZoneSpec};
pub use mail::{Command, ControlMail, NeighborRow, Reply, SessionRow, WorkerMail, mail};
pub use rule_change::{Edited, Merged, RuleChange, RuleChanged, RuleScope};
