//! `byway bench handshakes`: the rows that are times, each beside a peer's in the same run. They are for people: no test
//! runs them.

use super::super::callgrind::CallgrindError;
use super::super::report::{self, Row, Telling};
use super::handshakes::PeerError;
use super::{flood, handshakes};
use crate::worker::LaunchError;
use std::process::ExitCode;

/// Why a row could not be taken.
pub enum Failed {
    /// Instructions.
    Count(CallgrindError),
    /// Handshakes.
    Peer(PeerError),
    /// Plain flows beside them.
    Flood(LaunchError),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(error) => error.fmt(f),
            Self::Peer(error) => error.fmt(f),
            Self::Flood(error) => error.fmt(f),
        }
    }
}

impl From<CallgrindError> for Failed {
    fn from(error: CallgrindError) -> Self {
        Self::Count(error)
    }
}

impl From<PeerError> for Failed {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

impl From<LaunchError> for Failed {
    fn from(error: LaunchError) -> Self {
        Self::Flood(error)
    }
}

/// Takes the rows, prints them, and fails when one is short of its bound.
pub fn bench_handshakes(telling: Telling) -> ExitCode {
    tell("handshakes", timed_rows(), telling)
}

/// Handshakes a second, and plain flows beside a flood of them.
pub fn timed_rows() -> Result<Vec<Row>, Failed> {
    let mut rows = handshakes::rows()?;
    rows.extend(flood::rows()?);
    Ok(rows)
}

/// Prints rows, or why there are none.
pub fn tell(bench: &str, rows: Result<Vec<Row>, Failed>, telling: Telling) -> ExitCode {
    match rows {
        Ok(rows) if report::print(bench, &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}
