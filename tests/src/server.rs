//! The IPv4-only world: small servers on threads, their sockets inside a namespace.

pub mod echo;
pub mod web;
pub mod zone;

use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A TCP server with one thread per connection; dropping it ends all of them.
pub struct TcpServer {
    listener: TcpListener,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    accepted: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl TcpServer {
    /// Serves each connection of `listener` with `serve`, whose error ends that connection only.
    fn start(
        listener: TcpListener,
        name: &str,
        serve: impl Fn(TcpStream) -> anyhow::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let serve = Arc::new(serve);
        let (source, state) = (listener.try_clone()?, Arc::clone(&shared));
        let acceptor = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Ok((stream, _)) = source.accept() {
                if state.stopping.load(Ordering::Acquire) {
                    return;
                }
                let id = state.accepted.fetch_add(1, Ordering::AcqRel);
                let Ok(handle) = stream.try_clone() else { continue };
                state.lock().insert(id, handle);
                let (state, serve) = (Arc::clone(&state), Arc::clone(&serve));
                thread::spawn(move || {
                    // A client may go away in mid-sentence; what it missed it reports itself.
                    let _ = serve(stream);
                    state.lock().remove(&id);
                });
            }
        })?;
        Ok(Self { listener, shared, acceptor: Some(acceptor) })
    }

    /// Connections it has accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Acquire)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Wakes `accept`, which then fails.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            // An acceptor that panicked has already said so on standard error.
            let _ = acceptor.join();
        }
        for stream in self.shared.lock().values() {
            // Already closed by the other side, or about to be by this.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
