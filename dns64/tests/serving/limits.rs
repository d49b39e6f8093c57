//! What runs out: files, memory, patience. Whoever has taken too much of them is not to keep others from theirs.

use crate::daemon::{Daemon, ask_tcp, ask_udp, file, framed, listener};
use crate::faults::{Noise, connect};
use crate::scripted::{Scripted, a, back, only_a, with};
use crate::world::{LONG, PREF64, question, synthesized, v6};
use futures_util::future::join_all;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Files that the program may open; connections may take half of them.
const FILES: u32 = 256;

/// Whether a connection was taken: it answers, or was closed.
async fn answers(stream: &mut TcpStream) -> bool {
    // What was closed may take the octets all the same.
    let _ = stream.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await;
    let mut length = [0; 2];
    let read = timeout(LONG, stream.read_exact(&mut length)).await.expect("a reply or an end");
    if read.is_err() {
        return false;
    }
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(v6(&Message::from_vec(&reply).unwrap()), synthesized());
    true
}

#[tokio::test]
async fn when_connections_have_taken_their_part_of_the_files_all_else_goes_on() {
    let upstream = Scripted::start(only_a).await;
    let addresses = [listener(), listener()];
    let text = file(PREF64, &addresses, &[upstream.address], "");
    let daemon = Daemon::start_with_files(&text, FILES).await;
    let places = usize::try_from(FILES / 2).unwrap();
    let mut open = Vec::new();
    let mut refused = 0;
    for number in 0..places + 40 {
        let mut stream = connect(addresses[number % 2]).await;
        if answers(&mut stream).await {
            open.push(stream);
        } else {
            refused += 1;
        }
    }
    assert_eq!((open.len(), refused), (places, 40));
    daemon.metric_becomes(r#"causeway_dns64_connections_refused_total{transport="tcp"}"#, "40").await;
    // Names that need the upstream, the admin socket, a reload, and the connections that were taken.
    for number in 0..50 {
        let name = format!("n{number}.example.");
        assert_eq!(v6(&ask_udp(addresses[number % 2], &name, RecordType::AAAA).await), synthesized());
    }
    assert!(daemon.admin("GET", "/upstreams").await.contains(r#""up":true"#));
    let answer = daemon
        .reload(&text.replace(
            "[admin]",
            "[[dns64.host]]\nname = \"vm1.lan\"\naddresses = [\"192.168.7.10\"]\n[admin]",
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(v6(&ask_udp(addresses[0], "vm1.lan.", RecordType::AAAA).await).len(), 1);
    for stream in &mut open {
        assert!(answers(stream).await, "a connection that was taken");
    }
    open.truncate(places - 10);
    let left = (places - 10).to_string();
    daemon.metric_becomes(r#"causeway_dns64_connections{transport="tcp"}"#, &left).await;
    for number in 0..10 {
        open.push(connect(addresses[number % 2]).await);
        assert!(answers(open.last_mut().unwrap()).await, "files are free again");
    }
    daemon.terminate();
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn a_hundred_clients_that_do_not_read_take_little_memory_and_are_let_go() {
    let upstream = Scripted::start(|query, asked| match asked.qtype {
        RecordType::TXT => back(&with(query, (0..60).map(|_| a("192.0.2.1")))),
        _ => only_a(query, asked),
    })
    .await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    let before = daemon.memory();
    let query = framed(&question("big.example.", RecordType::TXT));
    let many = query.repeat(100);
    let fill = async |number: usize| {
        let mut stream = connect(address).await;
        // Half of them one query at a time, half of them many.
        let octets = if number.is_multiple_of(2) { &query } else { &many };
        while timeout(Duration::from_millis(500), stream.write_all(octets))
            .await
            .is_ok_and(|sent| sent.is_ok())
        {}
        stream
    };
    let greedy =
        timeout(2 * LONG, join_all((0..100).map(fill))).await.expect("who does not read is not read from");
    let grown = daemon.memory().saturating_sub(before);
    assert!(grown < 100 * (400 << 10), "{grown} octets for 100 connections");
    for number in 0..50 {
        let name = format!("n{number}.example.");
        assert_eq!(v6(&ask_udp(address, &name, RecordType::AAAA).await), synthesized());
        assert_eq!(v6(&ask_tcp(address, &name, RecordType::AAAA).await), synthesized());
    }
    daemon.metric_becomes(r#"causeway_dns64_connections{transport="tcp"}"#, "0").await;
    drop(greedy);
}

#[tokio::test]
async fn connections_full_of_garbage_take_neither_service_nor_memory() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    let before = daemon.memory();
    let mut noise = Noise(0xfeed_5eed_1234_5678);
    for round in 0..300 {
        let mut stream = connect(address).await;
        let octets: Vec<_> = (0..200).flat_map(|_| noise.datagram()).collect();
        // Some are in frames and each refused in its turn, some are octets without any order.
        let framed = octets.chunks(150).flat_map(framed).collect();
        let sent = if round % 2 == 0 { framed } else { octets };
        // The far end may have enough of it.
        let _ = timeout(LONG, stream.write_all(&sent)).await.expect("it is read or refused");
        assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    }
    let grown = daemon.memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} octets more");
}
