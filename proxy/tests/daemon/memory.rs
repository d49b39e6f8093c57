//! What the daemon takes of the memory that it may use, where nobody takes what is sent.

use crate::backend::{Backend, noise};
use crate::certificate::Authority;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::namespace;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::{SockAddr, SockRef, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What the daemon may use in these tests: connections have half of it.
pub(crate) const MEMORY: usize = 64 << 20;
/// What a connection takes of it: a tight buffer each way, what it has in any case, and its part of what is kept.
const EACH: usize = 40 << 10;
/// What it takes at most while nothing happens on it, in mode http, with what the process takes beside.
const RESTS: usize = 4 << 10;
/// What TLS adds to that.
const TLS: usize = 64 << 10;
/// Lest the kernel's buffers hold most of what is sent.
pub(crate) const NARROW: usize = 8 << 10;

/// A member that sends without end, and reads nothing.
fn pours() -> Backend {
    Backend::new("pours", |_, mut stream| {
        SockRef::from(&stream).set_recv_buffer_size(NARROW)?;
        SockRef::from(&stream).set_send_buffer_size(NARROW)?;
        let part = noise(1 << 16);
        loop {
            stream.write_all(&part)?;
        }
    })
}

/// A client's end that takes little before it is read.
pub(crate) fn narrow(address: SocketAddr) -> TcpStream {
    let address = SockAddr::from(address);
    let socket = Socket::new(address.domain(), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(NARROW).expect("a socket of ours");
    socket.set_send_buffer_size(NARROW).expect("a socket of ours");
    socket.connect(&address).expect("the listener accepts");
    socket.into()
}

/// Sends as much as is taken at this moment.
pub(crate) fn fill(stream: &mut impl Write, part: &[u8]) {
    loop {
        match stream.write(part) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the connection breaks: {error}"),
        }
    }
}

/// What memory grows by when neither clients nor members take what the others send.
fn growth<S: Write>(gateway: &Gateway, pours: &Backend, mut crowd: Vec<S>, before: usize) -> usize {
    let part = noise(1 << 16);
    let moved = || {
        ["received", "sent"]
            .map(|way| gateway.metric(&format!("bytes_total{{listener=\"web\",direction=\"{way}\"}}")))
    };
    wait_for("all to be stuck", || {
        let so_far = moved();
        for client in &mut crowd {
            fill(client, &part);
        }
        (pours.accepted() == crowd.len() && moved() == so_far).then_some(())
    });
    gateway.memory().saturating_sub(before)
}

fn gateway(port: u16, lines: &str, pours: &Backend) -> Option<Gateway> {
    let config =
        Config::new("").listener("web", "tcp", port, "web", lines).pool("web", UNCHECKED, &[pours.address]);
    Some(Gateway::start_by(&config, namespace::with_memory(MEMORY)?))
}

#[test]
fn connections_that_nobody_reads_from_keep_to_their_part_of_the_memory() {
    const CROWD: usize = 440;
    let (pours, port) = (pours(), free_port());
    let Some(gateway) = gateway(port, "", &pours) else { return };
    let before = gateway.memory();
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let stream = narrow(v6(port));
            stream.set_nonblocking(true).expect("a socket of ours");
            stream
        })
        .collect();
    let growth = growth(&gateway, &pours, crowd, before);
    assert!(growth < CROWD * EACH, "{CROWD} connections took {growth} bytes");
}

#[test]
fn tls_that_nobody_reads_from_keeps_to_its_part_of_the_memory() {
    const CROWD: usize = 220;
    let (authority, pours, port) = (Authority::new(), pours(), free_port());
    let bundle = authority.bundle("web", &["web.example"]);
    let lines = format!("tls = {{ certificates = [\"{}\"] }}", bundle.display());
    let Some(gateway) = gateway(port, &lines, &pours) else { return };
    let (config, before) = (authority.client(None), gateway.memory());
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let name = ServerName::try_from("web.example").unwrap();
            let session = ClientConnection::new(config.clone(), name).expect("a client of ours");
            let mut stream = StreamOwned::new(session, narrow(v6(port)));
            // The member speaks, so the handshake is done.
            stream.read_exact(&mut [0]).expect("the member's first byte");
            stream.sock.set_nonblocking(true).expect("a socket of ours");
            stream
        })
        .collect();
    let growth = growth(&gateway, &pours, crowd, before);
    assert!(growth < CROWD * (EACH + TLS), "{CROWD} connections took {growth} bytes");
}

#[test]
fn clients_that_are_silent_between_requests_take_next_to_nothing() {
    const CROWD: usize = 400;
    let (backend, port) = (Backend::http("a"), free_port());
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    // What is used at all is in memory by then.
    let mut first = Client::connect(v6(port));
    for _ in 0..2 {
        assert_eq!(first.get("/").status, 200);
        gateway.counts("connections_resting{listener=\"web\"}", 1);
    }
    drop(first);
    let before = gateway.memory();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| Client::connect(v6(port))).collect();
    for _ in 0..2 {
        for client in &mut crowd {
            assert_eq!(client.get("/").status, 200);
        }
        gateway.counts("connections_resting{listener=\"web\"}", CROWD as u64);
        wait_for("memory to be given back", || {
            (gateway.memory().saturating_sub(before) < CROWD * RESTS).then_some(())
        });
    }
}
