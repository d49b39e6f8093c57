//! The log of connections: a line about each, and about each request and flow, formed by the worker that carried it and
//! written by a thread of its own.
//!
//! ```text
//! worker: record -> line or json -> its own lines --+
//!                                                   +--> thread: target (standard output, syslog)
//! worker: record -> line or json -> its own lines --+
//! ```
//!
//! A receiver that is slow or gone costs lines, which are counted, and never holds a worker up. Where there is no file to
//! open one with, as many lines wait as find room. A log lives as long as the configurations that ask for it: dropping it
//! has the thread write what waits and end.

mod address;
mod dates;
mod json;
mod line;
mod lines;
mod number;
mod syslog;
mod target;
mod writer;
mod zone;

use crate::clock;
use crate::error::Error;
use crate::record::{Record, Stamp};
use config::model::{ConnectionLog, LogField, LogLine, LogPart, LogTarget, ProxyLog};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lines::Lines;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime};
use syslog::Envelope;
use writer::Writer;
use zone::Zone;

/// Octets that may wait to be written, for each worker; as many again are being written. A disk rests for a tenth of a second
/// now and then, in which a busy worker has that many to tell.
const MOST: usize = 4 << 20;
/// Octets at which the thread writes before its time.
const MUCH: usize = 256 << 10;

/// What is counted of the log, whichever it is.
#[derive(Debug, Default)]
pub(crate) struct LogCounts {
    written: AtomicU64,
    lost: AtomicU64,
}

impl LogCounts {
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// A log that runs.
#[derive(Debug)]
pub(crate) struct Log {
    setting: ProxyLog,
    form: Form,
    /// Whether lines name the ends of connections on this side, which are to be asked for.
    names_own_ends: bool,
    /// What stands in front of each line; none to standard output.
    envelope: Option<Envelope>,
    zone: Zone,
    desk: Arc<Desk>,
    writer: Thread,
    /// Closes when the thread has ended. Nothing is ever sent.
    ended: Mutex<mpsc::Receiver<Infallible>>,
}

/// How a record is written.
#[derive(Debug)]
enum Form {
    /// As one object.
    Json,
    /// As one line: of what is HTTP, and of what is not.
    Lines { requests: LogLine, others: LogLine },
}

impl Form {
    fn of(setting: &ConnectionLog) -> Option<Self> {
        let line = |text: &str| text.parse().expect("a test of its own module reads it");
        let tcplog = || line(LogLine::TCPLOG);
        Some(match setting {
            ConnectionLog::Off => return None,
            ConnectionLog::Json => Self::Json,
            ConnectionLog::Tcplog => Self::Lines { requests: tcplog(), others: tcplog() },
            // Without HTTP there is nothing to write of it: HAProxy falls back in the same way.
            ConnectionLog::Httplog => Self::Lines { requests: line(LogLine::HTTPLOG), others: tcplog() },
            ConnectionLog::Custom(line) => Self::Lines { requests: line.clone(), others: line.clone() },
        })
    }

    fn has(&self, fields: &[LogField]) -> bool {
        let has = |part: &LogPart| matches!(part, LogPart::Field(field, _) if fields.contains(field));
        match self {
            Self::Json => false,
            Self::Lines { requests, others } => requests.parts().iter().chain(others.parts()).any(has),
        }
    }
}

/// Fields that name an end of a connection on this side.
const OWN_ENDS: [LogField; 4] =
    [LogField::ListenerAddress, LogField::ListenerPort, LogField::OutgoingAddress, LogField::OutgoingPort];

/// What workers and the thread share.
#[derive(Debug)]
struct Desk {
    /// Of each worker.
    waiting: Box<[Mutex<Lines>]>,
    /// The thread has found nothing, and waits to be woken.
    idle: AtomicBool,
    /// No more lines come.
    closed: AtomicBool,
    counts: Arc<LogCounts>,
}

impl Log {
    /// The log that this setting asks for: `previous` if it is the same.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn of(
        setting: &ProxyLog,
        previous: Option<&Arc<Self>>,
        counts: &Arc<LogCounts>,
        workers: usize,
    ) -> Result<Option<Arc<Self>>, Error> {
        let Some(form) = Form::of(&setting.format) else { return Ok(None) };
        if let Some(previous) = previous.filter(|previous| previous.setting == *setting) {
            return Ok(Some(Arc::clone(previous)));
        }
        let part = "the log of connections".to_owned();
        let log =
            Self::start(setting, form, counts, workers).map_err(|cause| Error::Thread { part, cause })?;
        Ok(Some(Arc::new(log)))
    }

    fn start(setting: &ProxyLog, form: Form, counts: &Arc<LogCounts>, workers: usize) -> io::Result<Self> {
        let desk = Arc::new(Desk {
            waiting: (0..workers).map(|_| Mutex::default()).collect(),
            idle: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            counts: Arc::clone(counts),
        });
        let (ending, ended) = mpsc::channel();
        let (shared, to) = (Arc::clone(&desk), setting.to.clone());
        let writer = thread::Builder::new().name("connection-log".to_owned()).spawn(move || {
            let _ending = ending;
            Writer::new(to).run(&shared);
        })?;
        let envelope =
            || Envelope { facility: setting.facility, tag: setting.tag.clone(), pid: std::process::id() };
        Ok(Self {
            envelope: (setting.to != LogTarget::Stdout).then(envelope),
            setting: setting.clone(),
            names_own_ends: form.has(&OWN_ENDS),
            form,
            zone: Zone::new(TimeZone::system()),
            desk,
            writer: writer.thread().clone(),
            ended: Mutex::new(ended),
        })
    }

    /// Whether lines name the ends of connections on this side.
    pub(crate) const fn names_own_ends(&self) -> bool {
        self.names_own_ends
    }

    /// The time on the clocks of this machine.
    pub(crate) fn stamp(&self, time: SystemTime) -> Stamp {
        let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        let offset = self.zone.offset(time);
        Stamp { local: offset.to_datetime(time), offset }
    }

    /// Puts a line on the desk of this worker.
    pub(crate) fn tell(&self, worker: usize, record: &Record<'_>) {
        let mut lines = lock(&self.desk.waiting[worker]);
        if lines.size() >= MOST {
            self.desk.counts.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = lines.size();
        lines.add(|out| self.write(record, out));
        let much = before < MUCH && lines.size() >= MUCH;
        drop(lines);
        // A thread that was not idle yet when this looks has yet to look at the lines.
        if much || self.desk.idle.load(Ordering::SeqCst) {
            self.writer.unpark();
        }
    }

    fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        if let Some(envelope) = &self.envelope {
            envelope.write(&self.stamp(clock::wall(clock::now())), out);
        }
        match &self.form {
            Form::Json => json::write(record, out),
            Form::Lines { requests, others } => {
                line::write(if record.is_of_request() { requests } else { others }, record, out);
            }
        }
    }

    /// Ends with all that waits, or at `limit` without.
    pub(crate) fn end(&self, limit: Duration) {
        self.close();
        // The thread that is stuck is left behind.
        let _ = lock(&self.ended).recv_timeout(limit);
    }

    fn close(&self) {
        self.desk.closed.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
