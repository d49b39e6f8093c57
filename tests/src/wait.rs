//! Waiting for conditions, each with a deadline and a name that the error repeats.

use anyhow::{Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

/// How long the lab waits for what takes milliseconds on an idle machine; generous, for busy ones.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a condition that cannot be waited on.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks at a condition until it yields a value.
///
/// # Errors
/// `what` did not come true within `limit`, or looking failed.
pub fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            bail!("{what}: not within {} s", limit.as_secs_f32());
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until `source` can be read; false once the writing end of `stopped` has been dropped.
pub(crate) fn readable(source: &impl AsFd, stopped: &PipeReader) -> bool {
    loop {
        let watch = |file| PollFd::new(file, PollFlags::POLLIN);
        let mut ready = [watch(source.as_fd()), watch(stopped.as_fd())];
        // An error is an interruption by a signal, and the next turn is as good.
        if poll(&mut ready, PollTimeout::NONE).is_ok() {
            return ready[1].any() != Some(true);
        }
    }
}
