//! The lab itself, without any daemon: plain kernel forwarding, its servers, its probes and its manners.

use crate::stage::{Stage, Verdict, trial};
use anyhow::{Context, Result, ensure};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use libtest_mimic::Trial;
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};
use tests::capture::Capture;
use tests::payload;
use tests::probe::dns::{self, Transport};
use tests::probe::icmp::{self, HOP_LIMIT_EXCEEDED, PORT_UNREACHABLE};
use tests::probe::{tcp, udp};
use tests::program::Launch;
use tests::server::echo::{self, FAREWELL};
use tests::server::{TcpServer, web};
use tests::topology::{
    ALPHA, CLIENT, CLOSED, DNS, ECHO, HTTP, NAMES, Network, PROXY, ROUTER, Servers, names,
};
use tests::wait::{PATIENCE, until};

type Test = fn() -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("client_has_ipv6_and_nothing_else", client_has_ipv6_and_nothing_else),
    ("echo_requests_and_icmp_errors_come_back_by_plain_forwarding", errors_come_back_by_plain_forwarding),
    ("datagrams_cross_as_fragments", datagrams_cross_as_fragments),
    ("web_servers_hand_out_the_body_and_keep_connections", web_servers_hand_out_the_body),
    ("tcp_echo_says_farewell_after_half_close", tcp_echo_says_farewell_after_half_close),
    ("name_server_answers_over_udp_and_tcp", name_server_answers_over_udp_and_tcp),
    ("stopped_servers_close_their_ports", stopped_servers_close_their_ports),
    ("captures_hold_what_crossed_the_link", captures_hold_what_crossed_the_link),
    ("programs_run_inside_and_end_with_their_namespace", programs_run_inside_and_end_with_their_namespace),
    ("namespaces_end_with_their_last_holder", namespaces_end_with_their_last_holder),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let make = |&(name, test): &(&str, Test)| {
        trial(stage, "network", name, move |_| test().map(|()| Verdict::Passed))
    };
    TESTS.iter().map(make).collect()
}

fn client_has_ipv6_and_nothing_else() -> Result<()> {
    let network = Network::new()?;
    let v4 = network.client.run(|| UdpSocket::bind("0.0.0.0:0")?.connect((ALPHA, ECHO)));
    let cause = v4.err().context("the client has a way to IPv4")?;
    ensure!(cause.kind() == io::ErrorKind::NetworkUnreachable, "{cause}");
    let devices = network.client.devices()?;
    ensure!(devices == ["lo", "eth0"], "{devices:?}");
    Ok(())
}

fn errors_come_back_by_plain_forwarding() -> Result<()> {
    let network = Network::new()?;
    network.client.run(|| icmp::ping(ROUTER, 56))?;
    network.client.run(|| icmp::ping(PROXY, 1400))?;
    let closed = SocketAddrV6::new(PROXY, CLOSED, 0, 0);
    let provoked = network.client.run(|| icmp::provoke(closed, None, b"closed"))?;
    provoked.ensure_own(closed)?;
    ensure!(provoked.complaint.kind == PORT_UNREACHABLE, "{}", provoked.complaint.kind);
    let beyond = "[2001:db8:5::1]:9".parse()?;
    network.gateway.add_route("2001:db8:5::/64".parse()?, CLIENT.into())?;
    let expired = network.client.run(|| icmp::provoke(beyond, Some(1), b"expired"))?;
    expired.ensure_own(beyond)?;
    ensure!(expired.complaint.kind == HOP_LIMIT_EXCEEDED, "{}", expired.complaint.kind);
    ensure!(expired.complaint.from == ROUTER, "{}", expired.complaint.from);
    Ok(())
}

fn datagrams_cross_as_fragments() -> Result<()> {
    let network = Network::new()?;
    let _server = echo::udp(&network.gateway, SocketAddr::new(PROXY.into(), ECHO), "gateway")?;
    for length in [1, 1453, 8192] {
        let sent = network.client.run(|| udp::echo(SocketAddrV6::new(PROXY, ECHO, 0, 0), length))?;
        ensure!(sent == 1, "{length} bytes were sent {sent} times");
    }
    Ok(())
}

fn web_servers_hand_out_the_body() -> Result<()> {
    let network = Network::new()?;
    let servers = Servers::start(&network)?;
    let alpha = SocketAddr::new(ALPHA.into(), HTTP);
    let reply = network.gateway.run(|| tcp::fetch(alpha, "alpha", payload::BODY_PATH))?;
    ensure!(reply.body == payload::body(), "{} bytes, not the body", reply.body.len());
    let greetings = network.gateway.run(|| tcp::greetings(alpha, "alpha", 3))?;
    ensure!(
        greetings.len() == 3 && greetings.iter().all(|greeting| greeting.server == "alpha"),
        "{greetings:?}"
    );
    let accepted = servers.web[0].as_ref().map(TcpServer::accepted);
    ensure!(accepted == Some(2), "{accepted:?} connections for a download and three greetings");
    let _third = web::start(&network.gateway, SocketAddr::new(PROXY.into(), HTTP), "gateway")?;
    let seen = network.client.run(|| tcp::greetings(SocketAddr::new(PROXY.into(), HTTP), "gateway", 1))?;
    ensure!(seen[0].peer.starts_with(&format!("[{CLIENT}]:")), "{}", seen[0].peer);
    Ok(())
}

fn tcp_echo_says_farewell_after_half_close() -> Result<()> {
    let network = Network::new()?;
    let _servers = Servers::start(&network)?;
    let sent = payload::bytes(300_000, 3);
    let back = network.gateway.run(|| tcp::converse(SocketAddr::new(ALPHA.into(), ECHO), &sent))?;
    ensure!(back == [&sent[..], FAREWELL.as_bytes(), b"alpha"].concat(), "{} bytes came back", back.len());
    Ok(())
}

fn name_server_answers_over_udp_and_tcp() -> Result<()> {
    let network = Network::new()?;
    let servers = Servers::start(&network)?;
    let server = SocketAddr::new(NAMES.into(), DNS);
    for transport in [Transport::Udp, Transport::Tcp] {
        let reply = network.gateway.run(|| dns::ask(server, names::ALIAS, RecordType::A, transport))?;
        let last = reply.answers.last().context("no answer")?;
        ensure!(matches!(last.data, RData::A(address) if address.0 == ALPHA), "{last}");
        let missing = network.gateway.run(|| dns::ask(server, names::NOTHING, RecordType::A, transport))?;
        ensure!(missing.metadata.response_code == ResponseCode::NXDomain);
    }
    let asked = servers.names.as_ref().map(|names| names.asked().len());
    ensure!(asked == Some(4), "{asked:?} questions were noted");
    Ok(())
}

fn stopped_servers_close_their_ports() -> Result<()> {
    let network = Network::new()?;
    let mut servers = Servers::start(&network)?;
    servers.web[0].take();
    servers.names.take();
    let alpha = SocketAddr::new(ALPHA.into(), HTTP);
    let cause = network.gateway.run(|| tcp::connect(alpha)).err().context("the port is still open")?;
    ensure!(format!("{cause:#}").contains("refused"), "{cause:#}");
    servers.names = Some(Servers::start_names(&network)?);
    Ok(())
}

fn captures_hold_what_crossed_the_link() -> Result<()> {
    let network = Network::new()?;
    let capture = Capture::start(&network.gateway, "client", "client")?;
    network.client.run(|| icmp::ping(ROUTER, 777))?;
    let folder = tempfile::tempdir()?;
    // An Ethernet header, an IPv6 header, an ICMPv6 header and the payload, as the file says it.
    let mut wanted = u32::to_ne_bytes(14 + 40 + 8 + 777).to_vec();
    wanted.extend_from_slice(&wanted.clone());
    until(PATIENCE, "request and reply in the capture", || {
        let file = fs::read(capture.write(folder.path())?)?;
        let found = file.windows(wanted.len()).filter(|window| *window == wanted).count();
        Ok((found == 2).then_some(()))
    })
}

fn programs_run_inside_and_end_with_their_namespace() -> Result<()> {
    let network = Network::new()?;
    let inside =
        Launch::new("readlink", "readlink").args(["/proc/self/ns/net"]).output(&network.alpha, PATIENCE)?;
    ensure!(inside.stdout.trim() == format!("net:[{}]", network.alpha.inode()?), "{}", inside.stdout);
    let sleeper = Launch::new("sleep", "sleep").args(["600"]).start(&network.alpha)?;
    ensure!(sleeper.exited().is_none(), "sleep ended at once");
    let folder = format!("/proc/{}", sleeper.pid());
    ensure!(Path::new(&folder).exists(), "{folder} is not there");
    drop(network);
    let status = sleeper.wait(PATIENCE).context("sleep outlived its namespace")?;
    ensure!(status.code().is_none(), "{status}");
    let slow = Launch::new("sleep", "sleep").args(["600"]);
    let cause =
        slow.output(&Network::new()?.alpha, Duration::from_millis(50)).err().context("sleep was quick")?;
    ensure!(format!("{cause}").contains("took longer"), "{cause}");
    Ok(())
}

fn namespaces_end_with_their_last_holder() -> Result<()> {
    let network = Network::new()?;
    let inodes: Vec<u64> =
        network.namespaces().iter().map(|namespace| namespace.inode()).collect::<io::Result<_>>()?;
    ensure!(inodes.iter().all(|inode| holders(*inode) > 0), "a namespace without a holder");
    drop(network);
    until(PATIENCE, "the end of all namespaces", || {
        Ok(inodes.iter().all(|inode| holders(*inode) == 0).then_some(()))
    })
}

/// How many threads stand in a network namespace, or hold it open, on this machine.
pub(crate) fn holders(inode: u64) -> usize {
    let name = format!("net:[{inode}]");
    let links = |folder: String| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .map(|entry| {
            let process = entry.path().display().to_string();
            let threads = fs::read_dir(format!("{process}/task")).into_iter().flatten().flatten();
            let standing = threads
                .filter_map(|thread| fs::read_link(thread.path().join("ns/net")).ok())
                .filter(|link| link.as_os_str() == name.as_str())
                .count();
            standing + links(format!("{process}/fd")).filter(|link| link.as_os_str() == name.as_str()).count()
        })
        .sum()
}
