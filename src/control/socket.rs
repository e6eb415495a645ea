//! The local control socket: a JSON line in, a JSON line out, over a unix stream of mode 0660. Bounded in clients,
//! in bytes a line and in waiting.

use super::ask::{Ask, refusal};
use super::desk::{Desk, Inquiry};
use super::local_socket;
use crate::base::outside::plain_json;
use serde_json::Value;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Clients at once; more wait.
const CLIENTS_MAX: usize = 16;
/// Bytes of a request line.
const LINE_BYTES_MAX: u64 = 16 << 10;
/// How long a client may be silent, and an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bound control socket; its file goes away with it.
pub struct ControlSocket {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds `path` with mode 0660 from its first moment on. A file that a dead byway left behind is replaced; a live one is an error.
    ///
    /// # Errors
    /// The system's, or `AddrInUse` where a process answers on it.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let stale = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if stale {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another byway answers on it"));
            }
            std::fs::remove_file(path)?;
        }
        Ok(Self { listener: local_socket::open(path)?, path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers clients until the process ends. Inside a runtime.
    ///
    /// # Errors
    /// When the runtime does not take the socket.
    pub async fn serve(self, desk: Desk) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let room = Arc::new(Semaphore::new(CLIENTS_MAX));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return Ok(()) };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors: they come back when clients leave.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let desk = desk.clone();
            tokio::spawn(async move {
                // A client that goes away in the middle is its own business.
                let _ = client(stream, &desk).await;
                drop(permit);
            });
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // It may be gone, or the folder not ours any more: the next start replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn client(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut read).take(LINE_BYTES_MAX);
        let Ok(found) = timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await else { return Ok(()) };
        if found? == 0 {
            return Ok(());
        }
        let whole = line.last() == Some(&b'\n');
        let reply = if whole || line.len() < LINE_BYTES_MAX as usize {
            answer(&line, desk).await
        } else {
            refusal(format!("a request line is at most {LINE_BYTES_MAX} bytes"))
        };
        let mut text = plain_json(reply.to_string());
        text.push('\n');
        match timeout(PATIENCE, write.write_all(text.as_bytes())).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
        if !whole {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], desk: &Desk) -> Value {
    let Ok(text) = std::str::from_utf8(line) else { return refusal("a request is UTF-8") };
    let ask = match Ask::parse(text) {
        Ok(ask) => ask,
        Err(why) => return refusal(why),
    };
    let (reply, answered) = oneshot::channel();
    match timeout(PATIENCE, desk.put(Inquiry::Ask(ask, reply))).await {
        Ok(true) => {}
        Ok(false) | Err(_) => return refusal("byway is ending"),
    }
    match timeout(PATIENCE, answered).await {
        Ok(Ok(value)) => value,
        Ok(Err(_)) => refusal("byway is ending"),
        Err(_) => refusal("the control thread did not answer in time"),
    }
}
