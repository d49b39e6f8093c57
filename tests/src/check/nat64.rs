//! What the client experiences beyond nat64.

use crate::lab::Lab;
use crate::payload;
use crate::probe::icmp::{self, HOP_LIMIT_EXCEEDED, PORT_UNREACHABLE, Provoked};
use crate::probe::{tcp, udp};
use crate::topology::{ALPHA, CLOSED, ECHO, HTTP, ROUTER, TRANSLATOR, through_nat64, through_nat64_at};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::time::Instant;

/// Payload of an echo request, as `ping` sends it.
const PING_LENGTH: usize = 56;

/// Payloads of datagrams: around the sizes where fragments begin on either side of the translator.
const DATAGRAMS: [usize; 9] = [1, 512, 1232, 1452, 1453, 1472, 1500, 4096, 8192];

/// The gateway's kernel takes one hop before the packet reaches the translator.
const HOPS_TO_ROUTER: u32 = 1;
const HOPS_TO_TRANSLATOR: u32 = 2;

pub(super) fn carries_ping(lab: &Lab) -> Result<String> {
    let alpha = through_nat64(ALPHA);
    let took = lab.as_client(|| icmp::ping(alpha, PING_LENGTH))?;
    Ok(format!("{alpha} answered in {:.2} ms", took.as_secs_f64() * 1e3))
}

pub(super) fn carries_download(lab: &Lab) -> Result<String> {
    let alpha = SocketAddr::V6(through_nat64_at(ALPHA, HTTP));
    // Made before the clock starts, and compared after it has stopped.
    let sent = payload::checksum(payload::body());
    let start = Instant::now();
    let reply = lab.as_client(|| tcp::fetch(alpha, &alpha.to_string(), payload::BODY_PATH))?;
    let took = start.elapsed();
    ensure!(reply.status == 200, "the web server answered {}", reply.status);
    ensure!(reply.body.len() == payload::BODY_LENGTH, "{} bytes came", reply.body.len());
    let seen = payload::checksum(&reply.body);
    ensure!(seen == sent, "checksum {seen:08x} came, {sent:08x} was sent");
    Ok(format!("checksum {seen:08x} on both ends, {:.0} MiB/s", 10.0 / took.as_secs_f64()))
}

pub(super) fn carries_datagrams(lab: &Lab) -> Result<String> {
    let alpha = through_nat64_at(ALPHA, ECHO);
    let mut again = Vec::new();
    for length in DATAGRAMS {
        let sent = lab.as_client(|| udp::echo(alpha, length))?;
        if sent > 1 {
            again.push(length.to_string());
        }
    }
    let resent = match again.as_slice() {
        [] => "none sent twice".to_owned(),
        sizes => format!("{} sent again once the path's MTU was known", sizes.join(", ")),
    };
    Ok(format!("{} sizes came back whole, {resent}", DATAGRAMS.len()))
}

pub(super) fn reports_expired_hop_limit(lab: &Lab) -> Result<String> {
    for (hops, router) in [(HOPS_TO_ROUTER, ROUTER), (HOPS_TO_TRANSLATOR, TRANSLATOR)] {
        let provoked =
            complaint_about(lab, ECHO, Some(hops)).with_context(|| format!("with hop limit {hops}"))?;
        let complaint = &provoked.complaint;
        ensure!(
            complaint.kind == HOP_LIMIT_EXCEEDED,
            "hop {hops}: {} from {}",
            complaint.kind,
            complaint.from
        );
        ensure!(complaint.from == router, "hop {hops} is {}, expected {router}", complaint.from);
    }
    Ok(format!("hop 1 is {ROUTER}, hop 2 is {TRANSLATOR}"))
}

pub(super) fn brings_back_port_unreachable(lab: &Lab) -> Result<String> {
    let provoked = complaint_about(lab, CLOSED, None)?;
    let complaint = &provoked.complaint;
    ensure!(complaint.kind == PORT_UNREACHABLE, "{} from {}", complaint.kind, complaint.from);
    ensure!(complaint.from == through_nat64(ALPHA), "it came from {}", complaint.from);
    Ok(format!("from {}, quoting the client's {}", complaint.from, provoked.source))
}

/// The error about a datagram to alpha, which quotes that very datagram.
fn complaint_about(lab: &Lab, port: u16, hop_limit: Option<u32>) -> Result<Provoked> {
    let target = through_nat64_at(ALPHA, port);
    let provoked = lab.as_client(|| icmp::provoke(target, hop_limit, b"who goes there?"))?;
    provoked.ensure_own(target)?;
    Ok(provoked)
}
