//! Arguments of `byway admin`.

use crate::cli::args::trial_seconds;
use crate::cli::cloudflare::CloudflareArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Verbs of `admin`.
#[derive(Subcommand, Debug)]
pub enum AdminCommand {
    /// Make the store of a boot config with its first user, account and root token. byway must not be running.
    Init(AdminInitArgs),
    /// Ask a running byway over its admin socket, as in `byway admin call POST /accounts '{"name":"one"}'`.
    Call(AdminCallArgs),
    /// Copy the store while it is in use or not.
    Backup(AdminBackupArgs),
    /// Put a copy in the place of the store, once it was looked over. byway must not be running; the old store is kept.
    Restore(AdminRestoreArgs),
    /// Write everything that the store holds as JSON; secrets only where they are asked for, and encrypted.
    Export(AdminExportArgs),
    /// Take in what `export` wrote, as one change: what the file names is made or changed, nothing is removed.
    Import(Box<AdminImportVerb>),
    /// Who changed what, newest first.
    History(AdminHistoryArgs),
    /// Put everything but users, tokens and letters back to what it was after a version of the history.
    Rollback(AdminRollbackArgs),
    /// From now on all that the API changes is on trial: it goes back to the version of now by itself, unless `byway confirm`
    /// comes in time.
    Try(AdminTryArgs),
    /// Approve a prefix, or take the approval back.
    #[command(subcommand)]
    Prefix(AdminPrefixCommand),
    /// Tokens of users, root tokens among them, over the admin socket.
    #[command(subcommand)]
    Token(AdminTokenCommand),
    /// Keys of users, over the admin socket.
    #[command(subcommand)]
    Key(AdminKeyCommand),
}

/// `byway admin init`.
#[derive(Args, Debug)]
pub struct AdminInitArgs {
    /// The boot config, whose [api] names the store.
    #[arg(long)]
    pub config: PathBuf,
    /// The first user's address.
    #[arg(long, default_value = "root@localhost")]
    pub email: String,
    /// The first account's name.
    #[arg(long, default_value = "default")]
    pub account: String,
    /// Where the root token is written, mode 0600; it must not exist. Left out: the terminal, where there is one.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// Give the user a key (`X-Auth-Key`), written here, mode 0600; it must not exist. Left out: it has none.
    #[arg(long)]
    pub key_file: Option<PathBuf>,
}

/// Verbs of `admin token`.
#[derive(Subcommand, Debug)]
pub enum AdminTokenCommand {
    /// Tokens of a user, or of all users.
    List {
        /// A user's address or id. Left out: all users.
        #[arg(long)]
        user: Option<String>,
        /// Answer with JSON, policies included.
        #[arg(long)]
        json: bool,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
    /// Make a token of a user.
    Create(AdminTokenCreateArgs),
    /// Give a token a new value; the old one is worth nothing from then on.
    Roll {
        /// The token's id: the first 32 digits of it.
        id: String,
        /// Where the new value is written, mode 0600; it must not exist. Left out: the terminal, where there is one.
        #[arg(long)]
        token_file: Option<PathBuf>,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
    /// Revoke a token: it is refused from the next request on.
    Revoke {
        /// The token's id: the first 32 digits of it.
        id: String,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
}

/// `byway admin token create`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("may").required(true))]
pub struct AdminTokenCreateArgs {
    /// The user's address or id.
    #[arg(long)]
    pub user: String,
    /// The token's name.
    #[arg(long)]
    pub name: String,
    /// A token that may do everything, as `init` makes it.
    #[arg(long, group = "may")]
    pub root: bool,
    /// A file with a JSON list of policies, as `POST /user/tokens` takes them.
    #[arg(long, value_name = "FILE", group = "may")]
    pub policies: Option<PathBuf>,
    /// Until when it is good, such as 2030-01-31T12:00:00Z. Left out: for ever.
    #[arg(long)]
    pub expires_on: Option<String>,
    /// Where the token is written, mode 0600; it must not exist. Left out: the terminal, where there is one.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// The admin socket.
    #[arg(long, default_value = "/run/byway/api.sock")]
    pub socket: PathBuf,
}

/// Verbs of `admin key`.
#[derive(Subcommand, Debug)]
pub enum AdminKeyCommand {
    /// Give a user a new key (`X-Auth-Key`); the old one is worth nothing from then on.
    Roll {
        /// The user's address or id.
        user: String,
        /// Where the key is written, mode 0600; it must not exist. Left out: the terminal, where there is one.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
    /// Revoke the key of a user, and give none.
    Revoke {
        /// The user's address or id.
        user: String,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
}

/// `byway admin call`.
#[derive(Args, Debug)]
pub struct AdminCallArgs {
    /// GET, POST, PUT, PATCH or DELETE.
    pub method: String,
    /// The path below /client/v4.
    pub path: String,
    /// A JSON body.
    pub body: Option<String>,
    /// The admin socket.
    #[arg(long, default_value = "/run/byway/api.sock")]
    pub socket: PathBuf,
}

/// `byway admin backup`.
#[derive(Args, Debug)]
pub struct AdminBackupArgs {
    /// The boot config, whose [api] names the store.
    #[arg(long)]
    pub config: PathBuf,
    /// The copy, mode 0600; it must not exist.
    pub to: PathBuf,
}

/// Verbs of `admin prefix`.
#[derive(Subcommand, Debug)]
pub enum AdminPrefixCommand {
    /// Check a prefix and approve it: from then on it can be bound and has apps.
    Approve {
        /// The prefix's id.
        id: String,
        /// Approve it over checks that failed; the history says so.
        #[arg(long)]
        force: bool,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
    /// Take the approval of a prefix back, which must be bound to nothing.
    Revoke {
        /// The prefix's id.
        id: String,
        /// The admin socket.
        #[arg(long, default_value = "/run/byway/api.sock")]
        socket: PathBuf,
    },
}

/// `byway admin restore`.
#[derive(Args, Debug)]
pub struct AdminRestoreArgs {
    /// The copy, as `byway admin backup` made it.
    pub from: PathBuf,
    /// The boot config, whose [api] names the store.
    #[arg(long)]
    pub config: PathBuf,
    /// Look the copy over, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
}

/// `byway admin export`.
#[derive(Args, Debug)]
pub struct AdminExportArgs {
    /// The boot config, whose [api] names the store and the admin socket.
    #[arg(long)]
    pub config: PathBuf,
    /// A new file, mode 0600. Left out: standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// With hashes of tokens and keys of certificates, encrypted under a passphrase.
    #[arg(long)]
    pub with_secrets: bool,
    /// Where the passphrase comes from.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// `byway admin import`: of a file, or from another side.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AdminImportVerb {
    /// From where, if not from a file.
    #[command(subcommand)]
    pub from: Option<AdminImportCommand>,
    /// What `byway admin export` wrote.
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    /// The boot config, whose [api] names the store and the admin socket.
    #[arg(long, required = true)]
    pub config: Option<PathBuf>,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave tokens and certificates out whose secrets neither the file nor the store has.
    #[arg(long)]
    pub leave_out: bool,
    /// Go back by itself after so many seconds, unless `byway confirm` comes in time.
    #[arg(long, value_name = "SECONDS", value_parser = trial_seconds())]
    pub confirm_within: Option<u32>,
    /// Where the passphrase comes from.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// Other sides that are imported from.
#[derive(Subcommand, Debug)]
pub enum AdminImportCommand {
    /// Take over what Cloudflare holds, by its API (GET alone) or from saved replies, as one change; docs/migrate.md.
    Cloudflare(Box<CloudflareArgs>),
}

/// `byway admin import FILE`, all of it given.
#[derive(Clone, Debug)]
pub struct AdminImportArgs {
    /// What `byway admin export` wrote.
    pub file: PathBuf,
    /// The boot config, whose [api] names the store and the admin socket.
    pub config: PathBuf,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
    /// Leave tokens and certificates out whose secrets neither the file nor the store has.
    pub leave_out: bool,
    /// Go back by itself after so many seconds.
    pub confirm_within: Option<u32>,
    /// Where the passphrase comes from.
    pub passphrase: PassphraseArgs,
}

impl AdminImportVerb {
    /// The arguments of a file's import; `None` where another side is named.
    pub fn of_file(&self) -> Option<AdminImportArgs> {
        let (file, config) = (self.file.clone()?, self.config.clone()?);
        let (dry_run, leave_out, passphrase) = (self.dry_run, self.leave_out, self.passphrase.clone());
        let confirm_within = self.confirm_within;
        Some(AdminImportArgs { file, config, dry_run, leave_out, confirm_within, passphrase })
    }
}

/// Where a passphrase comes from.
#[derive(Args, Clone, Debug)]
pub struct PassphraseArgs {
    /// The first line of this file, which nobody else may read. Left out: the terminal.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// `byway admin history`.
#[derive(Args, Debug)]
pub struct AdminHistoryArgs {
    /// Only versions before this one.
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
    /// How many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Answer with JSON, entities before and after included.
    #[arg(long)]
    pub json: bool,
    /// The admin socket.
    #[arg(long, default_value = "/run/byway/api.sock")]
    pub socket: PathBuf,
}

/// `byway admin rollback`.
#[derive(Args, Debug)]
pub struct AdminRollbackArgs {
    /// The version to go back to.
    pub version: u64,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Go back by itself after so many seconds, unless `byway confirm` comes in time.
    #[arg(long, value_name = "SECONDS", value_parser = trial_seconds())]
    pub confirm_within: Option<u32>,
    /// The admin socket.
    #[arg(long, default_value = "/run/byway/api.sock")]
    pub socket: PathBuf,
}

/// `byway admin try`.
#[derive(Args, Debug)]
pub struct AdminTryArgs {
    /// How long the trial has, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = trial_seconds())]
    pub confirm_within: u32,
    /// The admin socket.
    #[arg(long, default_value = "/run/byway/api.sock")]
    pub socket: PathBuf,
}
