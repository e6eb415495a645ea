//! TLS 1.3 handshakes a second on one crypto thread, beside `openssl speed`'s signatures with the same kind of key.
//!
//! What is timed are the crypto thread's turns (`Crypto::turn`): from its queue to the workers' through `Pair::step`,
//! three trips a handshake in `flexible`. Worker and peers are not. Both sides count CPU time (`openssl speed` does by
//! default), and take turns, so that a busy machine slows both.

use super::super::report::{Peer, Row, median};
use super::edge::{Edge, Key, Mode};
use super::lines::Lines;
use crate::base::Span;
use std::process::Command;

/// Times that each side is measured.
const ROUNDS: usize = 5;
/// CPU time of one measure: `openssl speed` takes whole seconds.
const SPAN: Span = Span::from_millis(500);
/// Handshakes under way at once.
const BATCH: usize = 64;

/// Why there is no peer to measure against.
#[derive(Debug)]
pub enum PeerError {
    /// It cannot be started.
    NotThere(std::io::Error),
    /// It printed something else than expected.
    Unreadable,
}

impl std::fmt::Display for PeerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotThere(error) => {
                write!(f, "openssl cannot be started ({error}): apt-get install openssl")
            }
            Self::Unreadable => f.write_str("`openssl speed` printed no signatures a second"),
        }
    }
}

/// The design's bound on the ratio in `flexible`.
const fn least(key: Key) -> f64 {
    match key {
        Key::Rsa2048 => 0.6,
        Key::P256 => 0.15,
    }
}

/// Rows of both keys, `flexible` and `full`.
///
/// # Errors
/// See `PeerError`.
pub fn rows() -> Result<Vec<Row>, PeerError> {
    let mut rows = Vec::new();
    for key in Key::ALL {
        let mut worlds = [Mode::Flexible, Mode::Full].map(|mode| World::new(key, mode));
        let (mut peers, mut rates) = (Vec::new(), [Vec::new(), Vec::new()]);
        for _ in 0..ROUNDS {
            peers.push(signatures(key)?);
            for (world, rates) in worlds.iter_mut().zip(&mut rates) {
                rates.push(world.rate());
            }
        }
        for (world, rates) in worlds.iter().zip(rates) {
            let ratio = median(rates.iter().zip(&peers).map(|(rate, peer)| rate / peer).collect());
            let name = format!("handshakes_{}_{}", world.mode.name(), key.names().0);
            let peer = Peer { peer: "openssl speed, signatures", peer_value: median(peers.clone()), ratio };
            let least = (world.mode == Mode::Flexible).then(|| least(key));
            rows.push(Row::beside(name, median(rates), "a second", peer, least));
        }
    }
    Ok(rows)
}

/// Handshakes that one crypto thread makes in a second, measured once.
pub fn rate(key: Key) -> f64 {
    World::new(key, Mode::Flexible).rate()
}

/// Whoever makes handshakes.
struct World {
    lines: Lines,
    mode: Mode,
}

impl World {
    fn new(key: Key, mode: Mode) -> Self {
        let mut lines = Lines::new(Edge::new(BATCH, 4_096, key), false);
        lines.open(BATCH, mode);
        lines.reset();
        Self { lines, mode }
    }

    /// Handshakes in a second of the crypto thread.
    fn rate(&mut self) -> f64 {
        self.lines.crypto = Span::ZERO;
        let mut made = 0;
        while self.lines.crypto < SPAN {
            self.lines.open(BATCH, self.mode);
            self.lines.reset();
            made += BATCH;
        }
        made as f64 / (self.lines.crypto.nanos() as f64 / 1e9)
    }
}

/// Signatures in a second by `openssl speed`: the last but one column of its last line.
fn signatures(key: Key) -> Result<f64, PeerError> {
    let out = Command::new("openssl").args(["speed", "-seconds", "1", key.names().1]).output();
    let out = out.map_err(PeerError::NotThere)?;
    signed(&String::from_utf8_lossy(&out.stdout)).ok_or(PeerError::Unreadable)
}

fn signed(printed: &str) -> Option<f64> {
    printed.lines().last()?.split_whitespace().rev().nth(1)?.parse().ok().filter(|rate| *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_rate_is_the_column_of_signatures() {
        let table = "                  sign    verify    sign/s verify/s\nrsa 2048 bits 0.000672s 0.000020s   1488.2  50937.5\n";
        assert_eq!(signed(table), Some(1_488.2));
        assert_eq!(signed(""), None);
        assert_eq!(signed("nothing here"), None);
    }
}
