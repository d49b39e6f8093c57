//! `cargo peers` itself: that it measures and reports. How fast anything is, no test asks.

use crate::stage::{Stage, Verdict, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use std::sync::Arc;
use tests::peers::nat64::Suite;
use tests::peers::tayga;

/// The keys of a line, which programs rely on.
const KEYS: [&str; 10] =
    ["suite", "name", "unit", "peer", "ours", "theirs", "ratio", "limit_ratio", "target", "ok"];

/// The row that takes the least time.
const ROW: &str = "udp_round_trip";

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![trial(stage, "peers", "one_round_of_one_row_measures_ours_tayga_and_the_kernel", one_round)]
}

fn one_round(stage: &Stage) -> Result<Verdict> {
    if tayga::find().is_none() {
        return Ok(Verdict::Skipped(format!("the Debian package {} is not installed", tayga::PACKAGE)));
    }
    let suite = Suite::choose(&[ROW.to_owned()])?;
    let mut met = Vec::new();
    let report = suite.run(stage.binaries()?, 1, |step| {
        if !met.contains(&step.contestant) {
            met.push(step.contestant);
        }
        Ok(())
    })?;
    ensure!(met == ["ours", "tayga", "kernel"], "measured were {met:?}");
    let lines = report.lines();
    let [line] = &lines[..] else { anyhow::bail!("one line was expected of {lines:?}") };
    let line: Value = serde_json::from_str(line)?;
    let line = line.as_object().context("a line is an object")?;
    ensure!(KEYS.iter().all(|key| line.contains_key(*key)) && line.len() == KEYS.len(), "{line:?}");
    ensure!(line["name"] == ROW, "{line:?}");
    for number in ["ours", "theirs", "ratio", "limit_ratio"] {
        ensure!(line[number].as_f64().is_some_and(|number| number > 0.0), "{number} of {line:?}");
    }
    Ok(Verdict::Passed)
}
