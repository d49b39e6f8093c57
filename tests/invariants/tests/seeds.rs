//! Replays every seed on a stable toolchain, so that a change that breaks an invariant is seen without a fuzzer.

use invariants::{TARGETS, Target};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and bytes that a target's seeds may come to: they are read by people, and by every run of the tests.
const MOST_SEEDS: usize = 200;
const MOST_BYTES: usize = 200 << 10;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two folders below the root")
        .to_path_buf()
}

fn files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = root().join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable entry").path()).filter(|path| path.is_file());
    paths
        .map(|path| {
            (
                path.file_name().expect("a file").to_string_lossy().into_owned(),
                fs::read(path).expect("a readable file"),
            )
        })
        .collect()
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("one of the targets")
}

/// Runs the target on every seed and names the one that it panics on.
fn replay(name: &str) {
    let target = target(name);
    let mut broken = Vec::new();
    let mut seen = 0;
    for folder in target.folders {
        for (file, input) in files(folder) {
            seen += 1;
            if std::panic::catch_unwind(|| (target.check)(&input)).is_err() {
                broken.push(format!("{folder}/{file}"));
            }
        }
    }
    assert!(seen >= 10, "{seen} seeds");
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn seeds_of_packet_hold() {
    replay("packet");
}

#[test]
fn seeds_of_quoted_hold() {
    replay("quoted");
}

#[test]
fn seeds_of_vnet_hold() {
    replay("vnet");
}

#[test]
fn seeds_of_batch_hold() {
    replay("batch");
}

#[test]
fn seeds_of_sketch_hold() {
    replay("sketch");
}

#[test]
fn seeds_of_tayga_conf_hold() {
    replay("tayga_conf");
}

#[test]
fn seeds_of_named_conf_hold() {
    replay("named_conf");
}

#[test]
fn seeds_of_unbound_conf_hold() {
    replay("unbound_conf");
}

#[test]
fn seeds_of_gateway_toml_hold() {
    replay("gateway_toml");
}

#[test]
fn seeds_of_dns_question_hold() {
    replay("dns_question");
}

#[test]
fn seeds_of_dns_reply_hold() {
    replay("dns_reply");
}

#[test]
fn seeds_of_hosts_file_hold() {
    replay("hosts_file");
}

#[test]
fn seeds_of_lease_file_hold() {
    replay("lease_file");
}

#[test]
fn seeds_of_proxy_protocol_hold() {
    replay("proxy_protocol");
}

#[test]
fn seeds_of_client_hello_hold() {
    replay("client_hello");
}

#[test]
fn seeds_of_cookies_hold() {
    replay("cookies");
}

#[test]
fn seeds_of_request_heads_hold() {
    replay("header_rules");
    replay("request_target");
}

#[test]
fn seeds_of_responses_hold() {
    replay("response");
}

#[test]
fn seeds_of_http2_hold() {
    replay("http2_frames");
    replay("http2_blocks");
}

#[test]
fn seeds_are_those_of_the_generator() {
    for target in TARGETS {
        let seeds: BTreeMap<String, Vec<u8>> = (target.seeds)().into_iter().collect();
        if seeds.is_empty() {
            continue;
        }
        let folder = target.folders[0];
        if std::env::var_os("BLESS").is_some() {
            let folder = root().join(folder);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            for (name, bytes) in &seeds {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
        assert!(files(folder) == seeds, "{folder} is not what the generator makes: run with BLESS=1");
        let bytes: usize = seeds.values().map(Vec::len).sum();
        assert!(
            seeds.len() < MOST_SEEDS && bytes < MOST_BYTES,
            "{folder}: {} files, {bytes} bytes",
            seeds.len()
        );
    }
}

#[test]
fn every_target_has_its_binary() {
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        assert!(manifest.contains(&format!("name = \"{}\"\npath = \"{path}\"", target.name)), "{path}");
        assert!(root().join("tests/fuzz").join(&path).exists(), "{path}");
    }
}
