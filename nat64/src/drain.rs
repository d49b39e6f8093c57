//! What a pool leaves behind when a reload shrinks, moves or removes it: networks whose addresses some hosts still
//! have.
//!
//! ```text
//! reload ──> Pool: leases outside the range drain ──> translator and routes keep their networks
//!                       │ sweep, when the last host of a network is silent or mapped
//!                       v
//!            the network leaves the translator, then its route goes
//! ```
//!
//! Owns the upkeep of the translator's [`Params::pools`] and of the routes beyond those that the configuration asks
//! for. Which lease drains and when it ends is the [`crate::pool`]'s matter. A restart ends all draining: leases
//! outside the configured pool are given up then, as Tayga does.

use crate::lease::SharedPool;
use crate::pool::{Range, UnixTime};
use crate::routes::{Added, RouteError, Routes};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use translator::{Params, Translator};

/// How often leases are looked through for those whose time is over: as often as Tayga does.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(45);

/// The translator, the pool and the routes, kept in step.
pub struct Drain {
    translator: Arc<ArcSwap<Translator>>,
    pool: Arc<SharedPool>,
    /// `None` where the operator looks after routes.
    routes: Option<Routes>,
    /// The routes that the configuration in force asks for.
    wanted: Mutex<BTreeSet<IpNet>>,
}

impl Drain {
    /// Looks after these from here on. `wanted` are the routes that stand for the configuration in force.
    pub const fn new(
        translator: Arc<ArcSwap<Translator>>,
        pool: Arc<SharedPool>,
        routes: Option<Routes>,
        wanted: BTreeSet<IpNet>,
    ) -> Self {
        Self { translator, pool, routes, wanted: Mutex::new(wanted) }
    }

    /// The routes, where they are this daemon's.
    pub const fn routes(&self) -> Option<&Routes> {
        self.routes.as_ref()
    }

    /// Adds the routes that a change to `wanted` needs, those of networks that will drain included.
    pub async fn prepare(&self, wanted: &BTreeSet<IpNet>) -> Result<Option<Added>, RouteError> {
        match &self.routes {
            Some(routes) => routes.add(&self.beside(wanted)).await.map(Some),
            None => Ok(None),
        }
    }

    /// Puts a changed range, translator and set of routes in place. No lease that drains loses a packet: its route
    /// is there before, and the translator learns of the new networks together with all else. `restore` takes leases of
    /// an earlier run back, before a packet can have their addresses given to others.
    pub fn commit(
        &self,
        range: Range,
        translator: Translator,
        wanted: BTreeSet<IpNet>,
        added: Option<Added>,
        now: UnixTime,
        restore: impl FnOnce(&SharedPool),
    ) {
        let change = self.pool.change_range(range, now);
        restore(&self.pool);
        if change.ended > 0 {
            tracing::info!(
                leases = change.ended,
                "leases whose address or host is mapped, or idle, have ended"
            );
        }
        if change.draining > 0 {
            tracing::info!(
                leases = change.draining,
                "leases outside the pool work on until their hosts are silent for {} s, or until a restart",
                crate::pool::MIN_LEASE.as_secs()
            );
        }
        let translator = self.with_networks(translator.succeeding(&self.translator.load()));
        self.translator.store(Arc::new(translator));
        if let Some((routes, added)) = self.routes.as_ref().zip(added) {
            routes.commit(added, &self.beside(&wanted));
        }
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    }

    /// Ends the leases whose time is over at `now`, and takes back what was there for drained networks.
    pub fn sweep(&self, now: UnixTime) {
        let before = self.pool.networks();
        let ended = self.pool.sweep(now);
        if ended > 0 {
            tracing::debug!(leases = ended, "leases of silent hosts have ended");
        }
        let after = self.pool.networks();
        if after == before {
            return;
        }
        for net in before.iter().filter(|net| !after.contains(net)) {
            tracing::info!(%net, "a network that was the pool's has drained");
        }
        let translator = Translator::clone(&self.translator.load());
        self.translator.store(Arc::new(self.with_networks(translator)));
        if let Some(routes) = &self.routes {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            routes.retain(&self.beside(&wanted));
        }
    }

    /// Sweeps for ever.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.sweep(crate::worker::unix_time());
        }
    }

    /// `translator`, which leaves to leases what the pool says.
    fn with_networks(&self, translator: Translator) -> Translator {
        let pools = self.pool.networks();
        if translator.params().pools == pools {
            return translator;
        }
        Translator::new(Params { pools, ..translator.params().clone() })
    }

    /// `wanted` and what the pool's networks need beside it. What lies within another one stands all the same: it must
    /// be there when the wider one goes.
    fn beside(&self, wanted: &BTreeSet<IpNet>) -> BTreeSet<IpNet> {
        wanted.iter().copied().chain(self.pool.networks().into_iter().map(IpNet::V4)).collect()
    }
}

#[cfg(test)]
mod tests;
