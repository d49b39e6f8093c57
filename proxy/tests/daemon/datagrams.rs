//! A server of datagrams to stand behind the proxy. It sends back what comes, and tells its name when it is asked `who`;
//! what is asked `late` it answers when the test says so.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server on one address. Dropping it stops it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    name: &'static str,
    seen: Arc<Seen>,
    running: Option<Running>,
}

#[derive(Default)]
struct Seen {
    /// Where datagrams came from.
    peers: Mutex<BTreeSet<SocketAddr>>,
    /// Who waits for an answer.
    waiting: Mutex<Vec<SocketAddr>>,
}

struct Running {
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(address: &str, name: &'static str) -> Self {
        let address = address.parse().expect("an address with a port");
        let mut server = Self { address, name, seen: Arc::default(), running: None };
        server.begin();
        server
    }

    pub(crate) fn begin(&mut self) {
        let socket = Arc::new(UdpSocket::bind(self.address).expect("the port is free in this namespace"));
        // How soon it sees that it is to stop.
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let (name, seen) = (self.name, Arc::clone(&self.seen));
        let (own, stopped) = (Arc::clone(&socket), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !stopped.load(Ordering::SeqCst) {
                let Ok((length, peer)) = own.recv_from(&mut buffer) else { continue };
                seen.peers.lock().unwrap().insert(peer);
                match &buffer[..length] {
                    b"who" => drop(own.send_to(name.as_bytes(), peer)),
                    b"late" => seen.waiting.lock().unwrap().push(peer),
                    payload => drop(own.send_to(payload, peer)),
                }
            }
        });
        self.running = Some(Running { socket, stop, thread });
    }

    /// Closes its port: the server is dead.
    pub(crate) fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop.store(true, Ordering::SeqCst);
        running.thread.join().expect("the server's thread does not panic");
    }

    /// All ports that datagrams ever came from.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.seen.peers.lock().unwrap().iter().map(SocketAddr::port).collect()
    }

    pub(crate) fn has_one_waiting(&self) -> bool {
        !self.seen.waiting.lock().unwrap().is_empty()
    }

    /// Answers all who wait.
    pub(crate) fn answer_late(&self) {
        let running = self.running.as_ref().expect("a dead server answers nobody");
        for peer in self.seen.waiting.lock().unwrap().drain(..) {
            running.socket.send_to(b"late", peer).expect("the answer leaves");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
