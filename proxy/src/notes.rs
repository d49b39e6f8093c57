//! What is kept in mind of a connection for the line about it, while there is a log.
//!
//! Without a log nothing is kept. The connection counts itself in what the line says of the process and the listener,
//! and not in what it says of the pool and the member, as in HAProxy.

use crate::listener::Site;
use crate::pool::{Lease, MemberState, Pool};
use crate::record::{Bytes, Ended, Ending, Event, Fault, Load, Path, Record};
use crate::snapshot::Route;
use crate::worker::Local;
use addr::fold_mapped_socket;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Of one connection.
#[derive(Debug)]
pub(crate) struct Notes {
    accepted: SystemTime,
    since: Instant,
    /// The number of the listening address, see [`Record::socket`].
    socket: usize,
    pub(crate) path: Path,
    pub(crate) bytes: Bytes,
    /// The pool of its own that a name has led to.
    pub(crate) pool: Option<Arc<Pool>>,
    /// The latest member, while it has a place there.
    pub(crate) member: Option<Arc<MemberState>>,
}

/// The notes of a connection, if any are kept.
pub(crate) type MaybeNotes = Option<Box<Notes>>;

impl Notes {
    /// A connection has come to this place.
    pub(crate) fn begin(local: &Local, route: &Route, site: &Site) -> MaybeNotes {
        local.shared().snapshot.load().log.as_ref()?;
        let place = route.sites.iter().position(|listening| listening == site);
        Some(Box::new(Self {
            accepted: SystemTime::now(),
            since: Instant::now(),
            socket: place.map_or(0, |place| place + 1),
            path: Path::default(),
            bytes: Bytes::default(),
            pool: None,
            member: None,
        }))
    }

    /// Tells how the connection ended. `lease` is its place at a member, if it has one still.
    pub(crate) fn ended(&self, accepted: &Passage<'_>, lease: Option<&Lease>, ending: Ending) {
        let Passage { local, route, .. } = accepted;
        let pool = self.pool.as_ref().unwrap_or(&route.pool);
        let own = lease.map(Lease::member);
        let of_member = |member: &Arc<MemberState>| {
            let itself = own.is_some_and(|own| Arc::ptr_eq(own, member));
            member.load().saturating_sub(u64::from(itself))
        };
        let seated = pool.members.iter().map(of_member).sum::<u64>();
        let ended = Ended {
            pool: &pool.config.name,
            member: self.member.as_ref().map(|member| member.name.as_str()),
            course: self.path.since(self.since),
            total: self.since.elapsed(),
            bytes: self.bytes,
            ending,
            load: Load {
                process: local.shared().connections.sum(),
                listener: route.counts.active(),
                pool: seated + pool.state.line.length() as u64,
                member: self.member.as_ref().map_or(0, of_member),
            },
        };
        self.tell(accepted, Event::Ended(ended));
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
            accepted: log.stamp(self.accepted),
            listener: &route.name,
            is_tls: route.termination.is_some(),
            socket: self.socket,
            event,
        };
        log.tell(local.index(), &record, SystemTime::now());
    }
}

/// Whose connection it is, and where it went in.
pub(crate) struct Passage<'a> {
    pub(crate) local: &'a Local,
    pub(crate) route: &'a Route,
    pub(crate) client: Option<SocketAddr>,
}
