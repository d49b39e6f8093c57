//! The deadlines of a worker's connections, all behind one timer of the runtime.
//!
//! Deadlines mostly move away before they come: every activity puts them off. So an alarm is not set anew each time; it
//! rings at a deadline of the past, is compared with the one in force, and is set again. It is only moved when a deadline
//! comes nearer.
//!
//! A timer of the runtime for each would take more memory, and a system call whenever it is nearer than all the others: the
//! runtime wakes itself up by an event in order to sleep for less. Each connection has such a short timer while it
//! connects. The one timer here stays where it is when the alarm that it was set for is no longer needed.
//!
//! A deadline is over once all sockets have been looked at behind it: what lies there has come in time, however late this
//! worker is, and nobody else is to blame for that.

mod queue;

pub(crate) use queue::Queue;

use crate::turn;
use queue::Place;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// All alarms of one worker. They ring while [`Alarms::tend`] runs.
#[derive(Default)]
pub(crate) struct Alarms {
    set: RefCell<Queue<Waker>>,
    /// All that were due by then have rung, and what had come until then was heard of before.
    rung: Cell<Option<Instant>>,
    /// When the timer rings next.
    armed: Cell<Option<Instant>>,
    nearer: Notify,
}

/// The alarm of one connection. Costs nothing until the first deadline.
pub(crate) struct Alarm {
    alarms: Rc<Alarms>,
    place: Option<Place>,
}

impl Alarms {
    /// An alarm that is not set.
    pub(crate) fn alarm(self: &Rc<Self>) -> Alarm {
        Alarm { alarms: Rc::clone(self), place: None }
    }

    /// What comes of the future, if that is before the deadline.
    pub(crate) async fn before<F: Future>(
        self: &Rc<Self>,
        deadline: Instant,
        future: F,
    ) -> Option<F::Output> {
        let (mut future, mut alarm) = (pin!(future), self.alarm());
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => alarm.poll(cx, Some(deadline)).map(|()| None),
        })
        .await
    }

    /// Rings, forever.
    pub(crate) async fn tend(&self) {
        loop {
            self.ring_if_due().await;
            let first = self.set.borrow_mut().first();
            self.armed.set(first);
            match first {
                None => self.nearer.notified().await,
                // Either way what is due rings.
                Some(deadline) => drop(timeout_at(deadline, self.nearer.notified()).await),
            }
        }
    }

    /// Whoever has something to read reads it before the deadline for that rings.
    async fn ring_if_due(&self) {
        let now = Instant::now();
        let first = self.set.borrow_mut().first();
        if first.is_none_or(|first| first > now) {
            return;
        }
        turn::all_is_heard().await;
        self.rung.set(Some(now));
        let mut set = self.set.borrow_mut();
        while let Some(waker) = set.take_due(now) {
            // This only puts the task in the queue, so nobody comes for the set meanwhile.
            waker.wake();
        }
    }

    fn set(&self, deadline: Instant, waker: Waker) -> Place {
        let place = self.set.borrow_mut().insert(deadline, waker);
        if self.armed.get().is_none_or(|armed| deadline < armed) {
            self.armed.set(Some(deadline));
            self.nearer.notify_one();
        }
        place
    }
}

impl Alarm {
    /// Ready once `deadline` has passed and has rung. `None` never comes. Always polled by the same task.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let rung = self.alarms.rung.get();
        if rung.is_some_and(|rung| deadline <= rung) {
            self.clear();
            return Poll::Ready(());
        }
        self.place = self.place.filter(|place| rung.is_none_or(|rung| place.deadline() > rung));
        if self.place.is_some_and(|place| place.deadline() <= deadline) {
            return Poll::Pending;
        }
        self.clear();
        self.place = Some(self.alarms.set(deadline, cx.waker().clone()));
        Poll::Pending
    }

    fn clear(&mut self) {
        if let Some(place) = self.place.take() {
            self.alarms.set.borrow_mut().remove(place);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;

    /// Runs a future while alarms ring, on a clock that jumps.
    async fn beside<F: Future>(run: impl FnOnce(Rc<Alarms>) -> F) -> (F::Output, Duration) {
        let (alarms, start) = (Rc::new(Alarms::default()), Instant::now());
        tokio::select! {
            () = alarms.tend() => unreachable!("it rings forever"),
            output = run(Rc::clone(&alarms)) => {
                assert_eq!(alarms.set.borrow().len(), 0, "nothing stays set");
                (output, start.elapsed())
            }
        }
    }

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_away_is_followed() {
        let ((), passed) = beside(|alarms| async move {
            let deadline = Cell::new(Instant::now() + seconds(10));
            let mut alarm = alarms.alarm();
            let put_off = async {
                tokio::time::sleep(seconds(5)).await;
                deadline.set(deadline.get() + seconds(5));
            };
            tokio::join!(poll_fn(|cx| alarm.poll(cx, Some(deadline.get()))), put_off);
        })
        .await;
        assert_eq!(passed.as_secs(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_comes_nearer_is_followed() {
        let ((), passed) = beside(|alarms| async move {
            let (start, mut alarm) = (Instant::now(), alarms.alarm());
            poll_fn(|cx| {
                assert!(alarm.poll(cx, Some(start + seconds(3600))).is_pending());
                Poll::Ready(())
            })
            .await;
            tokio::time::sleep(seconds(1)).await;
            poll_fn(|cx| alarm.poll(cx, Some(start + seconds(10)))).await;
        })
        .await;
        assert_eq!(passed.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn no_deadline_never_comes() {
        beside(|alarms| async move {
            let mut alarm = alarms.alarm();
            poll_fn(|cx| {
                assert!(alarm.poll(cx, None).is_pending());
                Poll::Ready(())
            })
            .await;
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn many_ring_in_their_turn_and_those_given_up_do_not() {
        let (rung, passed) = beside(|alarms| async move {
            let start = Instant::now();
            let wait = |count| {
                let alarms = Rc::clone(&alarms);
                async move {
                    let output = alarms.before(start + seconds(count), std::future::pending::<()>()).await;
                    (output.is_none(), start.elapsed().as_secs())
                }
            };
            let given_up = tokio::time::timeout(seconds(1), wait(2)).await;
            assert!(given_up.is_err());
            tokio::join!(wait(30), wait(20), wait(20))
        })
        .await;
        assert_eq!(rung, ((true, 30), (true, 20), (true, 20)));
        assert_eq!(passed.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_returned() {
        let (output, passed) = beside(|alarms| async move {
            let future = async {
                tokio::time::sleep(seconds(2)).await;
                "done"
            };
            alarms.before(Instant::now() + seconds(5), future).await
        })
        .await;
        assert_eq!((output, passed.as_secs()), (Some("done"), 2));
    }

    #[tokio::test]
    async fn what_lies_in_a_socket_has_come_before_a_deadline_that_is_over() {
        let (mut there, here) = std::os::unix::net::UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let mut here = tokio::net::UnixStream::from_std(here).unwrap();
        let ((), _) = beside(|alarms| async move {
            for over in [Instant::now(), Instant::now() + Duration::from_micros(1)] {
                there.write_all(b"a").unwrap();
                // Nobody else has a turn, so the runtime has not heard of it.
                while Instant::now() <= over {}
                assert_eq!(alarms.before(over, here.read_u8()).await.map(Result::unwrap), Some(b'a'));
            }
            assert!(alarms.before(Instant::now(), here.read_u8()).await.is_none(), "nothing is there");
        })
        .await;
    }
}
