//! A worker: one thread with a single-threaded runtime and its own socket of every listening address.
//!
//! It is told what to serve over a channel and lives until it is drained. Work under way holds a `Busy` token; a
//! draining worker ends when the last is gone. A listener for UDP that is told to leave ends when it has answered
//! what it took in; one that fails is reported.

use crate::error::Error;
use crate::listen::Sockets;
use crate::resolver::Shared;
use crate::{stream, udp};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Held by work under way. Nothing is ever sent; the channel closes with the last token.
pub(crate) type Busy = mpsc::Sender<Infallible>;

/// The handle of a worker. Dropping it ends the worker at once.
#[derive(Debug)]
pub struct Worker {
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    Serve(Sockets, oneshot::Sender<()>),
    Leave(SocketAddr),
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
        failures: mpsc::UnboundedSender<String>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Worker { index, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (orders, received) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name(format!("dns64-{index}"))
            .spawn(move || {
                let service = Service::new(index, shared, failures);
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

    /// Stops listening on `address`. Replies under way and open connections go on.
    pub(crate) fn leave(&self, address: SocketAddr) {
        let _ = self.orders.send(Order::Leave(address));
    }

    /// Takes no new work. The receiver hears when all work is done.
    pub(crate) fn drain(self) -> oneshot::Receiver<()> {
        let (done, drained) = oneshot::channel();
        let _ = self.orders.send(Order::Drain(done));
        drained
    }
}

/// What serves one address.
struct Listener {
    /// Closing it has the UDP socket answer what it took in, and end.
    _udp: oneshot::Sender<Infallible>,
    tcp: AbortHandle,
}

/// What runs on the worker's thread.
struct Service {
    index: usize,
    shared: Arc<Shared>,
    failures: mpsc::UnboundedSender<String>,
    listeners: JoinSet<()>,
    by_address: HashMap<SocketAddr, Listener>,
    draining: watch::Sender<bool>,
    busy: Busy,
    idle: mpsc::Receiver<Infallible>,
}

impl Service {
    fn new(index: usize, shared: Arc<Shared>, failures: mpsc::UnboundedSender<String>) -> Self {
        let (busy, idle) = mpsc::channel(1);
        Self {
            index,
            shared,
            failures,
            listeners: JoinSet::new(),
            by_address: HashMap::new(),
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
                        let address = sockets.address;
                        match self.serve(sockets) {
                            // Nobody waits for it during a reload.
                            Ok(()) => drop(serving.send(())),
                            Err(error) => self.fail(&format!("cannot serve {address}: {error}")),
                        }
                    }
                    Some(Order::Leave(address)) => self.leave(address),
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

    fn serve(&mut self, sockets: Sockets) -> io::Result<()> {
        let udp = UdpSocket::from_std(sockets.udp)?;
        let tcp = TcpListener::from_std(sockets.tcp)?;
        let (stay, leave) = oneshot::channel();
        self.listeners.spawn(udp::serve(udp, Arc::clone(&self.shared), self.busy.clone(), leave));
        let tcp = stream::serve(
            tcp,
            sockets.connections,
            Arc::clone(&self.shared),
            self.draining.subscribe(),
            self.busy.clone(),
        );
        let tcp = self.listeners.spawn(tcp);
        self.by_address.insert(sockets.address, Listener { _udp: stay, tcp });
        Ok(())
    }

    fn leave(&mut self, address: SocketAddr) {
        if let Some(listener) = self.by_address.remove(&address) {
            listener.tcp.abort();
        }
    }

    async fn drain(mut self, done: oneshot::Sender<()>) {
        for (_, listener) in self.by_address.drain() {
            listener.tcp.abort();
        }
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
