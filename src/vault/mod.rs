//! Where the API's state is kept: entities by kind and id, each change with who made it and what was there before. The
//! trait says what a store promises; SQLite keeps it. Knows bodies as texts only.

mod audit;
mod copy;
mod file;
mod forget;
mod history;
#[cfg(test)]
mod power_loss;
mod promise;
mod restore;
mod schema;
mod scrub;
mod sqlite;
#[cfg(test)]
mod tests;
mod trial;

pub use copy::{Still, back_up};
pub use file::{make as make_file, prepare as prepare_file};
pub use promise::{
    Actor, AuditAsk, AuditPage, AuditRow, AuditVerb, EditSpan, Entry, Row, RowEdit, RowOwner, Tally,
    ToldEdit, Trial, TrialStep, Undo, Vault, VaultError, Version, WayBack,
};
pub use restore::{Candidate, OldRows};
pub use sqlite::{SqliteVault, told as sqlite_error};
