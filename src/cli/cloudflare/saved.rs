//! Lists from saved replies: the one to `GET /PATH` lies in `DIR/PATH.json`, pages of a list one behind the other, and a file
//! in `DIR/PATH.pdf`.

use super::walk::{Missing, Source, one_of, pdf, result_of};
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 240 << 20;

/// A folder of replies.
pub struct Saved(pub PathBuf);

impl Saved {
    fn open(&self, path: &str, file: &Path) -> Result<File, Missing> {
        match File::open(file) {
            Ok(opened) => Ok(opened),
            // Without these two there is nothing to go by.
            Err(error) if error.kind() == ErrorKind::NotFound && !matches!(path, "accounts" | "zones") => {
                Err(Missing::Absent)
            }
            Err(error) => Err(broken(file, error)),
        }
    }

    /// Every reply of a file, by what `result` makes of it.
    fn replies<T>(
        &self,
        path: &str,
        mut result: impl FnMut(&Value) -> Result<T, String>,
    ) -> Result<Vec<T>, Missing> {
        let file = self.0.join(format!("{path}.json"));
        let opened = self.open(path, &file)?;
        let length = opened.metadata().map_err(|error| broken(&file, error))?.len();
        if length > FILE_BYTES_MAX {
            return Err(broken(&file, format_args!("is longer than {FILE_BYTES_MAX} bytes")));
        }
        let mut replies = Vec::new();
        for envelope in serde_json::Deserializer::from_reader(BufReader::new(opened)).into_iter::<Value>() {
            let envelope = envelope.map_err(|error| broken(&file, format_args!("is not JSON: {error}")))?;
            replies.push(result(&envelope).map_err(|why| broken(&file, why))?);
        }
        Ok(replies)
    }
}

impl Source for Saved {
    fn rows(&mut self, path: &str, _: bool) -> Result<Vec<Value>, Missing> {
        Ok(self.replies(path, |envelope| result_of(envelope).cloned())?.concat())
    }

    fn one(&mut self, path: &str) -> Result<Value, Missing> {
        let one = self.replies(path, |envelope| one_of(envelope).cloned())?.pop();
        one.ok_or_else(|| Missing::Broken("its file holds no reply".into()))
    }

    fn file(&mut self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Missing> {
        let file = self.0.join(format!("{path}.pdf"));
        let (opened, mut bytes) = (self.open(path, &file)?, Vec::new());
        let read = opened.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| broken(&file, error))?;
        pdf(bytes, bytes_max)
    }
}

fn broken(file: &Path, why: impl std::fmt::Display) -> Missing {
    Missing::Broken(format!("{}: {why}", file.display()))
}
