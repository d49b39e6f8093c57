//! The buffers that one worker lends to its relays.
//!
//! A flow borrows a small one for the moment between a read and a write. One that has filled it gets a large one for the
//! next read: what a stream costs is mostly the waking of both ends, which comes once for each read and write. There are
//! only so many of the large ones.
//!
//! What a receiver does not take is kept until it does. All that flows keep is counted, and while it is more than the
//! worker's part of the memory, flows read into tight buffers: as many flows as there may be, each with one of these, is
//! all that comes on top.

use std::cell::{Cell, RefCell};

/// Bytes that a flow reads at once as long as it has no more.
pub(super) const SMALL: usize = 64 << 10;
/// The same once it has more. Twice as much makes one stream a little cheaper and ten at once no cheaper, but later.
pub(super) const LARGE: usize = 256 << 10;
/// The same while memory is short.
pub(super) const TIGHT: usize = 8 << 10;
/// Free small buffers that are kept for the next use; more are given back.
const SPARE: usize = 16;
/// Large buffers, lent and free.
const LARGE_ONES: usize = 8;
/// Bytes of what is kept for the next use.
const OWN: usize = SPARE * SMALL + LARGE_ONES * LARGE;

/// The buffers of one worker.
#[derive(Default)]
pub(crate) struct Buffers {
    small: RefCell<Vec<Box<[u8]>>>,
    large: RefCell<Vec<Box<[u8]>>>,
    /// Large ones that were made. None is given back.
    made: Cell<usize>,
    /// Bytes that flows keep for receivers that do not take them.
    kept: Cell<usize>,
    /// Bytes that they may keep before buffers are tight.
    allowed: Cell<usize>,
}

impl Buffers {
    /// From here on the worker may use this many bytes for what receivers do not take.
    pub(crate) fn allow(&self, bytes: usize) {
        self.allowed.set(bytes.saturating_sub(OWN));
    }

    /// Whether flows keep more than they may.
    pub(super) fn are_short(&self) -> bool {
        self.kept.get() >= self.allowed.get()
    }

    /// A flow keeps `bytes` where it kept `before`.
    pub(crate) fn keep(&self, before: usize, bytes: usize) {
        self.kept.set(self.kept.get() - before + bytes);
    }

    /// Has somebody keep `bytes` who can do without: false if more than half of what may be kept is. They are given back
    /// by [`Buffers::keep`].
    pub(crate) fn spares(&self, bytes: usize) -> bool {
        let kept = self.kept.get().saturating_add(bytes);
        let spares = kept <= self.allowed.get() / 2;
        if spares {
            self.kept.set(kept);
        }
        spares
    }

    /// A large one if there is one. A tight one where memory is short.
    pub(super) fn take(&self, large: bool) -> Box<[u8]> {
        if self.are_short() {
            return room(TIGHT);
        }
        let large = if large { self.take_large() } else { None };
        large.or_else(|| self.small.borrow_mut().pop()).unwrap_or_else(|| room(SMALL))
    }

    fn take_large(&self) -> Option<Box<[u8]>> {
        let free = self.large.borrow_mut().pop();
        if free.is_none() && self.made.get() < LARGE_ONES {
            self.made.set(self.made.get() + 1);
            return Some(room(LARGE));
        }
        free
    }

    /// Takes a buffer back, or one that was not lent: that is given back to the system.
    pub(super) fn put(&self, buffer: Box<[u8]>) {
        let mut small = self.small.borrow_mut();
        if buffer.len() == LARGE {
            self.large.borrow_mut().push(buffer);
        } else if buffer.len() == SMALL && small.len() < SPARE {
            small.push(buffer);
        }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.small.borrow().len() + self.large.borrow().len()
    }

    /// Some that may keep whatever there is to keep.
    #[cfg(test)]
    fn boundless() -> Self {
        let buffers = Self::default();
        buffers.allow(usize::MAX);
        buffers
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.get()
    }
}

fn room(length: usize) -> Box<[u8]> {
    vec![0; length].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_are_few_and_come_back() {
        let buffers = Buffers::boundless();
        let lent: Vec<_> = (0..=LARGE_ONES).map(|_| buffers.take(true)).collect();
        let lengths: Vec<_> = lent.iter().map(|buffer| buffer.len()).collect();
        assert_eq!(lengths.iter().filter(|length| **length == LARGE).count(), LARGE_ONES);
        assert_eq!(lengths.last(), Some(&SMALL));
        for buffer in lent {
            buffers.put(buffer);
        }
        assert_eq!(buffers.take(true).len(), LARGE);
        assert_eq!(buffers.take(false).len(), SMALL);
    }

    #[test]
    fn while_flows_keep_more_than_they_may_buffers_are_tight() {
        let buffers = Buffers::default();
        buffers.allow(OWN + 2 * SMALL);
        buffers.keep(0, SMALL);
        assert_eq!(buffers.take(false).len(), SMALL);
        buffers.keep(0, SMALL);
        let tight = buffers.take(true);
        assert_eq!((buffers.are_short(), tight.len()), (true, TIGHT));
        buffers.put(tight);
        assert_eq!(buffers.free(), 0, "a tight one is not lent as a small one");
        buffers.keep(SMALL, 7);
        assert_eq!((buffers.kept(), buffers.take(true).len()), (SMALL + 7, LARGE));
        buffers.allow(0);
        assert_eq!(buffers.take(true).len(), TIGHT);
    }

    #[test]
    fn who_can_do_without_leaves_half() {
        let buffers = Buffers::default();
        buffers.allow(OWN + 4 * SMALL);
        buffers.keep(0, SMALL);
        assert!(buffers.spares(SMALL) && !buffers.spares(1), "half of it is kept");
        buffers.keep(SMALL, 0);
        assert!(buffers.spares(SMALL));
        assert!(!buffers.are_short() && !buffers.spares(usize::MAX));
    }

    #[test]
    fn what_was_not_lent_is_not_lent_on() {
        let buffers = Buffers::boundless();
        buffers.put(Vec::from(b"ahead").into_boxed_slice());
        assert_eq!((buffers.free(), buffers.take(false).len()), (0, SMALL));
    }

    #[test]
    fn small_ones_beyond_the_spare_are_given_back() {
        let buffers = Buffers::boundless();
        let lent: Vec<_> = (0..2 * SPARE).map(|_| buffers.take(false)).collect();
        for buffer in lent {
            buffers.put(buffer);
        }
        assert_eq!(buffers.free(), SPARE);
    }
}
