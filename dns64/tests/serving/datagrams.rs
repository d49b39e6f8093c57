//! UDP: many datagrams at a time, each with its own fate.

use crate::daemon::{Daemon, file, listener};
use crate::scripted::{Scripted, only_a, own_address, own_port};
use crate::world::{LONG, PREF64, question, synthesized, v6};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A question with a number of its own.
fn numbered(id: u16, name: &str, qtype: RecordType) -> Vec<u8> {
    let mut message = question(name, qtype);
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

async fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    socket
}

/// The next `count` replies by their numbers.
async fn replies(socket: &UdpSocket, count: usize) -> BTreeMap<u16, Message> {
    let mut found = BTreeMap::new();
    let mut buffer = [0; 4096];
    while found.len() < count {
        let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
        let message = Message::from_vec(&buffer[..length]).unwrap();
        assert!(found.insert(message.metadata.id, message).is_none(), "one reply for each question");
    }
    found
}

#[tokio::test]
async fn good_and_bad_datagrams_of_one_batch_each_get_their_own() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let socket = client(address).await;
    for id in (0..100).step_by(5) {
        let mut response = numbered(id + 3, "response.example.", RecordType::A);
        response[2] |= 0x80;
        let mut update = numbered(id + 2, "update.example.", RecordType::A);
        update[2] |= 5 << 3;
        let batch = [
            numbered(id, "ipv4only.arpa.", RecordType::A),
            numbered(id + 1, "v4.example.", RecordType::AAAA),
            update,
            response,
            b"short".to_vec(),
        ];
        for message in batch {
            socket.send(&message).await.unwrap();
        }
    }
    for (id, reply) in replies(&socket, 60).await {
        match id % 5 {
            0 => assert_eq!(reply.answers.len(), 2),
            1 => assert_eq!(v6(&reply), synthesized()),
            2 => assert_eq!(reply.metadata.response_code, ResponseCode::NotImp),
            _ => panic!("an answer to {id}"),
        }
    }
    assert_eq!(daemon.metric(r#"causeway_dns64_dropped_total{reason="response"}"#).await, "20");
    assert_eq!(daemon.metric(r#"causeway_dns64_dropped_total{reason="short"}"#).await, "20");
}

#[tokio::test]
async fn many_questions_to_two_addresses_of_a_wildcard_are_answered_from_where_they_went() {
    let upstream = Scripted::start(only_a).await;
    let port = own_port();
    let wildcard = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let _daemon = Daemon::start(&file(PREF64, &[wildcard], &[upstream.address], "")).await;
    let sockets = [
        client(SocketAddr::new(own_address(), port)).await,
        client(SocketAddr::new(own_address(), port)).await,
    ];
    for id in 0..50 {
        for socket in &sockets {
            socket.send(&numbered(2 * id, "ipv4only.arpa.", RecordType::A)).await.unwrap();
            socket.send(&numbered(2 * id + 1, "v4.example.", RecordType::AAAA)).await.unwrap();
        }
    }
    // A connected socket takes datagrams from the address it asked alone.
    for socket in &sockets {
        assert_eq!(replies(socket, 100).await.len(), 100);
    }
}

#[tokio::test]
async fn a_listener_that_leaves_answers_what_it_took_in() {
    let released = Arc::new(AtomicBool::new(false));
    let release = Arc::clone(&released);
    let upstream = Scripted::start(move |query, asked| {
        if asked.name == "held.example." && !release.load(Ordering::SeqCst) {
            return vec![];
        }
        only_a(query, asked)
    })
    .await;
    let (goes, comes) = (listener(), listener());
    let daemon = Daemon::start(&file(PREF64, &[goes], &[upstream.address], "")).await;
    let socket = client(goes).await;
    socket.send(&numbered(500, "held.example.", RecordType::AAAA)).await.unwrap();
    let asked = async {
        while upstream.count(RecordType::AAAA) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, asked).await.expect("the question is under way");
    for id in 0..200 {
        socket.send(&numbered(id, "ipv4only.arpa.", RecordType::A)).await.unwrap();
    }
    let answer = daemon.reload(&file(PREF64, &[comes], &[upstream.address], "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    released.store(true, Ordering::SeqCst);
    let found = replies(&socket, 201).await;
    assert_eq!(v6(&found[&500]), synthesized());
}
