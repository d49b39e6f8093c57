//! What the service manager is told (`sd_notify(3)`), and the watchdog it asks for. Without one nothing happens.
//!
//! Nobody waits for the manager: what its socket has no room for is kept in order, and delivered when it has.

mod inherited;
mod outbox;

pub use inherited::inherited;
use outbox::Outbox;
use sd_notify::NotifyState;
use std::convert::Infallible;
use std::future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The daemon serves.
pub(crate) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] ends it, whatever came of it.
pub(crate) fn reloading() {
    // Type=notify-reload matches the answer to its own signal by this time.
    let now = NotifyState::monotonic_usec_now().unwrap_or(NotifyState::MonotonicUsec(0));
    notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]);
}

/// The daemon takes no new work.
pub(crate) fn stopping(status: &str) {
    notify(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Delivers what the manager's socket had no room for, for as long as it is polled.
pub(crate) async fn deliver() -> Infallible {
    OUTBOX.deliver().await
}

/// What the daemon is doing, in a few words. Only the first line is sent: a message's lines are its fields.
pub(crate) fn status(status: &str) {
    notify(&[NotifyState::Status(status.lines().next().unwrap_or_default())]);
}

/// Pings the watchdog at half of its time for as long as it is polled: polled by the main loop, it shows that the
/// main loop turns.
pub(crate) async fn watchdog() -> Infallible {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return future::pending().await;
    };
    let mut pings = interval((limit / 2).max(SHORTEST_PING));
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pings.tick().await;
        // A ping that comes late is a lie: it goes at once or not at all.
        if !is_silent() {
            OUTBOX.post_now(&text(&[NotifyState::Watchdog]));
        }
    }
}

/// The timer's resolution; an interval of zero is no interval.
const SHORTEST_PING: Duration = Duration::from_millis(1);

/// Tells the service manager nothing from here on.
pub(crate) fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

/// A process has one service manager, and it is told of the process.
static SILENT: AtomicBool = AtomicBool::new(false);

/// What was not delivered yet.
static OUTBOX: Outbox = Outbox::new();

fn notify(states: &[NotifyState<'_>]) {
    if !is_silent() {
        OUTBOX.post(text(states));
    }
}

fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// The message of `states`, each on a line.
fn text(states: &[NotifyState<'_>]) -> String {
    states.iter().fold(String::new(), |message, state| message + &state.to_string() + "\n")
}
