//! Who is answered, and how much, over real sockets.

use crate::daemon::{Daemon, ask_tcp, ask_udp, file, framed, listener, read_tcp};
use crate::scripted::{Scripted, only_a, own_address};
use crate::world::{LONG, PREF64, question};
use dns64::listen::MAX_STRANGERS;
use dns64::quota::SHARE;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

async fn exchange(server: SocketAddr, message: &[u8]) -> Message {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(message).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

/// A question with one EDNS option.
fn with_option(name: &str, qtype: RecordType, code: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Message::from_vec(&question(name, qtype)).unwrap();
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(code, body.to_vec()));
    message.set_edns(edns);
    message.to_vec().unwrap()
}

fn option(message: &Message, code: u16) -> Option<Vec<u8>> {
    let edns = message.edns.as_ref()?;
    match edns.options().get(EdnsCode::from(code))? {
        EdnsOption::Unknown(_, body) => Some(body.clone()),
        other => Some(Vec::<u8>::try_from(other).unwrap()),
    }
}

/// Asks for a name that is answered without an upstream, so that the questions are all alike.
async fn served(address: SocketAddr) -> Message {
    ask_udp(address, "ipv4only.arpa.", RecordType::A).await
}

#[tokio::test]
async fn who_is_not_on_the_list_is_refused_with_the_reason_until_a_reload_lets_it_in() {
    let address = listener();
    let more = r#"allow_from = ["192.0.2.0/24"]"#;
    let daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], more)).await;
    for reply in [served(address).await, ask_tcp(address, "ipv4only.arpa.", RecordType::A).await] {
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::Refused, 0));
        assert_eq!(option(&reply, 15).expect("an extended error")[..2], [0, 18], "Prohibited");
    }
    daemon.reload(&file(PREF64, &[address], &[Scripted::nobody()], "")).await;
    assert_eq!(served(address).await.answers.len(), 2);
}

#[tokio::test]
async fn who_is_not_on_the_list_hears_nothing_where_the_file_says_so() {
    let address = listener();
    let file = |more| file(PREF64, &[address], &[Scripted::nobody()], more);
    let daemon = Daemon::start(&file("allow_from = [\"192.0.2.0/24\"]\ndenied = \"drop\"")).await;
    let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).await.unwrap();
    socket.connect(address).await.unwrap();
    for message in [&question("ipv4only.arpa.", RecordType::A)[..], &[0; 12]] {
        socket.send(message).await.unwrap();
    }
    let counted = async {
        while daemon.metric(r#"causeway_dns64_dropped_total{reason="denied"}"#).await != "2" {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, counted).await.expect("both are dropped and counted");
    assert!(socket.try_recv(&mut [0; 512]).is_err(), "nothing came back");
}

/// A TCP connection from `client`.
async fn connect(client: IpAddr, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(client, 0)).unwrap();
    socket.connect(server).await.unwrap()
}

#[tokio::test]
async fn who_may_not_ask_takes_no_connection_from_who_may() {
    let (address, stranger, friend) = (listener(), own_address(), own_address());
    let more = format!("allow_from = [\"{friend}/32\"]");
    let daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], &more)).await;
    let mut held = Vec::new();
    for _ in 0..=MAX_STRANGERS / SHARE {
        held.push(connect(stranger, address).await);
    }
    let mut closed: FuturesUnordered<_> =
        held.iter_mut().map(|stream| async { stream.read(&mut [0]).await }).collect();
    let first = timeout(LONG, closed.next()).await.expect("one is closed").unwrap();
    assert_eq!(first.unwrap_or(0), 0);
    assert_eq!(daemon.metric(r#"causeway_dns64_connections_refused_total{transport="tcp"}"#).await, "1");
    let mut stream = connect(friend, address).await;
    stream.write_all(&framed(&question("ipv4only.arpa.", RecordType::A))).await.unwrap();
    assert_eq!(read_tcp(&mut stream).await.answers.len(), 2);
}

#[tokio::test]
async fn connections_of_who_hears_nothing_are_closed_at_once_and_counted() {
    let address = listener();
    let more = "allow_from = [\"192.0.2.0/24\"]\ndenied = \"drop\"";
    let daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], more)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let read = timeout(LONG, stream.read(&mut [0])).await.expect("it is closed");
    assert_eq!(read.unwrap_or(0), 0);
    assert_eq!(daemon.metric(r#"causeway_dns64_dropped_total{reason="denied"}"#).await, "1");
}

#[tokio::test]
async fn a_cookie_comes_back_with_the_servers_and_lifts_the_limit() {
    let address = listener();
    let more = "response_rate = 1";
    let daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], more)).await;
    let ask = |cookie: Vec<u8>| async move {
        exchange(address, &with_option("ipv4only.arpa.", RecordType::A, 10, &cookie)).await
    };
    let cookie = option(&ask(b"clientck".to_vec()).await, 10).expect("a cookie");
    assert!(cookie.starts_with(b"clientck") && cookie.len() == 24);
    for _ in 0..20 {
        let reply = ask(cookie.clone()).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 2));
    }
    assert_eq!(daemon.metric(r#"causeway_dns64_dropped_total{reason="rate_limited"}"#).await, "0");
    let broken = exchange(address, &with_option("ipv4only.arpa.", RecordType::A, 10, b"short")).await;
    assert_eq!(broken.metadata.response_code, ResponseCode::FormErr);
}

#[tokio::test]
async fn over_the_limit_answers_are_cut_off_or_dropped_and_tcp_has_none() {
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], "response_rate = 1")).await;
    let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).await.unwrap();
    socket.connect(address).await.unwrap();
    for id in 0_u16..100 {
        let mut message = question("ipv4only.arpa.", RecordType::A);
        message[..2].copy_from_slice(&id.to_be_bytes());
        socket.send(&message).await.unwrap();
    }
    let count = |line: &'static str| async { daemon.metric(line).await.parse::<u32>().unwrap() };
    let limited = async {
        loop {
            let dropped = count(r#"causeway_dns64_dropped_total{reason="rate_limited"}"#).await;
            let slipped = count("causeway_dns64_rate_limited_replies_total").await;
            if dropped + slipped >= 90 {
                return (dropped, slipped);
            }
        }
    };
    let (dropped, slipped) = timeout(LONG, limited).await.expect("most are over the limit");
    assert!(dropped > 10 && slipped > 10, "{dropped} dropped, {slipped} cut off");
    let mut buffer = [0; 512];
    let mut cut_off = 0;
    for _ in 0..slipped {
        let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
        let reply = Message::from_vec(&buffer[..length]).unwrap();
        cut_off += u32::from(reply.metadata.truncation && reply.answers.is_empty() && reply.edns.is_some());
    }
    assert!(cut_off > 0);
    for _ in 0..20 {
        assert_eq!(ask_tcp(address, "ipv4only.arpa.", RecordType::A).await.answers.len(), 2);
    }
}

#[tokio::test]
async fn the_servers_name_is_told_to_who_asks_and_other_options_are_not_echoed() {
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[Scripted::nobody()], "nsid = \"gw1\"")).await;
    let ask = |code| async move {
        exchange(address, &with_option("ipv4only.arpa.", RecordType::A, code, b"")).await
    };
    assert_eq!(option(&ask(3).await, 3), Some(b"gw1".to_vec()));
    let unknown = ask(65_001).await;
    assert!(unknown.edns.expect("an OPT record").options().as_ref().is_empty());
}

#[tokio::test]
async fn any_is_one_small_record_over_udp_and_what_the_upstream_has_over_tcp() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let reply = ask_udp(address, "v4.example.", RecordType::ANY).await;
    assert_eq!(reply.answers.len(), 1);
    assert_eq!(reply.answers[0].record_type(), RecordType::HINFO);
    assert_eq!(upstream.asked().len(), 0);
    ask_tcp(address, "v4.example.", RecordType::ANY).await;
    assert_eq!(upstream.count(RecordType::ANY), 1);
}
