//! Comparing values while writing down what differs.

use super::pairing::{self, Listed};
use super::{Change, ChangeKind, Changed, Keyed, Part};
use crate::keys::{self, Apply};
use crate::literal::Literal;
use std::collections::HashSet;
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
        let after: HashSet<String> = new.iter().map(&name).collect();
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

    /// Compares lists whose elements need no name. One without is called by its place in the new list, if it is there still.
    pub(super) fn listed<T: Listed>(&mut self, path: &str, old: &[T], new: &[T]) {
        if old == new {
            return;
        }
        let called = |one: &T, place: usize| {
            one.name().map_or_else(|| format!("{path}[{place}]"), |name| format!("{path}[{name}]"))
        };
        let before = pairing::pair(old, new);
        let kept: Vec<usize> = before.iter().copied().flatten().collect();
        let stays: HashSet<usize> = kept.iter().copied().collect();
        for (place, gone) in old.iter().enumerate().filter(|(place, _)| !stays.contains(place)) {
            self.present(called(gone, place), Some(gone.brief()), None);
        }
        let mut moved = pairing::moved(&kept).into_iter();
        for (place, (one, from)) in new.iter().zip(before).enumerate() {
            let path = called(one, place);
            let Some(from) = from else {
                self.present(path, None, Some(one.brief()));
                continue;
            };
            if moved.next() == Some(true) && T::ORDER_DECIDES {
                let (from, to) = (Some(ordinal(from)), Some(ordinal(place)));
                self.push(path.clone(), ChangeKind::Moved, from, to);
            }
            old[from].compare(one, self, &path);
        }
    }
}

/// What the element at this place, counted from 0, is in words.
fn ordinal(place: usize) -> String {
    let number = place + 1;
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_in_words() {
        let told: Vec<_> = [0, 1, 2, 3, 10, 12, 20, 110].into_iter().map(ordinal).collect();
        assert_eq!(told, ["1st", "2nd", "3rd", "4th", "11th", "13th", "21st", "111th"]);
    }
}
