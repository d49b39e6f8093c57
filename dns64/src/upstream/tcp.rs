//! One query over TCP (RFC 1035 §4.2.2, RFC 7766), on a connection of its own.

use super::random::Nonce;
use super::{Breakdown, Upstream};
use crate::answer::Answer;
use crate::metrics::Transport;
use crate::query::Query;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Asks `upstream` and waits for as long as it takes; the caller limits the time.
pub(super) async fn exchange(upstream: &Upstream, query: &Query) -> Result<Answer, Breakdown> {
    let nonce = Nonce::draw()?;
    // No guesser can write into a connection, so the client's spelling may go out as it is.
    let message = query.encode(nonce.id, &query.name);
    let mut stream = TcpStream::connect(upstream.address).await?;
    stream.set_nodelay(true)?;
    upstream.metrics.sent(Transport::Tcp);
    let length = u16::try_from(message.len()).expect("a query has less than 300 octets");
    // Length and message in one segment (RFC 7766 §8).
    stream.write_all(&[&length.to_be_bytes(), &message[..]].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    Answer::parse(reply, query, nonce.id, query.name.as_bytes()).map_err(|mismatch| {
        upstream.metrics.mismatched(mismatch);
        Breakdown::Garbled
    })
}
