//! Many datagrams per system call, outward: `sendmmsg`, and several as one (`UDP_SEGMENT`) where their lengths allow it.
//!
//! The order of datagrams is kept. Headers are built on the stack for each call, so that nothing here holds a pointer
//! between calls.

use super::path::{Control, Path};
use super::segments;
use nix::errno::Errno;
use nix::libc::{self, iovec, mmsghdr};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Letters that a small sheet is enough for: most flows say little at a time, and clearing a large one takes longer
/// than such a call.
const FEW: usize = 4;

/// A datagram to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter<'a> {
    /// To whom, on a socket that is not connected.
    pub(super) to: Option<&'a Path>,
    /// What stands before its body.
    pub(super) head: &'a [u8],
    pub(super) body: &'a [u8],
}

impl<'a> Letter<'a> {
    /// A datagram on a connected socket.
    pub(crate) const fn of(body: &'a [u8]) -> Self {
        Self { to: None, head: &[], body }
    }
}

impl Letter<'_> {
    const fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    fn goes_with(&self, other: &Self) -> bool {
        match (self.to, other.to) {
            (Some(one), Some(other)) => ptr::eq(one, other) || one == other,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// What became of letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// How many left.
    pub(crate) count: usize,
    /// How many of these were the last datagram that was handed over.
    pub(crate) together: usize,
    /// Why the next one did not leave.
    pub(crate) cause: Option<Errno>,
}

/// Sends `letters` in their order until the system refuses one.
pub(crate) fn send(socket: BorrowedFd<'_>, letters: &[Letter<'_>]) -> Sent {
    let (mut at, mut together) = (0, 0);
    // Letters before this one go one by one: the system does not cut them apart, because they are too long for the way
    // or because it never does.
    let mut alone: usize = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        let (first, sent) = if rest.len() <= FEW {
            Sheet::<FEW, { 2 * FEW }>::new().post(socket, rest, alone.saturating_sub(at))
        } else {
            Sheet::<64, 512>::new().post(socket, rest, alone.saturating_sub(at))
        };
        match sent {
            Ok((sent, last)) => (at, together) = (at + sent, last),
            Err(Errno::EINTR) => {}
            Err(Errno::EINVAL | Errno::EMSGSIZE | Errno::EIO | Errno::EOPNOTSUPP) if first > 1 => {
                alone = at + first;
            }
            Err(errno) => return Sent { count: at, together, cause: Some(errno) },
        }
    }
    Sent { count: at, together, cause: None }
}

/// What one call is told: so many headers, which have so many parts of letters together.
struct Sheet<const HEADERS: usize, const PARTS: usize> {
    headers: [mmsghdr; HEADERS],
    parts: [iovec; PARTS],
    controls: [Control; HEADERS],
    /// The number of letters up to the end of each header.
    ends: [usize; HEADERS],
    count: usize,
}

impl<const HEADERS: usize, const PARTS: usize> Sheet<HEADERS, PARTS> {
    /// Sends what there is room for, of which the first `alone` go one by one. Tells how many letters the first header
    /// has, how many left, at least one, and how many of these the last header had.
    fn post(
        &mut self,
        socket: BorrowedFd<'_>,
        letters: &[Letter<'_>],
        alone: usize,
    ) -> (usize, Result<(usize, usize), Errno>) {
        self.write(letters, alone);
        let sent = self.send(socket);
        let before = |header: usize| header.checked_sub(1).map_or(0, |header| self.ends[header]);
        let left = |sent: usize| (before(sent), before(sent) - before(sent - 1));
        (self.ends[0], sent.map(left))
    }

    fn new() -> Self {
        #[expect(unsafe_code, reason = "the headers of system calls have hidden fields on some systems")]
        // SAFETY: null pointers and zeroes are what an empty header consists of.
        let headers = unsafe { mem::zeroed() };
        let parts = [iovec { iov_base: ptr::null_mut(), iov_len: 0 }; PARTS];
        Self { headers, parts, controls: [Control::EMPTY; HEADERS], ends: [0; HEADERS], count: 0 }
    }

    /// Writes down as many letters as there is room for.
    fn write(&mut self, letters: &[Letter<'_>], alone: usize) {
        let (mut at, mut part) = (0, 0);
        while self.count < HEADERS && at < letters.len() {
            let first = &letters[at];
            let together = letters[at..].iter().take_while(|letter| letter.goes_with(first));
            let run = if at < alone { 1 } else { segments::run(together.map(Letter::len)) };
            // Two parts for each letter at most.
            if part + 2 * run > PARTS {
                break;
            }
            let begin = part;
            for letter in &letters[at..at + run] {
                for octets in [letter.head, letter.body] {
                    part = self.append(begin, part, octets);
                }
            }
            self.address(first, begin, part, run);
            at += run;
            self.ends[self.count] = at;
            self.count += 1;
        }
    }

    /// Adds octets to the parts of one header. What lies behind the part before is one with it.
    fn append(&mut self, begin: usize, part: usize, octets: &[u8]) -> usize {
        if octets.is_empty() {
            return part;
        }
        let base = octets.as_ptr().cast_mut().cast();
        if part > begin {
            let before = &mut self.parts[part - 1];
            if before.iov_base.wrapping_byte_add(before.iov_len) == base {
                before.iov_len += octets.len();
                return part;
            }
        }
        self.parts[part] = iovec { iov_base: base, iov_len: octets.len() };
        part + 1
    }

    fn address(&mut self, first: &Letter<'_>, begin: usize, end: usize, run: usize) {
        let header = &mut self.headers[self.count].msg_hdr;
        let control = &mut self.controls[self.count];
        let mut length = 0;
        if let Some(path) = first.to {
            header.msg_name = path.name().as_ptr().cast_mut().cast();
            header.msg_namelen = libc::socklen_t::try_from(path.name().len()).unwrap_or(0);
            length = path.info().len();
            control.0[..length].copy_from_slice(path.info());
        }
        if run > 1 {
            // Several go as one only where all together fit into one datagram.
            let segment = u16::try_from(first.len()).unwrap_or(u16::MAX);
            length = control.ask_for_segments(length, segment);
        }
        header.msg_iovlen = (end - begin) as _;
        header.msg_controllen = length as _;
    }

    /// How many headers' letters left: at least one.
    fn send(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        let parts = self.parts.as_mut_ptr();
        let mut part = 0;
        for (header, control) in self.headers.iter_mut().zip(&mut self.controls).take(self.count) {
            let header = &mut header.msg_hdr;
            header.msg_iov = parts.wrapping_add(part);
            let (count, control_len): (usize, usize) = (header.msg_iovlen as _, header.msg_controllen as _);
            part += count;
            header.msg_control =
                if control_len > 0 { control.0.as_mut_ptr().cast() } else { ptr::null_mut() };
        }
        let count = libc::c_uint::try_from(self.count).unwrap_or(0);
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: the first `count` headers point to parts and control messages in `self`, and these and the names to
        // letters that the caller borrows until it has this result; the call writes to nothing but the headers.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _)
        };
        usize::try_from(Errno::result(sent)?).map_err(|_| Errno::EIO)
    }
}
