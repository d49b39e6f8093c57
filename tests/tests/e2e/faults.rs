//! What clients experience while something behind the gateway is dead, or somebody edits its file badly.

use crate::stage::{Stage, in_own_lab};
use crate::traffic;
use anyhow::{Context, Result, ensure};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use ipnet::IpNet;
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use tests::gateway::Role;
use tests::http::Reply;
use tests::lab::Lab;
use tests::probe::dns::{self, Transport};
use tests::probe::{icmp, tcp, udp};
use tests::server::{echo, web};
use tests::topology::{
    ALPHA, BETA, CLIENT, DNS, ECHO, HTTP, POOL, PROXY, RESOLVER, Servers, names, through_nat64,
    through_nat64_at,
};
use tests::wait::{PATIENCE, until};

type Test = fn(&mut Lab) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("dead_upstream_is_servfail_and_recovers", dead_upstream_is_servfail_and_recovers),
    ("silent_upstream_is_servfail_in_time", silent_upstream_is_servfail_in_time),
    ("dead_member_is_left_out_and_comes_back", dead_member_is_left_out_and_comes_back),
    ("all_web_members_dead_is_503_and_recovers", all_web_members_dead_is_503_and_recovers),
    ("all_tcp_members_dead_closes_connections", all_tcp_members_dead_closes_connections),
    ("broken_file_is_refused_while_traffic_goes_on", broken_file_is_refused_while_traffic_goes_on),
    ("broken_file_on_sighup_is_logged", broken_file_on_sighup_is_logged),
    ("good_file_takes_effect_while_traffic_goes_on", good_file_takes_effect_while_traffic_goes_on),
    ("moved_pool_drains_while_its_flows_go_on", moved_pool_drains_while_its_flows_go_on),
    ("nat64_starts_again_after_kill_and_keeps_leases", nat64_starts_again_after_kill),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    TESTS.iter().map(|&(name, test)| in_own_lab(stage, "faults", name, test)).collect()
}

fn ask(lab: &Lab, name: &str) -> Result<Message> {
    let resolver = SocketAddr::new(RESOLVER.into(), DNS);
    lab.as_client(|| dns::ask(resolver, name, RecordType::AAAA, Transport::Udp))
}

fn ensure_servfail_but_local_names(lab: &Lab) -> Result<()> {
    let reply = ask(lab, names::BETA)?;
    ensure!(reply.metadata.response_code == ResponseCode::ServFail, "{}", reply.metadata.response_code);
    let local = ask(lab, "ipv4only.arpa")?;
    ensure!(dns::addresses(&local).len() == 2, "ipv4only.arpa. {}", local.metadata.response_code);
    Ok(())
}

fn wait_for_name(lab: &Lab) -> Result<()> {
    until(PATIENCE, "the name's address", || {
        Ok((dns::addresses(&ask(lab, names::BETA)?) == [through_nat64(BETA)]).then_some(()))
    })
}

fn dead_upstream_is_servfail_and_recovers(lab: &mut Lab) -> Result<()> {
    lab.servers.names.take();
    ensure_servfail_but_local_names(lab)?;
    lab.servers.names = Some(Servers::start_names(&lab.network)?);
    wait_for_name(lab)
}

fn silent_upstream_is_servfail_in_time(lab: &mut Lab) -> Result<()> {
    let names = lab.servers.names.as_ref().context("the name server")?;
    names.set_silent(true);
    ensure_servfail_but_local_names(lab)?;
    ensure!(!names.asked().is_empty(), "the upstream was never asked");
    names.set_silent(false);
    wait_for_name(lab)
}

fn get(lab: &Lab) -> Result<Reply> {
    let proxy = SocketAddr::new(PROXY.into(), HTTP);
    lab.as_client(|| tcp::fetch(proxy, "www.lab.example", "/"))
}

/// The servers of the next few answers, all of which must be good ones.
fn servers(lab: &Lab) -> Result<Vec<String>> {
    let proxy = SocketAddr::new(PROXY.into(), HTTP);
    let greetings = lab.as_client(|| tcp::greetings(proxy, "www.lab.example", 8))?;
    Ok(greetings.into_iter().map(|greeting| greeting.server).collect())
}

fn restart_web(lab: &mut Lab) -> Result<()> {
    let hosts = [(&lab.network.alpha, ALPHA, "alpha"), (&lab.network.beta, BETA, "beta")];
    for (place, (namespace, ip, name)) in lab.servers.web.iter_mut().zip(hosts) {
        if place.is_none() {
            *place = Some(web::start(namespace, SocketAddr::new(ip.into(), HTTP), name)?);
        }
    }
    Ok(())
}

fn dead_member_is_left_out_and_comes_back(lab: &mut Lab) -> Result<()> {
    lab.servers.web[0].take();
    until(PATIENCE, "alpha left out", || {
        // Until the check has noticed, a request may meet the dead member.
        Ok(servers(lab).ok().filter(|seen| seen.iter().all(|server| server == "beta")).map(drop))
    })?;
    for _ in 0..5 {
        let seen = servers(lab).context("after the member was left out")?;
        ensure!(seen.iter().all(|server| server == "beta"), "{seen:?}");
    }
    restart_web(lab)?;
    until(PATIENCE, "alpha back", || Ok(servers(lab)?.iter().any(|server| server == "alpha").then_some(())))
}

fn all_web_members_dead_is_503_and_recovers(lab: &mut Lab) -> Result<()> {
    lab.servers.web = [None, None];
    until(PATIENCE, "503", || Ok((get(lab)?.status == 503).then_some(())))?;
    for _ in 0..5 {
        let reply = get(lab)?;
        ensure!(reply.status == 503, "{} after 503", reply.status);
    }
    restart_web(lab)?;
    until(PATIENCE, "200", || Ok((get(lab)?.status == 200).then_some(())))
}

fn all_tcp_members_dead_closes_connections(lab: &mut Lab) -> Result<()> {
    lab.servers.echo = [None, None];
    let proxy = SocketAddr::new(PROXY.into(), ECHO);
    for _ in 0..5 {
        // Closed in either of TCP's ways, without a byte.
        let back = lab.as_client(|| tcp::converse(proxy, b"anybody?"));
        let quiet = match &back {
            Ok(bytes) => bytes.is_empty(),
            Err(cause) => {
                !format!("{cause:#}").contains("timed out") && !format!("{cause:#}").contains("refused")
            }
        };
        ensure!(quiet, "{back:?}");
    }
    let alpha = SocketAddr::new(ALPHA.into(), ECHO);
    lab.servers.echo[0] = Some(echo::tcp(&lab.network.alpha, alpha, "alpha")?);
    until(PATIENCE, "echo again", || {
        Ok(lab
            .as_client(|| tcp::converse(proxy, b"back?"))
            .ok()
            .filter(|bytes| bytes.starts_with(b"back?"))
            .map(drop))
    })
}

/// A file with a mistake that every daemon reads.
fn broken(lab: &Lab) -> String {
    lab.files.configuration().replace("pref64 = ", "pref46 = ")
}

fn broken_file_is_refused_while_traffic_goes_on(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    traffic::during(lab, || {
        for role in Role::ALL {
            let admin = &lab.daemon(role)?.admin;
            lab.files.write_config(&lab.files.configuration())?;
            let before = admin.get("/config")?.text();
            lab.files.write_config(&broken(lab))?;
            let reply = admin.post("/reload")?;
            ensure!(reply.status == 422, "{}: {} {}", role.program(), reply.status, reply.text());
            let told = reply.text();
            ensure!(told.contains("pref46") && told.contains("pref64"), "{}: {told}", role.program());
            ensure!(admin.get("/config")?.text() == before, "{} shows another configuration", role.program());
            ensure!(admin.get("/ready")?.status == 200, "{} is not ready any more", role.program());
            let successful = admin.metric("causeway_config_last_reload_successful")?;
            ensure!(successful == 0, "{} counts the reload as {successful}", role.program());
        }
        Ok(())
    })
}

fn broken_file_on_sighup_is_logged(lab: &mut Lab) -> Result<()> {
    lab.files.write_config(&broken(lab))?;
    for role in Role::ALL {
        let daemon = lab.daemon(role)?;
        daemon.program.signal(Signal::SIGHUP);
        until(PATIENCE, "the refusal in the log", || {
            let said = daemon.program.output();
            Ok((said.contains("reload refused") && said.contains("pref46")).then_some(()))
        })?;
        ensure!(daemon.obituary().is_none(), "{:?}", daemon.obituary());
    }
    Ok(())
}

fn good_file_takes_effect_while_traffic_goes_on(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let admin = &lab.daemon(Role::Proxy)?.admin;
    let beta = format!("[[proxy.pool.member]]\nname = \"beta\"\naddress = \"{BETA}:{HTTP}\"\n");
    let without = lab.files.configuration().replacen(&beta, "", 1);
    ensure!(without.len() < lab.files.configuration().len(), "the file names beta otherwise");
    traffic::during(lab, || {
        lab.files.write_config(&without)?;
        let reply = admin.post("/reload")?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        ensure!(servers(lab)?.iter().all(|server| server == "alpha"), "beta still answers");
        lab.files.write_config(&lab.files.configuration())?;
        ensure!(admin.post("/reload")?.status == 200, "the first file is refused");
        until(PATIENCE, "beta again", || {
            Ok(servers(lab)?.iter().any(|server| server == "beta").then_some(()))
        })
    })
}

/// A second address of the client, which gets its lease after the change.
const NEWCOMER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 3);

fn reload(lab: &Lab, role: Role, configuration: &str) -> Result<()> {
    lab.files.write_config(configuration)?;
    let reply = lab.daemon(role)?.admin.post("/reload")?;
    ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
    Ok(())
}

/// The lease of `host`, as nat64 tells of it.
fn lease(lab: &Lab, host: Ipv6Addr) -> Result<Option<serde_json::Value>> {
    let told: serde_json::Value =
        serde_json::from_slice(&lab.daemon(Role::Nat64)?.admin.get("/leases")?.body)?;
    let rows = told["leases"].as_array().context("rows")?;
    Ok(rows.iter().find(|row| row["v6"] == host.to_string()).cloned())
}

/// Whether the gateway has a route to this network; the kernel's list has addresses in the machine's byte order.
fn is_routed(lab: &Lab, net: Ipv4Addr) -> Result<bool> {
    let table = lab.network.gateway.run(|| fs::read_to_string("/proc/thread-self/net/route"))?;
    let word = format!("nat64\t{:08X}\t", u32::from_ne_bytes(net.octets()));
    Ok(table.contains(&word))
}

fn echo_through(flow: &mut TcpStream, words: &str) -> Result<()> {
    flow.write_all(words.as_bytes())?;
    let mut back = vec![0; words.len()];
    flow.read_exact(&mut back).with_context(|| format!("the echo of {words}"))?;
    ensure!(back == words.as_bytes(), "{back:?}");
    Ok(())
}

fn moved_pool_drains_while_its_flows_go_on(lab: &mut Lab) -> Result<()> {
    let lab = &*lab;
    let (old, new) = (Ipv4Addr::new(192, 168, 255, 0), Ipv4Addr::new(192, 168, 254, 0));
    let moved = lab.files.configuration().replacen(POOL, &format!("{new}/24"), 1);
    let nat64 = &lab.daemon(Role::Nat64)?.admin;
    let server = SocketAddr::V6(through_nat64_at(ALPHA, ECHO));
    let mut flow = lab.as_client(|| tcp::connect(server))?;
    echo_through(&mut flow, "before")?;
    let before = lease(lab, CLIENT)?.context("the client's lease")?;
    traffic::during(lab, || {
        reload(lab, Role::Nat64, &moved)?;
        echo_through(&mut flow, "at once")
    })?;
    echo_through(&mut flow, "afterwards")?;
    let after = lease(lab, CLIENT)?.context("the client's lease")?;
    ensure!(after["v4"] == before["v4"] && after["draining"] == true, "{before} became {after}");
    ensure!(nat64.metric("causeway_nat64_draining_leases")? == 1, "one host drains");
    ensure!(is_routed(lab, old)? && is_routed(lab, new)?, "both networks are routed");

    lab.network.client.add_address("eth0", IpNet::new(NEWCOMER.into(), 64)?)?;
    lab.as_client(|| udp::echo_from(NEWCOMER, through_nat64_at(ALPHA, ECHO), 64))?;
    let newcomer = lease(lab, NEWCOMER)?.context("the newcomer's lease")?;
    ensure!(newcomer["v4"].as_str().is_some_and(|v4| v4.starts_with("192.168.254.")), "{newcomer}");
    ensure!(newcomer["draining"] == false, "{newcomer}");

    let taken_over = format!("{moved}\n[[nat64.map]]\nv4 = {}\nv6 = \"2001:db8:7::7\"\n", before["v4"]);
    reload(lab, Role::Nat64, &taken_over)?;
    ensure!(lease(lab, CLIENT)?.is_none(), "a map and a lease of one address");
    ensure!(nat64.metric("causeway_nat64_draining_leases")? == 0, "the last host of the old network is gone");
    until(PATIENCE, "the end of the old route", || Ok((!is_routed(lab, old)?).then_some(())))?;
    lab.as_client(|| udp::echo_from(CLIENT, through_nat64_at(ALPHA, ECHO), 64))?;
    let again = lease(lab, CLIENT)?.context("the client's next lease")?;
    ensure!(again["v4"].as_str().is_some_and(|v4| v4.starts_with("192.168.254.")), "{again}");
    Ok(())
}

fn nat64_starts_again_after_kill(lab: &mut Lab) -> Result<()> {
    let alpha = through_nat64(ALPHA);
    lab.as_client(|| icmp::ping(alpha, 56))?;
    let seen = |lab: &Lab| -> Result<String> {
        let server = SocketAddr::V6(through_nat64_at(ALPHA, HTTP));
        Ok(lab.as_client(|| tcp::greetings(server, "alpha", 1))?[0].peer.clone())
    };
    let address = |peer: String| peer.parse::<SocketAddr>().map(|peer| peer.ip());
    let before = address(seen(lab)?)?;
    let daemon = lab.daemon(Role::Nat64)?;
    daemon.program.signal(Signal::SIGKILL);
    daemon.program.wait(PATIENCE).context("it outlived SIGKILL")?;
    until(PATIENCE, "the end of its device", || {
        Ok(lab.network.gateway.index("nat64").is_err().then_some(()))
    })?;
    lab.start_daemon(Role::Nat64)?.wait_until_ready()?;
    lab.as_client(|| icmp::ping(alpha, 56))?;
    let after = address(seen(lab)?)?;
    ensure!(before == after, "the client was {before} and is {after}");
    Ok(())
}
