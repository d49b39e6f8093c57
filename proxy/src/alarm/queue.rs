//! Deadlines in their order, and who waits for each. Time comes in.
//!
//! The order is in one piece of memory, whatever comes and goes: nodes of a tree would lie all over the heap, and a few
//! that last keep pages that many short-lived things have left. What is removed leaves its deadline behind, until the
//! deadline passes or half of all are such.

use crate::shelves::Shelves;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokio::time::Instant;

/// Deadlines left behind that are no trouble.
const FEW: usize = 32;

/// Who waits, by deadline.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    order: BinaryHeap<Reverse<Place>>,
    /// By slot, with the number of the one who has it.
    waiting: Shelves<(u32, W)>,
    /// How many came ever, or the rest of that.
    count: u32,
}

/// One who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    deadline: Instant,
    /// Tells it from who had the slot before.
    number: u32,
    slot: u32,
}

impl Place {
    pub(crate) const fn deadline(self) -> Instant {
        self.deadline
    }

    /// What nobody else has who waits at the same time.
    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self { order: BinaryHeap::new(), waiting: Shelves::default(), count: 0 }
    }
}

impl<W> Queue<W> {
    pub(crate) fn insert(&mut self, deadline: Instant, who: W) -> Place {
        let number = self.count;
        self.count = number.wrapping_add(1);
        let slot = self.waiting.insert((number, who));
        let slot = u32::try_from(slot).expect("there are fewer files than 2^32");
        let place = Place { deadline, number, slot };
        self.order.push(Reverse(place));
        place
    }

    /// Who has the slot, if anybody has.
    pub(crate) fn get(&self, slot: u32) -> Option<&W> {
        self.waiting.get(slot as usize).map(|(_, who)| who)
    }

    /// Who waits there, if it does still; it waits no longer.
    pub(crate) fn remove(&mut self, place: Place) -> Option<W> {
        has(&self.waiting, place).then(|| self.remove_slot(place.slot))?
    }

    /// Who has the slot, if anybody has; it waits no longer.
    pub(crate) fn remove_slot(&mut self, slot: u32) -> Option<W> {
        let (_, who) = self.waiting.remove(slot as usize)?;
        let Self { order, waiting, .. } = self;
        if order.len() > 2 * waiting.len() + FEW {
            order.retain(|Reverse(place)| has(waiting, *place));
        }
        if order.capacity() > 4 * (order.len() + FEW) {
            order.shrink_to(2 * (order.len() + FEW));
        }
        Some(who)
    }

    /// The next deadline.
    pub(crate) fn first(&mut self) -> Option<Instant> {
        while let Some(Reverse(place)) = self.order.peek() {
            if has(&self.waiting, *place) {
                return Some(place.deadline);
            }
            self.order.pop();
        }
        None
    }

    /// Who waited for a deadline that has passed by then, and waits no longer.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<W> {
        self.first().filter(|deadline| *deadline <= now)?;
        let Reverse(place) = self.order.pop()?;
        self.remove(place)
    }

    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The slots of those who are meant.
    pub(crate) fn slots(&self, mut is_meant: impl FnMut(&W) -> bool) -> Vec<u32> {
        let meant = self.waiting.iter().filter(|(_, (_, who))| is_meant(who));
        meant.map(|(slot, _)| u32::try_from(slot).expect("it was one before")).collect()
    }
}

fn has<W>(waiting: &Shelves<(u32, W)>, place: Place) -> bool {
    waiting.get(place.slot as usize).is_some_and(|(number, _)| *number == place.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn taken<W>(queue: &mut Queue<W>, now: Instant) -> usize {
        std::iter::from_fn(|| queue.take_due(now)).count()
    }

    #[test]
    fn who_is_removed_leaves_nothing_that_lasts() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let stays = queue.insert(start + Duration::from_secs(1), ());
        for _ in 0..10_000 {
            let place = queue.insert(start, ());
            queue.remove(place);
            queue.remove(place);
        }
        assert!(queue.order.len() <= 2 + FEW, "{}", queue.order.len());
        assert_eq!(queue.first(), Some(stays.deadline()));
        assert_eq!((taken(&mut queue, start), queue.len()), (0, 1));
        assert_eq!((taken(&mut queue, stays.deadline()), queue.len()), (1, 0));
        assert_eq!(queue.first(), None);
    }

    #[test]
    fn who_had_a_slot_before_does_not_remove_its_next_owner() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let gone = queue.insert(start, ());
        assert_eq!(taken(&mut queue, start), 1);
        let next = queue.insert(start, ());
        assert_eq!(next.slot, gone.slot);
        assert!(queue.remove(gone).is_none());
        assert_eq!((queue.len(), queue.first()), (1, Some(start)));
    }

    #[test]
    fn a_crowd_that_has_left_leaves_no_room_that_lasts() {
        let start = Instant::now();
        let crowd =
            |queue: &mut Queue<u32>| (0..10_000).map(|who| queue.insert(start, who)).collect::<Vec<_>>();
        let mut queue = Queue::default();
        let room = |queue: &Queue<u32>| queue.order.capacity();
        crowd(&mut queue);
        while queue.take_due(start).is_some() {}
        assert!(room(&queue) <= 4 * FEW, "deadlines that have passed: {}", room(&queue));
        for place in crowd(&mut queue) {
            queue.remove(place);
        }
        assert!(room(&queue) <= 4 * FEW, "deadlines that were left: {}", room(&queue));
    }

    #[test]
    fn who_is_meant_is_found_by_slot() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for who in 0..6 {
            queue.insert(start, who);
        }
        let even = queue.slots(|who| who % 2 == 0);
        let removed: Vec<_> = even.iter().map(|slot| queue.remove_slot(*slot)).collect();
        assert_eq!(removed, [Some(0), Some(2), Some(4)]);
        assert_eq!(queue.remove_slot(even[0]), None);
        let left: Vec<_> = std::iter::from_fn(|| queue.take_due(start)).collect();
        assert_eq!(left, [1, 3, 5]);
    }

    proptest! {
        #[test]
        fn deadlines_pass_in_order_whoever_leaves(steps in prop::collection::vec((0..3_u8, 0..50_u64), 0..300)) {
            let (mut queue, mut model, start) = (Queue::default(), BTreeSet::new(), Instant::now());
            for (step, number) in steps {
                let at = start + Duration::from_millis(number);
                match step {
                    0 => {
                        model.insert(queue.insert(at, ()));
                    }
                    1 => {
                        let place = model.iter().nth(usize::try_from(number).unwrap()).copied();
                        if let Some(place) = place {
                            model.remove(&place);
                            queue.remove(place);
                        }
                    }
                    _ => {
                        let due = model.iter().filter(|place| place.deadline() <= at).count();
                        prop_assert_eq!(taken(&mut queue, at), due);
                        model.retain(|place| place.deadline() > at);
                    }
                }
                prop_assert_eq!(queue.first(), model.first().map(|place| place.deadline()));
            }
        }
    }
}
