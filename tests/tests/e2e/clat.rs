//! 464XLAT (RFC 6877) as docs/operations.md describes it: the client's kernel with a CLAT on it, the lab's gateway as the
//! PLAT, and programs that know nothing but IPv4. File and commands are read out of the document.

use crate::clients::installed;
use crate::stage::{Stage, Verdict, keeping_captures, trial};
use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use nix::sys::socket::{getsockopt, sockopt};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use tests::gateway::{Daemon, Files, Role};
use tests::lab::Lab;
use tests::payload;
use tests::probe::tcp;
use tests::program::Launch;
use tests::topology::{ALPHA, BETA, ECHO, HTTP};
use tests::wait::{PATIENCE, until};

/// What an IPv4 packet may be long, for the IPv6 packet that it becomes to fit a link of 1500 bytes.
const LONGEST: u32 = 1480;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let name = "ipv4_only_programs_reach_ipv4_servers_over_an_ipv6_only_link";
    vec![trial(stage, "clat", name, move |stage| {
        for program in ["ip", "sysctl", "ping"] {
            if !installed(program) {
                return Ok(Verdict::Skipped(format!("{program} is not installed")));
            }
        }
        let mut lab = Lab::prepare(stage.binaries()?)?;
        lab.start_daemon(Role::Nat64)?.wait_until_ready()?;
        keeping_captures(&lab, name, || ipv4_only_programs_reach_ipv4_servers(&lab))
    })]
}

/// The first block in this language of the section.
fn block<'a>(section: &'a str, language: &str) -> Result<&'a str> {
    let (_, rest) = section
        .split_once(&format!("```{language}\n"))
        .with_context(|| format!("the section has no {language}"))?;
    Ok(rest.split("```").next().unwrap_or(rest))
}

/// Starts the CLAT on the client as the document says. Nothing is added to its file but where this test finds it.
fn start_clat(lab: &Lab, folder: &Path) -> Result<Daemon> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let section =
        page.split("\n## ").find(|section| section.starts_with("CLAT\n")).context("a section CLAT")?;
    let (file, commands) = (block(section, "toml")?, block(section, "sh")?);

    let output =
        Launch::new("sh", "sh").args(["-e", "-c", commands]).output(&lab.network.client, PATIENCE)?;
    ensure!(output.status.success(), "{}{}\n{commands}", output.stdout, output.stderr);
    let files = Files::lay_out(folder)?;
    files.write_config(&format!("{file}\n[admin]\nsocket = \"{}\"\n", files.admin().display()))?;
    let launch = Daemon::launch(Role::Nat64, lab.binaries(), &files)?;
    let clat = Daemon::start(Role::Nat64, launch, &lab.network.client, &files)?;
    clat.wait_until_ready()?;
    Ok(clat)
}

fn ipv4_only_programs_reach_ipv4_servers(lab: &Lab) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clat = start_clat(lab, folder.path())?;
    let outcome = lab.as_client(|| {
        ping(lab)?;
        // First, while the kernel does not know the path.
        too_big(lab)?;
        for server in [ALPHA, BETA] {
            connections(server).with_context(|| format!("TCP to {server}"))?;
        }
        datagrams(ALPHA).context("UDP")
    });
    outcome.with_context(|| clat.last_words())?;
    let crossed = clat.admin.metric("causeway_nat64_translated_packets_total{direction=\"v4_to_v6\"}")?;
    ensure!(crossed > 100, "{crossed} packets went through the CLAT");
    Ok(())
}

/// `ping` with these arguments, as the client's user.
fn run_ping(lab: &Lab, args: &[&str]) -> Result<String> {
    let output =
        Launch::new("ping", "ping").args(args).env("LC_ALL", "C").output(&lab.network.client, PATIENCE)?;
    Ok(output.stdout + &output.stderr)
}

fn ping(lab: &Lab) -> Result<()> {
    let said = run_ping(lab, &["-4", "-c", "3", "-i", "0.2", "-W", "5", &ALPHA.to_string()])?;
    ensure!(said.contains("3 received"), "{said}");
    Ok(())
}

fn connections(server: Ipv4Addr) -> Result<()> {
    let sent = payload::bytes(1 << 20, 464);
    let back = tcp::converse(SocketAddr::new(server.into(), ECHO), &sent)?;
    // The server says goodbye behind what it sends back.
    ensure!(back.starts_with(&sent), "{} of {} bytes came back", back.len(), sent.len());
    let greeting = &tcp::greetings(SocketAddr::new(server.into(), HTTP), "clat", 1)?[0];
    ensure!(greeting.peer.starts_with("192.168.255."), "the server saw {}", greeting.peer);
    let stream = TcpStream::connect((server, HTTP))?;
    let from = stream.local_addr()?.ip();
    ensure!(from == Ipv4Addr::new(192, 0, 0, 1), "the application has {from}");
    Ok(())
}

fn datagrams(server: Ipv4Addr) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((server, ECHO))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // The last is sent in fragments.
    for length in [1, 512, 1400, 4000] {
        let sent = payload::bytes(length, 464);
        socket.send(&sent)?;
        let mut back = vec![0; 1 << 16];
        let received = socket.recv(&mut back).with_context(|| format!("{length} bytes"))?;
        ensure!(back[..received] == sent, "{length} bytes came back as {received} others");
    }
    Ok(())
}

/// A packet of 1500 bytes with DF does not fit, and whoever sends it hears what does.
fn too_big(lab: &Lab) -> Result<()> {
    let said = run_ping(lab, &["-4", "-c", "1", "-W", "5", "-M", "do", "-s", "1472", &BETA.to_string()])?;
    ensure!(
        said.contains(&format!("From 192.0.0.2 icmp_seq=1 Frag needed and DF set (mtu = {LONGEST})")),
        "{said}"
    );
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((BETA, ECHO))?;
    until(PATIENCE, "the path MTU that the kernel knows", || {
        match u32::try_from(getsockopt(&socket, sockopt::IpMtu)?)? {
            LONGEST => Ok(Some(())),
            1500 => Ok(None),
            other => bail!("the kernel takes {other} for the path MTU"),
        }
    })
}
