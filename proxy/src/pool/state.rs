//! What is known of one pool across configurations.

use super::line::Line;
use super::sessions::{Session, SessionTable};
use super::settings::Settings;
use super::stick::StickTable;
use crate::counts::Latencies;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What outlives a configuration that names the pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    /// Who waits for a place.
    pub(crate) line: Line,
    stick: Mutex<Option<StickTable>>,
    sessions: Mutex<Option<SessionTable>>,
    settings: Mutex<Settings>,
    retries: AtomicU64,
    redispatches: AtomicU64,
    /// Of requests.
    pub(crate) latencies: Latencies,
}

impl PoolState {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            line: Line::default(),
            stick: Mutex::default(),
            sessions: Mutex::default(),
            settings: Mutex::default(),
            retries: AtomicU64::default(),
            redispatches: AtomicU64::default(),
            latencies: Latencies::new(workers),
        }
    }

    /// Keeps the tables for a configuration that is in force from here on.
    pub(crate) fn stick_to(&self, pool: &config::model::Pool) {
        let members = || pool.member.iter().map(|member| member.name.as_str());
        let mut table = self.table();
        match &pool.stick {
            Some(config) => {
                table.get_or_insert_with(|| StickTable::new(*config)).adapt(config, members());
            }
            None => *table = None,
        }
        let mut sessions = self.sessions();
        match &pool.app_cookie {
            Some(config) => {
                sessions.get_or_insert_with(|| SessionTable::new(config.clone())).adapt(config, members());
            }
            None => *sessions = None,
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

    /// What stands for a value of the application's cookie.
    pub(crate) fn session(&self, value: &[u8]) -> Option<Session> {
        self.sessions().as_ref().map(|table| table.session(value))
    }

    /// The name of the member that this session belongs to.
    pub(crate) fn member_of_session(&self, session: Session, now: Instant) -> Option<String> {
        self.sessions().as_mut()?.find(session, now).map(str::to_owned)
    }

    /// From here on the session belongs to this member.
    pub(crate) fn bind_session(&self, session: Session, member: &str, now: Instant) {
        if let Some(table) = self.sessions().as_mut() {
            table.bind(session, member, now);
        }
    }

    /// Sessions that belong to a member.
    pub(crate) fn bound_sessions(&self) -> usize {
        self.sessions().as_ref().map_or(0, SessionTable::len)
    }

    /// Clients that belong to a member by their addresses.
    pub(crate) fn bound(&self) -> usize {
        self.table().as_ref().map_or(0, StickTable::len)
    }

    /// A connection to a member failed and is tried again: there, or at another.
    pub(crate) fn tried_again(&self, there: bool) {
        let count = if there { &self.retries } else { &self.redispatches };
        count.fetch_add(1, Ordering::Relaxed);
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

    fn sessions(&self) -> MutexGuard<'_, Option<SessionTable>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Option<StickTable>> {
        self.stick.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
