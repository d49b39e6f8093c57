//! What is known of a client connection whether anything happens on it or not.

use super::deadlines::Rested;
use crate::clock::now;
use crate::listener::{Accepted, Site};
use crate::notes::MaybeNotes;
use crate::opening::Told;
use crate::proxy_protocol::Ends;
use crate::snapshot::Route;
use crate::stream::Stream;
use crate::upstream::Own;
use crate::worker::{Local, Stop};
use std::rc::Rc;
use std::sync::Arc;

/// Of one connection, in the little room that one takes which rests.
pub(super) struct Guest {
    pub(super) local: Rc<Local>,
    /// Where it came to.
    pub(super) site: Arc<Site>,
    /// The route of the latest request.
    pub(super) route: Arc<Route>,
    /// The client's end and the one that it connected to.
    pub(super) ends: Option<Ends>,
    /// What is known of the client's TLS.
    pub(super) told: Option<Rc<Told>>,
    /// Connections to members that serve no other client. Most have none.
    pub(super) own: Option<Box<Own>>,
    /// What is kept in mind of it before its first request.
    pub(super) notes: MaybeNotes,
    /// Since when nothing happens.
    pub(super) rested: Rested,
}

impl Guest {
    /// Of a connection that has just come, with its socket and what tells when its listener goes.
    pub(super) fn new(local: Rc<Local>, accepted: Accepted) -> (Self, Stream, Stop) {
        let ends = accepted.ends();
        let Accepted { stream, site, route, opening, stop, notes, .. } = accepted;
        let told = opening.map(|opening| Rc::new(opening.told));
        (Self { local, site, route, ends, told, own: None, notes, rested: Rested::new(now()) }, stream, stop)
    }
}
