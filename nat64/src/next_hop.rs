//! The MTU of the way to a destination, as the kernel of this host routes it.
//!
//! Asks by connecting a UDP socket, which sends nothing, and reading what the kernel then takes for the MTU of that way
//! (`IP_MTU`, `IPV6_MTU`): the route's own `mtu`, a path MTU exception, or the MTU of the interface, in IPv6 also where
//! a router advertised less than the link carries. A routing lookup says the same only in several answers. The
//! lookup is that of a packet of this host: policy rules for an incoming interface or a source do not count.
//!
//! Answers are kept per worker, as many as `Answers` has room for and for `LIFETIME`, so that packets of busy
//! destinations cost no system call and a changed route is noticed soon. A system call never waits for anything. A scan
//! has ever new destinations, so only so many are asked about in a batch; the packets beyond go by the device's MTU.

use nix::libc::{self, c_int};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use translator::NextHops;

/// How long an answer is believed.
pub const LIFETIME: Duration = Duration::from_secs(3);

/// Where an answer may stand: one of the places of its row.
const ROWS: usize = 128;
const WAYS: usize = 4;

/// Questions in a batch of packets, four system calls each.
const QUESTIONS: u32 = 8;

/// A port to name in a connection that nobody uses: discard.
const PORT: u16 = 9;

/// One worker's view of the host's routes.
pub struct Routed {
    v4: Answers<Ipv4Addr>,
    v6: Answers<Ipv6Addr>,
    /// How many questions this batch may still ask.
    left: u32,
}

impl Default for Routed {
    fn default() -> Self {
        Self { v4: Answers::default(), v6: Answers::default(), left: QUESTIONS }
    }
}

impl Routed {
    /// To be called before each batch of packets.
    pub const fn begin(&mut self) {
        self.left = QUESTIONS;
    }
}

impl NextHops for Routed {
    fn mtu_v4(&mut self, dst: Ipv4Addr, now: Duration) -> Option<u16> {
        self.v4.get(dst, now, &mut self.left, || kernel_mtu(dst.into()))
    }

    fn mtu_v6(&mut self, dst: Ipv6Addr, now: Duration) -> Option<u16> {
        self.v6.get(dst, now, &mut self.left, || kernel_mtu(dst.into()))
    }
}

/// What was asked lately. Takes no memory before the first question.
struct Answers<A> {
    hasher: RandomState,
    rows: Vec<[Option<Answer<A>>; WAYS]>,
}

#[derive(Clone, Copy)]
struct Answer<A> {
    dst: A,
    mtu: Option<u16>,
    expires: Duration,
}

impl<A> Default for Answers<A> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), rows: Vec::new() }
    }
}

impl<A: Copy + Eq + Hash> Answers<A> {
    /// The answer for `dst` at `now`, by `ask` if none is kept and questions are `left`. It takes the place of the one
    /// that expires first.
    fn get(
        &mut self,
        dst: A,
        now: Duration,
        left: &mut u32,
        ask: impl FnOnce() -> Option<u16>,
    ) -> Option<u16> {
        if self.rows.is_empty() {
            self.rows = vec![[None; WAYS]; ROWS];
        }
        let row = usize::from(self.hasher.hash_one(dst).to_le_bytes()[0]) % ROWS;
        let row = &mut self.rows[row];
        let known = row.iter().flatten().find(|known| known.dst == dst && now < known.expires);
        if let Some(known) = known {
            return known.mtu;
        }
        *left = left.checked_sub(1)?;
        let answer = Answer { dst, mtu: ask(), expires: now + LIFETIME };
        let same = row.iter_mut().find(|place| place.is_some_and(|known| known.dst == dst));
        let place = match same {
            Some(place) => place,
            None => row
                .iter_mut()
                .min_by_key(|place| place.map(|known| known.expires))
                .expect("a row has WAYS places"),
        };
        *place = Some(answer);
        answer.mtu
    }
}

/// What the kernel takes for the MTU of the way to `dst`; `None` when there is no way.
fn kernel_mtu(dst: IpAddr) -> Option<u16> {
    let mtu = ask_kernel(dst).ok().filter(|mtu| *mtu > 0)?;
    // The loopback's is 65 536.
    Some(u16::try_from(mtu).unwrap_or(u16::MAX))
}

fn ask_kernel(dst: IpAddr) -> io::Result<c_int> {
    let (family, level, option) = match dst {
        IpAddr::V4(_) => (AddressFamily::Inet, libc::IPPROTO_IP, libc::IP_MTU),
        IpAddr::V6(_) => (AddressFamily::Inet6, libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    // A socket for each question: one that stays would keep its first source address, and a port.
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(dst, PORT)))?;
    let mut mtu: c_int = 0;
    let mut len = libc::socklen_t::try_from(size_of::<c_int>()).expect("four bytes");
    #[expect(unsafe_code, reason = "no library has IPV6_MTU")]
    // SAFETY: the descriptor is open, and both pointers lead to variables of the types that the option has.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut mtu).cast(), &raw mut len) };
    if result == 0 { Ok(mtu) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
