//! Errors that say that this process or machine is short of something, and how often they are logged.

use nix::errno::Errno;
use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

/// A shortage that lasts is logged this often.
const EVERY: Duration = Duration::from_secs(60);

/// Whether the error is a shortage on this side (file descriptors, memory, local ports) and says nothing of the peer.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOMEM
                | Errno::ENOBUFS
                | Errno::EADDRNOTAVAIL
                | Errno::EAGAIN
        )
    )
}

/// What one can be short of: the log tells of each on its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shortage {
    /// What accepting a connection takes.
    Accept,
    /// Places for connections.
    Places,
    /// Room for those that wait at a socket which leaves.
    Leaving,
    /// Entries for sources.
    Sources,
    /// Places for flows of datagrams.
    Flows,
    /// What the socket of a flow takes.
    FlowSocket,
    /// What compressing an answer takes.
    Compression,
    /// What a connection to a member takes.
    Member,
}

/// How often the log tells of each shortage.
#[derive(Debug, Default)]
pub(crate) struct Shortages([Cell<Seldom>; Shortage::Member as usize + 1]);

impl Shortages {
    /// See [`Seldom::admit`].
    pub(crate) fn admit(&self, shortage: Shortage, now: Instant) -> Option<u64> {
        let cell = &self.0[shortage as usize];
        let mut seldom = cell.get();
        let admitted = seldom.admit(now);
        cell.set(seldom);
        admitted
    }
}

/// Lets the first of many through, and one a minute after that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seldom {
    last: Option<Instant>,
    held_back: u64,
}

impl Seldom {
    /// How many were held back since the last one, if this one may go; time comes in.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < EVERY) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_goes_and_tells_of_the_others() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        let mut check = |seconds: u64, expect: Option<u64>| {
            assert_eq!(seldom.admit(start + Duration::from_secs(seconds)), expect, "at {seconds} s");
        };
        check(0, Some(0));
        check(1, None);
        check(59, None);
        check(60, Some(2));
        check(119, None);
        check(500, Some(1));
    }

    #[test]
    fn one_shortage_hides_no_other() {
        let (shortages, now) = (Shortages::default(), Instant::now());
        assert_eq!(shortages.admit(Shortage::Accept, now), Some(0));
        assert_eq!(shortages.admit(Shortage::Accept, now), None);
        assert_eq!(shortages.admit(Shortage::Member, now), Some(0));
    }

    #[test]
    fn refusals_of_the_peer_are_no_shortage() {
        assert!(is_shortage(&Errno::EMFILE.into()));
        assert!(!is_shortage(&Errno::ECONNREFUSED.into()));
        assert!(!is_shortage(&io::Error::from(io::ErrorKind::TimedOut)));
    }
}
