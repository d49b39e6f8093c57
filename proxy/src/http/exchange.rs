//! One request of a client connection and its response, from the head of the one to the end of the other.
//!
//! [`Exchange::begin`] is where every request begins, and the drop of [`Underway`] where every one ends.

use super::connection::{Connection, now};
use super::deadlines::Overdue;
use super::pace::Pace;
use super::waits::Waits;
use crate::cookies::state::State;
use crate::counts::Failure;
use crate::snapshot::Route;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// One request and its response.
pub(crate) struct Exchange {
    pub(crate) connection: Rc<Connection>,
    /// The route that was in force when it came.
    pub(crate) route: Arc<Route>,
    /// Whether the listener was in force still.
    pub(crate) is_in_force: bool,
    /// Whether it is the first one of its connection.
    pub(crate) is_first: bool,
    pub(crate) waits: RefCell<Waits>,
    /// The client: as a trusted proxy tells it, or the one that is connected. None: it has no address.
    pub(crate) client: Cell<Option<IpAddr>>,
    /// What became of the cookie that names the member, if there is to be one.
    pub(crate) cookies: Cell<Option<State>>,
    /// The name that the client has logged in with, as the first rule that asked for one has it.
    user: OnceCell<Arc<str>>,
    /// What ran out and is still to be answered.
    overdue: Cell<Option<Overdue>>,
    /// Whether the response has begun, so that nothing else can be answered.
    responding: Cell<bool>,
}

impl Exchange {
    /// A request has been handed over by the HTTP library; the guard ends it.
    pub(crate) fn begin(connection: &Rc<Connection>) -> Underway {
        let (route, is_in_force) = connection.refresh();
        let exchange = Rc::new(Self {
            connection: Rc::clone(connection),
            is_in_force,
            is_first: connection.is_fresh(),
            waits: RefCell::new(Waits::new(&route.timeout, Pace::new(route.limits.body_rate))),
            route,
            client: Cell::new(connection.client),
            cookies: Cell::new(None),
            user: OnceCell::new(),
            overdue: Cell::new(None),
            responding: Cell::new(false),
        });
        connection.began(&exchange);
        Underway(exchange)
    }

    /// The client has logged in with this name.
    pub(crate) fn logged_in(&self, name: Arc<str>) {
        self.user.get_or_init(|| name);
    }

    /// The name that the client has logged in with.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get().map(|name| &**name)
    }

    /// Counts why it failed.
    pub(crate) fn failed(&self, failure: Failure) {
        self.route.counts.failed(self.connection.local.index(), failure);
    }

    pub(crate) fn responds(&self) {
        self.responding.set(true);
    }

    pub(crate) fn is_responding(&self) -> bool {
        self.responding.get()
    }

    /// What is due next, and when.
    pub(super) fn due(&self) -> Option<(Instant, Overdue)> {
        self.waits.borrow().next()
    }

    /// Leaves it to whoever serves the request to answer that something ran out.
    pub(crate) fn set_overdue(&self, overdue: Overdue) {
        self.waits.borrow_mut().end();
        self.overdue.set(Some(overdue));
    }

    pub(crate) fn take_overdue(&self) -> Option<Overdue> {
        self.overdue.take()
    }

    /// The member is waited for, from this moment.
    pub(crate) fn waits_for_member(&self) {
        self.waits.borrow_mut().member = Some(now());
    }
}

/// A request under way.
pub(crate) struct Underway(Rc<Exchange>);

impl Deref for Underway {
    type Target = Rc<Exchange>;

    fn deref(&self) -> &Rc<Exchange> {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.waits.borrow_mut().end();
        self.0.connection.ended(&self.0);
    }
}
