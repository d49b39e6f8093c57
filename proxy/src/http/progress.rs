//! How far a request has come, when it did, and why it ends. Pure: times come in.

use crate::counts::{Failure, Part};
use crate::record::{By, Course, Ending, Path, Phase, State};
use std::time::{Duration, Instant};

/// Of one request.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// When its first octet came.
    began: Instant,
    /// When its head was whole.
    whole: Instant,
    /// Whether a member is looked for.
    sought: bool,
    path: Path,
    /// Whether the connection to the member is a new one.
    opened: bool,
    /// When the head of the member's response came.
    answered: Option<Instant>,
    /// Why it ends otherwise than it should; the first cause counts.
    cause: Option<State>,
    /// Why the latest member could not be reached.
    unreached: Ending,
    /// Whether all of the response was there to be sent.
    finished: bool,
}

/// How long the parts of a request took. None is what never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// From its first octet to the end of its head.
    pub(crate) receive: Duration,
    pub(crate) queue: Option<Duration>,
    pub(crate) connect: Option<Duration>,
    /// Whether that was a new connection.
    pub(crate) opened: bool,
    /// From the connection to the head of the response.
    pub(crate) response: Option<Duration>,
    /// From its first octet to this moment.
    pub(crate) total: Duration,
}

impl Progress {
    pub(crate) fn new(began: Instant, whole: Instant) -> Self {
        Self {
            began: began.min(whole),
            whole,
            sought: false,
            path: Path::default(),
            opened: false,
            answered: None,
            cause: None,
            unreached: Ending::NoMember,
            finished: false,
        }
    }

    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    pub(crate) const fn whole(&self) -> Instant {
        self.whole
    }

    pub(crate) const fn path(&self) -> Path {
        self.path
    }

    pub(crate) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// A member is looked for, and the way there is this one by then.
    pub(crate) const fn seeks(&mut self, path: Path) {
        self.sought = true;
        self.path = path;
    }

    /// The member could not be reached.
    pub(crate) const fn missed(&mut self, why: Ending) {
        self.unreached = why;
    }

    /// There is a connection to the member, a new one or one that was kept.
    pub(crate) const fn connected(&mut self, new: bool, now: Instant) {
        self.opened = new;
        self.path.connected(now);
    }

    /// The head of the member's response has come.
    pub(crate) const fn answered(&mut self, now: Instant) {
        self.answered = Some(now);
    }

    /// It is answered here, by a rule or on its own account.
    pub(crate) fn answered_here(&mut self, refused: bool) {
        self.ends_by(State::new(if refused { By::Proxy } else { By::Here }, Phase::Request));
    }

    /// All of the response is there to be sent, or not.
    pub(crate) const fn finishes(&mut self, whole: bool) {
        self.finished = whole;
    }

    /// Why it fails.
    pub(crate) fn fails(&mut self, failure: Failure) {
        let phase = self.phase();
        let data = if matches!(phase, Phase::Head) { Phase::Data } else { phase };
        let state = match failure {
            Failure::NoMember => Ending::NoMember.state(),
            Failure::Unreachable | Failure::Shortage => self.unreached.state(),
            Failure::QueueFull => Ending::QueueFull.state(),
            Failure::QueueTimeout => Ending::QueueTimeout.state(),
            Failure::SlowHead => State::new(By::SilentClient, Phase::Request),
            Failure::ClientTimeout => State::new(By::SilentClient, phase),
            // Of whom nothing is heard while it owes nothing: it was sending.
            Failure::ClientGone => State::new(By::Client, data),
            Failure::MemberTimeout => State::new(By::SilentMember, phase),
            Failure::MemberGone => State::new(By::Member, phase),
            Failure::NoRoom => State::new(By::Shortage, phase),
            Failure::TunnelTimeout => Ending::Idle.state(),
            Failure::Panic => State::new(By::Fault, phase),
            Failure::BadRequest
            | Failure::Unsupported
            | Failure::NoWebSocket
            | Failure::Flood
            | Failure::BadCredentials
            | Failure::LoginsFull
            | Failure::RateLimited
            | Failure::BadResponse
            // Never of a request.
            | Failure::NotAllowed
            | Failure::SourceConnections
            | Failure::SourceRate
            | Failure::SourceTable
            | Failure::BadProxyHeader
            | Failure::SlowProxyHeader
            | Failure::SlowHandshake
            | Failure::TlsMalformed
            | Failure::TlsIncompatible
            | Failure::TlsClientCertificate
            | Failure::TlsAlert
            | Failure::TlsInternal => State::new(By::Proxy, phase),
        };
        self.ends_by(state);
    }

    /// The process ends, and what is not finished with it.
    pub(crate) fn cut_off(&mut self) {
        if !self.finished {
            self.ends_by(State::new(By::Killed, self.phase()));
        }
    }

    fn ends_by(&mut self, state: State) {
        self.cause.get_or_insert(state);
    }

    /// How it ended. Where nothing else is known, the client has left what is not finished.
    pub(crate) fn state(&self) -> State {
        let left = State::new(By::Client, self.phase());
        self.cause.unwrap_or(if self.finished { State::WHOLE } else { left })
    }

    const fn phase(&self) -> Phase {
        if self.answered.is_some() || self.finished {
            Phase::Data
        } else if self.path.is_connected() {
            Phase::Head
        } else if self.path.is_seated() {
            Phase::Connect
        } else if self.sought {
            Phase::Queue
        } else {
            Phase::Request
        }
    }

    /// The way to the member.
    pub(crate) fn course(&self) -> Course {
        self.path.since(self.whole)
    }

    pub(crate) fn times(&self, now: Instant) -> Times {
        let Course { queue, connect, .. } = self.course();
        let asked = queue.zip(connect).map(|(queue, connect)| self.whole + queue + connect);
        Times {
            receive: self.whole - self.began,
            queue,
            connect,
            opened: self.opened,
            response: self.answered.zip(asked).map(|(head, asked)| head.saturating_duration_since(asked)),
            total: now.saturating_duration_since(self.began),
        }
    }
}

impl Times {
    /// What is counted of it. A connection that was kept is no measure of new ones.
    pub(crate) fn parts(&self) -> [(Part, Option<Duration>); 4] {
        [
            (Part::Whole, Some(self.total)),
            (Part::Response, self.response),
            (Part::Connect, self.connect.filter(|_| self.opened)),
            (Part::Queue, self.queue),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that has come so far: `s`ought, with a `p`lace, `c`onnected, `a`nswered, `f`inished; a second each.
    fn progress(steps: &str) -> (Progress, Instant) {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut progress = Progress::new(start, at(1));
        let mut path = Path::default();
        for (second, step) in (2..).zip(steps.chars()) {
            match step {
                's' => progress.seeks(path),
                'p' => {
                    path.seated(None, at(second));
                    progress.seeks(path);
                }
                'c' => progress.connected(true, at(second)),
                'a' => progress.answered(at(second)),
                _ => progress.finishes(true),
            }
        }
        (progress, at(10))
    }

    #[test]
    fn a_failure_is_told_by_how_far_the_request_had_come() {
        let check = |steps: &str, failure: Failure, expect: &str| {
            let (mut progress, _) = progress(steps);
            progress.fails(failure);
            assert_eq!(progress.state().to_string(), expect, "{steps} {failure:?}");
        };
        check("", Failure::BadRequest, "PR");
        check("", Failure::SlowHead, "cR");
        check("s", Failure::NoMember, "SC");
        check("s", Failure::QueueTimeout, "sQ");
        check("sp", Failure::Unreachable, "SC");
        check("spc", Failure::MemberGone, "SH");
        check("spc", Failure::MemberTimeout, "sH");
        check("spc", Failure::BadResponse, "PH");
        check("spc", Failure::ClientTimeout, "cH");
        check("spc", Failure::ClientGone, "CD");
        check("spca", Failure::MemberGone, "SD");
        check("spca", Failure::MemberTimeout, "sD");
        check("spca", Failure::ClientTimeout, "cD");
        check("spcaf", Failure::ClientTimeout, "cD");
    }

    #[test]
    fn who_leaves_early_is_told_by_how_far_the_request_had_come() {
        let check = |steps: &str, expect: &str| {
            assert_eq!(progress(steps).0.state().to_string(), expect, "{steps}");
        };
        check("", "CR");
        check("s", "CQ");
        check("sp", "CC");
        check("spc", "CH");
        check("spca", "CD");
        check("spcaf", "--");
    }

    #[test]
    fn what_the_end_of_the_process_cuts_off_is_told_so() {
        for (steps, expect) in [("", "KR"), ("sp", "KC"), ("spc", "KH"), ("spca", "KD"), ("spcaf", "--")] {
            let (mut progress, _) = progress(steps);
            progress.cut_off();
            assert_eq!(progress.state().to_string(), expect, "{steps}");
        }
    }

    #[test]
    fn the_first_cause_counts() {
        let (mut progress, _) = progress("spc");
        progress.fails(Failure::MemberTimeout);
        progress.fails(Failure::ClientGone);
        assert_eq!(progress.state().to_string(), "sH");
        let (mut progress, _) = self::progress("sp");
        progress.missed(Ending::ConnectTimeout);
        progress.fails(Failure::Unreachable);
        assert_eq!(progress.state().to_string(), "sC");
    }

    #[test]
    fn times_are_of_the_parts_that_came() {
        let check = |steps: &str, expect: [Option<u64>; 3]| {
            let (progress, now) = progress(steps);
            let times = progress.times(now);
            let found = [times.queue, times.connect, times.response];
            assert_eq!(found.map(|time| time.map(|time| time.as_secs())), expect, "{steps}");
            assert_eq!((times.receive.as_secs(), times.total.as_secs()), (1, 10), "{steps}");
        };
        check("", [None, None, None]);
        check("sp", [Some(2), None, None]);
        check("spc", [Some(2), Some(1), None]);
        check("spcaf", [Some(2), Some(1), Some(1)]);
    }
}
