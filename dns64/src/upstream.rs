//! The upstream resolvers: who they are, how they are, and asking them.
//!
//! [`Upstreams::ask`] drives one query along the course that the module `select` lays out: a first upstream, a next one when
//! it stays silent, refuses or breaks off, and all of them heard until the deadline, so that a slow answer is still
//! an answer. The number of queries waiting is bounded for the whole daemon. Health belongs to an upstream and
//! survives a change of configuration that keeps it. Does not judge answers beyond their response code.

pub(crate) mod probe;
mod random;
mod select;
mod tcp;
mod udp;

use crate::answer::{Answer, Failure, Outcome};
use crate::metrics::{Metrics, Transport, UpstreamFailure, UpstreamMetrics};
use crate::query::Query;
use crate::quota::{Exhausted, Quota};
use futures_util::stream::{FuturesUnordered, StreamExt};
use prometheus_client::metrics::gauge::Gauge;
use select::{Course, Health, News, Step};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Queries that may wait for upstreams at one time, in the whole daemon. Each holds up to four sockets. One client may
/// have a [`crate::quota::SHARE`]th of them.
pub const MAX_IN_FLIGHT: usize = 1024;

/// Where an upstream is and how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address and port.
    pub address: SocketAddr,
    /// What a query is sent over first. Over UDP, TCP follows where the reply is truncated or doubtful.
    pub transport: Transport,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What an upstream has before the next is asked as well.
    pub patience: Duration,
    /// What a client has: less than the two seconds after which stub resolvers begin to give up.
    pub total: Duration,
    /// How far AAAA is ahead of A, so that a name error on AAAA usually comes before A is sent.
    pub head_start: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            patience: Duration::from_millis(400),
            total: Duration::from_millis(1750),
            head_start: Duration::from_millis(20),
        }
    }
}

/// One upstream.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    transport: Transport,
    health: Mutex<Health>,
    metrics: UpstreamMetrics,
}

/// A question that is put to upstreams, in one query or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Who put it.
    pub client: IpAddr,
    /// When it was put.
    pub put: Instant,
    /// Until when an answer is of use.
    pub deadline: Instant,
}

/// What is said of an upstream on the admin socket.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Report {
    upstream: String,
    transport: &'static str,
    up: bool,
    misses: u32,
}

/// All upstreams of one configuration.
#[derive(Debug)]
pub struct Upstreams {
    members: Vec<Arc<Upstream>>,
    quota: Arc<Quota>,
    timing: Timing,
    metrics: Arc<Metrics>,
}

/// Why an exchange with one upstream came to nothing.
#[derive(Debug, thiserror::Error)]
enum Breakdown {
    #[error("the network or the upstream refuses")]
    Unreachable(#[source] io::Error),
    #[error("no sockets or random numbers left")]
    Resources,
    #[error("the reply on the connection belongs to no query")]
    Garbled,
}

impl From<io::Error> for Breakdown {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(nix::libc::EMFILE | nix::libc::ENFILE | nix::libc::ENOBUFS | nix::libc::ENOMEM) => {
                Self::Resources
            }
            _ => Self::Unreachable(error),
        }
    }
}

impl Upstream {
    fn new(place: Place, metrics: &Metrics) -> Self {
        let metrics = metrics.upstream(&name(place));
        metrics.up.set(1);
        Self { address: place.address, transport: place.transport, health: Mutex::default(), metrics }
    }

    fn place(&self) -> Place {
        Place { address: self.address, transport: self.transport }
    }

    /// Whether it answered lately, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        self.health().is_up()
    }

    /// What is said of it on the admin socket.
    pub(crate) fn report(&self) -> Report {
        let health = *self.health();
        Report {
            upstream: self.address.to_string(),
            transport: self.transport.label(),
            up: health.is_up(),
            misses: health.misses(),
        }
    }

    fn replied(&self) {
        let now = Instant::now().into_std();
        self.health().replied(now);
        self.metrics.up.set(1);
        self.announce();
    }

    fn missed(&self, put: Instant, start: Instant, failure: UpstreamFailure) {
        self.metrics.failed(failure);
        let up = {
            let mut health = self.health();
            health.missed(put.into_std(), start.into_std(), Instant::now().into_std());
            health.is_up()
        };
        self.metrics.up.set(i64::from(up));
        self.announce();
    }

    /// Tells the log what it has not heard yet.
    fn announce(&self) {
        let news = self.health().news(Instant::now().into_std());
        match news {
            Some(News { up: true, flips }) => {
                tracing::info!(upstream = %self.address, flips, "upstream answers again");
            }
            Some(News { up: false, flips }) => {
                tracing::warn!(upstream = %self.address, flips, "upstream does not answer, others go first");
            }
            None => {}
        }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstreams {
    /// The upstreams at `places`. Those that `previous` already has keep their health, and its bound on waiting
    /// queries goes on holding.
    pub fn new(places: &[Place], timing: Timing, metrics: Arc<Metrics>, previous: Option<&Self>) -> Self {
        let known =
            |place: Place| previous?.members.iter().find(|upstream| upstream.place() == place).cloned();
        let members = places
            .iter()
            .map(|place| known(*place).unwrap_or_else(|| Arc::new(Upstream::new(*place, &metrics))))
            .collect();
        let quota =
            previous.map_or_else(|| Quota::new(MAX_IN_FLIGHT), |previous| Arc::clone(&previous.quota));
        Self { members, quota, timing, metrics }
    }

    /// The time limits in effect.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Every upstream, in the order of the file.
    pub(crate) fn members(&self) -> &[Arc<Upstream>] {
        &self.members
    }

    /// Forgets what only `previous` has.
    pub(crate) fn supersede(&self, previous: &Self) {
        for gone in &previous.members {
            if self.members.iter().all(|upstream| upstream.address != gone.address) {
                self.metrics.forget_upstream(&name(gone.place()));
            }
        }
    }

    /// A question that `client` puts at this moment.
    pub fn inquiry(&self, client: IpAddr) -> Inquiry {
        let put = Instant::now();
        Inquiry { client, put, deadline: put + self.timing.total }
    }

    /// Asks until one answers or the deadline passes.
    pub async fn ask(&self, query: &Query, inquiry: Inquiry) -> Outcome {
        let _permit = self.quota.take(inquiry.client).map_err(|exhausted| match exhausted {
            Exhausted::Client => {
                self.metrics.client_overload.inc();
                Failure::ClientOverload
            }
            Exhausted::All => {
                self.metrics.overload.inc();
                Failure::Overload
            }
        })?;
        let _counted = InFlight::new(&self.metrics.upstream_in_flight);
        self.follow_course(query, inquiry).await
    }

    async fn follow_course(&self, query: &Query, inquiry: Inquiry) -> Outcome {
        let Inquiry { put, deadline, .. } = inquiry;
        let mut course = Course::new(self.members.iter().map(|upstream| upstream.is_up()));
        let mut attempts = FuturesUnordered::new();
        let mut rebuff = None;
        let mut failure = Failure::Unreachable;
        loop {
            match course.step() {
                Step::Ask(index) => attempts.push(self.attempt(index, query, put)),
                Step::Wait => {}
                Step::End => return rebuff.ok_or(failure),
            }
            let wake = deadline.min(Instant::now() + self.timing.patience);
            tokio::select! {
                Some((index, result)) = attempts.next() => match result {
                    Ok(answer) if !select::is_rebuff(answer.rcode()) => return Ok(answer),
                    Ok(answer) => {
                        self.members[index].metrics.failed(UpstreamFailure::Rebuff);
                        rebuff.get_or_insert(answer);
                        course.rebuffed(index);
                    }
                    Err(breakdown) => {
                        if matches!(breakdown, Breakdown::Resources) {
                            failure = Failure::Resources;
                        }
                        course.ended(index);
                    }
                },
                () = sleep_until(wake) => {
                    failure = Failure::Silent;
                    if wake == deadline {
                        return rebuff.ok_or(failure);
                    }
                    course.time_passed();
                }
            }
        }
    }

    /// One exchange with one upstream. Its health learns of a reply, of a breakdown, and of silence as soon as its
    /// time is over; the reply may come even so.
    async fn attempt(&self, index: usize, query: &Query, put: Instant) -> (usize, Result<Answer, Breakdown>) {
        let upstream = &self.members[index];
        let start = Instant::now();
        let mut exchange = std::pin::pin!(exchange(upstream, query));
        let result = if let Ok(result) = timeout(self.timing.patience, &mut exchange).await {
            result
        } else {
            upstream.missed(put, start, UpstreamFailure::Timeout);
            exchange.await
        };
        match &result {
            Ok(_) => {
                upstream.metrics.latency.observe(start.elapsed().as_secs_f64());
                upstream.replied();
            }
            // Our own want says nothing about the upstream.
            Err(Breakdown::Resources) => {}
            Err(breakdown @ (Breakdown::Unreachable(_) | Breakdown::Garbled)) => {
                tracing::debug!(upstream = %upstream.address, %breakdown, "exchange failed");
                upstream.missed(put, start, UpstreamFailure::Unreachable);
            }
        }
        (index, result)
    }
}

/// Counts a query for as long as it waits, also where nobody waits for it to the end.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One exchange, over TCP where UDP is not enough or not wanted.
async fn exchange(upstream: &Upstream, query: &Query) -> Result<Answer, Breakdown> {
    if upstream.transport == Transport::Udp
        && let udp::Heard::Answer(answer) = udp::exchange(upstream, query).await?
    {
        return Ok(answer);
    }
    tcp::exchange(upstream, query).await
}

/// The label of an upstream in metrics.
fn name(place: Place) -> String {
    place.address.to_string()
}
