//! Two translators in two namespaces that look the same from inside: ours and Debian's Tayga, with one prefix, one pool,
//! the same maps and the same own addresses. Nothing else is there: the kernel has neither routes nor addresses, so that
//! what comes out of a device is what the translator wrote.
//!
//! A packet is followed by an echo request to the translator itself. Both translators keep the order of what they read,
//! so once the reply is there, all that the packet became has been seen, and if that is nothing, nothing will come.

use super::packet::{Head4, ICMPV4, Pair, icmpv4, ipv4};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tests::admin::Admin;
use tests::binaries::Binaries;
use tests::folder;
use tests::gateway::{Daemon, Files, Role};
use tests::namespace::Namespace;
use tests::program::{Launch, Program};
use tests::tap::Tap;
use tests::wait::{PATIENCE, until};

pub(crate) const PREFIX: &str = "2001:db8:64::/96";
const POOL: &str = "192.168.255.0/24";
pub(crate) const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
/// Explicit maps: hosts, since Tayga 0.9.2 knows no others.
pub(crate) const MAPS: [(Ipv4Addr, Ipv6Addr); 2] = [
    (Ipv4Addr::new(198, 51, 100, 7), Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 7)),
    (Ipv4Addr::new(198, 51, 100, 8), Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 8)),
];
/// Hosts with a lease.
pub(crate) const CLIENTS: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0x0200, 0x5eff, 0xfe00, 0x5301),
    Ipv6Addr::new(0x2001, 0xdb8, 6, 1, 0xa1b2, 0xc3d4, 0xe5f6, 0x0718),
    Ipv6Addr::new(0xfd00, 0x64, 1, 2, 3, 4, 5, 6),
];
/// An address of the pool that no client has.
pub(crate) const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 250);

const DEVICE: &str = "nat64";
const TAYGA: &str = "tayga";

/// Who asks the translators whether they are done.
const SENTRY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 250);
const SENTRY_ID: u16 = 0xca11;

/// The kernel says nothing of its own on these devices.
const SETTINGS: [(&str, &str); 2] =
    [("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")];

/// An IPv4 address as the prefix shows it.
pub(crate) fn embed(v4: Ipv4Addr) -> Ipv6Addr {
    let prefix: addr::Prefix64 = PREFIX.parse().expect("the prefix is one");
    prefix.embed(v4)
}

/// One translator.
pub(crate) struct Side {
    tap: Tap,
    turn: u16,
    program: Program,
    _namespace: Namespace,
    _folder: TempDir,
}

/// What a translator made of a packet.
pub(crate) type Outcome = Vec<Vec<u8>>;

impl Side {
    /// Our daemon, and its admin socket.
    pub(crate) fn ours(binaries: &Binaries) -> Result<(Self, Admin)> {
        let (folder, namespace) = (folder::make()?, namespace("ours")?);
        let files = Files::lay_out(folder.path())?;
        files.write_config(&gateway_toml(&files))?;
        let launch = Daemon::launch(Role::Nat64, binaries, &files)?;
        let daemon = Daemon::start(Role::Nat64, launch, &namespace, &files)?;
        bring_up_when_there(&namespace)?;
        daemon.wait_until_ready()?;
        let Daemon { program, admin, .. } = daemon;
        Ok((Self::open(program, namespace, folder)?, admin))
    }

    /// Debian's Tayga.
    pub(crate) fn tayga(path: &Path) -> Result<Self> {
        let (folder, namespace) = (folder::make()?, namespace(TAYGA)?);
        let config = folder.path().join("tayga.conf");
        fs::write(&config, tayga_conf(folder.path()))?;
        let arguments = [Path::new("-c"), &config];
        let made = Launch::new(TAYGA, path).args(["--mktun"]).args(arguments).output(&namespace, PATIENCE)?;
        ensure!(made.status.success(), "tayga --mktun: {}{}", made.stdout, made.stderr);
        namespace.bring_up(DEVICE)?;
        let launch = Launch::new(TAYGA, path).args(["--nodetach"]).args(arguments);
        let program = launch.log_to(folder.path().join("tayga.log")).start(&namespace)?;
        Self::open(program, namespace, folder)
    }

    fn open(program: Program, namespace: Namespace, folder: TempDir) -> Result<Self> {
        let tap = Tap::open(&namespace, DEVICE, PATIENCE)?;
        let mut side = Self { tap, turn: 0, program, _namespace: namespace, _folder: folder };
        side.wait_until_attached()?;
        Ok(side)
    }

    /// A device drops what nobody reads, so the first question may be lost.
    fn wait_until_attached(&mut self) -> Result<()> {
        self.tap.set_patience(Duration::from_millis(50))?;
        until(PATIENCE, &format!("an answer from {}", self.program.name()), || {
            Ok(self.exchange(&[]).ok().map(drop))
        })?;
        self.tap.set_patience(PATIENCE)
    }

    /// Gives `packet` to the translator, and takes what it makes of it.
    pub(crate) fn exchange(&mut self, packet: &[u8]) -> Result<Outcome> {
        self.turn = self.turn.wrapping_add(1);
        if !packet.is_empty() {
            self.tap.send(packet)?;
        }
        let [id, turn] = [SENTRY_ID, self.turn].map(u16::to_be_bytes);
        let call = icmpv4(8, 0, [id[0], id[1], turn[0], turn[1]], &[]);
        self.tap.send(&ipv4(Pair { src: SENTRY, dst: OWN_V4 }, ICMPV4, &Head4::default(), &call))?;
        let mut outcome = Vec::new();
        loop {
            let bytes = self.tap.receive().with_context(|| self.last_words())?;
            match reply_to_sentry(&bytes) {
                Some(answered) if answered == self.turn => return Ok(outcome),
                // The answer to an earlier question that was given up.
                Some(_) => {}
                None => outcome.push(bytes),
            }
        }
    }

    fn last_words(&self) -> String {
        format!("{}: {}", self.program.name(), self.program.tail(5).join(" / "))
    }
}

/// Which question this is the answer to, if it is one.
fn reply_to_sentry(packet: &[u8]) -> Option<u16> {
    let is_reply = packet.len() == 28
        && packet[9] == ICMPV4
        && packet[12..16] == OWN_V4.octets()
        && packet[16..20] == SENTRY.octets()
        && packet[20] == 0
        && packet[24..26] == SENTRY_ID.to_be_bytes();
    is_reply.then(|| u16::from_be_bytes([packet[26], packet[27]]))
}

fn namespace(name: &str) -> Result<Namespace> {
    let namespace = Namespace::new(name)?;
    for (path, value) in SETTINGS {
        namespace.sysctl(path, value)?;
    }
    Ok(namespace)
}

/// The daemon makes the device and leaves the rest to others.
fn bring_up_when_there(namespace: &Namespace) -> Result<()> {
    until(PATIENCE, "the device", || Ok(namespace.bring_up(DEVICE).ok()))
}

/// The maps, as lines of a file.
fn maps(line: impl Fn(&(Ipv4Addr, Ipv6Addr)) -> String) -> String {
    MAPS.iter().map(line).collect::<Vec<_>>().concat()
}

/// One worker that writes each packet by itself, so that the echo reply comes behind all that came before, and no limit
/// of ICMP errors that the test could reach.
fn gateway_toml(files: &Files) -> String {
    let maps = maps(|(v4, v6)| format!("[[nat64.map]]\nv4 = \"{v4}\"\nv6 = \"{v6}\"\n"));
    format!(
        "[prefix]\npref64 = \"{PREFIX}\"\n[nat64]\ndevice = \"{DEVICE}\"\nipv4_addr = \"{OWN_V4}\"\n\
         ipv6_addr = \"{OWN_V6}\"\ndynamic_pool = \"{POOL}\"\nstate_dir = \"{}\"\nworkers = 1\n\
         configure_interface = false\noffload = \"off\"\nicmp_error_rate = 1000000\n{maps}[admin]\nsocket = \"{}\"\n",
        files.state().display(),
        files.admin().display(),
    )
}

fn tayga_conf(folder: &Path) -> String {
    let maps = maps(|(v4, v6)| format!("map {v4} {v6}\n"));
    format!(
        "tun-device {DEVICE}\nipv4-addr {OWN_V4}\nipv6-addr {OWN_V6}\nprefix {PREFIX}\ndynamic-pool {POOL}\n\
         data-dir {}\n{maps}",
        folder.display()
    )
}
