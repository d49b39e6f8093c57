//! The query log: one query in so many, drawn at random, as one structured line with what became of it.
//!
//! Whoever answers a drawn query leaves a note; a thread of its own writes the lines, so that a log that is slow or
//! stuck costs lines, which are counted, and neither replies nor turns of the main loop. Who asked and for what is
//! written at level debug alone. While the log is off it costs one comparison a query.

use crate::metrics::Transport;
use crate::name::WireName;
use crate::upstream::Upstream;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use prometheus_client::metrics::counter::Counter;
use std::cell::Cell;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Notes that may wait to be written: half a megabyte, and as much again is being written.
const MOST: usize = 1024;

thread_local! {
    /// Queries of this thread up to the next that is drawn.
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// Whether a query is drawn, of which one in `one_in` is to be; 0 draws none.
pub(crate) fn draws(one_in: u32) -> bool {
    if one_in == 0 {
        return false;
    }
    let (drawn, left) = count_down(LEFT.get(), one_in, || RandomState::new().hash_one(one_in));
    LEFT.set(left);
    drawn
}

/// Counts one query, with `left` of them up to the next that is drawn: whether it is that one, and how many are left.
///
/// The distance to the next is as likely 1 as any number up to twice the mean, so that no habit of a client, such as
/// asking for A and AAAA in turns, is in step with it.
fn count_down(left: u32, one_in: u32, random: impl FnOnce() -> u64) -> (bool, u32) {
    let farthest = one_in.saturating_mul(2) - 1;
    match left.min(farthest) {
        0 | 1 => (true, 1 + u32::try_from(random() % u64::from(farthest)).unwrap_or(0)),
        more => (false, more - 1),
    }
}

/// What the cache had for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recall {
    /// It was not looked into.
    #[default]
    None,
    /// The reply.
    Hit,
    /// Not the reply, though maybe some of what it was made of.
    Miss,
    /// What served although its time was over.
    Stale,
}

impl Recall {
    const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

/// What a reply took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effort {
    pub(crate) recall: Recall,
    /// Who answered last of those who were asked.
    pub(crate) upstream: Option<Arc<Upstream>>,
}

impl Effort {
    /// What a job took that found what it needed by this: the cache had no whole reply.
    pub(crate) fn of_a_job(self) -> Self {
        Self::default().and(self)
    }

    /// The same with what came after it.
    pub(crate) fn and(self, later: Self) -> Self {
        let stale = [self.recall, later.recall].contains(&Recall::Stale);
        let recall = if stale { Recall::Stale } else { Recall::Miss };
        Self { recall, upstream: later.upstream.or(self.upstream) }
    }
}

/// An answered query.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) client: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) name: WireName,
    pub(crate) qtype: RecordType,
    pub(crate) outcome: &'static str,
    pub(crate) rcode: ResponseCode,
    pub(crate) effort: Effort,
    pub(crate) duration: Duration,
}

impl Note {
    /// Writes the line. Waits for as long as the log takes no more.
    pub(crate) fn write(&self) {
        let Self { client, name, qtype, outcome, .. } = self;
        let transport = self.transport.label();
        let rcode = format!("{:?}", self.rcode).to_ascii_uppercase();
        let cache = self.effort.recall.label();
        let upstream = self.effort.upstream.as_ref().map(|upstream| upstream.place().to_string());
        let upstream = upstream.as_deref().unwrap_or("none");
        let microseconds = u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX);
        if tracing::enabled!(tracing::Level::DEBUG) {
            tracing::debug!(
                %client, %name, transport, r#type = %qtype, outcome, rcode, cache, upstream, microseconds,
                "query"
            );
        } else {
            tracing::info!(
                transport, r#type = %qtype, outcome, rcode, cache, upstream, microseconds,
                "query"
            );
        }
    }
}

/// Notes on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct QueryLog {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    notes: Vec<Note>,
    /// Whether no more notes come.
    ended: bool,
}

impl QueryLog {
    /// Takes a note to be written; one for which there is no room is counted in `lost`.
    pub(crate) fn take(&self, note: Note, lost: &Counter) {
        let mut queue = self.queue();
        if queue.notes.len() >= MOST {
            lost.inc();
            return;
        }
        queue.notes.push(note);
        drop(queue);
        self.changed.notify_one();
    }

    /// What waits, as soon as anything does; `None` at the end.
    fn next(&self) -> Option<Vec<Note>> {
        let idle = |queue: &mut Queue| queue.notes.is_empty() && !queue.ended;
        let mut queue = self.changed.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut queue.notes)).filter(|notes| !notes.is_empty())
    }

    fn end(&self) {
        self.queue().ended = true;
        self.changed.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that writes a log. Dropping the handle ends it when it has written what waits.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<QueryLog>,
    /// Closes when the thread ends. Nothing is ever sent.
    ended: oneshot::Receiver<Infallible>,
}

impl Writer {
    /// Starts to give the notes of `log` to `write`, which may take its time.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(log: Arc<QueryLog>, write: impl Fn(&Note) + Send + 'static) -> io::Result<Self> {
        let (ending, ended) = oneshot::channel();
        let notes = Arc::clone(&log);
        thread::Builder::new().name("query-log".to_owned()).spawn(move || {
            let _ending = ending;
            while let Some(notes) = notes.next() {
                notes.iter().for_each(&write);
            }
        })?;
        Ok(Self { log, ended })
    }

    /// Ends with all that waits, or at `limit` without.
    pub(crate) async fn end(mut self, limit: Duration) {
        self.log.end();
        // The thread that is stuck is left behind.
        let _ = timeout(limit, &mut self.ended).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.log.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn note() -> Note {
        Note {
            client: "192.0.2.1:4096".parse().unwrap(),
            transport: Transport::Udp,
            name: WireName::from_labels([b"www".as_slice(), b"example"]).unwrap(),
            qtype: RecordType::AAAA,
            outcome: "synthesized",
            rcode: ResponseCode::NoError,
            effort: Effort::default(),
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn one_query_in_so_many_is_drawn_in_no_step() {
        for one_in in [1, 2, 100, u32::MAX] {
            let farthest = one_in.saturating_mul(2) - 1;
            for random in [0, 1, u64::from(farthest) - 1, u64::from(farthest), u64::MAX] {
                let (drawn, left) = count_down(1, one_in, || random);
                assert!(drawn && (1..=farthest).contains(&left), "{one_in} {left}");
                assert_eq!(u64::from(left), 1 + random % u64::from(farthest));
            }
        }
        assert_eq!(count_down(5, 100, || unreachable!("nothing is drawn")), (false, 4));
    }

    #[test]
    fn a_smaller_number_takes_effect_at_once() {
        assert!(!draws(0), "off");
        let (drawn, left) = count_down(u32::MAX, 10, || unreachable!("nothing is drawn"));
        assert_eq!((drawn, left), (false, 18));
        assert!(count_down(left, 1, || 0).0, "every query");
        assert!(draws(1) && draws(1));
    }

    #[test]
    fn a_log_that_is_not_written_loses_notes_and_counts_them() {
        let (log, lost) = (QueryLog::default(), Counter::default());
        for _ in 0..MOST + 3 {
            log.take(note(), &lost);
        }
        assert_eq!(lost.get(), 3);
        assert_eq!(log.next().unwrap().len(), MOST);
        log.take(note(), &lost);
        assert_eq!((lost.get(), log.next().unwrap().len()), (3, 1));
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_end() {
        let (log, lost) = (Arc::new(QueryLog::default()), Counter::default());
        let (written, lines) = mpsc::channel();
        let writer = Writer::start(Arc::clone(&log), move |note| written.send(note.qtype).unwrap()).unwrap();
        for _ in 0..5 {
            log.take(note(), &lost);
        }
        writer.end(Duration::MAX).await;
        assert_eq!(lines.iter().count(), 5);
    }

    #[tokio::test]
    async fn a_log_that_is_stuck_holds_up_neither_notes_nor_the_end() {
        let (log, lost) = (Arc::new(QueryLog::default()), Counter::default());
        let (tell, calls) = mpsc::channel();
        let (release, released) = mpsc::channel::<Infallible>();
        let writer = Writer::start(Arc::clone(&log), move |_| {
            tell.send(()).unwrap();
            let _ = released.recv();
        })
        .unwrap();
        log.take(note(), &lost);
        calls.recv().unwrap();
        for _ in 0..=MOST {
            log.take(note(), &lost);
        }
        assert_eq!(lost.get(), 1);
        writer.end(Duration::ZERO).await;
        drop(release);
        assert_eq!(calls.iter().count(), MOST, "whoever is stuck goes on if it can");
    }
}
