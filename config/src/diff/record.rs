//! Comparing values while writing down what differs.

use super::{Change, ChangeKind, Changed, Keyed, Part};
use crate::keys::{self, Apply};
use crate::literal::Literal;
use std::fmt::Display;

/// The changes so far.
#[derive(Default)]
pub(super) struct Record {
    changes: Vec<Change>,
}

impl Record {
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    fn push(&mut self, path: String, kind: ChangeKind, from: Option<String>, to: Option<String>) {
        // A path that the table lacked would be a defect here; a restart is right for every change.
        let apply = keys::find(&path).map_or(Apply::Restart, |key| key.apply);
        self.changes.push(Change { path, kind, from, to, apply });
    }

    /// Compares a key that always has a value. Most are the same, and so the path is written only where one is not.
    pub(super) fn key<T: Literal + PartialEq + Clone>(
        &mut self,
        path: impl Display,
        old: &T,
        new: &T,
    ) -> Option<Changed<T>> {
        if old == new {
            return None;
        }
        self.push(path.to_string(), ChangeKind::Changed, Some(old.literal()), Some(new.literal()));
        Some(Changed { old: old.clone(), new: new.clone() })
    }

    /// Compares a key that may have no value.
    pub(super) fn optional<T: Literal + PartialEq + Clone>(
        &mut self,
        path: impl Display,
        old: Option<&T>,
        new: Option<&T>,
    ) -> Option<Changed<Option<T>>> {
        if old == new {
            return None;
        }
        self.present(path, old.map(Literal::literal), new.map(Literal::literal));
        Some(Changed { old: old.cloned(), new: new.cloned() })
    }

    /// Writes down that what stands at `path` came, went or became something else.
    pub(super) fn present(&mut self, path: impl Display, old: Option<String>, new: Option<String>) {
        let kind = match (&old, &new) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        self.push(path.to_string(), kind, old, new);
    }

    /// Writes down that the table at `path` came or went; nothing if neither.
    pub(super) fn table(&mut self, path: &str, old: bool, new: bool) {
        let header = |is_there: bool| is_there.then(|| format!("[{}]", keys::schema(path)));
        if old != new {
            self.present(path, header(old), header(new));
        }
    }

    /// Compares a section.
    pub(super) fn part<S: Clone + PartialEq, D>(
        &mut self,
        path: &str,
        old: Option<&S>,
        new: Option<&S>,
        compare: impl FnOnce(&mut Self, &S, &S) -> D,
    ) -> Part<S, D> {
        let header = || Some(format!("[{path}]"));
        match (old, new) {
            (Some(old), Some(new)) => {
                let before = self.changes.len();
                let diff = compare(self, old, new);
                if self.changes.len() == before { Part::Same } else { Part::Changed(Box::new(diff)) }
            }
            (None, Some(new)) => {
                self.present(path, None, header());
                Part::Added(Box::new(new.clone()))
            }
            (Some(old), None) => {
                self.present(path, header(), None);
                Part::Removed(Box::new(old.clone()))
            }
            (None, None) => Part::Same,
        }
    }

    /// Compares collections whose elements are called `name`; `brief` tells one from another in text.
    pub(super) fn keyed<T: Clone + PartialEq, C>(
        &mut self,
        path: &str,
        (old, new): (&[T], &[T]),
        name: impl Fn(&T) -> String,
        brief: impl Fn(&T) -> String,
        mut compare: impl FnMut(&mut Self, &str, &T, &T) -> C,
    ) -> Keyed<T, C> {
        let mut keyed = Keyed::default();
        let before: std::collections::HashMap<String, &T> = old.iter().map(|one| (name(one), one)).collect();
        let after: std::collections::HashSet<String> = new.iter().map(&name).collect();
        for gone in old.iter().filter(|one| !after.contains(&name(one))) {
            self.present(format_args!("{path}[{}]", name(gone)), Some(brief(gone)), None);
            keyed.removed.push(gone.clone());
        }
        for one in new {
            let name = name(one);
            let path = format_args!("{path}[{name}]");
            let Some(&old) = before.get(&name) else {
                self.present(path, None, Some(brief(one)));
                keyed.added.push(one.clone());
                continue;
            };
            if old == one {
                continue;
            }
            let path = path.to_string();
            let recorded = self.changes.len();
            let change = compare(self, &path, old, one);
            if self.changes.len() > recorded {
                keyed.changed.push(change);
            }
        }
        keyed
    }
}
