//! The peer: DPDK's testpmd, which swaps the two MAC addresses of each frame and sends it back.

use super::probe::buffers;
use super::scenario::mbuf_bytes;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What runs it.
const PROGRAM: &str = "dpdk-testpmd";
/// testpmd's stride before a measure, and the measure.
const WARM_UP: Duration = Duration::from_millis(200);
const MEASURE: Duration = Duration::from_secs(1);

/// Why there is no peer to measure against.
#[derive(Debug)]
pub enum PeerError {
    /// It cannot be started.
    NotThere(std::io::Error),
    /// It ended, or printed no rate.
    Unreadable(String),
}

impl std::fmt::Display for PeerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotThere(error) => {
                write!(f, "{PROGRAM} cannot be started ({error}): apt-get install dpdk")
            }
            Self::Unreadable(said) => write!(f, "{PROGRAM} printed no rate; its last words: {said}"),
        }
    }
}

/// A running testpmd whose forwarding is started and stopped for each measure.
pub struct Testpmd {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Its arguments, for the same capture, buffers and memory as the probe's.
pub fn arguments(capture: &Path, flows: usize, memory: &[String], (cpu, control): (u16, u16)) -> Vec<String> {
    let mut words = memory.to_vec();
    words.extend(["--no-pci".into(), "--no-telemetry".into()]);
    words.extend(["--lcores".into(), format!("0@{control},1@{cpu}")]);
    words.extend(["--file-prefix".into(), format!("byway-peer-{}", std::process::id())]);
    words.extend(["--vdev".into(), format!("net_pcap0,rx_pcap={},infinite_rx=1", capture.display())]);
    words.extend(["--", "-i", "--forward-mode=macswap", "--port-topology=loop"].map(String::from));
    words.push(format!("--mbuf-size={}", mbuf_bytes(flows)));
    words.push(format!("--total-num-mbufs={}", buffers(flows)));
    words
}

/// The command line as one would type it.
pub fn command_line(arguments: &[String]) -> String {
    format!("{PROGRAM} {}", arguments.join(" "))
}

impl Testpmd {
    /// Starts it; it waits for commands.
    ///
    /// # Errors
    /// `NotThere`.
    pub fn start(arguments: &[String]) -> Result<Self, PeerError> {
        // Into a pipe it would keep its words to itself until a buffer is full.
        let command = Command::new("stdbuf")
            .args(["-oL", PROGRAM])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = command.map_err(PeerError::NotThere)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(PeerError::Unreadable("it has no standard input".into()));
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Frames a second, in millions, by its own count of what it sent between two looks.
    ///
    /// # Errors
    /// `Unreadable`.
    pub fn measure(&mut self) -> Result<f64, PeerError> {
        self.say("start")?;
        std::thread::sleep(WARM_UP);
        self.say("show port stats 0")?;
        self.sent_pps()?;
        std::thread::sleep(MEASURE);
        self.say("show port stats 0")?;
        let rate = self.sent_pps()?;
        self.say("stop")?;
        self.line_with("Done.")?;
        Ok(rate / 1e6)
    }

    fn say(&mut self, word: &str) -> Result<(), PeerError> {
        writeln!(self.input, "{word}").map_err(|error| PeerError::Unreadable(error.to_string()))
    }

    fn sent_pps(&mut self) -> Result<f64, PeerError> {
        let line = self.line_with("Tx-pps:")?;
        sent_pps(&line).ok_or(PeerError::Unreadable(line))
    }

    /// The next line that holds `word`.
    fn line_with(&mut self, word: &str) -> Result<String, PeerError> {
        let (mut line, mut last) = (String::new(), String::new());
        while self.output.read_line(&mut line).is_ok_and(|len| len > 0) {
            if line.contains(word) {
                return Ok(line);
            }
            last.clone_from(&line);
            line.clear();
        }
        Err(PeerError::Unreadable(last))
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        // It ends at `quit`; where it does not listen any more it is ended.
        if self.say("quit").is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The rate in `  Tx-pps:     20737958          Tx-bps:   9954219888`.
fn sent_pps(line: &str) -> Option<f64> {
    line.split("Tx-pps:").nth(1)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_rate_is_that_of_frames_sent() {
        assert_eq!(sent_pps("  Tx-pps:     20737958          Tx-bps:   9954219888\n"), Some(20_737_958.0));
        assert_eq!(sent_pps("  Rx-pps:     20737958"), None);
    }
}
