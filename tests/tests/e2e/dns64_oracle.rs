//! The same questions to ours, to Debian's Unbound and to Debian's BIND, all in front of one resolver over the same
//! zones: what differs is explained, row by row, or wrong.

mod arena;
mod differences;
mod questions;
mod view;
mod zones;

use crate::stage::{Stage, Verdict, trial};
use anyhow::{Result, ensure};
use arena::Arena;
use differences::{EXPLAINED, Peer};
use libtest_mimic::Trial;
use questions::Question;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use view::View;

/// Unexplained differences that are shown in full.
const SHOWN: usize = 6;

/// Fewer than this would be no oracle.
const LEAST: usize = 3000;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let name = "ours_unbound_and_bind_agree_or_the_difference_is_explained";
    vec![trial(stage, "dns64_oracle", name, ours_and_the_peers_agree)]
}

fn ours_and_the_peers_agree(stage: &Stage) -> Result<Verdict> {
    let missing = arena::missing();
    if !missing.is_empty() {
        return Ok(Verdict::Skipped(format!("Debian packages are not installed: {}", missing.join(" "))));
    }
    let arena = Arena::open(stage.binaries()?)?;
    let mut ledger = Ledger::default();
    for question in questions::all() {
        let ours = arena.ask_ours(&question)?;
        // What was learnt by the first answer gives the same one.
        let again = arena.ask_ours(&question)?;
        ensure!(again == ours, "{question}: first\n  {ours}\nand then\n  {again}");
        for peer in Peer::ALL {
            ledger.enter(&question, peer, &ours, &arena.ask(peer, &question)?);
        }
    }
    ledger.settle()?;
    Ok(Verdict::Passed)
}

/// What was seen of all questions.
#[derive(Default)]
struct Ledger {
    compared: usize,
    /// The rows of [`EXPLAINED`] that have held.
    held: BTreeSet<usize>,
    /// How often each difference was seen that no row explains.
    unexplained: BTreeMap<String, usize>,
    /// Some of these in full.
    shown: String,
}

impl Ledger {
    fn enter(&mut self, question: &Question, peer: Peer, ours: &View, theirs: &View) {
        self.compared += 1;
        for difference in differences::between(ours, theirs) {
            let row = EXPLAINED.iter().position(|row| row.explains(peer, question, &difference));
            if let Some(row) = row {
                self.held.insert(row);
                continue;
            }
            if self.unexplained.values().sum::<usize>() < SHOWN {
                let _ = writeln!(self.shown, "{question}\n  ours: {ours}\n  {}: {theirs}", peer.name());
            }
            let kind = format!(
                "{}: {} {question}\n    ours: {ours}\n    theirs: {theirs}",
                peer.name(),
                difference.field
            );
            *self.unexplained.entry(kind).or_default() += 1;
        }
    }

    /// # Errors
    /// Something is unexplained, or a row explains nothing.
    fn settle(self) -> Result<()> {
        ensure!(self.compared >= LEAST, "only {} comparisons", self.compared);
        let list: Vec<_> = self.unexplained.keys().cloned().collect();
        ensure!(
            list.is_empty(),
            "{} of {} comparisons differ unexplained, the first:\n{}\n{}",
            self.unexplained.len(),
            self.compared,
            list.join("\n"),
            self.shown
        );
        let idle = EXPLAINED.iter().enumerate().filter(|(row, _)| !self.held.contains(row));
        let idle: Vec<_> = idle.map(|(_, row)| row.what).collect();
        ensure!(idle.is_empty(), "rows that explain nothing that was seen: {idle:#?}");
        Ok(())
    }
}
