//! Arguments of `byway admin import cloudflare`.

use crate::cli::args::trial_seconds;
use clap::Args;
use std::path::PathBuf;

/// `byway admin import cloudflare`.
#[derive(Args, Debug)]
pub struct CloudflareArgs {
    /// A file with an API token that may read accounts, zones, Spectrum, IP prefixes, address maps, firewall, certificates and
    /// DNS; mode 0600.
    #[arg(long, value_name = "FILE", required_unless_present = "from")]
    pub token_file: Option<PathBuf>,
    /// Where the API is.
    #[arg(long, value_name = "URL", default_value = "https://api.cloudflare.com/client/v4")]
    pub base_url: String,
    /// A PEM file of authorities that are trusted beside those of the web.
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Ask nobody: take replies that were saved, the one to GET /PATH from DIR/PATH.json, a letter's from DIR/PATH.pdf.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["token_file", "save"])]
    pub from: Option<PathBuf>,
    /// Keep the replies in a new folder, as --from reads them.
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Only this account of the other side, with its zones.
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Only these zones of the other side, by name; may be said several times.
    #[arg(long, value_name = "NAME")]
    pub zone: Vec<String>,
    /// Leave out what the token may not read, and say so; without it that ends the import.
    #[arg(long)]
    pub skip_forbidden: bool,
    /// Put everything into this account of this box.
    #[arg(long, value_name = "ID")]
    pub into: Option<String>,
    /// The user of this box who owns accounts that are made; left out: the first one.
    #[arg(long, value_name = "EMAIL")]
    pub owner: Option<String>,
    /// Approve prefixes that are approved there; without it they wait for `byway admin prefix approve`.
    #[arg(long)]
    pub trust_approvals: bool,
    /// Let what is here already follow the other side.
    #[arg(long)]
    pub update: bool,
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
