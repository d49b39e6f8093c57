//! Serving TCP: pipelined queries, answered in whatever order they are ready (RFC 7766 §6.2.1.1, §7).
//!
//! A connection is one reading loop and one writing task. A client that sends more than its share of queries at
//! once is read no further until some are answered; one that is silent, or that stops reading or sending midway, is
//! let go of. Messages that are dropped over UDP are dropped here too, and the connection goes on.

use crate::listen::MAX_CONNECTIONS;
use crate::metrics::Transport;
use crate::question::DropReason;
use crate::quota::Quota;
use crate::resolver::{Received, Shared};
use crate::worker::Busy;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

/// How long a connection may be silent, between messages or within one (RFC 7766 §6.2.3), and how long a reply may
/// wait for the client to read.
const IDLE: Duration = Duration::from_secs(10);

/// Queries of one connection that may wait for their replies.
const MAX_PIPELINED: usize = 64;

/// How long accepting rests after it failed, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(MAX_PIPELINED < MAX_CONNECTIONS, "one client must not take what many need");

/// Accepts until the task is aborted.
pub(crate) async fn serve(
    listener: TcpListener,
    connections: Arc<Quota>,
    shared: Arc<Shared>,
    draining: watch::Receiver<bool>,
    busy: Busy,
) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = connections.take(client.ip()) else {
            shared.metrics().connections_refused.inc();
            continue;
        };
        let (shared, draining, busy) = (Arc::clone(&shared), draining.clone(), busy.clone());
        tokio::spawn(async move {
            shared.metrics().connections.inc();
            if let Err(error) = converse(stream, client, &shared, draining, &busy).await {
                tracing::debug!(%client, %error, "connection ended");
            }
            shared.metrics().connections.dec();
            drop((permit, busy));
        });
    }
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    shared: &Arc<Shared>,
    draining: watch::Receiver<bool>,
    busy: &Busy,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    // Room for every reply that can be under way, so that none waits for the channel.
    let (replies, ready) = mpsc::channel(MAX_PIPELINED);
    let writing = tokio::spawn(write_replies(writer, ready));
    let read = read_queries(reader, client, shared, draining, busy, replies).await;
    // Whoever still works on a reply holds the channel; the writer ends with the last of them.
    let written = writing.await.map_err(io::Error::other)?;
    read.and(written)
}

/// Reads until the client closes, is silent for too long, or the daemon drains.
async fn read_queries(
    mut reader: impl AsyncRead + Unpin,
    client: SocketAddr,
    shared: &Arc<Shared>,
    mut draining: watch::Receiver<bool>,
    busy: &Busy,
    replies: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let pipelined = Arc::new(Semaphore::new(MAX_PIPELINED));
    let mut message = Vec::new();
    loop {
        let permit = Arc::clone(&pipelined).acquire_owned().await.map_err(io::Error::other)?;
        let more = tokio::select! {
            more = timeout(IDLE, read_message(&mut reader, &mut message)) => more??,
            _ = draining.wait_for(|draining| *draining) => false,
            () = replies.closed() => false,
        };
        if !more {
            return Ok(());
        }
        let mut out = Vec::new();
        match shared.receive(&message, client, Transport::Tcp, &mut out) {
            Received::Nothing => {}
            Received::Reply => deliver(shared, &replies, out).await,
            Received::Job(job) => {
                let (shared, replies, busy) = (Arc::clone(shared), replies.clone(), busy.clone());
                tokio::spawn(async move {
                    job.run(&mut out).await;
                    deliver(&shared, &replies, out).await;
                    drop((permit, busy));
                });
            }
        }
    }
}

/// Reads one message; false where the client closed between messages.
async fn read_message(reader: &mut (impl AsyncRead + Unpin), message: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 2];
    if reader.read(&mut length[..1]).await? == 0 {
        return Ok(false);
    }
    reader.read_exact(&mut length[1..]).await?;
    message.resize(usize::from(u16::from_be_bytes(length)), 0);
    reader.read_exact(message).await?;
    Ok(true)
}

async fn deliver(shared: &Shared, replies: &mpsc::Sender<Vec<u8>>, reply: Vec<u8>) {
    if replies.send(reply).await.is_err() {
        shared.metrics().dropped(DropReason::ConnectionGone);
    }
}

async fn write_replies(
    mut writer: impl AsyncWrite + Unpin,
    mut ready: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut framed = Vec::new();
    while let Some(reply) = ready.recv().await {
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        framed.clear();
        // Length and message in one segment (RFC 7766 §8).
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&reply);
        timeout(IDLE, writer.write_all(&framed)).await??;
    }
    writer.shutdown().await
}
