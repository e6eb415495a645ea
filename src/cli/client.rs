//! The other end of the local control socket.

use crate::control::ask::Ask;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a running byway may take to answer.
const PATIENCE: Duration = Duration::from_secs(65);

/// A connection to a running byway.
pub struct Client {
    write: UnixStream,
    read: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// One line that says what to do.
    pub fn connect(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let write = UnixStream::connect(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                format!("no byway answers on {name}; is it running, and is `socket` this path?")
            }
            ErrorKind::PermissionDenied => {
                format!("{name}: permission denied; become root or join its group")
            }
            _ => format!("{name}: {error}"),
        })?;
        let prepared = write.set_read_timeout(Some(PATIENCE)).and_then(|()| write.try_clone());
        let read = BufReader::new(prepared.map_err(|error| format!("{name}: {error}"))?);
        Ok(Self { write, read })
    }

    /// Asks one thing; the reply's `error`, where it has one, is the error.
    ///
    /// # Errors
    /// What went wrong, in one line.
    pub fn ask(&mut self, ask: &Ask) -> Result<Value, String> {
        let mut line = ask.to_line();
        line.push('\n');
        let mut reply = String::new();
        let sent = self.write.write_all(line.as_bytes());
        sent.and_then(|()| self.read.read_line(&mut reply))
            .map_err(|error| format!("the socket: {error}"))?;
        let value: Value =
            serde_json::from_str(&reply).map_err(|_| "byway ended before it answered".to_owned())?;
        match value["error"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(value),
        }
    }
}
