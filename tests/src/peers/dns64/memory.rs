//! What many names cost a resolver, and how many of them it has kept.
//!
//! A name that is in the cache is told from others by its TTL, which is less than that of an answer that was just made.

use super::questions;
use super::way::{Resolver, check};
use crate::peers::memory::{peak_of, resident_of};
use crate::probe::dns::{Transport, ask};
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, ensure};
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use std::ops::Range;

/// Names that are looked at, of all.
const SAMPLE: u32 = 1000;

/// What a filled cache has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    /// Bytes that the process grew by for each name that it holds.
    pub(super) a_name: f64,
    /// The part of all names that it holds.
    pub(super) held: f64,
    /// What the process grew by at the most, in MiB.
    pub(super) grown: f64,
}

/// A resolver that is about to be filled.
pub(super) struct Room {
    process: i32,
    before: u64,
}

impl Room {
    /// Looks at how much it has when it is empty.
    pub(super) fn open(resolver: &Resolver) -> Result<Self> {
        let process = resolver.running.program().context("it has no memory of its own")?.pid();
        Ok(Self { process, before: resident_of(process)? })
    }

    /// Looks at what it has after it was asked for `names`; it was never asked for `unknown`.
    pub(super) fn look(&self, server: SocketAddr, names: Range<u32>, unknown: u32) -> Result<Filling> {
        let [resident, peak] = [resident_of(self.process)?, peak_of(self.process)?]
            .map(|size| lossy(size.saturating_sub(self.before)));
        let ttl = |number| -> Result<u32> {
            let reply = ask(server, &questions::name(number), RecordType::AAAA, Transport::Udp)?;
            check(&reply)?;
            let last = reply.answers.last().context("an answer without records")?;
            Ok(last.ttl)
        };
        let fresh = ttl(unknown)?;
        // TTLs are in whole seconds: what was asked for last is told from what is new only when it is a second old.
        until(PATIENCE, "a name in the cache ages", || Ok((ttl(unknown)? < fresh).then_some(())))?;
        let step = (names.len() / SAMPLE as usize).max(1);
        let (mut held, mut looked) = (0_u32, 0_u32);
        for number in names.clone().step_by(step) {
            held += u32::from(ttl(number)? < fresh);
            looked += 1;
        }
        ensure!(held > 0, "of {looked} names none was kept");
        let held = f64::from(held) / f64::from(looked);
        let count = lossy(names.len() as u64);
        Ok(Filling { a_name: resident / (held * count), held, grown: peak / f64::from(1 << 20) })
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process has 2^53 bytes")]
fn lossy(count: u64) -> f64 {
    count as f64
}
