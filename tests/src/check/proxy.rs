//! What the client and the web servers see of each other through the proxy.

use crate::lab::Lab;
use crate::payload;
use crate::probe::tcp;
use crate::server::echo::FAREWELL;
use crate::server::web::Greeting;
use crate::topology::{CLIENT, ECHO, HTTP, PROXY};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Connections, and requests on each.
const CONNECTIONS: usize = 4;
const REQUESTS: usize = 4;

/// Bytes of the conversation: more than any buffer on the way holds.
const CONVERSATION: usize = 1 << 20;

fn greetings(lab: &Lab) -> Result<Vec<Greeting>> {
    let proxy = SocketAddr::new(PROXY.into(), HTTP);
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        all.extend(lab.as_client(|| tcp::greetings(proxy, "www.lab.example", REQUESTS))?);
    }
    Ok(all)
}

pub(super) fn balances(lab: &Lab) -> Result<String> {
    let mut shares = BTreeMap::<String, usize>::new();
    for greeting in greetings(lab)? {
        *shares.entry(greeting.server).or_default() += 1;
    }
    ensure!(shares.keys().eq(["alpha", "beta"]), "answers came from {shares:?}");
    let told: Vec<String> = shares.iter().map(|(server, count)| format!("{server} {count}")).collect();
    Ok(format!("of {} requests: {}", CONNECTIONS * REQUESTS, told.join(", ")))
}

pub(super) fn tells_client_address(lab: &Lab) -> Result<String> {
    for greeting in greetings(lab)? {
        ensure!(
            greeting.forwarded_for == [CLIENT.to_string()],
            "{} saw X-Forwarded-For {:?}",
            greeting.server,
            greeting.forwarded_for
        );
        let peer: SocketAddr = greeting.peer.parse()?;
        ensure!(peer.is_ipv4(), "{} was reached from {peer}", greeting.server);
    }
    Ok(format!("both saw X-Forwarded-For: {CLIENT}"))
}

pub(super) fn relays_half_close(lab: &Lab) -> Result<String> {
    let sent = payload::bytes(CONVERSATION, 5);
    let back = lab.as_client(|| tcp::converse(SocketAddr::new(PROXY.into(), ECHO), &sent))?;
    ensure!(back.len() > sent.len(), "{} of {} bytes came back", back.len(), sent.len());
    let (echoed, farewell) = back.split_at(sent.len());
    ensure!(echoed == sent, "other bytes came back than were sent");
    let farewell = String::from_utf8_lossy(farewell);
    let server =
        farewell.strip_prefix(FAREWELL).with_context(|| format!("instead of a farewell: {farewell}"))?;
    Ok(format!("1 MiB both ways, then {server}'s farewell after our half-close"))
}
