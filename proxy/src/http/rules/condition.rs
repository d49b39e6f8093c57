//! The conditions of one rule, compiled. All must hold; of a list, one element.

use super::subject::{HostKey, Subject};
use crate::opening::Names;
use crate::snapshot::holds;
use ::http::Method;
use ::http::header::HeaderName;
use config::model::{Conditions, HostPattern, Pattern, Wanted};
use ipnet::IpNet;
use std::net::Ipv6Addr;

/// Lists that are empty fit anything.
#[derive(Debug, Default)]
pub(super) struct Condition {
    hosts: Names<()>,
    addresses: Vec<Ipv6Addr>,
    paths: Vec<Path>,
    path_patterns: Vec<Pattern>,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, Wanted)>,
    sni: Names<()>,
    sources: Vec<IpNet>,
}

/// One condition on the path. Those of one kind are alternatives; the kinds must all hold.
#[derive(Debug)]
struct Path {
    kind: Kind,
    any_of: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Whole,
    Prefix,
    Suffix,
}

impl Condition {
    pub(super) fn new(when: &Conditions) -> Self {
        let mut condition = Self::default();
        for host in &when.host {
            match host {
                HostPattern::Name(name) => condition.hosts.insert(name, ()),
                HostPattern::V6(address) => condition.addresses.push(*address),
            }
        }
        for name in &when.sni {
            condition.sni.insert(name, ());
        }
        let kinds =
            [(Kind::Whole, &when.path), (Kind::Prefix, &when.path_prefix), (Kind::Suffix, &when.path_suffix)];
        let given = kinds.into_iter().filter(|(_, list)| !list.is_empty());
        condition.paths = given.map(|(kind, list)| Path { kind, any_of: list.clone() }).collect();
        condition.path_patterns.clone_from(&when.path_regex);
        // The model holds only tokens.
        condition.methods =
            when.method.iter().filter_map(|method| Method::from_bytes(method.as_bytes()).ok()).collect();
        let headers = when.header.iter().filter_map(|header| {
            Some((HeaderName::from_bytes(header.name.as_bytes()).ok()?, header.wanted.clone()))
        });
        condition.headers = headers.collect();
        condition.sources.clone_from(&when.source);
        condition
    }

    pub(super) const fn looks_at_path(&self) -> bool {
        !self.paths.is_empty() || !self.path_patterns.is_empty()
    }

    /// Whether a path fits. It is plain.
    pub(super) fn takes_path(&self, path: &[u8]) -> bool {
        self.paths.iter().all(|condition| condition.holds(path))
            && (self.path_patterns.is_empty() || self.path_patterns.iter().any(|pattern| pattern.fits(path)))
    }

    /// Whether all else of a request fits.
    pub(super) fn holds_beside_path(&self, subject: &Subject<'_>, host: &HostKey) -> bool {
        self.takes_host(host)
            && (self.methods.is_empty() || self.methods.contains(subject.method))
            && self.headers.iter().all(|(name, wanted)| has(subject, name, wanted))
            && (self.sni.is_empty() || subject.sni.is_some_and(|name| self.sni.find(name).is_some()))
            && (self.sources.is_empty() || subject.client.is_some_and(|client| holds(&self.sources, client)))
    }

    fn takes_host(&self, host: &HostKey) -> bool {
        if self.hosts.is_empty() && self.addresses.is_empty() {
            return true;
        }
        match host {
            HostKey::Name(name) => self.hosts.find(name).is_some(),
            HostKey::V6(address) => self.addresses.contains(address),
        }
    }
}

impl Path {
    fn holds(&self, path: &[u8]) -> bool {
        self.any_of.iter().map(String::as_bytes).any(|part| match self.kind {
            Kind::Whole => path == part,
            Kind::Prefix => path.starts_with(part),
            Kind::Suffix => path.ends_with(part),
        })
    }
}

fn has(subject: &Subject<'_>, name: &HeaderName, wanted: &Wanted) -> bool {
    let has_line =
        |fits: &dyn Fn(&[u8]) -> bool| subject.headers.get_all(name).iter().any(|line| fits(line.as_bytes()));
    match wanted {
        Wanted::Presence(wanted) => subject.headers.contains_key(name) == *wanted,
        Wanted::Value(value) => has_line(&|line| line.trim_ascii() == value.as_bytes()),
        Wanted::Pattern(pattern) => has_line(&|line| pattern.fits(line.trim_ascii())),
    }
}
