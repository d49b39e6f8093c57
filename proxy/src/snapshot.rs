//! The configuration as the data path reads it: immutable, swapped as one pointer.
//!
//! Workers read it per connection (tcp) and per request (http), so that a kept connection follows a change with its
//! next request. State that outlives a configuration (counters, health) is carried over by name.

mod route;

pub(crate) use route::{Route, holds};

use crate::capacity::{self, Capacity, FlowLimits, Standing};
use crate::counts::OpenCount;
use crate::files::Files;
use crate::http::gates::Gates;
use crate::http::pages;
use crate::http::rules::Rules;
use crate::listener::Site;
use crate::log::{Log, LogCounts};
use crate::pool::{MemberState, Pool};
use crate::translated::Translated;
use arc_swap::ArcSwap;
use config::model::Proxy;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What all threads of the daemon share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The configuration in force.
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// The number of workers, which is also the number of shards of every counter.
    pub(crate) workers: usize,
    /// What bounds the number of client connections.
    pub(crate) capacity: Capacity,
    /// Client connections open.
    pub(crate) connections: OpenCount,
    /// Whether the process ends, and what is under way is cut off.
    cut_off: AtomicBool,
}

impl Shared {
    pub(crate) fn new(snapshot: Snapshot, workers: usize, capacity: Capacity) -> Self {
        let connections = OpenCount::new(workers);
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            workers,
            capacity,
            connections,
            cut_off: AtomicBool::new(false),
        }
    }

    /// What is under way from here on is cut off.
    pub(crate) fn cuts_off(&self) {
        self.cut_off.store(true, Ordering::Relaxed);
    }

    /// Whether what does not come to its end is cut off here.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Client connections that a worker may hold.
    pub(crate) fn connections_per_worker(&self) -> usize {
        self.capacity.per_worker(self.standing())
    }

    /// Bytes that a worker may keep for receivers that do not take them.
    pub(crate) fn kept_per_worker(&self) -> usize {
        self.capacity.kept_per_worker(self.standing())
    }

    /// Flows of datagrams that a worker may hold.
    pub(crate) fn flows_per_worker(&self) -> FlowLimits {
        self.capacity.flows_per_worker(self.standing())
    }

    fn standing(&self) -> Standing {
        let snapshot = self.snapshot.load();
        let (datagram_sites, members) = (snapshot.datagram_sites, snapshot.members);
        let stream_sites = snapshot.routes.len() - datagram_sites;
        let tls_sides = usize::from(!snapshot.files.terminations.is_empty())
            + usize::from(!snapshot.files.originations.is_empty());
        Standing { workers: self.workers, stream_sites, datagram_sites, members, tls_sides }
    }

    /// Whether a worker that holds `taken` connections may take one of a listener that has `own` in all workers.
    pub(crate) fn has_room(&self, taken: usize, own: usize) -> bool {
        let limit = self.connections_per_worker();
        let share = limit.saturating_mul(self.workers) / self.snapshot.load().listeners.len().max(1);
        capacity::leaves_room(limit, taken, own < share)
    }
}

/// One configuration.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// By name.
    pub(crate) listeners: BTreeMap<String, Arc<Route>>,
    /// By name.
    pub(crate) pools: BTreeMap<String, Arc<Pool>>,
    /// What was read from files for it.
    pub(crate) files: Files,
    /// By what is listened on.
    routes: HashMap<Site, Arc<Route>>,
    /// The number of routes of datagrams.
    datagram_sites: usize,
    /// The number of members in all pools.
    members: usize,
    /// Where lines about connections go, if there are any.
    pub(crate) log: Option<Arc<Log>>,
    /// Of whichever log there is.
    pub(crate) log_counts: Arc<LogCounts>,
}

impl Snapshot {
    /// Builds a configuration; what `previous` has under the same names keeps its counters and health. It has no log
    /// yet. `files` are its own; `translated` are the prefixes of translators.
    pub(crate) fn build(
        model: &Proxy,
        translated: &Translated,
        files: Files,
        previous: Option<&Self>,
        workers: usize,
    ) -> Self {
        let pools: BTreeMap<String, Arc<Pool>> = model
            .pool
            .iter()
            .map(|pool| {
                let old = previous.and_then(|snapshot| snapshot.pools.get(&pool.name));
                let origination = files.originations.get(&pool.name);
                let kept = old.filter(|old| old.is_same(pool, origination)).cloned();
                let built = || Arc::new(Pool::new(pool, origination, old.map(AsRef::as_ref), workers));
                (pool.name.clone(), kept.unwrap_or_else(built))
            })
            .collect();
        let listeners: BTreeMap<String, Arc<Route>> = model
            .listener
            .iter()
            .filter_map(|listener| {
                // The model has no listener without its pool.
                let pool = pools.get(&listener.pool)?;
                let old = previous.and_then(|snapshot| snapshot.listeners.get(&listener.name));
                let names = route::names(listener, &pools);
                let termination = files.terminations.get(&listener.name).cloned();
                let route = Route {
                    names,
                    rules: Rules::new(&listener.rule, |name| pools.get(name).cloned()),
                    gates: Gates::all_of(&listener.rule, &files.books, old.map_or(&[], |old| &old.gates)),
                    pages: pages::of(listener, &files.shelf),
                    termination,
                    ..Route::new(listener, translated, Arc::clone(pool), old.map(AsRef::as_ref), workers)
                };
                Some((listener.name.clone(), Arc::new(route)))
            })
            .collect();
        let routes: HashMap<_, _> = listeners
            .values()
            .flat_map(|route| route.sites.iter().map(|site| (site.clone(), Arc::clone(route))))
            .collect();
        let members = pools.values().map(|pool| pool.members.len()).sum();
        let log_counts = previous.map_or_else(Arc::default, |snapshot| Arc::clone(&snapshot.log_counts));
        let datagram_sites = routes.keys().filter(|site: &&Site| site.takes_datagrams()).count();
        Self { listeners, pools, files, routes, datagram_sites, members, log: None, log_counts }
    }

    /// Tells the pools that this configuration is in force from here on, and the log what certificates are new in it.
    pub(crate) fn put_in_force(&self, previous: Option<&Self>) {
        let known = |name: &String| previous.and_then(|snapshot| snapshot.files.terminations.get(name));
        for (name, termination) in &self.files.terminations {
            if known(name).is_none_or(|known| !Arc::ptr_eq(known, termination)) {
                termination.announce();
            }
        }
        for pool in self.pools.values() {
            pool.put_in_force();
        }
    }

    /// Has all who wait for a place at a listener look again.
    pub(crate) fn wake(&self) {
        for route in self.listeners.values() {
            route.admission.freed().notify_waiters();
        }
    }

    /// What becomes of connections that come here.
    pub(crate) fn route(&self, site: &Site) -> Option<&Arc<Route>> {
        self.routes.get(site)
    }

    /// The pool of a member and its place there, if it is part of this configuration.
    pub(crate) fn find(&self, member: &MemberState) -> Option<(&Arc<Pool>, usize)> {
        let pool = self.pools.get(&member.pool)?;
        Some((pool, pool.place(member.id)?))
    }

    /// Everything that is listened on, with its route.
    pub(crate) fn sites(&self) -> impl Iterator<Item = (&Site, &Arc<Route>)> {
        self.routes.iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use config::model::{Check, CheckKind, Endpoint, Forwarding, Listener, Member, Mode, ProxyTimeouts};
    use std::net::SocketAddr;

    /// Bounds nothing.
    pub(crate) const ENDLESS: Capacity = Capacity { files: u64::MAX, memory: u64::MAX };

    impl Snapshot {
        /// A configuration without TLS.
        pub(crate) fn new(model: &Proxy, previous: Option<&Self>, workers: usize) -> Self {
            Self::build(model, &Translated::new([]), Files::default(), previous, workers)
        }
    }

    pub(crate) fn listener(name: &str, bind: &str, mode: Mode, pool: &str) -> Listener {
        let bind: SocketAddr = bind.parse().unwrap();
        Listener {
            forwarding: Forwarding {
                trusted_proxies: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()],
                ..Forwarding::new(Mode::Http)
            },
            ..Listener::new(name, vec![bind.into()], mode, pool)
        }
    }

    fn site(address: &str) -> Site {
        Site::Inet(address.parse::<SocketAddr>().unwrap().into())
    }

    pub(crate) fn model(listener: Vec<Listener>, pools: &[&str]) -> Proxy {
        let pool = |name: &&str| config::model::Pool {
            check: Check { kind: CheckKind::Off, ..Check::default() },
            ..config::model::Pool::new(*name, vec![Member::new("a", "192.0.2.1:80".parse().unwrap())])
        };
        Proxy { workers: 1, listener, pool: pools.iter().map(pool).collect(), ..Proxy::default() }
    }

    #[test]
    fn counters_and_unchanged_pools_survive_a_change() {
        let bind = "[2001:db8::80]:80";
        let one = Snapshot::new(&model(vec![listener("web", bind, Mode::Http, "web")], &["web"]), None, 1);
        one.listeners["web"].counts.opened(0);
        let changed = model(vec![listener("web", bind, Mode::Tcp, "new")], &["web", "new"]);
        let two = Snapshot::new(&changed, Some(&one), 1);
        assert_eq!(two.listeners["web"].counts.total(), 1);
        assert!(Arc::ptr_eq(&one.pools["web"], &two.pools["web"]));
        assert_eq!(two.route(&site(bind)).unwrap().pool.config.name, "new");
    }

    #[test]
    fn a_range_of_ports_leads_to_its_listener_with_its_timeouts() {
        let range = Endpoint::Address { first: "[2001:db8::80]:8000".parse().unwrap(), last_port: 8001 };
        let timeout = ProxyTimeouts { client: std::time::Duration::from_secs(7), ..ProxyTimeouts::default() };
        let listener = Listener { timeout, ..Listener::new("web", vec![range], Mode::Tcp, "web") };
        let snapshot = Snapshot::new(&model(vec![listener], &["web"]), None, 1);
        let check = |address: &str, expect: bool| {
            let route = snapshot.route(&site(address));
            assert_eq!(route.is_some(), expect, "{address}");
            assert!(route.is_none_or(|route| route.timeout == timeout), "{address}");
        };
        check("[2001:db8::80]:7999", false);
        check("[2001:db8::80]:8000", true);
        check("[2001:db8::80]:8001", true);
        check("[2001:db8::80]:8002", false);
    }

    #[test]
    fn trusted_proxies_hold_both_families_and_fold_mapped_addresses() {
        let model = model(vec![listener("web", "[2001:db8::80]:80", Mode::Http, "web")], &["web"]);
        let snapshot = Snapshot::new(&model, None, 1);
        let check = |client: &str, expect: bool| {
            assert_eq!(snapshot.listeners["web"].teller.trusts(client.parse().unwrap()), expect, "{client}");
        };
        check("192.0.2.9", true);
        check("::ffff:192.0.2.9", true);
        check("2001:db8:1::9", true);
        check("198.51.100.9", false);
        check("2001:db8:2::9", false);
    }
}
