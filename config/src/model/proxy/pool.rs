//! `[[proxy.pool]]`: servers that share a load, and how it is known that they can.

use crate::defaults;
use std::net::SocketAddr;
use std::time::Duration;

/// One `[[proxy.pool]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// `name`.
    pub name: String,
    /// `balance`.
    pub balance: Balance,
    /// `check`.
    pub check: Check,
    /// `[[proxy.pool.member]]`; names are unique in the pool.
    pub member: Vec<Member>,
}

impl Pool {
    /// A pool with the default of every key that has one.
    pub fn new(name: impl Into<String>, member: Vec<Member>) -> Self {
        Self { name: name.into(), balance: defaults::BALANCE, check: Check::default(), member }
    }
}

/// `proxy.pool.balance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, by weight.
    Roundrobin,
    /// The fewest connections for its weight.
    Leastconn,
    /// By the client's address.
    Source,
    /// The less loaded of two drawn by chance.
    Random,
    /// Consistent hashing of the client's address.
    Hash,
}

/// `proxy.pool.check`: how a member's health is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `kind`.
    pub kind: CheckKind,
    /// `interval` between checks.
    pub interval: Duration,
    /// `timeout` of one check.
    pub timeout: Duration,
    /// `rise`: good checks in a row that bring a member back.
    pub rise: u32,
    /// `fall`: failed checks in a row that take a member out.
    pub fall: u32,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            kind: defaults::CHECK_KIND,
            interval: defaults::CHECK_INTERVAL,
            timeout: defaults::CHECK_INTERVAL,
            rise: defaults::CHECK_RISE,
            fall: defaults::CHECK_FALL,
        }
    }
}

/// `proxy.pool.check.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is opened and closed.
    Tcp,
    /// Members count as healthy.
    Off,
}

/// One `[[proxy.pool.member]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `name`.
    pub name: String,
    /// `address` with its port, of either family.
    pub address: SocketAddr,
    /// `weight`, 0 to 256; 0 takes no new connections.
    pub weight: u16,
}

impl Member {
    /// A member with the default of every key that has one.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self { name: name.into(), address, weight: defaults::WEIGHT }
    }
}
