//! Accepting: each worker from its own sockets.

use super::admission::{Refusal, Ticket};
use super::incoming::{Incoming, Listener, concerns_one};
use super::room::Place;
use super::site::Site;
use super::socket::BACKLOG;
use super::sources::Excess;
use crate::notes::{MaybeNotes, Notes};
use crate::opening::{self, Opening};
use crate::proxy_protocol::{Ends, Origin};
use crate::shortage::Shortage;
use crate::stream::Stream;
use crate::tcp;
use crate::worker::{Local, Stop};
use crate::{http, identity, snapshot::Route};
use config::model::Mode;
use futures_util::FutureExt;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{self, Instant};
use tracing::field::display;

/// How long accepting rests at most when the process is short of something and none of its connections end.
const REST: Duration = Duration::from_millis(100);
/// Connections that a listener takes in one turn.
const AT_A_TIME: usize = 16;

/// Accepts connections until told to stop. What the kernel has accepted by then is still served, as far as there is room.
pub(crate) async fn accept(
    local: Rc<Local>,
    listener: Listener,
    site: Arc<Site>,
    route: Arc<Route>,
    stop: Stop,
) {
    let mut accepting = Accepting { local, site, route, stop };
    let mut stopped = accepting.stop.clone();
    loop {
        for _ in 0..AT_A_TIME {
            tokio::select! {
                biased;
                () = stopped.wait() => return accepting.finish(&listener),
                accepted = accepting.next(&listener) => accepting.take(accepted).await,
            }
        }
        // Other listeners and the connections under way have their turn, however many wait here.
        tokio::task::yield_now().await;
    }
}

/// One accepted connection.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    /// Its peer, or the client that its peer speaks for. None: a Unix socket's, which has no address.
    pub(crate) client: Option<SocketAddr>,
    /// Where that client connected to, if its peer told; else it is the stream's own end.
    pub(crate) destination: Option<SocketAddr>,
    /// Where it came to.
    pub(crate) site: Arc<Site>,
    /// What becomes of it.
    pub(crate) route: Arc<Route>,
    /// What the client said ahead of its data, if the route asks for that.
    pub(crate) opening: Option<Box<Opening>>,
    /// Tells when the listener goes.
    pub(crate) stop: Stop,
    pub(crate) notes: MaybeNotes,
}

impl Accepted {
    /// The client's end and the one that it connected to. None: it has no address.
    pub(crate) fn ends(&self) -> Option<Ends> {
        let destination = self.destination.or_else(|| self.stream.socket().local_addr())?;
        Some(Ends::new(self.client?, destination))
    }

    /// Keeps in mind that handshakes are over, and where the client came to.
    fn note_opening(&mut self) {
        if let Some(mut notes) = self.notes.take() {
            notes.opened();
            notes.came_to(|| self.ends().map(|ends| ends.destination()));
            self.notes = Some(notes);
        }
    }

    /// Whether its peer must name a client.
    pub(crate) fn awaits_header(&self) -> bool {
        self.client.is_some_and(|peer| self.route.awaits_header(peer.ip()))
    }

    /// What counts the connection among those of its client's source, if the listener takes it. If not, it is counted
    /// and will end by a reset: nothing is answered, and nothing of it stays in the kernel.
    fn admit(&self, local: &Local) -> Result<Option<Box<Ticket>>, Refusal> {
        let Self { client, route, .. } = self;
        let judged = route.admission.judge(client.map(|client| client.ip()), Instant::now().into_std());
        judged.inspect_err(|refusal| {
            route.counts.failed(local.index(), (*refusal).into());
            let (client, listener) = (client.map(display), &route.name);
            tracing::debug!(client, listener, ?refusal, "connection is closed");
            if *refusal == Refusal::Source(Excess::Table)
                && let Some(more) = local.admit_shortage(Shortage::Sources)
            {
                tracing::warn!(listener, more, "the table of sources is full: new sources are refused");
            }
            self.stream.socket().abort();
        })
    }

    /// What members are told of it.
    pub(crate) fn origin(&self) -> Origin<'static> {
        identity::origin(self.ends())
    }
}

/// A part of a connection's life, which becomes the next one. All that is needed only to get there is gone by then: a
/// connection that waits keeps no room for how it came about.
pub(crate) enum Stage {
    Acts(Acts),
    /// It is one of its source's from here on.
    Counts(Box<Ticket>, Box<Self>),
    /// Nothing runs until something happens.
    Rests(http::Rest),
}

/// What runs, to what follows.
pub(crate) type Acts = Pin<Box<dyn Future<Output = Option<Stage>>>>;

impl Stage {
    pub(crate) fn new(stage: impl Future<Output = Option<Self>> + 'static) -> Self {
        Self::Acts(Box::pin(stage))
    }

    /// One that nothing follows.
    pub(crate) fn last(stage: impl Future<Output = ()> + 'static) -> Self {
        Self::new(stage.map(|()| None))
    }
}

struct Accepting {
    local: Rc<Local>,
    site: Arc<Site>,
    /// The route in force when the last connection came: it serves those that come while the listener goes.
    route: Arc<Route>,
    stop: Stop,
}

impl Accepting {
    /// The next connection with its place, once there is one. Until then it waits in the kernel's backlog.
    async fn next(&mut self, listener: &Listener) -> io::Result<(Incoming, Place)> {
        loop {
            // Whatever it waits for, it is the configuration of that moment that decides.
            let accepted = poll_fn(|cx| {
                self.refresh();
                match self.full() {
                    Some(full) => Poll::Ready(Err(full)),
                    None => listener.poll_accept(cx, || self.place()),
                }
            });
            if let Ok(accepted) = accepted.await {
                return accepted;
            }
            let seen = Arc::clone(&self.route);
            let freed = seen.admission.freed().notified();
            let Some(full) = self.still_full(&seen) else { continue };
            self.tell(full);
            tokio::select! {
                () = freed => {}
                () = self.local.connection_ended() => {}
            }
        }
    }

    /// What keeps one connection more out.
    fn full(&self) -> Option<Full> {
        let admission = &self.route.admission;
        if !self.local.has_room(admission.taken()) {
            return Some(Full::Worker);
        }
        (!admission.has_place()).then_some(Full::Listener)
    }

    /// The same, looked at again by who listens at `seen` from here on: what was given back or changed before that went
    /// unheard.
    fn still_full(&mut self, seen: &Arc<Route>) -> Option<Full> {
        self.refresh();
        if Arc::ptr_eq(seen, &self.route) { self.full() } else { None }
    }

    /// A place for one connection more. Other workers miss it while it is held.
    fn place(&self) -> Result<Place, Full> {
        match self.full() {
            Some(full) => Err(full),
            None => self.route.admission.take_place().ok_or(Full::Listener),
        }
    }

    fn tell(&self, full: Full) {
        if let Some(more) = self.local.admit_shortage(Shortage::Places) {
            let listener = &self.route.name;
            tracing::warn!(listener, more, "{full}; accepting rests until connections end");
        }
    }

    /// Follows the configuration in force, for as long as it has this site.
    fn refresh(&mut self) {
        if let Some(route) = self.local.shared().snapshot.load().route(&self.site) {
            self.route = Arc::clone(route);
        }
    }

    /// Serves what the kernel has accepted already.
    fn finish(mut self, listener: &Listener) {
        // What waits in an inherited socket waits for the daemon that has it next.
        if matches!(*self.site, Site::Inherited(_)) {
            return;
        }
        // The kernel holds one more than it is asked to; those that come meanwhile do not go on for ever.
        for _ in 0..=BACKLOG {
            let place = match self.place() {
                Ok(place) => place,
                Err(full) => return self.lose(&full),
            };
            match listener.accept() {
                Ok(incoming) => self.serve(incoming, place),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if concerns_one(&error) => tell_of_one(&error),
                Err(error) => return self.lose(&error),
            }
        }
    }

    /// Tells that there is no more room for those that wait here, who are reset.
    fn lose(&self, error: &dyn fmt::Display) {
        if let Some(more) = self.local.admit_shortage(Shortage::Leaving) {
            let listener = &self.route.name;
            tracing::warn!(%error, listener, more, "connections that waited at a socket that leaves are lost");
        }
    }

    async fn take(&mut self, accepted: io::Result<(Incoming, Place)>) {
        match accepted {
            Ok((incoming, place)) => self.serve(incoming, place),
            Err(error) if concerns_one(&error) => tell_of_one(&error),
            // Whoever is idle makes room.
            Err(_) if self.local.upstreams.give_up() => {}
            Err(error) => {
                if let Some(more) = self.local.admit_shortage(Shortage::Accept) {
                    tracing::warn!(%error, listener = self.route.name, more, "accepting rests until connections end");
                }
                // Either a connection of this worker ends or another thread frees something.
                let _ = time::timeout(REST, self.local.connection_ended()).await;
            }
        }
    }

    fn serve(&mut self, (stream, client): Incoming, place: Place) {
        self.refresh();
        let (route, stop) = (Arc::clone(&self.route), self.stop.clone());
        let site = Arc::clone(&self.site);
        let notes = MaybeNotes::default();
        let mut accepted =
            Accepted { stream, client, destination: None, site, route, opening: None, stop, notes };
        // Who speaks for others is judged by whom it speaks for.
        let ticket = if accepted.awaits_header() {
            None
        } else {
            let Ok(ticket) = accepted.admit(&self.local) else { return };
            ticket
        };
        accepted.notes = Notes::begin(&self.local, &accepted.route, &accepted.site);
        let counts = Arc::clone(&self.route.counts);
        self.local.spawn(counts, (place, ticket), Box::pin(begin(Rc::clone(&self.local), accepted)));
    }
}

/// Why nothing can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Full {
    #[error("there are as many connections as may be")]
    Worker,
    #[error("the listener has max_connections")]
    Listener,
}

/// Learns of whom the connection is.
async fn begin(local: Rc<Local>, accepted: Accepted) -> Option<Stage> {
    let by = Instant::now() + accepted.route.timeout.handshake;
    let spoken_for = accepted.awaits_header();
    let mut accepted = identity::learn(&local, accepted, by).await?;
    let ticket = if spoken_for { accepted.admit(&local).ok()? } else { None };
    if accepted.route.awaits_opening() {
        // Most connections have none; none of them should carry room for it.
        accepted = Box::pin(opening::hear(&local, accepted, by)).await?;
    }
    accepted.note_opening();
    let stage = match accepted.route.mode {
        Mode::Http => Stage::new(http::serve(local, accepted)),
        // Nothing is accepted from sockets for datagrams.
        Mode::Tcp | Mode::Udp => tcp::begin(local, accepted).await?,
    };
    Some(match ticket {
        Some(ticket) => Stage::Counts(ticket, Box::new(stage)),
        None => stage,
    })
}

fn tell_of_one(error: &io::Error) {
    tracing::debug!(%error, "client was gone before it was accepted");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::{ENDLESS, listener, model};
    use crate::snapshot::{Shared, Snapshot};
    use config::model::Proxy;
    use tokio::sync::watch;

    fn limited(most: u32) -> Proxy {
        let mut web = listener("web", "[2001:db8::80]:80", Mode::Tcp, "web");
        web.max_connections = Some(most);
        model(vec![web], &["web"])
    }

    #[test]
    fn a_limit_that_is_raised_before_anybody_listens_for_it_is_seen() {
        let shared = Arc::new(Shared::new(Snapshot::new(&limited(1), None, 1), 1, ENDLESS));
        let old = shared.snapshot.load_full();
        let (site, route) = old.sites().next().unwrap();
        let mut accepting = Accepting {
            local: Rc::new(Local::new(0, Arc::clone(&shared))),
            site: Arc::new(site.clone()),
            route: Arc::clone(route),
            stop: Stop(watch::channel(false).1),
        };
        let _held = accepting.place().unwrap();
        assert_eq!(accepting.place().unwrap_err(), Full::Listener);
        assert_eq!(accepting.still_full(route), Some(Full::Listener));
        shared.snapshot.store(Arc::new(Snapshot::new(&limited(2), Some(&old), 1)));
        assert_eq!(accepting.still_full(route), None);
        assert!(accepting.place().is_ok());
    }
}
