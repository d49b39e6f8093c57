//! Real clients behind the gateway, each with nothing but IPv6 and dns64 as its resolver.

use crate::stage::{Stage, Verdict, keeping_captures, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::env;
use std::sync::Arc;
use tests::lab::Lab;
use tests::payload;
use tests::program::{Launch, Output};
use tests::server::web::Greeting;
use tests::topology::{ALPHA, BETA, CLIENT, PROXY, RESOLVER, SIX, names, through_nat64};
use tests::wait::PATIENCE;

type Test = fn(&Lab) -> Result<()>;

/// Name, the program it needs, and what it does.
const TESTS: &[(&str, &str, Test)] = &[
    ("curl_reaches_an_ipv4_only_server_by_its_name", "curl", curl_reaches_server_by_name),
    ("curl_downloads_the_body_whole", "curl", curl_downloads_the_body),
    ("curl_is_balanced_on_one_kept_connection", "curl", curl_is_balanced),
    ("dig_sees_the_synthesized_address_over_udp_and_tcp", "dig", dig_sees_synthesized_address),
    ("dig_finds_the_name_behind_a_synthesized_address", "dig", dig_finds_reverse_name),
    ("dig_sees_a_missing_name_as_missing", "dig", dig_sees_missing_name),
    ("ping_counts_no_loss", "ping", ping_counts_no_loss),
    ("ping_sees_the_translator_when_the_hop_limit_expires", "ping", ping_sees_translator),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let make = |&(name, program, test): &(&'static str, &'static str, Test)| {
        trial(stage, "clients", name, move |stage| {
            if !installed(program) {
                return Ok(Verdict::Skipped(format!("{program} is not installed")));
            }
            let lab = stage.shared_lab()?;
            keeping_captures(&lab, name, || test(&lab))
        })
    };
    TESTS.iter().map(make).collect()
}

pub(crate) fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a program as the client, whose only resolver is dns64.
fn client(lab: &Lab, program: &str, args: &[&str]) -> Result<Output> {
    let output = Launch::new(program, program)
        .args(args)
        .env("LC_ALL", "C")
        .with_file_at(lab.files.resolv_conf(), "/etc/resolv.conf")
        .output(&lab.network.client, PATIENCE)?;
    ensure!(
        output.status.success(),
        "{program} {}: {}\n{}{}",
        args.join(" "),
        output.status,
        output.stdout,
        output.stderr
    );
    Ok(output)
}

fn url(name: &str, path: &str) -> String {
    format!("http://{name}{path}")
}

fn curl_reaches_server_by_name(lab: &Lab) -> Result<()> {
    for (name, server) in [(names::ALPHA, "alpha"), (names::BETA, "beta"), (names::ALIAS, "alpha")] {
        let output = client(lab, "curl", &["-sS", &url(name, "/")])?;
        let greeting: Greeting = serde_json::from_str(&output.stdout).context(output.stdout)?;
        ensure!(greeting.server == server, "{name} led to {}", greeting.server);
    }
    Ok(())
}

fn curl_downloads_the_body(lab: &Lab) -> Result<()> {
    let file = lab.files.logs().join("body");
    let place = file.display().to_string();
    client(lab, "curl", &["-sS", "-o", &place, &url(names::BETA, payload::BODY_PATH)])?;
    let body = std::fs::read(&file)?;
    ensure!(body == payload::body(), "{} bytes of checksum {:08x}", body.len(), payload::checksum(&body));
    Ok(())
}

fn curl_is_balanced(lab: &Lab) -> Result<()> {
    let proxy = format!("http://[{PROXY}]/");
    let format = "%{num_connects}\n";
    let output = client(lab, "curl", &["-sS", "-w", format, &proxy, &proxy, &proxy, &proxy])?;
    let (mut servers, mut connects) = (Vec::new(), 0);
    for line in output.stdout.lines() {
        match serde_json::from_str::<Greeting>(line) {
            Ok(greeting) => {
                ensure!(greeting.forwarded_for == [CLIENT.to_string()], "{:?}", greeting.forwarded_for);
                servers.push(greeting.server);
            }
            Err(_) => connects += line.parse::<u32>().with_context(|| line.to_owned())?,
        }
    }
    ensure!(connects == 1, "four requests took {connects} connections");
    ensure!(["alpha", "beta"].iter().all(|name| servers.iter().any(|server| server == name)), "{servers:?}");
    Ok(())
}

fn dig_sees_synthesized_address(lab: &Lab) -> Result<()> {
    let server = format!("@{RESOLVER}");
    for transport in ["+notcp", "+tcp"] {
        let output = client(lab, "dig", &[&server, transport, "+short", names::BETA, "AAAA"])?;
        ensure!(output.stdout.trim() == through_nat64(BETA).to_string(), "{transport}: {}", output.stdout);
        let output = client(lab, "dig", &[&server, transport, "+short", names::BOTH, "AAAA"])?;
        ensure!(output.stdout.trim() == SIX.to_string(), "{transport}: {}", output.stdout);
    }
    Ok(())
}

fn dig_finds_reverse_name(lab: &Lab) -> Result<()> {
    let (server, address) = (format!("@{RESOLVER}"), through_nat64(ALPHA).to_string());
    let output = client(lab, "dig", &[&server, "-x", &address])?;
    let words: Vec<&str> = output.stdout.split_whitespace().collect();
    for (kind, target) in [("CNAME", names::ALPHA_REVERSE), ("PTR", names::ALPHA)] {
        let found = words.windows(2).any(|pair| pair[0] == kind && pair[1].trim_end_matches('.') == target);
        ensure!(found, "no {kind} {target} in {}", output.stdout);
    }
    Ok(())
}

fn dig_sees_missing_name(lab: &Lab) -> Result<()> {
    let output = client(lab, "dig", &[&format!("@{RESOLVER}"), names::NOTHING, "AAAA"])?;
    ensure!(output.stdout.contains("status: NXDOMAIN"), "{}", output.stdout);
    Ok(())
}

fn ping_counts_no_loss(lab: &Lab) -> Result<()> {
    let output = client(lab, "ping", &["-6", "-c", "5", "-i", "0.05", "-w", "5", names::ALPHA])?;
    ensure!(output.stdout.contains("5 received, 0% packet loss"), "{}", output.stdout);
    ensure!(output.stdout.contains(&through_nat64(ALPHA).to_string()), "{}", output.stdout);
    Ok(())
}

fn ping_sees_translator(lab: &Lab) -> Result<()> {
    let alpha = through_nat64(ALPHA).to_string();
    let output = Launch::new("ping", "ping")
        .args(["-6", "-n", "-c", "1", "-t", "2", "-W", "5", &alpha])
        .env("LC_ALL", "C")
        .output(&lab.network.client, PATIENCE)?;
    let wanted = format!("From {} icmp_seq=1 Time exceeded: Hop limit", tests::topology::TRANSLATOR);
    ensure!(output.stdout.contains(&wanted), "{}", output.stdout);
    Ok(())
}
