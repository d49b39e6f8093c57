//! Ours and Debian's Tayga, called alike: what they say, how they end, and whose leases they read.
//!
//! Debian has 0.9.2 of 2011; compared is what the maintained Tayga has kept from it.

use super::{DEVICE, Instance, bring_up, ensure_traffic};
use crate::stage::{Stage, Verdict, keeping_captures, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tests::lab::Lab;
use tests::namespace::Namespace;
use tests::peers::tayga;
use tests::probe::icmp;
use tests::program::{Launch, Program};
use tests::topology::{ALPHA, CLIENT};
use tests::wait::{PATIENCE, until};

type Test = fn(&Lab, &Path) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("bad_calls_end_as_with_debians", bad_calls_end_as_with_debians),
    ("leases_of_debians_are_kept_and_chosen_alike", leases_are_kept_and_chosen_alike),
    ("a_device_that_debians_made_is_used", a_device_that_debians_made_is_used),
    ("debians_own_file_runs_and_is_imported", debians_own_file_runs_and_is_imported),
    ("debians_keeps_leases_of_ours", debians_keeps_leases_of_ours),
];

pub(super) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let make = |&(name, test): &(&'static str, Test)| {
        trial(stage, "tayga", name, move |stage| {
            let Some(program) = tayga::find() else {
                return Ok(Verdict::Skipped("Debian's tayga is not installed".to_owned()));
            };
            let lab = Lab::prepare(stage.binaries()?)?;
            keeping_captures(&lab, name, || test(&lab, &program))
        })
    };
    TESTS.iter().map(make).collect()
}

const GOOD: &str = "tun-device x\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\n";

/// A file and a command line behind `-c FILE`. The first three columns of what is said must be equal: status, standard
/// output, standard error.
const CALLS: &[(&str, &[&str])] = &[
    ("", &["--mktun"]),
    ("tun-device x y", &["--mktun"]),
    ("tun-device abcdefghijklmnop", &["--mktun"]),
    ("tun-device a\ntun-device b", &["--mktun"]),
    ("ipv4-addr x", &["--mktun"]),
    ("ipv4-addr 127.0.0.1", &["--mktun"]),
    ("ipv4-addr 192.0.2.1\nipv4-addr 192.0.2.2", &["--mktun"]),
    ("ipv6-addr x", &["--mktun"]),
    ("ipv6-addr fe80::1", &["--mktun"]),
    ("ipv6-addr 2001:db8::1\nipv6-addr 2001:db8::1", &["--mktun"]),
    ("prefix 2001:db8::", &["--mktun"]),
    ("prefix 2001:db8::1/96", &["--mktun"]),
    ("prefix 2001:db8::/95", &["--mktun"]),
    ("prefix ff00::/96", &["--mktun"]),
    ("prefix 2001:db8::/96\nprefix 2001:db8::/96", &["--mktun"]),
    ("map 192.0.2.1", &["--mktun"]),
    ("map x 2001:db8::1", &["--mktun"]),
    ("map 192.0.2.1 x", &["--mktun"]),
    ("map 127.0.0.1 2001:db8::1", &["--mktun"]),
    ("map 192.0.2.0/24 2001:db8::/121", &["--mktun"]),
    ("map 192.0.2.1 2001:db8::1\nmap 192.0.2.1 2001:db8::2", &["--mktun"]),
    ("map 192.0.2.1 2001:db8::1\nmap 192.0.2.2 2001:db8::1", &["--mktun"]),
    ("map 192.0.2.1 2001:db8:64::1\nprefix 2001:db8:64::/96", &["--mktun"]),
    ("dynamic-pool 192.0.2.1/24", &["--mktun"]),
    ("dynamic-pool 192.0.2.1/32", &["--mktun"]),
    ("dynamic-pool 127.0.0.0/8", &["--mktun"]),
    ("dynamic-pool 192.0.2.0/24\nmap 192.0.2.0/24 2001:db8::/120", &["--mktun"]),
    ("data-dir state", &["--mktun"]),
    ("data-dir /a\ndata-dir /b", &["--mktun"]),
    ("map 192.0.2.1 2001:db8::1", &["--mktun"]),
    ("map 192.0.2.1 2001:db8::1\nipv4-addr 192.0.2.9\ntun-device x", &["--mktun"]),
    ("prefix 64:ff9b::/96\nipv4-addr 192.168.255.1\ntun-device x", &["--mktun"]),
    ("prefix 2001:db8:64::/96\nipv4-addr 192.0.2.1\nipv6-addr 2001:db8:64::9\ntun-device x", &["--mktun"]),
    ("prefix 2001:db8:64::/96\nmap 192.0.2.1 2001:db8::1\nipv4-addr 192.0.2.1\ntun-device x", &["--mktun"]),
    ("map 192.0.2.2 2001:db8::1\nipv4-addr 192.0.2.1\nipv6-addr 2001:db8::1\ntun-device x", &["--mktun"]),
    (GOOD, &["--mktun"]),
    (GOOD, &["--rmtun"]),
    (GOOD, &["--m"]),
    (GOOD, &["--rmtun", "word"]),
    ("tun-device lo\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96", &["--mktun"]),
    (GOOD, &["--mktun", "-u", "nobody"]),
    (GOOD, &["--mktun", "-g", "nogroup"]),
    (GOOD, &["--rmtun", "--chroot"]),
    (GOOD, &["-x"]),
    (GOOD, &["-dx"]),
    (GOOD, &["-p"]),
    (GOOD, &["--user"]),
    (GOOD, &["--chroot=x"]),
    (GOOD, &["--bogus"]),
    (GOOD, &["-d", "-u", "no-such-user"]),
    (GOOD, &["-d", "-g", "no-such-group"]),
    (GOOD, &["-d", "-r"]),
    (GOOD, &["-d", "-p", "/nonexistent/tayga.pid"]),
    ("tun-device x\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\ndata-dir /nonexistent/state", &["-d"]),
    (
        "tun-device x\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\ndata-dir /nonexistent",
        &["-d", "-u", "nobody"],
    ),
    ("tun-device x\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\ndata-dir /tmp", &["-d", "-r"]),
    (
        "tun-device x\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\ndata-dir /tmp",
        &["-d", "-r", "-u", "root"],
    ),
];

fn bad_calls_end_as_with_debians(lab: &Lab, debians: &Path) -> Result<()> {
    let namespace = Namespace::new("calls")?;
    let ours = Instance::new(lab, "ours")?;
    let config = ours.config();
    let mut differ = Vec::new();
    for (text, arguments) in CALLS {
        ours.write(text)?;
        let call = |program: &Path| -> Result<_> {
            let launch = Launch::new("tayga", program).args([Path::new("-c"), &config]).args(*arguments);
            let output = launch.output(&namespace, PATIENCE)?;
            // Both name themselves as they were called.
            let stderr = output.stderr.replace(&program.display().to_string(), "tayga");
            Ok((output.status.code(), output.stdout, stderr))
        };
        let (theirs, own) = (call(debians)?, call(&ours.program)?);
        if theirs != own {
            differ.push(format!("{text:?} {arguments:?}:\n  {theirs:?}\n  {own:?}"));
        }
    }
    let absent = call_without_file(&namespace, debians)? == call_without_file(&namespace, &ours.program)?;
    ensure!(absent, "a file that is not there");
    ensure!(differ.is_empty(), "Debian's and ours:\n{}", differ.join("\n"));
    Ok(())
}

fn call_without_file(namespace: &Namespace, program: &Path) -> Result<(Option<i32>, String, String)> {
    let arguments = ["-c", "/nonexistent/tayga.conf", "--mktun"];
    let output = Launch::new("tayga", program).args(arguments).output(namespace, PATIENCE)?;
    Ok((output.status.code(), output.stdout, output.stderr))
}

/// The address that `dynamic.map` in this instance's directory gives to the client.
fn lease(instance: &Instance) -> Result<Option<String>> {
    let text = fs::read_to_string(instance.data().join("dynamic.map"))?;
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut leases = words.filter(|words| words.get(1) == Some(&CLIENT.to_string().as_str()));
    Ok(leases.next().map(|words| words[0].to_owned()))
}

/// Runs Debian's on the instance's file until traffic has crossed.
fn run_debians(lab: &Lab, instance: &Instance, debians: &Path) -> Result<()> {
    let launch =
        Launch::new("Debian's tayga", debians).args([Path::new("-d"), Path::new("-c"), &instance.config()]);
    run(lab, &launch.log_to(instance.folder.join("theirs.log")).start(&lab.network.gateway)?)
}

fn run_ours(lab: &Lab, instance: &Instance) -> Result<()> {
    run(lab, &instance.start(&lab.network.gateway, &["-d"])?)
}

fn run(lab: &Lab, program: &Program) -> Result<()> {
    let gateway = &lab.network.gateway;
    until(PATIENCE, "the device", || Ok(gateway.index(DEVICE).ok()))?;
    bring_up(gateway)?;
    ensure_traffic(lab).with_context(|| program.output())?;
    let ended = program.stop().context("it does not end")?;
    ensure!(ended.success(), "{ended}: {}", program.output());
    until(PATIENCE, "the device goes", || Ok(gateway.index(DEVICE).is_err().then_some(())))
}

fn leases_are_kept_and_chosen_alike(lab: &Lab, debians: &Path) -> Result<()> {
    let theirs = Instance::new(lab, "theirs")?;
    theirs.configure("")?;
    run_debians(lab, &theirs, debians)?;
    let chosen = lease(&theirs)?.context("Debian's gave an address")?;

    let fresh = Instance::new(lab, "fresh")?;
    fresh.configure("")?;
    run_ours(lab, &fresh)?;
    ensure!(lease(&fresh)?.as_deref() == Some(&chosen), "{:?} is not {chosen}", lease(&fresh)?);

    // An address that the choice would not give is kept only by reading it.
    let kept = "192.168.255.199";
    let file = theirs.data().join("dynamic.map");
    fs::write(&file, fs::read_to_string(&file)?.replace(&chosen, kept))?;
    run_ours(lab, &theirs)?;
    ensure!(lease(&theirs)?.as_deref() == Some(kept), "{:?} is not {kept}", lease(&theirs)?);
    Ok(())
}

/// It has one queue and, until ours attaches, another header in front of packets.
fn a_device_that_debians_made_is_used(lab: &Lab, debians: &Path) -> Result<()> {
    let gateway = &lab.network.gateway;
    let instance = Instance::new(lab, "ours")?;
    instance.configure("")?;
    let theirs = |argument: &str| {
        let launch = Launch::new("Debian's tayga", debians);
        launch.args([Path::new(argument), Path::new("-c"), &instance.config()]).output(gateway, PATIENCE)
    };
    ensure!(theirs("--mktun")?.status.success(), "Debian's makes no device");
    bring_up(gateway)?;
    for _ in 0..2 {
        let daemon = instance.start(gateway, &["-n"])?;
        ensure_traffic(lab)?;
        ensure!(daemon.stop().is_some_and(|ended| ended.success()), "{}", daemon.output());
    }
    instance.succeed(gateway, &["--rmtun"])?;
    ensure!(gateway.index(DEVICE).is_err(), "the device is still there");
    Ok(())
}

/// The file that Debian installs, as it is.
fn debians_own_file_runs_and_is_imported(lab: &Lab, _debians: &Path) -> Result<()> {
    const FILE: &str = "/etc/tayga.conf";
    let gateway = &lab.network.gateway;
    let instance = Instance::new(lab, "ours")?;
    fs::copy(FILE, instance.config()).with_context(|| format!("cannot copy {FILE}"))?;
    // Its data-dir is made there, and vanishes with the program.
    let launch = instance.launch(&["-d"]).without_directory("/var/spool").log_to(instance.folder.join("log"));
    let _daemon = launch.start(gateway)?;
    until(PATIENCE, "the device", || Ok(gateway.index(DEVICE).ok()))?;
    gateway.bring_up(DEVICE)?;
    for net in ["2001:db8:1:ffff::/96", "192.168.255.0/24"] {
        gateway.add_device_route(net.parse()?, DEVICE)?;
    }
    let prefix: addr::Prefix64 = "2001:db8:1:ffff::/96".parse()?;
    lab.as_client(|| until(PATIENCE, "alpha answers", || Ok(icmp::ping(prefix.embed(ALPHA), 56).ok())))?;

    let program = lab.binaries().path("causeway-nat64")?;
    let imported =
        Launch::new("import", program).args(["import", "tayga", FILE]).output(gateway, PATIENCE)?;
    ensure!(imported.status.success() && imported.stderr.is_empty(), "{imported:?}");
    lab.files.write_config(&imported.stdout)?;
    let checked = Launch::new("check", program)
        .args([Path::new("--config"), &lab.files.config(), Path::new("check")])
        .output(gateway, PATIENCE)?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(())
}

fn debians_keeps_leases_of_ours(lab: &Lab, debians: &Path) -> Result<()> {
    let instance = Instance::new(lab, "ours")?;
    instance.configure("")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let kept = "192.168.255.199";
    fs::write(instance.data().join("dynamic.map"), format!("{kept}\t{CLIENT}\t{now}\n"))?;
    run_ours(lab, &instance)?;
    let text = fs::read_to_string(instance.data().join("dynamic.map"))?;
    ensure!(text.starts_with("###"), "ours has written the file: {text}");
    run_debians(lab, &instance, debians)?;
    ensure!(lease(&instance)?.as_deref() == Some(kept), "{:?} is not {kept}", lease(&instance)?);
    Ok(())
}
