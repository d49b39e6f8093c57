//! Datagrams that a server sends back, as many as one thread can have on their way.
//!
//! Many leave and many are taken with each call, so that the processors are the path's: with a call for each datagram the
//! rate was the load's.

use crate::namespace::Namespace;
use crate::peers::batch::{self, BATCH, Inbox};
use crate::peers::span;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::gettid;
use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients, each of which is a flow.
const CLIENTS: usize = 16;

/// Datagrams on their way from one client. All together fit into the buffer of one socket.
const WINDOW: usize = 16;

/// Octets of a datagram.
const LENGTH: usize = 64;

/// What is not back by then is lost, and its place is given to another.
const LOST: Duration = Duration::from_millis(500);

/// How many come back in a second, of those that a thread on these processors sends.
pub(super) fn run(host: &Namespace, processors: CpuSet, server: SocketAddr) -> Result<f64> {
    let clients = (0..CLIENTS).map(|_| client(host, server)).collect::<Result<Vec<_>>>()?;
    let (returned, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let growth = thread::scope(|scope| {
        let load = scope.spawn(|| {
            sched_setaffinity(gettid(), &processors)?;
            send(&clients, &returned, &over)
        });
        let growth = span::observe(|| Ok(returned.load(Ordering::Relaxed)));
        over.store(true, Ordering::Release);
        load.join().expect("the load makes system calls only")?;
        growth
    })?;
    let [first, last] = growth.values;
    ensure!(last > first, "no datagram came back");
    Ok(growth.a_second(last - first))
}

/// A socket that loses nothing while its thread waits for a processor.
fn client(host: &Namespace, server: SocketAddr) -> Result<UdpSocket> {
    let local = SocketAddr::new(server.ip(), 0);
    let socket = host.run(|| UdpSocket::bind(local))?;
    socket.connect(server).with_context(|| format!("no route to {server}"))?;
    socket.set_nonblocking(true)?;
    batch::enlarge(&socket)?;
    Ok(socket)
}

fn send(clients: &[UdpSocket], returned: &AtomicU64, over: &AtomicBool) -> Result<()> {
    let payload = [7; LENGTH];
    let mut inbox = Inbox::new(BATCH, LENGTH);
    let mut under_way = [0; CLIENTS];
    let mut heard = Instant::now();
    while !over.load(Ordering::Acquire) {
        let mut count = 0;
        for (socket, under_way) in clients.iter().zip(&mut under_way) {
            match inbox.take(socket) {
                Ok(datagrams) => {
                    for datagram in datagrams {
                        ensure!(datagram == payload, "what came back is not what left: {datagram:02x?}");
                        *under_way = usize::saturating_sub(*under_way, 1);
                        count += 1;
                    }
                }
                Err(Errno::EAGAIN) => {}
                Err(errno) => return Err(errno).context("taking datagrams"),
            }
            let slices = vec![IoSlice::new(&payload); WINDOW - *under_way];
            if !slices.is_empty() {
                *under_way += batch::send(socket, &slices).context("sending datagrams")?;
            }
        }
        if count > 0 {
            returned.fetch_add(count, Ordering::Relaxed);
            heard = Instant::now();
        } else if heard.elapsed() > LOST {
            under_way = [0; CLIENTS];
            heard = Instant::now();
        }
    }
    Ok(())
}
