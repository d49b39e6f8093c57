//! Who the daemon is: the user and the group that it becomes, and the directory that it locks itself into.
//!
//! The start takes rights that a plain user does not have, and makes files that should be the user's. So the process
//! becomes the user at once and keeps a way back, the saved user id of root, and with it its permitted capabilities. When
//! the daemon has started, it gives that up as well: from here on no thread of it has any capability.

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, chdir, chown, chroot, initgroups, setgroups, setresgid, setresuid};
use std::ffi::CString;
use std::io;
use std::path::Path;

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
        if let Some(user) = &self.user
            && std::fs::create_dir_all(directory).is_ok()
        {
            let _ = chown(directory, Some(user.uid), None);
        }
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
