//! How many connections of a listener there are in all workers, and who waits for one of them to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The places of one listener. Outlives configurations that name it.
#[derive(Debug, Default)]
pub(crate) struct Room {
    taken: AtomicUsize,
    /// Tells whoever waits at that moment that there may be a place.
    pub(crate) freed: Notify,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Room>);

impl Room {
    /// A place, if fewer than `limit` are taken.
    pub(crate) fn take(self: &Arc<Self>, limit: usize) -> Option<Place> {
        let one_more = |taken: usize| (taken < limit).then(|| taken + 1);
        let took = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        took.is_ok().then(|| Place(Arc::clone(self)))
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_together_keep_to_the_limit() {
        let room = Arc::new(Room::default());
        let held: Vec<Place> = std::thread::scope(|scope| {
            let take = || (0..100).filter_map(|_| room.take(150)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((held.len(), room.taken()), (150, 150));
        drop(held);
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_place() {
        let room = Arc::new(Room::default());
        let place = room.take(1).unwrap();
        let freed = room.freed.notified();
        assert!(room.take(1).is_none());
        drop(place);
        freed.await;
        assert!(room.take(1).is_some());
    }
}
