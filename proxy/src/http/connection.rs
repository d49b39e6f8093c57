//! What the parts of one client connection share: the socket, what is known of the client, the requests under way.
//!
//! All of them run in one task, so plain cells do. What belongs to one request alone is in [`super::exchange`].

mod socket;

use super::certificate;
use super::deadlines::{Deadlines, Overdue};
use super::diary::Diary;
use super::exchange::Exchange;
use super::forwarded::Known;
use super::guest::Guest;
use super::http1::request::Requests;
use super::http2::last_words::Flushes;
use super::http2::{Begun, Frames, Offence};
use super::tunnel::Switched;
use crate::clock::now;
use crate::counts::Failure;
use crate::listener::Site;
use crate::notes::{MaybeNotes, Notes};
use crate::opening::Told;
use crate::proxy_protocol::Ends;
use crate::snapshot::Route;
use crate::stream::Stream;
use crate::upstream::Own;
use crate::worker::Local;
use config::model::Mode;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, STRICT_TRANSPORT_SECURITY};
use socket::{Asking, Gathers};
use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// One client connection.
pub(crate) struct Connection {
    pub(crate) local: Rc<Local>,
    /// The client, IPv4-mapped addresses as IPv4. None: it has no address.
    pub(crate) client: Option<IpAddr>,
    /// Where it came to.
    site: Arc<Site>,
    /// The client's end and the one that it connected to.
    pub(crate) ends: Option<Ends>,
    /// What is known of the client's TLS.
    pub(crate) told: Option<Rc<Told>>,
    /// What members may be told of the client's certificate, once one is to be.
    certificate: OnceCell<certificate::Fields>,
    /// The client's address as members are told it, once one has been.
    written: OnceCell<HeaderValue>,
    /// The route of the latest request.
    route: RefCell<Arc<Route>>,
    /// What has come of a client of HTTP/1.1.
    pub(super) requests: RefCell<Requests>,
    /// What follows a client of HTTP/2.
    frames: RefCell<Option<Box<Frames>>>,
    pub(crate) waits: RefCell<Deadlines>,
    /// The requests under way.
    exchanges: RefCell<Vec<Rc<Exchange>>>,
    /// Whether the connection must be reset and not closed: what was sent is a part only.
    pub(crate) abort: Cell<bool>,
    /// Whether a request has come.
    asked: Cell<bool>,
    /// For the lines about its requests.
    pub(super) diary: Diary,
    pub(super) flushes: Flushes,
    /// Connections to members that serve no other client.
    pub(crate) own: Own,
    /// The member of a connection that is to become a tunnel once the answer has left.
    switched: RefCell<Option<Box<Switched>>>,
    /// Whether no request is to be taken behind those under way.
    leaving: Cell<bool>,
    /// Whether what is sent next waits for others.
    gathers: Cell<Gathers>,
    /// Whether the client is asked for content.
    asking: Cell<Asking>,
    /// Where the requests of HTTP/2 run.
    tasks: OnceCell<Begun>,
    /// The socket, unless the HTTP library has it.
    socket: RefCell<Option<Stream>>,
}

/// What is due next on a connection.
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) what: Overdue,
    /// The request that waits for it; `None` is the connection.
    pub(crate) exchange: Option<Rc<Exchange>>,
}

impl Connection {
    /// Of a client that has just come, or has rested.
    pub(super) fn new(guest: Guest) -> Self {
        let Guest { local, site, route, ends, told, own, notes, rested } = guest;
        let waits = Deadlines::awoken(route.timeout, rested, now());
        Self {
            local,
            client: ends.map(|ends| ends.source().ip()),
            site,
            ends,
            told,
            certificate: OnceCell::new(),
            written: OnceCell::new(),
            requests: RefCell::new(Requests::new(route.limits)),
            frames: RefCell::new(None),
            waits: RefCell::new(waits),
            exchanges: RefCell::default(),
            route: RefCell::new(route),
            abort: Cell::new(false),
            asked: Cell::new(rested.served),
            own: own.map_or_else(Own::default, |own| *own),
            diary: Diary::new(notes),
            flushes: Flushes::default(),
            switched: RefCell::new(None),
            leaving: Cell::new(false),
            gathers: Cell::default(),
            asking: Cell::default(),
            tasks: OnceCell::new(),
            socket: RefCell::new(None),
        }
    }

    /// When it may rest if nothing happens until then.
    pub(super) fn rest(&self) -> Option<Instant> {
        self.waits.borrow().rest()
    }

    /// Whether there is nothing of it but what a [`Guest`] keeps.
    pub(super) fn may_rest(&self) -> bool {
        self.requests.borrow().is_between()
            && self.under_way() == 0
            && self.diary.is_done()
            && self.switched.borrow().is_none()
            && !(self.leaving.get() || self.abort.get())
    }

    /// What is kept of it while it rests.
    pub(super) fn rests(&self) -> Guest {
        Guest {
            local: Rc::clone(&self.local),
            site: Arc::clone(&self.site),
            route: self.route(),
            ends: self.ends,
            told: self.told.clone(),
            own: self.own.take(),
            notes: self.diary.take_arrival(),
            rested: self.waits.borrow().rested(),
        }
    }

    /// The route of the latest request.
    pub(crate) fn route(&self) -> Arc<Route> {
        Arc::clone(&self.route.borrow())
    }

    /// Whether TLS ends here.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.told.as_deref().is_some_and(Told::is_encrypted)
    }

    /// Has browsers keep to TLS, where it is spoken and the route asks for that (RFC 6797 §7.1).
    pub(super) fn keeps_to_tls(&self, route: &Route, headers: &mut HeaderMap) {
        if let (Some(hsts), true) = (&route.hsts, self.is_encrypted()) {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }

    /// What members may be told of the client.
    pub(super) fn known(&self) -> Known<'_> {
        Known { ends: self.ends, written: &self.written, encrypted: self.is_encrypted() }
    }

    /// What members may be told of the client's certificate.
    pub(crate) fn certificate(&self) -> &certificate::Fields {
        self.certificate.get_or_init(|| certificate::fields(self.told.as_deref().and_then(Told::shown)))
    }

    /// The route in force, and whether the listener still is: if not, the last one serves once more.
    pub(super) fn refresh(&self) -> (Arc<Route>, bool) {
        let snapshot = self.local.shared().snapshot.load();
        let Some(route) = snapshot.route(&self.site).filter(|route| route.mode == Mode::Http) else {
            return (self.route(), false);
        };
        if !Arc::ptr_eq(&self.route.borrow(), route) {
            self.waits.borrow_mut().limits = route.timeout;
            // What was announced when a connection of HTTP/2 began holds as long as it does.
            self.requests.borrow_mut().limit(route.limits);
            *self.route.borrow_mut() = Arc::clone(route);
        }
        (Arc::clone(route), true)
    }

    /// How many requests are under way.
    pub(super) fn under_way(&self) -> usize {
        self.exchanges.borrow().len()
    }

    /// What is kept in mind of what began to be waited for then, if anything is.
    pub(super) fn begin_notes(&self, since: Instant) -> MaybeNotes {
        Notes::since(&self.local, &self.route.borrow(), &self.site, since)
    }

    /// A request has come, and is under way until [`Self::ended`].
    pub(super) fn began(&self, exchange: &Rc<Exchange>) {
        self.exchanges.borrow_mut().push(Rc::clone(exchange));
        self.waits.borrow_mut().began();
        self.asked.set(true);
    }

    /// The response to a request has ended, or there is to be none.
    pub(super) fn ended(&self, exchange: &Rc<Exchange>) {
        let mut exchanges = self.exchanges.borrow_mut();
        if let Some(place) = exchanges.iter().position(|known| Rc::ptr_eq(known, exchange)) {
            exchanges.swap_remove(place);
        }
        if exchanges.is_empty() {
            self.waits.borrow_mut().ended(now());
        }
    }

    /// Whether no request has come.
    pub(super) fn is_fresh(&self) -> bool {
        !self.asked.get()
    }

    /// What is due next.
    pub(crate) fn due(&self) -> Option<Due> {
        let of_connection = self.waits.borrow().next();
        let exchanges = self.exchanges.borrow();
        let of_exchanges = exchanges.iter().filter_map(|exchange| Some((exchange.due()?, Some(exchange))));
        let all = of_connection.map(|due| (due, None)).into_iter().chain(of_exchanges);
        let ((at, what), exchange) = all.min_by_key(|((at, _), _)| *at)?;
        Some(Due { at, what, exchange: exchange.map(Rc::clone) })
    }

    /// Whether this request is under way.
    pub(super) fn carries(&self, exchange: &Rc<Exchange>) -> bool {
        self.exchanges.borrow().iter().any(|known| Rc::ptr_eq(known, exchange))
    }

    /// Whether the client may still be sending content of its request, which nobody will read.
    pub(crate) fn is_unread(&self) -> bool {
        // Whoever speaks HTTP/2 sends frames whenever it likes.
        self.is_http2() || !self.requests.borrow_mut().pass_over()
    }

    /// Whether it cannot be known where the content of the request under way ends.
    pub(super) fn is_body_lost(&self) -> bool {
        self.requests.borrow().is_lost()
    }

    /// Has a connection that carries one request at a time end behind the response with these fields.
    pub(super) fn ends_behind(&self, headers: &mut HeaderMap) {
        if !self.is_http2() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Takes no request behind those under way and, where one cannot be refused, the next one if that comes soon.
    pub(super) fn is_to_leave(&self) {
        self.leaving.set(true);
        self.waits.borrow_mut().leaving = Some(now());
    }

    /// Takes no request behind those under way, of which this is a response's head.
    pub(super) fn leaves(&self, headers: &mut HeaderMap) {
        self.leaving.set(true);
        self.ends_behind(headers);
    }

    /// Whether no request is to be taken behind those under way.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// A response under way cannot be whole. Where it is the only one, the connection tells.
    pub(crate) fn breaks_off(&self) {
        self.abort.set(!self.is_http2());
    }

    /// Counts why the connection did not end well, which is why its requests do not: those of a connection that has many
    /// count beside it. To be called while they are under way.
    pub(super) fn failed(&self, failure: Failure) {
        self.route.borrow().counts.failed(self.local.index(), failure);
        for exchange in self.exchanges.borrow().iter().chain(self.diary.last().iter()) {
            if self.is_http2() && !exchange.is_settled() {
                exchange.failed(failure);
                exchange.settles();
            } else {
                exchange.progress.borrow_mut().fails(failure);
            }
        }
    }

    /// Whether many requests may be under way at once.
    pub(crate) fn is_http2(&self) -> bool {
        self.frames.borrow().is_some()
    }

    /// The client speaks HTTP/2.
    pub(super) fn becomes_http2(&self) {
        *self.frames.borrow_mut() = Some(Box::new(Frames::new(now())));
        let mut waits = self.waits.borrow_mut();
        waits.side_by_side = true;
        waits.head = None;
    }

    /// Where its requests run.
    pub(super) fn runs_in(&self, tasks: Begun) {
        self.tasks.get_or_init(|| tasks);
    }

    /// Runs this beside, about this request. Only where there may be many of them.
    pub(super) fn spawn(&self, exchange: Rc<Exchange>, future: impl Future<Output = ()> + 'static) {
        if let Some(tasks) = self.tasks.get() {
            tasks.spawn(exchange, future);
        }
    }

    /// What the library runs next is about this request. Only where there may be many of them.
    pub(super) fn next_task_is_of(&self, exchange: &Rc<Exchange>) {
        if let Some(tasks) = self.tasks.get() {
            tasks.next_is(exchange);
        }
    }

    /// Why it is not to go on.
    pub(super) fn offence(&self) -> Option<Offence> {
        self.frames.borrow().as_ref()?.offence()
    }

    /// The frame that says so, if one may be sent.
    pub(super) fn farewell(&self) -> Option<impl AsRef<[u8]>> {
        self.frames.borrow().as_ref()?.farewell()
    }

    /// The connection is to become a tunnel.
    pub(crate) fn switches(&self, switched: Box<Switched>) {
        *self.switched.borrow_mut() = Some(switched);
    }

    /// The same for whoever has something to add.
    pub(super) fn switched(&self) -> RefMut<'_, Option<Box<Switched>>> {
        self.switched.borrow_mut()
    }

    /// The member's side of the tunnel that the connection is to become.
    pub(crate) fn take_switched(&self) -> Option<Box<Switched>> {
        self.switched.borrow_mut().take()
    }
}
