//! The admin socket's file, and who may use it: root, byway's own user, and byway's group.
//!
//! The kernel lets a process connect that may write to the file, and judges that by all groups of the process. Of a
//! connection it tells the user and the one group in effect; the others (`SO_PEERGROUPS`) no safe call of the libraries
//! here reads. So the file's own mode is what says that a peer is of the group, as long as it shuts everybody else out: where
//! it does not any more (somebody opened it wide, or gave it to another group), the peer's user or group in effect must be
//! right.

use crate::control::local_socket;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The admin socket: whoever may write to it rules the box.
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Who may use it.
#[derive(Clone, Debug)]
pub struct Fence {
    path: PathBuf,
    user: u32,
    group: u32,
}

impl AdminSocket {
    /// Binds `path`, mode 0660 from its first moment on, in place of a socket that a former byway left there.
    ///
    /// # Errors
    /// The system's; `AddrInUse` where another process answers there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.file_type().is_socket() => {
                if UnixStream::connect(path).is_ok() {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                std::fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "is there and no socket")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { listener: local_socket::open(path)?, path: path.to_owned() })
    }

    /// Its listener, once more.
    ///
    /// # Errors
    /// The system's.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// Who may use it, seen from the user that this process is by now.
    pub fn fence(&self) -> Fence {
        let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        Fence { path: self.path.clone(), user, group }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // It may be gone: the next start replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Fence {
    /// Whether a peer of this user and group in effect may rule the box.
    pub fn admits(&self, user: u32, group: u32) -> bool {
        user == 0 || user == self.user || group == self.group || self.shuts_others_out()
    }

    /// Whether nobody connects but root, the owner, and members of byway's group.
    fn shuts_others_out(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|meta| {
            let owner = [0, self.user].contains(&meta.uid());
            meta.file_type().is_socket() && meta.mode() & 0o007 == 0 && meta.gid() == self.group && owner
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn socket(name: &str) -> (AdminSocket, PathBuf) {
        let path = std::env::temp_dir().join(format!("byway-admin-{}-{name}", std::process::id()));
        (AdminSocket::bind(&path).expect("bound"), path)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("there").mode() & 0o777
    }

    #[test]
    fn the_admin_socket_is_its_owners_and_its_groups_and_goes_with_byway() {
        let (socket, path) = socket("mode");
        assert_eq!(mode(&path), 0o660);
        let again = AdminSocket::bind(&path).err().expect("somebody answers there");
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        drop(socket);
        assert!(!path.exists());
        std::fs::write(&path, "mine").expect("written");
        assert_eq!(AdminSocket::bind(&path).err().expect("refused").kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_file(&path).expect("gone");
    }

    #[test]
    fn root_byways_user_and_its_group_may_rule_the_box_and_nobody_else() {
        let (socket, path) = socket("fence");
        let fence = socket.fence();
        let (stranger, foreign) = (fence.user + 70_001, fence.group + 70_001);
        let open = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("set");
        let all = || {
            [(0, foreign), (fence.user, foreign), (stranger, fence.group), (stranger, foreign)]
                .map(|(user, group)| fence.admits(user, group))
        };
        assert_eq!(all(), [true; 4], "the mode shuts others out: the last is a member by another group");
        open(0o666);
        assert_eq!(all(), [true, true, true, false], "anybody may have connected");
        open(0o661);
        assert!(!all()[3]);
        open(0o660);
        let elsewhere = Fence { group: foreign, ..fence.clone() };
        assert!(!elsewhere.admits(stranger, fence.group), "the file is another group's");
        std::fs::remove_file(&path).expect("gone");
        assert_eq!(all(), [true, true, true, false], "there is no file to say so");
    }
}
