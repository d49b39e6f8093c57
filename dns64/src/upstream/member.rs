//! One upstream: what is known of it, and one exchange with it.

use super::breakdown::Breakdown;
use super::circle::{self, Circle};
use super::descriptors::Descriptors;
use super::flights::Landing;
use super::health::{Health, News};
use super::lanes::Lanes;
use super::latency::Latency;
use super::place::{Place, Scheme};
use super::select::Standing;
use super::stream::Dial;
use super::tls::Trust;
use super::{Timing, https, random, stream, udp};
use crate::answer::Answer;
use crate::loops;
use crate::metrics::{Metrics, UpstreamFailure, UpstreamMetrics};
use crate::query::{Edns, Query};
use hickory_proto::op::ResponseCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long an upstream that knows no EDNS is asked without.
const WITHOUT_EDNS: Duration = Duration::from_secs(15 * 60);

/// Hedges are so many hundredths of the queries at most.
const HEDGE_PERCENT: u32 = 5;

/// Hedges that may follow upon each other after a quiet time.
const HEDGE_BURST: u32 = 10;

/// No hedge sooner than this: the upstream is not what is slow.
const HEDGE_LEAST: Duration = Duration::from_millis(5);

/// One upstream.
#[derive(Debug)]
pub struct Upstream {
    place: Place,
    trust: Option<Trust>,
    lanes: Lanes<Lane>,
    descriptors: Arc<Descriptors>,
    /// Shared with the upstream of the configuration before, if it is the same.
    record: Arc<Mutex<Record>>,
    pub(super) metrics: UpstreamMetrics,
}

/// What is known of an upstream.
#[derive(Debug, Default)]
struct Record {
    health: Health,
    circle: Circle,
    latency: Latency,
    without_edns: Option<Instant>,
    /// In hundredths.
    hedges: u32,
    /// Why an exchange failed last.
    fault: Option<String>,
}

/// What is said of an upstream on the admin socket.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Report {
    /// As the file has it.
    pub(crate) upstream: String,
    /// The domains it is asked for; none is all that no other is asked for.
    pub(crate) domains: Vec<String>,
    pub(crate) transport: &'static str,
    pub(crate) up: bool,
    pub(crate) misses: u32,
    /// Whether it asks this daemon in turn; it is not asked then.
    pub(crate) leads_back: bool,
    pub(crate) edns: bool,
    /// The smoothed time of a reply.
    pub(crate) srtt_ms: Option<f64>,
    /// The time that 95 of 100 replies keep.
    pub(crate) p95_ms: Option<f64>,
    /// Why an exchange failed last.
    pub(crate) last_fault: Option<String>,
}

/// What one worker has towards the upstream.
#[derive(Debug)]
enum Lane {
    Datagrams(udp::Pool, stream::Pool),
    Stream(stream::Pool),
    Https(https::Pool),
    /// The file asks for what cannot be.
    Impossible(Breakdown),
}

impl Upstream {
    /// The upstream at `place`. What is known of it goes over from `previous`, its connections as well where it
    /// would be verified in the same way.
    pub(super) fn new(
        place: Place,
        trust: Option<&Trust>,
        descriptors: &Arc<Descriptors>,
        metrics: &Metrics,
        previous: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let trust = match place.scheme {
            Scheme::Udp | Scheme::Tcp => None,
            Scheme::Tls { .. } | Scheme::Https { .. } => trust,
        };
        if let Some(previous) = previous
            && match (trust, &previous.trust) {
                (Some(one), Some(other)) => one.is_same(other),
                (None, None) => true,
                _ => false,
            }
        {
            return Arc::clone(previous);
        }
        let metrics =
            previous.map_or_else(|| metrics.upstream(&place.to_string()), |known| known.metrics.clone());
        let record = previous.map(|known| Arc::clone(&known.record)).unwrap_or_default();
        let upstream = Self {
            place,
            trust: trust.cloned(),
            lanes: Lanes::new(),
            descriptors: Arc::clone(descriptors),
            record,
            metrics,
        };
        upstream.metrics.up.set(i64::from(upstream.is_up()));
        Arc::new(upstream)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it answered lately, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        self.record().health.is_up()
    }

    /// How long it takes as a rule; `None` before the first reply.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.record().latency.mean()
    }

    /// What is said of it on the admin socket.
    pub(super) fn report(&self, domains: Vec<String>) -> Report {
        let record = self.record();
        let ms = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
        Report {
            upstream: self.place.to_string(),
            domains,
            transport: self.place.scheme.label(),
            up: record.health.is_up(),
            misses: record.health.misses(),
            leads_back: record.circle.is_closed(),
            edns: !record.is_without_edns(Instant::now()),
            srtt_ms: ms(record.latency.mean()),
            p95_ms: ms(record.latency.tail()),
            last_fault: record.fault.clone(),
        }
    }

    /// What the course of a query has to know, and one query more that may have its hedge.
    pub(super) fn standing(&self, timing: &Timing) -> Standing {
        let mut record = self.record();
        record.hedges = (record.hedges + HEDGE_PERCENT).min(HEDGE_BURST * 100);
        let least = timing.patience / 2;
        let most = (timing.total / 2).max(least);
        let patience = record.latency.overdue().map_or(timing.patience, |overdue| overdue.clamp(least, most));
        let tail = record.latency.tail().map(|tail| tail.max(HEDGE_LEAST));
        Standing { up: record.health.is_up(), patience, tail }
    }

    /// Takes the right to a hedge, if there is one.
    pub(super) fn spend_hedge(&self) -> bool {
        let mut record = self.record();
        let left = record.hedges.checked_sub(100);
        record.hedges = left.unwrap_or(record.hedges);
        left.is_some()
    }

    /// One exchange, with its consequences for what is known of the upstream. The reply may come when nobody counts
    /// on it any more: see [`Upstream::late`].
    pub(super) async fn ask(&self, query: &Query, put: Instant) -> Result<Answer, Breakdown> {
        let start = Instant::now();
        let result = self.exchange(query).await;
        let now = Instant::now();
        match &result {
            Ok(_) => self.replied(now, now.saturating_duration_since(start)),
            Err(breakdown) => self.broke(breakdown, put, start, now),
        }
        result
    }

    /// A probe: a reply marks the upstream as up.
    pub(super) async fn probe(&self, query: &Query) {
        let start = Instant::now();
        match self.exchange(query).await {
            Ok(_) => self.replied(Instant::now(), start.elapsed()),
            Err(breakdown) => self.record().fault = Some(breakdown.to_string()),
        }
    }

    /// Whether it asks this daemon in turn.
    pub(super) fn leads_back(&self) -> bool {
        self.record().circle.is_closed()
    }

    /// Whether it should be found out at `now` whether it leads back.
    pub(super) fn is_doubtful(&self, now: Instant) -> bool {
        self.record().circle.is_due(now)
    }

    /// Finds out whether it leads back, by a question that is known again. What it answers says nothing else.
    pub(super) async fn follow(&self) {
        let Ok(tag) = random::draw().map(u64::from_be_bytes) else { return };
        self.record().circle.send(tag, Instant::now());
        // An answer, or none in time: by then the question came back or it does not.
        let _ = timeout(circle::TIME, self.exchange(&loops::question(tag))).await;
        let gone = self.record().circle.settle();
        if gone {
            tracing::info!(upstream = %self.place, "upstream does not lead back here any more and is asked again");
        }
    }

    /// A question with `tag` came in. Whether this upstream was asked it.
    pub(super) fn came_back(&self, tag: u64) -> bool {
        let news = self.record().circle.receive(tag, Instant::now());
        if news == Some(true) {
            tracing::warn!(upstream = %self.place, "upstream asks this resolver in turn, and is not asked until that ends");
        }
        news.is_some()
    }

    fn replied(&self, now: Instant, time: Duration) {
        let mut record = self.record();
        record.health.replied(now);
        record.latency.replied(time);
        let news = record.health.news(now);
        drop(record);
        self.metrics.latency.observe(time.as_secs_f64());
        if let Some(news) = news {
            self.metrics.up.set(1);
            self.announce(news);
        }
        self.metrics.up.set(1);
    }

    fn broke(&self, breakdown: &Breakdown, put: Instant, start: Instant, now: Instant) {
        // Our own want says nothing about the upstream.
        let Some(failure) = breakdown.counts_as() else { return };
        tracing::debug!(upstream = %self.place, %breakdown, "exchange failed");
        self.record().fault = Some(breakdown.to_string());
        self.missed(failure, put, start, now);
    }

    /// The time of an attempt that began at `start` is over, for a question that was put at `put`.
    pub(super) fn late(&self, put: Instant, start: Instant, now: Instant) {
        self.record().fault = Some("no reply came in time".to_owned());
        self.missed(UpstreamFailure::Timeout, put, start, now);
    }

    fn missed(&self, failure: UpstreamFailure, put: Instant, start: Instant, now: Instant) {
        self.metrics.failed(failure);
        let mut record = self.record();
        record.health.missed(put, start, now);
        if failure == UpstreamFailure::Timeout {
            record.circle.suspect();
        }
        self.metrics.up.set(i64::from(record.health.is_up()));
        let news = record.health.news(now);
        drop(record);
        if let Some(news) = news {
            self.announce(news);
        }
    }

    /// Closes what has served its time, and tells the log what was held back from it.
    pub(super) fn tidy(&self, now: Instant) {
        for lane in self.lanes.all() {
            match &*lane {
                Lane::Datagrams(datagrams, stream) => {
                    datagrams.tidy(now);
                    stream.tidy(now);
                }
                Lane::Stream(stream) => stream.tidy(now),
                Lane::Https(https) => https.tidy(now),
                Lane::Impossible(_) => {}
            }
        }
        let news = self.record().health.news(now);
        if let Some(news) = news {
            self.announce(news);
        }
    }

    fn announce(&self, News { up, flips }: News) {
        let fault = self.record().fault.clone().unwrap_or_default();
        if up {
            tracing::info!(upstream = %self.place, flips, "upstream answers again");
        } else {
            tracing::warn!(upstream = %self.place, flips, fault, "upstream does not answer, others go first");
        }
    }

    /// One exchange, without EDNS where the upstream does not know it (RFC 6891 §6.2.2).
    async fn exchange(&self, query: &Query) -> Result<Answer, Breakdown> {
        let lane = self.lanes.own(|| self.lane());
        let without = self.record().is_without_edns(Instant::now());
        if without {
            return lane.exchange(query, false).await;
        }
        let mut answer = lane.exchange(query, true).await?;
        if refuses_edns(&answer) && !answer.has_question() {
            // Nothing in it but port and number shows who sent it: it must be said twice.
            answer = lane.exchange(query, true).await?;
        }
        if !refuses_edns(&answer) {
            return Ok(answer);
        }
        let plain = lane.exchange(query, false).await?;
        if !refuses_edns(&plain) {
            self.record().without_edns = Some(Instant::now() + WITHOUT_EDNS);
        }
        Ok(plain)
    }

    fn lane(&self) -> Lane {
        let descriptors = || Arc::clone(&self.descriptors);
        let metrics = || self.metrics.clone();
        let address = self.place.address;
        let stream = |secured| stream::Pool::new(Dial { address, secured }, metrics(), descriptors());
        match (&self.place.scheme, &self.trust) {
            (Scheme::Udp, _) => {
                Lane::Datagrams(udp::Pool::new(address, metrics(), descriptors()), stream(None))
            }
            (Scheme::Tcp, _) => Lane::Stream(stream(None)),
            (Scheme::Tls { name }, Some(trust)) => Lane::Stream(stream(Some(trust.tls(name)))),
            (Scheme::Https { name, path }, Some(trust)) => {
                let dial = Dial { address, secured: Some(trust.h2(name)) };
                https::Pool::new(dial, name, path, metrics(), descriptors()).map_or_else(
                    |error| Lane::Impossible(Breakdown::Protocol(error.to_string().into())),
                    Lane::Https,
                )
            }
            (Scheme::Tls { .. } | Scheme::Https { .. }, None) => {
                Lane::Impossible(Breakdown::Protocol("nobody is trusted to vouch for the upstream".into()))
            }
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn is_without_edns(&self, now: Instant) -> bool {
        self.without_edns.is_some_and(|until| now < until)
    }
}

impl Lane {
    /// One exchange, over TCP where UDP is not enough.
    async fn exchange(&self, query: &Query, edns: bool) -> Result<Answer, Breakdown> {
        let clear = if edns { Edns::Plain } else { Edns::Off };
        let padded = if edns { Edns::Padded } else { Edns::Off };
        let answer = match self {
            Self::Datagrams(datagrams, stream) => match datagrams.exchange(query, clear).await? {
                Landing::Answer(answer) if !answer.is_truncated() => Ok(answer),
                Landing::Answer(_) | Landing::Unsure => stream.exchange(query, clear).await,
            },
            Self::Stream(stream) => {
                let edns = if stream.is_secured() { padded } else { clear };
                stream.exchange(query, edns).await
            }
            Self::Https(https) => https.exchange(query, padded).await,
            Self::Impossible(breakdown) => Err(breakdown.clone()),
        }?;
        // There is nothing to ask over where not even a stream has room.
        if answer.is_truncated() { Err(Breakdown::Garbled) } else { Ok(answer) }
    }
}

/// Whether the reply says that the query's EDNS was too much for the upstream (RFC 6891 §6.1.3, §7).
fn refuses_edns(answer: &Answer) -> bool {
    match answer.rcode() {
        ResponseCode::FormErr | ResponseCode::NotImp => !answer.has_edns(),
        ResponseCode::BADVERS => true,
        _ => false,
    }
}
