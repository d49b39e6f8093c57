//! Clients that never stop, to show that a change or a fault disturbs none of them.

use anyhow::{Context, Result, bail, ensure};
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use tests::http::Reader;
use tests::lab::Lab;
use tests::probe::dns::{self, Transport};
use tests::probe::{icmp, tcp};
use tests::topology::{ALPHA, DNS, HTTP, PROXY, RESOLVER, names, through_nat64};
use tests::wait::{PATIENCE, until};

/// Rounds of all clients before and after what a test does.
const ROUNDS: usize = 20;

/// Runs `act` while a client pings, asks and requests over a kept connection; none of that may fail.
pub(crate) fn during<T>(lab: &Lab, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients = scope.spawn(|| lab.as_client(|| keep_going(&stop, &rounds)));
        let more = |what: &str| {
            let target = rounds.load(Ordering::Acquire) + ROUNDS;
            until(PATIENCE, what, || {
                if clients.is_finished() {
                    bail!("the traffic broke off {what}");
                }
                Ok((rounds.load(Ordering::Acquire) >= target).then_some(()))
            })
        };
        let acted = more("before").and_then(|()| act()).and_then(|value| more("afterwards").map(|()| value));
        stop.store(true, Ordering::Release);
        clients.join().expect("the clients do not panic").context("a client while it happened")?;
        acted
    })
}

fn keep_going(stop: &AtomicBool, rounds: &AtomicUsize) -> Result<()> {
    let proxy = SocketAddr::new(PROXY.into(), HTTP);
    let resolver = SocketAddr::new(RESOLVER.into(), DNS);
    let mut connection = Reader::new(tcp::connect(proxy)?);
    while !stop.load(Ordering::Acquire) {
        icmp::ping(through_nat64(ALPHA), 56).context("ping")?;
        let reply = dns::ask(resolver, names::ALPHA, RecordType::AAAA, Transport::Udp)?;
        ensure!(dns::addresses(&reply) == [through_nat64(ALPHA)], "{}", reply.metadata.response_code);
        let reply = connection.exchange("GET", "www.lab.example", "/", &[]).context("a kept connection")?;
        ensure!(reply.status == 200, "status {}", reply.status);
        rounds.fetch_add(1, Ordering::AcqRel);
    }
    Ok(())
}
