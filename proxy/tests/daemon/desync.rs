//! The test cases of `http_desync_guardian`, which say how dangerous a request is in front of servers that read it each in
//! their own way. They come with that crate; its library has a part in [`crate::differential`].

use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::recorder::{PART, recorder};
use std::net::Shutdown;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

const FILES: [&str; 10] = [
    "acceptable",
    "ambiguous",
    "bad-header-characters",
    "edge-cases",
    "more-compliant-tests",
    "real-life-test-cases",
    "rfc-compliant",
    "severe",
    "single-case",
    "uri-specific-test-cases",
];

/// Ambiguous ones that go on, since one reading alone is left of them when they do.
const CLEANED: &[&str] = &[
    "Transfer_Encoding with underscore.",
    "Content_Length with underscore.",
    "Get with a body and Content-Length",
    "Get with a body and Transfer-Encoding",
    "Head with a body and Content-Length",
    "Head with a body and Transfer-Encoding",
    "Transfer-Encoding with multiple hyphens",
    "Transfer-Encoding with multiple delimiters",
    "Has a CL in GET",
    "Has a TE in GET",
];

/// Compliant ones that do not go on: codings other than `chunked` by itself, which RFC 9112 §6.1 lets a server refuse, more
/// content than follows, and targets with octets or of a form that RFC 9112 §3.2 does not have.
const REFUSED: &[&str] = &[
    "Correct TE OK",
    "Large Size OK",
    "Transfer-Encoding: identity and chunked OK",
    "Multiple transfer encoding headers in a single request OK",
    "TE with custom parameters OK",
    "Different Transfer-Encoding headers",
    "Different Transfer-Encoding headers combined",
    "Transfer-Encoding with a param: chunked;custom_param",
    "Compliant URL",
    "International in URI",
    "Empty URI",
];

struct Case {
    name: String,
    tier: String,
    request: String,
}

/// The folder that the crate's source lies in.
fn folder() -> cargo_metadata::camino::Utf8PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // What other platforms need is not here unless somebody fetched it.
    let platform = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc says");
    let platform = String::from_utf8(platform.stdout).expect("UTF-8");
    let options = ["--offline", "--locked", "--filter-platform", platform.trim()].map(str::to_owned);
    let mut command = cargo_metadata::MetadataCommand::new();
    let metadata =
        command.manifest_path(manifest).other_options(options).exec().expect("cargo knows its packages");
    let package = metadata.packages.iter().find(|package| package.name == "http_desync_guardian");
    let package = package.expect("a dependency of these tests");
    package.manifest_path.parent().expect("a folder").join("tests")
}

fn scalar(value: &Yaml) -> String {
    match value {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        other => panic!("neither text nor number: {other:?}"),
    }
}

fn cases() -> Vec<Case> {
    let folder = folder();
    let files = FILES
        .iter()
        .map(|file| std::fs::read_to_string(folder.join(format!("{file}.yaml"))).expect("a file"));
    let lists = files.map(|text| YamlLoader::load_from_str(&text).expect("YAML").remove(0));
    lists.flat_map(|list| list.into_vec().expect("a list")).map(|case| read(&case)).collect()
}

/// A case as octets, with as much content as it announces.
fn read(case: &Yaml) -> Case {
    let mut head =
        format!("{} {} {}\r\n", scalar(&case["method"]), scalar(&case["uri"]), scalar(&case["version"]));
    let mut content = String::new();
    for field in case["headers"].as_vec().into_iter().flatten() {
        let (name, value) = (scalar(&field["name"]), scalar(&field["value"]));
        match value.trim().parse::<usize>() {
            Ok(length @ ..=100_000) if name.contains("ength") => content = "x".repeat(length),
            _ if name.to_ascii_lowercase().contains("transfer") => "0\r\n\r\n".clone_into(&mut content),
            _ => {}
        }
        head.extend([name.as_str(), ": ", &value, "\r\n"]);
    }
    Case {
        name: scalar(&case["name"]),
        tier: scalar(&case["expected"]["tier"]),
        request: format!("{head}\r\n{content}"),
    }
}

#[test]
fn nothing_severe_goes_on_and_of_the_ambiguous_only_what_is_made_plain() {
    let backend = recorder();
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let cases = cases();
    assert!(cases.len() > 150, "{} cases", cases.len());
    let statuses: Vec<_> =
        cases.iter().enumerate().map(|(number, case)| status(port, number, &case.request)).collect();
    // Requests that break off are noted when their connections end.
    drop(gateway);
    wait_for("all that came to be noted", || backend.is_idle().then_some(()));
    let heads = backend.heads();
    let (mut cleaned, mut refused) = (Vec::new(), Vec::new());
    for (number, (case, status)) in cases.iter().zip(statuses).enumerate() {
        let mark = mark(number).to_ascii_lowercase();
        let came: Vec<_> = heads.iter().filter(|head| head.to_ascii_lowercase().contains(&mark)).collect();
        let whole = came.iter().filter(|head| !head.starts_with(PART)).count();
        match case.tier.as_str() {
            "Severe" => assert!(came.is_empty() && status != 200, "{}: {status}, {came:?}", case.name),
            "Ambiguous" if whole > 0 => cleaned.push((case.name.as_str(), came)),
            "Compliant" if whole == 0 => refused.push((case.name.as_str(), status)),
            _ => {}
        }
    }
    let names: Vec<_> = cleaned.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, CLEANED, "{cleaned:#?}");
    let names: Vec<_> = refused.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REFUSED, "{refused:#?}");
}

/// The field by which a request is known where it comes.
fn mark(number: usize) -> String {
    format!("\r\nX-Case: {number}\r\n")
}

/// The status of the answer to a request; 0 is none, to who breaks off in the middle.
fn status(port: u16, number: usize, request: &str) -> u16 {
    // Most have no host, which alone would have them refused.
    let host = if request.contains("Host") { "" } else { "Host: a.example\r\n" };
    let request = request.replacen("\r\n", &format!("{}{host}", mark(number)), 1);
    let mut client = Client::connect(v6(port));
    let _ = client.try_send(request.as_bytes());
    let _ = client.stream.shutdown(Shutdown::Write);
    client.try_response(false).map_or(0, |response| response.status)
}
