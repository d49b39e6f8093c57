//! The same in mode http: what is asked for and not read, what is sent and not taken, and what compresses it.

use crate::backend::{Backend, Seen, Wire, noise};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::http2_member::{DATA, Frames, HEADERS, SETTINGS, serve_by, write};
use crate::memory::{MEMORY, NARROW, fill, narrow};
use crate::namespace;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use socket2::SockRef;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Connections, and requests, that are stuck: the worker may hold 512.
const CROWD: usize = 440;
/// Looks in a row that find that nothing moves: one may find a machine that is busy elsewhere.
const STILL: usize = 10;
/// Requests of one connection of HTTP/2.
const STREAMS: usize = 88;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `SETTINGS_INITIAL_WINDOW_SIZE`, and more than anybody should hold back.
const WINDOW: u16 = 4;
const LARGE: u32 = 1 << 30;

/// A member, and what it speaks.
struct Side {
    member: Backend,
    version: &'static str,
    /// Whether all requests have come, and as much of their content as it takes.
    has_all: fn(&Backend) -> bool,
}

impl Side {
    /// One that serves a connection for each request.
    fn http1(
        name: &'static str,
        serve: impl Fn(&Seen, TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let has_all = |member: &Backend| member.accepted() == CROWD;
        Self { member: Backend::new(name, serve), version: "h1", has_all }
    }
}

/// A member that answers any request by a text without end.
fn pours() -> Side {
    Side::http1("pours", |_, stream| {
        SockRef::from(&stream).set_send_buffer_size(NARROW)?;
        let mut wire = Wire::new(stream);
        wire.head()?;
        let (mut stream, _) = wire.into_parts();
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 999999999999\r\n\r\n",
        )?;
        let part = noise(1 << 16);
        loop {
            stream.write_all(&part)?;
        }
    })
}

/// The same, of HTTP/2.
fn pours_by_streams() -> Side {
    async fn answer(
        seen: &Seen,
        _: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        seen.heads.lock().unwrap().push(String::new());
        let head = Response::builder().header("content-type", "text/plain").body(()).unwrap();
        let mut out = respond.send_response(head, false)?;
        let part = Bytes::from(noise(1 << 14));
        loop {
            write(&mut out, part.clone()).await?;
            seen.body_bytes.fetch_add(part.len(), Ordering::SeqCst);
        }
    }
    let member = Backend::new("pours", |seen, stream| {
        SockRef::from(&stream).set_send_buffer_size(NARROW)?;
        serve_by(seen, stream, &Builder::new(), &answer)
    });
    Side { member, version: "h2", has_all: |member| member.heads().len() == CROWD }
}

/// A member that takes nothing.
fn takes_nothing() -> Side {
    Side::http1("takes nothing", |_, stream| {
        let socket = SockRef::from(&stream);
        socket.set_recv_buffer_size(NARROW)?;
        // More than there is room for: it waits until the connection ends.
        let mut room = vec![MaybeUninit::uninit(); 1 << 20];
        socket.recv_with_flags(&mut room, nix::libc::MSG_PEEK | nix::libc::MSG_WAITALL).map(drop)
    })
}

/// A member of HTTP/2 that gives the content of all requests much room once they have come, and then reads no further.
fn takes_no_content() -> Side {
    let member = Backend::new("takes no content", |seen, stream| {
        SockRef::from(&stream).set_recv_buffer_size(NARROW)?;
        let (mut frames, mut stream) = (Frames::new(stream.try_clone()?, &[(WINDOW, 0)])?, stream);
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Ok(frame) = frames.next() {
                    match frame.kind {
                        HEADERS => seen.heads.lock().unwrap().push(String::new()),
                        DATA => return seen.body_bytes.fetch_add(1, Ordering::SeqCst),
                        _ => {}
                    }
                }
                0
            });
            wait_for("all to come", || seen.gate.load(Ordering::SeqCst).then_some(()));
            let setting = [&WINDOW.to_be_bytes()[..], &LARGE.to_be_bytes()].concat();
            stream.write_all(&[frame(SETTINGS, 0, 0, &setting), more_room(LARGE)].concat())?;
            // It is alive.
            loop {
                stream.write_all(&more_room(1))?;
                thread::park_timeout(Duration::from_secs(1));
            }
        })
    });
    let has_all = |member: &Backend| {
        let all_came = member.heads().len() == CROWD;
        member.seen.gate.store(all_came, Ordering::SeqCst);
        all_came && member.seen.body_bytes.load(Ordering::SeqCst) == member.accepted()
    };
    Side { member, version: "h2", has_all }
}

/// Room for so many octets more on a connection.
fn more_room(octets: u32) -> Vec<u8> {
    frame(8, 0, 0, &octets.to_be_bytes())
}

/// What clients of one kind do.
struct Crowd {
    /// How many of them there are, each with its part of the requests.
    clients: usize,
    /// What each begins with.
    begins: Vec<u8>,
    /// What each sends until it cannot.
    goes_on: Vec<u8>,
}

/// Has a crowd come, and asserts that what memory grows by once all is stuck is within what connections may have. Returns
/// how the answers begin, if they do.
fn check(lines: &str, side: &Side, crowd: &Crowd) -> Option<Vec<String>> {
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", lines).pool(
        "web",
        &format!("{UNCHECKED}\nprotocol = \"{}\"", side.version),
        &[side.member.address],
    );
    let gateway = Gateway::start_by(&config, namespace::with_memory(MEMORY)?);
    let before = gateway.memory();
    let client = |_| {
        let mut stream = narrow(v6(port));
        stream.write_all(&crowd.begins).expect("it is little");
        stream.set_nonblocking(true).expect("a socket of ours");
        stream
    };
    let mut clients: Vec<_> = (0..crowd.clients).map(client).collect();
    let moved = || {
        let clients = ["received", "sent"]
            .map(|way| gateway.metric(&format!("bytes_total{{listener=\"web\",direction=\"{way}\"}}")));
        (clients, side.member.seen.body_bytes.load(Ordering::SeqCst))
    };
    let mut still = 0;
    wait_for("all to be stuck", || {
        let so_far = moved();
        let is_heard = |client: &TcpStream| client.peek(&mut [0]).is_ok_and(|count| count > 0);
        let begun = if crowd.goes_on.is_empty() {
            clients.iter().all(is_heard)
        } else {
            for client in &mut clients {
                fill(client, &crowd.goes_on);
            }
            true
        };
        let is_still = begun && (side.has_all)(&side.member) && moved() == so_far;
        still = if is_still { still + 1 } else { 0 };
        (still == STILL).then_some(())
    });
    let growth = gateway.memory().saturating_sub(before);
    assert!(growth < MEMORY / 2, "{CROWD} requests took {growth} bytes with {lines:?}");
    Some(clients.iter_mut().map(got).collect())
}

/// One frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: usize, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = u32::try_from(stream).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream, payload].concat()
}

/// A connection of HTTP/2 whose client gives each stream room for one octet, with these requests.
fn http2(streams: usize, request: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let requests = (0..streams).flat_map(|number| request(2 * number + 1));
    [PREFACE, &frame(4, 0, 0, &[0, 4, 0, 0, 0, 1])].concat().into_iter().chain(requests).collect()
}

/// What a client has got, as text in small letters.
fn got(client: &mut TcpStream) -> String {
    let mut read = vec![0; 1 << 10];
    let count = client.read(&mut read).unwrap_or_default();
    String::from_utf8_lossy(&read[..count]).to_ascii_lowercase()
}

const COMPRESSED: &str = "compression = [\"br\"]";

#[test]
fn answers_that_nobody_reads_keep_to_their_part_of_the_memory() {
    let begins = b"GET / HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: br\r\n\r\n".to_vec();
    let crowd = Crowd { clients: CROWD, begins, goes_on: Vec::new() };
    if check("", &pours(), &crowd).is_none() {
        return;
    }
    let heads = check(COMPRESSED, &pours(), &crowd).expect("as before");
    let other = heads.iter().find(|head| !head.contains("vary: accept-encoding"));
    assert_eq!(other, None, "all are told that it might have been compressed");
    let packed = heads.iter().filter(|head| head.contains("content-encoding: br")).count();
    assert!((1..CROWD / 10).contains(&packed), "as many as there is memory for: {packed}");
    check("", &pours_by_streams(), &crowd);
}

#[test]
fn streams_without_room_keep_to_their_part_of_the_memory() {
    let fields = b"\x82\x86\x84\x41\x09a.example\x0f\x01\x02br";
    let begins = http2(STREAMS, |stream| frame(1, 5, stream, fields));
    let crowd = Crowd { clients: CROWD / STREAMS, begins, goes_on: Vec::new() };
    for lines in ["", COMPRESSED] {
        check(lines, &pours(), &crowd);
    }
    check("", &pours_by_streams(), &crowd);
}

#[test]
fn content_that_members_do_not_take_keeps_to_its_part_of_the_memory() {
    let begins = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 999999999999\r\n\r\n".to_vec();
    let crowd = Crowd { clients: CROWD, begins, goes_on: noise(1 << 16) };
    for side in [takes_nothing(), takes_no_content()] {
        check("", &side, &crowd);
    }
    // As much as there is room for in a crowd, of four streams and of their connection.
    let fields = b"\x83\x86\x84\x41\x09a.example";
    let post = |stream| [frame(1, 4, stream, fields), frame(0, 0, stream, &noise(16_000))].concat();
    let crowd = Crowd { clients: CROWD / 4, begins: http2(4, post), goes_on: Vec::new() };
    for side in [takes_nothing(), takes_no_content()] {
        check("", &side, &crowd);
    }
}
