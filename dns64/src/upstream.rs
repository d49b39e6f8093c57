//! The upstream resolvers: who they are, how they are, and asking them.
//!
//! [`Upstreams::ask`] finds who is asked for a name, and drives one query along the course that the module `select`
//! lays out: a first upstream, a next one when it stays silent, refuses or breaks off, and all of them heard until the
//! deadline, so that a slow answer is still an answer. The number of queries waiting is bounded for the whole daemon,
//! and so is the number of sockets. What is known of an upstream survives a change of configuration that keeps it.
//! Does not judge answers beyond their response code.
//!
//! Sockets and connections belong to workers: `lanes` keeps those of each runtime apart.

mod attempts;
mod breakdown;
mod circle;
mod descriptors;
mod flights;
mod health;
mod heard;
mod https;
mod lanes;
mod latency;
mod member;
mod place;
pub(crate) mod probe;
mod random;
mod select;
mod stream;
mod tls;
mod udp;

pub use heard::Asked;
pub(crate) use member::Report;
pub use member::Upstream;
pub use place::{Place, Scheme};
pub use tls::{Trust, TrustError};

use crate::answer::Failure;
use crate::domain::DomainMap;
use crate::metrics::Metrics;
use crate::name::WireName;
use crate::query::Query;
use crate::quota::{Permit, Quota};
use attempts::Attempts;
use descriptors::Descriptors;
use heard::Heard;
use nix::sys::resource::{Resource, getrlimit};
use prometheus_client::metrics::gauge::Gauge;
use select::{Course, Step};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Queries that may wait for upstreams at one time, in the whole daemon. One client may have a
/// [`crate::quota::SHARE`]th of them.
pub const MAX_IN_FLIGHT: usize = 4096;

/// How long queries go on when their client has given up: what comes then is for the cache, and for who asks again.
pub const LINGER: Duration = Duration::from_millis(3250);

/// Queries that may go on so at one time, in the whole daemon.
const MAX_LINGERING: usize = 512;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What an upstream has before the next is asked as well, while nothing is known of it; half of it at least
    /// where it is known to be quick.
    pub patience: Duration,
    /// What a client has: less than the two seconds after which stub resolvers begin to give up.
    pub total: Duration,
    /// How far AAAA is ahead of A, so that a name error on AAAA usually comes before A is sent. See `lead` for
    /// upstreams that are not quick.
    pub head_start: Duration,
    /// An upstream that takes longer as a rule is not quick.
    pub quick: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            patience: Duration::from_millis(400),
            total: Duration::from_millis(1750),
            head_start: Duration::from_millis(20),
            quick: Duration::from_millis(5),
        }
    }
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

/// Who is to be asked.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// For all names that no other is asked for, in order of preference.
    pub default: Vec<Place>,
    /// For these domains and the names below.
    pub forward: Vec<(Vec<WireName>, Vec<Place>)>,
    /// Who may vouch for upstreams over TLS and HTTPS; needed where there are such.
    pub trust: Option<Trust>,
}

/// Upstreams in their order of preference.
type Group = Vec<Arc<Upstream>>;

/// All upstreams of one configuration.
#[derive(Debug)]
pub struct Upstreams {
    default: Group,
    forward: Vec<(Vec<WireName>, Group)>,
    /// The index in `forward` by domain.
    domains: DomainMap<usize>,
    /// Every upstream once.
    members: Group,
    trust: Option<Trust>,
    quota: Arc<Quota>,
    lingering: Arc<Semaphore>,
    descriptors: Arc<Descriptors>,
    timing: Timing,
    metrics: Arc<Metrics>,
}

impl Upstreams {
    /// The upstreams of `assignment`. What `previous` knows of those that it has as well is kept, and its bounds on
    /// waiting queries and open sockets go on holding.
    pub fn new(
        assignment: Assignment,
        timing: Timing,
        metrics: Arc<Metrics>,
        previous: Option<&Self>,
    ) -> Self {
        let Assignment { default, forward, trust } = assignment;
        let quota = previous.map_or_else(|| Quota::new(MAX_IN_FLIGHT), |known| Arc::clone(&known.quota));
        let lingering = previous
            .map_or_else(|| Arc::new(Semaphore::new(MAX_LINGERING)), |known| Arc::clone(&known.lingering));
        let descriptors =
            previous.map_or_else(|| descriptors(&metrics), |known| Arc::clone(&known.descriptors));
        let mut members: Group = Vec::new();
        let mut group = |places: Vec<Place>| -> Group {
            let mut upstream = |place: Place| {
                let of = |group: &Group| group.iter().find(|one| *one.place() == place).cloned();
                if let Some(member) = of(&members) {
                    return member;
                }
                let known = previous.and_then(|previous| of(&previous.members));
                let member = Upstream::new(place, trust.as_ref(), &descriptors, &metrics, known.as_ref());
                members.push(Arc::clone(&member));
                member
            };
            places.into_iter().map(&mut upstream).collect()
        };
        let default = group(default);
        let forward: Vec<_> = forward.into_iter().map(|(domains, places)| (domains, group(places))).collect();
        let domains = forward.iter().enumerate();
        let domains =
            domains.flat_map(|(index, (domains, _))| domains.iter().map(move |domain| (*domain, index)));
        let domains = domains.collect();
        Self { default, forward, domains, members, trust, quota, lingering, descriptors, timing, metrics }
    }

    /// The time limits in effect.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Every upstream once.
    pub(crate) fn members(&self) -> &[Arc<Upstream>] {
        &self.members
    }

    /// What is said on the admin socket, in the order of the file.
    pub(crate) fn report(&self) -> Vec<Report> {
        let default = self.default.iter().map(|upstream| upstream.report(Vec::new()));
        let forward = self.forward.iter().flat_map(|(domains, group)| {
            let domains: Vec<_> = domains.iter().map(WireName::to_string).collect();
            group.iter().map(move |upstream| upstream.report(domains.clone()))
        });
        default.chain(forward).collect()
    }

    /// The domains that others are asked for than by `previous`: what is known of them may be of other zones.
    pub(crate) fn reassigned<'a>(&'a self, previous: &'a Self) -> impl Iterator<Item = &'a WireName> {
        let domains = self.forward.iter().chain(&previous.forward).flat_map(|(domains, _)| domains);
        let places = |upstreams: &'a Self, domain| upstreams.group(domain).iter().map(|one| one.place());
        domains.filter(move |domain| !places(self, domain).eq(places(previous, domain)))
    }

    /// Whether others may vouch for upstreams than when the certificates were read, those of the file `more` among
    /// them. What is wrong with the file is said when it is read to be used.
    pub(crate) fn is_trust_stale(&self, more: Option<&Path>) -> bool {
        let trust = self.trust.as_ref();
        trust.is_some_and(|trust| !Trust::load(more).is_ok_and(|new| new.is_same(trust)))
    }

    /// Forgets what only `previous` has.
    pub(crate) fn supersede(&self, previous: &Self) {
        for gone in &previous.members {
            if self.members.iter().all(|upstream| upstream.place() != gone.place()) {
                self.metrics.forget_upstream(&gone.place().to_string());
            }
        }
    }

    /// A question that `client` puts at this moment.
    pub fn inquiry(&self, client: IpAddr) -> Inquiry {
        let put = Instant::now();
        Inquiry { client, put, deadline: put + self.timing.total }
    }

    /// Asks until one answers, or nobody can. Goes on for [`LINGER`] when the deadline has passed, if not too many do:
    /// who waits for the client looks at the clock.
    pub async fn ask(&self, query: &Query, inquiry: Inquiry) -> Asked {
        let permit = match self.quota.take(inquiry.client) {
            Ok(permit) => permit,
            Err(exhausted) => return Asked::failed(self.metrics.overloaded(exhausted)),
        };
        let _counted = InFlight::new(&self.metrics.upstream_in_flight);
        let group = self.group(&query.name);
        if !group.iter().any(|upstream| upstream.leads_back()) {
            return self.follow_course(group, query, inquiry, permit).await;
        }
        let others: Vec<_> = group.iter().filter(|upstream| !upstream.leads_back()).cloned().collect();
        if others.is_empty() {
            return Asked::failed(Failure::Loop);
        }
        self.follow_course(&others, query, inquiry, permit).await
    }

    /// Takes note of an own question with `tag` that came in from outside: one of the upstreams leads back here.
    /// Whether that is so.
    pub(crate) fn came_back(&self, tag: u64) -> bool {
        self.members.iter().any(|upstream| upstream.came_back(tag))
    }

    /// Gives the client's share back, and says whether the query may go on without. It need not where there is an
    /// outcome already.
    fn may_linger(&self, pass: &mut Pass, heard: &Heard) -> bool {
        if !pass.is_of_client() {
            return true;
        }
        let free = Arc::clone(&self.lingering).try_acquire_owned().ok().filter(|_| heard.rebuff.is_none());
        let may = free.is_some();
        if let Some(free) = free {
            *pass = Pass::Lingering(free);
        }
        may
    }

    /// How long who is asked for `name` first takes as a rule; `None` where nothing is known of that.
    pub(crate) fn usual(&self, name: &WireName) -> Option<Duration> {
        self.group(name).iter().find(|upstream| upstream.is_up() && !upstream.leads_back())?.usual()
    }

    /// Who is asked for `name`.
    fn group(&self, name: &WireName) -> &Group {
        self.domains.get(name).map_or(&self.default, |index| &self.forward[*index].1)
    }

    async fn follow_course(
        &self,
        group: &[Arc<Upstream>],
        query: &Query,
        inquiry: Inquiry,
        permit: Permit,
    ) -> Asked {
        let mut pass = Pass::Client(permit);
        let deadline = inquiry.deadline.into_std();
        let put = inquiry.put.into_std();
        let standings = group.iter().map(|upstream| upstream.standing(&self.timing));
        let mut course = Course::new(standings, deadline + LINGER);
        let mut attempts = Attempts::default();
        let attempt = |index: usize| async move { (index, group[index].ask(query, put).await) };
        let mut alarm = std::pin::pin!(sleep_until(inquiry.deadline));
        let mut heard = Heard::default();
        loop {
            let now = std::time::Instant::now();
            if now >= deadline && !self.may_linger(&mut pass, &heard) {
                heard.failure = Failure::Silent;
                return heard.outcome();
            }
            match course.step(now) {
                Step::Ask(index) => attempts.push(attempt(index)),
                Step::Hedge(index) => {
                    if group[index].spend_hedge() {
                        self.metrics.upstream_hedges.inc();
                        course.hedged(index, now);
                        attempts.push(attempt(index));
                    }
                }
                Step::Late(index, start) => {
                    heard.failure = Failure::Silent;
                    group[index].late(put, start, now);
                }
                Step::End => {
                    if now >= deadline {
                        heard.failure = Failure::Silent;
                    }
                    return heard.outcome();
                }
                Step::Wait(until) => {
                    let until = if pass.is_of_client() { until.min(deadline) } else { until };
                    if alarm.deadline().into_std() != until {
                        alarm.as_mut().reset(until.into());
                    }
                    tokio::select! {
                        biased;
                        (index, result) = attempts.next() => {
                            let by = &group[index];
                            if let Some(answer) = heard.hear(&mut course, by, index, result) {
                                return Asked { outcome: Ok(answer), by: Some(Arc::clone(by)) };
                            }
                        }
                        () = alarm.as_mut() => {}
                    }
                }
            }
        }
    }
}

/// The right to wait.
enum Pass {
    /// A client's share.
    Client(#[expect(dead_code, reason = "is given back when it is dropped")] Permit),
    /// Nobody's, when the client has given up.
    Lingering(#[expect(dead_code, reason = "is given back when it is dropped")] OwnedSemaphorePermit),
}

impl Pass {
    fn is_of_client(&self) -> bool {
        matches!(self, Self::Client(_))
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

fn descriptors(metrics: &Metrics) -> Arc<Descriptors> {
    Descriptors::new(most_files(), metrics.upstream_sockets.clone())
}

/// How many files this process may open; the usual number where the system does not say.
pub(crate) fn most_files() -> usize {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(files).unwrap_or(usize::MAX)
}
