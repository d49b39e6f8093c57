//! What nobody should send: each piece is counted under its reason, and good traffic goes on.

use crate::stage::{Stage, in_prepared_lab};
use anyhow::{Context, Result, ensure};
use hickory_proto::rr::RecordType;
use libtest_mimic::Trial;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;
use tests::admin::Admin;
use tests::gateway::Role;
use tests::lab::Lab;
use tests::payload;
use tests::probe::dns::{self, Transport};
use tests::probe::packet::{Sender, ipv6};
use tests::probe::{icmp, tcp};
use tests::topology::{ALPHA, CLIENT, DNS, HTTP, PROXY, RESOLVER, TRANSLATOR, names, through_nat64};
use tests::wait::{PATIENCE, until};
use translator::DropReason;

type Test = fn(&mut Lab) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("nat64_counts_each_bad_packet_under_its_reason", nat64_counts_each_bad_packet),
    ("nat64_counts_packets_to_addresses_that_nobody_holds", nat64_counts_packets_to_nobody),
    ("nat64_accounts_for_every_random_packet", nat64_accounts_for_every_random_packet),
    ("dns64_counts_each_bad_query_under_its_reason", dns64_counts_each_bad_query),
    ("dns64_survives_random_datagrams_and_broken_streams", dns64_survives_random_datagrams),
    ("proxy_refuses_what_is_no_request", proxy_refuses_what_is_no_request),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    TESTS.iter().map(|&(name, test)| in_prepared_lab(stage, "garbage", name, test)).collect()
}

fn started(lab: &mut Lab, role: Role) -> Result<Admin> {
    let daemon = lab.start_daemon(role)?;
    daemon.wait_until_ready()?;
    Ok(daemon.admin.clone())
}

const ICMPV4: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;

/// A UDP datagram of four bytes to the echo port.
const DATAGRAM: [u8; 12] = [0xc0, 0, 0, 7, 0, 12, 0x12, 0x34, 1, 2, 3, 4];

/// Where clouds keep credentials on the link of each machine, here the gateway's.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Reason, destination, next header, and what follows the IPv6 header.
pub(crate) fn bad_packets() -> Vec<(DropReason, Ipv6Addr, u8, Vec<u8>)> {
    let alpha = through_nat64(ALPHA);
    vec![
        (DropReason::TransportHeader, alpha, UDP, vec![0xc0, 0, 0, 7, 0]),
        (DropReason::TransportHeader, alpha, TCP, vec![0xc0, 0, 0, 7, 0]),
        (DropReason::Protocol, alpha, ICMPV4, vec![8, 0, 0, 0, 0, 1, 0, 1]),
        (DropReason::SegmentsLeft, alpha, ROUTING, [&[UDP, 0, 253, 1, 0, 0, 0, 0], &DATAGRAM[..]].concat()),
        (DropReason::ExtensionHeader, alpha, DESTINATION_OPTIONS, vec![UDP, 200, 1, 4, 0, 0, 0, 0]),
        (
            DropReason::FragmentedIcmp,
            alpha,
            FRAGMENT,
            vec![ICMPV6, 0, 0, 1, 0, 0, 0, 9, 128, 0, 0, 0, 0, 1, 0, 1],
        ),
        (DropReason::IcmpType, alpha, ICMPV6, vec![200, 0, 0, 0, 0, 0, 0, 0]),
        (DropReason::QuotedPacket, alpha, ICMPV6, vec![1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        (DropReason::IllegalDestination, through_nat64(Ipv4Addr::LOCALHOST), UDP, DATAGRAM.to_vec()),
        (DropReason::IllegalDestination, through_nat64(METADATA), UDP, DATAGRAM.to_vec()),
        (DropReason::Multicast, through_nat64(Ipv4Addr::new(224, 0, 0, 1)), UDP, DATAGRAM.to_vec()),
        (DropReason::ToSelf, TRANSLATOR, UDP, DATAGRAM.to_vec()),
    ]
}

/// Packets that nat64 did not translate for this reason, answered or not.
fn refused(admin: &Admin, reason: DropReason) -> Result<u64> {
    let label = format!("reason=\"{}\"", reason.label());
    let dropped = admin.sum("causeway_nat64_dropped_packets_total", &label)?;
    Ok(dropped + admin.sum("causeway_nat64_icmp_errors_total", &label)?)
}

fn ensure_nat64_is_well(lab: &Lab, admin: &Admin) -> Result<()> {
    lab.as_client(|| icmp::ping(through_nat64(ALPHA), 56))?;
    let panics = admin.metric("causeway_nat64_worker_panics_total")?;
    ensure!(panics == 0, "{panics} panics");
    Ok(())
}

fn nat64_counts_each_bad_packet(lab: &mut Lab) -> Result<()> {
    let admin = started(lab, Role::Nat64)?;
    lab.as_client(|| icmp::ping(through_nat64(ALPHA), 56))?;
    let sender = lab.as_client(Sender::open)?;
    for (reason, destination, next_header, rest) in bad_packets() {
        let before = refused(&admin, reason)?;
        sender.send(&ipv6(CLIENT, destination, next_header, &rest), destination)?;
        until(PATIENCE, &format!("a packet counted as {}", reason.label()), || {
            Ok((refused(&admin, reason)? > before).then_some(()))
        })?;
    }
    ensure_nat64_is_well(lab, &admin)
}

fn nat64_counts_packets_to_nobody(lab: &mut Lab) -> Result<()> {
    let admin = started(lab, Role::Nat64)?;
    let stranger = lab.network.alpha.run(|| UdpSocket::bind("0.0.0.0:0"))?;
    stranger.send_to(b"anybody?", (Ipv4Addr::new(192, 168, 255, 77), 7))?;
    until(PATIENCE, "a packet counted as no_lease", || {
        Ok((refused(&admin, DropReason::NoLease)? > 0).then_some(()))
    })?;
    ensure_nat64_is_well(lab, &admin)
}

/// The counters that must add up: each packet read has one fate.
pub(crate) fn fates(admin: &Admin) -> Result<(u64, u64)> {
    let sum = |name: &str| admin.sum(&format!("causeway_nat64_{name}_total"), "");
    // What became of packets is read first: meanwhile more may be read, but none lost.
    let met = sum("translated_packets")?
        + sum("dropped_packets")?
        + sum("icmp_errors")?
        + admin.metric("causeway_nat64_echo_replies_total")?;
    Ok((sum("received_packets")?, met))
}

fn nat64_accounts_for_every_random_packet(lab: &mut Lab) -> Result<()> {
    const PACKETS: u64 = 2000;
    let protocols = [TCP, UDP, ICMPV6, FRAGMENT, ROUTING, DESTINATION_OPTIONS, ICMPV4, 47, 59, 132];
    let admin = started(lab, Role::Nat64)?;
    let sender = lab.as_client(Sender::open)?;
    let destinations = [through_nat64(ALPHA), TRANSLATOR];
    for number in 0..PACKETS {
        let turn = usize::try_from(number)?;
        let bytes = payload::bytes(turn % 97, 1 + number);
        let destination = destinations[turn / protocols.len() % destinations.len()];
        sender.send(&ipv6(CLIENT, destination, protocols[turn % protocols.len()], &bytes), destination)?;
    }
    ensure_nat64_is_well(lab, &admin)?;
    until(PATIENCE, "one fate for each packet", || {
        let (received, met) = fates(&admin)?;
        Ok((received == met && received >= PACKETS).then_some(()))
    })
    .with_context(|| format!("read and accounted for: {:?}", fates(&admin).ok()))
}

/// Family, reason, and the message.
fn bad_queries() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let question = b"\x05alpha\x03lab\x07example\x00\x00\x1c\x00\x01";
    let header = |flags: [u8; 2], questions: u8| {
        [&[0xab, 0xcd], &flags[..], &[0, questions, 0, 0, 0, 0, 0, 0]].concat()
    };
    let query = |flags: [u8; 2], questions: u8, rest: &[u8]| [&header(flags, questions)[..], rest].concat();
    vec![
        ("dropped", "short", vec![0xab; 11]),
        ("dropped", "response", query([0x81, 0x80], 1, question)),
        ("rejected", "opcode", query([0x28, 0], 1, question)),
        ("rejected", "question_count", query([1, 0], 0, &[])),
        ("rejected", "question_count", query([1, 0], 2, &[&question[..], question].concat())),
        ("rejected", "malformed", query([1, 0], 1, b"\x3fshort")),
        ("rejected", "malformed", query([1, 0], 1, b"\xc0\x0c\x00\x1c\x00\x01")),
        ("rejected", "malformed", query([1, 0], 1, &question[..question.len() - 1])),
    ]
}

fn ensure_dns64_answers(lab: &Lab) -> Result<()> {
    let resolver = SocketAddr::new(RESOLVER.into(), DNS);
    for transport in [Transport::Udp, Transport::Tcp] {
        let reply = lab.as_client(|| dns::ask(resolver, names::ALPHA, RecordType::AAAA, transport))?;
        ensure!(dns::addresses(&reply) == [through_nat64(ALPHA)], "{}", reply.metadata.response_code);
    }
    Ok(())
}

fn dns64_counts_each_bad_query(lab: &mut Lab) -> Result<()> {
    let admin = started(lab, Role::Dns64)?;
    let socket = lab.as_client(|| UdpSocket::bind("[::]:0"))?;
    for (family, reason, message) in bad_queries() {
        let series = format!("causeway_dns64_{family}_total{{reason=\"{reason}\"}}");
        let before = admin.metric(&series)?;
        socket.send_to(&message, (RESOLVER, DNS))?;
        until(PATIENCE, &format!("a query counted as {reason}"), || {
            Ok((admin.metric(&series)? > before).then_some(()))
        })?;
    }
    ensure_dns64_answers(lab)
}

fn dns64_survives_random_datagrams(lab: &mut Lab) -> Result<()> {
    started(lab, Role::Dns64)?;
    let socket = lab.as_client(|| UdpSocket::bind("[::]:0"))?;
    for number in 0..2000 {
        socket.send_to(&payload::bytes(number % 600, 1 + number as u64), (RESOLVER, DNS))?;
    }
    let resolver = SocketAddr::new(RESOLVER.into(), DNS);
    let mut stalled = lab.as_client(|| tcp::connect(resolver))?;
    stalled.write_all(&[0xff, 0xff, 1])?;
    let mut broken = lab.as_client(|| tcp::connect(resolver))?;
    broken.write_all(&[0, 0])?;
    broken.write_all(&payload::bytes(300, 9))?;
    ensure_dns64_answers(lab)?;
    ensure!(lab.casualties().is_empty(), "{:?}", lab.casualties());
    Ok(())
}

/// What comes back for `bytes` until the proxy closes.
fn talk(lab: &Lab, bytes: &[u8]) -> Result<String> {
    let mut stream = lab.as_client(|| tcp::connect(SocketAddr::new(PROXY.into(), HTTP)))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    // A reset after the answer is as good an end as any.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn proxy_refuses_what_is_no_request(lab: &mut Lab) -> Result<()> {
    let admin = started(lab, Role::Proxy)?;
    let series = "causeway_proxy_failures_total{listener=\"web\",reason=\"bad_request\"}";
    let requests: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for request in requests {
        let before = admin.metric(series)?;
        let answer = talk(lab, request)?;
        let text = String::from_utf8_lossy(request);
        ensure!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{text:?} was answered {answer:?}");
        until(PATIENCE, &format!("{text:?} counted"), || Ok((admin.metric(series)? > before).then_some(())))?;
    }
    let good = lab.as_client(|| tcp::fetch(SocketAddr::new(PROXY.into(), HTTP), "www.lab.example", "/"))?;
    ensure!(good.status == 200, "{}", good.status);
    let panics = admin.metric("causeway_proxy_failures_total{listener=\"web\",reason=\"panic\"}")?;
    ensure!(panics == 0, "{panics} panics");
    Ok(())
}
