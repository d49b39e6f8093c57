//! Values by number, on shelves of a fixed size: growing copies nothing, and a shelf is given back when it is empty. Pure.
//!
//! One piece of memory that doubles is half empty, and stays when a crowd has left. Values with a piece of their own each lie
//! among many short-lived things, and those that last keep pages of these.

use slab::Slab;

/// Octets of a shelf. The allocator has pieces of one size side by side, and hardly anything else is of this one; among
/// shelves of 8 KiB lay the room of all the buffers that a crowd had had.
const SHELF: usize = 64 << 10;

/// The values. Numbers are used again.
#[derive(Debug)]
pub(crate) struct Shelves<T> {
    /// None of them grows.
    all: Vec<Slab<T>>,
    /// None before this one has room.
    first: usize,
    count: usize,
}

impl<T> Default for Shelves<T> {
    fn default() -> Self {
        Self { all: Vec::new(), first: 0, count: 0 }
    }
}

impl<T> Shelves<T> {
    /// Values on one shelf. A place that is free has a number in it.
    const EACH: usize = match SHELF / (size_of::<T>() + size_of::<usize>()) {
        0 => 1,
        several => several,
    };

    /// Puts a value where there is room, and returns its number.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        while self.all.get(self.first).is_some_and(|there| there.len() == Self::EACH) {
            self.first += 1;
        }
        if self.first == self.all.len() {
            self.all.push(Slab::new());
        }
        let there = &mut self.all[self.first];
        if there.is_empty() {
            *there = Slab::with_capacity(Self::EACH);
        }
        self.count += 1;
        self.first * Self::EACH + there.insert(value)
    }

    /// The value with this number, if there is one.
    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.all.get(number / Self::EACH)?.get(number % Self::EACH)
    }

    /// The same, which is there no longer.
    pub(crate) fn remove(&mut self, number: usize) -> Option<T> {
        let place = number / Self::EACH;
        let there = self.all.get_mut(place)?;
        let value = there.try_remove(number % Self::EACH)?;
        if there.is_empty() {
            *there = Slab::new();
        }
        while self.all.pop_if(|last| last.is_empty()).is_some() {}
        self.first = self.first.min(place);
        self.count -= 1;
        Some(value)
    }

    /// How many values there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// All values, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.all.iter().enumerate().flat_map(|(place, shelf)| {
            shelf.iter().map(move |(number, value)| (place * Self::EACH + number, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Values = Shelves<[u64; 1000]>;

    fn value(number: u64) -> [u64; 1000] {
        [number; 1000]
    }

    #[test]
    fn a_shelf_is_given_back_when_it_is_empty() {
        let mut values = Values::default();
        let count = 3 * Values::EACH;
        for number in 0..count {
            assert_eq!(values.insert(value(0)), number, "one behind the other");
        }
        let room = |values: &Values| values.all.iter().map(Slab::capacity).collect::<Vec<_>>();
        assert_eq!(room(&values), [Values::EACH; 3]);
        for number in 0..2 * Values::EACH {
            values.remove(number).unwrap();
        }
        assert_eq!(room(&values), [0, 0, Values::EACH]);
        for number in 2 * Values::EACH..count {
            values.remove(number).unwrap();
        }
        assert_eq!((values.all.len(), values.len()), (0, 0));
    }

    #[test]
    fn large_values_have_a_shelf_each() {
        assert_eq!([Shelves::<[u8; SHELF]>::EACH, Shelves::<[u8; SHELF - 1]>::EACH], [1, 1]);
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_would(steps in prop::collection::vec((any::<bool>(), 0..30_usize), 0..200)) {
            let (mut values, mut model) = (Values::default(), BTreeMap::new());
            for (count, (comes, place)) in steps.into_iter().enumerate() {
                if comes {
                    let count = u64::try_from(count).unwrap();
                    let number = values.insert(value(count));
                    prop_assert_eq!(model.insert(number, count), None);
                } else {
                    let number = model.keys().nth(place).copied().unwrap_or(place);
                    prop_assert_eq!(values.remove(number).map(|value| value[0]), model.remove(&number));
                }
                prop_assert_eq!(values.len(), model.len());
                let held: BTreeMap<_, _> = values.iter().map(|(number, value)| (number, value[0])).collect();
                prop_assert_eq!(&held, &model);
                prop_assert_eq!(model.iter().all(|(number, count)| values.get(*number) == Some(&value(*count))), true);
            }
        }
    }
}
