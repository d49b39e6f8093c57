//! The program as a whole: serving, saying how it is, refusing to start, ending.

use crate::daemon::{Daemon, ask_tcp, ask_udp, doomed, file, listener};
use crate::scripted::{Scripted, a, back, only_a, own_address, own_port, with};
use crate::world::{LONG, PREF64, question, synthesized, v6};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UdpSocket;
use tokio::time::timeout;

#[tokio::test]
async fn it_answers_over_udp_and_tcp_and_says_how_its_upstreams_are() {
    let upstream = Scripted::start(only_a).await;
    let (address, dead) = (listener(), Scripted::nobody());
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address, dead], "")).await;
    assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    assert_eq!(v6(&ask_tcp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    let report = daemon.admin("GET", "/upstreams").await;
    for upstream in [upstream.address, dead] {
        let line = format!(
            r#"{{"upstream":"{upstream}","domains":[],"transport":"udp","up":true,"misses":0,"leads_back":false,"edns":true,"#
        );
        assert!(report.contains(&line), "{line} in {report}");
    }
    let line = r#"causeway_dns64_queries_total{transport="tcp",type="AAAA",outcome="synthesized"}"#;
    assert_eq!(daemon.metric(line).await, "1");
}

#[tokio::test]
async fn a_reply_leaves_from_the_address_that_was_asked() {
    let upstream = Scripted::start(only_a).await;
    let port = own_port();
    for wildcard in ["0.0.0.0", "::"] {
        let wildcard = SocketAddr::new(wildcard.parse::<IpAddr>().unwrap(), port);
        let _daemon = Daemon::start(&file(PREF64, &[wildcard], &[upstream.address], "")).await;
        for _ in 0..3 {
            // The socket is connected: a reply from elsewhere would never arrive.
            let asked = if wildcard.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { own_address() };
            let client = UdpSocket::bind(SocketAddr::new(asked, 0)).await.unwrap();
            client.connect(SocketAddr::new(asked, port)).await.unwrap();
            for name in ["v4.example.", "ipv4only.arpa."] {
                client.send(&question(name, RecordType::AAAA)).await.unwrap();
                let mut buffer = [0; 1500];
                let length = timeout(LONG, client.recv(&mut buffer)).await.expect("a reply").unwrap();
                assert!(!v6(&Message::from_vec(&buffer[..length]).unwrap()).is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_flood_of_garbage_is_counted_and_service_goes_on() {
    let upstream = Scripted::start(only_a).await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).await.unwrap();
    for _ in 0..50 {
        socket.send_to(b"garbage", address).await.unwrap();
    }
    assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await), synthesized());
    let line = r#"causeway_dns64_dropped_total{reason="short"}"#;
    let counted = async {
        while daemon.metric(line).await != "50" {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, counted).await.expect("every datagram counted");
}

#[tokio::test]
async fn an_upstream_that_comes_back_is_noticed_without_a_query() {
    let (address, place) = (listener(), Scripted::nobody());
    let daemon = Daemon::start(&file(PREF64, &[address], &[place], "")).await;
    let says = async |up: bool| daemon.admin("GET", "/upstreams").await.contains(&format!(r#""up":{up}"#));
    daemon.ask_until_down(address).await;
    let upstream = Scripted::start_at(place, only_a).await;
    timeout(LONG, async {
        while !says(true).await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the upstream comes back");
    assert!(upstream.asked().iter().all(|asked| asked.name == "."), "{:?}", upstream.asked());
}

#[tokio::test]
async fn clients_are_told_apart() {
    let upstream = Scripted::start(only_a).await;
    let (address, plain) = (listener(), own_address());
    let clients = format!(
        "[[dns64.client]]\nfrom = [\"{plain}/32\"]\nsynthesize = false\n\
         [[dns64.client]]\nfrom = [\"127.0.0.0/8\"]\nprefixes = [\"2001:db8:a::/96\", \"2001:db8:b::/96\"]\n"
    );
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], &clients)).await;
    let ask = async |from: IpAddr| {
        let socket = UdpSocket::bind((from, 0)).await.unwrap();
        socket.send_to(&question("v4.example.", RecordType::AAAA), address).await.unwrap();
        let mut buffer = [0; 1500];
        let (length, _) = timeout(LONG, socket.recv_from(&mut buffer)).await.expect("a reply").unwrap();
        v6(&Message::from_vec(&buffer[..length]).unwrap())
    };
    assert_eq!(ask(plain).await, Vec::<Ipv6Addr>::new());
    let both: [Ipv6Addr; 2] =
        ["2001:db8:a::192.0.2.1", "2001:db8:b::192.0.2.1"].map(|text| text.parse().unwrap());
    assert_eq!(ask(own_address()).await, both);
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_remedy() {
    let address = listener();
    let _holder = UdpSocket::bind(address).await.unwrap();
    let output = doomed(&file(PREF64, &[address], &[Scripted::nobody()], ""), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [&address.to_string(), "in use", "ss -lnpu", "dns64.listen"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn certificates_that_cannot_be_read_keep_the_daemon_from_starting() {
    let text = file(PREF64, &[listener()], &[], r#"upstream_ca = "/nowhere/ca.pem""#)
        .replace("[]", r#"["tls://192.0.2.54#dns.example"]"#);
    let output = doomed(&text, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["dns64.upstream_ca", "/nowhere/ca.pem"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn replies_under_way_are_finished_before_the_end() {
    let released = Arc::new(AtomicBool::new(false));
    let release = Arc::clone(&released);
    let upstream = Scripted::start(move |query, _| {
        if release.load(Ordering::SeqCst) { back(&with(query, [a("192.0.2.1")])) } else { vec![] }
    })
    .await;
    let address = listener();
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let reply = tokio::spawn(async move { ask_udp(address, "v4.example.", RecordType::A).await });
    timeout(LONG, async {
        while upstream.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the query under way");
    daemon.terminate();
    daemon.notice("STOPPING=1").await;
    released.store(true, Ordering::SeqCst);
    assert_eq!(reply.await.unwrap().answers[0].data, a("192.0.2.1"));
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn status_shows_upstreams_queries_cache_and_names() {
    let address = listener();
    let upstream = Scripted::start(only_a).await;
    let more = "[[dns64.host]]\nname = \"vm1.lan\"\naddresses = [\"192.168.7.10\"]\n";
    let daemon = Daemon::start(&file("2001:db8:64::/96", &[address], &[upstream.address], more)).await;
    ask_udp(address, "www.example.", RecordType::AAAA).await;
    let told = daemon.command(&["status"]).await;
    let lines: Vec<_> = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    let row = |words: &[&str]| {
        assert!(lines.iter().any(|line| line.starts_with(words)), "{words:?} in\n{told}");
    };
    row(&["upstreams"]);
    row(&["upstream", "domains", "transport", "up", "leads_back", "misses"]);
    row(&[&upstream.address.to_string(), "all", "udp", "yes", "no", "0"]);
    row(&["queries", "answered"]);
    row(&["udp", "synthesized", "1"]);
    row(&["cache"]);
    row(&["names", "served", "here"]);
    row(&["1", "0"]);
}

#[test]
fn a_file_is_imported_before_the_certificates_that_it_needs_exist() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("unbound.conf");
    let text = "server:\n module-config: \"dns64 iterator\"\n interface: 192.0.2.1\n interface: 192.0.2.1@853\n\
        tls-service-pem: /nonexistent/c.pem\n tls-service-key: /nonexistent/k.pem\n tls-cert-bundle: /nonexistent/ca.pem\n\
        forward-zone:\n name: .\n forward-addr: 192.0.2.53\n";
    std::fs::write(&source, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_causeway-dns64"));
    let output = command.args(["import", "unbound"]).arg(&source).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (shown, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("certificates = [\"/nonexistent/c.bundle.pem\"]"), "{shown}");
    let note =
        format!("{}:5: tls-service-pem: chain and key stand in one file here: `cat ", source.display());
    assert!(notes.starts_with(&note) && notes.lines().count() == 1, "{notes}");
}
