//! The requests of one HTTP/2 connection as tasks of the HTTP library, all run by the task of the connection.

use crate::http::exchange::Exchange;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Where the library puts what is to run, until it does.
#[derive(Clone, Default)]
pub(crate) struct Begun(Rc<RefCell<Vec<Task>>>, Rc<RefCell<Option<Rc<Exchange>>>>);

/// One thing to run.
struct Task {
    /// The request that it is about, if it is about one.
    exchange: Option<Rc<Exchange>>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Begun {
    /// Runs this beside, about this request.
    pub(crate) fn spawn(&self, exchange: Rc<Exchange>, future: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Task { exchange: Some(exchange), future: Box::pin(future) });
    }

    /// What is put here next is about this request: the library does so at once.
    pub(in crate::http) fn next_is(&self, exchange: &Rc<Exchange>) {
        *self.1.borrow_mut() = Some(Rc::clone(exchange));
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Begun {
    fn execute(&self, future: F) {
        let exchange = self.1.borrow_mut().take();
        self.0.borrow_mut().push(Task { exchange, future: Box::pin(future) });
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(exchange) = &self.exchange {
            if exchange.is_cancelled() {
                return Poll::Ready(());
            }
            exchange.runs_in(cx.waker());
        }
        self.future.as_mut().poll(cx)
    }
}

/// What runs.
#[derive(Default)]
pub(super) struct Streams {
    begun: Begun,
    running: FuturesUnordered<Task>,
}

impl Streams {
    pub(super) fn begun(&self) -> Begun {
        self.begun.clone()
    }

    /// Runs whatever can go on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(cx) {}
    }

    /// Takes in what has been put here meanwhile. False if there is nothing.
    pub(super) fn take_in(&mut self) -> bool {
        let mut begun = self.begun.0.borrow_mut();
        let any = !begun.is_empty();
        self.running.extend(begun.drain(..));
        any
    }
}

/// What has not run yet holds the place where it lies, which would keep both.
impl Drop for Streams {
    fn drop(&mut self) {
        let left = std::mem::take(&mut *self.begun.0.borrow_mut());
        drop(left);
    }
}
