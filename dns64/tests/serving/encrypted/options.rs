//! EDNS options that belong to a transport: edns-tcp-keepalive (RFC 7828) and Padding (RFC 7830, RFC 8467), one rule at
//! a time.

use super::tls::connect;
use super::{NAME, Site};
use crate::daemon::{framed, read_framed};
use crate::world::{LONG, question, v6};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;

/// A question that is answered without upstreams, with these options.
fn asks(options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut message = question("ipv4only.arpa.", RecordType::AAAA);
    let body: Vec<u8> = options
        .iter()
        .flat_map(|(code, body)| {
            [&code.to_be_bytes()[..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
        })
        .collect();
    // The OPT record stands last, and the length of its data at its end.
    let at = message.len() - 2;
    message[at..].copy_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    [message, body].concat()
}

/// The length of a reply and the bodies of its options.
struct Heard {
    length: usize,
    keepalive: Option<Vec<u8>>,
    padded: bool,
}

fn heard(octets: &[u8]) -> Heard {
    let message = Message::from_vec(octets).unwrap();
    assert_eq!(v6(&message).len(), 2);
    let edns = message.edns.unwrap_or_default();
    let body = |code| edns.option(code).map(|option| Vec::<u8>::try_from(option).unwrap());
    Heard {
        length: octets.len(),
        keepalive: body(EdnsCode::Keepalive),
        padded: body(EdnsCode::Padding).is_some(),
    }
}

async fn over(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), message: &[u8]) -> Heard {
    stream.write_all(&framed(message)).await.unwrap();
    let read = async {
        let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut reply).await.unwrap();
        heard(&reply)
    };
    timeout(LONG, read).await.expect("a reply")
}

async fn over_udp(site: &Site, message: &[u8]) -> Heard {
    let socket = UdpSocket::bind((site.plain.ip(), 0)).await.unwrap();
    socket.connect(site.plain).await.unwrap();
    socket.send(message).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
    heard(&buffer[..length])
}

#[tokio::test]
async fn keepalive_is_told_on_streams_to_who_asks_and_to_nobody_else() {
    let site = Site::new().await;
    let (plain, with) = (asks(&[]), asks(&[(KEEPALIVE, b"")]));
    let mut tcp = TcpStream::connect(site.plain).await.unwrap();
    let mut tls = connect(site.tls, &site.pem, NAME).await;
    // 20 seconds in units of 100 ms (RFC 7828 §3.1).
    let told = Some(200_u16.to_be_bytes().to_vec());
    assert_eq!(over(&mut tcp, &with).await.keepalive, told);
    assert_eq!(over(&mut tls, &with).await.keepalive, told);
    assert_eq!(over(&mut tcp, &plain).await.keepalive, None, "who does not ask is not told");
    assert_eq!(over_udp(&site, &with).await.keepalive, None, "there is no connection to keep");
    // A client that gives a time of its own is answered, and its time is not looked at (RFC 7828 §3.2.1).
    let own = over(&mut tcp, &asks(&[(KEEPALIVE, &[0xff, 0xff])])).await;
    assert!(own.keepalive.is_none_or(|body| Some(body) == told));
}

#[tokio::test]
async fn replies_are_padded_where_they_are_encrypted_to_who_padded_and_to_nobody_else() {
    let site = Site::new().await;
    let (plain, with) = (asks(&[]), asks(&[(PADDING, &[0; 40])]));
    let mut tls = connect(site.tls, &site.pem, NAME).await;
    let padded = over(&mut tls, &with).await;
    assert!(padded.padded && padded.length % 468 == 0, "{}", padded.length);
    // Empty padding asks for it as well (RFC 7830 §4).
    let padded = over(&mut tls, &asks(&[(PADDING, b"")])).await;
    assert!(padded.padded && padded.length % 468 == 0, "{}", padded.length);
    assert!(!over(&mut tls, &plain).await.padded, "who does not pad is not padded");
    let mut tcp = TcpStream::connect(site.plain).await.unwrap();
    assert!(!over(&mut tcp, &with).await.padded, "anybody reads it anyway");
    assert!(!over_udp(&site, &with).await.padded, "it would serve attackers alone");
}

#[tokio::test]
async fn both_options_together_leave_a_reply_of_one_length() {
    let site = Site::new().await;
    let mut tls = connect(site.tls, &site.pem, NAME).await;
    let both = over(&mut tls, &asks(&[(KEEPALIVE, b""), (PADDING, b"")])).await;
    assert!(both.padded && both.keepalive.is_some() && both.length % 468 == 0, "{}", both.length);
}

#[tokio::test]
async fn a_client_without_edns_gets_no_options_over_tls() {
    let site = Site::new().await;
    let mut tls = connect(site.tls, &site.pem, NAME).await;
    let mut message = question("ipv4only.arpa.", RecordType::AAAA);
    message.truncate(message.len() - 11);
    message[11] = 0;
    tls.write_all(&framed(&message)).await.unwrap();
    assert!(read_framed(&mut tls).await.edns.is_none());
}
