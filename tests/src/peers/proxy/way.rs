//! One proxy, and what can be measured of it.

use super::changes;
use super::echo;
use super::handshakes;
use super::idle;
use super::nginx::{LARGE, SMALL};
use super::product::{Product, Running};
use super::receiver::Receiver;
use super::rows::Who;
use super::setting::{BEHIND, BULK, ECHO, HTTP, HTTPS, LOGGED, Log, SECURE, Setting, TUNNEL, UPGRADE, WEB};
use super::tunnel;
use crate::namespace::Namespace;
use crate::peers::cores::{self, Places};
use crate::peers::figure::median;
use crate::peers::mirror::Mirror;
use crate::peers::stream::Direction;
use crate::peers::wrk::{Load, Outcome, Wrk};
use crate::peers::{cpu, h2load, iperf};
use crate::program::Program;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, ensure};
use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a stream lasts, in seconds.
const STREAM: u32 = 2;

/// Short answers over connections that stay.
pub const KEPT: Load =
    Load { target: SMALL, port: WEB, connections: 50, closing: false, tls: false, seconds: 2 };

/// A connection for each short answer.
pub const CLOSING: Load = Load { closing: true, ..KEPT };

/// Long answers over connections that stay.
pub const LONG: Load = Load { target: LARGE, connections: 10, ..KEPT };

/// Long answers over TLS.
pub const SECRET: Load = Load { tls: true, port: SECURE, ..LONG };

/// The same in mode http.
pub const HTTP_KEPT: Load = Load { port: HTTP, ..KEPT };
/// See [`CLOSING`].
pub const HTTP_CLOSING: Load = Load { port: HTTP, ..CLOSING };
/// See [`LONG`].
pub const HTTP_LONG: Load = Load { port: HTTP, ..LONG };

/// Short answers over connections of TLS that stay, in mode http.
pub const HTTP_SECRET: Load = Load { tls: true, port: HTTPS, ..KEPT };

/// What asks while lines are written of it, in turns with what asks where none are.
pub const WRITTEN_OF: Load = Load { seconds: 1, ..HTTP_KEPT };

/// What asks while the configuration changes, and before and after that.
pub const MEANWHILE: Load = Load { connections: 4, seconds: 1, ..CLOSING };

/// The same in mode http, over connections that stay.
pub const HTTP_MEANWHILE: Load = Load { port: HTTP, connections: 4, seconds: 1, ..KEPT };

/// What all proxies share, and they themselves, by product and by the name of their setting.
pub struct Bench {
    /// The network of all.
    pub host: Namespace,
    /// The load.
    pub(super) wrk: Wrk,
    /// Who runs where.
    pub places: Places,
    /// The processes of the web server behind the proxies.
    pub nginx: Vec<Program>,
    /// The end of streams.
    pub sink: Program,
    /// What sends datagrams back.
    pub(super) _echo: Mirror,
    /// What takes lines by syslog.
    pub(super) receiver: Receiver,
    /// The proxies.
    pub proxies: HashMap<(Product, &'static str), Proxy>,
}

/// A proxy that was started.
pub struct Proxy {
    /// The process.
    pub running: Running,
    /// What an idle connection takes, once that was measured: memory that was given back is no longer seen to grow. So a
    /// proxy is asked at one port.
    idle: Cell<Option<f64>>,
}

/// A proxy on its bench, or nobody: then the servers are asked without one.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The bench.
    pub bench: &'a Bench,
    /// Who is asked.
    pub who: Who,
    /// The proxy.
    pub proxy: Option<&'a Proxy>,
}

impl Proxy {
    /// One that was just started.
    pub const fn new(running: Running) -> Self {
        Self { running, idle: Cell::new(None) }
    }
}

impl<'a> Way<'a> {
    /// Where the servers are reached.
    fn address(&self) -> IpAddr {
        self.proxy.map_or(BEHIND.into(), |proxy| proxy.running.address)
    }

    /// Where a port of the servers is reached.
    pub fn server(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(), port)
    }

    /// Answers a second, answers for each second of CPU time, and the median and the 99th percentile of how long one
    /// takes, in microseconds.
    pub fn answers(&self, load: Load) -> Result<Vec<Option<f64>>> {
        let (outcome, used) = self.measure(|| self.load(load))?;
        ensure!(outcome.failed == 0, "{} of {} requests failed", outcome.failed, outcome.requests);
        let [median, p99] = [outcome.median, outcome.p99].map(lossy);
        let requests = outcome.requests;
        Ok(vec![Some(outcome.a_second(requests)), per(requests, used), Some(median), Some(p99)])
    }

    /// Payload of one stream, in Gbit a second and in Gbit for each second of CPU time.
    pub fn stream(&self, direction: Direction) -> Result<Vec<Option<f64>>> {
        let bench = self.bench;
        let (outcome, used) = self
            .measure(|| iperf::run(&bench.host, bench.places.rest, self.server(BULK), direction, STREAM))?;
        let cost = per(outcome.bytes, used).map(|bytes| bytes * 8.0 / 1e9);
        Ok(vec![Some(outcome.bits_per_second / 1e9), cost])
    }

    /// Datagrams that come back in a second.
    pub fn datagrams(&self) -> Result<Vec<Option<f64>>> {
        let bench = self.bench;
        if let Some(proxy) = self.proxy {
            cores::bind(proxy.running.program().pid(), &bench.places.measured)?;
        }
        Ok(vec![Some(echo::run(&bench.host, bench.places.rest, self.server(ECHO))?)])
    }

    /// Full handshakes of TLS a second, and for each second of CPU time.
    pub fn handshakes(&self) -> Result<Vec<Option<f64>>> {
        let Bench { host, places, .. } = self.bench;
        let server = self.server(SECURE);
        let ((a_second, count), used) =
            self.measure(|| host.run(|| handshakes::run(server, &places.rest)))?;
        Ok(vec![Some(a_second), per(count, used)])
    }

    /// Requests over HTTP/2 a second, and for each second of CPU time.
    pub fn streams(&self) -> Result<Vec<Option<f64>>> {
        let Bench { host, places, .. } = self.bench;
        let (outcome, used) = self.measure(|| h2load::run(host, places.rest, self.server(HTTPS), SMALL))?;
        Ok(vec![Some(outcome.a_second), per(outcome.requests, used)])
    }

    /// Payload that goes up a connection to the server that grants upgrades, in Gbit a second and in Gbit for each second of
    /// CPU time.
    pub fn tunnel(&self) -> Result<Vec<Option<f64>>> {
        let Bench { host, places, .. } = self.bench;
        let port = if matches!(self.who, Who::Upgraded) { UPGRADE } else { TUNNEL };
        let server = self.server(port);
        let (sent, used) = self.measure(|| host.run(|| tunnel::send(server, &places.rest)))?;
        let bits = lossy(sent.bytes) * 8.0 / 1e9;
        Ok(vec![Some(bits / sent.time.as_secs_f64()), used.map(|used| bits / used.as_secs_f64())])
    }

    /// CPU time of a request while lines are written, in parts of the same without, of each kind of log that this product
    /// is measured with, and of the last kind once more.
    pub fn logging(&self, load: Load) -> Result<Vec<Option<f64>>> {
        let cost = |setting: &Setting| {
            let Some(logged) = self.under(setting) else { return Ok(None) };
            let before = self.bench.receiver.taken();
            let (times, requests) = logged.dearer_than(self, load)?;
            if setting.log == Log::Syslog {
                let taken = || self.bench.receiver.taken() - before;
                until(PATIENCE, "a line of each request", || Ok((taken() >= requests).then_some(())))?;
            }
            Ok(Some(times))
        };
        let mut costs = LOGGED.iter().map(cost).collect::<Result<Vec<_>>>()?;
        costs.extend_from_within(costs.len() - 1..);
        Ok(costs)
    }

    /// The same product in another setting, if it runs there.
    fn under(&self, setting: &Setting) -> Option<Self> {
        let (product, _) = *self.who.proxies().first()?;
        let proxy = self.bench.proxies.get(&(product, setting.name))?;
        Some(Self { proxy: Some(proxy), ..*self })
    }

    /// CPU time of an answer, in parts of what it takes of `other`, and how many answers came. Each is measured before the other
    /// and behind it.
    fn dearer_than(&self, other: &Self, load: Load) -> Result<(f64, u64)> {
        let mut costs = [(0, Duration::ZERO); 2];
        // What is to grow with the first lines has grown.
        let warm = self.load(load)?.requests;
        for turn in [0, 1, 1, 0] {
            let (outcome, used) = [self, other][turn].cost(load)?;
            costs[turn].0 += outcome.requests;
            costs[turn].1 += used;
        }
        let [ours, theirs] = costs.map(|(requests, used)| used.as_secs_f64() / lossy(requests));
        let lost = self.proxy()?.running.lost_lines()?;
        ensure!(lost.is_none_or(|lost| lost == 0), "{lost:?} lines were lost");
        Ok((ours / theirs, warm + costs[0].0))
    }

    /// What this load costs.
    fn cost(&self, load: Load) -> Result<(Outcome, Duration)> {
        let (outcome, used) = self.measure(|| self.load(load))?;
        ensure!(outcome.failed == 0, "{} of {} requests failed", outcome.failed, outcome.requests);
        Ok((outcome, used.context("this is measured of proxies only")?))
    }

    /// Memory of an idle connection at this port, in bytes.
    pub fn idle(&self, port: u16) -> Result<Vec<Option<f64>>> {
        let proxy = self.proxy()?;
        if proxy.idle.get().is_none() {
            let process = proxy.running.program().pid();
            proxy.idle.set(Some(idle::memory(&self.bench.host, self.server(port), process)?));
        }
        Ok(vec![proxy.idle.get()])
    }

    /// What part of all exchanges went well while the configuration changed, how many times it changed, the 99th
    /// percentile of how long an exchange took in parts of the same without changes, twice, that of times without changes
    /// in parts of others without, and how long a change took until it was in force, in milliseconds.
    ///
    /// Times with changes lie between times without, and medians of all count: the scheduler and the host disturb some.
    pub fn changes(&self, meanwhile: Load) -> Result<Vec<Option<f64>>> {
        let running = &self.proxy()?.running;
        let Places { measured, rest, .. } = self.bench.places;
        cores::bind(running.program().pid(), &measured)?;
        // A process that is started for a change has the processors of the one that starts it.
        running.change(1)?;
        let (mut before, mut during, mut after) = (Vec::new(), Vec::new(), Vec::new());
        let (mut requests, mut failed, mut count, mut taken) = (0, 0, 0, Duration::ZERO);
        for turn in 0..changes::TURNS {
            before.push(lossy(self.load(meanwhile)?.p99));
            let changed = changes::during(running, changes::numbers(turn), &rest, || self.load(meanwhile))?;
            after.push(lossy(self.load(meanwhile)?.p99));
            during.push(lossy(changed.outcome.p99));
            requests += changed.outcome.requests;
            failed += changed.outcome.failed;
            count += changed.count;
            taken += changed.taken;
        }
        let answered = lossy(requests) / lossy(requests + failed);
        let [before, during, after] = [before, during, after].map(|all| median(&all));
        let slower = during / f64::midpoint(before, after);
        let noise = f64::max(before, after) / f64::min(before, after);
        let each = taken.as_secs_f64() * 1e3 / f64::from(count);
        Ok([answered, f64::from(count), slower, slower, noise, each].map(Some).into())
    }

    fn proxy(&self) -> Result<&'a Proxy> {
        self.proxy.context("this is measured of proxies only")
    }

    /// Asks by wrk.
    fn load(&self, load: Load) -> Result<Outcome> {
        let Places { rest, others, .. } = self.bench.places;
        self.bench.wrk.run(&self.bench.host, (rest, others), self.address(), load)
    }

    /// What `measure` found, and the CPU time that the proxy used meanwhile, on processors of its own if there are any.
    fn measure<T>(&self, measure: impl FnOnce() -> Result<T>) -> Result<(T, Option<Duration>)> {
        let Some(proxy) = self.proxy else { return Ok((measure()?, None)) };
        let process = proxy.running.program().pid();
        cores::bind(process, &self.bench.places.measured)?;
        let before = cpu::time_of(process)?;
        let found = measure()?;
        let used = cpu::time_of(process)?.saturating_sub(before);
        ensure!(!used.is_zero(), "it took no CPU time");
        Ok((found, Some(used)))
    }
}

/// A count for each second of CPU time, where somebody used any.
fn per(count: u64, used: Option<Duration>) -> Option<f64> {
    used.map(|used| lossy(count) / used.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
fn lossy(count: u64) -> f64 {
    count as f64
}
