//! Many datagrams in one system call, so that what is measured is the path and not the calls at its ends.
//!
//! Owns the buffers of received datagrams and the two system calls. Does not know what is in a datagram.

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;
use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd as _};
use std::{array, mem, ptr};

/// Datagrams a call takes at most.
pub const BATCH: usize = 64;

/// Octets that may wait in an enlarged socket.
const BUFFER: usize = 8 << 20;

/// Makes room for many datagrams in a socket.
///
/// # Errors
/// The system refuses.
pub fn enlarge(socket: &UdpSocket) -> Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        // Without root's rights the machine's limit is what there is.
        SockRef::from(socket).set_recv_buffer_size(BUFFER)?;
    }
    Ok(())
}

/// Sends `datagrams`, at most [`BATCH`] of them, on a connected socket, and returns how many left.
///
/// # Errors
/// Not even the first one left.
pub fn send(socket: &impl AsFd, datagrams: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let mut headers = array::from_fn::<_, BATCH, _>(|_| empty());
    for (header, datagram) in headers.iter_mut().zip(datagrams) {
        // IoSlice has the layout of iovec by its documentation; the kernel only reads through it here.
        header.msg_hdr.msg_iov = ptr::from_ref(datagram).cast_mut().cast();
        header.msg_hdr.msg_iovlen = 1;
    }
    let count = datagrams.len().min(BATCH);
    #[expect(unsafe_code, reason = "the wrapper of nix allocates for each call")]
    // SAFETY: the first `count` headers point to one slice each, all alive until the call returns.
    let sent = unsafe { libc::sendmmsg(socket.as_fd().as_raw_fd(), headers.as_mut_ptr(), length(count), 0) };
    Errno::result(sent).map(|sent| usize::try_from(sent).unwrap_or(0))
}

/// Room for received datagrams.
pub struct Inbox {
    bytes: Vec<u8>,
    room: usize,
}

impl Inbox {
    /// Room for `count` datagrams a call, at most [`BATCH`], of at most `room` bytes each; longer ones are cut.
    pub fn new(count: usize, room: usize) -> Self {
        Self { bytes: vec![0; count.min(BATCH) * room], room }
    }

    /// Takes what has arrived, without waiting.
    ///
    /// # Errors
    /// Nothing has: `EAGAIN`. Or the socket cannot be read.
    pub fn take(&mut self, socket: &impl AsFd) -> Result<impl Iterator<Item = &[u8]>, Errno> {
        let nowhere = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let mut slices = [nowhere; BATCH];
        let mut headers = array::from_fn::<_, BATCH, _>(|_| empty());
        let mut count = 0;
        for ((datagram, slice), header) in
            self.bytes.chunks_exact_mut(self.room).zip(&mut slices).zip(&mut headers)
        {
            *slice = libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: datagram.len() };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        let (socket, flags) = (socket.as_fd().as_raw_fd(), libc::MSG_DONTWAIT);
        #[expect(unsafe_code, reason = "the wrapper of nix borrows its buffers for good")]
        // SAFETY: the first `count` headers point to one slice each, which point to disjoint parts of `bytes`; all are
        // alive until the call returns, and nothing else reads or writes them meanwhile.
        let taken =
            unsafe { libc::recvmmsg(socket, headers.as_mut_ptr(), length(count), flags, ptr::null_mut()) };
        let taken = usize::try_from(Errno::result(taken)?).unwrap_or(0);
        let lengths = headers.map(|header| header.msg_len as usize);
        let datagrams = self.bytes.chunks_exact(self.room).zip(lengths).take(taken);
        Ok(datagrams.map(|(datagram, length)| &datagram[..length.min(datagram.len())]))
    }
}

fn length(count: usize) -> libc::c_uint {
    libc::c_uint::try_from(count).expect("a batch is small")
}

fn empty() -> libc::mmsghdr {
    #[expect(unsafe_code, reason = "some systems' headers have padding that cannot be named")]
    // SAFETY: integers and pointers, for which zero is a value: no name, no slices, no control data.
    unsafe {
        mem::zeroed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn batch_arrives_whole_and_in_order() {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        near.connect(far.local_addr().unwrap()).unwrap();
        let payloads: Vec<Vec<u8>> = (1..=BATCH).map(|length| vec![7; length]).collect();
        let slices: Vec<IoSlice<'_>> = payloads.iter().map(|payload| IoSlice::new(payload)).collect();
        assert_eq!(send(&near, &slices), Ok(BATCH));
        let mut inbox = Inbox::new(BATCH, 32);
        let lengths: Vec<usize> = inbox.take(&far).unwrap().map(<[u8]>::len).collect();
        assert_eq!(lengths, (1..=BATCH).map(|length| length.min(32)).collect::<Vec<_>>());
        assert_eq!(inbox.take(&far).err(), Some(Errno::EAGAIN));
    }
}
