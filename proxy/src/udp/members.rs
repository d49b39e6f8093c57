//! The sockets of all flows, as one that is readable when any of them is: an epoll instance inside the runtime's own, so
//! that a flow costs neither a task nor a registration there. A socket that is closed leaves it by itself.

use super::flows::FlowId;
use super::inbox::BATCH;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The sockets of all flows of one socket of clients.
pub(super) struct Members(AsyncFd<Instance>);

struct Instance(Epoll);

impl AsRawFd for Instance {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl Members {
    pub(super) fn new() -> io::Result<Self> {
        let instance = Instance(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        #[expect(unsafe_code, reason = "the runtime takes descriptors on trust")]
        // SAFETY: the descriptor is the epoll instance's own, which stays open for as long as it is there.
        let registered = unsafe { AsyncFd::register_with_interest(instance, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Looks after the socket of a flow from here on.
    pub(super) fn add(&self, socket: BorrowedFd<'_>, id: FlowId) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, id.number());
        Ok(self.0.get_ref().0.add(socket, event)?)
    }

    /// Returns when some flow has something.
    pub(super) async fn readable(&self) {
        // Readiness never fails on what is registered with the runtime that runs this.
        let _ = self.0.readable().await;
    }

    /// Puts flows that have something into `flows`, and returns how many, or that none has.
    pub(super) fn ready(&self, flows: &mut [FlowId; BATCH]) -> io::Result<usize> {
        let mut events = [EpollEvent::empty(); BATCH];
        let count = self.0.try_io(Interest::READABLE, |instance| {
            match instance.0.wait(&mut events, EpollTimeout::ZERO)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                count => Ok(count),
            }
        })?;
        for (flow, event) in flows.iter_mut().zip(&events[..count]) {
            *flow = FlowId::from_number(event.data());
        }
        Ok(count)
    }
}
