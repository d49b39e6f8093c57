//! What is kept in mind of a connection or a request for the line about it, while there is a log.
//!
//! Without a log nothing is kept. The connection counts itself in what the line says of the process and the listener,
//! and not in what it says of the pool and the member, as in HAProxy.

use crate::clock;
use crate::listener::Site;
use crate::opening::Told;
use crate::pool::{Lease, MemberState, Pool};
use crate::record::{
    Bytes, Cookies, Ended, Event, Fault, Load, OfMember, Path, Record, Request, RequestLine, State,
};
use crate::snapshot::Route;
use crate::worker::Local;
use addr::fold_mapped_socket;
use hyper::{Method, Uri, Version};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Of one connection or request.
#[derive(Debug)]
pub(crate) struct Notes {
    /// When the connection was accepted, or the response before had ended.
    accepted: SystemTime,
    since: Instant,
    /// The number of the listening address, see [`Record::socket`].
    socket: usize,
    /// Whether lines name the ends of connections on this side.
    names_own_ends: bool,
    destination: Option<SocketAddr>,
    /// Version and cipher of the client's TLS.
    tls: Option<(&'static str, &'static str)>,
    handshake: Duration,
    pub(crate) path: Path,
    pub(crate) bytes: Bytes,
    /// The pool of its own that a name or a rule has led to.
    pub(crate) pool: Option<Arc<Pool>>,
    /// The latest member, while it has a place there.
    pub(crate) member: Option<Arc<MemberState>>,
    /// This side's end of the connection to the member.
    local: Option<SocketAddr>,
    /// What only requests have.
    pub(crate) request: Option<Box<Asked>>,
}

/// What is kept in mind of a request beside that.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// None: it never became one.
    pub(crate) line: Option<(Method, Uri, Version)>,
    pub(crate) status: Option<u16>,
    /// Between the handshakes of the connection, or the response before, and its first octet.
    pub(crate) idle: Duration,
    /// When its head was whole.
    pub(crate) whole: Option<Instant>,
    pub(crate) receive: Option<Duration>,
    pub(crate) response: Option<Duration>,
    pub(crate) cookies: Cookies,
}

/// The notes of a connection, if any are kept.
pub(crate) type MaybeNotes = Option<Box<Notes>>;

impl Notes {
    /// A connection has come to this place.
    pub(crate) fn begin(local: &Local, route: &Route, site: &Site) -> MaybeNotes {
        Self::since(local, route, site, clock::now())
    }

    /// The same of what began to be waited for then.
    pub(crate) fn since(local: &Local, route: &Route, site: &Site, since: Instant) -> MaybeNotes {
        let names_own_ends = local.shared().snapshot.load().log.as_ref()?.names_own_ends();
        let place = route.sites.iter().position(|listening| listening == site);
        Some(Box::new(Self {
            accepted: clock::wall(since),
            since,
            socket: place.map_or(0, |place| place + 1),
            names_own_ends,
            destination: None,
            tls: None,
            handshake: Duration::ZERO,
            path: Path::default(),
            bytes: Bytes::default(),
            pool: None,
            member: None,
            local: None,
            request: None,
        }))
    }

    /// The client connected to this, if a line names it.
    pub(crate) fn came_to(&mut self, destination: impl FnOnce() -> Option<SocketAddr>) {
        if self.names_own_ends {
            self.destination = destination();
        }
    }

    /// A member is connected from here, if a line names it.
    pub(crate) fn left_from(&mut self, local: impl FnOnce() -> Option<SocketAddr>) {
        if self.names_own_ends {
            self.local = local();
        }
    }

    /// Handshakes are over.
    pub(crate) fn opened(&mut self) {
        self.handshake = clock::now().saturating_duration_since(self.since);
    }

    /// The client speaks TLS that ends here, by what is `told` of it.
    pub(crate) fn protected(&mut self, told: Option<&Told>) {
        self.tls = told.and_then(Told::protection);
    }

    /// How long nothing came before this moment.
    pub(crate) fn idle_until(&self, first: Instant) -> Duration {
        first.saturating_duration_since(self.since + self.handshake)
    }

    /// Tells how the connection or request ended. `lease` is its place at a member, if it has one still.
    pub(crate) fn ended(&self, accepted: &Passage<'_>, lease: Option<&Lease>, state: State) {
        let Passage { local, route, .. } = accepted;
        let pool = self.pool.as_ref().unwrap_or(&route.pool);
        let own = lease.map(Lease::member);
        let of_member = |member: &Arc<MemberState>| {
            let itself = own.is_some_and(|own| Arc::ptr_eq(own, member));
            member.load().saturating_sub(u64::from(itself))
        };
        let seated = pool.members.iter().map(of_member).sum::<u64>();
        let asked = self.request.as_deref();
        // A request that is for no pool yet has its listener in its place.
        let is_chosen = asked.is_none() || self.pool.is_some();
        let ended = Ended {
            pool: is_chosen.then_some(pool.config.name.as_str()),
            member: self.member.as_ref().map(|member| OfMember {
                name: member.name.as_str(),
                address: member.address,
                local: self.local,
            }),
            tls: self.tls,
            handshake: self.handshake,
            idle: asked.map_or(Duration::ZERO, |asked| asked.idle),
            course: self.path.since(asked.and_then(|asked| asked.whole).unwrap_or(self.since)),
            total: clock::now().saturating_duration_since(self.since),
            bytes: self.bytes,
            state,
            load: Load {
                process: local.shared().connections.sum(),
                listener: route.counts.active(),
                pool: if is_chosen { seated + pool.state.line.length() as u64 } else { 0 },
                member: self.member.as_ref().map_or(0, of_member),
            },
            request: asked.map(Asked::told),
        };
        self.tell(accepted, Event::Ended(&ended));
    }

    /// Tells why the connection is closed before it is served.
    pub(crate) fn refused(&self, accepted: &Passage<'_>, fault: Fault) {
        self.tell(accepted, Event::Refused(fault));
    }

    fn tell(&self, accepted: &Passage<'_>, event: Event<'_>) {
        let Passage { local, route, client } = accepted;
        let snapshot = local.shared().snapshot.load();
        let Some(log) = &snapshot.log else { return };
        let record = Record {
            client: client.map(fold_mapped_socket),
            destination: self.destination.map(fold_mapped_socket),
            accepted: log.stamp(self.accepted),
            listener: &route.name,
            is_tls: route.termination.is_some(),
            socket: self.socket,
            event,
        };
        log.tell(local.index(), &record);
    }
}

impl Asked {
    fn told(&self) -> Request<'_> {
        let line = self.line.as_ref();
        Request {
            line: line.map(|(method, target, version)| RequestLine { method, target, version: *version }),
            status: self.status,
            receive: self.receive,
            response: self.response,
            cookies: self.cookies,
        }
    }
}

/// Whose connection it is, and where it went in.
pub(crate) struct Passage<'a> {
    pub(crate) local: &'a Local,
    pub(crate) route: &'a Route,
    pub(crate) client: Option<SocketAddr>,
}
