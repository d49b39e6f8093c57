//! tcp mode: one connection of a client becomes one connection to a member.

use crate::counts::Failure;
use crate::dial::{Dial, NoMember};
use crate::identity;
use crate::linger;
use crate::listener::Accepted;
use crate::pool::Lease;
use crate::relay::{self, End};
use crate::snapshot::Route;
use crate::stream::Stream;
use crate::worker::Local;
use addr::fold_mapped;
use std::net::SocketAddr;

/// Carries one connection from accept to close.
///
/// Without a member the connection is closed in an orderly way: the client sees the end of the stream, not a reset.
pub(crate) async fn serve(local: &Local, accepted: Accepted) {
    let header = identity::header(accepted.route.pool.config.proxy_protocol, || accepted.origin());
    let Accepted { route, stream: client, client: peer, .. } = accepted;
    let counts = &route.counts;
    let (member, lease) = match reach(local, &route, peer, &header).await {
        Ok(reached) => reached,
        Err(failure) => {
            counts.failed(local.index(), failure);
            return linger::close(client).await;
        }
    };
    client.socket().set_nodelay();
    let end = relay::relay(local, &route, client, member).await;
    drop(lease);
    if let Some(failure) = failure(end) {
        tracing::debug!(peer = peer.map(display), listener = route.name, ?end, "connection did not end well");
        counts.failed(local.index(), failure);
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
    }
}
