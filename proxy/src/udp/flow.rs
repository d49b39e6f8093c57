//! One flow: the member that it was given, and a socket connected to it.
//!
//! Each flow has a socket of its own, since a member tells clients apart by the port that their datagrams come from, and
//! since the kernel then says whose datagrams a member refuses.

use super::line::FlowLine;
use super::path::Path;
use crate::identity;
use crate::pool::{Lease, MemberId};
use crate::proxy_protocol::{Ends, Origin, Transport};
use crate::record::State;
use crate::snapshot::Route;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

/// What is held of one flow.
#[derive(Debug)]
pub(super) struct Flow {
    socket: Socket,
    lease: Lease,
    /// What stands before each datagram to the member: PROXY headers are read one by one, as datagrams are.
    header: Vec<u8>,
    /// How often it went to another member since one has answered.
    pub(super) moves: u32,
    /// The line about it, behind the lease: what the line says of the member leaves the flow out.
    line: Option<Box<FlowLine>>,
}

impl Flow {
    /// A flow to the member that `lease` is of, for a client that came along `path` to the socket bound to `bound`.
    pub(super) fn open(
        lease: Lease,
        route: &Route,
        path: &Path,
        bound: SocketAddr,
    ) -> Result<Self, (Lease, io::Error)> {
        let socket = match connect(lease.member().address) {
            Ok(socket) => socket,
            Err(error) => return Err((lease, error)),
        };
        let header = identity::header(route.pool.config.proxy_protocol, None, || origin(path, bound));
        Ok(Self { socket, lease, header, moves: 0, line: None })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(super) fn member(&self) -> MemberId {
        self.lease.member().id
    }

    /// From here on the line about the flow is this one.
    pub(super) fn tell_by(&mut self, mut line: Option<Box<FlowLine>>) {
        if let Some(line) = &mut line {
            line.goes_to(self.lease.member(), || self.socket.local_addr().ok()?.as_socket());
        }
        self.line = line;
    }

    /// The line about it, for the flow that takes its place.
    pub(super) const fn take_line(&mut self) -> Option<Box<FlowLine>> {
        self.line.take()
    }

    pub(super) fn line(&self) -> Option<&FlowLine> {
        self.line.as_deref()
    }

    /// Ends otherwise than by silence.
    pub(super) fn end_by(mut self, state: State) {
        if let Some(line) = &mut self.line {
            line.ends_by(state);
        }
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }
}

fn connect(member: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(member), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Without it datagrams come one by one, which costs time and nothing else.
    let _ = setsockopt(&socket, sockopt::UdpGroSegment, &true);
    socket.connect(&member.into())?;
    Ok(socket)
}

fn origin(path: &Path, bound: SocketAddr) -> Origin<'static> {
    let Some(client) = path.client() else { return Origin::Unknown };
    let local = path.local().map_or(bound, |ip| SocketAddr::new(ip, bound.port()));
    Origin::Inet { transport: Transport::Datagram, ends: Ends::new(client, local) }
}
