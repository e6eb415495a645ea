//! Where everything of the API comes together: the estate in force, the store, the control loop's desk, and the one road
//! that every change takes.
//!
//! ```text
//!  planned on the estate --> compiled --> kept (synced) --> published --> confirmed by all workers --> answered
//!        | wrong: 4xx           | wrong     | 503                             | not in 5 s: taken back, 503
//! ```
//!
//! One change at a time; readers take the estate as it was when they began.

use super::addressing::{Announcer, routes};
use super::answer::{Answer, Failure, Success};
use super::back::goes_back;
use super::caller::{Caller, Offer, Pass, Peer, admit};
use super::code::ApiCode;
use super::credentials;
use super::on_trial::OnTrial;
use super::prepared::{Prepared, dry_words, prepare};
use super::proof::Checker;
use super::queue::Queue;
use super::rates::{Standing, Suspect, Windows};
use super::uses::Uses;
use super::verdict::{refused, words};
use crate::base::OsClock;
use crate::base::limits::API_AUDITS_MAX;
use crate::control::desk::{Desk, Inquiry, Readiness};
use crate::control::{Install, Installed, Keep, log};
use crate::estate::{Change, Estate, Id, Stamp, app_changes, lower};
use crate::table::{AppId, AppState, Reserved};
use crate::vault::{Entry, Vault, VaultError};
use axum::http::StatusCode;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// How long a change may wait for its turn, in microseconds: less than its client waits.
const TURN_PATIENCE_US: u64 = 60_000_000;
/// Bad credentials of one token or net in a minute.
const BAD_CREDENTIALS_PER_MIN: u32 = 30;

/// What a handler wants changed.
#[derive(Debug, Default)]
pub struct Plan {
    /// The edits.
    pub change: Change,
    /// Apps whose states are told in `messages`.
    pub asked: Vec<AppId>,
    /// The answer, once the change is in force.
    pub answer: Option<Success>,
}

/// What a change is for, and how.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// Who asks: for the audit log.
    pub who: String,
    /// Method and path: for the audit log.
    pub what: String,
    /// The user behind it.
    pub user: Option<Id>,
    /// Where the request came from; `None`: not over the net.
    pub from: Option<IpAddr>,
    /// By what it was let in; it must still be good when the change's turn comes.
    pub pass: Pass,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
    /// It begins a trial of so many seconds.
    pub confirm_within: Option<u32>,
}

/// What the boot config says of the API.
#[derive(Clone)]
pub struct Terms {
    /// What the boot config has taken.
    pub reserved: Reserved,
    /// Requests of one token, or by one user's key, in five minutes.
    pub requests_per_5min: u32,
    /// Apps of one account.
    pub apps_per_account: usize,
    /// Origins of one account's apps.
    pub origins_per_account: usize,
    /// Host names of one account's apps and DNS records.
    pub names_per_account: usize,
    /// Prefixes of one account.
    pub prefixes_per_account: usize,
    /// Letters of authorisation of one account, in bytes.
    pub loa_bytes_per_account: u64,
    /// Who checks prefixes.
    pub checker: Arc<dyn Checker>,
    /// Who announces them.
    pub announcer: Arc<dyn Announcer>,
    /// Who knows what connections did.
    pub analytics: crate::analytics::Reader,
    /// Access rules of one account with its zones, and of one user.
    pub rules_per_account: usize,
}

/// The API's state.
pub struct Office {
    estate: RwLock<Arc<Estate>>,
    pub(super) pen: tokio::sync::Mutex<()>,
    queue: Queue,
    pub(super) audits: Arc<Semaphore>,
    /// One copy of the store is made at a time.
    pub(super) copies: Arc<Semaphore>,
    pub(super) vault: Arc<Mutex<Box<dyn Vault>>>,
    hash_key: [u8; 32],
    pub(super) desk: Desk,
    /// The trial that the store is on.
    pub(super) on_trial: Mutex<OnTrial>,
    /// What the boot config says.
    pub terms: Terms,
    asked: Mutex<Windows<Id>>,
    uses: Mutex<Uses>,
    suspects: Mutex<Windows<Suspect>>,
}

impl Office {
    /// Over a store that was read already.
    pub fn open(mut vault: Box<dyn Vault>, estate: Estate, desk: Desk, terms: Terms) -> Self {
        let uses = vault.uses().unwrap_or_else(|error| {
            log::warning(format_args!("api: when tokens were used last is not known: {error}"));
            Vec::new()
        });
        let uses = uses.iter().filter_map(|(token, at)| Some((Id::parse(token)?, Stamp(*at))));
        let announced = routes(&estate);
        if !announced.is_empty() {
            terms.announcer.announce(&announced);
        }
        Self {
            estate: RwLock::new(Arc::new(estate)),
            pen: tokio::sync::Mutex::new(()),
            queue: Queue::default(),
            audits: Arc::new(Semaphore::new(API_AUDITS_MAX)),
            copies: Arc::new(Semaphore::new(1)),
            hash_key: vault.hash_key(),
            on_trial: Mutex::new(OnTrial::of(vault.trial())),
            vault: Arc::new(Mutex::new(vault)),
            desk,
            uses: Mutex::new(Uses::of(uses)),
            asked: Mutex::new(Windows::new(300, terms.requests_per_5min)),
            suspects: Mutex::new(Windows::new(60, BAD_CREDENTIALS_PER_MIN)),
            terms,
        }
    }

    /// Everything as it is in force.
    pub fn estate(&self) -> Arc<Estate> {
        self.estate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks through everything as it is in force, beside whoever else asks: a list of many takes its time to be filtered
    /// and sorted.
    ///
    /// # Errors
    /// The look's.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Arc<Estate>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let estate = self.estate();
        let looked = tokio::task::spawn_blocking(move || look(&estate)).await;
        looked.unwrap_or_else(|_| Err(internal("a look ended in the middle")))
    }

    /// The key of hashes of secrets.
    pub const fn hash_key(&self) -> &[u8; 32] {
        &self.hash_key
    }

    /// Now.
    pub fn now(&self) -> Stamp {
        Stamp(OsClock::unix_micros())
    }

    /// A new id.
    ///
    /// # Errors
    /// 500: the system has no random bytes.
    pub fn new_id(&self) -> Result<Id, Failure> {
        credentials::new_id().map_err(internal)
    }

    /// Lets a caller in and counts the request, before its body is read. Bad credentials are counted by token and net, and
    /// answered 429 where there were many. They are looked at all the same: only that tells a valid token, which nobody is
    /// to lock out by bad ones, and it costs a look-up by id and one hash of 32 bytes (about a microsecond), and no hash
    /// where no token or key has that name.
    ///
    /// # Errors
    /// 400, 401 or 429.
    pub fn admit(
        &self,
        offer: Result<Offer, Failure>,
        peer: Peer,
    ) -> (Result<Caller, Failure>, Option<Standing>) {
        let (now, Peer::Net(client)) = (self.now(), peer) else {
            let Peer::Local { uid } = peer else { return (Err(super::caller::wrong()), None) };
            return (Ok(Caller::local(uid)), None);
        };
        let now_s = now.0 / 1_000_000;
        let admitted =
            offer.as_ref().ok().and_then(|offer| admit(offer, &self.estate(), &self.hash_key, now));
        let Some(mut caller) = admitted else {
            let token = match &offer {
                Ok(Offer::Token(token)) if self.estate().tokens.get(token.0.id).is_some() => {
                    Some(Suspect::Token(token.0.id))
                }
                Ok(Offer::Token(_) | Offer::Key(..)) | Err(_) => None,
            };
            let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
            let named = token.into_iter().chain([Suspect::net_of(client.ip())]);
            let standings: Vec<Standing> = named.map(|suspect| suspects.ask(&suspect, now_s)).collect();
            let failure = match standings.iter().find(|standing| standing.over) {
                Some(standing) => too_many("too many bad credentials", standing.until_s),
                None => offer.err().unwrap_or_else(super::caller::wrong),
            };
            return (Err(failure), None);
        };
        caller.from = Some(client.ip());
        if let Some(token) = caller.token {
            self.uses.lock().unwrap_or_else(PoisonError::into_inner).note(token, now);
        }
        let Some(key) = caller.token.or(caller.user) else { return (Ok(caller), None) };
        let standing = self.asked.lock().unwrap_or_else(PoisonError::into_inner).ask(&key, now_s);
        match standing.over {
            true => (Err(too_many("too many requests", standing.until_s)), Some(standing)),
            false => (Ok(caller), Some(standing)),
        }
    }

    /// Requests of a window, and its length in seconds.
    pub fn policy(&self) -> (u32, u64) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).policy()
    }

    /// When a token was used last.
    pub fn last_used(&self, token: Id) -> Option<Stamp> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).last(token)
    }

    /// Keeps when tokens were used last, where the store is an hour behind or (`is_end`) behind at all; how many it was. What
    /// is not kept now is kept the next time.
    pub async fn keep_uses(&self, is_end: bool) -> usize {
        let due = self.uses.lock().unwrap_or_else(PoisonError::into_inner).due(&self.estate(), is_end);
        if due.is_empty() {
            return 0;
        }
        let vault = self.vault.clone();
        let rows: Vec<(String, u64)> = due.iter().map(|(token, at)| (token.to_string(), at.0)).collect();
        let kept = tokio::task::spawn_blocking(move || locked(&vault).keep_uses(&rows)).await;
        match kept {
            Ok(Ok(())) => {
                self.uses.lock().unwrap_or_else(PoisonError::into_inner).kept(&due);
                due.len()
            }
            // Changes meet the same, and say so.
            Ok(Err(_)) | Err(_) => 0,
        }
    }

    /// How ready byway is; `None`: the control loop does not answer.
    pub async fn readiness(&self) -> Option<Readiness> {
        let (reply, answered) = oneshot::channel();
        let asked = async {
            if !self.desk.put(Inquiry::Ready(reply)).await {
                return None;
            }
            answered.await.ok()
        };
        timeout(Duration::from_secs(10), asked).await.ok().flatten()
    }

    /// The pen, when it is a change's turn. Whoever asked may have been shut out meanwhile, or told that it took too long.
    pub(super) async fn turn(&self, errand: &Errand) -> Result<tokio::sync::MutexGuard<'_, ()>, Failure> {
        let user = errand.user.filter(|_| errand.pass != Pass::Local);
        let place = self.queue.take(user);
        let place = place
            .ok_or_else(|| Failure::unavailable("many changes wait for their turn; nothing was changed"))?;
        let asked = self.now();
        let pen = self.pen.lock().await;
        drop(place);
        if self.now().0.saturating_sub(asked.0) > TURN_PATIENCE_US {
            return Err(Failure::unavailable("the change's turn came too late; nothing was changed"));
        }
        match errand.pass.holds(&self.estate(), self.now()) {
            true => Ok(pen),
            false => Err(super::caller::wrong()),
        }
    }

    /// Plans a change on the estate in force and carries it out, or says what it would be.
    ///
    /// # Errors
    /// The plan's; 503 with 10002 where it could not be kept or confirmed, and nothing is changed then.
    pub async fn change(
        self: &Arc<Self>,
        errand: Errand,
        plan: impl FnOnce(&Estate, Stamp) -> Result<Plan, Failure> + Send + 'static,
    ) -> Answer {
        // A client that goes away in the middle must not leave half a change behind.
        let office = self.clone();
        let changing = tokio::spawn(async move {
            let pen = office.turn(&errand).await?;
            office.change_under(&pen, errand, plan).await
        });
        changing.await.unwrap_or_else(|_| Err(internal("a change ended in the middle")))
    }

    /// Changes while nobody else does.
    pub(super) async fn change_under(
        &self,
        _pen: &tokio::sync::MutexGuard<'_, ()>,
        errand: Errand,
        plan: impl FnOnce(&Estate, Stamp) -> Result<Plan, Failure> + Send + 'static,
    ) -> Answer {
        let (estate, now, dry_run) = (self.estate(), self.now(), errand.dry_run);
        let confirm_within = errand.confirm_within;
        if confirm_within.is_some() {
            self.refuse_second_trial()?;
        }
        // To go back, an import or a batch may take seconds to plan: everybody else is answered meanwhile.
        let prepared = tokio::task::spawn_blocking(move || prepare(&estate, now, errand, plan)).await;
        let mut prepared = prepared.map_err(|_| internal("a plan ended in the middle"))??;
        let answer = prepared.plan.answer.take().unwrap_or_else(Success::bare);
        let change = &prepared.plan.change;
        self.refuse_for_good(change)?;
        if dry_run {
            if !change.moves_tables() {
                return Ok(answer.saying(dry_words(change)));
            }
            let asked = std::mem::take(&mut prepared.plan.asked);
            let states = self.try_out((&prepared.next, &prepared.plan.change), asked).await?;
            let states = states.iter().flat_map(|(id, state)| words(*id, state)).collect();
            return Ok(answer.saying(dry_words(&prepared.plan.change)).saying(states));
        }
        if change.is_empty() {
            let nothing = confirm_within.map(|_| "nothing would change, and no trial begins".to_owned());
            return Ok(answer.saying(nothing.into_iter().collect()));
        }
        let goes_back = change.edits().iter().any(|edit| goes_back(edit.key.kind));
        let carried_out = self.carry_out(prepared).await;
        if confirm_within.is_some() {
            self.learn_trial().await;
        }
        let answer = answer.saying(carried_out?.iter().flat_map(|(id, state)| words(*id, state)).collect());
        Ok(answer.saying(self.trial_words().filter(|_| goes_back).into_iter().collect()))
    }

    /// Compiles what a change would lead to; what would become of the apps that are asked for.
    pub(super) async fn try_out(
        &self,
        next: (&Estate, &Change),
        asked: Vec<AppId>,
    ) -> Result<Vec<(AppId, AppState)>, Failure> {
        match self.install(next, (None, false), asked).await? {
            Installed::Right(states) => Ok(states),
            Installed::Refused(problems) => Err(refused(problems)),
            Installed::Ending => Err(Failure::unavailable("byway is ending; nothing was changed")),
            other @ (Installed::InForce { .. }
            | Installed::NotKept(_)
            | Installed::NotConfirmed
            | Installed::KeptNotPublished) => Err(internal(format!("a dry run came to {other:?}"))),
        }
    }

    pub(super) async fn carry_out(&self, prepared: Prepared) -> Result<Vec<(AppId, AppState)>, Failure> {
        let Prepared { plan: Plan { change, asked, .. }, next, entry, undo } = prepared;
        if !change.moves_tables() {
            self.keep(entry).await?;
            self.put(next);
            return Ok(Vec::new());
        }
        let before = self.estate();
        let vault = self.vault.clone();
        let on_trial = self.is_on_trial_after(entry.trial);
        let keep: Keep = Box::new(move || commit(&vault, &entry).map_err(not_committed));
        match self.install((&next, &change), (Some(keep), on_trial), asked).await? {
            Installed::InForce { states, .. } => {
                self.put(next);
                Ok(states)
            }
            Installed::Right(_) => Err(internal("a change was tried out and not kept")),
            Installed::Refused(problems) => Err(refused(problems)),
            Installed::NotKept(why) => Err(not_kept(&why)),
            Installed::Ending => Err(Failure::unavailable("byway is ending; nothing was changed")),
            Installed::NotConfirmed => {
                let Some((back, undo)) = undo else {
                    self.put(next);
                    log::warning("api: not all workers have taken the change yet; it stays");
                    return Ok(Vec::new());
                };
                if self.take_back((&before, &back), undo).await {
                    return Err(Failure::unavailable(
                        "not all workers took the change in time; it was taken back",
                    ));
                }
                self.put(next);
                Err(internal(
                    "not all workers took the change in time, and it could not be taken back: it is kept",
                ))
            }
            Installed::KeptNotPublished => {
                self.put(next);
                Err(Failure::unavailable(
                    "byway is ending; the change is kept and will be in force at the next start",
                ))
            }
        }
    }

    /// Puts the estate from before a change in force again; whether the store has it so.
    async fn take_back(&self, before: (&Estate, &Change), undo: Entry) -> bool {
        log::warning(format_args!("api: {}", undo.what));
        let on_trial = self.is_on_trial_after(undo.trial);
        let vault = self.vault.clone();
        let keep: Keep = Box::new(move || commit(&vault, &undo).map_err(not_committed));
        match self.install(before, (Some(keep), on_trial), Vec::new()).await {
            Ok(Installed::InForce { .. } | Installed::NotConfirmed | Installed::KeptNotPublished) => true,
            Ok(
                other @ (Installed::Right(_)
                | Installed::Refused(_)
                | Installed::NotKept(_)
                | Installed::Ending),
            ) => {
                log::error(format_args!("api: the change could not be taken back: {other:?}"));
                false
            }
            Err(failure) => {
                log::error(format_args!("api: the change could not be taken back: {failure:?}"));
                false
            }
        }
    }

    /// Puts an estate in force, which `change` led to, on trial or not; without `keep` it is compiled alone.
    async fn install(
        &self,
        (estate, change): (&Estate, &Change),
        (keep, on_trial): (Option<Keep>, bool),
        asked: Vec<AppId>,
    ) -> Result<Installed, Failure> {
        let ((reply, answered), apps, estate) =
            (oneshot::channel(), app_changes(estate, change), estate.clone());
        let whole = Arc::new(move || lower(&estate));
        let install = Install { whole, apps, keep, on_trial, asked, reply };
        if !self.desk.put(Inquiry::Install(install)).await {
            return Err(Failure::unavailable("byway is ending; nothing was changed"));
        }
        // However long it takes: whoever gave up would not know what is in force. The client is answered in time all the
        // same (`router`).
        answered.await.map_err(|_| internal("the control loop is gone"))
    }

    /// Keeps a change that no worker needs to know of.
    pub(super) async fn keep(&self, entry: Entry) -> Result<(), Failure> {
        let vault = self.vault.clone();
        let kept = tokio::task::spawn_blocking(move || commit(&vault, &entry)).await;
        match kept {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(not_kept(&not_committed(error))),
            Err(_) => Err(internal("the store's writer ended")),
        }
    }

    fn put(&self, next: Estate) {
        let mut estate = self.estate.write().unwrap_or_else(PoisonError::into_inner);
        let announced = routes(&next);
        let is_new = announced != routes(&estate);
        *estate = Arc::new(next);
        if is_new {
            self.terms.announcer.announce(&announced);
        }
    }
}

/// The store, for one thing.
pub fn locked(vault: &Mutex<Box<dyn Vault>>) -> std::sync::MutexGuard<'_, Box<dyn Vault>> {
    vault.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a change. The process's log has who, what and when as well: it lies elsewhere, and forgets by other rules.
fn commit(vault: &Mutex<Box<dyn Vault>>, entry: &Entry) -> Result<(), VaultError> {
    let number = locked(vault).commit(entry)?;
    let Entry { who, what, edits, .. } = entry;
    log::info(format_args!("api: version {number}: {who}: {what}: {} change(s)", edits.len()));
    Ok(())
}

fn too_many(what: &str, until_s: u64) -> Failure {
    let retry_after_s = Some(until_s.min(3_600) as u32);
    Failure {
        retry_after_s,
        ..Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            ApiCode::TooMany,
            format!("{what}; come again in {until_s} s"),
        )
    }
}

fn not_kept(why: &str) -> Failure {
    Failure::unavailable(format!("{why}; nothing was changed"))
}

/// Says in the log why a change was not kept; in an answer less.
fn not_committed(error: VaultError) -> String {
    log::error(format_args!("api: {error}"));
    error.plain().into()
}

/// 500 with 10002; the log has why.
pub fn internal(why: impl std::fmt::Display) -> Failure {
    log::error(format_args!("api: {why}"));
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, ApiCode::Internal, "internal error; the log says more")
}
