//! Bytes both ways between a client and a member until both have said all.
//!
//! The end of one direction is passed on as such (half-close) and the other goes on. A broken or silent connection
//! breaks the other too, by a reset, so that nobody takes a part for the whole.
//!
//! A direction that waits for bytes holds no buffer: one of the worker's is borrowed for the moment between a read and
//! a write, and kept only while the receiver does not take what was read. So an idle connection costs two sockets.
//! [`silence`] says how long it may be idle.

mod buffers;
mod flow;
mod leg;
mod silence;

use crate::alarm::Alarm;
use crate::counts::Failure;
use crate::notes::{MaybeNotes, Passage};
use crate::origination;
use crate::pool::Lease;
use crate::record::Ending;
use crate::snapshot::Route;
use crate::worker::Local;
use bytes::Bytes;
use flow::{Broken, Flow, Moved};
use silence::{Deed, Silence, Standing};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

pub(crate) use buffers::Buffers;
pub(crate) use leg::{Leg, Part};

/// How a relayed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides have said all, and it was passed on.
    Whole,
    /// The client's connection broke.
    ClientGone,
    /// The member's connection broke.
    MemberGone,
    /// The client sent or took nothing for its timeout.
    ClientSilent,
    /// The member sent or took nothing for its timeout.
    MemberSilent,
    /// Nobody sent or took anything for the timeout of sessions in which both have spoken.
    Idle,
}

/// What was read of either side before there was a relay.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) of_client: Bytes,
    pub(crate) of_member: Bytes,
}

/// Relays until the end, counting bytes as they pass.
///
/// It owns all it needs, so that what holds it holds nothing twice: a connection that waits keeps this in memory.
pub(crate) struct Relay {
    local: Rc<Local>,
    route: Arc<Route>,
    client: Leg,
    member: Leg,
    /// From the client to the member.
    upward: Flow,
    /// From the member to the client.
    downward: Flow,
    silence: Silence,
    alarm: Alarm,
    notes: MaybeNotes,
}

impl Relay {
    pub(crate) fn new(
        local: Rc<Local>,
        route: Arc<Route>,
        client: impl Into<Leg>,
        member: impl Into<Leg>,
        notes: MaybeNotes,
    ) -> Self {
        let alarm = local.alarms.alarm();
        Self {
            local,
            route,
            client: client.into(),
            member: member.into(),
            upward: Flow::default(),
            downward: Flow::default(),
            silence: Silence::new(Instant::now().into_std()),
            alarm,
            notes,
        }
    }

    /// Goes on where both ends have spoken already: it passes on what was read of them, and they may rest as long as a
    /// session in which both have spoken.
    pub(crate) fn resume(mut self, ahead: Ahead) -> Self {
        self.upward = Flow::holding(ahead.of_client);
        self.downward = Flow::holding(ahead.of_member);
        self.silence.both_have_spoken();
        self
    }

    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    /// Tells how the connection of this client ended, where it is told, once. Its place at the member is still taken.
    pub(crate) fn tell(&mut self, client: Option<SocketAddr>, lease: &Lease, ending: Ending) {
        if let Some(notes) = self.notes.take() {
            let passage = Passage { local: &self.local, route: &self.route, client };
            notes.ended(&passage, Some(lease), ending.state());
        }
    }

    /// Counts what became of the connection.
    pub(crate) fn failed(&self, failure: Failure) {
        self.route.counts.failed(self.local.index(), failure);
    }

    /// Has the member see that this is not all.
    pub(crate) fn leave_member(&mut self) {
        self.member.abort();
    }

    /// Moves what can be moved.
    fn carry(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let (mut up, mut down) = (Moved::default(), Moved::default());
        let buffers = &self.local.buffers;
        let (client, member) = (&mut self.client, &mut self.member);
        let is_last = self.downward.has_told_end();
        let upward = self.upward.poll(cx, buffers, (client, member), is_last, &mut up);
        let is_last = self.upward.has_told_end();
        let downward = self.downward.poll(cx, buffers, (member, client), is_last, &mut down);
        self.count(up, down);
        match (upward, downward) {
            (Poll::Ready(Err(Broken::Read(_))), _) | (_, Poll::Ready(Err(Broken::Write(_)))) => {
                Poll::Ready(End::ClientGone)
            }
            (Poll::Ready(Err(Broken::Write(error))), _) | (_, Poll::Ready(Err(Broken::Read(error)))) => {
                self.heed(&error);
                Poll::Ready(End::MemberGone)
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Whole),
            (Poll::Pending, _) | (_, Poll::Pending) => Poll::Pending,
        }
    }

    /// A member may say over TLS why it breaks off, which nobody else would hear of.
    fn heed(&self, error: &io::Error) {
        if let Some(why) = origination::alert(error)
            && let Some(more) = self.local.admit_refusal(&self.route.name, Failure::MemberGone)
        {
            let (listener, member) = (&self.route.name, self.member.peer_addr());
            tracing::warn!(listener, member = member.map(display), more, why, "member breaks off");
        }
    }

    fn count(&mut self, up: Moved, down: Moved) {
        let (counts, worker) = (&self.route.counts, self.local.index());
        // What is a part of a connection is counted with it.
        let is_counted = !self.client.is_part();
        if is_counted && up.read > 0 {
            counts.received(worker, up.read as u64);
        }
        if is_counted && down.written > 0 {
            counts.sent(worker, down.written as u64);
        }
        if let Some(notes) = &mut self.notes {
            notes.bytes.received += up.read as u64;
            notes.bytes.sent += down.written as u64;
        }
        let [client, member] = [deed(up, down), deed(down, up)];
        if client.stirred || member.stirred {
            self.silence.note(client, member, Instant::now().into_std());
        }
    }

    /// Silence counts only where something is expected: of the sender of an open direction that holds nothing back, of
    /// the receiver of one that does.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let [client, member] =
            [standing(&self.upward, &self.downward), standing(&self.downward, &self.upward)];
        let (deadline, end) = self.silence.deadline(client, member, &self.route.timeout);
        self.alarm.poll(cx, Some(deadline.into())).map(|()| end)
    }
}

/// What an end did, of which one direction comes and to which the other goes.
const fn deed(from: Moved, to: Moved) -> Deed {
    let spoke = from.read > 0;
    Deed { spoke, stirred: spoke || from.heard_end || to.written > 0 || to.told_end }
}

/// How an end stands, of which one direction comes and to which the other goes.
fn standing(from: &Flow, to: &Flow) -> Standing {
    Standing {
        awaited: from.waits_for_sender() || to.waits_for_receiver(),
        half_closed: from.has_heard_end() || to.has_told_end(),
    }
}

impl Future for Relay {
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let relay = self.get_mut();
        let mut ended = relay.carry(cx);
        if ended.is_pending() {
            ended = relay.is_silent(cx);
        }
        if let Poll::Ready(end) = ended
            && end != End::Whole
        {
            relay.client.abort();
            relay.member.abort();
        }
        ended
    }
}

impl Drop for Relay {
    /// What a broken connection holds goes nowhere, but its buffers serve others.
    fn drop(&mut self) {
        for flow in [&mut self.upward, &mut self.downward] {
            flow.give_back(&self.local.buffers);
        }
    }
}

#[cfg(test)]
mod tests;
