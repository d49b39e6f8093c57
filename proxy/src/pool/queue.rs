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
    any: Row<T>,
    at: HashMap<M, Row<T>>,
    length: usize,
    next: u64,
}

impl<M, T> Default for Queue<M, T> {
    fn default() -> Self {
        Self { any: Row::default(), at: HashMap::new(), length: 0, next: 0 }
    }
}

/// Those who wait for the same.
#[derive(Debug)]
struct Row<T> {
    waiting: BTreeMap<Ticket, Place<T>>,
    /// How many of them got what they waited for.
    served: u64,
}

#[derive(Debug)]
struct Place<T> {
    call: T,
    /// [`Row::served`] when this one came.
    served: u64,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), served: 0 }
    }
}

impl<T> Row<T> {
    fn join(&mut self, ticket: Ticket, call: T) {
        self.waiting.insert(ticket, Place { call, served: self.served });
    }

    fn first(&self) -> Option<Ticket> {
        self.waiting.keys().next().copied()
    }

    /// Who leaves, and how many of this row were served before since it came, with itself.
    fn leave(&mut self, ticket: Ticket) -> Option<(T, u64)> {
        let Place { call, served } = self.waiting.remove(&ticket)?;
        Some((call, self.served - served + 1))
    }

    fn into_calls(self) -> impl Iterator<Item = T> {
        self.waiting.into_values().map(|place| place.call)
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
            Wish::Any => self.any.join(ticket, call),
            Wish::At(member) => self.at.entry(member).or_default().join(ticket, call),
        }
        Ok(ticket)
    }

    /// Leaves without a place; its number as in [`Queue::serve`]. None if it was called before.
    pub(crate) fn leave(&mut self, wish: Wish<M>, ticket: Ticket) -> Option<u64> {
        self.remove(wish, ticket, false).map(|(_, number)| number)
    }

    /// Whether anybody would take a place at this member. `open`: it takes clients that do not belong to it.
    pub(crate) fn wants(&self, member: M, open: bool) -> bool {
        self.first(member, open).is_some()
    }

    /// A place at this member is free: the one to call, who waits no more, and its number among those of its wish that
    /// were served since it came. `open` as in [`Queue::wants`].
    pub(crate) fn serve(&mut self, member: M, open: bool) -> Option<(T, u64)> {
        let (ticket, wish) = self.first(member, open)?;
        self.remove(wish, ticket, true)
    }

    fn first(&self, member: M, open: bool) -> Option<(Ticket, Wish<M>)> {
        let any = if open { self.any.first() } else { None }.map(|ticket| (ticket, Wish::Any));
        let own = self.at.get(&member).and_then(Row::first).map(|ticket| (ticket, Wish::At(member)));
        match (any, own) {
            (Some(any), Some(own)) => Some(if any.0 < own.0 { any } else { own }),
            (any, own) => any.or(own),
        }
    }

    /// Calls all who wait for members that do not take them: they look for another.
    pub(crate) fn recall(&mut self, takes: impl Fn(M) -> bool) -> Vec<T> {
        let gone: Vec<M> = self.at.keys().copied().filter(|member| !takes(*member)).collect();
        let recalled: Vec<T> =
            gone.iter().filter_map(|member| self.at.remove(member)).flat_map(Row::into_calls).collect();
        self.length -= recalled.len();
        recalled
    }

    /// Calls all who wait for any member.
    pub(crate) fn recall_any(&mut self) -> Vec<T> {
        let row = Row { waiting: std::mem::take(&mut self.any.waiting), served: 0 };
        let recalled: Vec<T> = row.into_calls().collect();
        self.length -= recalled.len();
        recalled
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    fn remove(&mut self, wish: Wish<M>, ticket: Ticket, served: bool) -> Option<(T, u64)> {
        let row = match wish {
            Wish::Any => &mut self.any,
            Wish::At(member) => self.at.get_mut(&member)?,
        };
        let removed = row.leave(ticket)?;
        row.served += u64::from(served);
        if let Wish::At(member) = wish
            && row.waiting.is_empty()
        {
            self.at.remove(&member);
        }
        self.length -= 1;
        Some(removed)
    }
}

#[cfg(test)]
mod tests;
