//! What is known of one pool across configurations.

use super::line::Line;
use super::settings::Settings;
use super::stick::StickTable;
use config::model::Stick;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What outlives a configuration that names the pool.
#[derive(Debug, Default)]
pub(crate) struct PoolState {
    /// Who waits for a place.
    pub(crate) line: Line,
    stick: Mutex<Option<StickTable>>,
    settings: Mutex<Settings>,
    retries: AtomicU64,
    redispatches: AtomicU64,
}

impl PoolState {
    /// Keeps the table for a configuration that is in force from here on.
    pub(crate) fn stick_to<'a>(&self, config: Option<&Stick>, members: impl Iterator<Item = &'a str>) {
        let mut table = self.table();
        match config {
            Some(config) => {
                table.get_or_insert_with(|| StickTable::new(*config)).adapt(config, members);
            }
            None => *table = None,
        }
    }

    /// The name of the member that this client belongs to.
    pub(crate) fn member_of(&self, client: IpAddr, now: Instant) -> Option<String> {
        self.table().as_mut()?.find(client, now).map(str::to_owned)
    }

    /// From here on the client belongs to this member.
    pub(crate) fn bind(&self, client: IpAddr, member: &str, now: Instant) {
        if let Some(table) = self.table().as_mut() {
            table.bind(client, member, now);
        }
    }

    /// Clients that belong to a member.
    pub(crate) fn bound(&self) -> usize {
        self.table().as_ref().map_or(0, StickTable::len)
    }

    /// A connection to a member failed and is tried again there.
    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection to a member failed and is tried at another.
    pub(crate) fn redispatched(&self) {
        self.redispatches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(crate) fn redispatches(&self) -> u64 {
        self.redispatches.load(Ordering::Relaxed)
    }

    /// What an operator wants of the members.
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Option<StickTable>> {
        self.stick.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
