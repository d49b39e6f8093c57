//! `cargo peers` itself: that it measures and reports. How fast anything is, no test asks.

use crate::stage::{Stage, Verdict, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use std::sync::Arc;
use std::{fs, process};
use tests::peers::{Suite, dns64, nat64, proxy, tayga};

/// The keys of a line, which programs rely on.
const KEYS: [&str; 11] =
    ["suite", "name", "unit", "peer", "ours", "theirs", "ratio", "limit_ratio", "target", "ok", "shared"];

/// The rows that take the least time.
const NAT64_ROW: &str = "udp_round_trip";
const DNS64_ROW: &str = "udp_cached";
const PROXY_ROW: &str = "stream_up";

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![
        trial(stage, "peers", "one_round_of_one_row_measures_ours_tayga_and_the_kernel", with_tayga),
        trial(stage, "peers", "one_round_of_one_row_measures_ours_unbound_and_bind", with_resolvers),
        trial(stage, "peers", "one_round_of_one_row_measures_ours_and_haproxy_both_ways", with_haproxy),
    ]
}

fn with_tayga(stage: &Stage) -> Result<Verdict> {
    if tayga::find().is_none() {
        return Ok(Verdict::Skipped(format!("the Debian package {} is not installed", tayga::PACKAGE)));
    }
    let suite = nat64::Suite::choose(&[NAT64_ROW.to_owned()])?;
    let lines = one_round(stage, &suite, &["ours", "tayga", "kernel"], || Ok(()))?;
    ensure!(
        lines.len() == 1 && lines[0]["limit_ratio"].as_f64().is_some_and(|ratio| ratio > 0.0),
        "{lines:?}"
    );
    Ok(Verdict::Passed)
}

fn with_resolvers(stage: &Stage) -> Result<Verdict> {
    let missing = dns64::missing();
    if !missing.is_empty() {
        return Ok(Verdict::Skipped(format!("Debian packages are not installed: {}", missing.join(" "))));
    }
    let suite = dns64::Suite::choose(&[DNS64_ROW.to_owned()])?;
    let lines = one_round(stage, &suite, &["ours", "unbound", "bind", "mirror"], || Ok(()))?;
    let found: Vec<_> = lines.iter().map(|line| [&line["name"], &line["peer"]]).collect();
    let expected = [
        [DNS64_ROW, "unbound"],
        [DNS64_ROW, "bind"],
        ["udp_cached_cpu", "unbound"],
        ["udp_cached_cpu", "bind"],
    ];
    ensure!(found == expected, "{found:?}");
    Ok(Verdict::Passed)
}

fn with_haproxy(stage: &Stage) -> Result<Verdict> {
    let missing = proxy::missing();
    if !missing.is_empty() {
        return Ok(Verdict::Skipped(format!("Debian packages are not installed: {}", missing.join(" "))));
    }
    let suite = proxy::Suite::choose(&[PROXY_ROW.to_owned()])?;
    let lines = one_round(stage, &suite, &["ours", "haproxy", "splicing", "direct"], single)?;
    let found: Vec<_> = lines.iter().map(|line| [&line["name"], &line["peer"]]).collect();
    let expected = [
        [PROXY_ROW, "haproxy"],
        [PROXY_ROW, "splicing"],
        ["stream_up_cpu", "haproxy"],
        ["stream_up_cpu", "splicing"],
    ];
    ensure!(found == expected, "{found:?}");
    Ok(Verdict::Passed)
}

/// Whether every program that runs for this one is a single process: one that it started would outlive it if this one were
/// killed.
fn single() -> Result<()> {
    let processes = fs::read_dir("/proc")?.filter_map(|entry| {
        let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        // `pid (name) state parent ...`; the name may have any characters.
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let parent = rest.split(' ').nth(1)?;
        Some((pid.parse().ok()?, name.to_owned(), parent.parse().ok()?))
    });
    let processes: Vec<(u32, String, u32)> = processes.collect();
    let is_ours =
        |pid: u32| processes.iter().any(|(known, _, parent)| *known == pid && *parent == process::id());
    let servers = processes.iter().filter(|(_, name, parent)| name == "nginx" && *parent == process::id());
    ensure!(servers.count() > 0, "no web server runs: {processes:?}");
    let left: Vec<_> =
        processes.iter().filter(|(_, name, parent)| name == "nginx" && is_ours(*parent)).collect();
    ensure!(left.is_empty(), "{left:?} would be left behind");
    Ok(())
}

/// The lines of a run in which `contestants` were measured, in this order; `check` holds while it runs.
fn one_round(
    stage: &Stage,
    suite: &dyn Suite,
    contestants: &[&str],
    check: fn() -> Result<()>,
) -> Result<Vec<Value>> {
    let mut met = Vec::new();
    let report = suite.run(stage.binaries()?, 1, &mut |step| {
        check()?;
        if !met.contains(&step.contestant) {
            met.push(step.contestant);
        }
        Ok(())
    })?;
    ensure!(met == contestants, "measured were {met:?}");
    let lines: Vec<Value> =
        report.lines().iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    for line in &lines {
        let keys = line.as_object().context("a line is an object")?;
        ensure!(KEYS.iter().all(|key| keys.contains_key(*key)) && keys.len() == KEYS.len(), "{line}");
        for number in ["ours", "theirs", "ratio"] {
            ensure!(line[number].as_f64().is_some_and(|number| number > 0.0), "{number} of {line}");
        }
    }
    Ok(lines)
}
