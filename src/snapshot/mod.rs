//! All that workers read, frozen; and the cell and the mail through which worker and control meet.

mod app_change;
mod app_check;
mod cell;
mod compile;
mod cross_check;
mod explain;
mod frozen;
mod live_spec;
mod mail;
mod reorigin;
mod reports;
mod rule_change;

pub use app_change::{AppChange, AppsEdited, NoEdit, Whole};
pub use cell::{SnapshotPublisher, SnapshotReader, cell};
pub use compile::{Acting, Compiled, Compiler, LimitError, RuleRef, RuleReport};
pub use cross_check::{Disagreement, cross_check};
pub use explain::{Explanation, explain};
pub use frozen::Snapshot;
pub use live_spec::{AccountSpec, CertificateSpec, HeldCertificate, LiveSpec, ScopeKind, ZoneSpec};
pub use mail::{Command, ControlMail, NeighborRow, Reply, SessionRow, WorkerMail, mail};
pub use reports::{AppReport, Reports};
pub use rule_change::{Edited, Merged, RuleChange, RuleChanged, RuleScope};
