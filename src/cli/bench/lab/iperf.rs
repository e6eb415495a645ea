//! iperf3: one TCP connection for some seconds.

use super::daemon::{Daemon, Seat};
use super::error::LabError;
use super::folder::Folder;

/// The port of a server.
pub const IPERF_PORT: u16 = 5201;

/// Starts a server and waits until it listens.
///
/// # Errors
/// Those of `Daemon`.
pub fn start_iperf(seat: Seat<'_>, folder: &Folder) -> Result<Daemon, LabError> {
    let server = Daemon::start("iperf3", seat, folder, &["iperf3", "--server", "--forceflush"])?;
    server.wait(|said| said.contains("Server listening"))
}

/// What iperf3's receiver saw, in Gbit/s; `more` are options of its client.
///
/// # Errors
/// `NotThere`, `Refused`, `Unreadable`.
pub fn stream(seat: Seat<'_>, host: &str, port: u16, more: &[&str]) -> Result<f64, LabError> {
    let port = port.to_string();
    let words = ["taskset", "-c", seat.cpus, "iperf3", "--json", "--client", host, "--port", &port];
    let printed = seat.host.run(&[&words, more].concat())?;
    received(&printed).ok_or(LabError::Unreadable("iperf3".to_owned(), printed))
}

fn received(printed: &str) -> Option<f64> {
    let object: serde_json::Value = serde_json::from_str(printed).ok()?;
    Some(object["end"]["sum_received"]["bits_per_second"].as_f64()? / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iperf3_is_asked_for_what_arrived() {
        let report =
            r#"{"end": {"sum_sent": {"bits_per_second": 2e9}, "sum_received": {"bits_per_second": 1.5e9}}}"#;
        assert_eq!(received(report), Some(1.5));
        assert_eq!(received(r#"{"error": "no route"}"#), None);
    }
}
