//! Generated requests, through us and through Debian's HAProxy, to members that note what arrives.
//!
//! Where the two differ, one of the known differences must say why (docs/conformance.md has them too). Beside them stands
//! `http_desync_guardian`: what it calls severe must not go on.
//!
//! `CAUSEWAY_REQUESTS` sets how many requests are generated, `CAUSEWAY_SEED` where they begin.

#[path = "differential/arrival.rs"]
mod arrival;
#[path = "differential/difference.rs"]
mod difference;
#[path = "differential/generator.rs"]
mod generator;

use crate::backend::Backend;
use crate::client::Client;
use crate::foreign::{HAPROXY, Program};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6};
use crate::recorder::{octets, recorder};
use arrival::Arrival;
use difference::{Outcome, explain};
use generator::Generator;
use http_desync_guardian::RequestSafetyTier::Severe;
use http_desync_guardian::request_analyzer::HttpRequestData;
use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Sends these octets and their end, and reads what is answered until the end.
fn ask(address: SocketAddr, request: &[u8], member: &Backend) -> Outcome {
    let before = member.heads().len();
    let mut client = Client::connect(address);
    let _ = client.try_send(request);
    let _ = client.stream.shutdown(Shutdown::Write);
    let (mut statuses, mut reason) = (Vec::new(), String::new());
    while let Ok(response) = client.try_response(request.starts_with(b"HEAD ")) {
        // Interim responses are none.
        if response.status >= 200 {
            statuses.push(response.status);
            response.text().lines().last().unwrap_or_default().clone_into(&mut reason);
        }
    }
    Outcome { statuses, reason, came: Arrival::all(&member.heads()[before..]) }
}

#[test]
fn haproxy_and_we_differ_in_what_is_known_only() {
    let (ours, theirs) = (recorder(), recorder());
    let (port, foreign) = (free_port(), free_port());
    let file = format!(
        "{HAPROXY}listen web\n mode http\n bind 127.0.0.1:{foreign}\n http-reuse always\n server behind {}\n",
        theirs.address
    );
    let Some(_haproxy) = Program::start("haproxy", &file, foreign) else { return };
    let config = Config::new("workers = 1")
        .listener("web", "http", port, "web", "forwarded_for = \"off\"")
        .pool("web", UNCHECKED, &[ours.address]);
    let _gateway = Gateway::start(&config);
    let mut generator = Generator::new(number("CAUSEWAY_SEED", 1));
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    let mut unknown = Vec::new();
    let (mut same, mut went_on) = (0, 0);
    for _ in 0..number("CAUSEWAY_REQUESTS", 1500) {
        let request = generator.request();
        let octets = octets(&request);
        let us = ask(v6(port), &octets, &ours);
        let them = ask(v4(foreign), &octets, &theirs);
        let severe = HttpRequestData::analyze_raw_request(&octets).tier == Severe;
        if severe && !arrival::has_lookalike(&request) {
            assert!(us.came.is_empty(), "severe, and goes on: {request:?}: {us:?}");
        }
        went_on += u32::from(!us.came.is_empty());
        if us == them {
            same += 1;
            continue;
        }
        match explain(&request, &us, &them) {
            Some(name) => *known.entry(name).or_default() += 1,
            None => unknown.push(format!("{request:?}\n  us   {us:?}\n  them {them:?}")),
        }
    }
    println!("{same} the same, {went_on} went on, known differences: {known:#?}");
    assert!(unknown.is_empty(), "{} of unknown kind:\n{}", unknown.len(), unknown.join("\n"));
    assert!(same > 100 && went_on > 100, "nothing is compared: {same}, {went_on}");
}
