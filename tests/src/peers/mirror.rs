//! The limit of what can be served over UDP on this machine: one thread that takes datagrams and sends each back with what
//! is made of it, many a call, and does nothing else.
//!
//! What it costs is the kernel's: taking a datagram from a socket, and bringing another one to the socket of the client.

use super::batch::BATCH;
use super::cpu;
use crate::namespace::Namespace;
use crate::wait::readable;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use std::io::{self, PipeWriter};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{array, mem, ptr};

/// Octets of the longest question and its answer.
pub const ROOM: usize = 512;

/// Turns the question of this length, which stands in the buffer, into its answer, and returns its length.
pub type Answer = fn(&mut [u8; ROOM], usize) -> usize;

/// The thread. Dropping it ends it.
pub struct Mirror {
    thread: Option<JoinHandle<()>>,
    id: Pid,
    stop: Option<PipeWriter>,
}

impl Mirror {
    /// Serves at `address` inside `host`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(host: &Namespace, address: SocketAddr, answer: Answer) -> Result<Self> {
        let socket =
            host.run(|| UdpSocket::bind(address)).with_context(|| format!("cannot bind {address}"))?;
        let (stopped, stop) = io::pipe()?;
        let (born, birth) = mpsc::channel();
        let thread = thread::Builder::new().name("mirror".to_owned()).spawn(move || {
            // Who waits for it is gone only if this process is ending.
            let _ = born.send(gettid());
            let mut buffers = vec![[0; ROOM]; BATCH];
            while readable(&socket, &stopped) {
                // What a socket's buffer had no room for is lost, as with every server.
                while turn(&socket, &mut buffers, answer) == Ok(BATCH) {}
            }
        })?;
        let id = birth.recv().context("the mirror did not start")?;
        Ok(Self { thread: Some(thread), id, stop: Some(stop) })
    }

    /// Its user and system time.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu::time_of_thread(self.id.as_raw())
    }

    /// Binds it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn bind(&self, processors: &CpuSet) -> Result<()> {
        sched_setaffinity(self.id, processors).context("cannot bind the mirror")
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so on standard error.
            let _ = thread.join();
        }
    }
}

/// Answers what has arrived, at most [`BATCH`] questions, and returns how many that were.
fn turn(socket: &UdpSocket, buffers: &mut [[u8; ROOM]], answer: Answer) -> Result<usize, Errno> {
    let name_length = libc::socklen_t::try_from(size_of::<libc::sockaddr_in6>()).expect("28");
    #[expect(unsafe_code, reason = "some systems' addresses and headers have padding that cannot be named")]
    // SAFETY: integers and pointers, for which zero is a value.
    let (mut names, mut headers): ([libc::sockaddr_in6; BATCH], [libc::mmsghdr; BATCH]) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut slices: [libc::iovec; BATCH] =
        array::from_fn(|place| libc::iovec { iov_base: buffers[place].as_mut_ptr().cast(), iov_len: ROOM });
    for ((header, name), slice) in headers.iter_mut().zip(&mut names).zip(&mut slices) {
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_namelen = name_length;
        header.msg_hdr.msg_iov = slice;
        header.msg_hdr.msg_iovlen = 1;
    }
    let (socket, most) = (socket.as_raw_fd(), libc::c_uint::try_from(BATCH).expect("a batch is small"));
    #[expect(unsafe_code, reason = "the wrapper of nix borrows its buffers for good")]
    // SAFETY: each header points to one address and one slice, and that to one buffer; all are alive until the call
    // returns, and nothing else reads or writes them meanwhile.
    let taken =
        unsafe { libc::recvmmsg(socket, headers.as_mut_ptr(), most, libc::MSG_DONTWAIT, ptr::null_mut()) };
    let taken = usize::try_from(Errno::result(taken)?).unwrap_or(0);
    for ((header, slice), buffer) in headers.iter_mut().zip(&mut slices).zip(buffers).take(taken) {
        slice.iov_len = answer(buffer, header.msg_len as usize);
        header.msg_hdr.msg_iov = slice;
    }
    let count = libc::c_uint::try_from(taken).expect("a batch is small");
    #[expect(unsafe_code, reason = "the wrapper of nix allocates for each call")]
    // SAFETY: as above; each slice is as long as its buffer at most, and the kernel only reads.
    let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), count, 0) };
    Errno::result(sent).map(|_| taken)
}
