//! From a pool to a connection: picks a member, connects, and goes on to the next where that fails.
//!
//! Each member is tried once at most; a client waits for one connect timeout per member at worst.

use crate::pool::{Lease, MemberState, Pool};
use crate::shortage::is_shortage;
use crate::worker::Local;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time;

/// The search for a member on behalf of one client.
pub(crate) struct Dial<'a> {
    local: &'a Local,
    pool: &'a Pool,
    client: IpAddr,
    tried: Vec<usize>,
}

/// Why no member could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMember {
    /// None takes work.
    AllOut,
    /// All that take work were tried.
    AllTried,
}

impl<'a> Dial<'a> {
    pub(crate) const fn new(local: &'a Local, pool: &'a Pool, client: IpAddr) -> Self {
        Self { local, pool, client, tried: Vec::new() }
    }

    /// The next member for this client, with its load counted.
    pub(crate) fn next(&mut self) -> Result<(Arc<MemberState>, Lease), NoMember> {
        let picked = self.pool.pick(self.client, &self.tried, &mut || self.local.random());
        let Some(place) = picked else {
            return Err(if self.tried.is_empty() { NoMember::AllOut } else { NoMember::AllTried });
        };
        self.tried.push(place);
        let member = Arc::clone(&self.pool.members[place]);
        member.counts.chosen(self.local.index());
        let lease = member.lease();
        Ok((member, lease))
    }
}

/// Connects to a member and tells it `header` before all else, within the limit, counted and logged.
pub(crate) async fn connect(
    local: &Local,
    member: &MemberState,
    limit: Duration,
    header: &[u8],
) -> io::Result<TcpStream> {
    let connected = match time::timeout(limit, open(member.address, header)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"))),
    };
    match &connected {
        Ok(_) => member.counts.connected(local.index()),
        Err(error) => {
            // A shortage of ours is no fault of the member.
            if !is_shortage(error) {
                member.counts.refused(local.index());
            }
            tracing::debug!(%error, pool = member.pool, member = member.name, "member cannot be reached");
        }
    }
    connected
}

async fn open(address: SocketAddr, header: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    // Bytes are handed to the kernel in the chunks the other side sent them in: waiting for more only delays.
    let _ = stream.set_nodelay(true);
    stream.write_all(header).await?;
    Ok(stream)
}
