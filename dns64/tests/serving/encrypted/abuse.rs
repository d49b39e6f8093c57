//! Clients of encrypted listeners that mean harm: what they get, and that others notice nothing.

use super::tls::connect;
use super::{NAME, Site, client_config};
use crate::daemon::{framed, read_framed};
use crate::world::{LONG, question, synthesized, v6};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::rr::RecordType;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Frame types and error codes of RFC 9113 §6 and §7.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;
const MAX_CONCURRENT_STREAMS: u16 = 3;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header fields of a request (RFC 7541): two of the static table, two literals.
fn head(method: u8, path: &str) -> Vec<u8> {
    let literal =
        |name: u8, value: &str| [&[name, u8::try_from(value.len()).unwrap()][..], value.as_bytes()].concat();
    [vec![method, 0x87], literal(0x04, path), literal(0x01, NAME)].concat()
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

/// A connection whose frames the test makes itself.
async fn http2(site: &Site) -> TlsStream<TcpStream> {
    let connector = TlsConnector::from(Arc::new(client_config(&site.pem, &["h2"])));
    let stream = TcpStream::connect(site.https).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    stream
}

/// Reads frames up to one of `kind`: its stream and payload.
async fn until(stream: &mut TlsStream<TcpStream>, kind: u8) -> (u32, Vec<u8>) {
    let read = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.expect("a frame before the end");
            let mut payload =
                vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await.unwrap();
            if head[3] == kind {
                return (u32::from_be_bytes(head[5..].try_into().unwrap()), payload);
            }
        }
    };
    timeout(LONG, read).await.unwrap_or_else(|_| panic!("no frame of type {kind}"))
}

fn word(payload: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(payload[at..at + 4].try_into().unwrap())
}

#[tokio::test]
async fn a_flood_of_requests_that_are_taken_back_ends_its_connection_and_nobody_elses() {
    let site = Site::new().await;
    let mut other = connect(site.tls, &site.pem, NAME).await;
    let stream = http2(&site).await;
    let dns = URL_SAFE_NO_PAD.encode(question("v4.example.", RecordType::AAAA));
    let head = head(GET, &format!("/dns-query?dns={dns}"));
    let taken_back = |stream: u32| {
        let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head);
        [request, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let flood: Vec<u8> = (0..2000).flat_map(|number| taken_back(2 * number + 1)).collect();
    // The server may close before it has all of it.
    let (mut reader, mut writer) = tokio::io::split(stream);
    let flooding = tokio::spawn(async move { writer.write_all(&flood).await });
    let mut said = Vec::new();
    let end = timeout(LONG, reader.read_to_end(&mut said)).await.expect("an end");
    drop((end, timeout(LONG, flooding).await.expect("an end of the flood")));
    assert!(goaway(&said).is_none_or(|code| code == ENHANCE_YOUR_CALM), "{:?}", goaway(&said));
    site.daemon.metric_becomes(r#"causeway_dns64_connections{transport="https"}"#, "0").await;
    other.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
    assert_eq!(v6(&read_framed(&mut other).await), synthesized());
    super::https::answers(site.https, &site.pem).await;
}

/// The error code of the last GOAWAY frame among whole frames.
fn goaway(mut octets: &[u8]) -> Option<u32> {
    let mut code = None;
    while let Some((head, rest)) = octets.split_first_chunk::<9>() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some(payload) = rest.get(..length) else { break };
        if head[3] == GOAWAY {
            code = Some(word(payload, 4));
        }
        octets = &rest[length..];
    }
    code
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_the_others_go_on() {
    let site = Site::new().await;
    let mut stream = http2(&site).await;
    let (_, settings) = until(&mut stream, SETTINGS).await;
    let most = settings.chunks(6).find(|one| one[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes());
    let most = word(most.expect("a limit"), 2);
    assert_eq!(most, 100, "RFC 9113 §5.1.2 asks for no fewer");
    // Requests whose bodies never come.
    let head = head(POST, "/dns-query");
    let content = [&[0x0f, 0x10, 23][..], b"application/dns-message"].concat();
    let open =
        |number: u32| frame(HEADERS, END_HEADERS, 2 * number + 1, &[head.clone(), content.clone()].concat());
    for number in 0..=most {
        stream.write_all(&open(number)).await.unwrap();
    }
    let (refused, code) = until(&mut stream, RST_STREAM).await;
    assert_eq!((refused, word(&code, 0)), (2 * most + 1, REFUSED_STREAM));
    super::https::answers(site.https, &site.pem).await;
}

#[tokio::test]
async fn handshakes_that_are_never_finished_end_and_keep_nobody_waiting() {
    let site = Site::new().await;
    let mut silent = Vec::new();
    for number in 0..60_usize {
        let mut stream = TcpStream::connect(site.tls).await.unwrap();
        // The beginning of a ClientHello of 512 octets, as far as each of them comes.
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..number % 12]).await.unwrap();
        silent.push(stream);
    }
    site.daemon.metric_becomes(r#"causeway_dns64_connections{transport="tls"}"#, "60").await;
    let mut other = connect(site.tls, &site.pem, NAME).await;
    other.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
    assert_eq!(v6(&read_framed(&mut other).await), synthesized());
    let line = r#"causeway_dns64_handshakes_failed_total{transport="tls",reason="timeout"}"#;
    site.daemon.metric_becomes(line, "60").await;
    for stream in &mut silent {
        let end = timeout(LONG, stream.read(&mut [0])).await.expect("an end");
        assert_eq!(end.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_let_go_of_and_keeps_nobody_waiting() {
    let site = Site::new().await;
    let mut slow = connect(site.tls, &site.pem, NAME).await;
    let query = framed(&question("ipv4only.arpa.", RecordType::AAAA));
    let queries = query.repeat(1000);
    // It takes nothing more in while its replies wait, and loses patience with that.
    let flooding = tokio::spawn(async move { while slow.write_all(&queries).await.is_ok() {} });
    let mut other = connect(site.tls, &site.pem, NAME).await;
    for _ in 0..20 {
        other.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
        assert_eq!(v6(&read_framed(&mut other).await), synthesized());
    }
    timeout(LONG, flooding).await.expect("the connection ends").unwrap();
}
