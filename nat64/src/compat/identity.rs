//! Who the daemon is: the user and the group that it becomes, and the directory that it locks itself into.
//!
//! The start takes rights that a plain user does not have, and makes files that should be the user's. So the process
//! becomes the user at once and keeps a way back, the saved user id of root, and with it its permitted capabilities.
//! When the daemon has started, it gives that up as well: from here on no thread of it has any capability.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{
    Gid, Group, Uid, User, chdir, chroot, fchown, initgroups, setgroups, setresgid, setresuid,
};
use std::ffi::CString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Makes `directory` if need be and gives it to `uid`. Whoever else may write beside it could put a link in its place,
/// and what is another user's is not given away.
fn lend(directory: &Path, uid: Uid) -> io::Result<()> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err(Errno::EINVAL.into());
    };
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    let parent = File::from(open(parent, flags, Mode::empty())?);
    let found = parent.metadata()?;
    if !is_trusted(found.uid(), Uid::effective()) || found.mode() & 0o022 != 0 {
        return Err(Errno::EPERM.into());
    }
    match mkdirat(&parent, name, Mode::S_IRWXU) {
        Err(errno) if errno != Errno::EEXIST => return Err(errno.into()),
        Ok(()) | Err(_) => {}
    }
    let made = File::from(openat(&parent, name, flags, Mode::empty())?);
    if !is_trusted(made.metadata()?.uid(), uid) {
        return Err(Errno::EPERM.into());
    }
    Ok(fchown(&made, Some(uid), None)?)
}

fn is_trusted(owner: u32, besides: Uid) -> bool {
    [Uid::from_raw(0), besides].contains(&Uid::from_raw(owner))
}

/// The user and the group, where they are given.
pub(super) struct Identity {
    user: Option<User>,
    group: Option<Group>,
}

impl Identity {
    /// Looks names up.
    pub(super) fn find(user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let user = user.map(|name| {
            let found = User::from_name(name).ok().flatten();
            found.ok_or_else(|| format!("Error: user {name} does not exist"))
        });
        let group = group.map(|name| {
            let found = Group::from_name(name).ok().flatten();
            found.ok_or_else(|| format!("Error: group {name} does not exist"))
        });
        Ok(Self { user: user.transpose()?, group: group.transpose()? })
    }

    /// Whether a user is given.
    pub(super) const fn is_some_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether a user is given that is not root.
    pub(super) fn is_unprivileged(&self) -> bool {
        self.user.as_ref().is_some_and(|user| !user.uid.is_root())
    }

    /// Gives the user a directory for the admin socket, which only root can make. Without it there is no socket, and
    /// the log says so.
    pub(super) fn lend_admin(&self, directory: &Path) {
        let uid = self.user.as_ref().map_or_else(Uid::effective, |user| user.uid);
        let _ = lend(directory, uid);
    }

    /// Becomes the group, and the user with a way back.
    pub(super) fn take_on(&self) -> Result<(), String> {
        if let Some(gid) = self.gid() {
            self.take_on_groups(gid)
                .map_err(|errno| format!("Error: cannot set the group: {}", errno.desc()))?;
        }
        if let Some(user) = &self.user {
            setresuid(user.uid, user.uid, Uid::from_raw(0))
                .map_err(|errno| format!("Error: cannot set the user: {}", errno.desc()))?;
        }
        Ok(())
    }

    /// Locks the process into its working directory if asked to, and gives up the way back.
    pub(super) fn settle(&self, locked_in: bool) -> io::Result<()> {
        if locked_in {
            chroot(".")?;
            chdir("/")?;
        }
        if let Some(user) = &self.user {
            // The C library does this in every thread.
            setresuid(user.uid, user.uid, user.uid)?;
        }
        Ok(())
    }

    fn gid(&self) -> Option<Gid> {
        let own = self.user.as_ref().map(|user| user.gid);
        self.group.as_ref().map(|group| group.gid).or(own)
    }

    fn take_on_groups(&self, gid: Gid) -> Result<(), Errno> {
        match &self.user {
            Some(user) => {
                initgroups(&CString::new(user.name.as_str()).map_err(|_| Errno::EINVAL)?, gid)?;
            }
            None => setgroups(&[gid])?,
        }
        setresgid(gid, gid, gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn directory_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let lent = dir.path().join("run/tun0");
        for _ in 0..2 {
            lend(&lent, Uid::effective()).unwrap();
            let found = fs::symlink_metadata(&lent).unwrap();
            assert_eq!((found.mode() & 0o7777, found.uid()), (0o700, Uid::effective().as_raw()));
        }
    }

    #[test]
    fn link_in_the_place_of_the_directory_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::create_dir(&victim).unwrap();
        symlink(&victim, dir.path().join("tun0")).unwrap();
        lend(&dir.path().join("tun0"), Uid::effective()).unwrap_err();
        symlink(dir.path(), dir.path().join("elsewhere")).unwrap();
        lend(&dir.path().join("elsewhere/tun1"), Uid::effective()).unwrap_err();
        assert!(!dir.path().join("tun1").exists());
    }

    #[test]
    fn directory_that_others_may_write_beside_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        lend(&dir.path().join("tun0"), Uid::effective()).unwrap_err();
        assert!(!dir.path().join("tun0").exists());
    }
}
