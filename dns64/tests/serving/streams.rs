//! TCP (RFC 7766): pipelining, order, pieces, limits.

use crate::daemon::{Daemon, file, framed, listener, read_tcp};
use crate::scripted::{Scripted, a, back, only_a, own_address, with};
use crate::world::{LONG, PREF64, question, synthesized, v6};
use dns64::listen::MAX_CONNECTIONS;
use dns64::quota::SHARE;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A question with a number of its own.
fn numbered(id: u16, name: &str) -> Vec<u8> {
    let mut message = question(name, RecordType::A);
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

#[tokio::test]
async fn pipelined_queries_are_answered_in_the_order_in_which_they_are_ready() {
    let released = Arc::new(AtomicBool::new(false));
    let release = Arc::clone(&released);
    let upstream = Scripted::start(move |query, asked| {
        let held = asked.name == "slow.example." && !release.load(Ordering::SeqCst);
        if held { vec![] } else { back(&with(query, [a("192.0.2.1")])) }
    })
    .await;
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let both = [framed(&numbered(1, "slow.example.")), framed(&numbered(2, "fast.example."))].concat();
    stream.write_all(&both).await.unwrap();
    assert_eq!(read_tcp(&mut stream).await.metadata.id, 2);
    released.store(true, Ordering::SeqCst);
    assert_eq!(read_tcp(&mut stream).await.metadata.id, 1);
}

#[tokio::test]
async fn a_query_in_pieces_is_put_together() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for octet in framed(&question("v4.example.", RecordType::AAAA)) {
        stream.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(v6(&read_tcp(&mut stream).await), synthesized());
}

#[tokio::test]
async fn messages_that_are_no_questions_do_not_end_the_connection() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let messages = [framed(b""), framed(b"garbage"), framed(&numbered(3, "v4.example."))].concat();
    stream.write_all(&messages).await.unwrap();
    assert_eq!(read_tcp(&mut stream).await.metadata.id, 3);
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_its_replies() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(v6(&read_tcp(&mut stream).await), synthesized());
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn more_queries_than_may_wait_are_all_answered() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for id in 0..300 {
        stream.write_all(&framed(&numbered(id, "v4.example."))).await.unwrap();
    }
    let mut ids = Vec::new();
    for _ in 0..300 {
        ids.push(read_tcp(&mut stream).await.metadata.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_connection_too_many_of_a_client_is_closed_and_counted_and_others_get_theirs() {
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], "")).await;
    let mut streams: Vec<_> = Vec::new();
    for _ in 0..=MAX_CONNECTIONS / SHARE {
        streams.push(TcpStream::connect(address).await.unwrap());
    }
    let mut closed: FuturesUnordered<_> =
        streams.iter_mut().map(|stream| async { stream.read(&mut [0]).await }).collect();
    let first = timeout(LONG, closed.next()).await.expect("one is closed").unwrap();
    assert_eq!(first.unwrap_or(0), 0);
    assert_eq!(daemon.metric(r#"causeway_dns64_connections_refused_total{transport="tcp"}"#).await, "1");
    drop(closed);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(own_address(), 0)).unwrap();
    let mut other = socket.connect(address).await.unwrap();
    other.write_all(&framed(&question("ipv4only.arpa.", RecordType::AAAA))).await.unwrap();
    assert!(!v6(&read_tcp(&mut other).await).is_empty());
}
