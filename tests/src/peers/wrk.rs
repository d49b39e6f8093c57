//! Debian's wrk as the load: HTTP exchanges over some connections, each of which asks again once it has its answer.

use super::foreign::Foreign;
use crate::namespace::Namespace;
use crate::program::Launch;
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use nix::sched::CpuSet;
use serde::Deserialize;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program, and the Debian package that it comes in.
pub const WRK: Foreign = Foreign { name: "wrk", program: "wrk", package: "wrk" };

/// What it says at its end: one line for machines behind those for people.
const SCRIPT: &str = r#"done = function(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"bytes":%d,"duration":%d,"failed":%d,"median":%d,"p99":%d}\n',
        summary.requests, summary.bytes, summary.duration,
        e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"#;

/// wrk on its place.
pub struct Wrk {
    program: PathBuf,
    script: PathBuf,
}

/// What it asks.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The target of each request.
    pub target: &'static str,
    /// How many connections ask at one time.
    pub connections: usize,
    /// Whether each request is the last one of its connection.
    pub closing: bool,
    /// The port that it asks at.
    pub port: u16,
    /// Whether it asks over TLS, whoever answers.
    pub tls: bool,
    /// For how many seconds.
    pub seconds: u32,
}

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// Answers that came.
    pub requests: u64,
    /// Bytes that came, heads too.
    pub bytes: u64,
    /// How long it took, in microseconds.
    duration: u64,
    /// Connections that were not made or broke, answers that were none or came too late.
    pub failed: u64,
    /// How long half of the answers took at most, in microseconds.
    pub median: u64,
    /// The same for 99 of 100.
    pub p99: u64,
}

impl Wrk {
    /// Writes what it needs into `folder`.
    ///
    /// # Errors
    /// It is not installed.
    pub fn new(folder: &Path) -> Result<Self> {
        let program = WRK.find().with_context(|| format!("apt-get install {}", WRK.package))?;
        let script = folder.join("wrk.lua");
        fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
        Ok(Self { program, script })
    }

    /// Asks `server` from `namespace`, on these processors, with a thread for each of `threads`.
    ///
    /// # Errors
    /// It could not run, or nothing came.
    pub fn run(
        &self,
        namespace: &Namespace,
        (processors, threads): (CpuSet, usize),
        server: IpAddr,
        load: Load,
    ) -> Result<Outcome> {
        let Load { target, port, connections, closing, tls, seconds } = load;
        let server = SocketAddr::new(server, port);
        let threads = threads.min(connections);
        let scheme = if tls { "https" } else { "http" };
        let close: &[&str] = if closing { &["-H", "Connection: close"] } else { &[] };
        let done = Launch::new(WRK.name, &self.program)
            .args([format!("-t{threads}"), format!("-c{connections}"), format!("-d{seconds}s")])
            .args(close)
            .args([Path::new("-s"), &self.script])
            .args([format!("{scheme}://{server}{target}")])
            .on_processors(processors)
            .output(namespace, Duration::from_secs(seconds.into()) + PATIENCE)?;
        ensure!(done.status.success(), "wrk ended ({}): {}{}", done.status, done.stdout, done.stderr);
        let outcome = outcome(&done.stdout).with_context(|| format!("wrk said:\n{}", done.stdout))?;
        ensure!(outcome.requests > 0, "no answer came, and {} requests failed", outcome.failed);
        Ok(outcome)
    }
}

impl Outcome {
    /// What a count of `amount` makes in a second.
    #[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
    pub fn a_second(&self, amount: u64) -> f64 {
        amount as f64 * 1e6 / self.duration as f64
    }
}

/// What the last line says.
fn outcome(text: &str) -> Result<Outcome> {
    let line = text.lines().rfind(|line| line.starts_with('{')).context("no line for machines")?;
    serde_json::from_str(line).with_context(|| format!("this line: {line}"))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    const TEXT: &str = r#"Running 2s test @ http://[2001:db8::1]:80/
  1 threads and 10 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.91us    0.89ms  12.92ms   93.69%
    Req/Sec    56.20k     8.07k   62.00k    86.54%
  224000 requests in 2.00s, 17.76MB read
Requests/sec: 112000.00
Transfer/sec:      8.88MB
{"requests":224000,"bytes":17760000,"duration":2000000,"failed":3,"median":250,"p99":5800}
"#;

    #[test]
    fn last_line_is_read() {
        let found = outcome(TEXT).unwrap();
        assert_eq!((found.requests, found.failed, found.median, found.p99), (224_000, 3, 250, 5800));
        assert_eq!(found.a_second(found.requests), 112_000.0);
    }

    #[test]
    fn without_it_nothing_is_known() {
        let people = TEXT.lines().filter(|line| !line.starts_with('{')).collect::<Vec<_>>().join("\n");
        assert!(outcome(&people).is_err());
        assert!(outcome("{\"requests\":1}\n").is_err());
    }
}
