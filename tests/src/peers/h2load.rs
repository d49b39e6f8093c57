//! Debian's h2load as the load: requests over HTTP/2, many at once on each connection.

use super::foreign::Foreign;
use crate::namespace::Namespace;
use crate::program::Launch;
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use nix::sched::CpuSet;
use std::net::SocketAddr;
use std::time::Duration;

/// The program, and the Debian package that it comes in.
pub const H2LOAD: Foreign = Foreign { name: "h2load", program: "h2load", package: "nghttp2-client" };

/// Connections, and requests at one time on each.
const CONNECTIONS: u32 = 10;
const STREAMS: u32 = 10;

/// For how long, in seconds. It begins to count when all connections are there.
const SECONDS: u32 = 2;

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Answers that came.
    pub requests: u64,
    /// In a second.
    pub a_second: f64,
}

/// Asks for `target` over TLS from `namespace`, on these processors.
///
/// # Errors
/// It is not installed, it could not run, or a request failed.
pub fn run(namespace: &Namespace, processors: CpuSet, server: SocketAddr, target: &str) -> Result<Outcome> {
    let program = H2LOAD.find().with_context(|| format!("apt-get install {}", H2LOAD.package))?;
    let done = Launch::new(H2LOAD.name, &program)
        .args([format!("-c{CONNECTIONS}"), format!("-m{STREAMS}"), format!("-D{SECONDS}")])
        // Of an address it writes no brackets in the authority of its own, which makes that none.
        .args(["--npn-list=h2", "-t1", "-H", ":authority: behind"])
        .args([format!("https://{server}{target}")])
        .on_processors(processors)
        .output(namespace, Duration::from_secs(SECONDS.into()) + PATIENCE)?;
    ensure!(done.status.success(), "h2load ended ({}): {}{}", done.status, done.stdout, done.stderr);
    outcome(&done.stdout).with_context(|| format!("h2load said:\n{}", done.stdout))
}

/// What the lines say that begin so: `finished in 2.00s, 1234.50 req/s, 1.0MB/s` and `requests: 2470 total, 2480 started,
/// 2470 done, 2470 succeeded, 0 failed, 0 errored, 0 timeout`.
fn outcome(text: &str) -> Result<Outcome> {
    let line = |begin: &str| {
        text.lines().find_map(|line| line.strip_prefix(begin)).with_context(|| format!("no line {begin}"))
    };
    ensure!(line("Application protocol: ")? == "h2", "another protocol was agreed on");
    let rate = line("finished in ")?.split(", ").nth(1).and_then(|rate| rate.strip_suffix(" req/s"));
    let a_second = rate.context("no rate")?.parse()?;
    let counts = line("requests: ")?;
    let count = |what: &str| -> Result<u64> {
        let count = counts.split(", ").find_map(|part| part.strip_suffix(what)?.strip_suffix(' '));
        count.with_context(|| format!("no count of {what}"))?.parse().context("a count")
    };
    let (requests, failed) = (count("succeeded")?, count("failed")? + count("timeout")?);
    ensure!(requests > 0 && failed == 0, "{requests} requests went well, and {failed} did not");
    Ok(Outcome { requests, a_second })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "starting benchmark...
TLS Protocol: TLSv1.3
Application protocol: h2
finished in 2.00s, 1234.50 req/s, 45.6KB/s
requests: 2469 total, 2569 started, 2469 done, 2469 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 2469 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn rate_and_count_are_read() {
        assert_eq!(outcome(TEXT).unwrap(), Outcome { requests: 2469, a_second: 1234.5 });
    }

    #[test]
    fn failures_and_other_protocols_are_no_outcome() {
        for (word, other) in [
            ("0 failed", "1 failed"),
            (": h2", ": http/1.1"),
            ("2469 succeeded", "0 succeeded"),
            ("finished", ""),
        ] {
            assert!(outcome(&TEXT.replace(word, other)).is_err(), "{other}");
        }
    }
}
