//! One request of a client connection and its response, from the head of the one to the end of the other.
//!
//! [`Exchange::begin`] is where every request begins, and the drop of [`Underway`] where every one ends.

use super::connection::Connection;
use super::deadlines::Overdue;
use super::diary;
use super::pace::Pace;
use super::progress::Progress;
use super::tunnel::Switched;
use super::waits::Waits;
use crate::clock::{self, now};
use crate::cookies::state::State;
use crate::counts::Failure;
use crate::dial::{Dial, NoMember};
use crate::notes::{MaybeNotes, Passage};
use crate::pool::{Lease, Pool};
use crate::record::{By, Bytes, Cookies};
use crate::snapshot::Route;
use crate::tcp;
use crate::upstream::Upstream;
use crate::worker::RequestPlace;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, StatusCode};
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
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
    pub(crate) progress: RefCell<Progress>,
    /// The pool that it goes to.
    pool: RefCell<Option<Arc<Pool>>>,
    /// Octets of it beside others on the same connection.
    traffic: Cell<Bytes>,
    /// For the line about it.
    pub(crate) notes: RefCell<MaybeNotes>,
    /// What ran out and is still to be answered.
    overdue: Cell<Option<Overdue>>,
    /// Whether the response has begun, so that nothing else can be answered.
    responding: Cell<bool>,
    /// Whether the response has ended, or it is known and counted why it has not.
    settled: Cell<bool>,
    /// Whether nothing more is to be done for it.
    cancelled: Cell<bool>,
    /// Whether the runtime has heard of all that came before this moment.
    heard: Cell<bool>,
    /// Wakes what serves it, where that is not the whole connection.
    task: RefCell<Option<Waker>>,
    /// How its stream becomes a tunnel, if it may.
    pub(super) upgrade: Cell<Option<OnUpgrade>>,
    /// The member of what is to become a tunnel once the answer has left.
    switched: Cell<Option<Box<Switched>>>,
    /// What it takes of the worker beside others on the same connection.
    _place: Option<RequestPlace>,
}

impl Exchange {
    /// The head of a request is whole; the guard ends it.
    pub(crate) fn begin(connection: &Rc<Connection>) -> Underway {
        let (route, is_in_force) = connection.refresh();
        let beside = connection.under_way() > 0;
        let place = || RequestPlace::take(&connection.local, route.admission.taken());
        let place = beside.then(place).flatten();
        let progress = connection.diary.begins();
        let exchange = Rc::new(Self {
            notes: RefCell::new(diary::notes(connection, &progress)),
            progress: RefCell::new(progress),
            pool: RefCell::default(),
            traffic: Cell::default(),
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
            heard: Cell::new(false),
            task: RefCell::new(None),
            upgrade: Cell::new(None),
            switched: Cell::new(None),
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
        self.progress.borrow_mut().fails(failure);
    }

    /// Keeps in mind what is asked for. A handshake is a GET in every version, as it is for rules and for HAProxy.
    pub(crate) fn asks<B>(&self, request: &Request<B>) {
        if let Some(asked) = self.notes.borrow_mut().as_mut().and_then(|notes| notes.request.as_mut()) {
            let shakes = request.extensions().get::<Protocol>().is_some();
            let method = if shakes { Method::GET } else { request.method().clone() };
            asked.line = Some((method, request.uri().clone(), request.version()));
        }
    }

    /// A member is looked for on this way, and this is what was found.
    pub(crate) fn seeks(&self, dial: &Dial<'_>, found: Option<&Result<Lease, NoMember>>) {
        self.progress.borrow_mut().seeks(dial.path);
        let mut pool = self.pool.borrow_mut();
        if !pool.as_ref().is_some_and(|known| Arc::ptr_eq(known, dial.pool())) {
            *pool = Some(Arc::clone(dial.pool()));
        }
        if let Some(notes) = self.notes.borrow_mut().as_mut() {
            notes.pool.clone_from(&pool);
            match found {
                Some(Ok(lease)) => notes.member = Some(Arc::clone(lease.member())),
                Some(Err(NoMember::AllTried | NoMember::Shortage)) => {}
                Some(Err(NoMember::AllOut | NoMember::QueueFull | NoMember::QueueTimeout)) | None => {
                    notes.member = None;
                }
            }
        }
    }

    /// There is a connection to the member, or it could not be reached.
    pub(crate) fn reaches(&self, upstream: io::Result<Upstream>) -> Option<Upstream> {
        let mut progress = self.progress.borrow_mut();
        let upstream = upstream.inspect_err(|error| progress.missed(tcp::refusal(error))).ok()?;
        progress.connected(!upstream.is_reused(), now());
        if let Some(notes) = self.notes.borrow_mut().as_mut() {
            notes.left_from(|| upstream.local_addr());
        }
        Some(upstream)
    }

    /// A kept connection was used in vain, and the way to the same member is tried again.
    pub(crate) fn dials_anew(&self, dial: &mut Dial<'_>) {
        dial.path.dials_anew(now());
        self.progress.borrow_mut().seeks(dial.path);
    }

    pub(crate) fn responds(&self, status: StatusCode) {
        self.responding.set(true);
        self.connection.gathers();
        self.progress.borrow_mut().finishes(true);
        if let Some(asked) = self.notes.borrow_mut().as_mut().and_then(|notes| notes.request.as_mut()) {
            asked.status = Some(status.as_u16());
        }
    }

    /// Octets of its body have come.
    pub(crate) fn received(&self, octets: usize) {
        let traffic = self.traffic.get();
        self.traffic.set(Bytes { received: traffic.received + octets as u64, ..traffic });
    }

    /// Octets of its response go to the client, as HTTP/1.1 would have them.
    pub(crate) fn sends(&self, octets: usize) {
        let traffic = self.traffic.get();
        self.traffic.set(Bytes { sent: traffic.sent + octets as u64, ..traffic });
    }

    /// What was to be sent has not left.
    pub(super) fn breaks_off(&self) {
        let mut progress = self.progress.borrow_mut();
        if self.connection.local.shared().is_cut_off() {
            progress.finishes(false);
        } else {
            progress.fails(Failure::ClientGone);
        }
    }

    /// Whether its client has left it, so that nothing is answered.
    pub(super) fn is_left(&self) -> bool {
        self.progress.borrow().state().by == By::Client
    }

    /// Tells how it ended.
    pub(super) fn tell(&self) {
        let Some(notes) = self.settle() else { return };
        let client = self.connection.ends.map(|ends| ends.source());
        let passage = Passage { local: &self.connection.local, route: &self.route, client };
        notes.ended(&passage, None, self.progress.borrow().state());
    }

    /// Counts how long it took, and returns what a line says of it, which is once only.
    pub(super) fn settle(&self) -> MaybeNotes {
        let mut progress = self.progress.borrow_mut();
        if std::thread::panicking() {
            progress.fails(Failure::Panic);
        } else if self.connection.local.shared().is_cut_off() {
            progress.cut_off();
        }
        let times = progress.times(clock::read());
        let worker = self.connection.local.index();
        let pool = self.pool.borrow();
        for (part, time) in times.parts() {
            let Some(time) = time else { continue };
            self.route.counts.latencies.took(worker, part, time);
            if let Some(pool) = &*pool {
                pool.state.latencies.took(worker, part, time);
            }
        }
        let mut notes = self.notes.take()?;
        notes.path = progress.path();
        notes.bytes = if self.connection.is_http2() {
            self.traffic.get()
        } else {
            self.connection.diary.take_traffic()
        };
        if let Some(asked) = notes.request.as_mut() {
            asked.whole = Some(progress.whole());
            asked.receive = Some(times.receive);
            asked.response = times.response;
            asked.cookies =
                self.cookies.get().map_or_else(Cookies::default, |state| Cookies(state.letters()));
            if notes.bytes.sent == 0 && progress.state().by == By::Client {
                // It was not there to be answered.
                asked.status = None;
            }
        }
        Some(notes)
    }

    pub(crate) fn is_responding(&self) -> bool {
        self.responding.get()
    }

    /// Has it told of, at once or when its response has left.
    fn ends(self: &Rc<Self>) {
        if let Some(switched) = &mut *self.connection.switched() {
            // Its line is told when the tunnel ends.
            switched.notes = self.settle();
        } else if self.progress.borrow().is_finished() && !self.connection.is_http2() {
            self.connection.diary.ends(self);
        } else {
            self.tell();
        }
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

    /// It is to become a tunnel.
    pub(super) fn switches(&self, switched: Switched) {
        self.switched.set(Some(Box::new(switched)));
    }

    /// The member's side of the tunnel that it is to become.
    pub(super) fn take_switched(&self) -> Option<Box<Switched>> {
        self.switched.take()
    }

    /// The response has ended, or it is known and counted why it has not.
    pub(crate) fn settles(&self) {
        self.settled.set(true);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled.get()
    }

    /// Notes what serves it.
    pub(super) fn runs_in(&self, task: &Waker) {
        let mut known = self.task.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
    }

    /// Notes whether the runtime has heard of all that came until then.
    pub(super) fn hears(&self, all: bool) {
        self.heard.set(all);
    }

    /// Whether it has.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.get()
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

    /// The next part of the response is asked for. If one is on its way, there was room for it.
    pub(crate) fn is_asked(&self) {
        let mut waits = self.waits.borrow_mut();
        if waits.room.take().is_some() {
            waits.taken(now());
        }
    }

    /// The client has taken a part of the response, of a connection that no other uses.
    pub(super) fn is_taken(&self) {
        if self.responding.get() {
            self.waits.borrow_mut().taken(now());
        }
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
        let is_cut_off = self.0.connection.local.shared().is_cut_off();
        if !self.0.is_settled() && self.0.connection.is_http2() && !is_cut_off {
            self.0.failed(Failure::ClientGone);
        }
        self.0.connection.ended(&self.0);
        self.0.ends();
    }
}
