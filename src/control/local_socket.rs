//! A local socket that is open to its owner and its group alone from its first moment on. The system makes its file with
//! whatever the umask leaves, and a umask is the whole process's, so that none is set here: the file gets its mode while
//! nobody listens yet, and whoever connects that early is refused by the kernel.
//!
//! ```text
//!  bind: the file is there   chmod 0660   listen: from now on one may connect
//!  |--- connect: refused ----------------|--- connect: as the mode says
//! ```

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use std::fs::{Permissions, remove_file, set_permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Its owner and its group may use it, and nobody else.
const MODE: u32 = 0o660;

/// A socket that has its name and its mode, and that nobody can connect to yet.
struct Shut(OwnedFd);

/// Binds `path`, mode 0660, and listens there; without blocking.
///
/// # Errors
/// The system's; `AddrInUse` where there is something.
pub fn open(path: &Path) -> io::Result<UnixListener> {
    Shut::bind(path)?.open()
}

impl Shut {
    fn bind(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let own = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        bind(own.as_raw_fd(), &UnixAddr::new(path)?)?;
        // A file that nobody listens on would only be in the way.
        set_permissions(path, Permissions::from_mode(MODE)).inspect_err(|_| drop(remove_file(path)))?;
        Ok(Self(own))
    }

    fn open(self) -> io::Result<UnixListener> {
        listen(&self.0, Backlog::MAXCONN)?;
        Ok(UnixListener::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn nobody_connects_to_a_socket_before_it_has_its_mode() {
        let path = std::env::temp_dir().join(format!("byway-local-{}", std::process::id()));
        let shut = Shut::bind(&path).expect("bound");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, MODE, "before anybody may connect");
        let early = UnixStream::connect(&path).expect_err("nobody listens");
        assert_eq!(early.kind(), io::ErrorKind::ConnectionRefused);
        let again = Shut::bind(&path).err().expect("there is one");
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        let listener = shut.open().expect("it listens");
        let _client = UnixStream::connect(&path).expect("connected");
        listener.accept().expect("heard");
        let none = listener.accept().expect_err("nobody else is there");
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        remove_file(&path).expect("gone");
    }
}
