//! Small servers to stand behind the proxy. They remember what they saw.

use crate::gateway::{PATIENCE, free_port, v4, wait_for};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::sync::watch;
use tokio::time::timeout;

/// What a server does with a connection.
type Serve = Arc<dyn Fn(&Seen, TcpStream) -> std::io::Result<()> + Send + Sync>;

/// What a server saw.
pub(crate) struct Seen {
    pub(crate) name: &'static str,
    /// Connections accepted.
    pub(crate) accepted: AtomicUsize,
    /// Request heads (http) in the order they came.
    pub(crate) heads: Mutex<Vec<String>>,
    /// Bytes of request bodies.
    pub(crate) body_bytes: AtomicUsize,
    /// Opened by a test to let an answer go on.
    pub(crate) gate: Gate,
    open: Mutex<HashMap<usize, TcpStream>>,
}

/// A flag of a test that threads and tasks wait for.
#[derive(Default)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn store(&self, open: bool, order: Ordering) {
        self.swap(open, order);
    }

    pub(crate) fn load(&self, _: Ordering) -> bool {
        *self.0.borrow()
    }

    pub(crate) fn swap(&self, open: bool, _: Ordering) -> bool {
        self.0.send_replace(open)
    }

    /// Waits until it is open.
    pub(crate) async fn opens(&self) {
        let mut open = self.0.subscribe();
        let opened = open.wait_for(|open| *open);
        timeout(PATIENCE, opened).await.expect("the test opens the gate").expect("the gate is there");
    }
}

/// A server on IPv4 loopback. Dropping it stops it.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    serve: Serve,
    listening: Option<Listening>,
}

struct Listening {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Backend {
    /// Speaks HTTP; see [`answer`] for its paths.
    pub(crate) fn http(name: &'static str) -> Self {
        Self::new(name, http)
    }

    /// Reads all, then sends all back and ends.
    pub(crate) fn echo_after_end() -> Self {
        Self::new("echo", |_, mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            stream.write_all(&all)?;
            stream.shutdown(Shutdown::Write)
        })
    }

    /// Sends back what comes as it comes.
    pub(crate) fn echo() -> Self {
        Self::new("echo", |_, stream| {
            let (mut from, mut to) = (stream.try_clone()?, stream);
            std::io::copy(&mut from, &mut to)?;
            to.shutdown(Shutdown::Write)
        })
    }

    pub(crate) fn new(
        name: &'static str,
        serve: impl Fn(&Seen, TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let seen = Seen {
            name,
            accepted: AtomicUsize::new(0),
            heads: Mutex::default(),
            body_bytes: AtomicUsize::new(0),
            gate: Gate::default(),
            open: Mutex::default(),
        };
        let (address, listener) = loop {
            // Another process may take a port that was free.
            let address = v4(free_port());
            if let Ok(listener) = TcpListener::bind(address) {
                break (address, listener);
            }
        };
        let mut backend = Self { address, seen: Arc::new(seen), serve: Arc::new(serve), listening: None };
        backend.listen(listener);
        backend
    }

    pub(crate) fn start(&mut self) {
        self.listen(TcpListener::bind(self.address).expect("the port was free and is ours"));
    }

    fn listen(&mut self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, serve, stopped) = (Arc::clone(&self.seen), Arc::clone(&self.serve), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let number = seen.accepted.fetch_add(1, Ordering::SeqCst);
                seen.open.lock().unwrap().insert(number, stream.try_clone().expect("a second handle"));
                let (seen, serve) = (Arc::clone(&seen), Arc::clone(&serve));
                thread::spawn(move || {
                    // A connection that breaks is the business of the test that breaks it.
                    let _ = serve(&seen, stream);
                    seen.open.lock().unwrap().remove(&number);
                });
            }
        });
        self.listening = Some(Listening { stop, thread });
    }

    /// Stops listening and cuts every connection: the server is dead.
    pub(crate) fn stop(&mut self) {
        let Some(listening) = self.listening.take() else { return };
        listening.stop.store(true, Ordering::SeqCst);
        // Wakes the accept that the thread is in.
        drop(TcpStream::connect(self.address));
        listening.thread.join().expect("the accept thread does not panic");
        for (_, stream) in self.seen.open.lock().unwrap().drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Whether no connection is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.seen.open.lock().unwrap().is_empty()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.seen.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.seen.gate.store(true, Ordering::SeqCst);
        self.stop();
    }
}

/// Bytes that compress to nothing and repeat nowhere near.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// A reader of one connection.
pub(crate) struct Wire {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Wire {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    fn more(&mut self) -> std::io::Result<bool> {
        let mut part = vec![0; 64 << 10];
        let count = self.stream.read(&mut part)?;
        self.ahead.extend_from_slice(&part[..count]);
        Ok(count > 0)
    }

    /// Up to and with the empty line; `None` at the end of the stream before it.
    pub(crate) fn head(&mut self) -> std::io::Result<Option<String>> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.ahead.split_off(end + 4);
                let head = std::mem::replace(&mut self.ahead, rest);
                return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Exactly so many bytes; fewer at the end of the stream.
    pub(crate) fn bytes(&mut self, count: usize, mut note: impl FnMut(usize)) -> std::io::Result<Vec<u8>> {
        note(self.ahead.len().min(count));
        while self.ahead.len() < count {
            let before = self.ahead.len();
            if !self.more()? {
                break;
            }
            note(self.ahead.len().min(count) - before);
        }
        let rest = self.ahead.split_off(count.min(self.ahead.len()));
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|window| window == b"\r\n") {
                let rest = self.ahead.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.ahead, rest);
                line.truncate(end);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.more()? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// A chunked body, trailers dropped.
    pub(crate) fn chunks(&mut self, mut note: impl FnMut(usize)) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk(&mut note)?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    /// The next chunk of such a body; empty at its end.
    pub(crate) fn chunk(&mut self, note: impl FnMut(usize)) -> std::io::Result<Vec<u8>> {
        let size = usize::from_str_radix(self.line()?.split(';').next().unwrap_or(""), 16)
            .map_err(std::io::Error::other)?;
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(Vec::new());
        }
        let chunk = self.bytes(size, note)?;
        self.line()?;
        Ok(chunk)
    }

    /// The connection, and what was read of it and not yet given out.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.ahead)
    }

    /// All up to the end of the stream.
    pub(crate) fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        while self.more()? {}
        Ok(std::mem::take(&mut self.ahead))
    }
}

/// The value of a field of a head, the first if there are several.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn http(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut wire = Wire::new(stream);
    let mut first = true;
    while let Some(head) = wire.head()? {
        seen.heads.lock().unwrap().push(head.clone());
        let note = |count| {
            seen.body_bytes.fetch_add(count, Ordering::SeqCst);
        };
        let path = head.split(' ').nth(1).unwrap_or("").to_owned();
        if path == "/early" {
            // Answers before the body has come, and keeps the connection.
            writer.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")?;
        }
        let body = if field(&head, "transfer-encoding").is_some() {
            wire.chunks(note)?
        } else {
            let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap_or(0));
            wire.bytes(length, note)?
        };
        if path != "/early" && !answer(seen, &mut writer, &head, &path, &body, first)? {
            return Ok(());
        }
        first = false;
    }
    Ok(())
}

/// Fixed answers: by path, the bytes, and whether the connection stays open.
const SCRIPTED: [(&str, &str, bool); 10] = [
    ("/nothing", "HTTP/1.1 204 No Content\r\n\r\n", true),
    ("/unchanged", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n", true),
    ("/until-close", "HTTP/1.0 200 OK\r\n\r\nall there is", false),
    ("/reset", "", false),
    ("/half", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this", false),
    ("/garbage", "220 mail.example ESMTP\r\n\r\n", false),
    ("/switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", true),
    (
        "/two-framings",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        true,
    ),
    (
        "/surplus-at-once",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        true,
    ),
    (
        "/hops",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, x-inner\r\nKeep-Alive: timeout=5\r\nX-Inner: 1\r\nX-Outer: 2\r\n\r\n",
        true,
    ),
];

/// Answers one request by its path. False ends the connection.
fn answer(
    seen: &Seen,
    writer: &mut TcpStream,
    head: &str,
    path: &str,
    body: &[u8],
    first: bool,
) -> std::io::Result<bool> {
    if let Some((_, bytes, stays)) = SCRIPTED.iter().find(|(known, ..)| *known == path) {
        writer.write_all(bytes.as_bytes())?;
        return Ok(*stays);
    }
    let wait = || wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
    let mut send = |fields: &str, body: &[u8]| {
        let none = head.starts_with("HEAD ");
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len())?;
        writer.write_all(if none { b"" } else { body })
    };
    match path {
        "/echo" => send("", body)?,
        "/head" => send("", head.as_bytes())?,
        "/big" => send("", &noise(5 << 20))?,
        "/close" => {
            send("Connection: close\r\n", b"bye")?;
            return Ok(false);
        }
        "/chunked" => {
            writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
            wait();
            writer.write_all(b"6\r\nsecond\r\n0\r\n\r\n")?;
        }
        "/never" => {
            wait();
            return Ok(false);
        }
        "/surplus" => {
            send("", b"fine")?;
            // The proxy may close at the first byte of this.
            let passed = send("", b"poison");
            seen.gate.store(true, Ordering::SeqCst);
            passed?;
        }
        "/first-only" if !first => return Ok(false),
        _ => send("", seen.name.as_bytes())?,
    }
    Ok(true)
}
