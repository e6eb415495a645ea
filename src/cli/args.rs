//! The command line as clap reads it. Usage errors end with exit code 2, all others with 1.

use super::admin::AdminCommand;
use super::bench::{
    BulkArgs, ConnectProbe, ControlArgs, ControlProbe, GoodputArgs, IdleArgs, IdleProbe, LossyArgs, Probe,
    ProxyArgs, SynProbe, Telling, TlsProbe, UdpProbe,
};
#[cfg(feature = "dpdk")]
use super::bench::{ForwardArgs, ForwardProbe};
use super::generate::GenCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Version and commit, as `--version` tells them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BYWAY_COMMIT"), ")");

/// A Spectrum-like TCP edge for your own IP prefixes.
#[derive(Parser, Debug)]
#[command(name = "byway", version = VERSION, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the edge until SIGTERM.
    Run(RunArgs),
    /// Say whether a boot config (TOML) or a table file (JSON) is right, and what it would bring about.
    Check(CheckArgs),
    /// Put a table file in force; with `--confirm-within` only for a while, unless it is confirmed.
    Apply(ApplyArgs),
    /// Keep what `byway apply --confirm-within` put in force.
    Confirm(ConfirmArgs),
    /// Run the shipping worker over a capture, without a NIC; the same input gives the same output.
    Replay(ReplayArgs),
    /// Look this machine over: hugepages, IOMMU, NICs, CPUs, limits; each line with its fix.
    Doctor(DoctorArgs),
    /// The boot config.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show what a running byway holds.
    Show(ShowArgs),
    /// Access rules of a running byway: list them, change some without a reload.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// The API's users, tokens, accounts and zones, and its store.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Say what a packet would get: prefix, app, rule, origin, worker.
    Where(WhereArgs),
    /// Generate traffic in a laboratory: floods of SYNs or datagrams, clients and origins.
    #[command(subcommand)]
    Gen(GenCommand),
    /// Count instructions and bytes on in-memory ports, under callgrind.
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// Verbs of `bench`.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// What a relayed segment, a connection and an idle session cost.
    Session {
        /// Leave out the rows of 100,000 sessions.
        #[arg(long)]
        quick: bool,
        /// Datagrams and UDP sessions instead of TCP's.
        #[arg(long)]
        udp: bool,
        /// Records, handshakes and sessions of TLS instead of plain TCP's.
        #[arg(long, conflicts_with = "udp")]
        tls: bool,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// TLS handshakes a second beside `openssl speed`, and plain flows beside a flood of handshakes.
    Handshakes {
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// Real clients beside a flood of SYNs, over veth and AF_PACKET, against the same in quiet. Needs root and two CPUs.
    Flood {
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// The benches that there are, with the arguments that run them.
    List {
        /// Answer with a JSON list.
        #[arg(long)]
        json: bool,
    },
    /// Write a table and plots beside the results in a folder, and say what became worse.
    Report {
        /// A folder of one JSON file a bench, as `scripts/bench.sh` makes it.
        folder: PathBuf,
        /// Earlier results to hold them against.
        #[arg(long, value_name = "FOLDER")]
        before: Option<PathBuf>,
    },
    /// Frames a second through one core behind a repeating capture, beside testpmd's `macswap` on the same capture.
    #[cfg(feature = "dpdk")]
    Forward(ForwardArgs),
    /// The worker's process of `bench forward`.
    #[cfg(feature = "dpdk")]
    #[command(hide = true)]
    ForwardProbe(ForwardProbe),
    /// Connections a second of one worker, and their instructions.
    Connect {
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// Bytes a second of one worker.
    Bulk {
        /// What is measured.
        #[command(flatten)]
        args: BulkArgs,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// Bytes of an idle session, spliced and parked, in a full table of a million.
    Idle {
        /// What is measured.
        #[command(flatten)]
        args: IdleArgs,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// Changes of apps by the API, timed, and a worker's packet rate beside them.
    Control {
        /// What is measured.
        #[command(flatten)]
        args: ControlArgs,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// A process of `bench control`.
    #[command(hide = true)]
    ControlProbe(ControlProbe),
    /// A process of `bench idle`.
    #[command(hide = true)]
    IdleProbe(IdleProbe),
    /// One run of `connect` under callgrind.
    #[command(hide = true)]
    ConnectProbe(ConnectProbe),
    /// Bytes that BBR and CUBIC get over a path that loses, spliced and beside a direct route, as root.
    Goodput {
        /// How long and how often.
        #[command(flatten)]
        args: GoodputArgs,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// The sender of managed sessions over a path that loses, on a virtual clock.
    Lossy {
        /// How long and how often.
        #[command(flatten)]
        args: LossyArgs,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// byway, HAProxy, nginx and a bare wire in turn as proxies between real clients and origins, as root.
    Proxy {
        /// How long and how often.
        #[command(flatten)]
        args: ProxyArgs,
        /// What is printed, and what fails.
        #[command(flatten)]
        telling: Telling,
    },
    /// One run of the worker, as `bench session` has it made under callgrind.
    #[command(hide = true)]
    SessionProbe(Probe),
    /// The same for its rows about SYNs.
    #[command(hide = true)]
    SynProbe(SynProbe),
    /// The same for `--udp`.
    #[command(hide = true)]
    UdpProbe(UdpProbe),
    /// The same for `--tls`.
    #[command(hide = true)]
    TlsProbe(TlsProbe),
}

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The boot config.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// A boot config or a table file; told apart by their content.
    pub file: PathBuf,
    /// With a table file: what it would change of a running byway, and whose sessions would end.
    #[arg(long, value_enum, value_name = "running")]
    pub against: Option<AgainstArg>,
    /// With a table file: the boot config whose ports and egress pool it must not touch.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Answer with one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The control socket, for `--against running`.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// What `check` may hold a table file against.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgainstArg {
    /// The byway that answers on the control socket.
    Running,
}

/// Arguments of `apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The table file that is to take the place of the one in force.
    pub file: PathBuf,
    /// Go back by itself after so many seconds, unless `byway confirm` comes in time.
    #[arg(long, value_name = "SECONDS", value_parser = trial_seconds())]
    pub confirm_within: Option<u32>,
    /// The control socket.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// How long a trial may be.
pub fn trial_seconds() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(crate::base::TRIAL_S_MAX))
}

/// Arguments of `confirm`.
#[derive(Args, Debug)]
pub struct ConfirmArgs {
    /// Go back now, instead of keeping it.
    #[arg(long)]
    pub revert: bool,
    /// The control socket.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Look in the light of this boot config.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The boot config.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The table file; else the one that the boot config names.
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// The capture to feed (classic pcap, Ethernet).
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// Where to write what the worker sends.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
}

/// Verbs of `config`.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Write a commented boot config; without a path to standard output. Never overwrites a file.
    Init {
        /// Where to write it.
        path: Option<PathBuf>,
    },
}

/// Where a running byway listens.
#[derive(Args, Debug)]
pub struct SocketArgs {
    /// The control socket.
    #[arg(long, value_name = "PATH", default_value = "/run/byway/byway.sock")]
    pub socket: PathBuf,
}

/// What `show` can show.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShowWhat {
    /// Apps, with those not in force and why.
    Apps,
    /// Origins: addresses, names, health.
    Origins,
    /// Live sessions.
    Sessions,
    /// Counters that are not zero.
    Counters,
    /// Ports: driver, queues, offloads, link, frames.
    Ports,
    /// The neighbour table.
    Neighbors,
    /// Workers: how busy each is, what it holds, how it rests.
    Workers,
    /// Epoch, config state, readiness.
    Status,
}

/// Arguments of `show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// What to show.
    pub what: ShowWhat,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
    /// The control socket.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Verbs of `rules`.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// All rules, with their scopes and whether they are in force.
    List {
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
        /// The control socket.
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Put rules in force, in the place of what their scope says of the same values; kept over restarts.
    Add {
        /// block, whitelist, or a challenge mode.
        mode: String,
        /// Addresses, ranges, ASNs (`AS64496`), countries (`DE`, `T1`, `XX`).
        #[arg(required = true)]
        values: Vec<String>,
        /// The operator's own words.
        #[arg(long)]
        notes: Option<String>,
        /// Whose rules, and where byway listens.
        #[command(flatten)]
        at: RulesAt,
    },
    /// Take rules away, also those of the table file; kept over restarts.
    Remove {
        /// As for `add`.
        #[arg(required = true)]
        values: Vec<String>,
        /// Whose rules, and where byway listens.
        #[command(flatten)]
        at: RulesAt,
    },
}

/// Whose rules, and where byway listens.
#[derive(Args, Debug)]
pub struct RulesAt {
    /// Rules of this zone.
    #[arg(long, value_name = "ID", group = "scope")]
    pub zone: Option<String>,
    /// Rules of this account: for all its zones.
    #[arg(long, value_name = "ID", group = "scope")]
    pub account: Option<String>,
    /// Rules of the user: for all zones.
    #[arg(long, group = "scope")]
    pub user: bool,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
    /// The control socket.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Transport protocols that `where` knows.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtoArg {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Arguments of `where`.
#[derive(Args, Debug)]
pub struct WhereArgs {
    /// The client, `192.0.2.7:40000` or `[2001:db8::7]:40000`.
    #[arg(long, value_name = "IP:PORT")]
    pub from: SocketAddr,
    /// The edge address and port.
    #[arg(long, value_name = "IP:PORT")]
    pub to: SocketAddr,
    /// The protocol.
    #[arg(long, value_enum, default_value = "tcp")]
    pub proto: ProtoArg,
    /// Ask these files and not a running byway.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The table file; with `--config` alone the one that it names.
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
    /// The control socket.
    #[command(flatten)]
    pub socket: SocketArgs,
}
