//! tcp mode: one connection of a client becomes one connection to a member.

use crate::counts::Failure;
use crate::dial::{Dial, First, NoMember};
use crate::identity;
use crate::linger;
use crate::listener::{Accepted, Stage};
use crate::notes::{MaybeNotes, Passage};
use crate::opening::Told;
use crate::pool::{Lease, Pool};
use crate::record::Ending;
use crate::relay::{End, Relay};
use crate::shortage::is_shortage;
use crate::stream::Stream;
use crate::worker::Local;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// Reaches a member. The stage that follows carries the connection; without one it has ended.
///
/// Without a member it is closed in an orderly way: the client sees the end of the stream, not a reset.
pub(crate) async fn begin(local: Rc<Local>, mut accepted: Accepted) -> Option<Stage> {
    let mut notes = accepted.notes.take();
    let reached = reach(&local, &mut accepted, &mut notes).await;
    let Accepted { route, stream: client, client: peer, .. } = accepted;
    match reached {
        Ok((member, lease)) => Some(carry(Relay::new(local, route, client, member, notes), peer, lease)),
        Err((ending, failure)) => {
            route.counts.failed(local.index(), failure);
            if let Some(notes) = notes {
                notes.ended(&Passage { local: &local, route: &route, client: peer }, None, ending.state());
            }
            linger::close(client).await;
            None
        }
    }
}

/// Relays to the end, which is told and counted.
pub(crate) fn carry(relay: Relay, peer: Option<SocketAddr>, lease: Lease) -> Stage {
    let mut carried = Carried { relay, peer, lease };
    Stage::last(async move {
        let Carried { relay, lease, .. } = &mut carried;
        // Waited for by reference: else there would be room for it twice.
        let (ending, failure) = outcome((&mut *relay).await);
        relay.tell(peer, lease, ending);
        if let Some(failure) = failure {
            let listener = &relay.route().name;
            tracing::debug!(peer = peer.map(display), listener, ?ending, "connection did not end well");
            relay.failed(failure);
        }
    })
}

/// A relay under way. What is dropped before its end is told as cut off.
struct Carried {
    relay: Relay,
    peer: Option<SocketAddr>,
    lease: Lease,
}

impl Drop for Carried {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.relay.tell(self.peer, &self.lease, Ending::CutOff);
        }
    }
}

/// Whose members the client is for, what they may be told of it, and what of it was read for them.
fn opened(accepted: &mut Accepted) -> (Arc<Pool>, Option<Told>, Vec<u8>) {
    match accepted.opening.take() {
        None => (Arc::clone(&accepted.route.pool), None, Vec::new()),
        Some(opening) => (opening.pool, Some(opening.told), opening.ahead),
    }
}

async fn reach(
    local: &Local,
    accepted: &mut Accepted,
    notes: &mut MaybeNotes,
) -> Result<(Stream, Lease), (Ending, Failure)> {
    let (pool, told, ahead) = opened(accepted);
    let accepted = &*accepted;
    let client = accepted.client.map(|peer| accepted.route.translated.counted(peer.ip()));
    let mut dial = Dial::new(local, &pool, &accepted.route.timeout, client);
    let mut first = First { header: Vec::new(), ahead };
    let mut unreached = Ending::NoMember;
    loop {
        let next = dial.next().await;
        if let Some(notes) = notes {
            notes.path = dial.path;
            notes.member = next.as_ref().map_or_else(
                |none| {
                    notes.member.take().filter(|_| matches!(none, NoMember::AllTried | NoMember::Shortage))
                },
                |lease| Some(Arc::clone(lease.member())),
            );
        }
        let lease = next.map_err(|none| match none {
            NoMember::AllOut => (Ending::NoMember, Failure::NoMember),
            NoMember::AllTried => (unreached, Failure::Unreachable),
            NoMember::Shortage => (unreached, Failure::Shortage),
            NoMember::QueueFull => (Ending::QueueFull, Failure::QueueFull),
            NoMember::QueueTimeout => (Ending::QueueTimeout, Failure::QueueTimeout),
        })?;
        let version = dial.pool().config.proxy_protocol;
        first.header = identity::header(version, told.as_ref(), || accepted.origin());
        match dial.connect(lease.member(), &first).await {
            Ok(stream) => {
                if let Some(notes) = notes {
                    notes.path.connected(Instant::now());
                    notes.left_from(|| stream.socket().local_addr());
                }
                return Ok((stream, lease));
            }
            Err(error) => unreached = refusal(&error),
        }
    }
}

pub(crate) fn refusal(error: &io::Error) -> Ending {
    if is_shortage(error) {
        Ending::Shortage
    } else if error.kind() == io::ErrorKind::TimedOut {
        Ending::ConnectTimeout
    } else {
        Ending::Refused
    }
}

/// How a relay that has ended is told and counted.
pub(crate) const fn outcome(end: End) -> (Ending, Option<Failure>) {
    match end {
        End::Whole => (Ending::Whole, None),
        End::ClientGone => (Ending::ClientGone, Some(Failure::ClientGone)),
        End::MemberGone => (Ending::MemberGone, Some(Failure::MemberGone)),
        End::ClientSilent => (Ending::ClientSilent, Some(Failure::ClientTimeout)),
        End::MemberSilent => (Ending::MemberSilent, Some(Failure::MemberTimeout)),
        End::Idle => (Ending::Idle, Some(Failure::TunnelTimeout)),
    }
}
