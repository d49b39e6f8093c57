//! The real program in a network namespace of its own: what a kernel, an operator and a crash make of it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, one that cannot run says so"
)]

#[path = "../src/netns.rs"]
mod netns;

#[path = "daemon/addresses.rs"]
mod addresses;
#[path = "daemon/hairpin.rs"]
mod hairpin;
#[path = "daemon/telling.rs"]
mod telling;

use config::model::Offload;
use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type};
use netns::{block_on, in_namespace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rtnetlink::packet_route::route::{RouteAttribute, RouteMetric};
use rtnetlink::{Handle, LinkUnspec, LinkVeth};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const OWN_V4: &str = "192.0.2.1";
const OWN_V6: &str = "2001:db8:ffff::64";
/// An IPv6 host and an IPv4 host, both of them this machine.
const CLIENT: &str = "2001:db8:1::1";
const REMOTE: &str = "203.0.113.9";
/// The IPv4 host as IPv6 sees it.
const REMOTE_V6: &str = "2001:db8:64::203.0.113.9";
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with everything one gateway has, and the daemon that runs on it.
struct Gateway {
    dir: TempDir,
    child: Option<Child>,
}

impl Gateway {
    fn new() -> Self {
        let gateway = Self { dir: tempfile::tempdir().unwrap(), child: None };
        gateway.configure("");
        block_on(async {
            let handle = netlink();
            up(&handle, "lo").await;
            let lo = index(&handle, "lo").await.expect("every namespace has it");
            for (address, len) in [(CLIENT, 128), (REMOTE, 32)] {
                handle.address().add(lo, address.parse().unwrap(), len).execute().await.unwrap();
            }
        });
        gateway
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes gateway.toml with `more` in `[nat64]`.
    fn configure(&self, more: &str) {
        let text = format!(
            "[prefix]\npref64 = \"2001:db8:64::/96\"\n[nat64]\ndevice = \"nat64\"\nipv4_addr = \"{OWN_V4}\"\n\
             ipv6_addr = \"{OWN_V6}\"\ndynamic_pool = \"198.51.100.0/24\"\nstate_dir = \"{}\"\nworkers = 2\n{more}\n\
             [admin]\nsocket = \"{}\"\n[log]\nlevel = \"debug\"\n",
            self.path("state").display(),
            self.path("run").display(),
        );
        std::fs::write(self.path("gateway.toml"), text).unwrap();
    }

    /// Starts the daemon; what it says goes to the file `log`.
    fn start(&mut self) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_causeway-nat64"))
            .arg("--config")
            .arg(self.path("gateway.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn start_and_wait(&mut self) {
        self.start();
        self.until("it is ready", |gateway| {
            gateway.get("/ready").is_some_and(|answer| answer.contains(" 200 "))
        });
    }

    /// Sends a signal and returns the exit status.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        let child = self.child.as_mut().expect("started");
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
        self.wait()
    }

    fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("started");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the daemon does not end\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "not in time: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The whole answer, or `None` while nobody listens.
    fn ask(&self, method: &str, path: &str) -> Option<String> {
        let mut stream = UnixStream::connect(self.path("run/causeway-nat64.sock")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn get(&self, path: &str) -> Option<String> {
        self.ask("GET", path)
    }

    fn ping(&self, to: &str) {
        assert!(ping(to), "{to} does not answer\n{}", self.log());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether an echo request is answered, with its payload.
fn ping(to: &str) -> bool {
    let to: IpAddr = to.parse().unwrap();
    let (from, domain, protocol): (IpAddr, _, _) = match to {
        IpAddr::V4(_) => (REMOTE.parse().unwrap(), Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (CLIENT.parse().unwrap(), Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let echo = IcmpEchoHeader { id: 64, seq: 1 };
    let payload = b"causeway";
    let (mut request, mut reply, skip) = if let (IpAddr::V6(from), IpAddr::V6(to)) = (from, to) {
        let bytes = |kind| {
            let header = Icmpv6Header::with_checksum(kind, from.octets(), to.octets(), payload).unwrap();
            header.to_bytes().to_vec()
        };
        // The reply's checksum is the same either way round: it sums both addresses.
        (bytes(Icmpv6Type::EchoRequest(echo)), bytes(Icmpv6Type::EchoReply(echo)), 0)
    } else {
        let bytes = |kind| Icmpv4Header::with_checksum(kind, payload).to_bytes().to_vec();
        (bytes(Icmpv4Type::EchoRequest(echo)), bytes(Icmpv4Type::EchoReply(echo)), 20)
    };
    request.extend_from_slice(payload);
    reply.extend_from_slice(payload);
    if socket.send_to(&request, &SocketAddr::new(to, 0).into()).is_err() {
        return false; // there is no route
    }
    // Requests to this machine itself and the kernel's own messages come by as well.
    let mut buffer = [0; 2048];
    while let Ok(len) = (&socket).read(&mut buffer) {
        if buffer.get(skip..len) == Some(&reply[..]) {
            return true;
        }
    }
    false
}

/// Netlink of this thread's namespace, driven by the runtime it is called on.
fn netlink() -> Handle {
    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
    tokio::spawn(connection);
    handle
}

async fn index(handle: &Handle, name: &str) -> Option<u32> {
    use futures_util::TryStreamExt as _;
    let found = handle.link().get().match_name(name).execute().try_next().await;
    found.ok().flatten().map(|link| link.header.index)
}

async fn up(handle: &Handle, name: &str) {
    let index = index(handle, name).await.expect("the device is there");
    handle.link().change(LinkUnspec::new_with_index(index).up().build()).execute().await.unwrap();
}

fn mtu(name: &str) -> Option<u32> {
    use futures_util::TryStreamExt as _;
    use rtnetlink::packet_route::link::LinkAttribute;
    let found = block_on(async { netlink().link().get().match_name(name).execute().try_next().await });
    found.ok().flatten()?.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

fn exists(name: &str) -> bool {
    block_on(async { index(&netlink(), name).await.is_some() })
}

#[test]
fn it_answers_for_itself_translates_and_leaves_nothing_behind() {
    in_namespace("it_answers_for_itself_translates_and_leaves_nothing_behind", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        gateway.ping(OWN_V6);
        gateway.ping(OWN_V4);
        gateway.ping(REMOTE_V6);
        let metrics = gateway.get("/metrics").unwrap();
        for line in [
            "causeway_nat64_echo_replies_total 2\n",
            "causeway_nat64_translated_packets_total{direction=\"v6_to_v4\"} 1\n",
            "causeway_nat64_translated_packets_total{direction=\"v4_to_v6\"} 1\n",
            "causeway_nat64_leases 1\n",
        ] {
            assert!(metrics.contains(line), "{line}{metrics}");
        }
        let leases = gateway.get("/leases").unwrap();
        assert!(leases.contains("\"total\":1") && leases.contains(CLIENT), "{leases}");
        assert!(gateway.get("/drops").unwrap().contains("\"hop_limit\":0"));

        assert_eq!(gateway.end(Signal::SIGTERM), Some(0), "{}", gateway.log());
        assert!(!exists("nat64"));
        let kept = std::fs::read_to_string(gateway.path("state/dynamic.map")).unwrap();
        assert!(kept.contains(&format!("\t{CLIENT}\t")), "{kept}");
    });
}

/// With offloads, TCP crosses as super-packets whose checksums nobody has computed; without, segment by segment.
#[test]
fn tcp_crosses_whole_with_and_without_offloads() {
    in_namespace("tcp_crosses_whole_with_and_without_offloads", || {
        let mut gateway = Gateway::new();
        for (offload, expects_super_packets) in [("auto", true), ("off", false)] {
            gateway.configure(&format!("offload = \"{offload}\""));
            gateway.start_and_wait();
            let listener = TcpListener::bind((REMOTE, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let body: Vec<u8> = (0..8_000_000_u32).flat_map(u32::to_le_bytes).collect();
            let echo = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut received = Vec::new();
                stream.read_to_end(&mut received).unwrap();
                stream.write_all(&received).unwrap();
            });
            let remote: Ipv6Addr = REMOTE_V6.parse().unwrap();
            let mut stream = TcpStream::connect((remote, port)).unwrap();
            stream.write_all(&body).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut echoed = Vec::new();
            stream.read_to_end(&mut echoed).unwrap();
            echo.join().unwrap();
            assert!(echoed == body, "{offload}: the bytes differ");
            let metrics = gateway.get("/metrics").unwrap();
            assert_eq!(
                !metrics.contains("causeway_nat64_super_packets_total 0\n"),
                expects_super_packets,
                "{metrics}"
            );
            assert!(
                metrics.contains("causeway_nat64_write_errors_total{error=\"refused\"} 0\n"),
                "{metrics}"
            );
            assert_eq!(gateway.end(Signal::SIGTERM), Some(0));
        }
    });
}

#[test]
fn a_killed_daemon_knows_its_leases_again() {
    in_namespace("a_killed_daemon_knows_its_leases_again", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        let map = gateway.path("state/dynamic.map");
        gateway.until("the lease is on disk", |_| {
            std::fs::read_to_string(&map).is_ok_and(|text| text.contains(CLIENT))
        });
        gateway.end(Signal::SIGKILL);
        assert!(!exists("nat64"), "a crash leaves no device behind");
        // The host's address is another than the choice of address would give it.
        let recently = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        std::fs::write(&map, format!("198.51.100.77\t{CLIENT}\t{recently}\nnonsense\n")).unwrap();
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        let leases = gateway.get("/leases").unwrap();
        assert!(leases.contains("198.51.100.77") && leases.contains("\"total\":1"), "{leases}");
        assert!(gateway.log().contains("a line that is no lease is passed over"), "{}", gateway.log());
    });
}

#[test]
fn changes_take_effect_in_place_and_broken_ones_not_at_all() {
    in_namespace("changes_take_effect_in_place_and_broken_ones_not_at_all", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);

        let file = gateway.path("gateway.toml");
        let moved = std::fs::read_to_string(&file).unwrap().replace("2001:db8:ffff::64", "2001:db8:ffff::65");
        std::fs::write(&file, moved.replace("workers = 2", "workers = 2\nmtu = 1400")).unwrap();
        let answer = gateway.ask("POST", "/reload").unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        gateway.ping("2001:db8:ffff::65");
        gateway.ping(REMOTE_V6);
        assert!(!ping(OWN_V6), "the old address is nobody's");
        gateway.until("the device has the new MTU", |_| mtu("nat64") == Some(1400));
        assert!(gateway.get("/leases").unwrap().contains("\"total\":1"), "leases live on");

        std::fs::write(&file, "[nat64]\nipv4_adr = \"192.0.2.1\"\n").unwrap();
        let answer = gateway.ask("POST", "/reload").unwrap();
        assert!(!answer.contains(" 200 ") && answer.contains("ipv4_adr"), "{answer}");
        gateway.ping("2001:db8:ffff::65");
    });
}

/// Sends a packet of 1480 bytes to the IPv4 host 203.0.113.77; the MTU of the Packet Too Big that answers it.
fn told_mtu() -> Option<u32> {
    let (from, to): (Ipv6Addr, Ipv6Addr) =
        (CLIENT.parse().unwrap(), "2001:db8:64::203.0.113.77".parse().unwrap());
    let answers = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    answers.bind(&SocketAddr::new(from.into(), 0).into()).unwrap();
    answers.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // A socket that takes whole packets keeps to the device's MTU, whatever was told of the path before.
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(IPPROTO_RAW))).unwrap();
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv6(from.octets(), to.octets(), 64)
        .udp(4000, 4001)
        .write(&mut packet, &[0; 1432])
        .unwrap();
    socket.send_to(&packet, &SocketAddr::new(to.into(), 0).into()).unwrap();
    let mut buffer = [0; 2048];
    while let Ok(len) = (&answers).read(&mut buffer) {
        if let [2, 0, _, _, a, b, c, d, ..] = buffer[..len] {
            return Some(u32::from_be_bytes([a, b, c, d]));
        }
    }
    None
}

/// The protocol number of sockets that take packets with their IP header (`linux/in.h`).
const IPPROTO_RAW: i32 = 255;

#[test]
fn mtus_follow_the_routes_while_the_daemon_runs() {
    in_namespace("mtus_follow_the_routes_while_the_daemon_runs", || {
        let mut gateway = Gateway::new();
        let route = |mtu| {
            block_on(async {
                let handle = netlink();
                let lan = index(&handle, "lan").await.unwrap();
                let mut message = rtnetlink::RouteMessageBuilder::<std::net::Ipv4Addr>::new()
                    .destination_prefix("203.0.113.77".parse().unwrap(), 32)
                    .output_interface(lan)
                    .build();
                message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
                handle.route().add(message).replace().execute().await.unwrap();
            });
        };
        block_on(async {
            let handle = netlink();
            handle.link().add(LinkVeth::new("lan", "peer").build()).execute().await.unwrap();
            up(&handle, "lan").await;
            up(&handle, "peer").await;
        });
        route(1300);
        gateway.configure("ipv4_mtu = \"route\"");
        gateway.start_and_wait();
        assert_eq!(told_mtu(), Some(1320), "{}", gateway.log());
        route(1400);
        gateway.until("the MTU of the new route is told", |_| told_mtu() == Some(1420));

        gateway.configure("ipv4_mtu = 1350");
        let answer = gateway.ask("POST", "/reload").unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        gateway.until("the configured MTU is told", |_| told_mtu() == Some(1370));
    });
}

#[test]
fn a_change_whose_route_is_taken_is_refused_whole() {
    in_namespace("a_change_whose_route_is_taken_is_refused_whole", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        block_on(async {
            let handle = netlink();
            handle.link().add(LinkVeth::new("lan", "peer").build()).execute().await.unwrap();
            up(&handle, "lan").await;
            let lan = index(&handle, "lan").await.unwrap();
            let taken = rtnetlink::RouteMessageBuilder::<std::net::Ipv4Addr>::new()
                .destination_prefix("10.64.0.0".parse().unwrap(), 24)
                .output_interface(lan)
                .build();
            handle.route().add(taken).execute().await.unwrap();
        });
        gateway.configure(
            "[[nat64.map]]\nv4 = \"10.65.0.0/24\"\nv6 = \"2001:db8:a::/120\"\n\
             [[nat64.map]]\nv4 = \"10.64.0.0/24\"\nv6 = \"2001:db8:b::/120\"",
        );
        let answer = gateway.ask("POST", "/reload").unwrap();
        assert!(answer.contains("10.64.0.0/24 is routed to another device already"), "{answer}");
        gateway.ping(OWN_V4);
        gateway.ping(REMOTE_V6);
    });
}

#[test]
fn a_device_removed_underneath_ends_the_daemon_with_a_reason() {
    in_namespace("a_device_removed_underneath_ends_the_daemon_with_a_reason", || {
        let mut gateway = Gateway::new();
        gateway.start_and_wait();
        block_on(async {
            let handle = netlink();
            let device = index(&handle, "nat64").await.unwrap();
            handle.link().del(device).execute().await.unwrap();
        });
        assert_eq!(gateway.wait(), Some(1));
        assert!(gateway.log().contains("the TUN device was removed"), "{}", gateway.log());
    });
}

#[test]
fn what_stands_in_the_way_is_named() {
    in_namespace("what_stands_in_the_way_is_named", || {
        let mut gateway = Gateway::new();
        std::fs::write(gateway.path("state"), "a file where a directory must be").unwrap();
        gateway.start();
        assert_eq!(gateway.wait(), Some(1));
        assert!(gateway.log().contains("cannot make state_dir"), "{}", gateway.log());
        std::fs::remove_file(gateway.path("state")).unwrap();

        block_on(async {
            netlink().link().add(LinkVeth::new("nat64", "peer").build()).execute().await.unwrap();
        });
        gateway.start();
        assert_eq!(gateway.wait(), Some(1));
        assert!(gateway.log().contains("nat64 is a veth and no TUN device"), "{}", gateway.log());
        assert!(exists("nat64"), "other people's devices stay");
    });
}

#[test]
fn a_second_daemon_does_not_share_device_or_state() {
    in_namespace("a_second_daemon_does_not_share_device_or_state", || {
        let mut first = Gateway::new();
        first.start_and_wait();
        let mut second = Gateway { dir: tempfile::tempdir().unwrap(), child: None };
        second.configure("");
        second.start();
        assert_eq!(second.wait(), Some(1));
        assert!(second.log().contains("device nat64 is in use"), "{}", second.log());
        first.ping(REMOTE_V6);
    });
}

#[test]
fn an_interface_that_others_look_after_is_left_alone() {
    in_namespace("an_interface_that_others_look_after_is_left_alone", || {
        let mut gateway = Gateway::new();
        gateway.configure("configure_interface = false");
        gateway.start();
        gateway.until("it says what it waits for", |gateway| {
            gateway.log().contains("waiting for the device to be brought up")
        });
        assert!(gateway.get("/ready").unwrap().contains(" 503 "));
        block_on(async {
            let handle = netlink();
            up(&handle, "nat64").await;
            let device = index(&handle, "nat64").await.unwrap();
            let route = rtnetlink::RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(OWN_V6.parse().unwrap(), 128)
                .output_interface(device)
                .build();
            handle.route().add(route).execute().await.unwrap();
        });
        gateway.until("it is ready", |gateway| {
            gateway.get("/ready").is_some_and(|answer| answer.contains(" 200 "))
        });
        gateway.ping(OWN_V6);

        gateway.configure("configure_interface = false\nmtu = 1400");
        let answer = gateway.ask("POST", "/reload").unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        assert_eq!(mtu("nat64"), Some(1500));
        assert!(gateway.log().contains("the device's MTU is not nat64.mtu"), "{}", gateway.log());
    });
}

nix::ioctl_write_int_bad!(
    /// Makes a device stay without anybody attached.
    tun_set_persist,
    nix::libc::TUNSETPERSIST
);

#[test]
fn a_persistent_device_stays_and_loses_only_our_routes() {
    in_namespace("a_persistent_device_stays_and_loses_only_our_routes", || {
        let mut gateway = Gateway::new();
        let device = nat64::device::Device::open("nat64", None, 1, Offload::Off).unwrap();
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: the descriptor is open, and the argument is a plain number.
        unsafe { tun_set_persist(device.queues[0].as_raw_fd(), 1) }.unwrap();
        drop(device);
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        assert_eq!(gateway.end(Signal::SIGTERM), Some(0));
        assert!(exists("nat64"));
        assert!(!ping(OWN_V6) && !ping(REMOTE_V6));
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        gateway.end(Signal::SIGKILL);
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
    });
}
