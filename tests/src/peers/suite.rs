//! A suite from the choice of its rows to its report. What is started, and what is measured of it, each suite says by
//! its [`Field`].

use super::figure::{Figure, Other};
use super::rounds::{Contestant, Step, Trial, play};
use super::row::Row;
use super::{Missing, Report, Suite, choice, cores};
use crate::binaries::Binaries;
use crate::folder;
use crate::program::Program;
use anyhow::{Error, Result};
use std::path::Path;

/// Lines of a log that say why a program ended.
const LAST_WORDS: usize = 12;

/// All that runs while a suite is measured: a network, and the programs in it. Dropping it ends them.
pub trait Field: Sized + 'static {
    /// The name of the suite.
    const NAME: &'static str;
    /// The package of ours that is measured.
    const PACKAGE: &'static str;
    /// Its program.
    const OURS: &'static str;
    /// Who is beside ours.
    const OTHERS: &'static [Other];
    /// All rows, in the order of the table.
    const ROWS: &'static [Row<Self>];

    /// Who can be measured.
    type Who: Copy;
    /// What a measurement knows of one of them.
    type Way<'a>;

    /// The Debian packages that are not installed.
    fn missing() -> Vec<&'static str>;

    /// Starts all that is needed to measure those who are `wanted`, each of whom may be named more than once.
    fn open(ours: &Binaries, folder: &Path, wanted: &[Self::Who]) -> Result<Self>;

    /// The name for people.
    fn name(who: Self::Who) -> &'static str;

    /// The way to one that was wanted, once it is open and right.
    fn way(&self, who: Self::Who) -> Result<Self::Way<'_>>;

    /// All programs that run.
    fn programs(&self) -> Vec<&Program>;

    /// Ends all in order, after a run that went well.
    fn close(self) {}

    /// What a reader has to know of a machine with so many processors.
    fn note(_processors: usize) -> Option<String> {
        None
    }
}

/// The rows of a suite that were chosen.
pub struct Chosen<F: Field> {
    rows: Vec<&'static Row<F>>,
}

impl<F: Field> Chosen<F> {
    /// Chooses the rows that begin with one of `words`, all if there are none.
    ///
    /// # Errors
    /// [`super::Unknown`] if no row begins so, [`Missing`] if a program is not installed.
    pub fn choose(words: &[String]) -> Result<Self> {
        let figures: Vec<_> = F::ROWS.iter().map(|row| row.figures).collect();
        let wanted = choice::chosen(&figures, words)?;
        let rows = F::ROWS.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(row, _)| row).collect();
        match F::missing() {
            packages if packages.is_empty() => Ok(Self { rows }),
            packages => Err(Missing { packages }.into()),
        }
    }

    fn measure(
        &self,
        field: &F,
        rounds: usize,
        before: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<Vec<Figure>> {
        let mut trials = Vec::new();
        for Row { figures, who, turns, run } in &self.rows {
            let mut contestants = Vec::new();
            for &(side, who) in *who {
                contestants.push(Contestant { side, name: F::name(who), way: field.way(who)? });
            }
            trials.push(Trial { figures, contestants, turns: *turns, run: *run });
        }
        play(&trials, rounds, before)
    }
}

impl<F: Field> Suite for Chosen<F> {
    fn package(&self) -> &'static str {
        F::PACKAGE
    }

    fn run(
        &self,
        ours: &Binaries,
        rounds: usize,
        before: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<Report> {
        let folder = folder::make()?;
        let wanted: Vec<_> = self.rows.iter().flat_map(|row| row.who).map(|(_, who)| *who).collect();
        let field = F::open(ours, folder.path(), &wanted)?;
        let figures = self.measure(&field, rounds, before).map_err(|cause| {
            let dead = field.programs().into_iter().filter_map(obituary);
            dead.fold(cause, Error::context)
        })?;
        field.close();
        let processors = cores::count()?;
        Ok(Report {
            suite: F::NAME,
            ours: F::OURS,
            others: F::OTHERS,
            rounds,
            processors,
            note: F::note(processors),
            figures,
        })
    }
}

/// How a program ended, if it did, and what it said last.
pub fn obituary(program: &Program) -> Option<String> {
    let status = program.exited()?;
    let words = program.tail(LAST_WORDS).join("\n    ");
    Some(format!("{} ended ({status}); its last words:\n    {words}", program.name()))
}
