//! One way from the client to the server, and what can be measured on it.

use super::instance::{FULL_POOL, host};
use crate::admin::Admin;
use crate::peers::crowd::Crowd;
use crate::peers::ends::Ends;
use crate::peers::flood::{self, Receiver};
use crate::peers::stream::{Direction, throughput};
use crate::peers::{cores, datagram, memory};
use crate::program::Program;
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// The counters that tell whether super-packets cross whole: those that came in, and all that went out.
const CROSSING: [&str; 2] =
    ["causeway_nat64_super_packets_total", "causeway_nat64_sent_packets_total{family=\"ipv4\"}"];

/// The counters that tell whether a pool is full.
const LEASES: &str = "causeway_nat64_leases";
const ADDRESSES: &str = "causeway_nat64_pool_addresses";

/// Flows of each host where every worker is to know it: a flow meets one worker.
const PORTS: u32 = 4;

/// A way, and who translates on it.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// Where it begins and ends.
    pub ends: Ends<'a>,
    /// The translator's process, where there is one.
    pub translator: Option<&'a Program>,
    /// Its counters, where it has any.
    pub admin: Option<&'a Admin>,
    /// How many hosts a crowd has that sends this way.
    pub hosts: u32,
}

impl Way<'_> {
    /// In Gbit/s.
    pub fn throughput(&self, streams: usize, direction: Direction) -> Result<Vec<Option<f64>>> {
        Ok(vec![Some(throughput(self.ends, streams, direction)? / 1e9)])
    }

    /// In datagrams a second, microseconds, and the part that kept its order.
    pub fn flood(&self) -> Result<Vec<Option<f64>>> {
        let process = self.translator.map(Program::pid);
        let supers = || self.admin.map(|admin| admin.metric(CROSSING[0])).transpose();
        let delivery = cores::apart(process, || flood::small(self.ends, process, supers))?;
        let [before, after] = delivery.seen;
        ensure!(before == after, "small datagrams came as super-packets: that is another measurement");
        Ok(vec![Some(delivery.rate), delivery.cost.map(microseconds), Some(delivery.in_order)])
    }

    /// In microseconds.
    pub fn round_trip(&self) -> Result<Vec<Option<f64>>> {
        Ok(vec![Some(microseconds(datagram::round_trip(self.ends)?))])
    }

    /// In Gbit/s, and super-packets that came in for each packet that went out.
    pub fn segmented(&self, receiver: Receiver) -> Result<Vec<Option<f64>>> {
        let look = || {
            let read = |admin: &Admin| Ok([admin.metric(CROSSING[0])?, admin.metric(CROSSING[1])?]);
            self.admin.map(read).transpose()
        };
        let found = flood::segmented(self.ends, receiver, look)?;
        let [before, after] = found.seen;
        let whole = before.zip(after).map(|([supers, sent], [supers_after, sent_after])| {
            lossy(supers_after - supers) / lossy(sent_after - sent)
        });
        Ok(vec![Some(found.rate / 1e9), whole])
    }

    /// The most memory that the translator had, in MiB, after the hosts of its crowd have been heard by every worker.
    pub fn memory(&self) -> Result<Vec<Option<f64>>> {
        let (crowd, process) = self.crowd(PORTS)?;
        // For the caches of all workers, and for the writing down of leases, which costs memory too and is due after a
        // second: the next turn at the latest sees it.
        crowd.cost(process)?;
        Ok(vec![Some(lossy(memory::peak_of(process)?) / f64::from(1 << 20))])
    }

    /// CPU time of each datagram of the crowd, in microseconds.
    pub fn crowd_cost(&self) -> Result<Vec<Option<f64>>> {
        let (crowd, process) = self.crowd(1)?;
        let cost = cores::apart(Some(process), || crowd.cost(process))?;
        Ok(vec![Some(microseconds(cost))])
    }

    /// The crowd, all of it known to the translator, and the translator's process.
    fn crowd(&self, ports: u32) -> Result<(Crowd, i32)> {
        let process = self.translator.context("the kernel knows no hosts")?.pid();
        let crowd = Crowd::gather(self.ends, self.hosts, ports, host)?;
        crowd.reach()?;
        if let Some(admin) = self.admin
            && self.hosts == FULL_POOL
        {
            let [leases, addresses] = [LEASES, ADDRESSES].map(|series| admin.metric(series));
            let [leases, addresses] = [leases?, addresses?];
            ensure!(
                leases == addresses,
                "{leases} of {addresses} addresses are leased: the pool is not full"
            );
        }
        Ok((crowd, process))
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
fn lossy(count: u64) -> f64 {
    count as f64
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
