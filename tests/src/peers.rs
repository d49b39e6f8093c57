//! `cargo peers`: ours and the program that people run today, measured side by side in one run.
//!
//! ```text
//! suite (nat64) ── trials, contestants ──> rounds ── numbers ──> figure ──> table, or lines for machines
//!     │                                       │
//!   tayga               stream, flood, crowd, datagram <── batch, span, cpu, memory, ends
//! ```
//!
//! A suite starts all contestants in the lab's network and says what is measured and how good ours has to be; [`rounds`]
//! takes the measurements in turns; [`figure`] judges medians. Ratios travel from machine to machine, absolute numbers do
//! not.

pub mod batch;
pub mod cores;
pub mod cpu;
pub mod crowd;
pub mod datagram;
pub mod ends;
pub mod figure;
pub mod flood;
pub mod memory;
pub mod nat64;
pub mod rounds;
pub mod span;
pub mod stream;
pub mod table;
pub mod tayga;

use figure::Figure;
use std::fmt;

/// What a suite found out.
pub struct Report {
    /// The suite.
    pub suite: &'static str,
    /// Our program.
    pub ours: &'static str,
    /// The program beside it.
    pub peer: &'static str,
    /// What stands for the physical limit.
    pub limit: &'static str,
    /// How many rounds the medians are of.
    pub rounds: usize,
    /// The numbers.
    pub figures: Vec<Figure>,
}

/// The peer is not on this machine.
#[derive(Debug)]
pub struct Missing {
    /// The Debian package it comes in.
    pub package: &'static str,
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
        self.figures.iter().flat_map(|figure| figure.lines(self.suite, self.peer, self.limit)).collect()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package } = self;
        write!(
            f,
            "{package} is not installed, and there is nothing to measure against: apt-get install {package}"
        )
    }
}

impl std::error::Error for Missing {}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no row is called {} or begins so; there are {}", self.word, self.names.join(", "))
    }
}

impl std::error::Error for Unknown {}
