//! What a store promises.

use super::copy::Still;
use crate::base::TrialTime;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// An entity as it is kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Row {
    /// The word for its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// JSON.
    pub body: String,
}

/// One entity changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowEdit {
    /// The word for its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What is kept from now on; `None`: it is removed.
    pub body: Option<String>,
    /// What was kept before, whole; `None`: nothing, or the version is older than the last `VERSIONS_BACK_MAX`.
    pub undo: Option<String>,
    /// For the audit log: as it was, without secrets.
    pub before: Option<String>,
    /// For the audit log: as it is, without secrets.
    pub after: Option<String>,
    /// Whose it is.
    pub owner: RowOwner,
}

/// Whose an entity is: who may see its edits in the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowOwner {
    /// The id of an account.
    pub account: Option<String>,
    /// The id of a user, of what belongs to no account.
    pub user: Option<String>,
    /// The name of a zone.
    pub zone: Option<String>,
}

/// Who made a change, where it was a user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Actor {
    /// The user's id.
    pub user: Option<String>,
    /// Its address then.
    pub email: Option<String>,
    /// Where the request came from; none over the admin socket.
    pub ip: Option<String>,
}

/// A change as it is committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When: microseconds since the Unix epoch.
    pub at: u64,
    /// Who made it: a token's id and name, or a local user.
    pub who: String,
    /// What was asked for: method and path, or the command.
    pub what: String,
    /// Who made it, by the parts that one may look for.
    pub actor: Actor,
    /// The account or user whose entities it changes; empty: the box's own, or those of several. The log is shared out by it.
    pub tenant: String,
    /// The edits, all or none of which are kept.
    pub edits: Vec<RowEdit>,
    /// What it does to a trial; kept with the edits or not at all.
    pub trial: TrialStep,
}

/// What a change does to the trial that the store may be on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TrialStep {
    /// The change is part of a trial under way, if there is one.
    #[default]
    GoesOn,
    /// The change begins one, which it is the first part of. There must be none.
    Begins(TrialTime),
    /// The change ends it, whatever came of it.
    Ends,
}

/// Changes that wait to be confirmed: all of them since one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// The last version before it.
    pub base: u64,
    /// When it began: microseconds since the Unix epoch.
    pub at: u64,
    /// The time that it has.
    pub time: TrialTime,
    /// Who began it.
    pub who: String,
    /// What was asked for.
    pub what: String,
}

/// An entity as it was before a trial.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Undo {
    /// The word for its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// JSON; `None`: there was none.
    pub body: Option<String>,
}

/// A change as it was kept, but for its edits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Its number; each commit has the next one.
    pub number: u64,
    /// When: microseconds since the Unix epoch.
    pub at: u64,
    /// Who made it.
    pub who: String,
    /// What was asked for.
    pub what: String,
    /// The account or user whose entities it changed; empty: the box's own, or those of several.
    pub tenant: String,
    /// Edits of it that are kept.
    pub kept: u64,
    /// Edits of it that are not kept any more.
    pub forgotten: u64,
}

/// Which edits of a version are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EditSpan {
    /// From this place on.
    pub from: u64,
    /// So many at most.
    pub count: usize,
    /// No more once they come to so many bytes.
    pub bytes: usize,
}

/// An edit as the history tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldEdit {
    /// The word for the kind of its entity.
    pub kind: String,
    /// The entity's id.
    pub id: String,
    /// As it was, without secrets.
    pub before: Option<String>,
    /// As it became.
    pub after: Option<String>,
}

impl ToldEdit {
    /// How long its texts are.
    pub fn bytes(&self) -> usize {
        let long = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.kind.len() + self.id.len() + long(&self.before) + long(&self.after)
    }
}

/// How many edits did the same to entities of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// The word for the kind.
    pub kind: String,
    /// What was done.
    pub verb: AuditVerb,
    /// How many there are.
    pub count: u64,
}

/// What takes an edit back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WayBack {
    /// The word for the kind of its entity.
    pub kind: String,
    /// The entity's id.
    pub id: String,
    /// What was kept before, whole; `None`: nothing, or it is not known.
    pub undo: Option<String>,
    /// Whether there was something.
    pub was_there: bool,
}

/// What an edit did to its entity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AuditVerb {
    /// Made it.
    Add,
    /// Changed it.
    Change,
    /// Removed it.
    Delete,
}

impl AuditVerb {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Add, Self::Change, Self::Delete];

    /// By whether the entity was there before and is there after.
    pub const fn of(before: bool, after: bool) -> Self {
        match (before, after) {
            (false, _) => Self::Add,
            (true, true) => Self::Change,
            (true, false) => Self::Delete,
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// A question to the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditAsk {
    /// Edits of what belongs to these accounts, by id.
    pub accounts: Vec<String>,
    /// And of what belongs to this user.
    pub user: Option<String>,
    /// Not before: microseconds since the Unix epoch.
    pub since: Option<u64>,
    /// Before.
    pub before: Option<u64>,
    /// By whom.
    pub email: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// Users whom one may look for by `email` and `ip`; `None`: all.
    pub known: Option<Vec<String>>,
    /// In the zone of this name.
    pub zone: Option<String>,
    /// What was done.
    pub verb: Option<AuditVerb>,
    /// One edit: its version and its place in it.
    pub id: Option<(u64, u64)>,
    /// Which way.
    pub oldest_first: bool,
    /// How many are passed over.
    pub offset: usize,
    /// How many are wanted.
    pub limit: usize,
}

/// An edit as the audit log has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    /// Its version, and its place in it.
    pub id: (u64, u64),
    /// When.
    pub at: u64,
    /// Who.
    pub who: String,
    /// What was asked for.
    pub what: String,
    /// Who, by parts.
    pub actor: Actor,
    /// The word for the kind of the entity.
    pub kind: String,
    /// Its id.
    pub entity: String,
    /// As it was, without secrets.
    pub before: Option<String>,
    /// As it became.
    pub after: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// Its user.
    pub user: Option<String>,
    /// Its zone's name.
    pub zone: Option<String>,
}

/// What a question brings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditPage {
    /// The rows that were wanted.
    pub rows: Vec<AuditRow>,
    /// How many there are in all.
    pub total: usize,
}

/// A store. One owner; what `commit` said is kept is there after any crash.
pub trait Vault: Send {
    /// All entities, in no order.
    ///
    /// # Errors
    /// See `VaultError`.
    fn load(&mut self) -> Result<Vec<Row>, VaultError>;

    /// Keeps a change whole, on the disk, and gives its number.
    ///
    /// # Errors
    /// See `VaultError`; nothing was kept then.
    fn commit(&mut self, entry: &Entry) -> Result<u64, VaultError>;

    /// The last changes, newest first, at most `count`, from before `before` (`None`: the newest).
    ///
    /// # Errors
    /// See `VaultError`.
    fn history(&mut self, before: Option<u64>, count: usize) -> Result<Vec<Version>, VaultError>;

    /// Edits of a version, in order.
    ///
    /// # Errors
    /// See `VaultError`.
    fn edits(&mut self, version: u64, span: EditSpan) -> Result<Vec<ToldEdit>, VaultError>;

    /// How many edits of a version at these places did what, by kind; no body is read.
    ///
    /// # Errors
    /// See `VaultError`.
    fn tally(&mut self, version: u64, places: Range<u64>) -> Result<Vec<Tally>, VaultError>;

    /// What takes the edits of a version back, in order.
    ///
    /// # Errors
    /// See `VaultError`.
    fn ways_back(&mut self, version: u64) -> Result<Vec<WayBack>, VaultError>;

    /// What the audit log has to say of a question.
    ///
    /// # Errors
    /// See `VaultError`.
    fn audit(&mut self, ask: &AuditAsk) -> Result<AuditPage, VaultError>;

    /// The trial that the store is on.
    fn trial(&self) -> Option<Trial>;

    /// What takes back all that changed since the trial began, an entity once, in no order; nothing without a trial.
    ///
    /// # Errors
    /// See `VaultError`.
    fn undos(&mut self) -> Result<Vec<Undo>, VaultError>;

    /// Keeps when tokens were used last, by their ids, and forgets tokens that are gone. What a crash loses of it is no
    /// change.
    ///
    /// # Errors
    /// See `VaultError`; nothing was kept then.
    fn keep_uses(&mut self, uses: &[(String, u64)]) -> Result<(), VaultError>;

    /// When tokens were used last, as it was kept.
    ///
    /// # Errors
    /// See `VaultError`.
    fn uses(&mut self) -> Result<Vec<(String, u64)>, VaultError>;

    /// A secret of 32 bytes that belongs to the store: the key of the hashes of tokens.
    fn hash_key(&self) -> [u8; 32];

    /// Begins a copy: the store as it is now, to be read whatever changes until `let_go`. One at a time.
    ///
    /// # Errors
    /// See `VaultError`; `Failed` where another copy is being made.
    fn hold_still(&mut self) -> Result<Still, VaultError>;

    /// Ends a copy.
    ///
    /// # Errors
    /// `Failed`: so much was changed that the store was not held still to the end, and what was read is worth nothing.
    fn let_go(&mut self) -> Result<(), VaultError>;
}

/// Why the store did not do it.
#[derive(Debug)]
pub enum VaultError {
    /// The file is open to others: its path and mode.
    Mode(PathBuf, u32),
    /// The file's schema is newer than this byway's: path, its schema, the newest one known here, the byway that wrote it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: u32,
        /// The newest one known here.
        known: u32,
        /// The version of byway that wrote it.
        by: String,
    },
    /// The file is not a store of byway's.
    Foreign(PathBuf),
    /// The file is damaged: what the check of SQLite said.
    Damaged(PathBuf, String),
    /// Another process holds it.
    Held(PathBuf),
    /// The disk is full.
    Full(PathBuf),
    /// The file exists and must not.
    Exists(PathBuf),
    /// What SQLite or the system said.
    Failed(PathBuf, String),
}

impl VaultError {
    /// For those who do not own this machine: what a change met, without paths.
    pub const fn plain(&self) -> &'static str {
        match self {
            Self::Full(_) => "the disk of the store is full",
            Self::Held(_) => "the store is held by another process",
            Self::Damaged(..) => "the store is damaged",
            Self::Mode(..) | Self::Newer { .. } | Self::Foreign(_) | Self::Exists(_) | Self::Failed(..) => {
                "the change could not be stored"
            }
        }
    }

    /// The same, said of another file.
    #[must_use]
    pub fn about(self, path: &std::path::Path) -> Self {
        let path = path.to_owned();
        match self {
            Self::Mode(_, mode) => Self::Mode(path, mode),
            Self::Newer { schema, known, by, .. } => Self::Newer { path, schema, known, by },
            Self::Foreign(_) => Self::Foreign(path),
            Self::Damaged(_, why) => Self::Damaged(path, why),
            Self::Held(_) => Self::Held(path),
            Self::Full(_) => Self::Full(path),
            Self::Exists(_) => Self::Exists(path),
            Self::Failed(_, why) => Self::Failed(path, why),
        }
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(path, mode) => write!(
                f,
                "{}: its mode is {mode:04o}, and it holds secrets: chmod 0600 it, after a look at who read it",
                path.display()
            ),
            Self::Newer { path, schema, known, by } => write!(
                f,
                "{}: its schema is {schema}, and this byway knows up to {known}: it needs byway {by} or newer",
                path.display()
            ),
            Self::Foreign(path) => write!(f, "{}: is no store of byway's", path.display()),
            Self::Damaged(path, why) => {
                write!(f, "{}: is damaged ({why}): restore a backup", path.display())
            }
            Self::Held(path) => write!(f, "{}: another process holds it", path.display()),
            Self::Full(path) => write!(f, "{}: the disk is full", path.display()),
            Self::Exists(path) => write!(f, "{}: exists already; name another file", path.display()),
            Self::Failed(path, why) => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for VaultError {}
