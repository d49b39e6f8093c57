//! Who waits for a place at a member, in order. Pure: nobody sleeps here, and places are counted elsewhere.
//!
//! A place that is free goes to whoever has waited longest among those who take it: clients that belong to one member
//! wait for that one alone, all others for any. Both kinds stand in one order, so neither starves the other.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// One who waits. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish<M> {
    /// A place at any member.
    Any,
    /// A place at this member.
    At(M),
}

/// The queue of one pool; `T` is how the one who waits is called.
#[derive(Debug)]
pub(crate) struct Queue<M, T> {
    any: BTreeMap<Ticket, T>,
    at: HashMap<M, BTreeMap<Ticket, T>>,
    length: usize,
    next: u64,
}

impl<M, T> Default for Queue<M, T> {
    fn default() -> Self {
        Self { any: BTreeMap::new(), at: HashMap::new(), length: 0, next: 0 }
    }
}

impl<M: Copy + Eq + Hash, T> Queue<M, T> {
    /// Stands at the end, unless `bound` wait already.
    pub(crate) fn join(&mut self, wish: Wish<M>, bound: usize, call: T) -> Result<Ticket, T> {
        if self.length >= bound {
            return Err(call);
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.length += 1;
        match wish {
            Wish::Any => self.any.insert(ticket, call),
            Wish::At(member) => self.at.entry(member).or_default().insert(ticket, call),
        };
        Ok(ticket)
    }

    /// Leaves without a place. False if it was called before.
    pub(crate) fn leave(&mut self, wish: Wish<M>, ticket: Ticket) -> bool {
        self.remove(wish, ticket).is_some()
    }

    /// Whether anybody would take a place at this member. `open`: it takes clients that do not belong to it.
    pub(crate) fn wants(&self, member: M, open: bool) -> bool {
        self.first(member, open).is_some()
    }

    /// A place at this member is free: the one to call, who waits no more. `open` as in [`Queue::wants`].
    pub(crate) fn serve(&mut self, member: M, open: bool) -> Option<T> {
        let (ticket, wish) = self.first(member, open)?;
        self.remove(wish, ticket)
    }

    fn first(&self, member: M, open: bool) -> Option<(Ticket, Wish<M>)> {
        let first = |waiting: &BTreeMap<Ticket, T>| waiting.keys().next().copied();
        let any = if open { first(&self.any) } else { None }.map(|ticket| (ticket, Wish::Any));
        let own = self.at.get(&member).and_then(first).map(|ticket| (ticket, Wish::At(member)));
        match (any, own) {
            (Some(any), Some(own)) => Some(if any.0 < own.0 { any } else { own }),
            (any, own) => any.or(own),
        }
    }

    /// Calls all who wait for members that do not take them: they look for another.
    pub(crate) fn recall(&mut self, takes: impl Fn(M) -> bool) -> Vec<T> {
        let gone: Vec<M> = self.at.keys().copied().filter(|member| !takes(*member)).collect();
        let recalled: Vec<T> =
            gone.iter().filter_map(|member| self.at.remove(member)).flat_map(BTreeMap::into_values).collect();
        self.length -= recalled.len();
        recalled
    }

    /// Calls all who wait for any member.
    pub(crate) fn recall_any(&mut self) -> Vec<T> {
        let recalled: Vec<T> = std::mem::take(&mut self.any).into_values().collect();
        self.length -= recalled.len();
        recalled
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    fn remove(&mut self, wish: Wish<M>, ticket: Ticket) -> Option<T> {
        let removed = match wish {
            Wish::Any => self.any.remove(&ticket),
            Wish::At(member) => {
                let waiting = self.at.get_mut(&member)?;
                let removed = waiting.remove(&ticket);
                if waiting.is_empty() {
                    self.at.remove(&member);
                }
                removed
            }
        };
        self.length -= usize::from(removed.is_some());
        removed
    }
}

#[cfg(test)]
mod tests;
