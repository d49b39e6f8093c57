//! Many sockets as one that is readable when any of them is: an epoll instance inside the runtime's own, so that none of
//! them costs a registration there. A socket that is closed leaves it by itself.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The sockets.
pub(crate) struct Nested(AsyncFd<Instance>);

struct Instance(Epoll);

impl AsRawFd for Instance {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl Nested {
    /// With the runtime that is entered.
    pub(crate) fn new() -> io::Result<Self> {
        let instance = Instance(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        #[expect(unsafe_code, reason = "the runtime takes descriptors on trust")]
        // SAFETY: the descriptor is the epoll instance's own, which stays open for as long as it is there.
        let registered = unsafe { AsyncFd::register_with_interest(instance, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Looks after a socket from here on, whatever `flags` ask for, and tells of it by this number.
    pub(crate) fn add(&self, socket: BorrowedFd<'_>, flags: EpollFlags, number: u64) -> io::Result<()> {
        Ok(self.0.get_ref().0.add(socket, EpollEvent::new(flags, number))?)
    }

    /// Looks after a socket no longer.
    pub(crate) fn remove(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.0.get_ref().0.delete(socket)?)
    }

    /// Returns when some socket has something.
    pub(crate) async fn readable(&self) {
        // Readiness never fails on what is registered with the runtime that runs this.
        let _ = self.0.readable().await;
    }

    /// Tells the numbers of up to `MOST` sockets that have something, and returns how many, or that none has.
    pub(crate) fn ready<const MOST: usize>(&self, mut tell: impl FnMut(usize, u64)) -> io::Result<usize> {
        let mut events = [EpollEvent::empty(); MOST];
        let count = self.0.try_io(Interest::READABLE, |instance| {
            match instance.0.wait(&mut events, EpollTimeout::ZERO)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                count => Ok(count),
            }
        })?;
        for (place, event) in events[..count].iter().enumerate() {
            tell(place, event.data());
        }
        Ok(count)
    }
}
