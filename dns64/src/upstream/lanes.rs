//! What each worker has of its own towards one upstream: sockets belong to the runtime that opened them, and a reply
//! that is read where its query waits wakes no other thread.

use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::runtime::{Handle, Id};

/// One `T` for each runtime that asked for it.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: ArcSwap<Vec<(Id, Arc<T>)>>,
}

impl<T> Lanes<T> {
    pub(super) fn new() -> Self {
        Self { lanes: ArcSwap::default() }
    }

    /// That of the runtime which runs this; made by `make` when it is asked for first.
    pub(super) fn own(&self, make: impl Fn() -> T) -> Arc<T> {
        let own = Handle::current().id();
        let find = |lanes: &[(Id, Arc<T>)]| {
            lanes.iter().find(|(id, _)| *id == own).map(|(_, lane)| Arc::clone(lane))
        };
        if let Some(lane) = find(&self.lanes.load()) {
            return lane;
        }
        let lane = Arc::new(make());
        self.lanes.rcu(|lanes| {
            let mut lanes = lanes.to_vec();
            // Another thread of the same runtime may have been quicker.
            if find(&lanes).is_none() {
                lanes.push((own, Arc::clone(&lane)));
            }
            lanes
        });
        find(&self.lanes.load()).unwrap_or(lane)
    }

    /// That of every runtime.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.lanes.load().iter().map(|(_, lane)| Arc::clone(lane)).collect()
    }
}
