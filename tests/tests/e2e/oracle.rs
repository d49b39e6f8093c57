//! The same packets to ours and to Debian's Tayga: what differs is explained, row by row, or wrong. etherparse judges
//! every packet that ours emits, and the counters have to know of each one that it read.

mod anatomy;
mod arena;
mod cases;
mod dice;
mod differences;
mod judge;
mod packet;

use crate::garbage::fates;
use crate::stage::{Stage, Verdict, trial};
use anatomy::Anatomy;
use anyhow::{Context, Result, bail, ensure};
use arena::{CLIENTS, Outcome, Side, embed};
use cases::Cases;
use differences::EXPLAINED;
use judge::judge;
use libtest_mimic::Trial;
use packet::{Head6, Pair, UDP, ipv6, udp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tests::peers::tayga;

/// How many packets are compared, and where the dice start.
const PACKETS: usize = 12_000;
const SEED: u64 = 7915;

/// Unexplained differences that are shown in full.
const SHOWN: usize = 5;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![trial(stage, "oracle", "ours_and_tayga_agree_or_the_difference_is_explained", ours_and_tayga_agree)]
}

fn ours_and_tayga_agree(stage: &Stage) -> Result<Verdict> {
    let Some(tayga) = tayga::find() else {
        return Ok(Verdict::Skipped(format!("the Debian package {} is not installed", tayga::PACKAGE)));
    };
    let (mut ours, admin) = Side::ours(stage.binaries()?)?;
    let mut theirs = Side::tayga(&tayga)?;
    let leased = lease_all(&mut ours)?;
    let leased_there = lease_all(&mut theirs)?;
    ensure!(leased == leased_there, "leased by ours: {leased:?}, by Tayga: {leased_there:?}");

    let mut cases = Cases::new(SEED, leased);
    let mut ledger = Ledger::default();
    for _ in 0..PACKETS {
        let packet = cases.packet();
        let (here, there) = (ours.exchange(&packet)?, theirs.exchange(&packet)?);
        ledger.enter(&packet, &here, &there)?;
    }
    ledger.settle()?;
    let (received, met) = fates(&admin)?;
    let asked = u64::try_from(PACKETS)?;
    ensure!(received == met, "{received} packets were read, and {met} accounted for");
    ensure!(received >= 2 * asked, "{received} packets were read of {asked}, each with a question behind it");
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

/// What was seen of all packets.
#[derive(Default)]
struct Ledger {
    packets: usize,
    /// The rows of [`EXPLAINED`] that have held.
    held: BTreeSet<usize>,
    /// How often each difference was seen that no row explains.
    unexplained: BTreeMap<String, usize>,
    /// Some of these in full.
    shown: String,
}

impl Ledger {
    /// Compares what both made of a packet.
    ///
    /// # Errors
    /// Ours emitted what etherparse finds wrong.
    fn enter(&mut self, packet: &[u8], ours: &Outcome, theirs: &Outcome) -> Result<()> {
        let arrived = Anatomy::of(packet);
        for emitted in ours {
            judge(&arrived, emitted).with_context(|| full(self.packets, packet, ours, theirs))?;
        }
        for difference in differences::between(&arrived, ours, theirs) {
            if let Some(row) = EXPLAINED.iter().position(|row| row.explains(&arrived, &difference)) {
                self.held.insert(row);
                continue;
            }
            if self.unexplained.values().sum::<usize>() < SHOWN {
                self.shown += &full(self.packets, packet, ours, theirs);
            }
            *self.unexplained.entry(difference.to_string()).or_default() += 1;
        }
        self.packets += 1;
        Ok(())
    }

    /// # Errors
    /// Something is unexplained, or a row explains nothing.
    fn settle(self) -> Result<()> {
        let mut kinds: Vec<_> = self.unexplained.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut list = String::new();
        for (kind, count) in &kinds {
            let _ = writeln!(list, "{count:5} times {kind}");
        }
        ensure!(kinds.is_empty(), "unexplained differences:\n{list}\n{}", self.shown);
        let idle = EXPLAINED.iter().enumerate().filter(|(row, _)| !self.held.contains(row));
        let idle: Vec<_> = idle.map(|(_, row)| row.what).collect();
        ensure!(idle.is_empty(), "rows that explain nothing that was seen: {idle:#?}");
        Ok(())
    }
}

/// A packet and what became of it, field by field.
fn full(number: usize, packet: &[u8], ours: &Outcome, theirs: &Outcome) -> String {
    let mut text = format!("packet {number}:\n{}", Anatomy::of(packet));
    for (whose, outcome) in [("ours", ours), ("Tayga's", theirs)] {
        for emitted in outcome {
            let _ = write!(text, "    {whose}:\n{}", Anatomy::of(emitted));
        }
    }
    text
}
