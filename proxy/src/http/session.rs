//! What the parts of one client connection share: the socket, the requests on it, their bodies.
//!
//! All of them run in one task, one after the other, so plain cells do.

use super::certificate;
use super::deadlines::{Deadlines, Overdue};
use super::framing::{Fault, Framing};
use super::pace::Pace;
use super::tunnel::Switched;
use crate::listener::{Accepted, Site};
use crate::opening::Told;
use crate::proxy_protocol::Ends;
use crate::snapshot::Route;
use crate::worker::Local;
use config::model::Mode;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// One client connection.
pub(crate) struct Session {
    pub(crate) local: Rc<Local>,
    /// The client, IPv4-mapped addresses as IPv4. None: it has no address.
    pub(crate) client: Option<IpAddr>,
    /// Where it came to.
    site: Arc<Site>,
    /// The client's end and the one that it connected to.
    pub(crate) ends: Option<Ends>,
    /// What is known of the client's TLS.
    pub(crate) told: Option<Told>,
    /// What members may be told of the client's certificate, once one is to be.
    certificate: OnceCell<certificate::Fields>,
    /// The route of the latest request.
    route: RefCell<Arc<Route>>,
    pub(crate) framing: RefCell<Framing>,
    pub(crate) waits: RefCell<Deadlines>,
    /// What ran out while a request was under way and is still to be answered.
    overdue: Cell<Option<Overdue>>,
    /// Whether the response has begun, so that nothing else can be answered.
    responding: Cell<bool>,
    /// Whether the connection must be reset and not closed: what was sent is a part only.
    pub(crate) abort: Cell<bool>,
    /// Whether a request has been answered on this connection.
    served: Cell<bool>,
    /// The member of a connection that is to become a tunnel once the answer has left.
    switched: RefCell<Option<Box<Switched>>>,
}

impl Session {
    pub(crate) fn new(local: Rc<Local>, accepted: &Accepted) -> Self {
        let Accepted { site, route, .. } = accepted;
        let ends = accepted.ends();
        Self {
            local,
            client: ends.map(|ends| ends.source().ip()),
            site: Arc::clone(site),
            ends,
            told: accepted.opening.as_ref().map(|opening| opening.told.clone()),
            certificate: OnceCell::new(),
            framing: RefCell::new(Framing::new(route.limits)),
            waits: RefCell::new(Deadlines::new(route.timeout, Pace::new(route.limits.body_rate), now())),
            route: RefCell::new(Arc::clone(route)),
            overdue: Cell::new(None),
            responding: Cell::new(false),
            abort: Cell::new(false),
            served: Cell::new(false),
            switched: RefCell::new(None),
        }
    }

    /// The route of the latest request.
    pub(crate) fn route(&self) -> Arc<Route> {
        Arc::clone(&self.route.borrow())
    }

    /// Whether TLS ends here.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.told.as_ref().is_some_and(Told::is_encrypted)
    }

    /// What members may be told of the client's certificate.
    pub(crate) fn certificate(&self) -> &certificate::Fields {
        self.certificate.get_or_init(|| certificate::fields(self.told.as_ref().and_then(Told::shown)))
    }

    /// The route in force, and whether the listener still is: if not, the last one serves once more.
    pub(crate) fn refresh(&self) -> (Arc<Route>, bool) {
        let snapshot = self.local.shared().snapshot.load();
        let Some(route) = snapshot.route(&self.site).filter(|route| route.mode == Mode::Http) else {
            return (self.route(), false);
        };
        if !Arc::ptr_eq(&self.route.borrow(), route) {
            let mut waits = self.waits.borrow_mut();
            waits.limits = route.timeout;
            waits.pace.limit(route.limits.body_rate);
            self.framing.borrow_mut().limit(route.limits);
            *self.route.borrow_mut() = Arc::clone(route);
        }
        (Arc::clone(route), true)
    }

    /// A request has been handed over by the HTTP library; the guard ends it.
    pub(crate) fn begin(self: &Rc<Self>) -> Underway {
        self.waits.borrow_mut().began();
        self.overdue.set(None);
        self.responding.set(false);
        Underway(Rc::clone(self))
    }

    /// Why the next head must be refused, once everything before it is answered and taken.
    pub(crate) fn refuses(&self) -> Option<Fault> {
        let fault = self.framing.borrow().bad_head()?;
        self.waits.borrow().is_quiet().then_some(fault)
    }

    /// Whether no request has been answered on this connection.
    pub(crate) fn is_first(&self) -> bool {
        !self.served.get()
    }

    pub(crate) fn responds(&self) {
        self.responding.set(true);
    }

    pub(crate) fn is_responding(&self) -> bool {
        self.responding.get()
    }

    /// Leaves it to the request under way to answer that something ran out.
    pub(crate) fn set_overdue(&self, overdue: Overdue) {
        let mut waits = self.waits.borrow_mut();
        waits.body = None;
        waits.member = None;
        self.overdue.set(Some(overdue));
    }

    pub(crate) fn take_overdue(&self) -> Option<Overdue> {
        self.overdue.take()
    }

    /// The member is waited for, from this moment.
    pub(crate) fn waits_for_member(&self) {
        self.waits.borrow_mut().member = Some(now());
    }

    /// The connection is to become a tunnel.
    pub(crate) fn switches(&self, switched: Switched) {
        *self.switched.borrow_mut() = Some(Box::new(switched));
    }

    pub(crate) fn is_switched(&self) -> bool {
        self.switched.borrow().is_some()
    }

    /// The member's side of the tunnel that the connection is to become.
    pub(crate) fn take_switched(&self) -> Option<Box<Switched>> {
        self.switched.borrow_mut().take()
    }

    /// The client has sent bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.route.borrow().counts.received(self.local.index(), bytes as u64);
    }

    /// Follows bytes of the client. Returns how many of them may be passed on.
    pub(crate) fn follow(&self, bytes: &[u8]) -> usize {
        let mut framing = self.framing.borrow_mut();
        let good = framing.observe(bytes);
        let mut waits = self.waits.borrow_mut();
        waits.head = if framing.in_head() { waits.head.or_else(|| Some(now())) } else { None };
        good
    }

    /// The client has taken bytes.
    pub(crate) fn sent(&self, bytes: usize) {
        self.route.borrow().counts.sent(self.local.index(), bytes as u64);
        self.waits.borrow_mut().room = None;
    }

    /// The client takes nothing at the moment.
    pub(crate) fn stalled(&self) {
        self.waits.borrow_mut().room.get_or_insert_with(now);
    }
}

/// A request under way.
pub(crate) struct Underway(Rc<Session>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.waits.borrow_mut().ended(now());
        self.0.served.set(true);
        self.0.responding.set(false);
    }
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
