//! Log lines on standard error: one line each, the level in words, outside text escaped and cut on the way out.
//!
//! Where standard error is the journal (`JOURNAL_STREAM` names it) a line starts with the journal's mark of its level.

use crate::base::outside::OneLine;
use std::fmt::Display;
use std::io::Write;
use std::sync::OnceLock;

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Worth a look; byway goes on.
    Warning,
    /// Something does not work.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Info => "",
            Self::Warning => "warning: ",
            Self::Error => "error: ",
        }
    }

    /// The journal's mark (`sd-daemon(3)`).
    const fn mark(self) -> &'static str {
        match self {
            Self::Info => "<6>",
            Self::Warning => "<4>",
            Self::Error => "<3>",
        }
    }
}

/// Says `text` at `level`.
pub fn say(level: Level, text: impl Display) {
    static JOURNAL: OnceLock<bool> = OnceLock::new();
    let journal = *JOURNAL.get_or_init(is_journal);
    let mark = if journal { level.mark() } else { "" };
    let line = format!("{mark}byway: {}{}\n", level.word(), OneLine(text));
    // A closed standard error leaves nothing to do about it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Whether standard error is the stream that `JOURNAL_STREAM` names by device and inode (`systemd.exec(5)`).
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    nix::sys::stat::fstat(std::io::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Says what is worth knowing.
pub fn info(text: impl Display) {
    say(Level::Info, text);
}

/// Says what is worth a look.
pub fn warning(text: impl Display) {
    say(Level::Warning, text);
}

/// Says what does not work.
pub fn error(text: impl Display) {
    say(Level::Error, text);
}
