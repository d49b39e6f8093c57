//! A worker: one thread with a single-threaded runtime and its own socket of every listening address.
//!
//! It is told what to serve over a channel and lives until it is drained. Work under way holds a `Busy` token; a
//! draining worker ends when the last is gone. Every listener runs until its `Stay` is closed, and then ends in its
//! own way: for UDP when it has answered what it took in. One that fails is reported.

use crate::accept::{self, Door, Speech};
use crate::encryption::Encryption;
use crate::error::Error;
use crate::listen::{Endpoint, Open, Sockets};
use crate::resolver::Shared;
use crate::{quic, udp};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Held by work under way. Nothing is ever sent; the channel closes with the last token.
pub(crate) type Busy = mpsc::Sender<Infallible>;

/// Held for as long as a listener is to take new work. Nothing is ever sent.
type Stay = oneshot::Sender<Infallible>;

/// The listener's end of its [`Stay`].
pub(crate) type Leave = oneshot::Receiver<Infallible>;

/// The handle of a worker. Dropping it ends the worker at once.
#[derive(Debug)]
pub struct Worker {
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    Serve(Sockets, oneshot::Sender<()>),
    Leave(Endpoint),
    Drain(oneshot::Sender<()>),
}

impl Worker {
    /// Starts an idle worker. A fault that ends its service is told to `failures`.
    ///
    /// # Errors
    /// The system gives no thread or no event loop.
    pub fn start(
        index: usize,
        shared: Arc<Shared>,
        encryption: Arc<Encryption>,
        failures: mpsc::UnboundedSender<String>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Worker { index, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (orders, received) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name(format!("dns64-{index}"))
            .spawn(move || {
                let service = Service::new(index, shared, encryption, failures);
                runtime.block_on(service.run(received));
            })
            .map_err(failed)?;
        Ok(Self { orders })
    }

    /// Serves `sockets` besides what it serves. The receiver hears when it does.
    pub fn serve(&self, sockets: Sockets) -> oneshot::Receiver<()> {
        let (serving, served) = oneshot::channel();
        // A worker that is gone has told why; the caller sees the dropped sender.
        let _ = self.orders.send(Order::Serve(sockets, serving));
        served
    }

    /// Stops listening at `endpoint`. Replies under way and open connections go on.
    pub(crate) fn leave(&self, endpoint: Endpoint) {
        let _ = self.orders.send(Order::Leave(endpoint));
    }

    /// Takes no new work. The receiver hears when all work is done.
    pub(crate) fn drain(self) -> oneshot::Receiver<()> {
        let (done, drained) = oneshot::channel();
        let _ = self.orders.send(Order::Drain(done));
        drained
    }
}

/// What runs on the worker's thread.
struct Service {
    index: usize,
    shared: Arc<Shared>,
    encryption: Arc<Encryption>,
    failures: mpsc::UnboundedSender<String>,
    listeners: JoinSet<()>,
    staying: HashMap<Endpoint, Vec<Stay>>,
    draining: watch::Sender<bool>,
    busy: Busy,
    idle: mpsc::Receiver<Infallible>,
}

impl Service {
    fn new(
        index: usize,
        shared: Arc<Shared>,
        encryption: Arc<Encryption>,
        failures: mpsc::UnboundedSender<String>,
    ) -> Self {
        let (busy, idle) = mpsc::channel(1);
        Self {
            index,
            shared,
            encryption,
            failures,
            listeners: JoinSet::new(),
            staying: HashMap::new(),
            draining: watch::Sender::new(false),
            busy,
            idle,
        }
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Serve(sockets, serving)) => {
                        let address = sockets.endpoint.address;
                        match self.serve(sockets) {
                            // Nobody waits for it during a reload.
                            Ok(()) => drop(serving.send(())),
                            Err(error) => self.fail(&format!("cannot serve {address}: {error}")),
                        }
                    }
                    Some(Order::Leave(endpoint)) => drop(self.staying.remove(&endpoint)),
                    Some(Order::Drain(done)) => return self.drain(done).await,
                    None => return,
                },
                Some(ended) = self.listeners.join_next() => match ended {
                    Err(error) if !error.is_cancelled() => self.fail(&format!("a listener failed: {error}")),
                    _ => {}
                },
            }
        }
    }

    fn serve(&mut self, Sockets { endpoint, open, places }: Sockets) -> io::Result<()> {
        let door = Door {
            shared: Arc::clone(&self.shared),
            places,
            draining: self.draining.subscribe(),
            busy: self.busy.clone(),
        };
        let stays = match open {
            Open::Plain { udp, tcp } => {
                let (udp, tcp) = (UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?);
                let (shared, busy) = (Arc::clone(&self.shared), self.busy.clone());
                let udp = self.listen(|leave| udp::serve(udp, shared, busy, leave));
                vec![udp, self.listen(|leave| accept::serve(tcp, Speech::Tcp, door, leave))]
            }
            Open::Tls(tcp) => {
                let (tcp, speech) = (TcpListener::from_std(tcp)?, Speech::Tls(self.encryption.tls.clone()));
                vec![self.listen(|leave| accept::serve(tcp, speech, door, leave))]
            }
            Open::Https(tcp) => {
                let (tcp, speech) =
                    (TcpListener::from_std(tcp)?, Speech::Https(self.encryption.https.clone()));
                vec![self.listen(|leave| accept::serve(tcp, speech, door, leave))]
            }
            Open::Quic(udp) => {
                let endpoint = quic::open(udp, &self.encryption)?;
                vec![self.listen(|leave| quic::serve(endpoint, door, leave))]
            }
        };
        self.staying.insert(endpoint, stays);
        Ok(())
    }

    /// Runs a listener until what is returned is dropped.
    fn listen<F>(&mut self, serve: impl FnOnce(Leave) -> F) -> Stay
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stay, leave) = oneshot::channel();
        self.listeners.spawn(serve(leave));
        stay
    }

    async fn drain(mut self, done: oneshot::Sender<()>) {
        self.staying.clear();
        self.draining.send_replace(true);
        drop(self.busy);
        // None comes when the last token is gone; nothing else can come.
        self.idle.recv().await;
        let _ = done.send(());
    }

    fn fail(&self, reason: &str) {
        let _ = self.failures.send(format!("worker {}: {reason}", self.index));
    }
}
