//! One timer per connection, set to whichever deadline is next.
//!
//! Deadlines mostly move away before they come: every activity puts them off. So the timer is not set anew each time;
//! it rings at a deadline of the past, is compared with the one in force, and is set again. It is only moved when a
//! deadline comes nearer.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of one connection. Costs nothing until the first deadline.
#[derive(Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed. `None` never comes.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn a_deadline_that_moves_away_is_followed() {
        let (mut alarm, start) = (Alarm::default(), Instant::now());
        let mut deadline = start + Duration::from_millis(10);
        poll_fn(|cx| {
            let rung = alarm.poll(cx, Some(deadline));
            deadline = start + Duration::from_millis(50);
            rung
        })
        .await;
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn a_deadline_that_comes_nearer_is_followed() {
        let (mut alarm, start) = (Alarm::default(), Instant::now());
        let far = start + Duration::from_secs(3600);
        poll_fn(|cx| {
            assert!(alarm.poll(cx, Some(far)).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| alarm.poll(cx, Some(start + Duration::from_millis(10)))).await;
        assert!(Instant::now() < far);
    }

    #[tokio::test]
    async fn no_deadline_never_comes() {
        poll_fn(|cx| {
            assert!(Alarm::default().poll(cx, None).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}
