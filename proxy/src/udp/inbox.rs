//! Many datagrams per system call, inward: `recvmmsg`.
//!
//! A worker has one inbox for all its sockets, since what was read has left before anything else is read. Its buffers
//! take the largest datagram, and what the kernel puts together of many (`UDP_GRO`); memory that was never written to
//! costs none. Headers are built on the stack for each call, so that nothing here holds a pointer between calls.

use super::path::{CONTROL, Control, NAME, Path};
use super::segments;
use nix::libc::{self, iovec, mmsghdr};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Datagrams read at one go at most.
pub(super) const BATCH: usize = 64;

/// Datagrams that a small call is enough for: most flows say little at a time, and clearing the headers of a large one
/// takes longer than such a call.
pub(super) const FEW: usize = 4;

/// Octets from one buffer to the next. An odd number of cache lines, so that the beginnings of the buffers do not push
/// each other out of the cache.
const STRIDE: usize = (1 << 16) + 64;

/// Datagrams that were read.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffers: Vec<u8>,
    read: Vec<Message>,
}

/// One that was read: a datagram, or several as one.
#[derive(Clone, Copy, Debug)]
struct Message {
    path: Path,
    length: usize,
    segment: Option<usize>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { buffers: vec![0; BATCH * STRIDE], read: Vec::with_capacity(BATCH) }
    }

    /// Forgets what was read.
    pub(super) fn clear(&mut self) {
        self.read.clear();
    }

    /// How many can be read before it is full.
    pub(super) fn room(&self) -> usize {
        BATCH - self.read.len()
    }

    /// Reads what waits in `socket`, at most `most` that there is room for, and returns how many.
    pub(super) fn read(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        match most.min(self.room()) {
            0 => Ok(0),
            few @ 1..=FEW => self.receive::<FEW>(socket, few),
            many => self.receive::<BATCH>(socket, many),
        }
    }

    fn receive<const MOST: usize>(&mut self, socket: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
        let buffers = self.buffers.chunks_exact_mut(STRIDE).skip(self.read.len());
        let mut parts = [iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MOST];
        let mut names = [[0; NAME]; MOST];
        let mut controls = [Control::EMPTY; MOST];
        #[expect(unsafe_code, reason = "the headers of system calls have hidden fields on some systems")]
        // SAFETY: null pointers and zeroes are what an empty header consists of.
        let mut headers: [mmsghdr; MOST] = unsafe { mem::zeroed() };
        let places = headers.iter_mut().zip(&mut parts).zip(&mut names).zip(&mut controls);
        for ((((header, part), name), control), buffer) in places.zip(buffers).take(count) {
            *part = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            let header = &mut header.msg_hdr;
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = libc::socklen_t::try_from(NAME).unwrap_or(0);
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
        }
        let length = libc::c_uint::try_from(count).unwrap_or(0);
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: the first `count` headers point to a buffer, a name and a control area each, that live in `self` or on
        // this stack until the call has returned, with their own lengths, and nothing else uses them meanwhile.
        let read = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                length,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
        for ((header, name), control) in headers.iter().zip(&names).zip(&controls).take(read) {
            let control_len: usize = header.msg_hdr.msg_controllen as _;
            self.read.push(Message {
                path: Path::new(name, header.msg_hdr.msg_namelen as usize, control, control_len),
                length: (header.msg_len as usize).min(STRIDE),
                segment: control.segment(control_len),
            });
        }
        Ok(read)
    }

    /// How many were read.
    pub(super) fn len(&self) -> usize {
        self.read.len()
    }

    /// The way that one came.
    pub(super) fn path(&self, index: usize) -> &Path {
        &self.read[index].path
    }

    /// The datagrams that it consists of.
    pub(super) fn datagrams(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let Message { length, segment, .. } = self.read[index];
        segments::cut(&self.buffers[index * STRIDE..][..length], segment)
    }
}
