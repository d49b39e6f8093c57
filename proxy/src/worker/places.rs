//! What a worker holds beside connections, each while it lasts: flows of datagrams, requests beside another one, and
//! memory that somebody could do without.

use super::Local;
use crate::counts::ListenerCounts;
use crate::listener::{Place, Ticket};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// Counts a flow while there is one.
pub(crate) struct FlowPlace {
    local: Rc<Local>,
    counts: Arc<ListenerCounts>,
    /// How many flows its socket has beyond its share.
    beyond: Rc<Cell<usize>>,
    /// What it has of its listener.
    _held: (Place, Option<Box<Ticket>>),
}

impl FlowPlace {
    /// That of one flow more of a socket that has `flows`, and `beyond` of them beyond its share.
    pub(crate) fn new(
        local: &Rc<Local>,
        counts: &Arc<ListenerCounts>,
        (flows, beyond): (usize, &Rc<Cell<usize>>),
        held: (Place, Option<Box<Ticket>>),
    ) -> Self {
        if flows.saturating_sub(beyond.get()) >= local.shared.flows_per_worker().share {
            beyond.set(beyond.get() + 1);
            local.common_flows.set(local.common_flows.get() + 1);
        }
        counts.opened(local.index);
        Self { local: Rc::clone(local), counts: Arc::clone(counts), beyond: Rc::clone(beyond), _held: held }
    }
}

impl Drop for FlowPlace {
    fn drop(&mut self) {
        // Whichever ends, what is left is within the share first.
        if let Some(left) = self.beyond.get().checked_sub(1) {
            self.beyond.set(left);
            self.local.common_flows.set(self.local.common_flows.get() - 1);
        }
        self.counts.closed(self.local.index);
        self.local.ended.notify_waiters();
    }
}

/// A request beside another one on the same connection. It may take as much as a connection, and counts as one.
pub(crate) struct RequestPlace(Rc<Local>);

impl RequestPlace {
    /// That of one request more at a listener that has `own` connections in all workers; none while the worker holds as
    /// much as it may.
    pub(crate) fn take(local: &Rc<Local>, own: usize) -> Option<Self> {
        local.has_room(own).then(|| {
            local.connections.set(local.connections.get() + 1);
            Self(Rc::clone(local))
        })
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.ended.notify_waiters();
    }
}

/// Memory beside what connections have in any case, of what a worker keeps for ends that do not take what they get.
pub(crate) struct Spare {
    local: Rc<Local>,
    bytes: usize,
}

impl Spare {
    /// So many bytes; none while more than half of what may be kept is.
    pub(crate) fn take(local: &Rc<Local>, bytes: usize) -> Option<Self> {
        local.buffers.spares(bytes).then(|| Self { local: Rc::clone(local), bytes })
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.local.buffers.keep(self.bytes, 0);
    }
}
