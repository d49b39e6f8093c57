//! HTTP connections to members, kept for the next request: one set per worker, shared by its clients, and what each client
//! connection has of its own.
//!
//! HTTP/1.1 has a connection for each request under way, HTTP/2 many requests on each. An idle one is looked at by its
//! worker once a second and dropped when the member has closed it, when it has been idle for long, or when the member has
//! left the configuration or is spoken to in another way.

mod choice;
mod http1;
mod http2;
mod multiplexed;
mod own;

pub(crate) use choice::Seeker;
pub use http1::response;
pub(crate) use http1::{Broken, Http1};
pub(crate) use http2::{Stream, Tunnel};
pub(crate) use own::Own;

use crate::clock::now;
use crate::dial::{Dial, First};
use crate::origination::Secured;
use crate::pool::{MemberState, Pool};
use crate::snapshot::{Shared, Snapshot};
use config::model::HttpVersion;
use hashbrown::HashMap;
use http2::Http2;
use multiplexed::Multiplexed;
use own::Kept;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{self, Instant};

/// How long a connection may be idle. Servers close theirs after 5 s (Apache) to 75 s (nginx).
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept per member and worker.
const KEPT: usize = 1024;
/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Idle connections, the one used last at the end.
type Idle = Vec<Box<Http1>>;

/// What a request goes on: a connection for as long as it takes, or a place on one.
pub(crate) enum Upstream {
    Http1(Box<Http1>),
    Http2(Stream),
}

/// Whether the end of a connection may still be held against its member: once for all that were on it.
pub(crate) struct Blame(Option<Rc<Http2>>);

impl Blame {
    pub(crate) fn is_due(&self) -> bool {
        self.0.as_ref().is_none_or(|connection| connection.blames_once())
    }
}

/// The connections whose members have left a request alone, on none of which it goes again.
#[derive(Default)]
pub(crate) struct Refusals(Vec<Rc<Http2>>);

impl Refusals {
    /// The connection that this would be held against has refused it.
    pub(crate) fn add(&mut self, refused: Blame) {
        self.0.extend(refused.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn has(&self, connection: &Rc<Http2>) -> bool {
        self.0.iter().any(|refused| Rc::ptr_eq(refused, connection))
    }
}

impl Upstream {
    /// This side's end, of a connection that is the request's alone.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Http1(connection) => connection.local_addr(),
            Self::Http2(_) => None,
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Http1(_) => Blame(None),
            Self::Http2(stream) => Blame(Some(stream.connection())),
        }
    }

    /// Whether the connection has carried a request before.
    pub(crate) const fn is_reused(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_reused(),
            Self::Http2(stream) => stream.is_reused(),
        }
    }
}

/// The connections of one worker, but for those of HTTP/1.1 that are in use.
#[derive(Default)]
pub(crate) struct Upstreams {
    /// Those that serve any client.
    shared: RefCell<HashMap<*const MemberState, Idle>>,
    /// Those of one client connection each.
    owned: RefCell<Vec<Weak<Kept>>>,
    multiplexed: Multiplexed,
    filled: Notify,
}

impl Upstreams {
    /// A connection to the member that speaks as `secured` does, for this request of the client connection whose `own` is.
    /// What the runtime has not heard of a connection is not known: see [`crate::turn`].
    pub(crate) fn check_out(
        &self,
        member: &Arc<MemberState>,
        secured: Option<&Arc<Secured>>,
        (own, seeker, refusals): (&Own, Seeker, &Refusals),
    ) -> Option<Upstream> {
        match seeker.version {
            HttpVersion::H1 => self.take(member, secured, (own, seeker)).map(Upstream::Http1),
            HttpVersion::H2 => {
                let find =
                    |multiplexed: &Multiplexed| multiplexed.find(member, secured, (seeker.told, refusals));
                let of_own = own.kept().and_then(|kept| find(&kept.multiplexed));
                let shared = || if seeker.keeps() { None } else { find(&self.multiplexed) };
                of_own.or_else(shared).map(Upstream::Http2)
            }
        }
    }

    /// A new connection, which begins with `first`.
    pub(crate) async fn open(
        &self,
        dial: &Dial<'_>,
        member: &Arc<MemberState>,
        (own, seeker, refusals): (&Own, Seeker, &Refusals),
        first: &First,
    ) -> io::Result<Upstream> {
        match seeker.version {
            HttpVersion::H1 => {
                Http1::open(dial, Arc::clone(member), (seeker, first)).await.map(Upstream::Http1)
            }
            HttpVersion::H2 => {
                let kept = seeker.keeps().then(|| self.kept(own));
                let multiplexed = kept.as_ref().map_or(&self.multiplexed, |kept| &kept.multiplexed);
                let opened = multiplexed.open(dial, member, (seeker.told, refusals), first).await;
                self.filled.notify_one();
                opened.map(Upstream::Http2)
            }
        }
    }

    /// The idle one used last, which is the likeliest to be alive.
    fn take(
        &self,
        member: &Arc<MemberState>,
        secured: Option<&Arc<Secured>>,
        (own, seeker): (&Own, Seeker),
    ) -> Option<Box<Http1>> {
        let mut fits =
            |upstream: &mut Http1| upstream.speaks_as(secured, seeker.told) && upstream.is_usable();
        let mine = |upstream: &Http1| Arc::ptr_eq(&upstream.member, member);
        if let Some(upstream) = own.kept().and_then(|kept| kept.take(mine, &mut fits)) {
            return Some(upstream);
        }
        // Before the set is looked into: where nothing is shared there is none.
        if !seeker.may_share(true) {
            return None;
        }
        let mut shared = self.shared.borrow_mut();
        let idle = shared.get_mut(&Arc::as_ptr(member))?;
        take(idle, |upstream| seeker.may_share(upstream.is_proven()), fits)
    }

    /// Keeps a connection whose response has ended, if it can be used again: for any client, or for the client
    /// connection that has used it.
    pub(crate) fn check_in(&self, mut upstream: Box<Http1>, own: &Own) {
        if !upstream.is_usable() {
            return;
        }
        upstream.carried += 1;
        upstream.idle_since = now().into();
        if upstream.owned {
            self.kept(own).keep_idle(upstream);
        } else {
            let mut shared = self.shared.borrow_mut();
            let idle = shared.entry(Arc::as_ptr(&upstream.member)).or_default();
            if idle.len() == KEPT {
                return;
            }
            idle.push(upstream);
        }
        self.filled.notify_one();
    }

    /// A connection that others may have shared serves this client only from here on.
    pub(crate) fn keep(&self, stream: &Stream, own: &Own) {
        let connection = stream.connection();
        if self.multiplexed.remove(&connection) {
            self.kept(own).multiplexed.push(connection);
            self.filled.notify_one();
        }
    }

    /// Where this client connection keeps its own, looked at from time to time.
    fn kept(&self, own: &Own) -> Rc<Kept> {
        let (kept, new) = own.begin();
        self.owned.borrow_mut().extend(new);
        kept
    }

    /// Drops what cannot be used again, forever.
    pub(crate) async fn tend(&self, shared: &Shared) {
        loop {
            if self.is_empty() {
                self.filled.notified().await;
            }
            time::sleep(SWEEP).await;
            self.sweep(&shared.snapshot.load(), Instant::now());
        }
    }

    fn is_empty(&self) -> bool {
        self.shared.borrow().is_empty() && self.owned.borrow().is_empty() && self.multiplexed.is_empty()
    }

    /// Gives up all that is idle, so that others can have the files. Says whether there was anything.
    pub(crate) fn give_up(&self) -> bool {
        let mut had_any = !std::mem::take(&mut *self.shared.borrow_mut()).is_empty();
        for kept in self.owned.borrow().iter().filter_map(Weak::upgrade) {
            had_any |= !std::mem::take(&mut *kept.idle.borrow_mut()).is_empty();
            had_any |= kept.multiplexed.give_up();
        }
        self.multiplexed.give_up() || had_any
    }

    fn sweep(&self, snapshot: &Snapshot, now: Instant) {
        self.shared.borrow_mut().retain(|_, idle| {
            tidy(idle, snapshot, now);
            !idle.is_empty()
        });
        self.owned.borrow_mut().retain(|kept| {
            let Some(kept) = kept.upgrade() else { return false };
            tidy(&mut kept.idle.borrow_mut(), snapshot, now);
            tidy_multiplexed(&kept.multiplexed, own::KEPT, snapshot, now);
            true
        });
        tidy_multiplexed(&self.multiplexed, usize::MAX, snapshot, now);
    }
}

/// The pool of a member, and how it is spoken to.
fn spoken_to<'a>(
    snapshot: &'a Snapshot,
    member: &MemberState,
) -> Option<(&'a Pool, Option<&'a Arc<Secured>>)> {
    let (pool, place) = snapshot.find(member)?;
    Some((pool, pool.secured_at(place)))
}

fn tidy(idle: &mut Idle, snapshot: &Snapshot, now: Instant) {
    idle.retain_mut(|upstream| {
        let Some((pool, secured)) = spoken_to(snapshot, &upstream.member) else { return false };
        now - upstream.idle_since < IDLE
            && pool.config.protocol == HttpVersion::H1
            && upstream.speaks_as(secured, pool.config.proxy_protocol)
            && upstream.is_usable()
    });
}

/// Leaves at most `kept` idle ones.
fn tidy_multiplexed(all: &Multiplexed, kept: usize, snapshot: &Snapshot, now: Instant) {
    let mut idle = 0;
    all.retain(|connection| {
        let fits = |(pool, secured): (&Pool, _)| {
            pool.config.protocol == HttpVersion::H2
                && connection.speaks_as(secured, pool.config.proxy_protocol)
        };
        if !spoken_to(snapshot, &connection.member).is_some_and(fits) || !connection.is_usable() {
            return false;
        }
        idle += usize::from(connection.is_idle());
        !connection.is_idle() || (idle <= kept && now - connection.idle_since() < IDLE)
    });
}

/// Takes out the last connection that is `wanted` and `fits`; those that are wanted and do not fit are dropped.
fn take(
    idle: &mut Idle,
    wanted: impl Fn(&Http1) -> bool,
    mut fits: impl FnMut(&mut Http1) -> bool,
) -> Option<Box<Http1>> {
    while let Some(place) = idle.iter().rposition(|upstream| wanted(upstream)) {
        let mut upstream = idle.remove(place);
        if fits(&mut upstream) {
            return Some(upstream);
        }
    }
    None
}
