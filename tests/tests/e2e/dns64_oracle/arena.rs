//! The resolvers on one host: Knot with the zones, an Unbound without DNS64 in front of it, and the three that are
//! compared in front of that.

use super::differences::Peer;
use super::questions::Question;
use super::view::View;
use super::zones::{REVERSE, ZONES, reverse, zone};
use anyhow::{Context, Result, ensure};
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::Name;
use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use tempfile::TempDir;
use tests::binaries::Binaries;
use tests::folder;
use tests::gateway::{Daemon, Files, Role};
use tests::namespace::Namespace;
use tests::peers::foreign::Foreign;
use tests::program::Program;
use tests::wait::{PATIENCE, until};

/// The prefix of all.
const PREFIX: &str = "2001:db8:64::/96";

const AUTHORITY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 54);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 60);

const KNOT: Foreign = Foreign { name: "knot", program: "knotd", package: "knot" };
const UNBOUND: Foreign = Foreign { name: "unbound", program: "unbound", package: "unbound" };
const BIND: Foreign = Foreign { name: "bind", program: "named", package: "bind9" };

/// The packages that are not installed.
pub(crate) fn missing() -> Vec<&'static str> {
    [&KNOT, &UNBOUND, &BIND]
        .iter()
        .filter(|program| program.find().is_none())
        .map(|program| program.package)
        .collect()
}

/// All resolvers. Dropping it ends them.
pub(crate) struct Arena {
    host: Namespace,
    _folder: TempDir,
    _ours: Daemon,
    _theirs: Vec<Program>,
    number: Cell<u16>,
}

impl Arena {
    /// Starts all, and waits until each answers.
    pub(crate) fn open(binaries: &Binaries) -> Result<Self> {
        let folder = folder::make()?;
        let host = Namespace::new("oracle")?;
        let own = [AUTHORITY, RESOLVER, OURS, address(Peer::Unbound), address(Peer::Bind)];
        for address in own {
            host.add_address("lo", IpAddr::from(address).into())?;
        }
        let path = folder.path();
        let theirs = vec![
            knot(&host, path)?,
            UNBOUND
                .launch(&["-d", "-p", "-c"], &resolver(&path.join("resolver")), &path.join("resolver"))?
                .start(&host)?,
            UNBOUND
                .launch(&["-d", "-p", "-c"], &unbound(&path.join("unbound")), &path.join("unbound"))?
                .start(&host)?,
            BIND.launch(&["-f", "-c"], &bind(&path.join("bind")), &path.join("bind"))?.start(&host)?,
        ];
        let ours = ours(binaries, &host, &path.join("ours"))?;
        let arena = Self { host, _folder: folder, _ours: ours, _theirs: theirs, number: Cell::new(0) };
        arena.wait()?;
        Ok(arena)
    }

    /// Asks ours.
    pub(crate) fn ask_ours(&self, question: &Question) -> Result<View> {
        self.exchange(OURS, question).context("ours")
    }

    /// Asks a peer.
    pub(crate) fn ask(&self, peer: Peer, question: &Question) -> Result<View> {
        self.exchange(address(peer), question).context(peer.name())
    }

    /// Over TCP, so that no answer is cut.
    fn exchange(&self, server: Ipv4Addr, question: &Question) -> Result<View> {
        let id = self.number.get().wrapping_add(1);
        self.number.set(id);
        let query = encode(question, id)?;
        let reply = self.host.run(|| roundtrip((server, 53).into(), &query));
        let reply = reply.with_context(|| question.to_string())?;
        let message = Message::from_vec(&reply).with_context(|| question.to_string())?;
        ensure!(message.metadata.id == id, "{question}: another number");
        let asked = message.queries.first().map(|query| query.name.to_string());
        ensure!(
            asked.as_deref() == Some(&format!("{}.", question.name)),
            "{question}: the question came back as {asked:?}"
        );
        Ok(View::of(&message))
    }

    /// Until each has the zones, signatures included.
    fn wait(&self) -> Result<()> {
        for zone in ZONES {
            let question = super::questions::signed_question(zone);
            for server in [RESOLVER, OURS, address(Peer::Unbound), address(Peer::Bind)] {
                until(PATIENCE, &format!("{server} answers for {zone}"), || {
                    let view = self.exchange(server, &question).ok();
                    Ok(view.filter(|view| view.has("A") && view.is_signed == question.is_signed()))
                })?;
            }
        }
        Ok(())
    }
}

const fn address(peer: Peer) -> Ipv4Addr {
    match peer {
        Peer::Unbound => Ipv4Addr::new(192, 0, 2, 61),
        Peer::Bind => Ipv4Addr::new(192, 0, 2, 62),
    }
}

fn encode(question: &Question, id: u16) -> Result<Vec<u8>> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = question.flags.checking_disabled;
    message.metadata.authentic_data = question.flags.authentic;
    message.add_query(Query::query(Name::from_ascii(format!("{}.", question.name))?, question.qtype));
    if question.flags.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_version(0).set_dnssec_ok(question.flags.dnssec);
        message.edns = Some(edns);
    }
    Ok(message.to_vec()?)
}

fn roundtrip(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[&u16::try_from(query.len())?.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

fn knot(host: &Namespace, folder: &Path) -> Result<Program> {
    let zones = folder.join("zones");
    fs::create_dir(&zones)?;
    for name in ZONES {
        fs::write(zones.join(name), zone(name))?;
    }
    fs::write(zones.join(REVERSE), reverse())?;
    let storage = zones.display();
    let entry = |name: &str, signing: &str| {
        format!(
            "  - domain: {name}\n    storage: \"{storage}\"\n    file: {name}\n    zonefile-sync: -1\n    journal-content: none\n    dnssec-signing: {signing}\n"
        )
    };
    let text = format!(
        "server:\n    rundir: \"{storage}\"\n    listen: {AUTHORITY}@53\n    udp-workers: 1\n    tcp-workers: 1\n    \
         background-workers: 1\ndatabase:\n    storage: \"{storage}\"\nlog:\n  - target: stderr\n    any: warning\n\
         zone:\n{}{}{}",
        entry(ZONES[0], "off"),
        entry(ZONES[1], "on"),
        entry(REVERSE, "off"),
    );
    KNOT.launch(&["-c"], &text, &folder.join("knot"))?.start(host)
}

const COMMON: &str = "    username: \"\"\n    chroot: \"\"\n    pidfile: \"\"\n    use-syslog: no\n    verbosity: 0\n    \
    access-control: 0.0.0.0/0 allow\n    do-not-query-localhost: no\n    num-threads: 1\n    qname-minimisation: no\n";

/// A resolver like an ISP's: it follows aliases from zone to zone.
fn resolver(folder: &Path) -> String {
    let stub = |zone: &&str| format!("stub-zone:\n    name: \"{zone}\"\n    stub-addr: {AUTHORITY}\n");
    let stubs: Vec<_> = ZONES.iter().chain(&[REVERSE]).map(stub).collect();
    format!(
        "server:\n{COMMON}    directory: \"{}\"\n    interface: {RESOLVER}\n    module-config: \"iterator\"\n    \
         local-zone: \"{REVERSE}\" nodefault\nremote-control:\n    control-enable: no\n{}",
        folder.display(),
        stubs.concat()
    )
}

fn unbound(folder: &Path) -> String {
    format!(
        "server:\n{COMMON}    directory: \"{}\"\n    interface: {}\n    module-config: \"dns64 iterator\"\n    \
         dns64-prefix: {PREFIX}\n    local-zone: \"{REVERSE}\" nodefault\n    local-zone: \"8.b.d.0.1.0.0.2.ip6.arpa\" nodefault\nforward-zone:\n    name: \".\"\n    forward-addr: {RESOLVER}\n\
         remote-control:\n    control-enable: no\n",
        folder.display(),
        address(Peer::Unbound)
    )
}

fn bind(folder: &Path) -> String {
    format!(
        "options {{\n    directory \"{}\";\n    pid-file none;\n    lock-file none;\n    session-keyfile none;\n    \
         listen-on {{ {}; }};\n    listen-on-v6 {{ none; }};\n    allow-query {{ any; }};\n    allow-recursion {{ any; }};\n    \
         allow-query-cache {{ any; }};\n    forward only;\n    forwarders {{ {RESOLVER}; }};\n    dns64 {PREFIX} {{ }};\n    \
         dnssec-validation no;\n    empty-zones-enable no;\n}};\ncontrols {{ }};\n",
        folder.display(),
        address(Peer::Bind)
    )
}

fn ours(binaries: &Binaries, host: &Namespace, folder: &Path) -> Result<Daemon> {
    let files = Files::lay_out(folder)?;
    files.write_config(&format!(
        "[prefix]\npref64 = \"{PREFIX}\"\n[dns64]\nlisten = [\"{OURS}:53\"]\nupstream = [\"{RESOLVER}\"]\n\
         [admin]\nsocket = \"{}\"\n",
        files.admin().display()
    ))?;
    let launch = Daemon::launch(Role::Dns64, binaries, &files)?;
    let daemon = Daemon::start(Role::Dns64, launch, host, &files)?;
    daemon.wait_until_ready()?;
    Ok(daemon)
}
