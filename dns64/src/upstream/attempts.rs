//! The exchanges of one query that are under way, seldom more than one or two.
//!
//! All are polled when one of them may have news: that costs less than knowing which, as few as they are.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Futures under way.
pub(super) struct Attempts<F> {
    running: Vec<Pin<Box<F>>>,
}

impl<F> Default for Attempts<F> {
    fn default() -> Self {
        Self { running: Vec::new() }
    }
}

impl<F: Future> Attempts<F> {
    /// One more.
    pub(super) fn push(&mut self, attempt: F) {
        self.running.push(Box::pin(attempt));
    }

    /// What the next to end comes to; never, while none is under way.
    pub(super) async fn next(&mut self) -> F::Output {
        poll_fn(|context| {
            for (index, attempt) in self.running.iter_mut().enumerate() {
                if let Poll::Ready(output) = attempt.as_mut().poll(context) {
                    // The order of the others is their age.
                    drop(self.running.remove(index));
                    return Poll::Ready(output);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn they_end_in_any_order_and_each_once() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.next().now_or_never(), None, "none is under way");
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<usize>()).unzip();
        for receiver in receivers {
            attempts.push(receiver);
        }
        assert_eq!(attempts.next().now_or_never(), None);
        for (number, sender) in senders.into_iter().enumerate().rev() {
            sender.send(number).unwrap();
            assert_eq!(attempts.next().await, Ok(number));
            assert_eq!(attempts.next().now_or_never(), None);
        }
    }
}
