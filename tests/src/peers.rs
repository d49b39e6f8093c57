//! `cargo peers`: ours and the program that people run today, measured side by side in one run.
//!
//! ```text
//! field (nat64, dns64, proxy) ── rows ──> choice ──> suite ──> rounds ── numbers ──> figure ──> table, or lines for machines
//!     │                                                │
//!   tayga, unbound, bind, haproxy      stream, flood, crowd, datagram, dnsperf, wrk, iperf <── batch, span, cpu, cores, memory, ends
//! ```
//!
//! A [`suite::Field`] starts all contestants in the lab's network, and its rows say what is measured and how good ours has
//! to be; [`suite`] takes it from the choice of rows to the report; [`rounds`] takes the measurements in turns; [`figure`] judges medians. Ratios travel from machine to machine, absolute numbers do
//! not.

pub mod batch;
pub mod choice;
pub mod cores;
pub mod cpu;
pub mod crowd;
pub mod datagram;
pub mod dns64;
pub mod dnsperf;
pub mod ends;
pub mod figure;
pub mod files;
pub mod flood;
pub mod foreign;
pub mod h2load;
pub mod installed;
pub mod iperf;
pub mod memory;
pub mod mirror;
pub mod nat64;
pub mod proxy;
pub mod rounds;
pub mod row;
pub mod span;
pub mod stream;
pub mod suite;
pub mod table;
pub mod tayga;
pub mod wrk;

use crate::binaries::Binaries;
use anyhow::Result;
use figure::{Figure, Other};
use rounds::Step;
use std::fmt;

/// What a suite found out.
pub struct Report {
    /// The suite.
    pub suite: &'static str,
    /// Our program.
    pub ours: &'static str,
    /// The programs beside it, and what stands for the physical limit.
    pub others: &'static [Other],
    /// How many rounds the medians are of.
    pub rounds: usize,
    /// How many processors there are.
    pub processors: usize,
    /// What a reader has to know of that.
    pub note: Option<String>,
    /// The numbers.
    pub figures: Vec<Figure>,
}

/// Rows of one suite that were chosen, with all that they need.
pub trait Suite {
    /// The package of ours that is measured.
    fn package(&self) -> &'static str;

    /// Measures `ours` in `rounds` rounds; `before` sees each step first and may end the run.
    fn run(
        &self,
        ours: &Binaries,
        rounds: usize,
        before: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<Report>;
}

/// Programs that a suite needs are not on this machine.
#[derive(Debug)]
pub struct Missing {
    /// The Debian packages they come in.
    pub packages: Vec<&'static str>,
}

/// A word that chooses no row.
#[derive(Debug)]
pub struct Unknown {
    /// The word.
    pub word: String,
    /// The names there are.
    pub names: Vec<&'static str>,
}

impl Report {
    /// Whether all targets are met.
    pub fn ok(&self) -> bool {
        self.figures.iter().all(Figure::ok)
    }

    /// The lines for machines.
    pub fn lines(&self) -> Vec<String> {
        self.figures
            .iter()
            .flat_map(|figure| figure.lines(self.suite, self.others, self.processors))
            .collect()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.packages.join(" ");
        write!(f, "not all is here that ours is measured with: apt-get install {all}")
    }
}

impl std::error::Error for Missing {}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no row is called {} or begins so; there are {}", self.word, self.names.join(", "))
    }
}

impl std::error::Error for Unknown {}
