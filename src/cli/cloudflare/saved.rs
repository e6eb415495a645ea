//! Lists from saved replies: the one to `GET /PATH` lies in `DIR/PATH.json`, pages of a list one behind the other.

use super::walk::{Missing, Source, result_of};
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 240 << 20;

/// A folder of replies.
pub struct Saved(pub PathBuf);

impl Source for Saved {
    fn rows(&mut self, path: &str, _: bool) -> Result<Vec<Value>, Missing> {
        let file = self.0.join(format!("{path}.json"));
        let broken = |why: String| Missing::Broken(format!("{}: {why}", file.display()));
        let opened = match File::open(&file) {
            Ok(opened) => opened,
            // Without these two there is nothing to go by.
            Err(error) if error.kind() == ErrorKind::NotFound && !matches!(path, "accounts" | "zones") => {
                return Err(Missing::Absent);
            }
            Err(error) => return Err(broken(error.to_string())),
        };
        let length = opened.metadata().map_err(|error| broken(error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(broken(format!("is longer than {FILE_BYTES_MAX} bytes")));
        }
        let mut rows = Vec::new();
        for envelope in serde_json::Deserializer::from_reader(BufReader::new(opened)).into_iter::<Value>() {
            let envelope = envelope.map_err(|error| broken(format!("is not JSON: {error}")))?;
            rows.extend(result_of(&envelope).map_err(broken)?.iter().cloned());
        }
        Ok(rows)
    }
}
