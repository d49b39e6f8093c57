//! The content of an answer to a malformed request: the stream is reset behind it (RFC 9113 §8.1.1).

use crate::http::connection::Connection;
use crate::http::reply::Broken;
use bytes::Bytes;
use h2::Reason;
use hyper::body::Frame;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How often all that was there to be sent has left, and who waits for the next time.
#[derive(Default)]
pub(crate) struct Flushes {
    count: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Flushes {
    /// All that was there to be sent has left.
    pub(crate) fn add(&self) {
        self.count.set(self.count.get() + 1);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

pub(crate) struct LastWords {
    text: Option<Bytes>,
    connection: Rc<Connection>,
    /// How often all had left when the HTTP library had taken the text.
    taken: Option<u64>,
}

impl LastWords {
    pub(crate) const fn new(text: Option<Bytes>, connection: Rc<Connection>) -> Self {
        Self { text, connection, taken: None }
    }

    /// Octets that are still to be sent.
    pub(crate) fn left(&self) -> usize {
        self.text.as_ref().map_or(0, Bytes::len)
    }

    /// Leaves out the text.
    pub(crate) const fn take(&mut self) -> Option<Bytes> {
        self.text.take()
    }

    /// The text, and an error once what the client has room for has left: with the reset the library drops what it has
    /// not sent.
    pub(crate) fn poll_frame(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(text) = self.text.take() {
            return Poll::Ready(Some(Ok(Frame::data(text))));
        }
        let flushes = &self.connection.flushes;
        if flushes.count.get() == *self.taken.get_or_insert(flushes.count.get()) {
            flushes.waiting.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Broken::Malformed(Reason::PROTOCOL_ERROR.into()))))
    }
}
