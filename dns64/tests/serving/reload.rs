//! A changed file, taken on while serving.

use crate::daemon::{Daemon, ask_tcp, ask_udp, file, framed, listener, read_tcp};
use crate::scripted::{Scripted, only_a, own_address, own_port};
use crate::world::{LONG, PREF64, nibbles, question, synthesized, v6};
use hickory_proto::rr::RecordType;
use std::net::{Ipv6Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

const OTHER: &str = "2001:db8:65::/96";

fn other() -> Vec<Ipv6Addr> {
    vec!["2001:db8:65::192.0.2.1".parse().unwrap()]
}

async fn aaaa(address: SocketAddr) -> Vec<Ipv6Addr> {
    v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await)
}

#[tokio::test]
async fn a_changed_prefix_is_in_the_next_reply() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    assert_eq!(aaaa(address).await, synthesized());
    let answer = daemon.reload(&file(OTHER, &[address], &[upstream.address], "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(aaaa(address).await, other());
    let name = format!("{}ip6.arpa.", nibbles(other()[0]));
    let pointer = ask_udp(address, &name, RecordType::CNAME).await;
    assert_eq!(pointer.answers[0].data.to_string(), "1.2.0.192.in-addr.arpa.");
}

#[tokio::test]
async fn a_changed_upstream_is_asked_from_then_on() {
    let (first, second) = (Scripted::start(only_a).await, Scripted::start(only_a).await);
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[first.address], "")).await;
    aaaa(address).await;
    let before = first.asked().len();
    daemon.reload(&file(PREF64, &[address], &[second.address], "")).await;
    ask_udp(address, "another.example.", RecordType::AAAA).await;
    assert_eq!((first.asked().len(), second.asked().is_empty()), (before, false));
    let metrics = daemon.admin("GET", "/metrics").await;
    assert!(!metrics.contains(&format!(r#"upstream_up{{upstream="{}"}}"#, first.address)), "{metrics}");
}

#[tokio::test]
async fn an_upstream_that_stays_keeps_its_health() {
    let (address, dead) = (listener(), Scripted::nobody());
    let daemon = Daemon::start(&file(PREF64, &[address], &[dead], "")).await;
    daemon.ask_until_down(address).await;
    let answer = daemon.reload(&file(OTHER, &[address], &[dead], "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(daemon.admin("GET", "/upstreams").await.contains(r#""up":false"#));
}

#[tokio::test]
async fn listeners_come_and_go_and_those_that_stay_are_not_disturbed() {
    let upstream = Scripted::start(only_a).await;
    let (stays, goes, comes) = (listener(), listener(), listener());
    let daemon = Daemon::start(&file(PREF64, &[stays, goes], &[upstream.address], "")).await;
    let mut connected = TcpStream::connect(stays).await.unwrap();
    let mut leaving = TcpStream::connect(goes).await.unwrap();
    leaving.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
    assert_eq!(v6(&read_tcp(&mut leaving).await), synthesized());
    let answer = daemon.reload(&file(PREF64, &[stays, comes], &[upstream.address], "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for address in [stays, comes] {
        assert_eq!(aaaa(address).await, synthesized());
        assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    }
    for stream in [&mut connected, &mut leaving] {
        stream.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
        assert_eq!(v6(&read_tcp(stream).await), synthesized());
    }
    // The address is free as soon as every worker has let go of it.
    let freed = async {
        while UdpSocket::bind(goes).await.is_err() || TcpStream::connect(goes).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, freed).await.expect("the address is let go");
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let answer = daemon.reload(&file("2001:db8:65::/95", &[address], &[upstream.address], "")).await;
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("95"), "{answer}");
    assert_eq!(aaaa(address).await, synthesized());
}

#[tokio::test]
async fn an_address_that_cannot_be_had_changes_nothing() {
    let upstream = Scripted::start(only_a).await;
    let (address, taken) = (listener(), SocketAddr::new(own_address(), 5454));
    let _holder = UdpSocket::bind(taken).await.unwrap();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let answer = daemon.reload(&file(OTHER, &[address, taken], &[upstream.address], "")).await;
    assert!(!answer.starts_with("HTTP/1.1 200") && answer.contains(&taken.to_string()), "{answer}");
    assert_eq!(aaaa(address).await, synthesized(), "the prefix did not change either");
}

#[tokio::test]
async fn wildcards_stand_beside_other_addresses_at_the_start_and_after_a_reload() {
    let upstream = Scripted::start(only_a).await;
    let port = own_port();
    let list = |texts: [&str; 2]| texts.map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
    let lists = [list(["::", "0.0.0.0"]), list(["0.0.0.0", "127.0.0.1"])];
    for (first, second) in [(0, 1), (1, 0)] {
        let daemon = Daemon::start(&file(PREF64, &lists[first], &[upstream.address], "")).await;
        assert_eq!(aaaa(SocketAddr::new(own_address(), port)).await, synthesized());
        let answer = daemon.reload(&file(PREF64, &lists[second], &[upstream.address], "")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(aaaa(list(["127.0.0.1", "::1"])[0]).await, synthesized());
    }
}
