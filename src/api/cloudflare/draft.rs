//! An import as far as it is planned: the estate as it would be, the edits that bring it about, the report. What is here
//! already is never overwritten unasked.

use super::report::{About, Fate, Report};
use crate::api::answer::Failure;
use crate::api::ask::Ask;
use crate::api::credentials::new_id;
use crate::api::office::{Terms, internal};
use crate::estate::{Change, Entity, Estate, Id, Key, Kind, Stamp};
use crate::table::AppId;

/// What is told of one that stays as it is.
pub const KEPT: &str =
    "is here already and says something else, which it keeps; --update takes what is there";

/// What the operator wants of an import.
#[derive(Clone, Debug)]
pub struct Wants {
    /// Things that are here already follow the other side.
    pub update: bool,
    /// Prefixes that are approved there are approved here.
    pub trust_approvals: bool,
    /// Everything goes into this account.
    pub into: Option<Id>,
    /// Who owns accounts that are made.
    pub owner: Id,
}

/// See the file's header.
pub struct Draft<'d> {
    /// As it would be.
    pub estate: Estate,
    /// What brings it about.
    pub change: Change,
    /// What is told of it.
    pub report: Report,
    /// Apps that are made or changed.
    pub asked: Vec<AppId>,
    /// Who asks.
    pub ask: &'d Ask,
    /// What the boot config says.
    pub terms: &'d Terms,
    /// What the operator wants.
    pub wants: &'d Wants,
    /// Now.
    pub now: Stamp,
}

impl Draft<'_> {
    /// Takes in what was held against all rules; whether it is in force by that. `old` is what is here under its id.
    pub fn settle(&mut self, old: Option<Entity>, new: Entity, name: &str) -> bool {
        let fate = match &old {
            None => Fate::Made,
            Some(old) if *old == new => Fate::Same,
            Some(_) if self.wants.update => Fate::Changed,
            Some(_) => Fate::Kept,
        };
        self.enact(fate, old, new, name)
    }

    /// The same where the fate of it is known already.
    pub fn enact(&mut self, fate: Fate, old: Option<Entity>, new: Entity, name: &str) -> bool {
        let (kind, id) = (new.kind(), new.id().to_string());
        self.report.count(kind, fate);
        match (fate, old) {
            (Fate::Made, _) => self.change.make(new.clone()),
            (Fate::Changed, Some(old)) => self.change.turn(old, new.clone()),
            (Fate::Kept, _) => {
                self.report.note(About::Differs, (kind, &id, name), KEPT);
                return false;
            }
            (Fate::Same | Fate::LeftOut | Fate::Changed, _) => return false,
        }
        self.estate.put(new);
        true
    }

    /// What is here under an id.
    pub fn old(&self, kind: Kind, id: Id) -> Option<Entity> {
        self.estate.get(Key { kind, id })
    }

    /// One that breaks a rule is not here; the first thing wrong is told.
    pub fn refuse(&mut self, what: (Kind, &str, &str), failure: &Failure) {
        let error = failure.errors.first();
        let why = error.map_or_else(String::new, |error| {
            let place = error.pointer.as_deref().map(|pointer| format!("{pointer} ")).unwrap_or_default();
            format!("{place}{} ({})", error.message, error.code)
        });
        self.report.leave_out(what, why);
    }

    /// An id of byway's own.
    ///
    /// # Errors
    /// 500: the system has no random bytes.
    pub fn new_id(&self) -> Result<Id, Failure> {
        new_id().map_err(internal)
    }
}
