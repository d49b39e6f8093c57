//! What clients experience while something is broken.

use crate::daemon::{Daemon, ask_tcp, ask_udp, file, framed, listener, read_tcp};
use crate::load::Load;
use crate::scripted::{
    Asked, Gate, Scripted, Send, Sends, a, back, framed_part, no_data, only_a, own_address, reply, with,
};
use crate::site::{Site, patient};
use crate::world::{LONG, PREF64, World, question, synthesized, unhurried, v6};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

#[tokio::test]
async fn an_upstream_that_breaks_off_in_the_middle_of_a_message_is_passed_over() {
    let broken = Scripted::start(|query, asked| {
        let mut message = reply(query, ResponseCode::NoError);
        message.metadata.truncation = true;
        if asked.tcp {
            vec![Send::Bare(framed_part(&with(query, [a("203.0.113.66")]), 20)), Send::Close]
        } else {
            back(&message)
        }
    })
    .await;
    let good = Scripted::start(only_a).await;
    let upstreams = [broken.address, good.address].map(|address| address.to_string());
    let world = World::with(&upstreams, unhurried(), PREF64, "");
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!(message.answers[0].data, a("192.0.2.1"));
    assert!(broken.asked().iter().any(|asked| asked.tcp));
}

#[tokio::test]
async fn an_upstream_that_died_and_lives_again_is_asked_again() {
    let names = ["one", "two", "three"].map(|name| format!("{name}.example. A 192.0.2.1"));
    let mut site = Site::new(&names.join("\n")).await;
    site.check("one.example. A", &["NOERROR", "one.example. 300 A 192.0.2.1"]).await;
    site.upstream.kill().await;
    site.check("two.example. A", &["SERVFAIL"]).await;
    site.upstream.restore().await;
    site.check("three.example. A", &["NOERROR", "three.example. 300 A 192.0.2.1"]).await;
}

#[tokio::test]
async fn the_right_reply_counts_however_many_wrong_ones_come_before_it() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Scripted::start(move |query, asked| {
        if asked.qtype != RecordType::A {
            return back(&no_data(query));
        }
        let truth = with(query, [a("192.0.2.1")]);
        if asked.tcp {
            // So many lies may well move the question to where nobody can lie.
            return back(&truth);
        }
        let lie = with(query, [a("203.0.113.66")]);
        let edited = |edit: &dyn Fn(&mut Message)| {
            let mut lie = lie.clone();
            edit(&mut lie);
            lie.to_vec().unwrap()
        };
        let mut sends = Vec::new();
        for wrong in 1..=20 {
            sends.push(Send::Back(edited(&|lie| lie.metadata.id = query.metadata.id.wrapping_add(wrong))));
            sends.push(Send::FromElsewhere(lie.to_vec().unwrap()));
        }
        let other = Name::from_ascii("other.example.").unwrap();
        sends.push(Send::Back(edited(&|lie| lie.queries[0].name = other.clone())));
        sends.push(Send::Back(edited(&|lie| lie.queries[0].query_type = RecordType::AAAA)));
        sends.push(Send::When(wait.clone(), truth.to_vec().unwrap()));
        sends
    })
    .await;
    let site = Site::before(upstream, "", patient()).await;
    let line = format!(r#"upstream_mismatches_total{{upstream="{}",reason="id"}}"#, site.upstream.address);
    let (reply, ()) = tokio::join!(site.ask("v4.example. AAAA"), async {
        site.upstream.until_asked(|asked| asked.iter().any(|asked| asked.qtype == RecordType::A)).await;
        while site.world.metric(&line) == "0" {
            tokio::task::yield_now().await;
        }
        gate.open();
    });
    assert_eq!(v6(&reply), synthesized());
}

#[tokio::test]
async fn under_load_a_dead_upstream_is_server_failures_and_then_answers_again_and_no_query_is_lost() {
    let mut upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let failed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&failed);
    let load = Load::start(address, 8, move |reply| match reply.metadata.response_code {
        ResponseCode::ServFail => seen.store(true, Ordering::Relaxed),
        _ => assert_eq!(v6(reply), synthesized()),
    });
    load.more(100).await;
    upstream.kill().await;
    let dead = async {
        while !failed.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, dead).await.expect("server failures");
    assert_eq!(v6(&ask_udp(address, "ipv4only.arpa.", RecordType::AAAA).await).len(), 2);
    upstream.restore().await;
    let alive = async { while v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await).is_empty() {} };
    timeout(LONG, alive).await.expect("the upstream is asked again");
    load.more(100).await;
    load.stop().await;
    // What the dead upstream was asked last goes on for a while for the cache.
    let idle = async { while daemon.metric("causeway_dns64_upstream_in_flight").await != "0" {} };
    timeout(LONG, idle).await.expect("nothing stays in flight");
}

#[tokio::test]
async fn reloads_under_load_lose_no_query() {
    let upstream = Scripted::start(only_a).await;
    let (stays, comes_and_goes) = (listener(), listener());
    let other: Vec<Ipv6Addr> = vec!["2001:db8:65::192.0.2.1".parse().unwrap()];
    let daemon = Daemon::start(&file(PREF64, &[stays], &[upstream.address], "")).await;
    let expect = [synthesized(), other];
    let load = Load::start(stays, 8, move |reply| assert!(expect.contains(&v6(reply)), "{reply}"));
    for round in 0..6 {
        load.more(30).await;
        let (pref64, listen) = match round % 2 {
            0 => ("2001:db8:65::/96", vec![stays, comes_and_goes]),
            _ => (PREF64, vec![stays]),
        };
        let answer = daemon.reload(&file(pref64, &listen, &[upstream.address], "")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        if listen.len() == 2 {
            assert!(!v6(&ask_tcp(comes_and_goes, "v4.example.", RecordType::AAAA).await).is_empty());
        }
    }
    load.more(30).await;
    load.stop().await;
}

#[tokio::test]
async fn it_starts_again_after_it_was_killed() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let mut daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let _open = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await), synthesized());
        daemon.kill_and_restart().await;
    }
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    assert!(daemon.admin("GET", "/upstreams").await.contains(r#""up":true"#));
}

/// A connection from an address of its own.
pub(crate) async fn connect(server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(own_address(), 0)).unwrap();
    socket.connect(server).await.unwrap()
}

#[tokio::test]
async fn clients_that_neither_send_nor_read_do_not_keep_others_from_their_replies() {
    let upstream = Scripted::start(|query, asked| match asked.qtype {
        // Much to write for each query.
        RecordType::TXT => back(&with(query, (0..60).map(|_| a("192.0.2.1")))),
        _ => only_a(query, asked),
    })
    .await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(connect(address).await);
    }
    let query = framed(&question("big.example.", RecordType::TXT));
    let mut greedy = connect(address).await;
    // As much as it takes until the daemon reads no further.
    let full = async {
        loop {
            let written = timeout(Duration::from_millis(500), greedy.write_all(&query)).await;
            if written.is_err() {
                return;
            }
            written.unwrap().unwrap();
        }
    };
    timeout(LONG, full).await.expect("one who does not read is not read from");
    let mut partial = connect(address).await;
    partial.write_all(&query[..5]).await.unwrap();
    for _ in 0..20 {
        let mut stream = connect(address).await;
        stream.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
        assert_eq!(v6(&read_tcp(&mut stream).await), synthesized());
        assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    }
    assert!(daemon.memory() < 128 << 20, "{} octets", daemon.memory());
}

#[tokio::test]
async fn connections_that_say_nothing_or_half_of_something_are_closed() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    let mut silent = connect(site.address).await;
    let mut halting = connect(site.address).await;
    halting.write_all(&framed(&question("v4.example.", RecordType::A))[..7]).await.unwrap();
    for stream in [&mut silent, &mut halting] {
        let end = timeout(2 * LONG, stream.read(&mut [0])).await.expect("an end");
        // Octets of the client that nobody read make it a reset.
        assert_eq!(end.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn connections_up_to_the_limit_of_open_files_leave_a_service_that_recovers() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let text = file(PREF64, &[address], &[upstream.address], "");
    let daemon = Daemon::start_with_files(&text, 64).await;
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(connect(address).await);
    }
    // What needs no further file goes on; what does fails by name and within its time.
    assert_eq!(v6(&ask_udp(address, "ipv4only.arpa.", RecordType::AAAA).await).len(), 2);
    let reply = ask_udp(address, "v4.example.", RecordType::AAAA).await;
    assert!(
        [ResponseCode::NoError, ResponseCode::ServFail].contains(&reply.metadata.response_code),
        "{reply}"
    );
    drop(connections);
    let recovered =
        async { while v6(&ask_udp(address, "w4.example.", RecordType::AAAA).await).is_empty() {} };
    timeout(LONG, recovered).await.expect("files are free again");
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    daemon.terminate();
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn more_connections_than_may_be_open_are_closed_and_counted() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let mut connections = Vec::new();
    let limit = dns64::listen::MAX_CONNECTIONS;
    while connections.len() < limit + 50 {
        connections.push(connect(address).await);
    }
    let refused = async {
        while daemon.metric(r#"causeway_dns64_connections_refused_total{transport="tcp"}"#).await != "50" {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, refused).await.expect("those beyond the limit are counted");
    assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    drop(connections);
    let free = async {
        while daemon.metric(r#"causeway_dns64_connections{transport="tcp"}"#).await != "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, free).await.expect("closed connections are forgotten");
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
}

/// Random octets, the same in every run.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // xorshift64 (Marsaglia 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn datagram(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.next() % 200).unwrap();
        let mut octets: Vec<u8> = (0..length).map(|_| self.next().to_be_bytes()[0]).collect();
        // Half of them look like a query at first sight.
        if length > 12 && self.next().is_multiple_of(2) {
            octets[2] &= 0x07;
            octets[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        }
        octets
    }
}

#[tokio::test]
async fn a_flood_of_random_datagrams_takes_neither_service_nor_memory() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    let before = daemon.memory();
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (ended, count) = (Arc::clone(&over), Arc::clone(&sent));
    let flood = tokio::task::spawn_blocking(move || {
        let socket = std::net::UdpSocket::bind((own_address(), 0)).unwrap();
        let mut noise = Noise(0x1234_5678_9abc_def1);
        let datagrams: Vec<_> = (0..4096).map(|_| noise.datagram()).collect();
        while !ended.load(Ordering::Relaxed) {
            for datagram in &datagrams {
                // The kernel's buffers are full at times, as a network's would be.
                count.fetch_add(socket.send_to(datagram, address).is_ok().into(), Ordering::Relaxed);
            }
        }
    });
    let mut asked = 0;
    while asked < 200 || sent.load(Ordering::Relaxed) < 4096 {
        assert_eq!(as_a_stub(address).await, synthesized());
        asked += 1;
    }
    over.store(true, Ordering::Relaxed);
    flood.await.unwrap();
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    let short = daemon.metric(r#"causeway_dns64_dropped_total{reason="short"}"#).await;
    assert_ne!(short, "0");
    let grown = daemon.memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} octets more");
}

/// Asks as a stub resolver does, which sends a query again that got lost among others.
async fn as_a_stub(server: SocketAddr) -> Vec<Ipv6Addr> {
    let socket = UdpSocket::bind((server.ip(), 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    let mut buffer = [0; 1500];
    for _ in 0..50 {
        socket.send(&question("v4.example.", RecordType::AAAA)).await.unwrap();
        if let Ok(length) = timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await {
            return v6(&Message::from_vec(&buffer[..length.unwrap()]).unwrap());
        }
    }
    panic!("no reply from {server}");
}

/// What a client must get while the upstream is dead and afterwards: stale names, special names, hosts.
const ALWAYS: [(&str, usize); 5] =
    [("old1.example.", 1), ("old2.example.", 1), ("ipv4only.arpa.", 2), ("localhost.", 1), ("vm1.lan.", 1)];

/// As [`only_a`], with a TTL of a second for names that begin with `old`.
fn old_names_end_soon(query: &Message, asked: &Asked) -> Sends {
    let mut message = match asked.qtype {
        RecordType::A => with(query, [a("192.0.2.1")]),
        _ => no_data(query),
    };
    let short = asked.name.to_lowercase().starts_with("old");
    let sections = [&mut message.answers, &mut message.authorities];
    for record in sections.into_iter().flatten().filter(|_| short) {
        record.ttl = 1;
    }
    back(&message)
}

#[tokio::test]
async fn under_load_a_dead_upstream_leaves_what_is_stale_and_served_here_and_then_every_question_is_answered()
{
    let mut upstream = Scripted::start(old_names_end_soon).await;
    let address = listener();
    let host = "[[dns64.host]]\nname = \"vm1.lan\"\naddresses = [\"192.168.7.10\"]\n";
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], host)).await;
    let check = async |name: &str, count: usize| {
        let reply = ask_udp(address, name, RecordType::AAAA).await;
        assert_eq!(
            (reply.metadata.response_code, v6(&reply).len()),
            (ResponseCode::NoError, count),
            "{name}: {reply}"
        );
    };
    for (name, count) in ALWAYS {
        check(name, count).await;
    }
    let dead = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&dead);
    let load = Load::start(address, 8, move |reply| match reply.metadata.response_code {
        ResponseCode::ServFail => seen.store(true, Ordering::SeqCst),
        _ => assert_eq!(v6(reply), synthesized()),
    });
    load.more(100).await;
    upstream.kill().await;
    let failing = async {
        while !dead.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, failing).await.expect("the upstream is dead");
    // The old names outlive their second, and are answered nevertheless.
    let stale = async {
        let mut rounds = 0;
        while rounds < 40 || daemon.metric("causeway_dns64_cache_stale_total").await == "0" {
            for (name, count) in ALWAYS {
                check(name, count).await;
            }
            rounds += 1;
        }
    };
    timeout(LONG, stale).await.expect("stale answers");
    upstream.restore().await;
    let alive = async {
        while !daemon.admin("GET", "/upstreams").await.contains(r#""up":true"#) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, alive).await.expect("the upstream is noticed");
    load.stop().await;
    let load = Load::start(address, 8, |reply| assert_eq!(v6(reply), synthesized(), "{reply}"));
    load.more(400).await;
    load.stop().await;
    for (name, count) in ALWAYS {
        check(name, count).await;
    }
}
