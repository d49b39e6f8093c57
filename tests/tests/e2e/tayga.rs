//! causeway-nat64 under the name `tayga`, called as Tayga's users call Tayga, and beside Debian's where that is installed.

mod beside;
mod clat;

use crate::stage::{Stage, Verdict, in_prepared_lab, keeping_captures, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tests::admin::Admin;
use tests::lab::Lab;
use tests::namespace::Namespace;
use tests::probe::{icmp, udp};
use tests::program::{Launch, Output, Program};
use tests::topology::{ALPHA, CLIENT, ECHO, POOL, PREF64, TRANSLATOR, TRANSLATOR_V4};
use tests::wait::{PATIENCE, until};

type Test = fn(&mut Lab) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("runs_on_a_device_that_others_look_after", runs_on_a_device_that_others_look_after),
    ("detaches_once_it_has_started", detaches_once_it_has_started),
    ("does_to_the_device_what_the_file_asks_for", does_to_the_device_what_the_file_asks_for),
    ("tells_systemd_with_the_journal_only", tells_systemd_with_the_journal_only),
    ("runs_the_file_that_opnsense_writes", runs_the_file_that_opnsense_writes),
    ("keeps_a_reload_for_when_it_has_started", keeps_a_reload_for_when_it_has_started),
    ("two_stand_side_by_side", two_stand_side_by_side),
    ("carries_a_clat_as_clatd_calls_it", clat::carries_a_clat),
];

const DEVICE: &str = "nat64";

/// An address that the map file gives to the client's second one, and where it is.
const MAPPED: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 7);
const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 7);
const MAPPED_NET: &str = "198.18.0.0/24";

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let plain = TESTS.iter().map(|&(name, test)| in_prepared_lab(stage, "tayga", name, test));
    let name = "gives_up_every_right_for_a_plain_user";
    let rights = trial(stage, "tayga", name, move |stage| {
        if stage.is_rootless() {
            return Ok(Verdict::Skipped("only root can become another user".to_owned()));
        }
        let lab = Lab::prepare(stage.binaries()?)?;
        keeping_captures(&lab, name, || gives_up_every_right(&lab))
    });
    plain.chain([rights]).chain(beside::trials(stage)).collect()
}

/// The folder of one instance, and what it is called by.
struct Instance {
    folder: PathBuf,
    program: PathBuf,
}

/// A daemon that has left us; it ends with this value.
struct Detached(Pid);

impl Drop for Detached {
    fn drop(&mut self) {
        // It has ended, or it should.
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

impl Instance {
    /// A folder of this name, with a `tayga` in it.
    fn new(lab: &Lab, name: &str) -> Result<Self> {
        let folder = lab.files.config().with_file_name(name);
        fs::create_dir_all(folder.join("data"))?;
        let program = folder.join("tayga");
        symlink(lab.binaries().path("causeway-nat64")?, &program)?;
        Ok(Self { folder, program })
    }

    /// Writes tayga.conf with the lab's addresses.
    fn configure(&self, more: &str) -> Result<()> {
        self.write(&format!(
            "tun-device {DEVICE}\nipv4-addr {TRANSLATOR_V4}\nipv6-addr {TRANSLATOR}\nprefix {PREF64}\n\
             dynamic-pool {POOL}\ndata-dir {}\n{more}\n",
            self.data().display()
        ))
    }

    fn write(&self, text: &str) -> Result<()> {
        fs::write(self.config(), text).context("cannot write tayga.conf")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("tayga.conf")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What it has of `/run` vanishes with it.
    fn launch(&self, arguments: &[&str]) -> Launch {
        Launch::new("tayga", &self.program)
            .args([Path::new("-c"), &self.config()])
            .args(arguments)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("STATE_DIRECTORY")
            .env_remove("RUNTIME_DIRECTORY")
            .without_directory("/run")
    }

    /// Runs a command that ends by itself.
    fn call(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Output> {
        self.launch(arguments).output(namespace, PATIENCE)
    }

    /// The same for one that must succeed.
    fn succeed(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Output> {
        let output = self.call(namespace, arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(output)
    }

    fn start(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Program> {
        self.launch(arguments).log_to(self.folder.join("log")).start(namespace)
    }

    /// Starts a daemon that detaches itself.
    fn detach(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Detached> {
        self.succeed(namespace, &[arguments, &["-p", "tayga.pid"]].concat())?;
        let text = fs::read_to_string(self.data().join("tayga.pid")).context("the pid file")?;
        Ok(Detached(Pid::from_raw(text.trim_end().parse()?)))
    }
}

/// Brings the device up and leads the lab's traffic to it.
fn bring_up(gateway: &Namespace) -> Result<()> {
    gateway.bring_up(DEVICE)?;
    for net in [PREF64, POOL, MAPPED_NET, &format!("{TRANSLATOR}/128")] {
        gateway.add_device_route(net.parse()?, DEVICE)?;
    }
    Ok(())
}

fn alpha() -> Result<Ipv6Addr> {
    let prefix: addr::Prefix64 = PREF64.parse()?;
    Ok(prefix.embed(ALPHA))
}

/// Ping and datagrams from the client to alpha.
fn ensure_traffic(lab: &Lab) -> Result<()> {
    let alpha = alpha()?;
    lab.as_client(|| {
        until(PATIENCE, "alpha answers", || Ok(icmp::ping(alpha, 56).ok()))?;
        udp::echo(SocketAddrV6::new(alpha, ECHO, 0, 0), 1200)?;
        Ok(())
    })
}

/// Whether a datagram from alpha reaches the client under its mapped address.
fn reaches_mapped(lab: &Lab) -> Result<bool> {
    let client = lab.as_client(|| UdpSocket::bind((SECOND, 0)))?;
    client.set_read_timeout(Some(Duration::from_millis(200)))?;
    let port = client.local_addr()?.port();
    let sender = lab.network.alpha.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    // An ICMP error for the one before is no failure of this one.
    let _ = sender.send_to(b"mapped", (MAPPED, port));
    Ok(client.recv(&mut [0; 16]).is_ok())
}

fn runs_on_a_device_that_others_look_after(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    // Not on eth0, where it would be the source of what the client sends.
    lab.network.client.add_address("lo", format!("{SECOND}/128").parse()?)?;
    gateway.add_route(format!("{SECOND}/128").parse()?, CLIENT.into())?;
    let tayga = Instance::new(lab, "tayga")?;
    tayga.configure("map-file maps")?;
    let made = tayga.succeed(gateway, &["--mktun"])?;
    ensure!(made.stdout == format!("Created persistent tun device {DEVICE}\n"), "{made:?}");
    bring_up(gateway)?;

    let missing = tayga.call(gateway, &["-d"])?;
    ensure!(missing.status.code() == Some(1), "{missing:?}");
    ensure!(
        missing.stdout.contains("map-file maps is configured but not readable: No such file"),
        "{missing:?}"
    );
    let maps = tayga.data().join("maps");
    fs::write(&maps, "# none yet\n")?;

    let daemon = tayga.start(gateway, &["--nodetach", "--stdout"])?;
    ensure_traffic(lab)?;
    ensure!(!reaches_mapped(lab)?, "nothing is mapped yet");
    fs::write(&maps, format!("map {MAPPED} {SECOND}\nmap {TRANSLATOR_V4} {CLIENT}\n"))?;
    daemon.signal(Signal::SIGHUP);
    until(PATIENCE, "the map is in force", || Ok(reaches_mapped(lab)?.then_some(())))?;
    ensure_traffic(lab)?;
    let said = daemon.output();
    ensure!(said.contains("on line 2 conflicts with earlier definition"), "the bad line is named: {said}");

    fs::remove_file(&maps)?;
    daemon.signal(Signal::SIGHUP);
    until(PATIENCE, "the reload is refused", || {
        Ok(daemon.output().contains("map-file maps is not readable: No such file").then_some(()))
    })?;
    ensure!(reaches_mapped(lab)?, "the maps before stay in force");

    let ended = daemon.stop().context("it does not end")?;
    ensure!(ended.code() == Some(0), "{ended}: {}", daemon.output());
    let leases = fs::read_to_string(tayga.data().join("dynamic.map"))?;
    ensure!(leases.contains(&format!("\t{CLIENT}\t")), "{leases}");
    let removed = tayga.succeed(gateway, &["--rmtun"])?;
    ensure!(removed.stdout == format!("Removed persistent tun device {DEVICE}\n"), "{removed:?}");
    ensure!(gateway.index(DEVICE).is_err(), "the device is still there");
    Ok(())
}

fn detaches_once_it_has_started(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let tayga = Instance::new(lab, "tayga")?;
    tayga.configure("")?;
    let daemon = tayga.detach(gateway, &[])?;
    // No waiting: the call returns when the device is attached.
    bring_up(gateway)?;
    ensure_traffic(lab)?;
    let admin = Admin::new(PathBuf::from(format!(
        "/proc/{}/root/run/causeway-tayga/{DEVICE}/causeway-nat64.sock",
        daemon.0
    )));
    until(PATIENCE, "the daemon is ready", || {
        Ok(admin.get("/ready").ok().filter(|reply| reply.status == 200).map(drop))
    })?;
    let streams = format!("/proc/{}/fd", daemon.0);
    for stream in ["0", "1", "2"] {
        let target = fs::read_link(Path::new(&streams).join(stream))?;
        ensure!(target == Path::new("/dev/null"), "stream {stream} is {}", target.display());
    }

    let second = tayga.call(gateway, &["-p", "tayga.pid"])?;
    ensure!(second.status.code() == Some(1), "a directory in use is no start: {second:?}");
    ensure!(
        second.stderr.contains("locked") && second.stderr.contains("before it had started"),
        "{second:?}"
    );

    let number = fs::read_to_string(tayga.data().join("tayga.pid"))?;
    ensure!(number == format!("{}\n", daemon.0), "the file has the number of the one that runs: {number}");

    kill(daemon.0, Signal::SIGUSR2)?;
    let process = format!("/proc/{}/exe", daemon.0);
    until(PATIENCE, "the daemon ends", || Ok(fs::read_link(&process).is_err().then_some(())))?;
    until(PATIENCE, "its device goes along", || Ok(gateway.index(DEVICE).is_err().then_some(())))?;
    let leases = fs::read_to_string(tayga.data().join("dynamic.map"))?;
    ensure!(leases.contains(&format!("\t{CLIENT}\t")), "{leases}");
    Ok(())
}

fn does_to_the_device_what_the_file_asks_for(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let tayga = Instance::new(lab, "tayga")?;
    tayga.configure(&format!(
        "tun-up yes\ntun-ip 198.18.1.1/32\ntun-ip 2001:db8:9::1/128\ntun-route {PREF64}\ntun-route {POOL}"
    ))?;
    let _daemon = tayga.detach(gateway, &[])?;
    ensure_traffic(lab)?;
    gateway.run(|| UdpSocket::bind("198.18.1.1:0")).context("the IPv4 address")?;
    gateway.run(|| UdpSocket::bind("[2001:db8:9::1]:0")).context("the IPv6 address")?;
    Ok(())
}

/// Units bring the device up once the daemon is ready, so it is ready before the device is up.
fn tells_systemd_with_the_journal_only(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let tayga = Instance::new(lab, "tayga")?;
    tayga.configure("")?;
    let place = tayga.folder.join("notify");
    let manager = UnixDatagram::bind(&place)?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let quiet = tayga.launch(&["-n", "--stdout"]).env("NOTIFY_SOCKET", &place);
    let quiet = quiet.log_to(tayga.folder.join("quiet.log")).start(gateway)?;
    until(PATIENCE, "it has started", || Ok(quiet.output().contains("NAT64 prefix").then_some(())))?;
    let ended = quiet.stop().context("it does not end")?;
    ensure!(ended.success(), "{ended}: {}", quiet.output());

    let _telling = tayga.launch(&["-n", "--journal"]).env("NOTIFY_SOCKET", &place).start(gateway)?;
    let mut message = [0; 512];
    let length = manager.recv(&mut message).context("no word to the manager")?;
    let message = String::from_utf8_lossy(&message[..length]);
    // The first word of all is from this one: the other said nothing.
    ensure!(message.contains("READY=1") && message.contains("waiting for"), "{message}");
    Ok(())
}

fn runs_the_file_that_opnsense_writes(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let tayga = Instance::new(lab, "tayga")?;
    let text = include_str!("../../../config/tests/tayga/opnsense.conf");
    tayga.write(&text.replace("/var/db/tayga", &tayga.data().display().to_string()))?;
    tayga.succeed(gateway, &["--mktun"])?;
    gateway.bring_up(DEVICE)?;
    for net in ["2001:db8:64::/96", "192.168.240.0/20"] {
        gateway.add_device_route(net.parse()?, DEVICE)?;
    }
    let _daemon = tayga.start(gateway, &["-d"])?;
    ensure_traffic(lab)
}

/// The map file is a pipe, so that the start waits for us.
fn keeps_a_reload_for_when_it_has_started(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let tayga = Instance::new(lab, "tayga")?;
    tayga.configure("map-file maps")?;
    let maps = tayga.data().join("maps");
    nix::unistd::mkfifo(&maps, nix::sys::stat::Mode::S_IRWXU)?;
    let daemon = tayga.start(gateway, &["--nodetach", "--stdout"])?;
    let pipe = until(PATIENCE, "it reads the map file", || {
        let mut options = fs::OpenOptions::new();
        Ok(options.write(true).custom_flags(nix::libc::O_NONBLOCK).open(&maps).ok())
    })?;
    fs::rename(&maps, maps.with_extension("pipe"))?;
    fs::write(&maps, format!("map {MAPPED} {SECOND}\n"))?;
    daemon.signal(Signal::SIGHUP);
    drop(pipe);
    until(PATIENCE, "the reload comes once it has started", || {
        Ok(daemon.output().contains("configuration reloaded").then_some(()))
    })
}

fn two_stand_side_by_side(lab: &mut Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let first = Instance::new(lab, "first")?;
    first.configure("tun-up yes\ntun-route 2001:db8:64::/96\ntun-route 192.168.255.0/24")?;
    let second = Instance::new(lab, "second")?;
    second.write(&format!(
        "tun-device other\nipv4-addr 192.168.254.1\nprefix 2001:db8:65::/96\ndynamic-pool 192.168.254.0/24\n\
         data-dir {}\ntun-up yes\ntun-route 2001:db8:65::/96\ntun-route 192.168.254.0/24\n",
        second.data().display()
    ))?;
    let (_one, _other) = (first.detach(gateway, &[])?, second.detach(gateway, &[])?);
    ensure_traffic(lab)?;
    let elsewhere: addr::Prefix64 = "2001:db8:65::/96".parse()?;
    lab.as_client(|| {
        until(PATIENCE, "alpha answers through the other", || Ok(icmp::ping(elsewhere.embed(ALPHA), 56).ok()))
    })?;

    // Without files of their own they could overwrite each other's leases.
    second
        .write(&fs::read_to_string(second.config())?.replace("second", "first").replace("other", "third"))?;
    let shared = second.call(gateway, &["-d"])?;
    ensure!(shared.status.code() == Some(1), "{shared:?}");
    ensure!(shared.stdout.contains("keeps") && shared.stdout.contains("locked"), "{shared:?}");
    Ok(())
}

fn gives_up_every_right(lab: &Lab) -> Result<()> {
    let gateway = &lab.network.gateway;
    let tayga = Instance::new(lab, "tayga")?;
    tayga.configure("tun-up yes\ntun-route 2001:db8:64::/96\ntun-route 192.168.255.0/24")?;
    let nobody = nix::unistd::User::from_name("nobody")?.context("the user nobody")?;
    nix::unistd::chown(&tayga.data(), Some(nobody.uid), None)?;
    let daemon = tayga.detach(gateway, &["-u", "nobody", "-r"])?;
    ensure_traffic(lab)?;
    let process = PathBuf::from(format!("/proc/{}", daemon.0));
    ensure!(fs::read_link(process.join("root"))? == tayga.data().canonicalize()?, "it is not locked in");
    let uid = nobody.uid;
    for thread in fs::read_dir(process.join("task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let has = |line: &str| status.lines().any(|one| one == line);
        ensure!(has(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")), "{status}");
        ensure!(has("CapPrm:\t0000000000000000") && has("CapEff:\t0000000000000000"), "{status}");
    }
    // New leases reach the disk all the same.
    let leases = tayga.data().join("dynamic.map");
    until(PATIENCE, "the lease is on disk", || {
        Ok(fs::read_to_string(&leases)?.contains(&format!("\t{CLIENT}\t")).then_some(()))
    })
}
