//! DNS over QUIC (RFC 9250), with quinn's client.

use super::{NAME, Site, client_config};
use crate::daemon::framed;
use crate::world::{LONG, question, synthesized, v6};
use futures_util::future::join_all;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// RFC 9250 §8.4.
const PROTOCOL_ERROR: u32 = 2;

async fn connect(server: SocketAddr, pem: &str, protocol: &str) -> Result<Connection, ConnectionError> {
    let config = QuicClientConfig::try_from(client_config(pem, &[protocol])).unwrap();
    let endpoint = Endpoint::client(SocketAddr::new(server.ip(), 0)).unwrap();
    let connecting = endpoint.connect_with(ClientConfig::new(Arc::new(config)), server, NAME).unwrap();
    timeout(LONG, connecting).await.expect("a handshake")
}

/// A question with the number `id`.
fn query(id: u16) -> Vec<u8> {
    let mut message = question("v4.example.", RecordType::AAAA);
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

/// Sends `octets` on a stream of their own, and reads what comes back; `None` where the server does not want them.
async fn exchange(connection: &Connection, octets: &[u8]) -> Option<Vec<u8>> {
    let (mut send, mut receive) = connection.open_bi().await.ok()?;
    send.write_all(octets).await.ok()?;
    send.finish().ok()?;
    timeout(LONG, receive.read_to_end(70_000)).await.expect("an end").ok()
}

async fn ask(connection: &Connection) -> Message {
    let reply = exchange(connection, &framed(&query(0))).await.unwrap();
    assert_eq!(usize::from(u16::from_be_bytes([reply[0], reply[1]])), reply.len() - 2);
    Message::from_vec(&reply[2..]).unwrap()
}

/// Asks a server over QUIC.
pub(super) async fn answers(server: SocketAddr, pem: &str) {
    let connection = connect(server, pem, "doq").await.unwrap();
    assert_eq!(v6(&ask(&connection).await), synthesized());
}

/// Connects, and waits until `line` has counted it as the third. A client that is not told anything goes on waiting.
pub(super) async fn is_turned_away(site: &Site, line: &str) {
    let connecting = connect(site.quic, &site.pem, "doq");
    tokio::select! {
        connected = connecting => {
            let error = connected.expect_err("it is refused");
            assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error}");
            site.daemon.metric_becomes(line, "3").await;
        }
        () = site.daemon.metric_becomes(line, "3") => {}
    }
}

#[tokio::test]
async fn each_stream_is_one_query_and_many_run_at_once() {
    let site = Site::new().await;
    let connection = connect(site.quic, &site.pem, "doq").await.unwrap();
    for reply in join_all((0..30).map(|_| ask(&connection))).await {
        assert_eq!((reply.metadata.id, v6(&reply)), (0, synthesized()));
    }
    let line = r#"causeway_dns64_queries_total{transport="quic",type="AAAA",outcome="synthesized"}"#;
    assert_eq!(site.daemon.metric(line).await, "30");
    site.daemon.metric_becomes(r#"causeway_dns64_connections{transport="quic"}"#, "1").await;
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_loses_its_connection_and_nobody_elses() {
    let site = Site::new().await;
    let other = connect(site.quic, &site.pem, "doq").await.unwrap();
    let two = [framed(&query(0)), framed(&query(0))].concat();
    for octets in [framed(&query(7)), two, vec![0], framed(b"short"), vec![0; 10_000]] {
        let connection = connect(site.quic, &site.pem, "doq").await.unwrap();
        assert_eq!(exchange(&connection, &octets).await, None, "{octets:?}");
        let closed = timeout(LONG, connection.closed()).await.expect("an end");
        let ConnectionError::ApplicationClosed(close) = closed else { panic!("{closed}") };
        assert_eq!(close.error_code, PROTOCOL_ERROR.into(), "{octets:?}");
    }
    assert_eq!(v6(&ask(&other).await), synthesized());
}

#[tokio::test]
async fn a_query_that_is_taken_back_leaves_the_connection_alone() {
    let site = Site::new().await;
    let connection = connect(site.quic, &site.pem, "doq").await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&framed(&query(0))[..5]).await.unwrap();
    send.reset(3_u32.into()).unwrap();
    assert!(timeout(LONG, receive.read_to_end(1000)).await.expect("an end").is_err());
    assert_eq!(v6(&ask(&connection).await), synthesized());
}

#[tokio::test]
async fn a_client_that_speaks_another_protocol_is_turned_away() {
    let site = Site::new().await;
    assert!(connect(site.quic, &site.pem, "h3").await.is_err());
    let line = r#"causeway_dns64_handshakes_failed_total{transport="quic",reason="incompatible"}"#;
    site.daemon.metric_becomes(line, "1").await;
}

#[tokio::test]
async fn connections_end_in_order_when_the_daemon_does() {
    let site = Site::new().await;
    let connection = connect(site.quic, &site.pem, "doq").await.unwrap();
    assert_eq!(v6(&ask(&connection).await), synthesized());
    site.daemon.terminate();
    let closed = timeout(LONG, connection.closed()).await.expect("an end");
    let ConnectionError::ApplicationClosed(close) = closed else { panic!("{closed}") };
    assert_eq!(close.error_code, 0_u32.into());
    assert!(site.daemon.ended().await.success());
}
