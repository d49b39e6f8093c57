//! Octets that are read and written: EDNS, sizes, what is no question, what a proxy passes (RFC 6891, RFC 5625).

use crate::daemon::framed;
use crate::scripted::{Gate, Scripted, Send, a, back, only_a, with};
use crate::site::{Site, patient, shown};
use crate::world::{LONG, question, synthesized, v6};
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use std::fmt::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

async fn raw(site: &Site, octets: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((site.address.ip(), 0)).await.unwrap();
    socket.send_to(octets, site.address).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
    buffer[..length].to_vec()
}

#[tokio::test]
async fn rule_61_edns_answers_edns_and_datagrams_keep_to_their_size() {
    let mut zone = String::new();
    for last in 1..=30 {
        writeln!(zone, "mid.example. A 192.0.2.{last}").unwrap();
    }
    for last in 1..=200 {
        writeln!(zone, "big.example. A 192.0.2.{last}").unwrap();
    }
    let site = Site::new(&zone).await;
    // Site::ask holds every reply to its size and to OPT for OPT.
    for (question, truncated) in [
        ("mid.example. AAAA noedns", true),
        ("mid.example. AAAA size=512", true),
        ("mid.example. AAAA size=100", true),
        ("mid.example. AAAA size=1232", false),
        ("big.example. AAAA size=4096", true),
        ("big.example. AAAA tcp", false),
        ("big.example. AAAA tcp noedns", false),
    ] {
        assert_eq!(site.ask(question).await.metadata.truncation, truncated, "{question}");
    }
    for qtype in [RecordType::A, RecordType::ANY] {
        let mut version = question("mid.example.", qtype);
        let at = version.len() - 5;
        version[at] = 1;
        let reply = Message::from_vec(&raw(&site, &version).await).unwrap();
        assert_eq!(u16::from(reply.metadata.response_code), 16, "BADVERS to {qtype}");
        assert_eq!(reply.edns.unwrap().version(), 0);
    }
}

#[tokio::test]
async fn rule_62_options_are_neither_echoed_nor_passed_on() {
    let site = Site::scripted(|query, asked| {
        let options = query.edns.as_ref().unwrap().options();
        assert!(options.as_ref().is_empty(), "nothing of the client goes upstream: {options:?}");
        only_a(query, asked)
    })
    .await;
    let mut message = Message::from_vec(&question("v4.example.", RecordType::AAAA)).unwrap();
    let mut edns = Edns::new();
    for option in [
        // NSID, client subnet, and one that nobody knows.
        EdnsOption::Unknown(3, vec![]),
        EdnsOption::Unknown(8, vec![0, 1, 24, 0, 192, 0, 2]),
        EdnsOption::Unknown(65_001, b"mark".to_vec()),
    ] {
        edns.options_mut().insert(option);
    }
    message.set_edns(edns);
    let reply = raw(&site, &message.to_vec().unwrap()).await;
    assert!(!reply.windows(4).any(|window| window == b"mark"));
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!(reply.answers.len(), 1, "{:?}", shown(&reply));
    let options = reply.edns.unwrap();
    for code in [3, 8] {
        assert!(options.option(code.into()).is_none(), "{code}");
    }
}

#[tokio::test]
async fn rule_63_what_is_no_question_is_dropped_or_refused_and_service_goes_on() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    let good = question("v4.example.", RecordType::A);
    let edited = |edit: fn(&mut Vec<u8>)| {
        let mut octets = good.clone();
        edit(&mut octets);
        octets
    };
    let socket = UdpSocket::bind((site.address.ip(), 0)).await.unwrap();
    for silent in [vec![], vec![0; 11], edited(|octets| octets[2] |= 0x80)] {
        socket.send_to(&silent, site.address).await.unwrap();
    }
    for (octets, rcode) in [
        (edited(|octets| octets[5] = 0), ResponseCode::FormErr),
        (edited(|octets| octets[5] = 2), ResponseCode::FormErr),
        (edited(|octets| octets[12] = 0xc0), ResponseCode::FormErr),
        (edited(|octets| octets.truncate(20)), ResponseCode::FormErr),
        (edited(|octets| octets[2] |= 4 << 3), ResponseCode::NotImp),
        (edited(|octets| octets[2] |= 5 << 3), ResponseCode::NotImp),
        (question("v4.example.", RecordType::AXFR), ResponseCode::Refused),
    ] {
        socket.send_to(&octets, site.address).await.unwrap();
        let mut buffer = [0; 512];
        let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
        let flags = u16::from_be_bytes([buffer[2], buffer[3]]);
        assert_eq!((&buffer[..2], flags & 15), (&octets[..2], u16::from(rcode)), "{octets:02x?}");
        assert!(length <= octets.len(), "no amplification");
    }
    site.check("v4.example. A", &["NOERROR", "v4.example. 300 A 192.0.2.1"]).await;
}

#[tokio::test]
async fn rule_64_pipelined_queries_in_whatever_pieces_are_answered_as_they_are_ready() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Scripted::start(move |query, asked| {
        let reply = with(query, [a("192.0.2.1")]);
        match asked.name.as_str() {
            "slow.example." => vec![Send::When(wait.clone(), reply.to_vec().unwrap())],
            _ => back(&reply),
        }
    })
    .await;
    let site = Site::before(upstream, "", patient()).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut octets = Vec::new();
    for (id, name) in [(1, "slow.example."), (2, "one.example."), (3, "two.example.")] {
        let mut query = question(name, RecordType::A);
        query[1] = id;
        octets.extend(framed(&query));
    }
    // All in one segment but the last octets, and a length prefix cut in two.
    let cut = octets.len() - 40;
    stream.write_all(&octets[..cut]).await.unwrap();
    stream.write_all(&octets[cut..]).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(crate::daemon::read_tcp(&mut stream).await.metadata.id & 0xff);
    }
    ids.sort_unstable();
    assert_eq!(ids, [2, 3], "those behind the slow one come first");
    gate.open();
    assert_eq!(crate::daemon::read_tcp(&mut stream).await.metadata.id & 0xff, 1);
    stream.write_all(&framed(&question("one.example.", RecordType::A))[..1]).await.unwrap();
    stream.write_all(&framed(&question("one.example.", RecordType::A))[1..]).await.unwrap();
    assert_eq!(crate::daemon::read_tcp(&mut stream).await.answers.len(), 1);
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "and then it is closed");
}

#[tokio::test]
async fn rule_65_unknown_types_long_answers_and_bits_survive() {
    let data = "00ff".repeat(300);
    let site = Site::new(&format!("odd.example. TYPE65280 \\# {data}")).await;
    let line = format!("odd.example. 300 TYPE65280 {data}");
    for flags in ["", "+do", "+cd", "tcp"] {
        let reply = site.ask(&format!("odd.example. TYPE65280 {flags}")).await;
        assert_eq!(shown(&reply)[1], line, "{flags}");
    }
}

#[tokio::test]
async fn rule_66_who_is_not_on_the_list_is_refused_or_not_answered_and_asks_nobody() {
    let zone = "v4.example. A 192.0.2.1";
    let site = Site::with(zone, "allow_from = [\"127.255.0.0/24\"]").await;
    for transport in ["", "tcp"] {
        site.check(&format!("v4.example. AAAA {transport}"), &["REFUSED", "ede 18"]).await;
        site.check(&format!("ipv4only.arpa. AAAA {transport}"), &["REFUSED", "ede 18"]).await;
    }
    assert_eq!(site.asked(), [""; 0]);
    let reply = site.ask("v4.example. AAAA from=127.255.0.9").await;
    assert_eq!(v6(&reply), synthesized());
    let silent = Site::with(zone, "allow_from = [\"127.255.0.0/24\"]\ndenied = \"drop\"").await;
    let socket = UdpSocket::bind((silent.address.ip(), 0)).await.unwrap();
    socket.send_to(&question("v4.example.", RecordType::AAAA), silent.address).await.unwrap();
    // The kernel keeps the order of both: what was asked first would be answered first.
    let reply = silent.ask("v4.example. AAAA from=127.255.0.9").await;
    assert_eq!(v6(&reply), synthesized());
    assert!(socket.try_recv(&mut [0; 512]).is_err(), "nothing came");
    assert_eq!(silent.asked(), ["v4.example. AAAA", "v4.example. A"]);
}
