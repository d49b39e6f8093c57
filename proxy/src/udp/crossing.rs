//! What passes through one socket of one worker: datagrams of clients to the members of their flows, and back.
//!
//! ```text
//!  clients --> socket --> inbox --> flow of each --> its own socket --> member
//!  clients <-- socket <------------ inbox <-------- sockets of all flows that have something
//! ```
//!
//! Whatever is read leaves before anything else is read. Datagrams that cannot leave are lost and counted by reason:
//! whoever speaks over UDP reckons with that, and keeping them would only make them late.

mod placement;

use super::flow::Flow;
use super::flows::{FlowId, Flows};
use super::inbox::{self, BATCH, Inbox};
use super::loss::{is_full, is_refusal};
use super::members::Members;
use super::outbox::{Letter, send};
use super::path::Path;
use crate::counts::Loss;
use crate::listener::Site;
use crate::shortage::Seldom;
use crate::snapshot::Route;
use crate::worker::{FlowPlace, Local};
use nix::errno::Errno;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A flow and its place among those that the worker may have.
type Seated = (Flow, FlowPlace);

/// One socket, and the flows of the clients that send to it.
pub(super) struct Crossing {
    local: Rc<Local>,
    site: Arc<Site>,
    /// What the socket is bound to.
    bound: SocketAddr,
    /// The route in force when something last came.
    route: Arc<Route>,
    socket: UdpSocket,
    pub(super) flows: Flows<Path, Seated>,
    /// How many of them are beyond the socket's share.
    beyond: Rc<Cell<usize>>,
    members: Members,
    /// What the log says of members that cannot be reached.
    refusals: Cell<Seldom>,
}

impl Crossing {
    pub(super) fn new(
        local: Rc<Local>,
        site: Arc<Site>,
        route: Arc<Route>,
        socket: UdpSocket,
    ) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let (flows, members) = (Flows::new(), Members::new()?);
        let beyond = Rc::default();
        Ok(Self { local, site, bound, route, socket, flows, beyond, members, refusals: Cell::default() })
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(super) fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Returns when something has come, from whichever side.
    pub(super) async fn ready(&self) {
        tokio::select! {
            // Readiness never fails on what is registered with the runtime that runs this.
            _ = self.socket.readable() => {}
            () = self.members.readable() => {}
        }
    }

    /// Returns when a member has sent something.
    pub(super) async fn answers(&self) {
        // As above.
        self.members.readable().await;
    }

    /// Goes on by the configuration in force.
    pub(super) fn follow(&mut self) {
        if let Some(route) = self.local.shared().snapshot.load().route(&self.site)
            && !Arc::ptr_eq(route, &self.route)
        {
            self.route = Arc::clone(route);
        }
    }

    /// Ends all flows at once.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.flows = Flows::new();
        self.members = Members::new()?;
        Ok(())
    }

    /// Ends the flows that have been silent for long.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.flows.expire(self.route.timeout.udp, now).is_some() {}
    }

    /// Passes on a batch of what clients have sent; true where more may wait.
    pub(super) fn upward(&mut self, inbox: &mut Inbox) -> io::Result<bool> {
        let socket = self.socket.as_fd();
        inbox.clear();
        let read = self.socket.try_io(Interest::READABLE, || {
            // Fewer than there was room for: the socket is empty, which need not be asked again.
            if inbox.read(socket, BATCH)? < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        self.deliver(inbox);
        more(read)
    }

    /// Passes on what waits in the socket, whatever the runtime knows of it; true where more may wait.
    pub(super) fn upward_last(&mut self, inbox: &mut Inbox) -> io::Result<bool> {
        inbox.clear();
        let read = inbox.read(self.socket.as_fd(), BATCH);
        self.deliver(inbox);
        more(read).map(|_| inbox.len() == BATCH)
    }

    fn deliver(&mut self, inbox: &Inbox) {
        if inbox.len() == 0 {
            return;
        }
        let now = Instant::now();
        let mut found = Vec::with_capacity(inbox.len());
        for index in 0..inbox.len() {
            let path = inbox.path(index);
            let (count, bytes) = totals(inbox.datagrams(index));
            self.route.counts.received(self.local.index(), bytes);
            self.route.counts.datagrams_received(self.local.index(), count);
            match self.flows.find(path).map_or_else(|| self.open(path, now), Ok) {
                Ok(id) => found.push((id, index)),
                Err(loss) => self.lost(loss, count),
            }
        }
        // Those of one flow together, in the order they came in.
        found.sort_by_key(|(id, _)| *id);
        for group in found.chunk_by(|(one, _), (other, _)| one == other) {
            let letters = group.iter().flat_map(|(_, index)| inbox.datagrams(*index));
            self.send_up(group[0].0, &letters.collect::<Vec<_>>(), now);
        }
    }

    /// Passes on what was received of one flow's client.
    fn send_up(&mut self, id: FlowId, bodies: &[&[u8]], now: Instant) {
        self.flows.client_spoke(id, now);
        if let Err(loss) = self.hold(id, now) {
            return self.lost(loss, bodies.len() as u64);
        }
        if let Some((_, (flow, _))) = self.flows.get(id)
            && let Some(line) = flow.line()
        {
            line.received(totals(bodies.iter().copied()).1);
        }
        let (mut at, mut errors_at) = (0, None);
        while at < bodies.len() {
            // It may have made room for another one since it was found.
            let Some((_, (flow, _))) = self.flows.get(id) else {
                return self.lost(Loss::FlowsFull, (bodies.len() - at) as u64);
            };
            let head = flow.header();
            let letters = bodies[at..].iter().map(|body| Letter { to: None, head, body });
            let sent = send(flow.socket(), &letters.collect::<Vec<_>>());
            at += sent.count;
            let Some(errno) = sent.cause else { break };
            // News of earlier datagrams comes in place of sending: then it is tried again.
            let again = errors_at != Some(at);
            errors_at = Some(at);
            if is_refusal(errno) {
                self.refused(id, errno, now);
            }
            if !again || is_full(errno) {
                self.lost(Loss::of(errno), 1);
                at += 1;
            }
        }
    }

    /// Passes on a batch of what members have sent; true where more may wait.
    pub(super) fn downward(&mut self, inbox: &mut Inbox) -> io::Result<bool> {
        let mut ready = [FlowId::from_number(0); BATCH];
        let count = match self.members.ready(&mut ready) {
            Ok(count) => count,
            Err(error) => return more(Err::<(), _>(error)),
        };
        let now = Instant::now();
        inbox.clear();
        let mut whose = Vec::with_capacity(BATCH);
        for id in &ready[..count] {
            self.take_in(*id, inbox, &mut whose, now);
            if inbox.room() == 0 {
                // What waits beyond that is told of again.
                break;
            }
        }
        self.send_down(inbox, &whose);
        Ok(true)
    }

    /// Reads what waits in the socket of a flow.
    fn take_in(&mut self, id: FlowId, inbox: &mut Inbox, whose: &mut Vec<FlowId>, now: Instant) {
        let Some((flow, _)) = self.flows.get_mut(id) else { return };
        let (before, mut most, mut refusal) = (whose.len(), inbox::FEW, None);
        loop {
            match inbox.read(flow.socket(), most) {
                Ok(0) => break,
                Ok(read) => {
                    flow.moves = 0;
                    whose.resize(whose.len() + read, id);
                    if read < most {
                        break;
                    }
                    most = BATCH;
                }
                Err(error) => {
                    let errno = error.raw_os_error().map(Errno::from_raw);
                    refusal = errno.filter(|errno| is_refusal(*errno));
                    break;
                }
            }
        }
        if whose.len() > before {
            self.flows.member_spoke(id, now);
        }
        if let Some(errno) = refusal {
            self.refused(id, errno, now);
        }
    }

    /// Sends what was read of members to the clients of their flows.
    fn send_down(&self, inbox: &Inbox, whose: &[FlowId]) {
        let mut letters = Vec::with_capacity(whose.len());
        for (index, id) in whose.iter().enumerate() {
            let Some((path, (flow, _))) = self.flows.get(*id) else { continue };
            if let Some(line) = flow.line() {
                line.sent(totals(inbox.datagrams(index)).1);
            }
            letters.extend(inbox.datagrams(index).map(|body| Letter { to: Some(path), head: &[], body }));
        }
        let (mut at, mut bytes, mut count) = (0, 0, 0);
        while at < letters.len() {
            let sent = send(self.socket.as_fd(), &letters[at..]);
            let (left, size) = totals(letters[at..at + sent.count].iter().map(|letter| letter.body));
            (bytes, count) = (bytes + size, count + left);
            at += sent.count;
            if let Some(errno) = sent.cause {
                self.lost(Loss::of(errno), 1);
                at += 1;
            }
        }
        self.route.counts.sent(self.local.index(), bytes);
        self.route.counts.datagrams_sent(self.local.index(), count);
    }

    fn lost(&self, loss: Loss, count: u64) {
        self.route.counts.lost(self.local.index(), loss, count);
    }
}

/// Whether more may wait, by what reading gave.
fn more<T>(read: io::Result<T>) -> io::Result<bool> {
    match read {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many datagrams, and their octets.
fn totals<'a>(datagrams: impl Iterator<Item = &'a [u8]>) -> (u64, u64) {
    datagrams.fold((0, 0), |(count, bytes), datagram| (count + 1, bytes + datagram.len() as u64))
}

#[cfg(test)]
mod tests;
