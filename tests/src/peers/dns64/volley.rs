//! Questions over UDP as fast as one thread can ask.
//!
//! dnsperf makes a system call or more for each question, so that on two processors it is full before a fast resolver is.
//! Here many questions leave and many answers are taken in one call.

use super::filler::fill;
use super::pace::{Paced, pace};
use super::product::Running;
use super::questions;
use crate::namespace::Namespace;
use crate::peers::batch::{self, BATCH, Inbox};
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
pub(super) const SOCKETS: usize = 8;

/// Questions on their way from one socket. All together fit into the buffer of one socket of a resolver.
pub(super) const WINDOW: usize = 24;

/// What is not back by then is lost, and its place is given to another.
pub(super) const LOST: Duration = Duration::from_millis(500);

/// Octets of the longest answer.
pub(super) const LONGEST: usize = 512;

/// Who is asked what, from where.
pub(super) struct Volley<'a> {
    pub(super) host: &'a Namespace,
    /// Where the asking thread runs.
    pub(super) processors: CpuSet,
    pub(super) server: SocketAddr,
    pub(super) resolver: &'a Running,
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
            let look = || Ok((answered.load(Ordering::Relaxed), self.resolver.cpu_time()?));
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

    /// Asks at a steady pace.
    ///
    /// # Errors
    /// An answer that is none, or none at all.
    pub(super) fn paced(&self, a_second: f64) -> Result<Paced> {
        let queries = questions::messages(self.names.clone())?;
        let socket = self.socket()?;
        self.apart(|| pace(&socket, &queries, a_second))
    }

    /// Asks for each of many names until it is answered.
    ///
    /// # Errors
    /// One is not answered, however often it is asked.
    pub(super) fn fill(&self, names: Range<u32>) -> Result<()> {
        self.apart(|| fill(self, names))
    }

    /// Runs this on a thread that is bound.
    fn apart<T: Send>(&self, ask: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                sched_setaffinity(gettid(), &self.processors)?;
                ask()
            });
            asking.join().expect("asking makes system calls only")
        })
    }

    /// A socket that loses no answer while this thread waits for a processor.
    pub(super) fn socket(&self) -> Result<UdpSocket> {
        let socket = self.host.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))?;
        socket.connect(self.server).with_context(|| format!("no route to {}", self.server))?;
        socket.set_nonblocking(true)?;
        batch::enlarge(&socket)?;
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

#[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
fn lossy(count: u64) -> f64 {
    count as f64
}
