//! Many datagrams per system call: `recvmmsg` in, `sendmmsg` out.
//!
//! Headers are built on the stack for each call, so that nothing here holds a pointer between calls.

use super::path::{Control, Path};
use nix::libc::{self, iovec, mmsghdr, msghdr};
use std::io;
use std::mem::{self, offset_of};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams read or sent at one go.
pub(super) const BATCH: usize = 64;

/// The longest query in octets, a little more than is announced; what is longer is cut and fails to parse. An odd
/// number of cache lines, so that the beginnings of the buffers do not push each other out of the cache.
const BUFFER: usize = 21 * 64;

/// [`BATCH`] as the system calls take it.
const VLEN: libc::c_uint = 64;
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
            point(&mut header.msg_hdr, path, [name, control], part, 1);
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

/// A datagram to send.
pub(super) type Datagram<'a> = (&'a Path, &'a [u8]);

/// Sends every one of `datagrams`, in any order; what the system refuses costs that datagram alone, and `refused`
/// hears of it.
pub(super) fn send<'a>(
    socket: &UdpSocket,
    mut datagrams: impl Iterator<Item = Datagram<'a>>,
    refused: &mut dyn FnMut(Datagram<'a>, io::Error),
) {
    loop {
        let mut batch = [(&Path::EMPTY, &[][..]); BATCH];
        let mut count = 0;
        // What is taken from the datagrams has a place, hence this order.
        for (place, datagram) in batch.iter_mut().zip(datagrams.by_ref()) {
            *place = datagram;
            count += 1;
        }
        if count == 0 {
            return;
        }
        let batch = &mut batch[..count];
        batch.sort_unstable_by(|(a, one), (b, other)| a.order(b).then(other.len().cmp(&one.len())));
        send_sorted(socket.as_raw_fd(), batch, refused);
    }
}

/// Sends a batch in which datagrams to one client stand together, longer ones first.
///
/// Several of one length to one client go through the network stack as one (`UDP_SEGMENT`) and are cut apart behind
/// it. Where the system does not do that they go one by one.
fn send_sorted<'a>(socket: RawFd, batch: &[Datagram<'a>], refused: &mut dyn FnMut(Datagram<'a>, io::Error)) {
    let (mut parts, mut headers, mut controls) = (NO_PARTS, EMPTY, [Control::EMPTY; BATCH]);
    for (part, (_, message)) in parts.iter_mut().zip(batch) {
        *part = iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    }
    let parts = parts.as_mut_ptr();
    // Where in the batch each header's datagrams begin.
    let mut starts = [0; BATCH + 1];
    let mut count = 0;
    while starts[count] < batch.len() {
        let at = starts[count];
        let (path, first) = batch[at];
        let run = run(&batch[at..]);
        let lengths = [path.name_len, path.control_len].map(usize::from);
        let header = &mut headers[count].msg_hdr;
        point(header, ptr::from_ref(path).cast_mut(), lengths, parts.wrapping_add(at), run);
        if run > 1 {
            let control = &mut controls[count];
            header.msg_controllen = control.segmented(path, first.len()) as _;
            header.msg_control = control.0.as_mut_ptr().cast();
        }
        count += 1;
        starts[count] = at + run;
    }
    let mut at = 0;
    while at < count {
        match send_headers(socket, &mut headers[at..count]) {
            Ok(sent) => at += sent,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                match &batch[starts[at]..starts[at + 1]] {
                    [datagram] => refused(*datagram, error),
                    run => run.iter().for_each(|one| send_sorted(socket, std::slice::from_ref(one), refused)),
                }
                at += 1;
            }
        }
    }
}

/// How many datagrams at the start of `batch` can go as one: to one client, all of one length but a last, shorter one.
fn run(batch: &[Datagram<'_>]) -> usize {
    let (path, first) = batch[0];
    let same = batch.iter().take_while(|(other, _)| path.order(other).is_eq());
    let mut lengths = same.map(|(_, message)| message.len());
    let equal = lengths.by_ref().take_while(|length| *length == first.len()).count();
    // The one that ended the counting is shorter, if it is to the same client.
    equal + usize::from(batch.get(equal).is_some_and(|(other, _)| path.order(other).is_eq()))
}

/// How many of `headers` were sent: at least one.
fn send_headers(socket: RawFd, headers: &mut [mmsghdr]) -> io::Result<usize> {
    let length = libc::c_uint::try_from(headers.len()).unwrap_or(VLEN);
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the caller built every header from borrows that live until it returns, and the call writes to nothing
    // but the headers.
    let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), length, libc::MSG_DONTWAIT as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Has `header` point to a path and to the parts of its message. A path without control message has none.
fn point(header: &mut msghdr, path: *mut Path, [name, control]: [usize; 2], parts: *mut iovec, count: usize) {
    header.msg_name = path.wrapping_byte_add(offset_of!(Path, name)).cast();
    header.msg_namelen = u32::try_from(name).unwrap_or(0);
    header.msg_iov = parts;
    header.msg_iovlen = count as _;
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
        // More than one batch, with what is refused at the ends of both and twice in a row.
        let mut datagrams = vec![(good, &b"an answer"[..]); BATCH + 4];
        let bad = [0, 5, 6, BATCH - 1, BATCH, BATCH + 3];
        for index in bad {
            datagrams[index] = if index > 0 { (&broadcast, b"forbidden") } else { (good, &long) };
        }
        let mut refused = Vec::new();
        send(&server, datagrams.into_iter(), &mut |(_, message), error| refused.push((message, error)));
        let mut errors: Vec<_> =
            refused.iter().map(|(message, error)| (message.len(), error.raw_os_error())).collect();
        errors.sort_unstable();
        let mut expect = vec![(b"forbidden".len(), Some(libc::EACCES)); 5];
        expect.push((long.len(), Some(libc::EMSGSIZE)));
        assert_eq!(errors, expect);
        let mut buffer = [0; 16];
        for _ in 0..BATCH + 4 - bad.len() {
            let length = client.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"an answer");
        }
    }

    #[tokio::test]
    async fn datagrams_to_one_client_arrive_apart_whatever_their_lengths() {
        let (server, client) = pair().await;
        let (other_server, other) = pair().await;
        drop(other_server);
        client.send(b"a question").await.unwrap();
        server.readable().await.unwrap();
        let mut inbox = Inbox::new();
        inbox.fill(&server).unwrap();
        let path = inbox.path(0);
        let mut elsewhere = *path;
        elsewhere.name[2..4].copy_from_slice(&other.local_addr().unwrap().port().to_be_bytes());
        other.connect(server.local_addr().unwrap()).await.unwrap();
        let messages: Vec<Vec<u8>> =
            [3, 1, 3, 3, 2, 1, 1, 9, 3, 1].iter().map(|length| vec![*length; usize::from(*length)]).collect();
        let datagrams = messages.iter().map(|message| (path, message.as_slice()));
        let others = messages.iter().map(|message| (&elsewhere, message.as_slice()));
        send(&server, datagrams.zip(others).flat_map(|(one, other)| [one, other]), &mut |_, error| {
            panic!("{error}")
        });
        for socket in [&client, &other] {
            let mut arrived = Vec::new();
            for _ in &messages {
                let mut buffer = vec![0; 64];
                let length = socket.recv(&mut buffer).await.unwrap();
                buffer.truncate(length);
                arrived.push(buffer);
            }
            arrived.sort_unstable();
            let mut expect = messages.clone();
            expect.sort_unstable();
            assert_eq!(arrived, expect);
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
