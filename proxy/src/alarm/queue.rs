//! Deadlines in their order, and who waits for each. Time comes in.
//!
//! Both are in one piece of memory each, whatever comes and goes: nodes of a tree would lie all over the heap, and a few
//! that last keep pages that many short-lived things have left. What is removed leaves its deadline behind, until the
//! deadline passes or half of all are such.

use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use tokio::time::Instant;

/// Deadlines left behind that are no trouble.
const FEW: usize = 32;

/// Who waits, by deadline.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BinaryHeap<Reverse<Place>>,
    /// By slot, with the number of the one who has it.
    waiting: Slab<(u32, Waker)>,
    /// How many came ever, or the rest of that.
    count: u32,
}

/// One who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    deadline: Instant,
    /// Tells it from who had the slot before.
    number: u32,
    slot: u32,
}

impl Place {
    pub(super) const fn deadline(self) -> Instant {
        self.deadline
    }
}

impl Queue {
    pub(super) fn insert(&mut self, deadline: Instant, waker: Waker) -> Place {
        let number = self.count;
        self.count = number.wrapping_add(1);
        let slot = self.waiting.insert((number, waker));
        let slot = u32::try_from(slot).expect("there are fewer files than 2^32");
        let place = Place { deadline, number, slot };
        self.order.push(Reverse(place));
        place
    }

    /// Removes it, if it is there still.
    pub(super) fn remove(&mut self, place: Place) {
        if self.take(place).is_some() && self.order.len() > 2 * self.waiting.len() + FEW {
            let Self { order, waiting, .. } = self;
            order.retain(|Reverse(place)| has(waiting, *place));
            order.shrink_to(2 * order.len());
        }
    }

    /// The next deadline.
    pub(super) fn first(&mut self) -> Option<Instant> {
        while let Some(Reverse(place)) = self.order.peek() {
            if has(&self.waiting, *place) {
                return Some(place.deadline);
            }
            self.order.pop();
        }
        None
    }

    /// Who waited for a deadline that has passed by then, and waits no longer.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Waker> {
        self.first().filter(|deadline| *deadline <= now)?;
        let Reverse(place) = self.order.pop()?;
        self.take(place)
    }

    fn take(&mut self, place: Place) -> Option<Waker> {
        has(&self.waiting, place).then(|| self.waiting.remove(place.slot as usize).1)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn has(waiting: &Slab<(u32, Waker)>, place: Place) -> bool {
    waiting.get(place.slot as usize).is_some_and(|(number, _)| *number == place.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn taken(queue: &mut Queue, now: Instant) -> usize {
        std::iter::from_fn(|| queue.take_due(now)).count()
    }

    #[test]
    fn who_is_removed_leaves_nothing_that_lasts() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let stays = queue.insert(start + Duration::from_secs(1), Waker::noop().clone());
        for _ in 0..10_000 {
            let place = queue.insert(start, Waker::noop().clone());
            queue.remove(place);
            queue.remove(place);
        }
        assert!(queue.order.len() <= 2 + FEW, "{}", queue.order.len());
        assert_eq!(queue.first(), Some(stays.deadline()));
        assert_eq!((taken(&mut queue, start), queue.is_empty()), (0, false));
        assert_eq!((taken(&mut queue, stays.deadline()), queue.is_empty()), (1, true));
        assert_eq!(queue.first(), None);
    }

    #[test]
    fn who_had_a_slot_before_does_not_remove_its_next_owner() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let gone = queue.insert(start, Waker::noop().clone());
        assert_eq!(taken(&mut queue, start), 1);
        let next = queue.insert(start, Waker::noop().clone());
        assert_eq!(next.slot, gone.slot);
        queue.remove(gone);
        assert_eq!((queue.is_empty(), queue.first()), (false, Some(start)));
    }

    proptest! {
        #[test]
        fn deadlines_pass_in_order_whoever_leaves(steps in prop::collection::vec((0..3_u8, 0..50_u64), 0..300)) {
            let (mut queue, mut model, start) = (Queue::default(), BTreeSet::new(), Instant::now());
            for (step, number) in steps {
                let at = start + Duration::from_millis(number);
                match step {
                    0 => {
                        model.insert(queue.insert(at, Waker::noop().clone()));
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
