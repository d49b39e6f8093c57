//! The same packets to ours and to Debian's Tayga: what differs is explained, row by row, or wrong.

mod anatomy;
mod arena;
mod cases;
mod dice;
mod differences;
mod packet;

use crate::stage::{Stage, Verdict, trial};
use anatomy::Anatomy;
use anyhow::{Context, Result, bail, ensure};
use arena::{CLIENTS, Outcome, Side, embed};
use cases::Cases;
use differences::{Difference, EXPLAINED};
use libtest_mimic::Trial;
use packet::{Head6, Pair, UDP, ipv6, udp};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tests::peers::tayga;

/// How many packets are compared.
const PACKETS: usize = 10_000;

/// Where the dice start.
const SEED: u64 = 7915;

/// Unexplained differences that are shown in full.
const SHOWN: usize = 5;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![trial(stage, "oracle", "ours_and_tayga_agree_or_the_difference_is_explained", agree)]
}

fn agree(stage: &Stage) -> Result<Verdict> {
    let Some(tayga) = tayga::find() else {
        return Ok(Verdict::Skipped(format!("the Debian package {} is not installed", tayga::PACKAGE)));
    };
    let (mut ours, _admin) = Side::ours(stage.binaries()?, "offload = \"off\"")?;
    let mut theirs = Side::tayga(&tayga)?;
    let leased = lease_all(&mut ours)?;
    let leased_there = lease_all(&mut theirs)?;
    ensure!(leased == leased_there, "leased by ours: {leased:?}, by Tayga: {leased_there:?}");

    let mut cases = Cases::new(SEED, leased);
    let mut fired = vec![0_usize; EXPLAINED.len()];
    let mut unexplained = Vec::new();
    for number in 0..PACKETS {
        let packet = cases.packet();
        let (here, there) = (ours.exchange(&packet)?, theirs.exchange(&packet)?);
        let request = Anatomy::of(&packet);
        for difference in differences::between(&here, &there) {
            match EXPLAINED.iter().position(|row| (row.holds)(&request, &difference)) {
                Some(row) => fired[row] += 1,
                None => unexplained.push((number, describe(&packet, &here, &there, &difference), difference)),
            }
        }
    }
    ensure!(unexplained.is_empty(), "{}", summary(&unexplained));
    let idle: Vec<_> =
        EXPLAINED.iter().zip(&fired).filter(|(_, count)| **count == 0).map(|(row, _)| row.what).collect();
    ensure!(idle.is_empty(), "explains nothing that was seen: {idle:#?}");
    Ok(Verdict::Passed)
}

/// Has every client send a packet, and tells the address it has on the IPv4 side.
fn lease_all(side: &mut Side) -> Result<Vec<Ipv4Addr>> {
    let lease = |src| -> Result<Ipv4Addr> {
        let pair = Pair { src, dst: embed(Ipv4Addr::new(203, 0, 113, 9)) };
        let outcome = side.exchange(&ipv6(pair, UDP, &Head6::default(), &udp(pair, [4000, 53], b"hello")))?;
        let [packet] = &outcome[..] else { bail!("{} packets", outcome.len()) };
        Anatomy::of(packet).get("src").parse().context("an IPv4 source")
    };
    CLIENTS.into_iter().map(lease).collect()
}

fn describe(packet: &[u8], ours: &Outcome, theirs: &Outcome, difference: &Difference) -> String {
    let mut text = String::new();
    let mut show = |title: &str, packets: &[Vec<u8>]| {
        let _ = writeln!(text, "    {title}:");
        for packet in packets {
            let _ = writeln!(text, "{}        --", Anatomy::of(packet));
        }
    };
    show("the packet", &[packet.to_vec()]);
    show("ours", ours);
    show("Tayga's", theirs);
    let _ = writeln!(text, "    {difference}");
    text
}

/// How many differences of each kind there are, and a few in full.
fn summary(unexplained: &[(usize, String, Difference)]) -> String {
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for (_, _, difference) in unexplained {
        *kinds.entry(difference.to_string()).or_default() += 1;
    }
    let mut text = format!("{} unexplained differences\n", unexplained.len());
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (kind, count) in kinds.iter().take(60) {
        let _ = writeln!(text, "  {count:5} {kind}");
    }
    for (number, full, _) in unexplained.iter().take(SHOWN) {
        let _ = writeln!(text, "packet {number}:\n{full}");
    }
    text
}
