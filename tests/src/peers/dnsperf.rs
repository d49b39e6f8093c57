//! Debian's dnsperf as the load: the same questions to every resolver, as many at a time as it is told.

use super::installed;
use crate::namespace::Namespace;
use crate::program::Launch;
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use nix::sched::CpuSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program, and the Debian package that it comes in.
pub const PACKAGE: &str = "dnsperf";

/// Of a thousand questions, how many may get lost: a full socket buffer costs one now and then.
const MOST_LOST: u64 = 1;

/// What an answer has beside the question at least: one AAAA record with a compressed name.
const AAAA_RECORD: u64 = 28;

/// How long a run without a limit of time may take.
const LONGEST: Duration = Duration::from_secs(600);

/// Questions to one server.
pub struct Load<'a> {
    /// The program.
    pub program: &'a Path,
    /// Where it runs.
    pub namespace: &'a Namespace,
    /// The processors that it runs on.
    pub processors: CpuSet,
    /// Pairs of threads, one of which asks and one of which hears.
    pub threads: usize,
    /// Whom it asks.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Sockets, or connections.
    pub clients: usize,
    /// Questions without an answer at one time.
    pub outstanding: usize,
}

/// How questions travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections (RFC 7766).
    Tcp,
    /// Connections with TLS (RFC 7858).
    Tls,
}

/// How long it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Each question of the file once.
    Once,
    /// The questions of the file over and over, for as long as this.
    For(Duration),
}

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Answers.
    pub completed: u64,
    /// Answers a second.
    pub a_second: f64,
}

/// The program, if it is installed.
pub fn find() -> Option<PathBuf> {
    installed::find(PACKAGE)
}

impl Load<'_> {
    /// Asks what `questions` says, a line for each.
    ///
    /// # Errors
    /// It could not run, questions got lost, or an answer holds no AAAA record: then the figures mean nothing.
    pub fn run(&self, questions: &Path, extent: Extent) -> Result<Outcome> {
        let mode = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "dot",
        };
        let (extent, limit) = match extent {
            Extent::Once => (["-n".to_owned(), "1".to_owned()], LONGEST),
            Extent::For(time) => (["-l".to_owned(), time.as_secs_f64().to_string()], time + PATIENCE),
        };
        let done = Launch::new(PACKAGE, self.program)
            .args([format!("-s{}", self.server.ip()), format!("-p{}", self.server.port())])
            .args([format!("-c{}", self.clients), format!("-T{}", self.threads)])
            .args([format!("-q{}", self.outstanding), format!("-m{mode}")])
            .args(extent)
            .args([Path::new("-d"), questions])
            .on_processors(self.processors)
            .output(self.namespace, limit)?;
        ensure!(done.status.success(), "dnsperf ended ({}): {}{}", done.status, done.stdout, done.stderr);
        // There is a line for each question that got lost, and the count of them says it all.
        let said = || done.stdout.lines().filter(|line| !line.starts_with("[Timeout]")).collect::<Vec<_>>();
        outcome(&done.stdout)
            .with_context(|| format!("dnsperf said:\n{}\n{}", said().join("\n"), done.stderr))
    }
}

/// What the text at its end says.
fn outcome(text: &str) -> Result<Outcome> {
    let value = |label: &str| {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
        line.map(str::trim).with_context(|| format!("no line begins with {label:?}"))
    };
    let number = |label: &str| -> Result<u64> {
        let first = value(label)?.split_whitespace().next().unwrap_or_default();
        first.parse().with_context(|| format!("{label} {first:?} is no number"))
    };
    let [sent, completed, lost] =
        [number("Queries sent:")?, number("Queries completed:")?, number("Queries lost:")?];
    ensure!(completed > 0, "no question was answered");
    ensure!(lost * 1000 <= sent * MOST_LOST, "{lost} of {sent} questions got lost");
    let codes = value("Response codes:")?;
    let good: u64 = codes
        .strip_prefix("NOERROR ")
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|count| count.parse().ok())
        .unwrap_or_default();
    ensure!(good == completed, "not all answers are without an error: {codes}");
    let sizes = value("Average packet size:")?;
    let size = |label: &str| -> Option<u64> {
        sizes.split(", ").find_map(|part| part.strip_prefix(label)?.trim().parse().ok())
    };
    let sizes = size("request").zip(size("response")).with_context(|| format!("no sizes: {sizes}"))?;
    ensure!(sizes.1 >= sizes.0 + AAAA_RECORD, "the answers are too short to hold an address");
    let a_second: f64 = value("Queries per second:")?.parse().context("queries per second")?;
    Ok(Outcome { completed, a_second })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
Statistics:

  Queries sent:         30000
  Queries completed:    30000 (100.00%)
  Queries lost:         0 (0.00%)

  Response codes:       NOERROR 30000 (100.00%)
  Average packet size:  request 36, response 64
  Run time (s):         1.731363
  Queries per second:   17327.388884

  Average Latency (s):  0.005675 (min 0.000297, max 0.023100)
";

    fn check(from: &str, to: &str, expected: &str) {
        assert!(SAID.contains(from));
        let cause = outcome(&SAID.replace(from, to)).unwrap_err();
        assert!(format!("{cause:#}").contains(expected), "{cause:#}");
    }

    #[test]
    fn numbers_are_read() {
        let expected = Outcome { completed: 30_000, a_second: 17_327.388_884 };
        assert_eq!(outcome(SAID).unwrap(), expected);
    }

    #[test]
    fn run_that_tells_nothing_is_an_error() {
        check("lost:         0", "lost:         31", "31 of 30000 questions got lost");
        check("NOERROR 30000 (100.00%)", "NOERROR 9 (1%), SERVFAIL 29991 (99%)", "without an error");
        check("NOERROR 30000", "SERVFAIL 30000", "without an error");
        check("completed:    30000", "completed:    0", "no question was answered");
        check("response 64", "response 36", "too short");
        check("Queries per second", "Q", "Queries per second");
    }
}
