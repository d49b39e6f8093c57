//! How much of something may be in use at one time: by all clients together, and by each. Pure but for the lock.
//!
//! A client is an IPv4 address or an IPv6 /64, which one host has to itself. Owns the accounts, not what is counted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The part of everything that one client may take. An eighth is ample for a busy resolver behind one address, and
/// it takes eight clients that mean harm to shut the others out.
pub const SHARE: usize = 8;

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u128),
}

impl Source {
    fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6(v6.to_bits() >> 64),
        }
    }
}

/// Why nothing more is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// The client has its share.
    Client,
    /// All clients together have everything.
    All,
}

/// A quantity that clients share.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: usize,
    accounts: Mutex<Accounts>,
}

/// What is in use. Only clients that have something stand here, so `total` bounds the memory.
#[derive(Debug, Default)]
struct Accounts {
    total: usize,
    taken: HashMap<Source, usize>,
}

/// One unit in use. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit {
    quota: Arc<Quota>,
    source: Source,
}

impl Quota {
    /// `limit` units for all clients together.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, accounts: Mutex::default() })
    }

    /// One unit for `client`.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Permit, Exhausted> {
        let source = Source::of(client);
        self.accounts().take(source, self.limit)?;
        Ok(Permit { quota: Arc::clone(self), source })
    }

    /// How many sixteenths of everything are in use.
    pub(crate) fn crowding(&self) -> usize {
        self.accounts().total * 16 / self.limit.max(1)
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// How many sixteenths of everything are in use.
    pub(crate) fn crowding(&self) -> usize {
        self.quota.crowding()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.quota.accounts().give_back(self.source);
    }
}

impl Accounts {
    fn take(&mut self, source: Source, limit: usize) -> Result<(), Exhausted> {
        let taken = self.taken.get(&source).copied().unwrap_or_default();
        if taken >= limit.div_ceil(SHARE) {
            return Err(Exhausted::Client);
        }
        if self.total >= limit {
            return Err(Exhausted::All);
        }
        self.total += 1;
        self.taken.insert(source, taken + 1);
        Ok(())
    }

    fn give_back(&mut self, source: Source) {
        self.total = self.total.saturating_sub(1);
        if let Some(taken) = self.taken.get_mut(&source) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_gets_its_share_and_leaves_the_rest_to_others() {
        let quota = Quota::new(16);
        let greedy = client("192.0.2.1");
        let mut held: Vec<_> = (0..2).map(|_| quota.take(greedy).unwrap()).collect();
        assert_eq!(quota.take(greedy).unwrap_err(), Exhausted::Client);
        assert!(quota.take(client("192.0.2.2")).is_ok());
        held.pop();
        assert!(quota.take(greedy).is_ok(), "what was given back can be had again");
    }

    #[test]
    fn all_clients_together_get_no_more_than_there_is() {
        let quota = Quota::new(16);
        let each = |last: u8| IpAddr::from([192, 0, 2, last]);
        let held: Vec<_> = (0..16).map(|last| quota.take(each(last)).unwrap()).collect();
        assert_eq!((held[0].crowding(), Quota::new(16).crowding()), (16, 0));
        assert_eq!(quota.take(client("198.51.100.1")).unwrap_err(), Exhausted::All);
        drop(held);
        let accounts = quota.accounts();
        assert_eq!((accounts.total, accounts.taken.len()), (0, 0), "nobody is remembered");
    }

    #[test]
    fn a_client_is_an_ipv4_address_however_written_or_an_ipv6_64() {
        let same = |a: &str, b: &str| Source::of(client(a)) == Source::of(client(b));
        assert!(same("2001:db8::1", "2001:db8::ffff:0:0:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
