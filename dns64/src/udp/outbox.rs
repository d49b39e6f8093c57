//! Replies that tasks have ready, gathered so that all that get ready in one round of the worker leave at one go.

use super::batch::{self, Datagram};
use super::path::Path;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

/// Emptied buffers that are kept for later replies.
const SPARE: usize = 64;

/// What waits to be sent on one socket.
#[derive(Debug)]
pub(super) struct Outbox {
    replies: Mutex<Vec<(Path, Vec<u8>)>>,
    spare: Mutex<Vec<Vec<u8>>>,
    changed: Notify,
}

/// A reply that is owed. Dropping it without a reply, as a fault does, frees the outbox from waiting for it.
#[derive(Debug)]
pub(super) struct Owed {
    outbox: Arc<Outbox>,
    path: Path,
}

impl Outbox {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { replies: Mutex::default(), spare: Mutex::default(), changed: Notify::new() })
    }

    /// A reply that will follow along `path`.
    pub(super) fn owe(self: &Arc<Self>, path: Path) -> Owed {
        Owed { outbox: Arc::clone(self), path }
    }

    /// Whether a reply is owed by anyone.
    pub(super) fn owes(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }

    /// Waits until a reply was paid or given up since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Sends all replies that wait, however long the socket takes; `failed` hears what the system refuses.
    pub(super) async fn flush(&self, socket: &UdpSocket, mut failed: impl FnMut(&io::Error)) {
        let mut replies = std::mem::take(&mut *locked(&self.replies));
        if replies.is_empty() {
            return;
        }
        let mut full = Vec::new();
        let datagrams = replies.iter().map(|(path, reply)| (path, reply.as_slice()));
        batch::send(socket, datagrams, &mut |datagram, error| match error.kind() {
            io::ErrorKind::WouldBlock => full.push(datagram),
            _ => failed(&error),
        });
        for datagram in full {
            if let Err(error) = socket.async_io(Interest::WRITABLE, || send_one(socket, datagram)).await {
                failed(&error);
            }
        }
        let mut spare = locked(&self.spare);
        let room = SPARE.saturating_sub(spare.len());
        spare.extend(replies.drain(..).map(|(_, buffer)| buffer).take(room));
    }
}

fn send_one(socket: &UdpSocket, datagram: Datagram<'_>) -> io::Result<()> {
    let mut result = Ok(());
    batch::send(socket, std::iter::once(datagram), &mut |_, error| result = Err(error));
    result
}

impl Owed {
    /// A buffer for the reply.
    pub(super) fn buffer(&self) -> Vec<u8> {
        locked(&self.outbox.spare).pop().unwrap_or_default()
    }

    /// Hands over the reply, which leaves when the worker comes to it.
    pub(super) fn pay(self, reply: Vec<u8>) {
        locked(&self.outbox.replies).push((self.path, reply));
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.outbox.changed.notify_one();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
