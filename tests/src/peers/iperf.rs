//! Debian's iperf3 as the load: one TCP stream that is as full as the path lets it be.

use super::foreign::Foreign;
use super::stream::Direction;
use crate::namespace::Namespace;
use crate::program::{Launch, Program};
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, bail, ensure};
use nix::sched::CpuSet;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The program, and the Debian package that it comes in.
pub const IPERF: Foreign = Foreign { name: "iperf3", program: "iperf3", package: "iperf3" };

/// What the server says to a client that comes before it has let go of the last one.
const BUSY: &str = "the server is busy running a test";

/// What came through.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Outcome {
    /// Bytes of payload.
    pub bytes: u64,
    /// Bits of payload a second.
    pub bits_per_second: f64,
}

/// Its report, as far as it is of interest. It has either.
#[derive(Deserialize)]
struct Report {
    error: Option<String>,
    end: Option<End>,
}

#[derive(Deserialize)]
struct End {
    sum_received: Option<Outcome>,
}

/// Starts a server at `address`, on these processors, that writes its log into `folder`.
pub fn serve(
    namespace: &Namespace,
    processors: CpuSet,
    address: SocketAddr,
    folder: &Path,
) -> Result<Program> {
    Launch::new(IPERF.name, IPERF.program)
        .args(["-s", "-B", &address.ip().to_string(), "-p", &address.port().to_string()])
        .on_processors(processors)
        .log_to(folder.join("iperf3.log"))
        .start(namespace)
}

/// Sends one stream through `server` for so many seconds, from a client in `namespace` on these processors.
///
/// # Errors
/// It could not run, or the stream broke.
pub fn run(
    namespace: &Namespace,
    processors: CpuSet,
    server: SocketAddr,
    direction: Direction,
    seconds: u32,
) -> Result<Outcome> {
    let reverse: &[&str] = match direction {
        Direction::ToServer => &[],
        Direction::ToClient => &["-R"],
    };
    until(PATIENCE, "the iperf3 server takes the next client", || {
        let done = Launch::new(IPERF.name, IPERF.program)
            .args(["-c", &server.ip().to_string(), "-p", &server.port().to_string()])
            .args(["-J", "-t", &seconds.to_string()])
            .args(reverse)
            .on_processors(processors)
            .output(namespace, Duration::from_secs(seconds.into()) + PATIENCE)?;
        outcome(&done.stdout).with_context(|| format!("iperf3 ended ({}): {}", done.status, done.stderr))
    })
}

/// What the report says; none if the server was not ready for this client.
fn outcome(text: &str) -> Result<Option<Outcome>> {
    let report: Report = serde_json::from_str(text).context("its report")?;
    match report.error {
        Some(error) if error.contains(BUSY) => Ok(None),
        Some(error) => bail!(error),
        None => {
            let received = report.end.and_then(|end| end.sum_received).context("a report without its end")?;
            ensure!(received.bytes > 0, "no byte came through");
            Ok(Some(received))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_came_are_read() {
        let text = r#"{"start":{"version":"iperf 3.12"},"intervals":[],"end":{"streams":[],
            "sum_sent":{"bytes":900,"bits_per_second":7200.0},
            "sum_received":{"start":0,"end":2.0,"seconds":2.0,"bytes":800,"bits_per_second":3200.5,"sender":true}}}"#;
        let found = outcome(text).unwrap().unwrap();
        assert_eq!((found.bytes, found.bits_per_second), (800, 3200.5));
    }

    #[test]
    fn a_busy_server_is_asked_again_and_a_fault_is_told() {
        let failed = |error: &str| outcome(&format!(r#"{{"start":{{}},"end":{{}},"error":"{error}"}}"#));
        assert_eq!(failed("error - the server is busy running a test. try again later").unwrap(), None);
        let told = failed("error - unable to connect to server: Connection refused").unwrap_err();
        assert!(told.to_string().contains("refused"), "{told}");
        assert!(outcome(r#"{"start":{},"end":{}}"#).is_err());
        assert!(outcome("").is_err());
    }
}
