//! Who is synthesized what: from a client's address to its [`View`].
//!
//! Covers RFC 6147 §5.1.4 (exclusion), §5.2 (prefixes and the IPv4 ranges mapped to them) and RFC 6052 §3.1
//! (non-global IPv4). Rules are tried in order and the first that holds the client decides. Choice: with rules
//! present, a client that none of them holds is forwarded plainly; without any, every client gets the default.
//! Choice: an upstream AAAA record inside a prefix of this site, or inside `64:ff9b::/96`, whose IPv4 address may not
//! be embedded counts as excluded, so that the judgement cannot be walked around through another DNS64.
//!
//! A view has a fingerprint of everything that changes what it makes of the same upstream answers, which keys
//! cached replies: views of equal content share them, across clients and across reloads.

mod limits;
mod synthesis;

pub(crate) use limits::is_private_v4;
pub use limits::{Limits, Refused, Source};
pub use synthesis::{Cases, Excluded, MappedNet, NameRule, PrefixRule, Synthesis, Treatment};

use addr::{Prefix64, fold_mapped};
use ipnet::IpNet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The whole policy of one configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    clients: Vec<(Vec<IpNet>, View)>,
    /// Of a client that none of the rules holds.
    others: View,
    site: Site,
}

/// What the rules of one configuration say, before they are put in order.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tried in order.
    pub clients: Vec<ClientRule>,
    /// For every client, where there are no rules.
    pub default: Arc<Synthesis>,
    /// What all clients have in common.
    pub site: Site,
}

/// One kind of client.
#[derive(Clone, Debug)]
pub struct ClientRule {
    /// The source addresses it applies to.
    pub from: Vec<IpNet>,
    /// What they get; `None` is plain forwarding.
    pub synthesis: Option<Arc<Synthesis>>,
}

/// What one kind of client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    synthesis: Option<Arc<Synthesis>>,
    fingerprint: u64,
}

/// What all clients have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Prefixes in use at this site, whoever makes addresses in them: those whose reverse names are answered here
    /// (RFC 6147 §5.3.1).
    pub prefixes: Vec<Prefix64>,
    /// How reverse names are answered.
    pub reverse: Reverse,
    /// What no prefix may carry.
    pub limits: Limits,
    /// IPv4 hints are left out for clients that are synthesized for.
    pub strip_ipv4hint: bool,
    /// The upstreams' AD bit is passed on.
    pub trust_ad: bool,
}

/// How reverse names under the site's prefixes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reverse {
    /// By an alias to the IPv4 address's own name (RFC 6147 §5.3.1, second option).
    Cname,
    /// By the IPv4 address's PTR records under the name asked for.
    Direct,
    /// Not here: they are forwarded.
    Off,
}

impl Policy {
    /// The policy of `settings`.
    pub fn new(settings: Settings) -> Self {
        let Settings { clients, default, mut site } = settings;
        // The longest prefix that holds an address decides, as in routing.
        site.prefixes.sort_by_key(|prefix| (std::cmp::Reverse(prefix.prefix_len()), *prefix));
        site.prefixes.dedup();
        let others = View::new(clients.is_empty().then_some(default), &site);
        let clients = clients.into_iter().map(|rule| (rule.from, View::new(rule.synthesis, &site))).collect();
        Self { clients, others, site }
    }

    /// What the client at `address` gets. IPv4-mapped addresses count as IPv4.
    pub fn view(&self, address: IpAddr) -> &View {
        self.entry(address).map_or(&self.others, |entry| &self.clients[entry].1)
    }

    /// The place in the file of the entry that holds the client at `address`, counted from 0.
    pub fn entry(&self, address: IpAddr) -> Option<usize> {
        let address = fold_mapped(address);
        self.clients.iter().position(|(from, _)| from.iter().any(|net| net.contains(&address)))
    }

    /// Whether there are entries at all.
    pub fn has_entries(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Whether any client has a view with this fingerprint.
    pub(crate) fn has_view(&self, fingerprint: u64) -> bool {
        let views = self.clients.iter().map(|(_, view)| view).chain([&self.others]);
        views.into_iter().any(|view| view.fingerprint == fingerprint)
    }

    /// What all clients have in common; prefixes longest first.
    pub fn site(&self) -> &Site {
        &self.site
    }
}

impl View {
    fn new(synthesis: Option<Arc<Synthesis>>, site: &Site) -> Self {
        let mut hasher = DefaultHasher::new();
        (&synthesis, site).hash(&mut hasher);
        Self { synthesis, fingerprint: hasher.finish() }
    }

    /// How AAAA records are made; `None` is plain forwarding.
    pub fn synthesis(&self) -> Option<&Arc<Synthesis>> {
        self.synthesis.as_ref()
    }

    /// A number that views share only if they make the same replies of the same upstream answers. It holds for this
    /// process only.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl Site {
    /// The prefix that holds `address`, of which the leading `valid` bits are known.
    pub(crate) fn prefix_of(&self, address: Ipv6Addr, valid: usize) -> Option<Prefix64> {
        let long_enough = |prefix: &&Prefix64| usize::from(prefix.prefix_len()) <= valid;
        self.prefixes.iter().filter(long_enough).find(|prefix| prefix.contains(address)).copied()
    }

    /// Whether the reverse name of `v4` in `prefix` leads anywhere. Rebinding is none of a reverse name's dangers.
    pub(crate) fn allows(&self, prefix: Prefix64, v4: Ipv4Addr) -> bool {
        self.limits.judge(prefix, v4, Source::Trusted).is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests;
