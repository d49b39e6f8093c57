//! Errors that say that this process or machine is short of something, and how often they are logged.

use nix::errno::Errno;
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
    fn refusals_of_the_peer_are_no_shortage() {
        assert!(is_shortage(&Errno::EMFILE.into()));
        assert!(!is_shortage(&Errno::ECONNREFUSED.into()));
        assert!(!is_shortage(&io::Error::from(io::ErrorKind::TimedOut)));
    }
}
