//! Who waits for a place at a member, in order. Pure: nobody sleeps here, and places are counted elsewhere.
//!
//! A place that is free goes to whoever has waited longest among those who take it: clients that belong to one member
//! wait for that one alone, all others for any that they have not tried. All stand in one order, so none starves the
//! others. Those who tried the same members stand in one row: whom a place is open to is asked once for all of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// One who waits. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish<M> {
    /// A place at any member but these, which were tried: in order, each once.
    Any(Box<[M]>),
    /// A place at this member.
    At(M),
}

/// The queue of one pool; `T` is how the one who waits is called. No row in it is empty.
#[derive(Debug)]
pub(crate) struct Queue<M, T> {
    /// By the members that were tried.
    any: HashMap<Box<[M]>, Row<T>>,
    /// How many of these rows got what they waited for.
    any_served: u64,
    /// With the same of each row.
    at: HashMap<M, (Row<T>, u64)>,
    length: usize,
    next: u64,
}

impl<M, T> Default for Queue<M, T> {
    fn default() -> Self {
        Self { any: HashMap::new(), any_served: 0, at: HashMap::new(), length: 0, next: 0 }
    }
}

/// Those who wait for the same, the first of them first.
type Row<T> = BTreeMap<Ticket, Place<T>>;

#[derive(Debug)]
struct Place<T> {
    call: T,
    /// How many were served when this one came.
    served: u64,
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
        let (row, served) = match wish {
            Wish::Any(tried) => (self.any.entry(tried).or_default(), self.any_served),
            Wish::At(member) => {
                let (row, served) = self.at.entry(member).or_default();
                (row, *served)
            }
        };
        row.insert(ticket, Place { call, served });
        Ok(ticket)
    }

    /// Leaves without a place; its number as in [`Queue::serve`]. None if it was called before.
    pub(crate) fn leave(&mut self, wish: &Wish<M>, ticket: Ticket) -> Option<u64> {
        self.remove(wish, ticket, false).map(|(_, number)| number)
    }

    /// Whether anybody would take a place at this member. `open`: whether it takes clients that do not belong to it and
    /// have tried these.
    pub(crate) fn wants(&self, member: M, open: impl Fn(&[M]) -> bool) -> bool {
        self.first(member, open).is_some()
    }

    /// A place at this member is free: the one to call, who waits no more, and its number among those who were served
    /// since it came, of those who wait for this member alone or of all others. `open` as in [`Queue::wants`].
    pub(crate) fn serve(&mut self, member: M, open: impl Fn(&[M]) -> bool) -> Option<(T, u64)> {
        let (ticket, wish) = self.first(member, open)?;
        self.remove(&wish, ticket, true)
    }

    fn first(&self, member: M, open: impl Fn(&[M]) -> bool) -> Option<(Ticket, Wish<M>)> {
        let of_row = |row: &Row<T>| row.keys().next().copied();
        let rows = self.any.iter().filter(|(tried, _)| open(tried));
        let any =
            rows.filter_map(|(tried, row)| Some((of_row(row)?, tried))).min_by_key(|(ticket, _)| *ticket);
        let own = self.at.get(&member).and_then(|(row, _)| of_row(row));
        match (any, own) {
            (Some((ticket, _)), Some(own)) if own < ticket => Some((own, Wish::At(member))),
            (Some((ticket, tried)), _) => Some((ticket, Wish::Any(tried.clone()))),
            (None, own) => own.map(|own| (own, Wish::At(member))),
        }
    }

    /// Calls all who wait for what they will not get: they look for another. `takes`: whether a member takes those who
    /// wait for it alone. `has_member`: whether there is one for those who have tried these.
    pub(crate) fn recall(&mut self, takes: impl Fn(M) -> bool, has_member: impl Fn(&[M]) -> bool) -> Vec<T> {
        let at = self.at.extract_if(|member, _| !takes(*member)).map(|(_, (row, _))| row);
        let any = self.any.extract_if(|tried, _| !has_member(tried)).map(|(_, row)| row);
        let recalled: Vec<T> =
            at.chain(any).flat_map(BTreeMap::into_values).map(|place| place.call).collect();
        self.length -= recalled.len();
        recalled
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    fn remove(&mut self, wish: &Wish<M>, ticket: Ticket, served: bool) -> Option<(T, u64)> {
        let (row, count) = match wish {
            Wish::Any(tried) => (self.any.get_mut(tried)?, &mut self.any_served),
            Wish::At(member) => self.at.get_mut(member).map(|(row, served)| (row, served))?,
        };
        let Place { call, served: before } = row.remove(&ticket)?;
        let number = *count - before + 1;
        *count += u64::from(served);
        if row.is_empty() {
            match wish {
                Wish::Any(tried) => drop(self.any.remove(tried)),
                Wish::At(member) => drop(self.at.remove(member)),
            }
        }
        self.length -= 1;
        Some((call, number))
    }
}

#[cfg(test)]
mod tests;
