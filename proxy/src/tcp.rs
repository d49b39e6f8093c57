//! tcp mode: one connection of a client becomes one connection to a member.

use crate::counts::Failure;
use crate::dial::{Dial, NoMember};
use crate::identity;
use crate::linger;
use crate::listener::{Accepted, Session};
use crate::pool::Lease;
use crate::relay::{End, Relay};
use crate::snapshot::Route;
use crate::stream::Stream;
use crate::worker::Local;
use addr::fold_mapped;
use std::net::SocketAddr;
use std::rc::Rc;

/// Reaches a member. What it returns carries the connection from then on; None: the connection has ended.
///
/// Without a member it is closed in an orderly way: the client sees the end of the stream, not a reset.
pub(crate) async fn begin(local: Rc<Local>, accepted: Accepted) -> Option<Session> {
    let header = identity::header(accepted.route.pool.config.proxy_protocol, || accepted.origin());
    let Accepted { route, stream: client, client: peer, .. } = accepted;
    match reach(&local, &route, peer, &header).await {
        Ok((member, lease)) => {
            client.socket().set_nodelay();
            let mut relay = Relay::new(local, route, client, member);
            Some(Box::pin(async move {
                // Waited for by reference: else there would be room for it twice.
                let end = (&mut relay).await;
                drop(lease);
                if let Some(failure) = failure(end) {
                    let listener = &relay.route().name;
                    tracing::debug!(peer = peer.map(display), listener, ?end, "connection did not end well");
                    relay.failed(failure);
                }
            }))
        }
        Err(failure) => {
            route.counts.failed(local.index(), failure);
            linger::close(client).await;
            None
        }
    }
}

async fn reach(
    local: &Local,
    route: &Route,
    peer: Option<SocketAddr>,
    header: &[u8],
) -> Result<(Stream, Lease), Failure> {
    let mut dial = Dial::new(local, &route.pool, &route.timeout, peer.map(|peer| fold_mapped(peer.ip())));
    loop {
        let lease = dial.next().await.map_err(|none| match none {
            NoMember::AllOut => Failure::NoMember,
            NoMember::AllTried => Failure::Unreachable,
            NoMember::QueueFull => Failure::QueueFull,
            NoMember::QueueTimeout => Failure::QueueTimeout,
        })?;
        if let Ok(stream) = dial.connect(lease.member(), header).await {
            return Ok((stream, lease));
        }
    }
}

const fn failure(end: End) -> Option<Failure> {
    match end {
        End::Whole => None,
        End::ClientGone => Some(Failure::ClientGone),
        End::MemberGone => Some(Failure::MemberGone),
        End::ClientSilent => Some(Failure::ClientTimeout),
        End::MemberSilent => Some(Failure::MemberTimeout),
        End::Idle => Some(Failure::TunnelTimeout),
    }
}
