//! What is told of a flow when it ends, however it does.

use super::path::Path;
use crate::listener::Site;
use crate::notes::{Notes, Passage};
use crate::pool::MemberState;
use crate::record::{Bytes, State};
use crate::snapshot::Route;
use crate::worker::Local;
use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The line about one flow, which is told when this goes.
pub(super) struct FlowLine {
    local: Rc<Local>,
    route: Arc<Route>,
    client: Option<SocketAddr>,
    notes: Notes,
    bytes: Cell<Bytes>,
    state: State,
}

impl FlowLine {
    /// Of a flow that begins; none where there is no log. `bound` is the address of the socket that it came to.
    pub(super) fn begin(
        local: &Rc<Local>,
        (route, site): (&Arc<Route>, &Site),
        path: &Path,
        bound: SocketAddr,
    ) -> Option<Box<Self>> {
        let mut notes = *Notes::begin(local, route, site)?;
        notes.came_to(|| Some(path.local().map_or(bound, |ip| SocketAddr::new(ip, bound.port()))));
        Some(Box::new(Self {
            local: Rc::clone(local),
            route: Arc::clone(route),
            client: path.client(),
            notes,
            bytes: Cell::default(),
            state: State::WHOLE,
        }))
    }

    /// The flow goes to this member, from here.
    pub(super) fn goes_to(&mut self, member: &Arc<MemberState>, local: impl FnOnce() -> Option<SocketAddr>) {
        let now = Instant::now();
        let before = self.notes.member.replace(Arc::clone(member));
        if before.is_some() {
            self.notes.path.tries_again();
        }
        self.notes.path.seated(before.map(|before| before.id == member.id), now);
        self.notes.path.connected(now);
        self.notes.left_from(local);
    }

    /// The client has sent this many octets.
    pub(super) fn received(&self, octets: u64) {
        let bytes = self.bytes.get();
        self.bytes.set(Bytes { received: bytes.received + octets, ..bytes });
    }

    /// The client was sent this many octets.
    pub(super) fn sent(&self, octets: u64) {
        let bytes = self.bytes.get();
        self.bytes.set(Bytes { sent: bytes.sent + octets, ..bytes });
    }

    /// It ends otherwise than by silence.
    pub(super) const fn ends_by(&mut self, state: State) {
        self.state = state;
    }
}

impl Drop for FlowLine {
    fn drop(&mut self) {
        self.notes.bytes = self.bytes.get();
        let passage = Passage { local: &self.local, route: &self.route, client: self.client };
        self.notes.ended(&passage, None, self.state);
    }
}

impl fmt::Debug for FlowLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowLine").field("notes", &self.notes).finish_non_exhaustive()
    }
}
