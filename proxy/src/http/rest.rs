//! A client connection of HTTP/1.1 on which nothing happens: what served it is gone, and comes back with the client's next
//! byte or its end.
//!
//! Its places, its deadline and the word to stop hold on. Whatever ends it is dealt with by what serves it, as if
//! it had been there all the time.

use super::go_on;
use super::guest::Guest;
use crate::alarm::Alarm;
use crate::counts::Failure;
use crate::listener::Stage;
use crate::rests::Resting;
use crate::stream::Stream;
use crate::worker::Stop;
use std::io;
use std::task::{Context, Poll, ready};

/// Waits as long as a request may be waited for.
pub(super) fn stage(guest: Guest, stream: Stream, stop: Stop) -> Option<Stage> {
    let Some(rests) = guest.local.rests() else { return Some(Stage::new(go_on(guest, stream, stop))) };
    let laid = match stream.still() {
        Ok(still) => rests.lay(still),
        Err(error) => return lost(&guest, &error),
    };
    match laid {
        Ok(resting) => Some(wait(guest, resting, stop)),
        // It tries once more later.
        Err(still) => match still.into_stream() {
            Ok(stream) => Some(Stage::new(go_on(guest, stream, stop))),
            Err(error) => lost(&guest, &error),
        },
    }
}

fn wait(guest: Guest, resting: Resting, stop: Stop) -> Stage {
    guest.route.counts.rests(guest.local.index());
    guest.local.falls();
    let alarm = guest.local.alarms.alarm();
    Stage::Rests(Waiting { alarm, left: Some(Left { guest, resting, stop }) })
}

/// All that such a connection takes beside the rest of its task.
pub(crate) struct Waiting {
    alarm: Alarm,
    left: Option<Left>,
}

struct Left {
    guest: Guest,
    resting: Resting,
    stop: Stop,
}

impl Waiting {
    /// Ready with what follows, once anything happens.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Stage>> {
        let Self { alarm, left } = self;
        let Some(Left { guest, resting, stop }) = left else { return Poll::Ready(None) };
        if resting.poll(cx).is_pending() && !stop.is_due() {
            let until = guest.rested.map(|rested| rested.until(&guest.route.timeout).into());
            ready!(alarm.poll(cx, until));
        }
        guest.route.counts.rose(guest.local.index());
        Poll::Ready(left.take().and_then(Left::rise))
    }
}

impl Left {
    /// What serves it comes back.
    fn rise(self) -> Option<Stage> {
        let Self { guest, resting, stop } = self;
        match resting.into_stream() {
            Ok(stream) => {
                guest.local.rises();
                Some(Stage::new(go_on(guest, stream, stop)))
            }
            Err(error) => lost(&guest, &error),
        }
    }
}

/// The socket does not change hands with the runtime, which is short of something.
fn lost(guest: &Guest, error: &io::Error) -> Option<Stage> {
    guest.route.counts.failed(guest.local.index(), Failure::Shortage);
    tracing::debug!(%error, listener = guest.route.name, "a connection that rested is lost");
    None
}
