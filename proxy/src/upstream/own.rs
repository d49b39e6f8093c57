//! Connections to members that serve one client connection only, kept for its next request.

use super::http1::Http1;
use super::multiplexed::Multiplexed;
use super::{Idle, take};
use crate::pool::MemberId;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// Idle connections of a version that one client connection keeps; HAProxy's `max-session-srv-conns`.
pub(super) const KEPT: usize = 5;

/// What one client connection has of its own. It closes when the client's does.
#[derive(Default)]
pub(crate) struct Own {
    /// Most have none.
    kept: RefCell<Option<Rc<Kept>>>,
    login: Cell<Option<MemberId>>,
}

#[derive(Default)]
pub(super) struct Kept {
    /// Oldest first.
    pub(super) idle: RefCell<Idle>,
    /// Those that carry many requests, idle or not.
    pub(super) multiplexed: Multiplexed,
}

impl Own {
    /// The member has the client log in on its connection, so that it must come back to both.
    pub(crate) fn logs_in_at(&self, member: MemberId) {
        self.login.set(Some(member));
    }

    /// Where the client logs in.
    pub(crate) fn login(&self) -> Option<MemberId> {
        self.login.get()
    }

    /// All of it, for the same client connection in another form; None is nothing.
    pub(crate) fn take(&self) -> Option<Box<Self>> {
        let (kept, login) = (self.kept.take(), self.login.get());
        let has_any = kept.is_some() || login.is_some();
        has_any.then(|| Box::new(Self { kept: RefCell::new(kept), login: Cell::new(login) }))
    }

    /// What is kept, if anything ever was.
    pub(super) fn kept(&self) -> Option<Rc<Kept>> {
        self.kept.borrow().clone()
    }

    /// Where to keep connections, and the first time, what must be looked at from time to time.
    pub(super) fn begin(&self) -> (Rc<Kept>, Option<Weak<Kept>>) {
        let mut own = self.kept.borrow_mut();
        let is_new = own.is_none();
        let kept = Rc::clone(own.get_or_insert_default());
        let new = is_new.then(|| Rc::downgrade(&kept));
        (kept, new)
    }
}

impl Kept {
    /// The connection used last that is `wanted` and `fits`.
    pub(super) fn take(
        &self,
        wanted: impl Fn(&Http1) -> bool,
        fits: impl FnMut(&mut Http1) -> bool,
    ) -> Option<Box<Http1>> {
        take(&mut self.idle.borrow_mut(), wanted, fits)
    }

    /// Keeps a connection in the place of the oldest.
    pub(super) fn keep_idle(&self, upstream: Box<Http1>) {
        let mut connections = self.idle.borrow_mut();
        if connections.len() == KEPT {
            connections.remove(0);
        }
        connections.push(upstream);
    }
}
