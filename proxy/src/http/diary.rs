//! What a client connection keeps in mind for the lines about its requests.
//!
//! A line is told when the response has left: what it says of octets and times is then true, and whether the client was
//! there to take them is known.

use super::connection::Connection;
use super::exchange::Exchange;
use super::progress::Progress;
use crate::clock::now;
use crate::counts::Failure;
use crate::notes::{Asked, MaybeNotes, Passage};
use crate::record::Bytes;
use hyper::StatusCode;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

/// Of one connection.
#[derive(Default)]
pub(super) struct Diary {
    /// When the first octet of the next request came.
    first: Cell<Option<Instant>>,
    /// What is known of the connection before its first request.
    arrival: RefCell<MaybeNotes>,
    /// Octets since the last line.
    traffic: Cell<Bytes>,
    /// A request whose response is on its way out.
    last: RefCell<Option<Rc<Exchange>>>,
    /// Nothing leaves any more.
    closed: Cell<bool>,
}

impl Diary {
    pub(super) fn new(arrival: MaybeNotes) -> Self {
        Self { arrival: RefCell::new(arrival), ..Self::default() }
    }

    /// Octets of a head have come, the first of which may be the first of all.
    pub(super) fn heard(&self) {
        if self.first.get().is_none() {
            self.first.set(Some(now()));
        }
    }

    /// What came is of no head.
    pub(super) fn heard_nothing(&self) {
        self.first.set(None);
    }

    pub(super) fn received(&self, octets: u64) {
        let traffic = self.traffic.get();
        self.traffic.set(Bytes { received: traffic.received + octets, ..traffic });
    }

    pub(super) fn sent(&self, octets: u64) {
        let traffic = self.traffic.get();
        self.traffic.set(Bytes { sent: traffic.sent + octets, ..traffic });
    }

    /// Octets since this was last asked.
    pub(super) fn take_traffic(&self) -> Bytes {
        self.traffic.take()
    }

    /// The head of a request is whole.
    pub(super) fn begins(&self) -> Progress {
        // Before the next one, whatever is told of the one before is told.
        self.flushed();
        let whole = now();
        Progress::new(self.first.take().unwrap_or(whole), whole)
    }

    /// All of a response is there to be sent.
    pub(super) fn ends(&self, exchange: &Rc<Exchange>) {
        if self.closed.get() {
            exchange.breaks_off();
            exchange.tell();
        } else {
            self.last.replace(Some(Rc::clone(exchange)));
        }
    }

    /// All that was there to be sent has left.
    pub(super) fn flushed(&self) {
        let last = self.last.borrow_mut().take();
        if let Some(last) = last {
            last.tell();
        }
    }

    /// Whether all that was to be told of requests is told.
    pub(super) fn is_done(&self) -> bool {
        self.last.borrow().is_none()
    }

    /// What is known of the connection before its first request.
    pub(super) fn take_arrival(&self) -> MaybeNotes {
        self.arrival.take()
    }

    /// The request whose response is on its way out.
    pub(super) fn last(&self) -> Option<Rc<Exchange>> {
        self.last.borrow().clone()
    }

    /// Nothing leaves any more.
    pub(super) fn closes(&self) {
        self.closed.set(true);
        let last = self.last.borrow_mut().take();
        if let Some(last) = last {
            last.breaks_off();
            last.tell();
        }
    }
}

/// The notes about the next request, if any are kept.
pub(super) fn notes(connection: &Connection, progress: &Progress) -> MaybeNotes {
    let waited = connection.diary.arrival.take().or_else(|| {
        let began = progress.began();
        let since = connection.waits.borrow().idle_since().map_or(began, |rested| rested.min(began));
        let mut notes = connection.begin_notes(since)?;
        notes.came_to(|| connection.ends.map(|ends| ends.destination()));
        notes.protected(connection.told.as_deref());
        Some(notes)
    });
    let mut notes = waited?;
    // That of the connection, which may go elsewhere or be answered here.
    notes.pool = None;
    notes.request = Some(Box::new(Asked { idle: notes.idle_until(progress.began()), ..Asked::default() }));
    Some(notes)
}

/// Tells of what never became a request. Nothing is told of a connection that says nothing.
pub(super) fn tell_of_none(connection: &Connection, failure: Failure, status: StatusCode) {
    let mut progress = connection.diary.begins();
    progress.fails(failure);
    let Some(mut notes) = notes(connection, &progress) else { return };
    if let Some(asked) = &mut notes.request {
        asked.status = Some(status.as_u16());
    }
    notes.bytes = connection.diary.take_traffic();
    let route = connection.route();
    let client = connection.ends.map(|ends| ends.source());
    notes.ended(&Passage { local: &connection.local, route: &route, client }, None, progress.state());
}
