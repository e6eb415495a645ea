//! What the office does with a trial: all that the API changes from a version on goes back to it by itself, unless it is
//! confirmed in time. The store has the trial, so that it outlives the process; a change that begins or ends one is kept with
//! that or not at all.
//!
//! ```text
//!  begun (alone, or by a rollback or an import) --> changes of all callers --> confirmed: they stay
//!                                                                        `--> time is over, or revert: one change takes
//!                                                                             them back; where it fails, tried again
//! ```
//!
//! Going back is a change like any other (compiled, kept, published) but for two things: it waits in no queue, and workers
//! that do not take it in time do not undo it, since what it leads to is what was confirmed last.

use super::answer::{Answer, Failure, Success};
use super::back::before_trial;
use super::code::ApiCode;
use super::office::{Errand, Office, Plan, internal, locked};
use super::prepared::{Prepared, dry_words, entry, entry_of, prepare};
use super::tenants::in_use;
use crate::control::desk::{HeldTrial, Inquiry, TrialNews};
use crate::control::{log, rfc3339};
use crate::estate::{Change, Estate, Kind, Stamp};
use crate::table::Reserved;
use crate::vault::{Entry, Trial, TrialStep, Vault};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::{Arc, MutexGuard, PoisonError};

/// How long going back rests after it failed, in seconds.
const AGAIN_S: u64 = 10;

/// The trial as the office knows it.
#[derive(Debug, Default)]
pub struct OnTrial {
    held: Option<Trial>,
    /// Why it is not over although its time is.
    problem: Option<String>,
    /// When going back is tried again, in seconds since the Unix epoch.
    again_unix_s: u64,
    /// How often going back failed, of all trials.
    failures: u64,
}

impl OnTrial {
    /// Of a store.
    pub fn of(held: Option<Trial>) -> Self {
        Self { held, ..Self::default() }
    }
}

impl Office {
    fn known(&self) -> MutexGuard<'_, OnTrial> {
        self.on_trial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trial that the store is on.
    pub fn trial(&self) -> Option<Trial> {
        self.known().held.clone()
    }

    /// What everybody is told whose change is part of a trial.
    pub fn trial_words(&self) -> Option<String> {
        self.trial().map(|trial| {
            let until = rfc3339(trial.time.until_unix_s * 1_000_000);
            format!(
                "on trial until {until}: `byway confirm` keeps it, else all goes back to version {}",
                trial.base
            )
        })
    }

    /// The trial for people and programs; `null` where there is none.
    pub fn trial_json(&self) -> Value {
        let (known, now_s) = (self.known(), self.now().0 / 1_000_000);
        let Some(trial) = &known.held else { return Value::Null };
        json!({
            "version": trial.base,
            "began": rfc3339(trial.at),
            "until": rfc3339(trial.time.until_unix_s * 1_000_000),
            "within": trial.time.within_s,
            "seconds_left": trial.time.left_s(now_s),
            "actor": trial.who,
            "action": trial.what,
            "problem": known.problem,
        })
    }

    /// Whether the store is on a trial after a change with this step.
    pub(super) fn is_on_trial_after(&self, step: TrialStep) -> bool {
        match step {
            TrialStep::GoesOn => self.trial().is_some(),
            TrialStep::Begins(_) => true,
            TrialStep::Ends => false,
        }
    }

    /// Refuses to begin a trial beside another.
    ///
    /// # Errors
    /// 400 with 10016.
    pub(super) fn refuse_second_trial(&self) -> Result<(), Failure> {
        let Some(trial) = self.trial() else { return Ok(()) };
        let until = rfc3339(trial.time.until_unix_s * 1_000_000);
        Err(in_use(format!(
            "a trial is under way until {until}, of what changed after version {}: `byway confirm` it, or --revert",
            trial.base
        )))
    }

    /// Refuses what a trial could not take back, and what others would need that it takes back.
    ///
    /// # Errors
    /// 400 with 10016.
    pub(super) fn refuse_for_good(&self, change: &Change) -> Result<(), Failure> {
        let gone = |kind| {
            let edits = change.edits().iter();
            edits.filter(|edit| edit.after.is_none()).any(|edit| edit.key.kind == kind)
        };
        let what = match () {
            () if self.trial().is_none() => return Ok(()),
            () if gone(Kind::LoaDocument) => "letters do",
            () if gone(Kind::User) => "users do",
            () => return Ok(()),
        };
        Err(in_use(format!(
            "{what} not come back, and a trial is under way: delete it after `byway confirm`"
        )))
    }

    /// Looks up in the store what is on trial, and tells the control loop.
    pub(super) async fn learn_trial(&self) {
        let vault = self.vault.clone();
        match tokio::task::spawn_blocking(move || locked(&vault).trial()).await {
            Ok(held) => {
                let mut known = self.known();
                if held != known.held {
                    *known = OnTrial { held, failures: known.failures, ..OnTrial::default() };
                }
            }
            Err(_) => log::error("api: the store's reader ended"),
        }
        self.tell_trial().await;
    }

    /// Tells the control loop of the trial.
    pub async fn tell_trial(&self) {
        let news = {
            let known = self.known();
            let held = known.held.as_ref().map(|trial| HeldTrial {
                time: trial.time,
                base: trial.base,
                problem: known.problem.clone(),
            });
            TrialNews { held, failures: known.failures }
        };
        // A loop that has ended tells nobody.
        self.desk.put(Inquiry::Trial(news)).await;
    }

    /// Begins a trial: what changes from here on is part of it, and nothing changes now.
    ///
    /// # Errors
    /// 400 with 10016 beside another; 503 where the store does not keep it.
    pub async fn begin_trial(self: &Arc<Self>, errand: Errand, within_s: u32) -> Answer {
        let office = self.clone();
        let beginning = tokio::spawn(async move {
            let _pen = office.pen.lock().await;
            office.refuse_second_trial()?;
            if errand.dry_run {
                return Ok(
                    Success::of(json!({ "trial": null })).saying(vec!["dry run: a trial would begin".into()])
                );
            }
            let errand = Errand { confirm_within: Some(within_s), ..errand };
            let now = office.now();
            let begun = prepare(&office.estate(), now, errand, |_, _| Ok(Plan::default()))?;
            office.keep(begun.entry).await?;
            office.learn_trial().await;
            Ok(Success::of(json!({ "trial": office.trial_json() }))
                .saying(office.trial_words().into_iter().collect()))
        });
        beginning.await.unwrap_or_else(|_| Err(internal("a trial's beginning ended in the middle")))
    }

    /// Keeps what changed on trial, for good.
    ///
    /// # Errors
    /// 404 without a trial; 503 where the store does not keep it, and the trial goes on then.
    pub async fn confirm_trial(self: &Arc<Self>, errand: Errand) -> Answer {
        let office = self.clone();
        let confirming = tokio::spawn(async move {
            let _pen = office.pen.lock().await;
            let trial = office.trial().ok_or_else(no_trial)?;
            let changes = office.undos().await?.len();
            let answer = Success::of(json!({ "version": trial.base, "changes": changes }));
            if errand.dry_run {
                return Ok(answer.saying(vec!["dry run: the trial would end, and all of it stay".into()]));
            }
            let what = format!("{}: kept, on trial since version {}", errand.what, trial.base);
            let kept = entry(errand.who, what, &Change::default(), office.now());
            office.keep(Entry { trial: TrialStep::Ends, ..kept }).await?;
            log::info(format_args!("api: what changed after version {} is confirmed", trial.base));
            office.learn_trial().await;
            Ok(answer)
        });
        confirming.await.unwrap_or_else(|_| Err(internal("a confirmation ended in the middle")))
    }

    /// Takes back what changed on trial.
    ///
    /// # Errors
    /// 404 without a trial; else as a rollback, and the trial goes on then.
    pub async fn revert_trial(self: &Arc<Self>, errand: Errand) -> Answer {
        let office = self.clone();
        let reverting = tokio::spawn(async move {
            let pen = office.pen.lock().await;
            let trial = office.trial().ok_or_else(no_trial)?;
            let what = format!("{}: back to version {}", errand.what, trial.base);
            office.go_back(&pen, Errand { what, ..errand }, trial.base).await
        });
        reverting.await.unwrap_or_else(|_| Err(internal("going back ended in the middle")))
    }

    /// Goes back where a trial's time is over; to be called about twice a second.
    pub async fn tend_trial(&self, now_unix_s: u64) {
        if self.overdue(now_unix_s).is_none() {
            return;
        }
        let pen = self.pen.lock().await;
        // It may have been confirmed before it was this one's turn.
        let Some(trial) = self.overdue(now_unix_s) else { return };
        let errand = errand_of_time(&trial);
        log::warning(format_args!("api: {}", errand.what));
        let went = self.go_back(&pen, errand, trial.base).await;
        // Where byway is ending, the store has it and workers do not hear of it any more.
        if let Some(failure) = went.err().filter(|_| self.trial().is_some()) {
            self.hear_failure(&failure, now_unix_s).await;
        }
    }

    fn overdue(&self, now_unix_s: u64) -> Option<Trial> {
        let known = self.known();
        let rests = known.problem.is_some() && now_unix_s < known.again_unix_s;
        known.held.clone().filter(|trial| trial.time.is_over(now_unix_s) && !rests)
    }

    async fn hear_failure(&self, failure: &Failure, now_unix_s: u64) {
        let why: Vec<&str> = failure.errors.iter().map(|error| error.message.as_str()).collect();
        let why = why.join("; ");
        log::error(format_args!(
            "api: what is on trial could not be taken back: {why}; tried again in {AGAIN_S} s"
        ));
        {
            let mut known = self.known();
            (known.problem, known.again_unix_s) = (Some(why), now_unix_s + AGAIN_S);
            known.failures += 1;
        }
        self.tell_trial().await;
    }

    async fn undos(&self) -> Result<Vec<crate::vault::Undo>, Failure> {
        let vault = self.vault.clone();
        match tokio::task::spawn_blocking(move || locked(&vault).undos()).await {
            Ok(Ok(undos)) => Ok(undos),
            Ok(Err(error)) => {
                log::error(format_args!("api: {error}"));
                Err(Failure::unavailable("the store cannot be read; nothing was changed"))
            }
            Err(_) => Err(internal("the store's reader ended")),
        }
    }

    /// Goes back while nobody else changes anything.
    async fn go_back(&self, _pen: &tokio::sync::MutexGuard<'_, ()>, errand: Errand, base: u64) -> Answer {
        let (undos, estate, now, dry_run) = (self.undos().await?, self.estate(), self.now(), errand.dry_run);
        let reserved = self.terms.reserved.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            prepare(&estate, now, errand, |estate, _| {
                let change = before_trial(undos, estate, &reserved).map_err(bad)?;
                Ok(Plan { change, ..Plan::default() })
            })
        });
        let Prepared { plan, next, entry, .. } =
            prepared.await.map_err(|_| internal("a plan ended in the middle"))??;
        let change = &plan.change;
        let answer = Success::of(json!({ "version": base, "changes": change.edits().len() }));
        if dry_run {
            if change.moves_tables() {
                self.try_out((&next, change), Vec::new()).await?;
            }
            return Ok(answer.saying(dry_words(change)));
        }
        let entry = Entry { trial: TrialStep::Ends, ..entry };
        let carried_out = self.carry_out(Prepared { plan, next, entry, undo: None }).await;
        // Where byway is ending, it may be kept all the same.
        self.learn_trial().await;
        carried_out.map(|_| answer)
    }
}

fn no_trial() -> Failure {
    let text = "nothing is on trial: `byway admin try` begins one, as do `rollback` and `import` with --confirm-within";
    Failure::new(StatusCode::NOT_FOUND, ApiCode::NotFound, text)
}

fn bad(why: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, ApiCode::BadField, why)
}

/// What byway does by itself.
fn errand_of_time(trial: &Trial) -> Errand {
    let what = format!(
        "not confirmed within {} s, back to version {}: {}",
        trial.time.within_s, trial.base, trial.what
    );
    Errand { who: "byway".into(), what, ..Errand::default() }
}

/// What a start goes back to: the estate before a trial, and the change that the store is to keep before it is in force.
///
/// # Errors
/// Why it cannot be as it was, on one line.
pub fn back_at_start(
    vault: &mut dyn Vault,
    (trial, estate): (&Trial, &Estate),
    reserved: &Reserved,
    now: Stamp,
) -> Result<(Estate, Entry), String> {
    let undos = vault.undos().map_err(|error| error.to_string())?;
    let change = before_trial(undos, estate, reserved)?;
    let Errand { who, mut what, .. } = errand_of_time(trial);
    if !trial.time.is_over(now.0 / 1_000_000) {
        what = format!("cannot be put in force any more, back to version {}: {}", trial.base, trial.what);
    }
    let entry = Entry { trial: TrialStep::Ends, ..entry_of(who, what, (estate, &change), now) };
    Ok((estate.with(&change), entry))
}
