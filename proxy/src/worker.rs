//! One worker: a thread with a single-threaded runtime that carries connections from accept to close.
//!
//! Nothing of a connection ever moves to another thread, so the data path needs no lock and no `Send`. A panic in the
//! task of one connection ends that connection; it is counted and logged.

mod carried;
mod places;
mod quiet;

pub(crate) use places::{FlowPlace, RequestPlace, Spare};

use crate::alarm::Alarms;
use crate::counts::{Failure, ListenerCounts};
use crate::error::Error;
use crate::listener::socket::Bound;
use crate::listener::{self, Acts, Listener, Site};
use crate::pool::balance::mix;
use crate::relay::Buffers;
use crate::rests::Rests;
use crate::shortage::{Seldom, Shortage, Shortages};
use crate::snapshot::{Route, Shared};
use crate::thread::Running;
use crate::tide::Tide;
use crate::turn::Row;
use crate::udp::{self, Inbox};
use crate::upstream::Upstreams;
use carried::{Carried, Held, Laid};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as standard;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Accept from this socket.
    Open {
        /// What it listens on.
        site: Arc<Site>,
        /// What becomes of its connections.
        route: Arc<Route>,
        /// The worker's own sockets of that site.
        sockets: Vec<Registered>,
    },
    /// Accept no longer here; what was accepted is finished. Reported once the sockets are closed.
    Close(Site),
    /// Say so when everything ordered before has been done.
    Report(oneshot::Sender<()>),
    /// Accept no longer anywhere, and say so when all connections have ended.
    Drain(oneshot::Sender<()>),
}

/// A running worker. Dropping it ends its thread and cuts its connections.
#[derive(Debug)]
pub(crate) struct Worker {
    orders: mpsc::UnboundedSender<Order>,
    thread: Running,
}

/// A socket that the runtime of a worker knows.
#[derive(Debug)]
pub(crate) enum Registered {
    Stream(Listener),
    Datagram(UdpSocket),
}

impl Registered {
    /// With the runtime that is entered.
    pub(crate) fn new(socket: Bound) -> io::Result<Self> {
        Ok(match socket {
            Bound::Stream(socket) => Self::Stream(Listener::new(socket)?),
            Bound::Datagram(socket) => Self::Datagram(UdpSocket::from_std(socket)?),
        })
    }
}

impl Worker {
    /// Starts worker number `index`. `failures` hears of it if the thread panics.
    pub(crate) fn start(
        index: usize,
        shared: Arc<Shared>,
        failures: mpsc::UnboundedSender<String>,
    ) -> Result<Self, Error> {
        let part = format!("worker {index}");
        let (orders, queue) = mpsc::unbounded_channel();
        let thread = crate::thread::start(&part, failures, move || run(Local::new(index, shared), queue))
            .map_err(|cause| Error::Thread { part, cause })?;
        Ok(Self { orders, thread })
    }

    /// Makes sockets known to the worker's runtime, so that accepting from them cannot fail later.
    pub(crate) fn register(&self, sockets: Vec<Bound>) -> io::Result<Vec<Registered>> {
        let _entered = self.thread.runtime.enter();
        sockets.into_iter().map(Registered::new).collect()
    }

    /// Orders are carried out in turn. A worker that is gone has been reported as a failure of the daemon.
    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Returns when everything ordered so far has been done.
    pub(crate) async fn reported(&self) {
        let (done, wait) = oneshot::channel();
        self.order(Order::Report(done));
        let _ = wait.await;
    }

    /// Accepts nothing more and returns when all connections have ended.
    pub(crate) async fn drained(&self) {
        let (done, wait) = oneshot::channel();
        self.order(Order::Drain(done));
        let _ = wait.await;
    }

    /// Cuts off what is under way. What is returned closes when that is done.
    pub(crate) fn ends(self) -> standard::Receiver<Infallible> {
        self.thread.ended
    }
}

async fn run(local: Local, mut queue: mpsc::UnboundedReceiver<Order>) {
    let local = Rc::new(local);
    tokio::task::spawn_local(Rc::clone(&local).tend_upstreams());
    let alarms = Rc::clone(&local.alarms);
    tokio::task::spawn_local(async move { alarms.tend().await });
    let row = Rc::clone(&local.row);
    tokio::task::spawn_local(async move { row.tend().await });
    tokio::task::spawn_local(Rc::clone(&local).tend_rests());
    tokio::task::spawn_local(Rc::clone(&local).tend_memory());
    let mut accepting: HashMap<Site, Accepting> = HashMap::new();
    let mut closing = Vec::new();
    while let Some(order) = queue.recv().await {
        match order {
            Order::Open { site, route, sockets } => {
                accepting.insert((*site).clone(), Accepting::start(&local, &site, &route, sockets));
            }
            Order::Close(site) => {
                if let Some(Accepting { stop, closed }) = accepting.remove(&site) {
                    stop.send_replace(true);
                    local.rouse();
                    closing.push(closed);
                }
            }
            Order::Report(done) => {
                // Whoever has this reported may listen on the addresses again. The senders are only ever dropped.
                join_all(closing.drain(..)).await;
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
            Order::Drain(done) => {
                for (_, Accepting { stop, .. }) in accepting.drain() {
                    stop.send_replace(true);
                }
                local.rouse();
                let local = Rc::clone(&local);
                tokio::task::spawn_local(async move {
                    local.idle().await;
                    let _ = done.send(());
                });
            }
        }
    }
}

/// The loops that take in what comes to one site.
struct Accepting {
    stop: watch::Sender<bool>,
    /// Ends when its sockets are closed.
    closed: oneshot::Receiver<()>,
}

impl Accepting {
    fn start(local: &Rc<Local>, site: &Arc<Site>, route: &Arc<Route>, sockets: Vec<Registered>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (open, closed) = oneshot::channel::<()>();
        let open = Rc::new(open);
        for socket in sockets {
            let task = take_in(local, site, route, socket, Stop(stopped.clone()));
            let open = Rc::clone(&open);
            local.track(async move {
                task.await;
                drop(open);
            });
        }
        Self { stop, closed }
    }
}

/// What takes in what comes to a socket until it is to stop.
fn take_in(
    local: &Rc<Local>,
    site: &Arc<Site>,
    route: &Arc<Route>,
    socket: Registered,
    stop: Stop,
) -> LocalBoxFuture<'static, ()> {
    let (local, site, route) = (Rc::clone(local), Arc::clone(site), Arc::clone(route));
    match socket {
        Registered::Stream(socket) => listener::accept(local, socket, site, route, stop).boxed_local(),
        Registered::Datagram(socket) => udp::serve(local, socket, site, route, stop).boxed_local(),
    }
}

/// The word to stop: to accepting, and to http connections, which then close after the response under way.
#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

impl Stop {
    /// Returns when stopping is due.
    pub(crate) async fn wait(&mut self) {
        // A sender that is gone means that the worker is ending.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether stopping is due.
    pub(crate) fn is_due(&self) -> bool {
        *self.0.borrow()
    }
}

/// What the connections of one worker share. Never leaves its thread.
pub(crate) struct Local {
    index: usize,
    shared: Arc<Shared>,
    pub(crate) buffers: Buffers,
    pub(crate) upstreams: Upstreams,
    pub(crate) alarms: Rc<Alarms>,
    /// Where requests wait that share a connection of their client with others.
    pub(crate) row: Rc<Row>,
    /// Connections on which nothing happens. None: there was no room for what they take together.
    rests: OnceCell<Rests<Laid>>,
    tide: Cell<Tide>,
    /// There is memory to be given back.
    ebbed: Notify,
    random: Cell<u64>,
    /// Connections and accept loops that run.
    running: Cell<usize>,
    /// Client connections among them.
    connections: Cell<usize>,
    /// Flows of datagrams beyond the shares of their sockets.
    common_flows: Cell<usize>,
    /// Made with the first socket for datagrams.
    inbox: OnceCell<RefCell<Inbox>>,
    ended: Notify,
    shortages: Shortages,
    /// By listener and reason, so that what is wrong with one client hides no other fault.
    refusals: RefCell<HashMap<(String, Failure), Seldom>>,
}

impl Local {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Self {
        let buffers = Buffers::default();
        buffers.allow(shared.kept_per_worker());
        Self {
            index,
            shared,
            buffers,
            upstreams: Upstreams::default(),
            alarms: Rc::default(),
            row: Rc::default(),
            rests: OnceCell::new(),
            tide: Cell::default(),
            ebbed: Notify::new(),
            random: Cell::new(RandomState::new().hash_one(index)),
            running: Cell::new(0),
            connections: Cell::new(0),
            common_flows: Cell::new(0),
            inbox: OnceCell::new(),
            ended: Notify::new(),
            shortages: Shortages::default(),
            refusals: RefCell::default(),
        }
    }

    /// The worker's number, which is its shard of every counter.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A number for balancing; not for secrets.
    pub(crate) fn random(&self) -> u64 {
        let next = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(next);
        mix(next)
    }

    /// Whether a shortage may be logged, and how many were not since the last one.
    pub(crate) fn admit_shortage(&self, shortage: Shortage) -> Option<u64> {
        self.shortages.admit(shortage, Instant::now().into_std())
    }

    /// The same of a client of this listener that is turned away for this reason.
    pub(crate) fn admit_refusal(&self, listener: &str, reason: Failure) -> Option<u64> {
        let mut refusals = self.refusals.borrow_mut();
        refusals.entry((listener.to_owned(), reason)).or_default().admit(Instant::now().into_std())
    }

    /// Returns when the next connection or accept loop of this worker ends.
    pub(crate) async fn connection_ended(&self) {
        self.ended.notified().await;
    }

    /// Whether this worker may hold one client connection more, of a listener that has `own` in all workers.
    pub(crate) fn has_room(&self, own: usize) -> bool {
        self.shared.has_room(self.connections.get(), own)
    }

    /// Whether a socket for datagrams, which has `held` flows and `beyond` of them beyond its share, may have another one.
    pub(crate) fn has_room_for_flow(&self, held: usize, beyond: &Cell<usize>) -> bool {
        let limits = self.shared.flows_per_worker();
        held.saturating_sub(beyond.get()) < limits.share || self.common_flows.get() < limits.common
    }

    /// What datagrams are read into. Nobody holds it while waiting for something.
    pub(crate) fn inbox(&self) -> RefMut<'_, Inbox> {
        self.inbox.get_or_init(|| RefCell::new(Inbox::new())).borrow_mut()
    }

    /// Runs one connection to its end, counted; what it holds is given back behind that. A panic in it stays in it.
    pub(crate) fn spawn(self: &Rc<Self>, counts: Arc<ListenerCounts>, held: Held, connection: Acts) {
        tokio::task::spawn_local(Carried::begin(self, counts, held, connection));
    }

    /// Runs a task that [`Local::idle`] waits for.
    fn track(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        let running = Tracked::new(self);
        tokio::task::spawn_local(async move {
            task.await;
            drop(running);
        });
    }

    /// Returns when nothing tracked runs.
    async fn idle(&self) {
        while self.running.get() > 0 {
            self.ended.notified().await;
        }
    }

    async fn tend_upstreams(self: Rc<Self>) {
        self.upstreams.tend(&self.shared).await;
    }
}

/// Counts a task while it runs.
struct Tracked(Rc<Local>);

impl Tracked {
    fn new(local: &Rc<Local>) -> Self {
        local.running.set(local.running.get() + 1);
        Self(Rc::clone(local))
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
