//! The house holds to its own rules: the import graph of ARCHITECTURE.md, the purity of the cores, the size of
//! files, and documents that name things which exist.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file that are too many, its tests aside.
const FILE_LIMIT: usize = 600;

/// Files and folders whose code takes bytes, time and randomness as arguments.
const PURE: &[&str] = &[
    "addr/src",
    "config/src",
    "nat64/translator/src",
    "nat64/src/pool.rs",
    "nat64/src/table.rs",
    "dns64/src/answer.rs",
    "dns64/src/arpa.rs",
    "dns64/src/cache.rs",
    "dns64/src/cache",
    "dns64/src/chain.rs",
    "dns64/src/designated.rs",
    "dns64/src/domain.rs",
    "dns64/src/hints.rs",
    "dns64/src/hosts.rs",
    "dns64/src/hosts/answer.rs",
    "dns64/src/hosts/line.rs",
    "dns64/src/hosts/table.rs",
    "dns64/src/lead.rs",
    "dns64/src/lead",
    "dns64/src/lifetime.rs",
    "dns64/src/gate.rs",
    "dns64/src/gate",
    "dns64/src/loops.rs",
    "dns64/src/name.rs",
    "dns64/src/query.rs",
    "dns64/src/question.rs",
    "dns64/src/ttl.rs",
    "dns64/src/wire.rs",
    "dns64/src/zone.rs",
    "dns64/src/policy.rs",
    "dns64/src/plan.rs",
    "dns64/src/synth.rs",
    "dns64/src/rebind.rs",
    "dns64/src/reverse.rs",
    "dns64/src/ipv4only.rs",
    "dns64/src/special.rs",
    "dns64/src/special/private.rs",
    "dns64/src/reply.rs",
    "dns64/src/upstream/health.rs",
    "dns64/src/upstream/latency.rs",
    "dns64/src/upstream/place.rs",
    "dns64/src/https/request.rs",
    "dns64/src/quic/query.rs",
    "dns64/src/upstream/circle.rs",
    "dns64/src/upstream/select.rs",
    "proxy/src/accounts.rs",
    "proxy/src/shelves.rs",
    "proxy/src/tide.rs",
    "proxy/src/translated.rs",
    "proxy/src/http/auth/credentials.rs",
    "proxy/src/http/auth/htpasswd.rs",
    "proxy/src/http/auth/remembered.rs",
    "proxy/src/http/compression.rs",
    "proxy/src/http/compression",
    "proxy/src/http/limiter.rs",
    "proxy/src/listener/site.rs",
    "proxy/src/listener/sources.rs",
    "proxy/src/upstream/choice.rs",
    "proxy/src/upstream/http1/request.rs",
    "proxy/src/upstream/http1/response.rs",
    "proxy/src/upstream/http1/response/head.rs",
    "proxy/src/http/login.rs",
    "proxy/src/counts/reasons.rs",
    "proxy/src/pool/attempts.rs",
    "proxy/src/pool/balance.rs",
    "proxy/src/pool/bindings.rs",
    "proxy/src/pool/sessions.rs",
    "proxy/src/pool/check/http.rs",
    "proxy/src/pool/ejection.rs",
    "proxy/src/pool/health.rs",
    "proxy/src/pool/queue.rs",
    "proxy/src/pool/settings.rs",
    "proxy/src/pool/standing.rs",
    "proxy/src/pool/stick.rs",
    "proxy/src/opening/fault.rs",
    "proxy/src/opening/names.rs",
    "proxy/src/opening/told.rs",
    "proxy/src/cookies.rs",
    "proxy/src/cookies",
    "proxy/src/client_hello.rs",
    "proxy/src/client_hello",
    "proxy/src/proxy_protocol.rs",
    "proxy/src/proxy_protocol",
    "proxy/src/log/address.rs",
    "proxy/src/log/json.rs",
    "proxy/src/log/lines.rs",
    "proxy/src/log/syslog.rs",
    "proxy/src/log/dates.rs",
    "proxy/src/log/line.rs",
    "proxy/src/log/line",
    "proxy/src/log/number.rs",
    "proxy/src/log/zone.rs",
    "proxy/src/record.rs",
    "proxy/src/record",
    "proxy/src/relay/silence.rs",
    "proxy/src/udp/flows.rs",
    "proxy/src/udp/loss.rs",
    "proxy/src/udp/path.rs",
    "proxy/src/udp/segments.rs",
    "proxy/src/http/deadlines.rs",
    "proxy/src/http/waits.rs",
    "proxy/src/http/http1/request.rs",
    "proxy/src/http/http1/response.rs",
    "proxy/src/message/content.rs",
    "proxy/src/message/leaving.rs",
    "proxy/src/http/http2/breach.rs",
    "proxy/src/http/http2/fields.rs",
    "proxy/src/http/http2/frames.rs",
    "proxy/src/http/http2/frames/cursor.rs",
    "proxy/src/http/http2/head.rs",
    "proxy/src/http/http2/preface.rs",
    "proxy/src/http/forwarded.rs",
    "proxy/src/http/forwarded",
    "proxy/src/http/framing.rs",
    "proxy/src/http/framing/grammar.rs",
    "proxy/src/http/guard.rs",
    "proxy/src/http/certificate.rs",
    "proxy/src/http/upgrade.rs",
    "proxy/src/http/websocket.rs",
    "proxy/src/http/headers.rs",
    "proxy/src/http/heads.rs",
    "proxy/src/http/verdict.rs",
    "proxy/src/http/pace.rs",
    "proxy/src/http/progress.rs",
    "proxy/src/http/rules.rs",
    "proxy/src/http/rules",
];

/// What a pure module may not name.
const RUNTIME: &[&str] = &[
    "tokio",
    "hyper::",
    "tracing",
    "tun::",
    "socket2",
    "Instant::now",
    "SystemTime::now",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::thread",
];

/// Words that say a change instead of the present, or that no text of the project needs.
const BANNED_WORDS: &[&str] = &["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX:"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The `.rs` files below `path`, or `path` itself.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut found: Vec<PathBuf> = fs::read_dir(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .map(|entry| entry.expect("readable entry").path())
        .filter(|path| !path.ends_with("target"))
        .flat_map(|path| match path.extension() {
            Some(ext) if ext == "rs" => vec![path],
            None if path.is_dir() => sources(&path),
            _ => Vec::new(),
        })
        .collect();
    found.sort();
    found
}

/// A source text without its unit tests, which stand last.
fn without_tests(text: &str) -> &str {
    let begins = ["\n#[cfg(test)]\nmod ", "\n#[cfg(test)]\npub(crate) mod "].map(|mark| text.find(mark));
    &text[..begins.into_iter().flatten().min().unwrap_or(text.len())]
}

/// The first fenced block after the heading `heading`.
fn fenced_block<'a>(text: &'a str, heading: &str) -> &'a str {
    let after = text.split_once(heading).unwrap_or_else(|| panic!("no heading {heading:?}")).1;
    after.split("```").nth(1).expect("a fenced block").split_once('\n').expect("its first line").1
}

/// The platform that all this is built for: what others need is not here unless somebody fetched it.
fn platform() -> String {
    let printed = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc says");
    String::from_utf8(printed.stdout).expect("UTF-8").trim().to_owned()
}

fn workspace() -> cargo_metadata::Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--offline", "--locked", "--filter-platform", &platform()].map(str::to_owned))
        .exec()
        .expect("cargo metadata of the workspace")
}

#[test]
fn import_graph_is_the_one_in_architecture_md() {
    let metadata = workspace();
    let members: BTreeSet<String> =
        metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let real: BTreeMap<String, BTreeSet<String>> = metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let imports = package
                .dependencies
                .iter()
                .filter(|dep| dep.kind == DependencyKind::Normal && members.contains(&dep.name))
                .map(|dep| dep.name.clone())
                .collect();
            (package.name.to_string(), imports)
        })
        .collect();
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let written: BTreeMap<String, BTreeSet<String>> = fenced_block(&architecture, "## Who imports whom")
        .lines()
        .filter_map(|line| line.split_once("->"))
        .map(|(who, whom)| {
            let whom =
                whom.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
            (who.trim().to_owned(), whom)
        })
        .collect();
    assert_eq!(real, written, "left: Cargo.toml files, right: ARCHITECTURE.md");
}

#[test]
fn daemons_never_import_each_other() {
    let daemons = ["nat64", "dns64", "proxy"];
    for package in workspace().workspace_packages() {
        if daemons.contains(&package.name.as_str()) {
            let other = package.dependencies.iter().find(|dep| daemons.contains(&dep.name.as_str()));
            assert!(other.is_none(), "{} imports {}", package.name, other.expect("some").name);
        }
    }
}

#[test]
fn pure_modules_name_no_runtime() {
    let mut breaches = Vec::new();
    for path in PURE.iter().flat_map(|path| sources(&root().join(path))) {
        for (number, line) in without_tests(&read(&path)).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in RUNTIME.iter().filter(|word| code.contains(*word)) {
                breaches.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn files_stay_short_and_free_of_placeholders() {
    let mut breaches = Vec::new();
    for package in workspace().workspace_packages() {
        let folder = package.manifest_path.parent().expect("a package folder").join("src");
        for path in sources(folder.as_std_path()) {
            let text = read(&path);
            let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
            let lines = without_tests(&text).lines().count();
            if lines > FILE_LIMIT && !is_test {
                breaches.push(format!("{}: {lines} lines", path.display()));
            }
            for word in BANNED_WORDS.iter().filter(|word| text.contains(*word)) {
                breaches.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn no_module_is_a_grab_bag() {
    let banned = ["utils", "util", "common", "misc", "manager", "helpers", "base", "core", "mod"];
    for package in workspace().workspace_packages() {
        let folder = package.manifest_path.parent().expect("a package folder").join("src");
        for path in sources(folder.as_std_path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a UTF-8 name");
            assert!(!banned.contains(&stem), "{}", path.display());
        }
    }
}

/// Every row of docs/conformance.md whose last cell names tests names tests that exist.
#[test]
fn conformance_rows_name_tests_that_exist() {
    let tests: BTreeSet<String> = workspace()
        .workspace_packages()
        .iter()
        .flat_map(|package| {
            let folder = package.manifest_path.parent().expect("a package folder");
            ["src", "tests"]
                .iter()
                .map(|name| folder.join(name).into_std_path_buf())
                .filter(|path| path.is_dir())
                .flat_map(|path| sources(&path))
                .collect::<Vec<_>>()
        })
        .flat_map(|path| function_names(&read(&path)))
        .collect();
    let mut rows = 0;
    let mut missing = Vec::new();
    let conformance = read(&root().join("docs/conformance.md"));
    for line in conformance.lines().filter(|line| line.starts_with('|')) {
        let cell = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for name in cell.split('`').skip(1).step_by(2) {
            rows += 1;
            let function = name.rsplit("::").next().unwrap_or(name);
            if !tests.contains(function) {
                missing.push(line.to_owned());
            }
        }
    }
    assert!(rows > 0, "docs/conformance.md names no test");
    assert!(missing.is_empty(), "rows that name no existing test:\n{}", missing.join("\n"));
}

fn function_names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            line.trim_start().trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")
        })
        .map(|rest| rest.split(['(', '<']).next().unwrap_or_default().to_owned())
        .collect()
}

/// docs/metrics.md has one row for each reason a packet is dropped for, with the meaning and the remedy that `explain`
/// tells, and no other.
#[test]
fn every_drop_reason_has_its_row_in_metrics_md() {
    let metrics = read(&root().join("docs/metrics.md"));
    let section = metrics.split_once("## Drop reasons of nat64").expect("the heading").1;
    let section = section.split("\n## ").next().unwrap_or(section);
    let documented: BTreeSet<String> =
        section.lines().filter(|line| line.starts_with("| `")).map(|line| line.replace('`', "")).collect();
    let real: BTreeSet<String> = translator::DropReason::ALL
        .iter()
        .map(|reason| format!("| {} | {} | {} |", reason.label(), reason.meaning(), reason.remedy()))
        .collect();
    let missing: Vec<_> = real.difference(&documented).collect();
    let extra: Vec<_> = documented.difference(&real).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "not in docs/metrics.md: {missing:#?}\nno such row: {extra:#?}"
    );
}

/// docs/operations.md has the grammar that `explain --help` prints.
#[test]
fn grammar_of_explain_is_the_one_in_operations_md() {
    let operations = read(&root().join("docs/operations.md"));
    let lines = translator::GRAMMAR.lines().filter_map(|line| line.strip_prefix("  "));
    let missing: Vec<_> = lines
        .filter(|line| !line.starts_with("explain ") && !line.contains("| explain"))
        .filter(|line| !operations.contains(line))
        .collect();
    assert!(missing.is_empty(), "not in docs/operations.md:\n{}", missing.join("\n"));
}

/// Relative links of the documents lead somewhere.
#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = vec![];
    for folder in [root(), root().join("docs")] {
        let entries = fs::read_dir(&folder).expect("a folder of documents");
        documents.extend(
            entries
                .map(|entry| entry.expect("readable entry").path())
                .filter(|path| path.extension().is_some_and(|ext| ext == "md")),
        );
    }
    let mut broken = Vec::new();
    for document in documents {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !document.parent().expect("a folder").join(file).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
