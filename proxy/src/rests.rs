//! The connections of a worker on which nothing happens: each is its socket, outside of the runtime unless TLS holds it,
//! and a task that is called when the socket has something.

use crate::nested::Nested;
use crate::stream::{Still, Stream};
use nix::sys::epoll::EpollFlags;
use slab::Slab;
use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Sockets told of in one call.
const BATCH: usize = 64;

/// All of one worker. They are called while [`Rests::tend`] runs.
pub(crate) struct Rests {
    sockets: Nested,
    /// The tasks, without those that have been called.
    tasks: RefCell<Slab<Option<Waker>>>,
}

/// One of them.
pub(crate) struct Resting {
    rests: Rc<Rests>,
    place: usize,
    /// None: it is at rest no longer.
    socket: Option<Still>,
}

impl Rests {
    /// With the runtime that is entered.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { sockets: Nested::new()?, tasks: RefCell::default() })
    }

    /// Lets a connection rest from here on; if that cannot be, gives it back.
    pub(crate) fn lay(self: &Rc<Self>, socket: Still) -> Result<Resting, Still> {
        let place = self.tasks.borrow_mut().insert(Some(Waker::noop().clone()));
        // The end of what the client sends, and of the connection, is told whatever is asked for. Once is enough.
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLONESHOT;
        if self.sockets.add(socket.as_fd(), flags, place as u64).is_err() {
            self.tasks.borrow_mut().remove(place);
            return Err(socket);
        }
        Ok(Resting { rests: Rc::clone(self), place, socket: Some(socket) })
    }

    /// Calls those whose sockets have something, forever.
    pub(crate) async fn tend(&self) {
        loop {
            self.sockets.readable().await;
            // That none has anything more ends the turn.
            while self.sockets.ready::<BATCH>(|_, number| self.call(number)).is_ok() {}
        }
    }

    fn call(&self, number: u64) {
        let place = usize::try_from(number).expect("it was one");
        let task = self.tasks.borrow_mut().get_mut(place).and_then(Option::take);
        // This only puts the task in the queue.
        if let Some(task) = task {
            task.wake();
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Has every one of them look around.
    pub(crate) fn rouse(&self) {
        for (_, task) in &*self.tasks.borrow() {
            // This only puts the task in the queue.
            task.iter().for_each(Waker::wake_by_ref);
        }
    }
}

impl Resting {
    /// Ready once the socket has something. Always polled by the same task.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        match &mut self.rests.tasks.borrow_mut()[self.place] {
            None => Poll::Ready(()),
            Some(task) => {
                if !task.will_wake(cx.waker()) {
                    task.clone_from(cx.waker());
                }
                Poll::Pending
            }
        }
    }

    /// The connection, known to the runtime again.
    pub(crate) fn into_stream(mut self) -> io::Result<Stream> {
        self.rise().expect("taken here only, and this consumes self").into_stream()
    }

    fn rise(&mut self) -> Option<Still> {
        let socket = self.socket.take()?;
        // It is there, since nothing else takes it away.
        let _ = self.rests.sockets.remove(socket.as_fd());
        self.rests.tasks.borrow_mut().remove(self.place);
        Some(socket)
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.rise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    async fn called(resting: &Resting) {
        poll_fn(|cx| resting.poll(cx)).await;
    }

    fn laid(rests: &Rc<Rests>, stream: UnixStream) -> Resting {
        let still = Stream::from(stream).still().unwrap();
        rests.lay(still).map_err(drop).expect("the kernel has room for it")
    }

    #[tokio::test]
    async fn who_has_something_is_called_and_nobody_else() {
        let rests = Rc::new(Rests::new().unwrap());
        let (mut client, there) = UnixStream::pair().unwrap();
        let (_silent, other) = UnixStream::pair().unwrap();
        let (resting, other) = (laid(&rests, there), laid(&rests, other));
        client.write_all(b"hello").await.unwrap();
        tokio::select! {
            () = rests.tend() => unreachable!("it calls forever"),
            () = called(&other) => panic!("nothing has come for it"),
            () = called(&resting) => {}
        }
        let mut got = [0; 5];
        resting.into_stream().unwrap().read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"hello");
        drop(other);
        assert!(rests.tasks.borrow().is_empty());
    }

    #[tokio::test]
    async fn the_end_is_told_and_places_are_used_again() {
        let rests = Rc::new(Rests::new().unwrap());
        for _ in 0..3 {
            let (client, there) = UnixStream::pair().unwrap();
            let resting = laid(&rests, there);
            assert_eq!(resting.place, 0);
            drop(client);
            tokio::select! {
                () = rests.tend() => unreachable!("it calls forever"),
                () = called(&resting) => {}
            }
        }
    }
}
