//! What nat64's clients notice while something is done to the daemon, its device, its disk or its pool.

mod flows;

use crate::garbage::{bad_packets, fates};
use crate::stage::{Stage, in_prepared_lab};
use anyhow::{Context, Result, ensure};
use flows::{datagrams, during, seen_as, stream};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::fs::{self, Permissions};
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tests::gateway::{Daemon, Role};
use tests::lab::Lab;
use tests::probe::packet::{Sender, ipv6};
use tests::probe::{icmp, udp};
use tests::program::Launch;
use tests::topology::{ALPHA, CLIENT, ECHO, POOL, TRANSLATOR, through_nat64_at};
use tests::wait::{PATIENCE, until};

type Test = fn(&mut Lab) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("tcp_flow_goes_on_after_kill_with_offload", |lab| tcp_flow_goes_on_after_kill(lab, "auto")),
    ("tcp_flow_goes_on_after_kill_without_offload", |lab| tcp_flow_goes_on_after_kill(lab, "off")),
    ("leases_outlive_a_power_failure", leases_outlive_a_power_failure),
    ("removed_device_ends_the_daemon_and_the_next_one_serves", removed_device_ends_the_daemon),
    ("mtu_changed_underneath_stops_no_flow", mtu_changed_underneath_stops_no_flow),
    ("routes_that_the_kernel_drops_come_back", dropped_routes_come_back),
    ("full_pool_is_answered_and_recovers", full_pool_is_answered_and_recovers),
    ("full_state_dir_costs_no_packet", full_state_dir_costs_no_packet),
    ("read_only_state_dir_costs_no_packet", read_only_state_dir_costs_no_packet),
    ("start_on_a_read_only_state_dir_serves_with_a_warning", start_on_a_read_only_state_dir),
    ("flood_of_bad_packets_stops_no_good_one_with_offload", |lab| flood_stops_no_good_packet(lab, "auto")),
    ("flood_of_bad_packets_stops_no_good_one_without_offload", |lab| flood_stops_no_good_packet(lab, "off")),
    ("reloads_lose_no_packet_with_offload", |lab| reloads_lose_no_packet(lab, "auto")),
    ("reloads_lose_no_packet_without_offload", |lab| reloads_lose_no_packet(lab, "off")),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    TESTS.iter().map(|&(name, test)| in_prepared_lab(stage, "nat64_faults", name, test)).collect()
}

const DEVICE: &str = "nat64";

/// Bytes of a stream that say that it flows.
const MUCH: usize = 2 << 20;

/// Another address of the client: one that the pool would give the same IPv4 address as [`CLIENT`], were it free.
const TWIN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 2, 0, 0);
/// More addresses of the client.
const OTHERS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 0x33), Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 0x44)];

/// The lab's file with `more` in `[nat64]`.
fn configuration(lab: &Lab, more: &str) -> String {
    lab.files.configuration().replacen("[nat64]\n", &format!("[nat64]\n{more}\n"), 1)
}

fn start(lab: &Lab) -> Result<Daemon> {
    start_so(lab, |launch| launch)
}

/// Starts the daemon, with something done to its launch before.
fn start_so(lab: &Lab, change: impl FnOnce(Launch) -> Launch) -> Result<Daemon> {
    let launch = change(Daemon::launch(Role::Nat64, lab.binaries(), &lab.files)?);
    let daemon = Daemon::start(Role::Nat64, launch, &lab.network.gateway, &lab.files)?;
    daemon.wait_until_ready()?;
    Ok(daemon)
}

fn kill(lab: &Lab, daemon: &Daemon) -> Result<()> {
    daemon.program.signal(Signal::SIGKILL);
    daemon.program.wait(PATIENCE).context("it outlived SIGKILL")?;
    until(PATIENCE, "the end of its device", || Ok(lab.network.gateway.index(DEVICE).is_err().then_some(())))
}

fn add_addresses(lab: &Lab) -> Result<()> {
    for address in [TWIN].into_iter().chain(OTHERS) {
        lab.network.client.add_address("eth0", format!("{address}/64").parse()?)?;
    }
    Ok(())
}

/// Waits until `dynamic.map` in `state` has all these hosts.
fn wait_for_map(state: &Path, hosts: &[Ipv6Addr]) -> Result<String> {
    let map = state.join("dynamic.map");
    until(PATIENCE, &format!("{hosts:?} in {}", map.display()), || {
        let text = fs::read_to_string(&map).unwrap_or_default();
        let has = |host: &Ipv6Addr| text.contains(&format!("\t{host}\t"));
        Ok(hosts.iter().all(has).then_some(text))
    })
}

fn tcp_flow_goes_on_after_kill(lab: &mut Lab, offload: &str) -> Result<()> {
    lab.files.write_config(&configuration(lab, &format!("offload = \"{offload}\"")))?;
    let lab = &*lab;
    let daemon = start(lab)?;
    during(lab, stream, CLIENT, |progress| {
        progress.advance(MUCH)?;
        let before = seen_as(lab, CLIENT)?;
        wait_for_map(&lab.files.state(), &[CLIENT])?;
        kill(lab, &daemon)?;
        let next = start(lab)?;
        progress.advance(MUCH).with_context(|| next.last_words())?;
        let after = seen_as(lab, CLIENT)?;
        ensure!(before == after, "the client was {before} and is {after}");
        Ok(next)
    })
    .map(drop)
}

/// Of two hosts that want the same address, the second to come has another one; after a power failure it asks first.
fn leases_outlive_a_power_failure(lab: &mut Lab) -> Result<()> {
    add_addresses(lab)?;
    let daemon = start(lab)?;
    let before = [CLIENT, TWIN].map(|source| seen_as(lab, source).ok());
    ensure!(before[0].is_some() && before[0] != before[1], "{before:?}");
    wait_for_map(&lab.files.state(), &[CLIENT, TWIN])?;
    kill(lab, &daemon)?;

    // Of the machine that is switched on again nothing is left but its disk.
    let next = Lab::prepare(lab.binaries())?;
    add_addresses(&next)?;
    fs::copy(lab.files.state().join("dynamic.map"), next.files.state().join("dynamic.map"))?;
    let _daemon = start(&next)?;
    let [second, first] = [TWIN, CLIENT].map(|source| seen_as(&next, source).ok());
    ensure!([first, second] == before, "were {before:?}, are {:?}", [first, second]);
    Ok(())
}

fn removed_device_ends_the_daemon(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let daemon = start(lab)?;
    during(lab, stream, CLIENT, |progress| {
        progress.advance(MUCH)?;
        let before = seen_as(lab, CLIENT)?;
        wait_for_map(&lab.files.state(), &[CLIENT])?;
        lab.network.gateway.remove(DEVICE)?;
        let end = daemon.program.wait(PATIENCE).context("it goes on without a device")?;
        ensure!(end.code() == Some(1), "it ended with {end}");
        ensure!(daemon.program.output().contains("the TUN device was removed"), "{}", daemon.last_words());
        let next = start(lab)?;
        progress.advance(MUCH).with_context(|| next.last_words())?;
        ensure!(before == seen_as(lab, CLIENT)?, "another address than {before}");
        Ok(next)
    })
    .map(drop)
}

/// Packets that are too long for the device are the kernel's to answer, those that are too long for nat64 are its own.
fn mtu_changed_underneath_stops_no_flow(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let daemon = start(lab)?;
    during(lab, stream, CLIENT, |progress| {
        for mtu in [1280, 1500, 9000, 1400, 1500] {
            lab.network.gateway.set_mtu(DEVICE, mtu)?;
            progress.advance(MUCH).with_context(|| format!("MTU {mtu}; {}", daemon.last_words()))?;
        }
        Ok(())
    })
}

/// The kernel drops a device's routes when it goes down, and the IPv6 ones when its MTU is too small for IPv6.
fn dropped_routes_come_back(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let daemon = start(lab)?;
    let gateway = &lab.network.gateway;
    let faults: [(&str, &dyn Fn() -> Result<()>); 2] = [
        ("down and up", &|| gateway.take_down(DEVICE).and_then(|()| gateway.bring_up(DEVICE))),
        ("MTU", &|| gateway.set_mtu(DEVICE, 1000).and_then(|()| gateway.set_mtu(DEVICE, 1500))),
    ];
    during(lab, stream, CLIENT, |progress| {
        progress.advance(MUCH)?;
        let before = seen_as(lab, CLIENT)?;
        for (name, fault) in faults {
            fault()?;
            progress.advance(MUCH).with_context(|| format!("{name}; {}", daemon.last_words()))?;
        }
        ensure!(before == seen_as(lab, CLIENT)?, "another address than {before}");
        let told = daemon.program.output();
        ensure!(told.matches("routes that the kernel dropped are back").count() >= 2, "{told}");
        ensure!(told.contains("somebody has changed the device's MTU"), "{told}");
        Ok(())
    })
}

/// A pool of two addresses, and three hosts.
fn full_pool_is_answered_and_recovers(lab: &mut Lab) -> Result<()> {
    add_addresses(lab)?;
    let small = configuration(lab, "").replace(POOL, "192.168.255.0/30");
    lab.files.write_config(&small)?;
    let lab = &*lab;
    let daemon = start(lab)?;
    let holders = [TWIN, OTHERS[0]];
    let [first, second] = [seen_as(lab, holders[0])?, seen_as(lab, holders[1])?];
    during(lab, datagrams, OTHERS[0], |progress| {
        progress.advance(100)?;
        let refused = lab.as_client(|| icmp::provoke(through_nat64_at(ALPHA, ECHO), None, b"no room"))?;
        ensure!(refused.complaint.kind == icmp::Kind(1, 5), "{}", refused.complaint.kind);
        ensure!(refused.complaint.from == TRANSLATOR, "from {}", refused.complaint.from);
        progress.advance(100)
    })?;
    let counted = "causeway_nat64_icmp_errors_total{direction=\"v6_to_v4\",reason=\"pool_exhausted\"}";
    ensure!(daemon.admin.metric(counted)? >= 1, "the refusal is not counted");

    // Three hours later: the lease of the first host is dormant, and the host that waits may have it.
    let map = wait_for_map(&lab.files.state(), &holders)?;
    ensure!(daemon.program.stop().is_some(), "it does not end");
    fs::write(lab.files.state().join("dynamic.map"), three_hours_older(&map, holders[0]))?;
    let daemon = start(lab)?;
    ensure!(seen_as(lab, CLIENT)? == first, "the client has not got {first}");
    ensure!(seen_as(lab, holders[1])? == second, "{} has lost {second}", holders[1]);

    lab.files.write_config(&configuration(lab, ""))?;
    during(lab, datagrams, OTHERS[0], |progress| {
        progress.advance(100)?;
        let reply = daemon.admin.post("/reload")?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        seen_as(lab, holders[0])?;
        ensure!(seen_as(lab, CLIENT)? == first, "the client has lost {first}");
        progress.advance(100)
    })
}

/// `dynamic.map` with the last packet of `host` three hours earlier.
fn three_hours_older(map: &str, host: Ipv6Addr) -> String {
    let older = |line: &str| {
        let mark = format!("\t{host}\t");
        match line.split_once(&mark).and_then(|(v4, time)| Some((v4, time.parse::<u64>().ok()?))) {
            Some((v4, time)) => format!("{v4}{mark}{}\n", time - 3 * 3600),
            None => format!("{line}\n"),
        }
    };
    map.lines().map(older).collect::<Vec<_>>().concat()
}

const WRITE_FAILURES: &str = "causeway_nat64_lease_write_failures_total";
const WARNING: &str = "new leases are not on disk";

/// New hosts come while the state directory takes nothing, and another one afterwards.
fn state_dir_fails_for_a_while(
    lab: &Lab,
    daemon: &Daemon,
    state: &Path,
    ruin: impl FnOnce() -> Result<()>,
    mend: impl FnOnce() -> Result<()>,
) -> Result<()> {
    add_addresses(lab)?;
    seen_as(lab, CLIENT)?;
    wait_for_map(state, &[CLIENT])?;
    ruin()?;
    during(lab, datagrams, CLIENT, |progress| {
        for (turn, host) in [(1, TWIN), (2, OTHERS[0])] {
            seen_as(lab, host)?;
            until(PATIENCE, &format!("failure {turn} counted"), || {
                Ok((daemon.admin.metric(WRITE_FAILURES)? >= turn).then_some(()))
            })?;
        }
        progress.advance(100)?;
        let warnings = daemon.program.output().matches(WARNING).count();
        ensure!(warnings == 1, "{warnings} warnings; {}", daemon.last_words());
        mend()?;
        seen_as(lab, OTHERS[1])?;
        wait_for_map(state, &[CLIENT, TWIN, OTHERS[0], OTHERS[1]])?;
        progress.advance(100)
    })
}

fn full_state_dir_costs_no_packet(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let daemon = start_so(lab, |launch| launch.with_small_directory(lab.files.state(), 64 << 10))?;
    let state = daemon.program.sees(&lab.files.state());
    let filler = state.join("filler");
    let fill = || {
        // The write ends where the space does.
        let full = fs::write(&filler, vec![0; 128 << 10]);
        ensure!(full.is_err(), "64 KiB hold 128");
        Ok(())
    };
    state_dir_fails_for_a_while(lab, &daemon, &state, fill, || Ok(fs::remove_file(&filler)?))
}

fn read_only_state_dir_costs_no_packet(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let daemon = start(lab)?;
    let state = lab.files.state();
    let set = |mode| Ok(fs::set_permissions(&state, Permissions::from_mode(mode))?);
    state_dir_fails_for_a_while(lab, &daemon, &state, || set(0o555), || set(0o755))
}

/// A full disk may not keep the daemon from starting: it starts with what it reads.
fn start_on_a_read_only_state_dir(lab: &mut Lab) -> Result<()> {
    add_addresses(lab)?;
    let lab = &*lab;
    let daemon = start(lab)?;
    let before = [CLIENT, TWIN].map(|source| seen_as(lab, source).ok());
    wait_for_map(&lab.files.state(), &[CLIENT, TWIN])?;
    kill(lab, &daemon)?;
    let daemon = start_so(lab, |launch| launch.with_read_only(lab.files.state()))?;
    let [second, first] = [TWIN, CLIENT].map(|source| seen_as(lab, source).ok());
    ensure!([first, second] == before, "were {before:?}, are {:?}", [first, second]);
    until(PATIENCE, "the warning", || Ok(daemon.program.output().contains(WARNING).then_some(())))?;
    ensure!(daemon.admin.metric(WRITE_FAILURES)? >= 1, "no failure is counted");
    Ok(())
}

fn flood_stops_no_good_packet(lab: &mut Lab, offload: &str) -> Result<()> {
    const EXCHANGES: usize = 200;
    lab.files.write_config(&configuration(lab, &format!("offload = \"{offload}\"")))?;
    let lab = &*lab;
    let daemon = start(lab)?;
    let bad: Vec<_> = bad_packets()
        .into_iter()
        .map(|(_, destination, next_header, rest)| {
            (destination, ipv6(CLIENT, destination, next_header, &rest))
        })
        .collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| -> Result<()> {
        let flood = scope.spawn(|| -> Result<u64> {
            let sender = lab.as_client(Sender::open)?;
            let mut sent = 0;
            while !stop.load(Ordering::Acquire) {
                for (destination, packet) in &bad {
                    // What a full queue does not take is not sent again.
                    sent += u64::from(sender.send(packet, *destination).is_ok());
                }
            }
            Ok(sent)
        });
        let exchanged = lab.as_client(|| {
            (0..EXCHANGES).try_for_each(|turn| {
                let echoed = udp::echo(through_nat64_at(ALPHA, ECHO), 64 + turn);
                echoed.map(drop).with_context(|| format!("exchange {turn} in the flood"))
            })
        });
        stop.store(true, Ordering::Release);
        let sent = flood.join().expect("a flood does not panic")?;
        exchanged?;
        ensure!(sent > 0, "there was no flood");
        Ok(())
    })?;
    until(PATIENCE, "one fate for each packet", || {
        let (received, met) = fates(&daemon.admin)?;
        Ok((received == met && received > 2 * u64::try_from(EXCHANGES)?).then_some(()))
    })?;
    ensure!(daemon.admin.metric("causeway_nat64_worker_panics_total")? == 0, "a worker panicked");
    Ok(())
}

fn reloads_lose_no_packet(lab: &mut Lab, offload: &str) -> Result<()> {
    const ROUNDS: usize = 2;
    let usual = format!("offload = \"{offload}\"");
    let map = "[[nat64.map]]\nv4 = \"203.0.113.0/28\"\nv6 = \"2001:db8:7::/124\"\n[dns64]";
    let text = |more: &str| configuration(lab, &format!("{usual}\n{more}"));
    let variants = [
        text("").replacen("[dns64]", map, 1),
        text(""),
        text("").replace(POOL, "192.168.254.0/23"),
        text("mtu = 1400"),
        text("udp_zero_checksum = \"calculate\""),
        text("mtu = 9000").replacen("[dns64]", map, 1),
        text("").replace(
            "pref64 = \"2001:db8:64::/96\"",
            "pref64 = \"2001:db8:64::/96\"\nallow_private_ipv4 = true",
        ),
        text(""),
    ];
    lab.files.write_config(&text(""))?;
    let lab = &*lab;
    let daemon = start(lab)?;
    during(lab, datagrams, CLIENT, |progress| {
        for (turn, variant) in variants.iter().cycle().take(ROUNDS * variants.len()).enumerate() {
            progress.advance(64)?;
            lab.files.write_config(variant)?;
            let reply = daemon.admin.post("/reload")?;
            ensure!(reply.status == 200, "change {turn}: {} {}", reply.status, reply.text());
        }
        progress.advance(64)
    })
    .with_context(|| daemon.last_words())
}
