//! This daemon's tables of `GET /status`, which the command `status` prints.
//!
//! The numbers are those of [`crate::metrics`], put side by side for a person who looks once.

use crate::counters::{Family, WriteError};
use crate::device::Offloads;
use crate::metrics::{COUNTERS, Sources};
use service::{Cell, Table};
use translator::{Direction, Merge};

/// The device as it was opened.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Its name.
    pub device: String,
    /// Its queues, each with a worker.
    pub queues: usize,
    /// What the kernel leaves to the other end of a super-packet.
    pub offloads: Offloads,
    /// Whether it stays when the daemon ends.
    pub persistent: bool,
}

/// All tables, as the numbers are now.
pub fn tables(attachment: &Attachment, sources: &Sources) -> Vec<Table> {
    vec![
        device(attachment, sources),
        pool(sources),
        traffic(sources),
        translated(sources),
        refused(sources),
        write_errors(sources),
        Table::new("other", &["event", "number"])
            .rows(COUNTERS.iter().map(|counter| [counter.name.into(), (counter.value)(sources).into()])),
    ]
}

fn device(attachment: &Attachment, sources: &Sources) -> Table {
    let Attachment { device, queues, offloads, persistent } = attachment;
    let columns = [
        "name",
        "persistent",
        "queues",
        "workers",
        "checksum_offload",
        "tcp_offload",
        "udp_offload",
        "merging",
    ];
    Table::new("device", &columns).row([
        device.as_str().into(),
        word(*persistent),
        (*queues as u64).into(),
        (sources.workers.len() as u64).into(),
        word(offloads.checksum),
        word(offloads.tcp),
        word(offloads.udp),
        word(sources.merging.merge() != Merge::default()),
    ])
}

fn pool(sources: &Sources) -> Table {
    let pool = &sources.pool;
    let leases = [pool.len(), pool.draining()].map(|leases| leases as u64);
    Table::new("pool", &["leases", "draining", "addresses"]).row([
        leases[0].into(),
        leases[1].into(),
        pool.size().into(),
    ])
}

fn word(yes: bool) -> Cell {
    if yes { "yes" } else { "no" }.into()
}

fn traffic(sources: &Sources) -> Table {
    let columns = ["family", "received_packets", "received_bytes", "sent_packets", "sent_bytes"];
    Table::new("device traffic", &columns).rows(Family::ALL.map(|family| {
        let index = family as usize;
        [
            family.label().into(),
            sources.sum(|worker| worker.received[index].packets.get()).into(),
            sources.sum(|worker| worker.received[index].bytes.get()).into(),
            sources.sum(|worker| worker.sent[index].packets.get()).into(),
            sources.sum(|worker| worker.sent[index].bytes.get()).into(),
        ]
    }))
}

fn translated(sources: &Sources) -> Table {
    Table::new("translated", &["direction", "packets", "bytes"]).rows(Direction::ALL.map(|direction| {
        let index = direction as usize;
        [
            direction.label().into(),
            sources.sum(|worker| worker.translated[index].packets.get()).into(),
            sources.sum(|worker| worker.translated[index].bytes.get()).into(),
        ]
    }))
}

fn refused(sources: &Sources) -> Table {
    let dropped = sources.refused(|worker| &worker.dropped);
    let answered = sources.refused(|worker| &worker.errors);
    let rows = dropped.into_iter().zip(answered).map(|((direction, reason, dropped), (_, _, answered))| {
        [direction.into(), reason.label().into(), dropped.into(), answered.into()]
    });
    Table::new("not translated", &["direction", "reason", "dropped", "answered"]).rows(rows)
}

fn write_errors(sources: &Sources) -> Table {
    Table::new("write errors", &["error", "packets"]).rows(WriteError::ALL.map(|error| {
        let packets = sources.sum(|worker| worker.write_errors[error as usize].get());
        [error.label().into(), packets.into()]
    }))
}
