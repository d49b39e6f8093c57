//! What the client learns from dns64.

use crate::lab::Lab;
use crate::probe::dns::{Transport, addresses, ask};
use crate::topology::{self, ALPHA, DNS, RESOLVER, SIX, names, through_nat64};
use anyhow::{Result, ensure};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use std::net::{Ipv4Addr, SocketAddr};

/// The name whose addresses tell the prefix, and its addresses (RFC 7050 §2.2).
const IPV4_ONLY: (&str, [Ipv4Addr; 2]) =
    ("ipv4only.arpa", [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)]);

fn aaaa(lab: &Lab, name: &str, transport: Transport) -> Result<Message> {
    let server = SocketAddr::new(RESOLVER.into(), DNS);
    lab.as_client(|| ask(server, name, RecordType::AAAA, transport))
}

pub(super) fn synthesizes(lab: &Lab) -> Result<String> {
    let reply = aaaa(lab, names::ALPHA, Transport::Udp)?;
    let seen = addresses(&reply);
    ensure!(seen == [through_nat64(ALPHA)], "{} {} {seen:?}", names::ALPHA, reply.metadata.response_code);
    Ok(format!("{} is {}, which holds {ALPHA}", names::ALPHA, seen[0]))
}

pub(super) fn follows_alias(lab: &Lab) -> Result<String> {
    let reply = aaaa(lab, names::ALIAS, Transport::Udp)?;
    let seen = addresses(&reply);
    ensure!(seen == [through_nat64(ALPHA)], "{} {} {seen:?}", names::ALIAS, reply.metadata.response_code);
    let aliases = reply.answers.iter().filter(|record| matches!(record.data, RData::CNAME(_))).count();
    ensure!(aliases == 1, "{aliases} CNAME records among the answers");
    Ok(format!("{} is {} is {}", names::ALIAS, names::ALPHA, seen[0]))
}

pub(super) fn passes_through(lab: &Lab) -> Result<String> {
    for name in [names::SIX, names::BOTH] {
        let seen = addresses(&aaaa(lab, name, Transport::Udp)?);
        ensure!(seen == [SIX], "{name} {seen:?}");
    }
    Ok(format!("{} is {SIX}, untouched", names::SIX))
}

pub(super) fn keeps_nxdomain(lab: &Lab) -> Result<String> {
    let reply = aaaa(lab, names::NOTHING, Transport::Udp)?;
    ensure!(reply.metadata.response_code == ResponseCode::NXDomain, "{}", reply.metadata.response_code);
    ensure!(reply.answers.is_empty(), "{:?}", addresses(&reply));
    Ok(format!("{} does not exist", names::NOTHING))
}

pub(super) fn answers_over_tcp(lab: &Lab) -> Result<String> {
    let [udp, tcp] = [Transport::Udp, Transport::Tcp].map(|transport| aaaa(lab, names::BETA, transport));
    let [udp, tcp] = [addresses(&udp?), addresses(&tcp?)];
    ensure!(udp == tcp && tcp.len() == 1, "over UDP {udp:?}, over TCP {tcp:?}");
    Ok(format!("{} is {} over both", names::BETA, tcp[0]))
}

pub(super) fn tells_prefix(lab: &Lab) -> Result<String> {
    let (name, known) = IPV4_ONLY;
    let mut seen = addresses(&aaaa(lab, name, Transport::Udp)?);
    seen.sort_unstable();
    ensure!(seen == known.map(through_nat64), "{name} {seen:?}");
    Ok(format!("{name} is {}, so the prefix is {}", seen[0], topology::PREF64))
}
