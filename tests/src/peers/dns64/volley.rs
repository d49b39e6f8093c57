//! Questions over UDP as fast as one thread can ask, and at a fixed pace.
//!
//! dnsperf makes a system call or more for each question, so that on two processors it is full before a fast resolver is.
//! Here many questions leave and many answers are taken in one call.

use super::questions;
use crate::namespace::Namespace;
use crate::peers::batch::{self, BATCH, Inbox};
use crate::peers::cpu;
use crate::peers::span::{self, Growth};
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::gettid;
use std::io::IoSlice;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Sockets, so that the kernel spreads questions over the sockets of a resolver.
const SOCKETS: usize = 8;

/// Questions on their way from one socket. All together fit into the buffer of one socket of a resolver.
const WINDOW: usize = 24;

/// What is not back by then is lost, and its place is given to another.
const LOST: Duration = Duration::from_millis(500);

/// Of so many questions at a steady pace, one may get lost. It counts as one that took very long.
const MOST_LOST: u64 = 200;

/// Octets of the longest answer.
const LONGEST: usize = 512;

/// How long a paced load lasts, and what of it does not count.
const PACED: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(100);

/// Who is asked what, from where.
pub(super) struct Volley<'a> {
    pub(super) host: &'a Namespace,
    /// Where the asking thread runs.
    pub(super) processors: CpuSet,
    pub(super) server: SocketAddr,
    /// The resolver's process.
    pub(super) process: i32,
    /// The names that are asked, over and over.
    pub(super) names: Range<u32>,
}

/// What a resolver answers when it is asked without pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// Answers a second.
    pub(super) a_second: f64,
    /// Answers for each second of the resolver's CPU time.
    pub(super) a_cpu_second: f64,
}

/// Half of the answers come sooner, and 99 of 100.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay {
    pub(super) median: Duration,
    pub(super) p99: Duration,
}

impl Volley<'_> {
    /// Asks without pause.
    ///
    /// # Errors
    /// An answer that is none, or none at all.
    pub(super) fn most(&self) -> Result<Most> {
        let queries = questions::messages(self.names.clone())?;
        let sockets = (0..SOCKETS).map(|_| self.socket()).collect::<Result<Vec<_>>>()?;
        let (answered, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let growth = thread::scope(|scope| {
            let asking = scope.spawn(|| self.ask(&sockets, &queries, &answered, &over));
            let look = || Ok((answered.load(Ordering::Relaxed), cpu::time_of(self.process)?));
            let growth = span::observe(look);
            over.store(true, Ordering::Release);
            asking.join().expect("asking makes system calls only")?;
            growth
        })?;
        let Growth { values: [(first, before), (last, after)], .. } = growth;
        let used = after.saturating_sub(before);
        ensure!(last > first && !used.is_zero(), "no question was answered");
        Ok(Most {
            a_second: growth.a_second(last - first),
            a_cpu_second: lossy(last - first) / used.as_secs_f64(),
        })
    }

    /// Asks at a steady pace, whether answers come or not, and looks at how long they take from the moment that the
    /// question was due.
    ///
    /// # Errors
    /// An answer that is none, or more than one of [`MOST_LOST`] questions without one.
    pub(super) fn paced(&self, a_second: f64) -> Result<Delay> {
        let queries = questions::messages(self.names.clone())?;
        let socket = self.socket()?;
        let mut times = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                sched_setaffinity(gettid(), &self.processors)?;
                pace(&socket, &queries, a_second)
            });
            asking.join().expect("asking makes system calls only")
        })?;
        times.sort_unstable();
        let at =
            |part: usize| times.get(times.len() * part / 100).copied().context("no question was answered");
        Ok(Delay { median: at(50)?, p99: at(99)? })
    }

    fn socket(&self) -> Result<UdpSocket> {
        let socket = self.host.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))?;
        socket.connect(self.server).with_context(|| format!("no route to {}", self.server))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn ask(
        &self,
        sockets: &[UdpSocket],
        queries: &[Vec<u8>],
        answered: &AtomicU64,
        over: &AtomicBool,
    ) -> Result<()> {
        sched_setaffinity(gettid(), &self.processors)?;
        let mut inbox = Inbox::new(BATCH, LONGEST);
        let mut next = queries.iter().cycle();
        let mut under_way = [0; SOCKETS];
        let mut heard = Instant::now();
        while !over.load(Ordering::Acquire) {
            let mut count = 0;
            for (socket, under_way) in sockets.iter().zip(&mut under_way) {
                match inbox.take(socket) {
                    Ok(replies) => {
                        for reply in replies {
                            ensure!(
                                questions::is_answer(reply),
                                "an answer without an address: {reply:02x?}"
                            );
                            *under_way = usize::saturating_sub(*under_way, 1);
                            count += 1;
                        }
                    }
                    Err(Errno::EAGAIN) => {}
                    Err(errno) => return Err(errno).context("taking answers"),
                }
                let slices: Vec<_> =
                    next.by_ref().take(WINDOW - *under_way).map(|query| IoSlice::new(query)).collect();
                if !slices.is_empty() {
                    *under_way += batch::send(socket, &slices).context("asking")?;
                }
            }
            if count > 0 {
                answered.fetch_add(count, Ordering::Relaxed);
                heard = Instant::now();
            } else if heard.elapsed() > LOST {
                under_way = [0; SOCKETS];
                heard = Instant::now();
            }
        }
        Ok(())
    }
}

/// Never sleeps, so that no wake-up of this side is measured.
fn pace(socket: &UdpSocket, queries: &[Vec<u8>], a_second: f64) -> Result<Vec<Duration>> {
    let (start, mut due) = (Instant::now(), Duration::ZERO);
    let step = Duration::from_secs_f64(1.0 / a_second);
    let mut asked = vec![Duration::MAX; 1 << 16];
    let (mut times, mut sent) = (Vec::new(), 0_u64);
    let mut buffer = [0; LONGEST];
    let mut next = queries.iter().cycle();
    let mut query = Vec::new();
    loop {
        let now = start.elapsed();
        if now >= PACED + LOST {
            break;
        }
        if now >= due && due < PACED {
            let id = u16::try_from(sent & 0xffff).expect("16 bits");
            query.clone_from(next.next().context("no questions")?);
            query[..2].copy_from_slice(&id.to_be_bytes());
            socket.send(&query).context("asking")?;
            asked[usize::from(id)] = due;
            sent += 1;
            due += step;
        } else if let Ok(length) = socket.recv(&mut buffer) {
            let reply = &buffer[..length];
            ensure!(questions::is_answer(reply), "an answer without an address: {reply:02x?}");
            let id = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
            let asked = std::mem::replace(&mut asked[id], Duration::MAX);
            if asked != Duration::MAX {
                times.push((asked, start.elapsed().saturating_sub(asked)));
            }
        }
    }
    let lost: Vec<_> = asked.into_iter().filter(|asked| *asked != Duration::MAX).collect();
    ensure!(lost.len() as u64 * MOST_LOST <= sent, "{} of {sent} questions got lost", lost.len());
    times.extend(lost.into_iter().map(|asked| (asked, LOST)));
    Ok(times.into_iter().filter(|(asked, _)| *asked >= WARM_UP).map(|(_, time)| time).collect())
}

#[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
fn lossy(count: u64) -> f64 {
    count as f64
}
