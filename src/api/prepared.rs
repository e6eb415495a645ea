//! A change on its way from its plan to the store: what may take seconds, and is done beside the API's thread.

use super::answer::Failure;
use super::back::goes_back;
use super::office::{Errand, Plan};
use crate::base::TrialTime;
use crate::estate::{Change, Edit, Estate, Id, Owner, Stamp, body, shown};
use crate::vault::{Actor, Entry, RowEdit, RowOwner, TrialStep};

/// Entities that the messages of a dry run name.
const DRY_WORDS_MAX: usize = 1_000;

/// A plan, and all that carrying it out takes.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The estate after it.
    pub next: Estate,
    /// What the store keeps.
    pub entry: Entry,
    /// What takes it back where workers do not take it; `None`: it stays, and they take it when they can.
    pub undo: Option<(Change, Entry)>,
}

/// Plans, and makes everything ready that takes its time by the size of the change.
///
/// # Errors
/// The plan's.
pub fn prepare(
    estate: &Estate,
    now: Stamp,
    errand: Errand,
    plan: impl FnOnce(&Estate, Stamp) -> Result<Plan, Failure>,
) -> Result<Prepared, Failure> {
    let plan = plan(estate, now)?;
    let next = estate.with(&plan.change);
    let (trial, what) = match errand.confirm_within {
        None => (TrialStep::GoesOn, errand.what),
        Some(within_s) => {
            let time = TrialTime::begin(now.0 / 1_000_000, within_s);
            (TrialStep::Begins(time), format!("{}, on trial for {within_s} s", errand.what))
        }
    };
    let email = errand.user.and_then(|user| estate.users.get(user)).map(|user| user.email.clone());
    let (user, ip) = (errand.user.map(|user| user.to_string()), errand.from.map(|ip| ip.to_string()));
    let tenant = estate.owner_of(&next, &plan.change).map(|owner| owner.to_string()).unwrap_or_default();
    let entry = Entry {
        at: now.0,
        who: errand.who,
        what,
        tenant,
        actor: Actor { user, email, ip },
        edits: edits(&plan.change, (estate, &next)),
        trial,
    };
    let undone = plan.change.undone();
    let back = Entry {
        what: format!("not confirmed, taken back: {}", entry.what),
        edits: edits(&undone, (&next, estate)),
        // A trial goes with the change that began it.
        trial: errand.confirm_within.map_or(TrialStep::GoesOn, |_| TrialStep::Ends),
        ..entry.clone()
    };
    Ok(Prepared { plan, next, entry, undo: Some((undone, back)) })
}

/// What a dry run would do.
pub fn dry_words(change: &Change) -> Vec<String> {
    let words = change.edits().iter().take(DRY_WORDS_MAX).map(|edit| {
        let verb = match (&edit.before, &edit.after) {
            (None, _) => "made",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
        };
        format!("dry run: {} {} would be {verb}", edit.key.kind.name(), edit.key.id)
    });
    let more = change.edits().len().saturating_sub(DRY_WORDS_MAX);
    words.chain((more > 0).then(|| format!("dry run: and {more} more"))).collect()
}

/// A change as a store takes it that has nothing yet.
pub fn entry(who: String, what: String, change: &Change, now: Stamp) -> Entry {
    entry_of(who, what, (&Estate::default(), change), now)
}

/// A change of an estate as its store takes it, made by nobody over the net.
pub fn entry_of(who: String, what: String, (before, change): (&Estate, &Change), now: Stamp) -> Entry {
    let next = before.with(change);
    let tenant = before.owner_of(&next, change).map(|owner| owner.to_string()).unwrap_or_default();
    let (actor, edits) = (Actor::default(), edits(change, (before, &next)));
    Entry { at: now.0, who, what, tenant, actor, edits, trial: TrialStep::GoesOn }
}

fn edits(change: &Change, (before, next): (&Estate, &Estate)) -> Vec<RowEdit> {
    let owner = |edit: &Edit| {
        let was = edit.before.as_ref().map(|entity| Owner::of(entity, before));
        let is = edit.after.as_ref().map(|entity| Owner::of(entity, next));
        let Owner { account, user, zone } = Owner::of_both(was, is);
        let text = |id: Option<Id>| id.map(|id| id.to_string());
        RowOwner { account: text(account), user: text(user), zone }
    };
    let edit = |edit: &Edit| RowEdit {
        kind: edit.key.kind.name().into(),
        id: edit.key.id.to_string(),
        body: edit.after.as_ref().map(body),
        undo: edit.before.as_ref().filter(|_| goes_back(edit.key.kind)).map(body),
        before: edit.before.as_ref().map(shown),
        after: edit.after.as_ref().map(shown),
        owner: owner(edit),
    };
    change.edits().iter().map(edit).collect()
}
