//! DNS over HTTPS (RFC 8484): both methods, both versions, errors, limits; curl as a client of its own make.

use super::{NAME, Site, client_config};
use crate::world::{LONG, question, synthesized, v6};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const MEDIA_TYPE: &str = "application/dns-message";

async fn try_shake(
    server: SocketAddr,
    pem: &str,
    protocol: &str,
) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let connector = TlsConnector::from(Arc::new(client_config(pem, &[protocol])));
    let stream = TcpStream::connect(server).await?;
    let stream = connector.connect(ServerName::try_from(NAME).unwrap(), stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    Ok(TokioIo::new(stream))
}

async fn shake(server: SocketAddr, pem: &str, protocol: &str) -> TokioIo<TlsStream<TcpStream>> {
    try_shake(server, pem, protocol).await.unwrap()
}

/// Waits until HTTP/2 is spoken at `server`.
pub(super) async fn is_spoken(server: SocketAddr, pem: &str) {
    let spoken = async {
        while try_shake(server, pem, "h2").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, spoken).await.expect("HTTPS at the address");
}

async fn http2(server: SocketAddr, pem: &str) -> http2::SendRequest<Full<Bytes>> {
    let io = shake(server, pem, "h2").await;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: &str, target: &str, media_type: Option<&str>, body: Vec<u8>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("https://{NAME}{target}"));
    let request = match media_type {
        Some(media_type) => request.header("content-type", media_type),
        None => request,
    };
    request.body(Full::new(body.into())).unwrap()
}

fn post(message: Vec<u8>) -> Request<Full<Bytes>> {
    request("POST", "/dns-query", Some(MEDIA_TYPE), message)
}

fn aaaa() -> Vec<u8> {
    question("v4.example.", RecordType::AAAA)
}

async fn message<B: hyper::body::Body>(response: Response<B>) -> Message
where
    B::Error: std::fmt::Debug,
{
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    let body = timeout(LONG, response.into_body().collect()).await.expect("a body").unwrap();
    Message::from_vec(&body.to_bytes()).unwrap()
}

/// Asks a server over HTTP/2.
pub(super) async fn answers(server: SocketAddr, pem: &str) {
    let mut sender = http2(server, pem).await;
    assert_eq!(v6(&message(sender.send_request(post(aaaa())).await.unwrap()).await), synthesized());
}

#[tokio::test]
async fn both_methods_are_answered_over_both_versions_with_a_lifetime() {
    let site = Site::new().await;
    let in_path = format!("/dns-query?dns={}", URL_SAFE_NO_PAD.encode(aaaa()));
    let requests = || [post(aaaa()), request("GET", &in_path, None, Vec::new())];
    let mut two = http2(site.https, &site.pem).await;
    for request in requests() {
        let response = timeout(LONG, two.send_request(request)).await.expect("a response").unwrap();
        // The negative answer to AAAA may be kept for 60 seconds, and so may what was made of it.
        assert_eq!(response.headers()["cache-control"], "max-age=60");
        assert_eq!(v6(&message(response).await), synthesized());
    }
    let (mut one, connection) =
        http1::handshake(shake(site.https, &site.pem, "http/1.1").await).await.unwrap();
    tokio::spawn(connection);
    for mut request in requests() {
        request.headers_mut().insert("host", NAME.parse().unwrap());
        let response = timeout(LONG, one.send_request(request)).await.expect("a response").unwrap();
        assert_eq!(v6(&message(response).await), synthesized());
    }
}

#[tokio::test]
async fn every_answer_may_be_kept_for_as_long_as_its_records_and_errors_not_at_all() {
    let site = Site::new().await;
    let mut sender = http2(site.https, &site.pem).await;
    for (name, qtype) in [
        ("v4.example.", RecordType::A),
        // From the cache, whose TTLs count down.
        ("v4.example.", RecordType::A),
        ("ipv4only.arpa.", RecordType::AAAA),
        ("v4.example.", RecordType::MX),
        ("www.invalid.", RecordType::A),
        ("v4.example.", RecordType::AXFR),
    ] {
        let sent = sender.send_request(post(question(name, qtype)));
        let response = timeout(LONG, sent).await.expect("a response").unwrap();
        let said = response.headers()["cache-control"].to_str().unwrap().to_owned();
        assert!(!response.headers().contains_key("age"), "the lifetime counts from this response");
        let reply = message(response).await;
        let answers = reply.answers.iter().map(|record| record.ttl).min();
        let absence = reply.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        });
        let error = ![ResponseCode::NoError, ResponseCode::NXDomain].contains(&reply.metadata.response_code);
        let expect = if error { 0 } else { answers.or(absence).expect("a lifetime") };
        assert_eq!(said, format!("max-age={expect}"), "{name} {qtype}");
        assert_eq!(expect == 0, qtype == RecordType::AXFR, "{name} {qtype}");
    }
}

#[tokio::test]
async fn requests_that_hold_no_query_get_the_right_status_and_the_connection_stays() {
    let site = Site::new().await;
    let mut sender = http2(site.https, &site.pem).await;
    let large = vec![0; 5000];
    for (request, expect) in [
        (request("GET", "/", None, vec![]), 404),
        (request("GET", "/dns-query", None, vec![]), 400),
        (request("GET", "/dns-query?dns=!", None, vec![]), 400),
        (request("DELETE", "/dns-query", None, vec![]), 405),
        (request("POST", "/dns-query", Some("text/plain"), aaaa()), 415),
        (request("POST", "/dns-query", None, aaaa()), 415),
        (post(large), 413),
        (post(b"short".to_vec()), 400),
    ] {
        let said = format!("{request:?}");
        let response = timeout(LONG, sender.send_request(request)).await.expect("a response").unwrap();
        assert_eq!(response.status(), expect, "{said}");
        assert_eq!(response.headers().contains_key("allow"), expect == 405);
    }
    let mut two_questions = aaaa();
    two_questions[5] = 2;
    let reply = message(sender.send_request(post(two_questions)).await.unwrap()).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::FormErr, "an error of DNS is no error of HTTP");
    assert_eq!(v6(&message(sender.send_request(post(aaaa())).await.unwrap()).await), synthesized());
}

#[tokio::test]
async fn many_requests_of_one_connection_run_at_once() {
    let site = Site::new().await;
    let mut sender = http2(site.https, &site.pem).await;
    // The first reply brings the server's limits, which the client then keeps to.
    assert_eq!(v6(&message(sender.send_request(post(aaaa())).await.unwrap()).await), synthesized());
    let asked = (0..300).map(|_| {
        let mut sender = sender.clone();
        async move {
            sender.ready().await.unwrap();
            let local = question("ipv4only.arpa.", RecordType::AAAA);
            message(sender.send_request(post(local)).await.unwrap()).await
        }
    });
    for reply in join_all(asked).await {
        assert_eq!(v6(&reply).len(), 2);
    }
    site.daemon.metric_becomes(r#"causeway_dns64_connections{transport="https"}"#, "1").await;
}

#[tokio::test]
async fn another_path_takes_effect_on_connections_that_stand() {
    let site = Site::new().await;
    let mut sender = http2(site.https, &site.pem).await;
    let text = site.text(crate::world::PREF64, [site.tls, site.https, site.quic]);
    let text = text.replace("[dns64]\n", "[dns64]\nhttps_path = \"/other\"\n");
    assert!(site.daemon.reload(&text).await.starts_with("HTTP/1.1 200"));
    assert_eq!(sender.send_request(post(aaaa())).await.unwrap().status(), 404);
    let moved = request("POST", "/other", Some(MEDIA_TYPE), aaaa());
    assert_eq!(v6(&message(sender.send_request(moved).await.unwrap()).await), synthesized());
}

#[tokio::test]
async fn curl_is_answered_and_finds_a_resolver() {
    let site = Site::new().await;
    let (ip, port) = (site.https.ip(), site.https.port());
    let path = format!("https://{NAME}:{port}/dns-query?dns={}", URL_SAFE_NO_PAD.encode(aaaa()));
    let resolve = format!("{NAME}:{port}:{ip}");
    let write = "%{http_code} %{http_version} %{content_type}";
    let arguments =
        ["-sS", "--cacert", "CA", "--resolve", &resolve, "-o", "/dev/null", "-w", write, &path].to_vec();
    assert_eq!(site.run("curl", &arguments).await, format!("200 2 {MEDIA_TYPE}"));
    let old = [vec!["--http1.1"], arguments].concat();
    assert_eq!(site.run("curl", &old).await, format!("200 1.1 {MEDIA_TYPE}"));
}
