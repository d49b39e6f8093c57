//! What changes from one model to the next: typed for the daemons that apply it, and as a flat list for people.
//!
//! Owns the comparison and nothing else: it does not know how a change is applied, only, through [`crate::keys`], whether
//! it can be while the daemon runs. Elements of a collection are matched by what they are called (listeners, pools
//! and members by name, translation prefixes by themselves, maps by their IPv4 side), so that their order changes nothing.
//! Those of a list that need no name are matched by `pairing`, and only where their order decides has one of them moved.

mod pairing;
mod proxy;
mod record;
mod sections;

pub use proxy::{PoolDiff, ProxyDiff};
pub use sections::{Dns64Diff, Nat64Diff};

use crate::keys::Apply;
use crate::model::{Admin, Dns64, Gateway, Log, Nat64, Prefix, Proxy, Section};
use record::Record;
use std::fmt;

/// The difference between two models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// `[prefix]`.
    pub prefix: Option<Changed<Option<Prefix>>>,
    /// `[nat64]`.
    pub nat64: Part<Nat64, Nat64Diff>,
    /// `[dns64]`.
    pub dns64: Part<Dns64, Dns64Diff>,
    /// `[proxy]`.
    pub proxy: Part<Proxy, ProxyDiff>,
    /// `[admin]`.
    pub admin: Option<Changed<Admin>>,
    /// `[log]`.
    pub log: Option<Changed<Log>>,
    changes: Vec<Change>,
}

/// A value before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// Before.
    pub old: T,
    /// After.
    pub new: T,
}

/// What became of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Part<S, D> {
    /// Nothing.
    #[default]
    Same,
    /// It stands in the new file only.
    Added(Box<S>),
    /// It stood in the old file only.
    Removed(Box<S>),
    /// It differs.
    Changed(Box<D>),
}

/// What became of a collection whose elements have a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed<T, C = Changed<T>> {
    /// In the new model only, in its order.
    pub added: Vec<T>,
    /// In the old model only, in its order.
    pub removed: Vec<T>,
    /// In both, and different; in the order of the new model.
    pub changed: Vec<C>,
}

/// One change as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key path, with names where there are some: `proxy.pool[web].member[a].weight`. An element without a name has
    /// its place, counted from 0: in the new file, or in the old one if it is gone.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The value before, as the file writes it; of a whole element, what tells it from others; of one that moved, its place.
    pub from: Option<String>,
    /// The value after.
    pub to: Option<String>,
    /// How the change is applied.
    pub apply: Apply,
}

/// What happened to a key or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
    /// It is in another order with others of its list.
    Moved,
}

/// The difference from `old` to `new`.
pub fn diff(old: &Gateway, new: &Gateway) -> Diff {
    let mut record = Record::default();
    let prefix = sections::prefix(&mut record, old.prefix.as_ref(), new.prefix.as_ref());
    let nat64 = record.part("nat64", old.nat64.as_ref(), new.nat64.as_ref(), sections::nat64);
    let dns64 = record.part("dns64", old.dns64.as_ref(), new.dns64.as_ref(), sections::dns64);
    let proxy = record.part("proxy", old.proxy.as_ref(), new.proxy.as_ref(), proxy::proxy);
    let admin = sections::admin(&mut record, &old.admin, &new.admin);
    let log = sections::log(&mut record, old.log, new.log);
    Diff { prefix, nat64, dns64, proxy, admin, log, changes: record.into_changes() }
}

impl Diff {
    /// Whether nothing changes.
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Every change, in the order of docs/configuration.md.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes that concern the daemon of `section`: its own, and those of the sections that all daemons read.
    pub fn for_section(&self, section: Section) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.concerns(section))
    }

    /// The changes that the daemon of `section` cannot apply while it runs.
    pub fn needs_restart(&self, section: Section) -> Vec<&Change> {
        self.for_section(section).filter(|change| change.apply == Apply::Restart).collect()
    }
}

impl Change {
    fn concerns(&self, section: Section) -> bool {
        let first = self.path.split(['.', '[']).next().unwrap_or_default();
        [Section::Nat64, Section::Dns64, Section::Proxy]
            .iter()
            .all(|other| *other == section || other.name() != first)
    }
}

impl<S, D> Part<S, D> {
    /// Whether nothing happened.
    pub const fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }

    /// The difference, where the section stands in both models.
    pub fn changed(&self) -> Option<&D> {
        match self {
            Self::Changed(diff) => Some(diff),
            Self::Same | Self::Added(_) | Self::Removed(_) => None,
        }
    }
}

impl<T, C> Keyed<T, C> {
    /// Whether nothing happened.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl<T, C> Default for Keyed<T, C> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.as_deref().unwrap_or("none"), self.to.as_deref().unwrap_or("none"));
        match self.kind {
            ChangeKind::Added => write!(f, "{}: added {to}", self.path)?,
            ChangeKind::Removed => write!(f, "{}: removed {from}", self.path)?,
            ChangeKind::Changed => write!(f, "{}: {from} -> {to}", self.path)?,
            ChangeKind::Moved => write!(f, "{}: moved from {from} to {to}", self.path)?,
        }
        match self.apply {
            Apply::Live => Ok(()),
            Apply::Restart => f.write_str(" (needs a restart)"),
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

#[cfg(test)]
mod tests;
