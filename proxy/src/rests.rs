//! The connections of a worker on which nothing happens. Each is its socket, outside of the runtime unless TLS holds it, and
//! what is known of it, side by side with the others: it has no task, and gets one when the socket has something or its
//! deadline is over.

use crate::alarm::{Alarms, Queue};
use crate::nested::Nested;
use nix::sys::epoll::EpollFlags;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Sockets told of in one call.
const BATCH: usize = 64;

/// All of one worker. They rise while [`Rests::tend`] runs.
pub(crate) struct Rests<T> {
    sockets: Nested,
    /// By number in `sockets`.
    laid: RefCell<Queue<T>>,
    /// The next deadline is nearer than it was.
    nearer: Notify,
}

impl<T: AsFd> Rests<T> {
    /// With the runtime that is entered.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { sockets: Nested::new()?, laid: RefCell::default(), nearer: Notify::new() })
    }

    /// Lets a connection rest from here on, until this deadline at most; if that cannot be, gives it back.
    pub(crate) fn lay(&self, until: Instant, connection: T) -> Result<(), T> {
        let mut laid = self.laid.borrow_mut();
        let is_nearer = laid.first().is_none_or(|first| until < first);
        let place = laid.insert(until, connection);
        // The end of what the client sends, and of the connection, is told whatever is asked for. Once is enough.
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLONESHOT;
        let add = |connection: &T| self.sockets.add(connection.as_fd(), flags, place.slot().into());
        if laid.get(place.slot()).is_none_or(|connection| add(connection).is_err()) {
            return Err(laid.remove(place).expect("it was put there in this call"));
        }
        if is_nearer {
            self.nearer.notify_one();
        }
        Ok(())
    }

    /// Has those rise whose sockets have something or whose deadlines are over, forever. Nobody rests longer than this.
    pub(crate) async fn tend(&self, alarms: &Rc<Alarms>, rise: impl Fn(T)) {
        let _until = Cleared(self);
        let mut alarm = alarms.alarm();
        loop {
            // Whoever has something has had it before its deadline was over.
            tokio::select! {
                biased;
                () = self.sockets.readable() => self.heed(&rise),
                over = poll_fn(|cx| {
                    let first = self.laid.borrow_mut().first();
                    alarm.poll(cx, first).map(|()| first)
                }) => self.end(over, &rise),
                () = self.nearer.notified() => {}
            }
        }
    }

    /// Has those rise whose sockets have something.
    fn heed(&self, rise: &impl Fn(T)) {
        let called = |_, number| {
            let slot = u32::try_from(number).expect("it was one");
            self.call(slot, rise);
        };
        // That none has anything more ends the turn.
        while self.sockets.ready::<BATCH>(called).is_ok() {}
    }

    /// Has those rise whose deadlines are not behind this one.
    fn end(&self, over: Option<Instant>, rise: &impl Fn(T)) {
        let due = |over| self.laid.borrow_mut().take_due(over);
        while let Some(connection) = over.and_then(due) {
            self.leave(connection, rise);
        }
    }

    /// Has those rise who are meant.
    pub(crate) fn rouse(&self, is_meant: impl Fn(&T) -> bool, rise: impl Fn(T)) {
        let meant = self.laid.borrow().slots(is_meant);
        for slot in meant {
            self.call(slot, &rise);
        }
    }

    fn call(&self, slot: u32, rise: &impl Fn(T)) {
        let connection = self.laid.borrow_mut().remove_slot(slot);
        if let Some(connection) = connection {
            self.leave(connection, rise);
        }
    }

    fn leave(&self, connection: T, rise: &impl Fn(T)) {
        // It is there, since nothing else takes it away.
        let _ = self.sockets.remove(connection.as_fd());
        rise(connection);
    }
}

impl<T> Rests<T> {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.laid.borrow().len()
    }
}

/// Ends all that rest when dropped: they hold on to what holds them.
struct Cleared<'a, T>(&'a Rests<T>);

impl<T> Drop for Cleared<'_, T> {
    fn drop(&mut self) {
        // Whatever one of them gives back may ask how many there are.
        let laid = self.0.laid.take();
        drop(laid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const LONG: Duration = Duration::from_secs(3600);

    /// A connection with a number.
    struct One(u8, UnixStream);

    impl AsFd for One {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.1.as_fd()
        }
    }

    struct Bench {
        rests: Rests<One>,
        alarms: Rc<Alarms>,
    }

    impl Bench {
        fn new() -> Self {
            Self { rests: Rests::new().unwrap(), alarms: Rc::default() }
        }

        /// The client's end of a connection that rests for so long at most.
        fn lay(&self, number: u8, limit: Duration) -> UnixStream {
            let (client, there) = UnixStream::pair().unwrap();
            let laid = self.rests.lay(Instant::now() + limit, One(number, there));
            laid.map_err(drop).expect("the kernel has room for it");
            client
        }

        /// Runs this beside, which is told who rises.
        async fn tended(&self, beside: impl AsyncFnOnce(UnboundedReceiver<u8>)) {
            let (risen, told) = unbounded_channel();
            tokio::select! {
                // They are looked after from the first moment, however soon the other one is done.
                biased;
                () = self.alarms.tend() => unreachable!("it rings forever"),
                () = self.rests.tend(&self.alarms, |One(number, _)| risen.send(number).unwrap()) => {
                    unreachable!("it tends forever")
                }
                () = beside(told) => {}
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_something_rises_and_nobody_else() {
        let bench = Bench::new();
        let (mut speaks, ends, _silent) = (bench.lay(0, LONG), bench.lay(1, LONG), bench.lay(2, LONG));
        bench
            .tended(async |mut told| {
                speaks.write_all(b"hello").unwrap();
                assert_eq!(told.recv().await, Some(0));
                drop(ends);
                assert_eq!(told.recv().await, Some(1));
                assert_eq!(bench.rests.count(), 1);
                drop(bench.lay(3, LONG));
                assert_eq!(told.recv().await, Some(3), "a number that is used again");
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_rises_when_its_deadline_is_over() {
        let (bench, start) = (Bench::new(), Instant::now());
        let seconds = Duration::from_secs;
        let _clients = (bench.lay(30, seconds(30)), bench.lay(20, seconds(20)));
        bench
            .tended(async |mut told| {
                tokio::time::sleep(seconds(5)).await;
                let _nearer = bench.lay(10, seconds(5));
                for expect in [10, 20, 30] {
                    assert_eq!(told.recv().await, Some(expect));
                    assert_eq!(start.elapsed().as_secs(), u64::from(expect));
                }
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_in_a_socket_has_come_before_a_deadline_that_is_over() {
        let bench = Bench::new();
        let limit = Duration::from_secs(1);
        let (_silent, mut speaks) = (bench.lay(0, limit), bench.lay(1, limit));
        bench
            .tended(async |mut told| {
                // The runtime hears of it when it looks at the sockets behind the deadline.
                tokio::time::sleep(limit).await;
                speaks.write_all(b"hello").unwrap();
                assert_eq!((told.recv().await, told.recv().await), (Some(1), Some(0)));
            })
            .await;
    }

    #[tokio::test]
    async fn those_who_are_meant_are_roused_and_the_rest_goes_with_what_tends_it() {
        let bench = Bench::new();
        let mut clients = [0, 1, 2].map(|number| bench.lay(number, LONG));
        let roused = RefCell::default();
        let rise = |One(number, _)| Vec::push(&mut roused.borrow_mut(), number);
        bench.rests.rouse(|One(number, _)| number % 2 == 0, rise);
        assert_eq!((roused.take(), bench.rests.count()), (vec![0, 2], 1));
        bench.tended(async |_| {}).await;
        assert_eq!((clients[1].read(&mut [0]).unwrap(), bench.rests.count()), (0, 0));
    }
}
