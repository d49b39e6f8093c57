//! Connections to members that serve one client connection only, kept for its next request.

use super::http1::Upstream;
use super::{Idle, take};
use crate::pool::MemberId;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// Idle connections that one client connection keeps; HAProxy's `max-session-srv-conns`.
const KEPT: usize = 5;

/// What one client connection has of its own. It closes when the client's does.
#[derive(Default)]
pub(crate) struct Own {
    kept: RefCell<Option<Rc<Kept>>>,
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

    /// The connection used last that is `wanted` and `fits`.
    pub(super) fn take(
        &self,
        wanted: impl Fn(&Upstream) -> bool,
        fits: impl FnMut(&mut Upstream) -> bool,
    ) -> Option<Box<Upstream>> {
        take(&mut self.kept.borrow().as_ref()?.0.borrow_mut(), wanted, fits)
    }

    /// Keeps a connection in the place of the oldest. Returns what must be looked at from time to time, the first time.
    pub(super) fn keep(&self, upstream: Box<Upstream>) -> Option<Weak<Kept>> {
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
