//! Connections that carry many requests each, of one worker or one client connection, and those that are being opened.
//!
//! Who comes while a connection to the member is being opened waits for it, so that a crowd opens one and not a crowd of
//! them, and a member that cannot be reached is tried and blamed once for all who wait.

use super::Refusals;
use super::http2::{Http2, Stream};
use crate::dial::{Dial, First};
use crate::origination::Secured;
use crate::pool::MemberState;
use config::model::ProxyProtocol;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

type Key = *const MemberState;

#[derive(Default)]
pub(super) struct Multiplexed {
    connections: RefCell<HashMap<Key, Vec<Rc<Http2>>>>,
    opening: RefCell<HashMap<Key, Rc<Opening>>>,
}

/// A connection that is being opened.
#[derive(Default)]
struct Opening {
    outcome: Cell<Outcome>,
    done: Notify,
}

#[derive(Clone, Copy, Default)]
enum Outcome {
    #[default]
    Pending,
    Failed,
    /// It is there, or whoever was at it has left.
    LookAgain,
}

impl Multiplexed {
    /// A place on a connection that is open, and speaks in this way.
    pub(super) fn find(
        &self,
        member: &Arc<MemberState>,
        secured: Option<&Arc<Secured>>,
        (told, refusals): (ProxyProtocol, &Refusals),
    ) -> Option<Stream> {
        let connections = self.connections.borrow();
        let found = connections.get(&Arc::as_ptr(member))?.iter().find(|connection| {
            connection.speaks_as(secured, told)
                && !refusals.has(connection)
                && connection.has_room()
                && connection.is_usable()
        })?;
        Some(Stream::new(Rc::clone(found)))
    }

    /// A place on a connection that is opened for it, or that somebody opens meanwhile.
    pub(super) async fn open(
        &self,
        dial: &Dial<'_>,
        member: &Arc<MemberState>,
        (told, refusals): (ProxyProtocol, &Refusals),
        first: &First,
    ) -> io::Result<Stream> {
        let secured = dial.secured(member).map_err(io::Error::other)?;
        loop {
            let Some(opening) = self.opening.borrow().get(&Arc::as_ptr(member)).cloned() else { break };
            match opening.outcome().await {
                Outcome::Failed => {
                    return Err(io::Error::other("the connection that this waited for failed"));
                }
                Outcome::LookAgain | Outcome::Pending => {}
            }
            if let Some(stream) = self.find(member, secured, (told, refusals)) {
                return Ok(stream);
            }
        }
        let mut turn = Turn::new(self, member);
        let opened = Http2::open(dial, member, (told, first)).await;
        if opened.is_err() {
            turn.outcome = Outcome::Failed;
        }
        let connection = opened?;
        self.push(Rc::clone(&connection));
        Ok(Stream::new(connection))
    }

    pub(super) fn push(&self, connection: Rc<Http2>) {
        let mut connections = self.connections.borrow_mut();
        connections.entry(Arc::as_ptr(&connection.member)).or_default().push(connection);
    }

    /// Takes a connection out. Says whether it was there.
    pub(super) fn remove(&self, gone: &Rc<Http2>) -> bool {
        let mut connections = self.connections.borrow_mut();
        let Some(connections) = connections.get_mut(&Arc::as_ptr(&gone.member)) else { return false };
        let place = connections.iter().position(|connection| Rc::ptr_eq(connection, gone));
        place.map(|place| connections.remove(place)).is_some()
    }

    /// Gives up the idle ones. Says whether there were any.
    pub(super) fn give_up(&self) -> bool {
        let mut had_any = false;
        self.retain(|connection| {
            had_any |= connection.is_idle();
            !connection.is_idle()
        });
        had_any
    }

    pub(super) fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    /// Keeps those connections only.
    pub(super) fn retain(&self, mut keeps: impl FnMut(&Http2) -> bool) {
        self.connections.borrow_mut().retain(|_, connections| {
            connections.retain(|connection| keeps(connection));
            !connections.is_empty()
        });
    }
}

impl Opening {
    async fn outcome(&self) -> Outcome {
        if matches!(self.outcome.get(), Outcome::Pending) {
            self.done.notified().await;
        }
        self.outcome.get()
    }
}

/// Whoever opens a connection. Others go on when it is dropped.
struct Turn<'a> {
    of: &'a Multiplexed,
    member: Key,
    outcome: Outcome,
}

impl<'a> Turn<'a> {
    fn new(of: &'a Multiplexed, member: &Arc<MemberState>) -> Self {
        let member = Arc::as_ptr(member);
        of.opening.borrow_mut().insert(member, Rc::default());
        Self { of, member, outcome: Outcome::LookAgain }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(opening) = self.of.opening.borrow_mut().remove(&self.member) {
            opening.outcome.set(self.outcome);
            opening.done.notify_waiters();
        }
    }
}
