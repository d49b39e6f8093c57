//! Everything a lab made is gone afterwards, however it ended.

use crate::network::holders;
use crate::stage::{Stage, Verdict, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tests::gateway::Role;
use tests::hold;
use tests::lab::Lab;
use tests::namespace::Namespace;
use tests::program::{Launch, Program};
use tests::wait::{PATIENCE, until};

type Test = fn(&Stage) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("lab_ends_clean", lab_ends_clean),
    ("lab_ends_clean_after_a_daemon_was_killed", lab_ends_clean_after_kill),
    ("held_lab_ends_clean_on_ctrl_c", |_| held_lab_ends_clean(Signal::SIGINT)),
    ("held_lab_ends_clean_on_sigterm", |_| held_lab_ends_clean(Signal::SIGTERM)),
    ("held_lab_takes_all_with_it_when_killed", |_| killed_lab_leaves_no_process()),
    ("held_lab_prints_commands_that_work", |_| held_lab_prints_commands_that_work()),
    ("held_lab_tells_of_a_crashed_daemon", |_| held_lab_tells_of_crash()),
    ("lab_prints_one_json_object", |_| lab_prints_one_json_object()),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let make = |&(name, test): &(&'static str, Test)| {
        trial(stage, "cleanup", name, move |stage| test(stage).map(|()| Verdict::Passed))
    };
    TESTS.iter().map(make).collect()
}

/// What a lab holds on this machine.
#[derive(Debug)]
struct Traces {
    processes: BTreeSet<i32>,
    namespaces: BTreeSet<u64>,
    folders: Vec<PathBuf>,
}

impl Traces {
    /// Of a lab in this process.
    fn of(lab: &Lab) -> Result<Self> {
        let inodes =
            lab.network.namespaces().iter().map(|namespace| namespace.inode()).collect::<Result<_, _>>()?;
        let folder = lab.files.config().parent().context("gateway.toml lies in a folder")?.to_path_buf();
        let processes = lab.daemons().iter().map(|daemon| daemon.program.pid()).collect();
        Ok(Self { processes, namespaces: inodes, folders: vec![folder] })
    }

    /// Of a lab in another process: its children, the namespaces that it holds open, its folders.
    fn of_process(pid: i32) -> Self {
        let mut processes = children(pid);
        processes.insert(pid);
        Self { processes, namespaces: open_namespaces(pid), folders: folders(pid) }
    }

    /// Waits until nothing is left.
    fn wait_for_end(&self) -> Result<()> {
        self.wait_for_end_of_processes()?;
        let left: Vec<_> = self.folders.iter().filter(|folder| folder.exists()).collect();
        ensure!(left.is_empty(), "left on disk: {left:?}");
        Ok(())
    }

    fn wait_for_end_of_processes(&self) -> Result<()> {
        until(PATIENCE, &format!("the end of {self:?}"), || {
            let running = self.processes.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists());
            let held = self.namespaces.iter().any(|inode| holders(*inode) > 0);
            Ok((!running && !held).then_some(()))
        })
    }
}

fn children(parent: i32) -> BTreeSet<i32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn open_namespaces(pid: i32) -> BTreeSet<u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter_map(|link| link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

fn folders(pid: i32) -> Vec<PathBuf> {
    let prefix = format!("causeway-lab-{pid}-");
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

fn lab_ends_clean(stage: &Stage) -> Result<()> {
    let lab = Lab::start(stage.binaries()?)?;
    let traces = Traces::of(&lab)?;
    ensure!(traces.processes.len() == 3 && traces.namespaces.len() == 4, "{traces:?}");
    drop(lab);
    traces.wait_for_end()
}

fn lab_ends_clean_after_kill(stage: &Stage) -> Result<()> {
    let lab = Lab::start(stage.binaries()?)?;
    let traces = Traces::of(&lab)?;
    let nat64 = lab.daemon(Role::Nat64)?;
    nat64.program.signal(Signal::SIGKILL);
    nat64.program.wait(PATIENCE).context("it outlived SIGKILL")?;
    let casualties = lab.casualties();
    ensure!(casualties.len() == 1, "{casualties:?}");
    ensure!(
        casualties[0].contains("causeway-nat64") && casualties[0].contains("signal: 9"),
        "{casualties:?}"
    );
    drop(lab);
    traces.wait_for_end()
}

/// The `lab` binary itself, held, in a namespace that stands for the machine.
struct Held {
    machine: Namespace,
    lab: Program,
    traces: Traces,
    _folder: tempfile::TempDir,
}

impl Held {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let machine = Namespace::new("machine")?;
        let lab = Launch::new("lab", env!("CARGO_BIN_EXE_lab"))
            .args(["--hold"])
            .env_remove("CARGO")
            .log_to(folder.path().join("lab.log"))
            .start(&machine)?;
        until(PATIENCE * 3, "the held lab", || {
            ensure!(lab.exited().is_none(), "the lab ended:\n{}", lab.output());
            Ok(lab.output().contains(hold::READY).then_some(()))
        })?;
        let traces = Traces::of_process(lab.pid());
        ensure!(traces.processes.len() == 4, "not three daemons: {traces:?}\n{}", lab.output());
        ensure!(traces.namespaces.len() == 4, "not four namespaces: {traces:?}");
        ensure!(traces.folders.len() == 1, "not one folder: {traces:?}");
        Ok(Self { machine, lab, traces, _folder: folder })
    }
}

fn held_lab_ends_clean(signal: Signal) -> Result<()> {
    let held = Held::start()?;
    ensure!(held.lab.signal(signal), "the lab is gone already");
    let status = held.lab.wait(PATIENCE).context("the lab goes on")?;
    ensure!(status.success(), "{status}:\n{}", held.lab.output());
    held.traces.wait_for_end()?;
    let devices = held.machine.devices()?;
    ensure!(devices == ["lo"], "left on the machine: {devices:?}");
    Ok(())
}

fn killed_lab_leaves_no_process() -> Result<()> {
    let held = Held::start()?;
    // The lab alone, not its group: the kernel must do the rest.
    kill(Pid::from_raw(held.lab.pid()), Signal::SIGKILL)?;
    held.traces.wait_for_end_of_processes()?;
    ensure!(held.machine.devices()? == ["lo"], "devices are left on the machine");
    // Only the folder is left, and the next lab removes it.
    drop(tests::folder::make()?);
    ensure!(held.traces.folders.iter().all(|folder| !folder.exists()), "{:?}", held.traces.folders);
    Ok(())
}

fn held_lab_prints_commands_that_work() -> Result<()> {
    let held = Held::start()?;
    let said = held.lab.output();
    let is_run = |line: &&str| line.contains("curl ") || line.contains(" status ");
    let commands: Vec<&str> = said.lines().map(str::trim).filter(is_run).collect();
    ensure!(commands.len() == 8, "{commands:?}");
    for command in commands {
        let output = Launch::new("sh", "sh").args(["-c", command]).output(&held.machine, PATIENCE)?;
        let wanted = match command {
            _ if command.contains("/metrics") => "causeway_ready 1",
            _ if command.contains(" status ") => "generation 1",
            _ => "\"server\":\"alpha\"",
        };
        ensure!(output.stdout.contains(wanted), "{command}: {}{}", output.stdout, output.stderr);
    }
    Ok(())
}

fn held_lab_tells_of_crash() -> Result<()> {
    let held = Held::start()?;
    let daemons: Vec<i32> =
        held.traces.processes.iter().copied().filter(|pid| *pid != held.lab.pid()).collect();
    kill(Pid::from_raw(daemons[0]), Signal::SIGABRT)?;
    let status = held.lab.wait(PATIENCE).context("the lab did not notice")?;
    ensure!(status.code() == Some(1), "{status}");
    let said = held.lab.output();
    ensure!(said.contains("ended (signal: 6"), "{said}");
    held.traces.wait_for_end()
}

fn lab_prints_one_json_object() -> Result<()> {
    let output = Launch::new("lab", env!("CARGO_BIN_EXE_lab"))
        .args(["--json"])
        .env_remove("CARGO")
        .output(&Namespace::new("machine")?, PATIENCE * 6)?;
    let value: serde_json::Value = serde_json::from_str(&output.stdout)
        .with_context(|| format!("{}{}", output.stdout, output.stderr))?;
    ensure!(value["ok"] == true && output.status.success(), "{value:#}");
    let checks = value["checks"].as_array().context("no list of checks")?;
    ensure!(checks.len() == tests::check::CHECKS.len(), "{} checks", checks.len());
    for check in checks {
        let keys: Vec<_> = check.as_object().context("a check that is no object")?.keys().collect();
        ensure!(keys == ["name", "ok", "detail"] || keys == ["detail", "name", "ok"], "{keys:?}");
    }
    Ok(())
}
