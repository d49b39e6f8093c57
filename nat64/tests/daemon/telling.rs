//! What the daemon says of the packets that it does not translate.

use super::*;
use std::net::UdpSocket;

/// An address of the pool that nobody holds.
const NOBODY: &str = "198.51.100.77";

fn drop_lines(gateway: &Gateway) -> Vec<String> {
    let log = gateway.log();
    log.lines().filter(|line| line.contains("a packet was not translated")).map(str::to_owned).collect()
}

/// The number behind `name=` in a line.
fn field(line: &str, name: &str) -> u64 {
    let behind = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line}")).1;
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn drops_are_told_when_asked_for_and_not_in_a_flood() {
    in_namespace("drops_are_told_when_asked_for_and_not_in_a_flood", || {
        const FLOOD: u64 = 500;
        const PER_SECOND: u64 = 3;
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        let socket = UdpSocket::bind((REMOTE, 4000)).unwrap();
        let labels = "{direction=\"v4_to_v6\",reason=\"no_lease\"}";
        let refused = |gateway: &Gateway, packets: u64| {
            gateway.until("all are refused, whether they were answered or not", |gateway| {
                let metrics = gateway.get("/metrics").unwrap();
                let values = metrics.lines().filter_map(|line| line.split_once(labels));
                values.map(|(_, value)| value.trim().parse::<u64>().unwrap()).sum::<u64>() == packets
            });
        };
        socket.send_to(b"unheard", (NOBODY, 53)).unwrap();
        refused(&gateway, 1);

        gateway.configure(&format!("drop_log = {PER_SECOND}"));
        assert!(gateway.ask("POST", "/reload").unwrap().contains(" 200 "));
        let began = Instant::now();
        socket.send_to(b"heard", (NOBODY, 53)).unwrap();
        gateway.until("a line comes", |gateway| !drop_lines(gateway).is_empty());
        let lines = drop_lines(&gateway);
        for part in [
            "reason=\"no_lease\"",
            "direction=\"v4_to_v6\"",
            "src=203.0.113.9 dst=198.51.100.77",
            "protocol=17",
        ] {
            assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
        }
        let numbers = ["src_port", "dst_port", "len", "not_shown"].map(|name| field(&lines[0], name));
        assert_eq!(numbers, [4000, 53, 33, 0], "what came before was not asked for");

        for _ in 0..FLOOD {
            socket.send_to(b"flood", (NOBODY, 53)).unwrap();
        }
        refused(&gateway, FLOOD + 2);
        gateway.until("a line says what was not shown", |gateway| {
            socket.send_to(b"after the flood", (NOBODY, 53)).unwrap();
            drop_lines(gateway).iter().any(|line| field(line, "not_shown") > FLOOD / 2)
        });
        let lines = drop_lines(&gateway).len() as u64;
        let seconds = began.elapsed().as_secs() + 2;
        assert!(lines <= PER_SECOND * seconds, "{lines} lines in {seconds} s\n{}", gateway.log());
    });
}

/// The program with these arguments and the gateway's file: exit status, standard output, standard error.
fn ask(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway-nat64"));
    let output = command.arg("--config").arg(gateway.path("gateway.toml")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn status_shows_what_crosses_and_what_does_not() {
    in_namespace("status_shows_what_crosses_and_what_does_not", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        UdpSocket::bind((REMOTE, 0)).unwrap().send_to(b"anybody?", (NOBODY, 53)).unwrap();
        gateway.until("all of it is counted", |gateway| {
            gateway.get("/metrics").unwrap().contains("reason=\"no_lease\"} 1\n")
        });
        let (code, text, errors) = ask(&gateway, &["status"]);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        for row in [
            &["nat64", "no", "2", "2"][..],
            &["leases", "draining", "addresses"],
            &["1", "0", "255"],
            &["v6_to_v4", "1", "56"],
            &["v4_to_v6", "1", "36"],
            &["v4_to_v6", "no_lease", "0", "1"],
        ] {
            assert!(rows.iter().any(|shown| shown.starts_with(row)), "{row:?} is not in\n{text}");
        }
        assert!(text.contains("generation 1, loaded "), "{text}");
        assert!(!text.contains("hop_limit") && !text.contains("write errors"), "zeros are left out\n{text}");

        let (code, text, _) = ask(&gateway, &["status", "--json"]);
        assert_eq!(code, Some(0));
        for reason in translator::DropReason::ALL {
            assert!(text.contains(reason.label()), "{text}");
        }
        assert!(text.contains("[\"v4_to_v6\",\"no_lease\",0,1]"), "{text}");
        for part in ["\"uptime_seconds\":", "\"config_loaded_unix_seconds\":", "[\"refused\",0]"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    });
}

/// What the kernel itself says on a fresh device is counted under these whenever it comes.
const CHATTER: [&str; 5] = ["received_", "batch_", "multicast", "illegal_source", "illegal_destination"];

/// The counters, leases and lease file that explaining must leave alone.
fn state(gateway: &Gateway) -> (String, String, Option<String>) {
    let metrics = gateway.get("/metrics").unwrap();
    let own = metrics.lines().filter(|line| line.starts_with("causeway_nat64_"));
    let own: Vec<&str> = own.filter(|line| !CHATTER.iter().any(|chatter| line.contains(chatter))).collect();
    let leases = gateway.get("/leases").unwrap();
    let leases = leases.split_once("\r\n\r\n").unwrap().1.to_owned();
    (own.join("\n"), leases, std::fs::read_to_string(gateway.path("state/dynamic.map")).ok())
}

#[test]
fn explain_tells_what_would_happen_and_changes_nothing() {
    in_namespace("explain_tells_what_would_happen_and_changes_nothing", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        gateway.until("the echo is counted and its lease is on disk", |gateway| {
            gateway.get("/metrics").unwrap().contains("translated_packets_total{direction=\"v4_to_v6\"} 1\n")
                && state(gateway).2.is_some_and(|map| map.contains(CLIENT))
        });
        let before = state(&gateway);
        let lease = ask(&gateway, &["explain", &format!("udp {CLIENT} -> {REMOTE_V6}")]).1;
        let lease = lease.split(&format!("{CLIENT} is ")).nth(1).unwrap().split(':').next().unwrap();
        for (packet, parts) in [
            (
                format!("udp {CLIENT}#5 -> {REMOTE_V6}#53"),
                vec![
                    ": the lease that it has\n",
                    "verdict      translated, IPv6 to IPv4\n",
                    "leaves       IPv4 ",
                ],
            ),
            (
                format!("tcp 2001:db8:1::99 -> {REMOTE_V6} syn"),
                vec!["a lease that it would take, the next one free", "translated"],
            ),
            (format!("udp {REMOTE}#53 -> {lease}#5 len 1300"), vec!["into 2 packets", ", more follow"]),
            (
                format!("udp {REMOTE} -> {NOBODY}"),
                vec![
                    ": no_lease\n",
                    "meaning      The destination lies in the dynamic pool, and no host holds it.\n",
                    "remedy       ",
                    "ICMP type 3 code 1",
                    "so far       0 ICMP errors",
                ],
            ),
            (format!("udp {REMOTE} -> {lease} nosum"), vec!["dropped without a word: udp_zero_checksum\n"]),
            (format!("icmp {CLIENT} -> {OWN_V6}"), vec!["answered with an echo reply\n"]),
            (
                format!("icmp {REMOTE} -> {lease} unreachable about {NOBODY}"),
                vec![": quoted_unmapped\n", "quoted       IPv4 "],
            ),
            ("60 00 00 00".to_owned(), vec!["dropped without a word: ipv6_header\n"]),
        ] {
            let (code, text, errors) = ask(&gateway, &["explain", &packet]);
            assert_eq!((code, errors.as_str()), (Some(0), ""), "{packet}");
            for part in parts {
                assert!(text.contains(part), "{packet}: {part} is not in\n{text}");
            }
        }
        assert_eq!(state(&gateway), before);
    });
}

#[test]
fn explain_speaks_json_and_names_the_place_of_a_mistake() {
    in_namespace("explain_speaks_json_and_names_the_place_of_a_mistake", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        let packet = format!("udp {REMOTE} -> {NOBODY}");
        let (code, text, errors) = ask(&gateway, &["explain", "--json", &packet]);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        for part in [
            "\"outcome\":\"icmp_error\"",
            "\"direction\":null",
            "\"reason\":\"no_lease\"",
            "\"topic\":\"destination\"",
            "\"refused\":\"no_lease\"",
            "\"leaving\":[{\"text\":\"IPv4 192.0.2.1 -> 203.0.113.9",
            "\"icmp_error_rate\":",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        // What one command prints, the next one reads.
        let hex = text.split("\"packet\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(ask(&gateway, &["explain", hex]).1, ask(&gateway, &["explain", &packet]).1);

        let (code, text, errors) = ask(&gateway, &["explain", "udp 203.0.113.9#99999 -> 192.0.2.1"]);
        assert_eq!((code, text.as_str()), (Some(2), ""));
        for part in ["column 17: \"99999\" is no port", "^^^^^", "= help: give a number from 0 to 65535"] {
            assert!(errors.contains(part), "{part} is not in\n{errors}");
        }
        let (code, help, _) = ask(&gateway, &["explain", "--help"]);
        assert!(code == Some(0) && help.contains("PROTOCOL ADDRESS[#PORT] -> ADDRESS[#PORT]"), "{help}");
    });
}
