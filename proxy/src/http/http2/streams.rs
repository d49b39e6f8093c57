//! The requests of one HTTP/2 connection as tasks of the HTTP library, all run by the task of the connection.
//!
//! A request begins when the other tasks of the worker have had their turn: what many of them are sent on by leaves in a row.

use crate::clock;
use crate::http::exchange::Exchange;
use crate::turn::Row;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use std::cell::RefCell;
use std::collections::VecDeque;
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
    /// Whether it waits for its turn.
    waits: bool,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Begun {
    /// Runs this beside, about this request.
    pub(crate) fn spawn(&self, exchange: Rc<Exchange>, future: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Task { exchange: Some(exchange), waits: false, future: Box::pin(future) });
    }

    /// What is put here next is about this request: the library does so at once.
    pub(in crate::http) fn next_is(&self, exchange: &Rc<Exchange>) {
        *self.1.borrow_mut() = Some(Rc::clone(exchange));
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Begun {
    fn execute(&self, future: F) {
        let exchange = self.1.borrow_mut().take();
        let waits = exchange.is_some();
        self.0.borrow_mut().push(Task { exchange, waits, future: Box::pin(future) });
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { exchange, future, .. } = &mut *self;
        let Some(exchange) = exchange else { return future.as_mut().poll(cx) };
        if exchange.is_cancelled() {
            return Poll::Ready(());
        }
        exchange.runs_in(cx.waker());
        let polled = clock::standing(|| future.as_mut().poll(cx));
        exchange.hears(false);
        polled
    }
}

/// What runs.
pub(super) struct Streams {
    begun: Begun,
    row: Rc<Row>,
    /// What waits for its turn, and for which round of the row.
    waiting: VecDeque<(u64, Task)>,
    running: FuturesUnordered<Task>,
}

impl Streams {
    /// For a worker that has this row.
    pub(super) fn new(row: &Rc<Row>) -> Self {
        let (waiting, running) = (VecDeque::new(), FuturesUnordered::new());
        Self { begun: Begun::default(), row: Rc::clone(row), waiting, running }
    }

    pub(super) fn begun(&self) -> Begun {
        self.begun.clone()
    }

    /// Runs whatever can go on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let over = self.waiting.iter().take_while(|(round, _)| self.row.is_over(*round)).count();
        for (_, task) in self.waiting.drain(..over) {
            if let Some(exchange) = &task.exchange {
                exchange.hears(true);
            }
            self.running.push(task);
        }
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(cx) {}
    }

    /// Takes in what has been put here meanwhile. False if nothing of it can run at once.
    pub(super) fn take_in(&mut self, cx: &Context<'_>) -> bool {
        let mut begun = self.begun.0.borrow_mut();
        let (round, running) = (self.row.next(), self.running.len());
        for task in begun.drain(..) {
            if !task.waits {
                self.running.push(task);
                continue;
            }
            if self.waiting.back().is_none_or(|(last, _)| *last < round) {
                self.row.join(cx.waker());
            }
            self.waiting.push_back((round, task));
        }
        self.running.len() > running
    }
}

/// What has not been taken in holds the place where it lies, which would keep both.
impl Drop for Streams {
    fn drop(&mut self) {
        let left = std::mem::take(&mut *self.begun.0.borrow_mut());
        drop(left);
    }
}
