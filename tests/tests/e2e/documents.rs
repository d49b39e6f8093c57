//! What the documents say of the running daemons.

use crate::stage::{Stage, keeping_captures, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tests::lab::Lab;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let name = "metrics_md_lists_the_metrics_that_daemons_have";
    vec![trial(stage, "documents", name, move |stage| {
        let lab = stage.shared_lab()?;
        keeping_captures(&lab, name, || metrics_md_lists_the_metrics(&lab))
    })]
}

/// Name, type and meaning of each metric, as rows of docs/metrics.md.
fn metrics_md_lists_the_metrics(lab: &Lab) -> Result<()> {
    let mut real = BTreeSet::new();
    for daemon in lab.daemons() {
        let text = String::from_utf8(daemon.admin.get("/metrics")?.body)?;
        for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
            let (name, meaning) = line.split_once(' ').context("a help line")?;
            let kind = text
                .lines()
                .find_map(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '))
                .with_context(|| format!("{name} has no type"))?;
            real.insert(format!("{name}: {kind}: {}.", meaning.trim_end_matches('.')));
        }
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let documented: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with("| `causeway_") || line.starts_with("| `process_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            format!("{}: {}: {}", cells[1].trim_matches('`'), cells[2], cells[4])
        })
        .collect();
    let missing: Vec<_> = real.difference(&documented).collect();
    let extra: Vec<_> = documented.difference(&real).collect();
    ensure!(
        missing.is_empty() && extra.is_empty(),
        "not in docs/metrics.md: {missing:#?}\nno such metric: {extra:#?}"
    );
    Ok(())
}
