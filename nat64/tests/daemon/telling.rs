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
