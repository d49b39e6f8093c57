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
use crate::worker::RequestPlace;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
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
    /// Whether the worker may serve it beside others on the same connection.
    pub(crate) has_room: bool,
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
    /// Whether the response has ended, or it is known and counted why it has not.
    settled: Cell<bool>,
    /// Whether nothing more is to be done for it.
    cancelled: Cell<bool>,
    /// Wakes what serves it, where that is not the whole connection.
    task: RefCell<Option<Waker>>,
    /// What it takes of the worker beside others on the same connection.
    _place: Option<RequestPlace>,
}

impl Exchange {
    /// A request has been handed over by the HTTP library; the guard ends it.
    pub(crate) fn begin(connection: &Rc<Connection>) -> Underway {
        let (route, is_in_force) = connection.refresh();
        let beside = connection.under_way() > 0;
        let place = || RequestPlace::take(&connection.local, route.admission.taken());
        let place = beside.then(place).flatten();
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
            settled: Cell::new(false),
            cancelled: Cell::new(false),
            task: RefCell::new(None),
            has_room: !beside || place.is_some(),
            _place: place,
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

    /// The response has ended, or it is known and counted why it has not.
    pub(crate) fn settles(&self) {
        self.settled.set(true);
    }

    /// Notes what serves it.
    pub(super) fn runs_in(&self, task: &Waker) {
        let mut known = self.task.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
    }

    /// Has what serves it look around.
    pub(super) fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Has nothing more be done for it; why is counted.
    pub(super) fn cancel(&self) {
        self.settles();
        self.cancelled.set(true);
        self.waits.borrow_mut().end();
        self.wake();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// A part of the response is on its way. The connection tells whether the client takes it, if no other uses it.
    pub(crate) fn hands_over(&self) {
        if self.connection.is_http2() {
            self.waits.borrow_mut().room = Some(now());
        }
    }

    /// The next part of the response is asked for.
    pub(crate) fn is_asked(&self) {
        self.waits.borrow_mut().room = None;
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
        // A client that leaves one request of several is heard of nowhere else.
        if !self.0.settled.get() && self.0.connection.is_http2() {
            self.0.failed(Failure::ClientGone);
        }
        self.0.connection.ended(&self.0);
    }
}
