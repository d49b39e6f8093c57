//! What is said of queries: the log, one line for each that is drawn, and the times in the metrics.

use crate::daemon::{Daemon, ask_tcp, ask_udp, file, listener};
use crate::scripted::{Scripted, only_a};
use crate::world::{LONG, PREF64};
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use tokio::time::timeout;

/// The file's content, with the log at `level`.
fn text(address: SocketAddr, upstream: SocketAddr, keys: &str, level: &str) -> String {
    let more = format!("{keys}\n[log]\nformat = \"json\"\nlevel = \"{level}\"");
    file(PREF64, &[address], &[upstream], &more)
}

/// The lines about queries, as soon as there are so many.
async fn lines(daemon: &Daemon, least: usize) -> Vec<String> {
    let all = || -> Vec<_> {
        let log = daemon.log();
        log.lines().filter(|line| line.contains(r#""message":"query""#)).map(str::to_owned).collect()
    };
    let wait = async {
        while all().len() < least {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, wait).await.unwrap_or_else(|_| panic!("{least} lines in\n{}", daemon.log()));
    all()
}

#[track_caller]
fn holds(line: &str, fields: &[(&str, &str)]) {
    for (field, value) in fields {
        let expect = format!(r#""{field}":"{value}""#);
        assert!(line.contains(&expect), "{expect} in {line}");
    }
}

#[tokio::test]
async fn every_query_has_its_line_and_none_says_who_asked_for_what() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    let keys = "query_log = 1\nforbid = [\"plain.example\"]\n";
    let daemon = Daemon::start(&text(address, upstream.address, keys, "info")).await;
    ask_udp(address, "v4.example.", RecordType::AAAA).await;
    ask_tcp(address, "v4.example.", RecordType::AAAA).await;
    ask_udp(address, "ipv4only.arpa.", RecordType::A).await;
    ask_udp(address, "plain.example.", RecordType::AAAA).await;
    ask_udp(address, "v4.example.", RecordType::AXFR).await;
    let asked = upstream.address.to_string();
    let lines = lines(&daemon, 5).await;
    let expect: [&[(&str, &str)]; 5] = [
        &[("transport", "udp"), ("type", "AAAA"), ("outcome", "synthesized"), ("cache", "miss")],
        &[("transport", "tcp"), ("type", "AAAA"), ("outcome", "synthesized"), ("cache", "hit")],
        &[("type", "A"), ("outcome", "local"), ("cache", "none"), ("rcode", "NOERROR")],
        &[("outcome", "forwarded"), ("cache", "miss"), ("rcode", "NOERROR"), ("upstream", &asked)],
        &[("type", "AXFR"), ("outcome", "refused"), ("rcode", "REFUSED"), ("upstream", "none")],
    ];
    for (fields, number) in expect.into_iter().zip(0..) {
        // Workers write in no order.
        let found = lines.iter().find(|line| {
            fields.iter().all(|(field, value)| line.contains(&format!(r#""{field}":"{value}""#)))
        });
        let line = found.unwrap_or_else(|| panic!("line {number}, {fields:?}, in\n{}", lines.join("\n")));
        assert!(line.contains(r#""level":"INFO""#) && line.contains(r#""microseconds":"#), "{line}");
        assert!(number != 0 || line.contains(&asked), "{line}");
    }
    assert_eq!(lines.len(), 5);
    for secret in ["example.", "arpa", &format!("\"{}:", address.ip())] {
        assert!(!lines.concat().contains(secret), "{secret} in\n{}", lines.join("\n"));
    }
}

#[tokio::test]
async fn at_level_debug_lines_have_client_and_name() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    let daemon = Daemon::start(&text(address, upstream.address, "query_log = 1\n", "debug")).await;
    ask_udp(address, "v4.example.", RecordType::AAAA).await;
    let lines = lines(&daemon, 1).await;
    holds(&lines[0], &[("level", "DEBUG"), ("name", "v4.example."), ("outcome", "synthesized")]);
    assert!(lines[0].contains(&format!(r#""client":"{}:"#, address.ip())), "{}", lines[0]);
}

#[tokio::test]
async fn the_log_begins_and_ends_with_a_reload() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    let with = |keys: &str| text(address, upstream.address, keys, "info");
    let daemon = Daemon::start(&with("")).await;
    let ask = async || ask_udp(address, "v4.example.", RecordType::AAAA).await;
    ask().await;
    for (keys, expect) in [("query_log = 1", 2), ("query_log = 0", 2), ("query_log = 1", 4)] {
        let answer = daemon.reload(&with(keys)).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("dns64.query_log"), "{answer}");
        ask().await;
        ask().await;
        assert_eq!(lines(&daemon, expect).await.len(), expect, "{keys}");
    }
    // What is written at the end counts too.
    daemon.terminate();
    daemon.notice("STOPPING=1").await;
    assert_eq!(lines(&daemon, 4).await.len(), 4);
}

#[tokio::test]
async fn of_many_queries_about_one_in_so_many_is_logged() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    let daemon = Daemon::start(&text(address, upstream.address, "query_log = 10\n", "info")).await;
    for _ in 0..600 {
        ask_udp(address, "ipv4only.arpa.", RecordType::A).await;
    }
    // The distances are random, and 60 of them are as good as never this far from their mean.
    let logged = lines(&daemon, 25).await.len();
    assert!(logged < 120, "{logged} of 600");
    assert_eq!(daemon.metric("causeway_dns64_query_log_lost_total").await, "0");
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_and_neither_answers_nor_the_admin_socket() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    let text = text(address, upstream.address, "query_log = 1\n", "info");
    let (daemon, mut log) = Daemon::start_logging_to_pipe(&text).await;
    let lines_are_lost = async {
        while daemon.metric("causeway_dns64_query_log_lost_total").await == "0" {
            for _ in 0..100 {
                ask_udp(address, "ipv4only.arpa.", RecordType::A).await;
            }
        }
    };
    timeout(LONG, lines_are_lost).await.expect("lines are lost");
    assert!(daemon.admin("GET", "/upstreams").await.contains(&upstream.address.to_string()));
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut log).unwrap());
    daemon.terminate();
    assert!(daemon.ended().await.success());
    let said = reader.join().unwrap();
    assert!(said.contains(r#""message":"query""#) && said.contains("ends"), "{said}");
}

#[tokio::test]
async fn times_are_counted_apart_for_what_is_at_hand_and_what_is_looked_up() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "")).await;
    let line =
        |what: &str, from: &str| format!("causeway_dns64_query_latency_seconds_{what}{{from=\"{from}\"}}");
    for (from, number) in [("lookup", "1"), ("memory", "1"), ("memory", "2")] {
        ask_udp(address, "v4.example.", RecordType::AAAA).await;
        daemon.metric_becomes(&line("count", from), number).await;
    }
    ask_tcp(address, "v4.example.", RecordType::AAAA).await;
    daemon.metric_becomes(&line("count", "memory"), "3").await;
    assert_eq!(daemon.metric(&line("count", "lookup")).await, "1");
    for from in ["lookup", "memory"] {
        let sum: f64 = daemon.metric(&line("sum", from)).await.parse().unwrap();
        assert!(sum > 0.0 && sum < LONG.as_secs_f64(), "{from}: {sum}");
    }
}
