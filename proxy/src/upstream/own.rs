//! Connections to members that serve one client connection only, kept for its next request.

use super::http1::Http1;
use super::http2::{Http2, Stream};
use super::{Idle, take};
use crate::pool::MemberId;
use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};

/// Idle connections that one client connection keeps; HAProxy's `max-session-srv-conns`.
const KEPT: usize = 5;

/// What one client connection has of its own. It closes when the client's does.
#[derive(Default)]
pub(crate) struct Own {
    kept: RefCell<Option<Rc<Kept>>>,
    multiplexed: RefCell<Vec<Rc<Http2>>>,
    login: Cell<Option<MemberId>>,
}

/// Oldest first.
#[derive(Default)]
pub(super) struct Kept(pub(super) RefCell<Idle>);

impl Own {
    /// The member has the client log in on its connection, so that it must come back to both.
    pub(crate) fn logs_in_at(&self, member: MemberId) {
        self.login.set(Some(member));
    }

    /// Where the client logs in.
    pub(crate) fn login(&self) -> Option<MemberId> {
        self.login.get()
    }

    /// Those that carry many requests, idle or not.
    pub(super) fn multiplexed(&self) -> RefMut<'_, Vec<Rc<Http2>>> {
        let mut all = self.multiplexed.borrow_mut();
        all.retain(|connection| connection.is_usable());
        all
    }

    /// A connection that others may have shared serves this client only from here on.
    pub(crate) fn keep(&self, stream: &Stream) {
        let connection = stream.connection();
        if !connection.is_owned() {
            connection.own();
            self.multiplexed().push(connection);
        }
    }

    /// The connection used last that is `wanted` and `fits`.
    pub(super) fn take(
        &self,
        wanted: impl Fn(&Http1) -> bool,
        fits: impl FnMut(&mut Http1) -> bool,
    ) -> Option<Box<Http1>> {
        take(&mut self.kept.borrow().as_ref()?.0.borrow_mut(), wanted, fits)
    }

    /// Keeps a connection in the place of the oldest. Returns what must be looked at from time to time, the first time.
    pub(super) fn keep_idle(&self, upstream: Box<Http1>) -> Option<Weak<Kept>> {
        let mut own = self.kept.borrow_mut();
        let is_new = own.is_none();
        let kept = own.get_or_insert_default();
        let mut connections = kept.0.borrow_mut();
        if connections.len() == KEPT {
            connections.remove(0);
        }
        connections.push(upstream);
        is_new.then(|| Rc::downgrade(kept))
    }
}
