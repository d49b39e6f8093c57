//! The sockets of all flows, as one that is readable when any of them is: a flow costs neither a task nor a registration
//! with the runtime.

use super::flows::FlowId;
use super::inbox::BATCH;
use crate::nested::Nested;
use nix::sys::epoll::EpollFlags;
use std::io;
use std::os::fd::BorrowedFd;

/// The sockets of all flows of one socket of clients.
pub(super) struct Members(Nested);

impl Members {
    pub(super) fn new() -> io::Result<Self> {
        Nested::new().map(Self)
    }

    /// Looks after the socket of a flow from here on.
    pub(super) fn add(&self, socket: BorrowedFd<'_>, id: FlowId) -> io::Result<()> {
        self.0.add(socket, EpollFlags::EPOLLIN, id.number())
    }

    /// Returns when some flow has something.
    pub(super) async fn readable(&self) {
        self.0.readable().await;
    }

    /// Puts flows that have something into `flows`, and returns how many, or that none has.
    pub(super) fn ready(&self, flows: &mut [FlowId; BATCH]) -> io::Result<usize> {
        self.0.ready::<BATCH>(|place, number| flows[place] = FlowId::from_number(number))
    }
}
