//! Many datagrams per system call: `recvmmsg` in, `sendmmsg` out.
//!
//! Headers are built on the stack for each call, so that nothing here holds a pointer between calls.

use super::path::Path;
use nix::libc::{self, iovec, mmsghdr, msghdr};
use std::io;
use std::mem::{self, offset_of};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams read or sent at one go.
pub(super) const BATCH: usize = 32;

/// The longest query in octets, a little more than is announced; what is longer is cut and fails to parse. An odd
/// number of cache lines, so that the beginnings of the buffers do not push each other out of the cache.
const BUFFER: usize = 21 * 64;

/// [`BATCH`] as the system calls take it.
const VLEN: libc::c_uint = 32;
const _: () = assert!(VLEN as usize == BATCH, "the system is told the length of the arrays");

#[expect(unsafe_code, reason = "the headers of system calls have hidden fields on some systems")]
// SAFETY: null pointers and zeroes are what an empty header consists of.
const EMPTY: [mmsghdr; BATCH] = unsafe { mem::zeroed() };

const NO_PARTS: [iovec; BATCH] = [iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];

/// Datagrams that were read at one go.
#[derive(Debug)]
pub(super) struct Inbox {
    buffers: Vec<[u8; BUFFER]>,
    paths: Box<[Path; BATCH]>,
    lengths: [usize; BATCH],
    count: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![[0; BUFFER]; BATCH],
            paths: Box::new([Path::EMPTY; BATCH]),
            lengths: [0; BATCH],
            count: 0,
        }
    }

    /// Reads what waits in `socket`, at most a batch; true where more may wait.
    pub(super) fn fill(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.count = 0;
        let filled = socket.try_io(Interest::READABLE, || {
            self.receive(socket.as_raw_fd())?;
            // Fewer than there was room for: the socket is empty, which need not be asked again.
            if self.count < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match filled {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what waits in `socket`, whatever the runtime knows of it; true where more may wait.
    pub(super) fn fill_last(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.count = 0;
        match self.receive(socket.as_raw_fd()) {
            Ok(()) => Ok(self.count == BATCH),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn receive(&mut self, socket: RawFd) -> io::Result<()> {
        let mut parts = NO_PARTS;
        let mut headers = EMPTY;
        let room = self.paths.iter_mut().zip(&mut self.buffers);
        for ((header, part), (path, buffer)) in headers.iter_mut().zip(&mut parts).zip(room) {
            *part = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            let (name, control) = (path.name.len(), path.control.len());
            point(&mut header.msg_hdr, path, [name, control], part);
        }
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: every header points to a buffer, a name and a control area that live in `self` or on this stack
        // until the call has returned, with their own lengths, and nothing else uses them meanwhile.
        let count = unsafe {
            libc::recvmmsg(socket, headers.as_mut_ptr(), VLEN, libc::MSG_DONTWAIT as _, ptr::null_mut())
        };
        self.count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, header) in headers.iter().enumerate().take(self.count) {
            let path = &mut self.paths[index];
            path.name_len = u8::try_from(header.msg_hdr.msg_namelen).unwrap_or(0);
            path.control_len = u8::try_from(header.msg_hdr.msg_controllen).unwrap_or(0);
            path.turn();
            self.lengths[index] = usize::try_from(header.msg_len).unwrap_or(BUFFER).min(BUFFER);
        }
        Ok(())
    }

    /// The datagrams that were read last.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        let buffers = self.buffers.iter().zip(self.lengths).map(|(buffer, length)| &buffer[..length]);
        self.paths.iter().zip(buffers).take(self.count)
    }

    /// The way that datagram `index` came.
    pub(super) fn path(&self, index: usize) -> &Path {
        &self.paths[index]
    }
}

/// Sends every one of `datagrams`; what the system refuses costs that datagram alone, and `refused` hears its place
/// among them.
pub(super) fn send<'a>(
    socket: &UdpSocket,
    mut datagrams: impl Iterator<Item = (&'a Path, &'a [u8])>,
    refused: &mut dyn FnMut(usize, io::Error),
) {
    let mut before = 0;
    loop {
        let mut parts = NO_PARTS;
        let mut headers = EMPTY;
        let mut count = 0;
        // What is taken from the datagrams has a header, hence this order.
        for ((header, part), (path, message)) in headers.iter_mut().zip(&mut parts).zip(datagrams.by_ref()) {
            *part = iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
            let lengths = [path.name_len, path.control_len].map(usize::from);
            point(&mut header.msg_hdr, ptr::from_ref(path).cast_mut(), lengths, part);
            count += 1;
        }
        if count == 0 {
            return;
        }
        send_batch(socket.as_raw_fd(), &mut headers[..count], &mut |at, error| refused(before + at, error));
        before += count;
    }
}

/// Sends what `headers` describe, past those that are refused.
fn send_batch(socket: RawFd, headers: &mut [mmsghdr], refused: &mut dyn FnMut(usize, io::Error)) {
    let mut at = 0;
    while at < headers.len() {
        let rest = &mut headers[at..];
        let length = libc::c_uint::try_from(rest.len()).unwrap_or(VLEN);
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: the caller built every header from borrows that live until it returns, and the call writes to
        // nothing but the headers.
        let sent = unsafe { libc::sendmmsg(socket, rest.as_mut_ptr(), length, libc::MSG_DONTWAIT as _) };
        if let Ok(sent) = usize::try_from(sent) {
            at += sent;
            continue;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            refused(at, error);
            at += 1;
        }
    }
}

/// Has `header` point to a path and to the one part of its message. A path without control message has none.
fn point(header: &mut msghdr, path: *mut Path, [name, control]: [usize; 2], part: &mut iovec) {
    header.msg_name = path.wrapping_byte_add(offset_of!(Path, name)).cast();
    header.msg_namelen = u32::try_from(name).unwrap_or(0);
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = path.wrapping_byte_add(offset_of!(Path, control)).cast();
    header.msg_controllen = control as _;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (UdpSocket, UdpSocket) {
        let bind = || UdpSocket::bind("127.0.0.1:0");
        let (server, client) = (bind().await.unwrap(), bind().await.unwrap());
        client.connect(server.local_addr().unwrap()).await.unwrap();
        (server, client)
    }

    #[tokio::test]
    async fn a_refused_datagram_costs_itself_alone() {
        let (server, client) = pair().await;
        client.send(b"a question").await.unwrap();
        server.readable().await.unwrap();
        let mut inbox = Inbox::new();
        assert!(!inbox.fill(&server).unwrap(), "nothing more waits");
        let (good, message) = inbox.datagrams().next().unwrap();
        assert_eq!((message, good.client()), (&b"a question"[..], client.local_addr().ok()));
        let mut broadcast = *good;
        broadcast.name[4..8].fill(255);
        let long = vec![0; 70_000];
        // More than one batch, with what is refused at the ends of both.
        let mut datagrams = vec![(good, &b"an answer"[..]); BATCH + 4];
        let bad = [0, 5, BATCH - 1, BATCH, BATCH + 3];
        for index in bad {
            datagrams[index] = if index % 2 == 0 { (&broadcast, b"forbidden") } else { (good, &long) };
        }
        let mut refused = Vec::new();
        send(&server, datagrams.into_iter(), &mut |at, error| refused.push((at, error.kind())));
        assert_eq!(refused.iter().map(|(at, _)| *at).collect::<Vec<_>>(), bad);
        assert_eq!(refused[0].1, io::ErrorKind::PermissionDenied);
        let mut buffer = [0; 16];
        for _ in 0..BATCH + 4 - bad.len() {
            let length = client.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"an answer");
        }
    }

    #[tokio::test]
    async fn a_full_batch_says_that_more_may_wait_and_a_long_datagram_is_cut() {
        let (server, client) = pair().await;
        for _ in 0..=BATCH {
            client.send(&[7; BUFFER + 1]).await.unwrap();
        }
        server.readable().await.unwrap();
        let mut inbox = Inbox::new();
        assert!(inbox.fill(&server).unwrap());
        assert!(inbox.datagrams().all(|(_, message)| message == [7; BUFFER]));
        assert!(!inbox.fill(&server).unwrap());
        assert_eq!(inbox.datagrams().count(), 1);
        assert!(!inbox.fill(&server).unwrap());
        assert_eq!(inbox.datagrams().count(), 0);
    }
}
