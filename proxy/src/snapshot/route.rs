//! What becomes of the connections of one listener.

use crate::counts::{ListenerCounts, RuleCount};
use crate::http::Teller;
use crate::http::gates::Gates;
use crate::http::pages::Pages;
use crate::http::rules::Rules;
use crate::listener::{Admission, Site};
use crate::opening::Names;
use crate::pool::Pool;
use crate::termination::Termination;
use crate::translated::Translated;
use addr::fold_mapped;
use config::model::{Coding, Hsts, Listener, Mode, ProxyTimeouts, RequestLimits};
use hyper::header::HeaderValue;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What becomes of the connections of one listener.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    /// Everything that is listened on.
    pub(crate) sites: Vec<Site>,
    /// Whether addresses are listened on that are missing still.
    pub(crate) freebind: bool,
    /// The permissions of Unix sockets.
    pub(crate) socket_mode: u32,
    pub(crate) mode: Mode,
    /// What browsers are told about TLS; only http.
    pub(crate) hsts: Option<HeaderValue>,
    /// How much of a request is taken; only http.
    pub(crate) limits: RequestLimits,
    /// What members are told of clients; only http.
    pub(crate) teller: Teller,
    /// Which clients count by other addresses than their own.
    pub(crate) translated: Translated,
    pub(super) proxy_protocol_from: Vec<IpNet>,
    pub(crate) pool: Arc<Pool>,
    /// The pools of clients that ask for these names in TLS.
    pub(super) names: Names<Arc<Pool>>,
    /// What becomes of some of the requests.
    pub(crate) rules: Rules<Arc<Pool>>,
    /// What is answered in the place of our own texts.
    pub(crate) pages: Pages,
    /// How answers are compressed, the best first.
    pub(crate) compression: Vec<Coding>,
    /// What holds requests up, of each rule in the same order.
    pub(crate) gates: Vec<Gates>,
    /// Of each rule, in the same order.
    pub(crate) rule_counts: Vec<Arc<RuleCount>>,
    /// How TLS is spoken, where it ends here.
    pub(crate) termination: Option<Arc<Termination>>,
    pub(crate) timeout: ProxyTimeouts,
    pub(crate) counts: Arc<ListenerCounts>,
    /// Whose connections are taken, and how many.
    pub(crate) admission: Admission,
}

impl Route {
    pub(super) fn new(
        listener: &Listener,
        translated: &Translated,
        pool: Arc<Pool>,
        previous: Option<&Self>,
        workers: usize,
    ) -> Self {
        Self {
            name: listener.name.clone(),
            sites: Site::all_of(listener),
            freebind: listener.freebind,
            socket_mode: listener.socket_mode.0.into(),
            mode: listener.mode,
            hsts: listener.hsts.map(strict_transport),
            limits: listener.limits,
            teller: Teller::new(&listener.forwarding, translated),
            translated: translated.clone(),
            proxy_protocol_from: listener.proxy_protocol_from.clone(),
            pool,
            names: Names::default(),
            rules: Rules::default(),
            gates: Vec::new(),
            pages: Pages::new(),
            compression: listener.compression.clone(),
            rule_counts: rule_counts(listener, previous, workers),
            termination: None,
            timeout: listener.timeout,
            counts: previous
                .map_or_else(|| Arc::new(ListenerCounts::new(workers)), |route| Arc::clone(&route.counts)),
            admission: Admission::new(listener, translated, previous.map(|route| &route.admission)),
        }
    }

    /// Whether a client says something ahead of its data that is for this proxy, beside a PROXY header.
    pub(crate) fn awaits_opening(&self) -> bool {
        self.termination.is_some() || !self.names.is_empty()
    }

    /// The pool of a client that asks for this name in TLS.
    pub(crate) fn pool_of(&self, name: Option<&str>) -> Arc<Pool> {
        Arc::clone(name.and_then(|name| self.names.find(name)).unwrap_or(&self.pool))
    }

    /// The names of the pools that clients come to: that of the listener first, then those that names in TLS and rules
    /// lead to.
    pub(crate) fn pools(&self) -> Vec<&str> {
        let own = self.pool.config.name.as_str();
        let others = self.names.things().chain(self.rules.pools());
        let others: BTreeSet<_> =
            others.map(|pool| pool.config.name.as_str()).filter(|&pool| pool != own).collect();
        std::iter::once(own).chain(others).collect()
    }

    /// Whether a connection from this address must begin with a PROXY header. IPv4-mapped addresses count as IPv4.
    pub(crate) fn awaits_header(&self, peer: IpAddr) -> bool {
        holds(&self.proxy_protocol_from, peer)
    }
}

/// `Strict-Transport-Security` (RFC 6797 §6.1).
fn strict_transport(hsts: Hsts) -> HeaderValue {
    let subdomains = if hsts.subdomains { "; includeSubDomains" } else { "" };
    let preload = if hsts.preload { "; preload" } else { "" };
    let value = format!("max-age={}{subdomains}{preload}", hsts.max_age.as_secs());
    HeaderValue::from_str(&value).expect("a number and words are plain characters")
}

pub(super) fn names(listener: &Listener, pools: &BTreeMap<String, Arc<Pool>>) -> Names<Arc<Pool>> {
    let mut names = Names::default();
    for route in &listener.sni {
        // The model has no route without its pool.
        let Some(pool) = pools.get(&route.pool) else { continue };
        for name in &route.names {
            names.insert(name, Arc::clone(pool));
        }
    }
    names
}

/// A counter for each rule; those of the same label and action go on.
fn rule_counts(listener: &Listener, previous: Option<&Route>, workers: usize) -> Vec<Arc<RuleCount>> {
    let known = previous.map_or(&[][..], |route| &route.rule_counts);
    let counts = listener.rule.iter().enumerate().map(|(place, rule)| {
        let new = RuleCount::new(rule, place, workers);
        known.iter().find(|known| known.is_same(&new)).map_or_else(|| Arc::new(new), Arc::clone)
    });
    counts.collect()
}

pub(crate) fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    let address = fold_mapped(address);
    networks.iter().any(|network| network.contains(&address))
}
