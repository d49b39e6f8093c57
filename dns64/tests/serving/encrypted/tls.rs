//! DNS over TLS (RFC 7858): pipelining, handshakes that go wrong, limits.

use super::{NAME, Site, client_config};
use crate::daemon::{framed, read_framed};
use crate::world::{LONG, question, v6};
use futures_util::future::join_all;
use hickory_proto::rr::RecordType;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection that trusts `pem` and speaks DNS over TLS.
pub(super) async fn connect(server: SocketAddr, pem: &str, name: &'static str) -> TlsStream<TcpStream> {
    handshake(server, pem, name, &["dot"]).await.unwrap()
}

async fn handshake(
    server: SocketAddr,
    pem: &str,
    name: &'static str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(client_config(pem, protocols)));
    let stream = TcpStream::connect(server).await.unwrap();
    timeout(LONG, connector.connect(ServerName::try_from(name).unwrap(), stream)).await.expect("a handshake")
}

/// A question with a number of its own, about a name that is served without upstreams.
fn numbered(id: u16) -> Vec<u8> {
    let mut message = question("ipv4only.arpa.", RecordType::AAAA);
    message[..2].copy_from_slice(&id.to_be_bytes());
    framed(&message)
}

#[tokio::test]
async fn many_queries_of_one_record_are_all_answered() {
    let site = Site::new().await;
    let mut stream = connect(site.tls, &site.pem, NAME).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"dot"[..]));
    let queries: Vec<u8> = (0..200).flat_map(numbered).collect();
    stream.write_all(&queries).await.unwrap();
    stream.flush().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..200 {
        let reply = read_framed(&mut stream).await;
        assert_eq!(v6(&reply).len(), 2);
        ids.push(reply.metadata.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_names_no_protocol_is_served_and_one_that_speaks_another_is_not() {
    let site = Site::new().await;
    let mut stream = handshake(site.tls, &site.pem, NAME, &[]).await.unwrap();
    stream.write_all(&numbered(1)).await.unwrap();
    assert_eq!(v6(&read_framed(&mut stream).await).len(), 2);
    assert!(handshake(site.tls, &site.pem, NAME, &["h2"]).await.is_err());
    let line = r#"causeway_dns64_handshakes_failed_total{transport="tls",reason="incompatible"}"#;
    site.daemon.metric_becomes(line, "1").await;
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_by_reason_and_disturb_nobody() {
    let site = Site::new().await;
    // Not TLS at all.
    let mut stream = TcpStream::connect(site.tls).await.unwrap();
    stream.write_all(&numbered(1)).await.unwrap();
    let mut said = Vec::new();
    timeout(LONG, stream.read_to_end(&mut said)).await.expect("an end").ok();
    // Trust in another certificate.
    assert!(handshake(site.tls, &super::pem(&[NAME]), NAME, &["dot"]).await.is_err());
    // Gone in the middle.
    drop(TcpStream::connect(site.tls).await.unwrap());
    for reason in ["malformed", "alert", "closed"] {
        let line = format!(r#"causeway_dns64_handshakes_failed_total{{transport="tls",reason="{reason}"}}"#);
        site.daemon.metric_becomes(&line, "1").await;
    }
    let line = r#"causeway_dns64_connections{transport="tls"}"#;
    site.daemon.metric_becomes(line, "0").await;
    let mut stream = connect(site.tls, &site.pem, NAME).await;
    stream.write_all(&numbered(2)).await.unwrap();
    assert_eq!(read_framed(&mut stream).await.metadata.id, 2);
}

#[tokio::test]
async fn hundreds_of_connections_are_served_at_once() {
    let site = Site::new().await;
    let connected = (0..300).map(|_| connect(site.tls, &site.pem, NAME));
    let mut streams = join_all(connected).await;
    site.daemon.metric_becomes(r#"causeway_dns64_connections{transport="tls"}"#, "300").await;
    let asked = streams.iter_mut().zip(0..).map(async |(stream, id)| {
        stream.write_all(&numbered(id)).await.unwrap();
        // What the socket does not take at once waits in the client's TLS for this.
        stream.flush().await.unwrap();
        let reply = read_framed(stream).await;
        assert_eq!((reply.metadata.id, v6(&reply).len()), (id, 2));
    });
    join_all(asked).await;
    drop(streams);
    site.daemon.metric_becomes(r#"causeway_dns64_connections{transport="tls"}"#, "0").await;
}

#[tokio::test]
async fn connections_that_stand_are_answered_to_the_end() {
    let site = Site::new().await;
    let mut stream = connect(site.tls, &site.pem, NAME).await;
    stream.write_all(&numbered(1)).await.unwrap();
    assert_eq!(read_framed(&mut stream).await.metadata.id, 1);
    site.daemon.terminate();
    // The end is said, not cut: an unexpected one would be an error.
    let mut rest = Vec::new();
    assert_eq!(timeout(LONG, stream.read_to_end(&mut rest)).await.expect("an end").unwrap(), 0);
    assert!(site.daemon.ended().await.success());
}
