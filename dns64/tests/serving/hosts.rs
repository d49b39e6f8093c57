//! Names that are served here: single hosts, hosts files and leases, and that nothing of them goes upstream.

use crate::daemon::{Daemon, ask_udp, file, listener};
use crate::scripted::{Scripted, only_a};
use crate::world::{LONG, PREF64, World, nibbles, unhurried};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::time::timeout;

const GUESTS: &str = r#"
    [[dns64.host]]
    name = "v4.lan"
    addresses = ["192.168.7.10"]
    ttl = "30s"
    [[dns64.host]]
    name = "both.lan"
    addresses = ["192.168.7.11", "2001:db8:7::11"]
"#;

/// The answer section as `ttl type data`.
fn answers(message: &Message) -> Vec<String> {
    let show = |record: &hickory_proto::rr::Record| {
        format!("{} {} {}", record.ttl, record.record_type(), record.data)
    };
    message.answers.iter().map(show).collect()
}

fn guests(upstream: &Scripted) -> World {
    World::with(&[upstream.address.to_string()], unhurried(), PREF64, GUESTS)
}

#[tokio::test]
async fn a_guest_is_named_synthesized_and_found_back_without_an_upstream() {
    let upstream = Scripted::start(only_a).await;
    let world = guests(&upstream);
    assert_eq!(answers(&world.ask("V4.lan.", RecordType::A).await), ["30 A 192.168.7.10"]);
    assert_eq!(answers(&world.ask("v4.lan.", RecordType::AAAA).await), ["30 AAAA 2001:db8:64::c0a8:70a"]);
    assert_eq!(answers(&world.ask("both.lan.", RecordType::AAAA).await), ["60 AAAA 2001:db8:7::11"]);
    let none = world.ask("v4.lan.", RecordType::TXT).await;
    assert_eq!(
        (none.metadata.response_code, none.answers.len(), none.authorities.len()),
        (ResponseCode::NoError, 0, 1)
    );
    let reverse = world.ask("10.7.168.192.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(answers(&reverse), ["30 PTR v4.lan."]);
    let reverse = format!("{}ip6.arpa.", nibbles("2001:db8:7::11".parse().unwrap()));
    assert_eq!(answers(&world.ask(&reverse, RecordType::PTR).await), ["60 PTR both.lan."]);
    assert_eq!(upstream.asked(), []);
    assert_eq!(world.metric(r#"queries_total{transport="udp",type="AAAA",outcome="hosts"}"#), "2");
}

#[tokio::test]
async fn the_synthesized_address_of_a_guest_leads_back_to_it() {
    let upstream = Scripted::start(only_a).await;
    let world = guests(&upstream);
    let reverse = format!("{}ip6.arpa.", nibbles("2001:db8:64::192.168.7.10".parse().unwrap()));
    assert_eq!(
        answers(&world.ask(&reverse, RecordType::PTR).await),
        ["30 CNAME 10.7.168.192.in-addr.arpa.", "30 PTR v4.lan."]
    );
    assert_eq!(answers(&world.ask(&reverse, RecordType::TXT).await), ["30 CNAME 10.7.168.192.in-addr.arpa."]);
    assert_eq!(upstream.asked(), []);
}

#[tokio::test]
async fn under_the_well_known_prefix_a_private_guest_has_no_aaaa_record_and_the_reply_says_why() {
    let upstream = Scripted::start(only_a).await;
    let world = World::with(&[upstream.address.to_string()], unhurried(), "64:ff9b::/96", GUESTS);
    let reply = world.ask("v4.lan.", RecordType::AAAA).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    let edns = reply.edns.expect("an OPT record");
    let Some(EdnsOption::Unknown(15, error)) = edns.option(EdnsCode::Unknown(15)) else {
        panic!("an extended error in {edns:?}")
    };
    assert!(String::from_utf8_lossy(&error[2..]).contains("64:ff9b::/96"), "{error:?}");
    assert_eq!(upstream.asked(), []);
}

#[tokio::test]
async fn names_that_are_not_looked_up_are_answered_with_every_upstream_dead() {
    let keys = "private_zones = \"local\"\nlocal_domains = [\"lan\"]";
    let world = World::with(&[Scripted::nobody().to_string()], unhurried(), PREF64, keys);
    for name in [
        "printer.",
        "printer.local.",
        "vm9.lan.",
        "x.home.arpa.",
        "x.test.",
        "x.service.arpa.",
        "1.1.168.192.in-addr.arpa.",
        "x.onion.",
        "x.invalid.",
    ] {
        let reply = world.ask(name, RecordType::AAAA).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
        assert_eq!(reply.authorities.len(), 1, "{name}");
    }
    for name in ["localhost.", "lan.", "home.arpa.", "168.192.in-addr.arpa.", "_dns.resolver.arpa."] {
        assert_eq!(
            world.ask(name, RecordType::AAAA).await.metadata.response_code,
            ResponseCode::NoError,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_private_upstream_is_asked_about_private_zones_and_plain_names_if_the_file_says_so() {
    let upstream = Scripted::start(only_a).await;
    let world = World::with(&[upstream.address.to_string()], unhurried(), PREF64, "domain_needed = false");
    for name in ["x.home.arpa.", "x.test.", "printer."] {
        assert_eq!(answers(&world.ask(name, RecordType::A).await), STRANGER, "{name}");
    }
    assert_eq!(world.ask("home.arpa.", RecordType::DS).await.answers.len(), 0);
    assert_eq!(upstream.count(RecordType::DS), 1);
}

/// A daemon that serves the files of a folder.
struct Served {
    folder: TempDir,
    address: SocketAddr,
    daemon: Daemon,
    upstream: Scripted,
}

impl Served {
    /// Starts with these files in the folder.
    async fn start(files: &[(&str, &str)], keys: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (upstream, address) = (Scripted::start(only_a).await, listener());
        let keys = keys.replace("HERE", folder.path().to_str().unwrap());
        let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], &keys)).await;
        Self { folder, address, daemon, upstream }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    async fn a(&self, name: &str) -> Vec<String> {
        answers(&ask_udp(self.address, name, RecordType::A).await)
    }

    /// Waits until the A records of a name are these.
    async fn becomes(&self, name: &str, expect: &[&str]) {
        let wait = async {
            while self.a(name).await != expect {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, wait).await.unwrap_or_else(|_| panic!("{name} never becomes {expect:?}"));
    }
}

/// What the upstream of these tests says of every name.
const STRANGER: [&str; 1] = ["300 A 192.0.2.1"];

const FILES: &str = "hosts_files = [\"HERE/hosts\"]\nlease_files = [\"HERE/leases\"]\nhosts_domain = \"lan\"";

fn lease(address: &str, name: &str) -> String {
    format!("4102444800 52:54:00:00:00:01 {address} {name} *\n")
}

#[tokio::test]
async fn hosts_files_and_leases_are_served_from_the_first_question_on() {
    let served =
        Served::start(&[("hosts", "192.0.2.10 vm1\n"), ("leases", &lease("192.0.2.20", "vm2"))], FILES).await;
    assert_eq!(served.a("vm1.lan.").await, ["60 A 192.0.2.10"]);
    assert_eq!(served.a("vm2.lan.").await, ["60 A 192.0.2.20"]);
    assert_eq!(served.upstream.asked(), []);
    assert_eq!(served.daemon.metric(r#"causeway_dns64_hosts{table="fixed"}"#).await, "2");
    assert_eq!(served.daemon.metric(r#"causeway_dns64_hosts{table="leases"}"#).await, "2");
}

#[tokio::test]
async fn a_lease_file_that_is_renamed_over_is_seen() {
    let served = Served::start(&[("leases", &lease("192.0.2.20", "vm2"))], FILES).await;
    served.write("leases.new", &lease("192.0.2.21", "vm3"));
    std::fs::rename(served.path("leases.new"), served.path("leases")).unwrap();
    served.becomes("vm3.lan.", &["60 A 192.0.2.21"]).await;
    assert_eq!(served.a("vm2.lan.").await, STRANGER);
    assert_eq!(served.daemon.metric("causeway_dns64_hosts_rereads_total").await, "1");
}

#[tokio::test]
async fn a_file_that_is_written_to_deleted_and_made_anew_is_seen() {
    let served = Served::start(&[("hosts", "192.0.2.10 vm1\n")], FILES).await;
    served.write("hosts", "192.0.2.11 vm1\n192.0.2.12 vm2\n");
    served.becomes("vm1.lan.", &["60 A 192.0.2.11"]).await;
    assert_eq!(served.a("vm2.lan.").await, ["60 A 192.0.2.12"]);
    std::fs::remove_file(served.path("hosts")).unwrap();
    served.becomes("vm1.lan.", &STRANGER).await;
    served.write("hosts", "192.0.2.13 vm1\n");
    served.becomes("vm1.lan.", &["60 A 192.0.2.13"]).await;
}

#[tokio::test]
async fn files_in_a_folder_come_and_go_and_those_of_editors_do_not_count() {
    let keys = "hosts_files = [\"HERE/hosts.d\"]";
    let served = Served::start(&[], keys).await;
    std::fs::create_dir(served.path("hosts.d")).unwrap();
    served.write("hosts.d/a", "192.0.2.10 vm1.lan\n");
    served.becomes("vm1.lan.", &["60 A 192.0.2.10"]).await;
    for leftover in ["hosts.d/.a.swp", "hosts.d/a~", "hosts.d/#a#"] {
        served.write(leftover, "192.0.2.66 vm6.lan\n");
    }
    served.write("hosts.d/b", "192.0.2.11 vm1.lan\n");
    served.becomes("vm1.lan.", &["60 A 192.0.2.10", "60 A 192.0.2.11"]).await;
    assert_eq!(served.a("vm6.lan.").await, STRANGER);
    std::fs::remove_file(served.path("hosts.d/a")).unwrap();
    served.becomes("vm1.lan.", &["60 A 192.0.2.11"]).await;
}

#[tokio::test]
async fn a_file_without_its_last_line_end_is_taken_when_nobody_goes_on_writing() {
    let served = Served::start(&[("hosts", "192.0.2.10 vm1\n")], FILES).await;
    served.write("hosts", "192.0.2.11 vm1\n192.0.2.12 vm2");
    served.becomes("vm2.lan.", &["60 A 192.0.2.12"]).await;
    assert_eq!(served.a("vm1.lan.").await, ["60 A 192.0.2.11"]);
}

#[tokio::test]
async fn bad_lines_and_missing_files_are_told_and_take_nothing_along() {
    let served = Served::start(&[("hosts", "nonsense\n192.0.2.10 vm1 b*d\n")], FILES).await;
    assert_eq!(served.a("vm1.lan.").await, ["60 A 192.0.2.10"]);
    let told = served.daemon.admin("GET", "/hosts").await;
    for part in [
        r#""bad_lines":2"#,
        r#""line":1,"reason":"the address"#,
        r#""line":2"#,
        "No such file",
        r#""hosts":2"#,
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(served.daemon.metric(r#"causeway_dns64_hosts_bad_lines{table="fixed"}"#).await, "2");
    let log = served.daemon.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("a line is passed over")).collect();
    assert!(lines.len() == 2 && lines[0].contains("line=1") && lines[0].contains("hosts"), "{log}");
    assert!(log.contains("leases") && log.contains("No such file"), "{log}");
    served.write("hosts", "# moved\nnonsense\n192.0.2.11 vm1\n");
    served.becomes("vm1.lan.", &["60 A 192.0.2.11"]).await;
    let log = served.daemon.log();
    assert_eq!(log.matches("a line is passed over").count(), 2, "a known line is not told again: {log}");
}

#[tokio::test]
async fn a_reload_serves_other_files_at_once_and_goes_on_watching() {
    let served =
        Served::start(&[("hosts", "192.0.2.10 vm1\n"), ("other", "192.0.2.30 vm3.lan\n")], FILES).await;
    let keys = format!("hosts_files = [\"{}\"]", served.path("other").display());
    let answer =
        served.daemon.reload(&file(PREF64, &[served.address], &[served.upstream.address], &keys)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(served.a("vm3.lan.").await, ["60 A 192.0.2.30"]);
    assert_eq!(served.a("vm1.lan.").await, STRANGER);
    served.write("other", "192.0.2.31 vm3.lan\n");
    served.becomes("vm3.lan.", &["60 A 192.0.2.31"]).await;
}
