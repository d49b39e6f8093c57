//! Lines about connections: the same ones beside those of Debian's haproxy, and where they go.

use crate::backend::Backend;
use crate::certificate::{Authority, connect};
use crate::client::Client;
use crate::foreign::Program;
use crate::gateway::{Config, Gateway, PATIENCE, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

/// A receiver of syslog.
pub(crate) struct Receiver(UdpSocket);

impl Receiver {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a socket of ours")
    }

    pub(crate) fn next(&self) -> String {
        let mut buffer = [0; 2000];
        let length = self.0.recv(&mut buffer).expect("a line comes");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

/// A proxy to be compared, with one listener `web` on both loopback addresses in front of one pool.
struct Peer<'a> {
    port: u16,
    /// Those who wait for a place at a member.
    queue: &'a dyn Fn() -> u64,
}

impl Peer<'_> {
    fn client(&self) -> Client {
        Client::connect(v6(self.port))
    }

    /// A client that has been served.
    fn served(&self) -> Client {
        let mut client = self.client();
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
        client
    }

    /// A client that waits as the last of so many.
    fn waits(&self, many: u64) -> Client {
        let mut client = self.client();
        client.send("pong");
        wait_for("the client to wait", || ((self.queue)() == many).then_some(()));
        client
    }
}

/// What is configured on both sides, and what clients do.
struct Case<'a> {
    name: &'static str,
    members: &'a [SocketAddr],
    /// In HAProxy's words, and in ours: of the pool, and of each member.
    pool: [&'a str; 2],
    member: [&'a str; 2],
    timeouts: [&'a str; 2],
    listener: [&'a str; 2],
    act: &'a dyn Fn(&Peer<'_>),
    /// The lines, without what differs from run to run.
    expect: &'a [&'a str],
}

const PLAIN: Case<'_> = Case {
    name: "",
    members: &[],
    pool: ["", UNCHECKED],
    member: ["", ""],
    timeouts: [
        "timeout connect 100ms\n timeout client 30s\n timeout server 30s\n timeout queue 30s",
        "connect = \"100ms\"\nclient = \"30s\"\nserver = \"30s\"\nqueue = \"30s\"",
    ],
    listener: ["", ""],
    act: &|_| {},
    expect: &[],
};

/// Runs the case with both and compares their lines with what is expected.
fn compare(case: &Case<'_>) {
    let (ours, theirs) = (by_us(case), by_haproxy(case));
    assert_eq!(ours, case.expect, "{}", case.name);
    if let Some(theirs) = theirs {
        assert_eq!(theirs, case.expect, "{} by haproxy", case.name);
    }
}

fn by_us(case: &Case<'_>) -> Vec<String> {
    let (receiver, port) = (Receiver::new(), free_port());
    let members: Vec<_> = case.members.iter().map(|address| (*address, case.member[1])).collect();
    let log = format!(
        "workers = 1\nlog = {{ format = \"tcplog\", to = \"udp://{}\", tag = \"haproxy\" }}",
        receiver.address()
    );
    let config = Config::new(&log)
        .timeouts(case.timeouts[1])
        .listener("web", "tcp", port, "pool", case.listener[1])
        .pool_of("pool", case.pool[1], &members);
    let gateway = Gateway::start(&config);
    (case.act)(&Peer { port, queue: &|| gateway.metric("pool_queue{pool=\"pool\"}") });
    case.expect.iter().map(|_| plain(&receiver.next())).collect()
}

fn by_haproxy(case: &Case<'_>) -> Option<Vec<String>> {
    let (receiver, port, probe) = (Receiver::new(), free_port(), free_port());
    let members = case.members.iter().enumerate();
    let members: Vec<_> =
        members.map(|(place, address)| format!(" server m{place} {address} {}\n", case.member[0])).collect();
    let (line, from) = (case.listener[0], receiver.address());
    let file = format!(
        "global\n log {from} local0\n nbthread 1\n stats socket DIR/stats\n\
         defaults\n mode tcp\n log global\n option tcplog\n {}\n\
         frontend web\n bind [::1]:{port} {line}\n bind 127.0.0.1:{port} {line}\n default_backend pool\n\
         listen probe\n no log\n bind 127.0.0.1:{probe}\n\
         backend pool\n {}\n{}",
        case.timeouts[0],
        case.pool[0],
        members.concat()
    );
    let program = Program::start("haproxy", &file, probe)?;
    // The connection that found it started would count in the first line.
    wait_for("haproxy to be alone", || {
        ask(&program, "show info")?.contains("\nCurrConns: 0\n").then_some(())
    });
    (case.act)(&Peer { port, queue: &|| queue_of_haproxy(&program) });
    Some(case.expect.iter().map(|_| plain(&receiver.next())).collect())
}

/// What haproxy answers at its socket, which is there a moment after its listeners are.
pub(crate) fn ask(program: &Program, command: &str) -> Option<String> {
    let mut socket = UnixStream::connect(program.dir().join("stats")).ok()?;
    socket.write_all(format!("{command}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// `qcur` of the backend and its servers.
fn queue_of_haproxy(program: &Program) -> u64 {
    let table = ask(program, "show stat").expect("an answer");
    let rows = table.lines().filter(|row| row.starts_with("pool,"));
    rows.map(|row| row.split(',').nth(2).and_then(|queue| queue.parse().ok()).unwrap_or(0)).sum()
}

/// Digits as they differ from run to run.
fn digits(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_digit() { 'D' } else { letter }).collect()
}

/// A line without what differs from run to run: the process, ports, times. What never came stays -1.
pub(crate) fn plain(line: &str) -> String {
    let (front, rest) = line.split_once("]: ").expect("an envelope");
    let (front, pid) = front.rsplit_once('[').expect("a process");
    assert!(pid.parse::<u32>().is_ok(), "{line}");
    let (priority, date) = front.split_at(5);
    assert_eq!(
        (priority, date.len(), &date[3..4]),
        ("<134>", "Nov 22 13:57:57 haproxy".len(), " "),
        "{line}"
    );
    assert_eq!(digits(&date[7..]), "DD:DD:DD haproxy", "{line}");
    let mut words: Vec<String> = rest.split(' ').map(str::to_owned).collect();
    let (client, port) = words[0].rsplit_once(':').expect("a port");
    assert!(port.parse::<u16>().is_ok(), "{line}");
    words[0] = client.to_owned();
    let (day, rest) = words[1].split_at("[22/".len());
    let (month, time) = rest.split_at(3);
    assert!(month.starts_with(|first: char| first.is_ascii_uppercase()), "{line}");
    assert_eq!((digits(day).as_str(), digits(time).as_str()), ("[DD/", "/DDDD:DD:DD:DD.DDD]"), "{line}");
    words.remove(1);
    if !words[1].starts_with("web/") {
        let times = words[3].split('/').map(|time| match time.parse::<u64>() {
            Ok(_) => "t",
            Err(_) => time,
        });
        words[3] = times.collect::<Vec<_>>().join("/");
    }
    words.join(" ")
}

/// Cuts every connection once something has come.
fn resetting() -> Backend {
    Backend::new("reset", |_, mut stream| {
        let _ = stream.read(&mut [0; 4])?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))
    })
}

/// Takes all and says nothing.
fn silent() -> Backend {
    Backend::new("silent", |_, mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop))
}

/// Listens and has no room for one more connection.
pub(crate) fn crowded() -> (socket2::Socket, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&v4(0).into()).expect("an address");
    socket.listen(0).expect("a listener");
    let address = socket.local_addr().expect("an address").as_socket().expect("of IP");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    (socket, std::iter::from_fn(connect).collect())
}

#[test]
fn ends_are_told_as_haproxy_tells_them() {
    let (echo, reset) = (Backend::echo(), resetting());
    let whole = |mut client: Client| {
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
        client.stream.shutdown(Shutdown::Write).expect("it is open");
        assert!(client.is_closed());
    };
    compare(&Case {
        name: "both have said all",
        members: &[echo.address],
        act: &|peer| {
            whole(peer.client());
            whole(Client::connect(v4(peer.port)));
        },
        expect: &[
            "::1 web pool/m0 t/t/t 4 -- 1/1/0/0/0 0/0\n",
            "127.0.0.1 web pool/m0 t/t/t 4 -- 1/1/0/0/0 0/0\n",
        ],
        ..PLAIN
    });
    compare(&Case {
        name: "the client breaks off",
        members: &[echo.address],
        act: &|peer| peer.served().reset(),
        expect: &["::1 web pool/m0 t/t/t 4 CD 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "the member breaks off",
        members: &[reset.address],
        act: &|peer| {
            let mut client = peer.client();
            client.send("ping");
            let _ = client.read_all();
        },
        expect: &["::1 web pool/m0 t/t/t 0 SD 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "others are served meanwhile",
        members: &[echo.address],
        act: &|peer| {
            let _other = peer.served();
            whole(peer.client());
        },
        expect: &["::1 web pool/m0 t/t/t 4 -- 2/2/1/1/0 0/0\n"],
        ..PLAIN
    });
}

#[test]
fn silence_is_told_as_haproxy_tells_it() {
    let (echo, silent) = (Backend::echo(), silent());
    compare(&Case {
        name: "the client is silent",
        members: &[echo.address],
        timeouts: [
            "timeout connect 5s\n timeout client 100ms\n timeout server 30s",
            "connect = \"5s\"\nclient = \"100ms\"\nserver = \"30s\"",
        ],
        act: &|peer| drop(peer.client().read_all()),
        expect: &["::1 web pool/m0 t/t/t 0 cD 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "both are silent after they have spoken",
        members: &[echo.address],
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout tunnel 1s",
            "connect = \"5s\"\ntunnel = \"1s\"",
        ],
        act: &|peer| drop(peer.served().read_all()),
        expect: &["::1 web pool/m0 t/t/t 4 cD 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "the member is silent",
        members: &[silent.address],
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 100ms",
            "connect = \"5s\"\nclient = \"30s\"\nserver = \"100ms\"",
        ],
        act: &|peer| {
            let mut client = peer.client();
            client.send("ping");
            let _ = client.read_all();
        },
        expect: &["::1 web pool/m0 t/t/t 0 sD 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
}

#[test]
fn vain_and_repeated_attempts_are_told_as_haproxy_tells_them() {
    let (echo, dead, (full, crowd)) = (Backend::echo(), v4(free_port()), crowded());
    assert!(!crowd.is_empty());
    let crowded = full.local_addr().expect("an address").as_socket().expect("of IP");
    let closed = |peer: &Peer<'_>| assert!(peer.client().is_closed());
    compare(&Case {
        name: "refused",
        members: &[dead],
        pool: ["retries 0", "check = { kind = \"off\" }\nretries = 0"],
        act: &closed,
        expect: &["::1 web pool/m0 t/-1/t 0 SC 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "refused again",
        members: &[dead],
        pool: ["retries 2", "check = { kind = \"off\" }\nretries = 2\nredispatch = false"],
        act: &closed,
        expect: &["::1 web pool/m0 t/-1/t 0 SC 1/1/0/0/2 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "no answer in time",
        members: &[crowded],
        pool: ["retries 0", "check = { kind = \"off\" }\nretries = 0"],
        act: &closed,
        expect: &["::1 web pool/m0 t/-1/t 0 sC 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "another member takes over",
        members: &[dead, echo.address],
        pool: ["option redispatch 1", UNCHECKED],
        act: &|peer| drop(peer.served()),
        expect: &["::1 web pool/m1 t/t/t 4 -- 1/1/0/0/+1 0/0\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "all members are out",
        members: &[echo.address, dead],
        member: ["disabled", "state = \"maintenance\""],
        act: &closed,
        expect: &["::1 web pool/<NOSRV> -1/-1/t 0 SC 1/1/0/0/0 0/0\n"],
        ..PLAIN
    });
}

#[test]
fn queues_are_told_as_haproxy_tells_them() {
    let (one, two) = (Backend::echo(), Backend::echo());
    let narrow = Case { member: ["maxconn 1", "max_connections = 1"], ..PLAIN };
    compare(&Case {
        name: "a queue moves up",
        members: &[one.address],
        act: &|peer| {
            let first = peer.served();
            let waiting: Vec<Client> = (1..=3).map(|many| peer.waits(many)).collect();
            drop(first);
            for mut client in waiting {
                assert_eq!(client.bytes(4), b"pong");
            }
        },
        expect: &[
            "::1 web pool/m0 t/t/t 4 -- 4/4/3/0/0 0/0\n",
            "::1 web pool/m0 t/t/t 4 -- 3/3/2/0/0 0/1\n",
            "::1 web pool/m0 t/t/t 4 -- 2/2/1/0/0 0/2\n",
            "::1 web pool/m0 t/t/t 4 -- 1/1/0/0/0 0/3\n",
        ],
        ..narrow
    });
    compare(&Case {
        name: "a client waits for its own member",
        members: &[one.address, two.address],
        pool: [
            "stick-table type ipv6 size 1k\n stick on src",
            "check = { kind = \"off\" }\nstick = { size = 1000 }",
        ],
        act: &|peer| {
            let first = peer.served();
            let mut second = peer.waits(1);
            drop(first);
            assert_eq!(second.bytes(4), b"pong");
        },
        expect: &["::1 web pool/m0 t/t/t 4 -- 2/2/1/0/0 0/0\n", "::1 web pool/m0 t/t/t 4 -- 1/1/0/0/0 1/0\n"],
        ..narrow
    });
    compare(&Case {
        name: "a client waits in vain",
        members: &[one.address],
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout queue 100ms",
            "connect = \"5s\"\nclient = \"30s\"\nserver = \"30s\"\nqueue = \"100ms\"",
        ],
        act: &|peer| {
            let _first = peer.served();
            assert!(peer.client().is_closed());
        },
        expect: &["::1 web pool/<NOSRV> t/-1/t 0 sQ 2/2/1/0/0 0/1\n"],
        ..narrow
    });
}

#[test]
fn proxy_headers_are_told_as_haproxy_tells_them() {
    let echo = Backend::echo();
    let from = "proxy_protocol_from = [\"::1/128\", \"127.0.0.0/8\"]";
    let with_header = Case { members: &[echo.address], listener: ["accept-proxy", from], ..PLAIN };
    compare(&Case {
        name: "a header names the client",
        act: &|peer| {
            let mut client = peer.client();
            client.send("PROXY TCP6 2001:db8::7 2001:db8::80 51413 443\r\nping");
            assert_eq!(client.bytes(4), b"ping");
        },
        expect: &["2001:db8::7 web pool/m0 t/t/t 4 -- 1/1/0/0/0 0/0\n"],
        ..with_header
    });
    compare(&Case {
        name: "no header",
        act: &|peer| {
            let mut client = peer.client();
            client.send("GET / HTTP/1.1\r\n\r\n");
            let _ = client.read_all();
            let client = Client::connect(v4(peer.port));
            client.stream.shutdown(Shutdown::Write).expect("it is open");
            let _ = { client }.read_all();
        },
        expect: &[
            "::1 web/1: Received something which does not look like a PROXY protocol header\n",
            "127.0.0.1 web/2: Connection closed while waiting for PROXY protocol header\n",
        ],
        ..with_header
    });
    compare(&Case {
        name: "no header in time",
        timeouts: ["timeout connect 5s\n timeout client 1s\n timeout server 30s", "handshake = \"1s\""],
        act: &|peer| drop(peer.client().read_all()),
        expect: &["::1 web/1: Timeout while waiting for PROXY protocol header\n"],
        ..with_header
    });
}

#[test]
fn tls_is_told_as_haproxy_tells_it() {
    let (echo, authority) = (Backend::echo(), Authority::new());
    let file = authority.bundle("web", &["web.example"]);
    let listener = [
        format!("ssl crt {}", file.display()),
        format!("tls = {{ certificates = [\"{}\"] }}", file.display()),
    ];
    let listener = [listener[0].as_str(), listener[1].as_str()];
    let over_tls = Case { members: &[echo.address], listener, ..PLAIN };
    let config = authority.client(None);
    compare(&Case {
        name: "both have said all",
        act: &|peer| {
            let mut client = connect(&config, v6(peer.port), "web.example");
            client.write_all(b"ping").expect("it is taken");
            client.read_exact(&mut [0; 4]).expect("it comes back");
            client.conn.send_close_notify();
            client.flush().expect("it is taken");
            assert_eq!(client.read(&mut [0; 4]).expect("an end"), 0);
        },
        expect: &["::1 web~ pool/m0 t/t/t 4 -- 1/1/0/0/0 0/0\n"],
        ..over_tls
    });
    compare(&Case {
        name: "no handshake",
        act: &|peer| {
            let mut plain = peer.client();
            plain.send("GET / HTTP/1.1\r\n\r\n");
            let _ = plain.read_all();
        },
        expect: &["::1 web/1: SSL handshake failure\n"],
        ..over_tls
    });
    compare(&Case {
        name: "the connection ends in the handshake",
        act: &|peer| drop(peer.client()),
        expect: &["::1 web/1: Connection closed during SSL handshake\n"],
        ..over_tls
    });
    compare(&Case {
        name: "the connection breaks in the handshake",
        act: &|peer| peer.client().reset(),
        expect: &["::1 web/1: SSL handshake failure\n"],
        ..over_tls
    });
    compare(&Case {
        name: "no handshake in time",
        timeouts: ["timeout connect 5s\n timeout client 1s\n timeout server 30s", "handshake = \"1s\""],
        act: &|peer| drop(peer.client().read_all()),
        expect: &["::1 web/1: Timeout during SSL handshake\n"],
        ..over_tls
    });
}

/// A listener `web` in front of one member, with this log.
fn logged(port: u16, member: SocketAddr, log: &str) -> Config {
    Config::new(log).listener("web", "tcp", port, "pool", "").pool("pool", UNCHECKED, &[member])
}

/// A client that is served and goes.
fn visit(port: u16) {
    let mut client = Client::connect(v6(port));
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
}

#[test]
fn objects_go_to_standard_output() {
    let (echo, port) = (Backend::echo(), free_port());
    let gateway = Gateway::start(&logged(port, echo.address, "log = { format = \"json\" }"));
    visit(port);
    let line =
        wait_for("a line", || gateway.log().lines().find(|line| line.starts_with('{')).map(str::to_owned));
    let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    for (key, expect) in
        [("client", "::1"), ("listener", "web"), ("pool", "pool"), ("member", "m0"), ("state", "--")]
    {
        assert_eq!(object[key], expect, "{line}");
    }
    assert_eq!((&object["bytes_received"], &object["bytes_sent"]), (&4.into(), &4.into()), "{line}");
    gateway.counts("log_lines_total", 1);
    assert_eq!(gateway.metric("log_lost_total"), 0);
}

#[test]
fn a_mapped_client_is_an_ipv4_client() {
    let (echo, port, receiver) = (Backend::echo(), free_port(), Receiver::new());
    let log = format!("log = {{ format = \"tcplog\", to = \"udp://{}\" }}", receiver.address());
    let from = "proxy_protocol_from = [\"::1/128\"]";
    let config =
        Config::new(&log).listener("web", "tcp", port, "pool", from).pool("pool", UNCHECKED, &[echo.address]);
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send("PROXY TCP6 ::ffff:192.0.2.7 2001:db8::80 51413 443\r\nping");
    assert_eq!(client.bytes(4), b"ping");
    drop(client);
    let line = receiver.next();
    assert!(line.contains(" causeway-proxy[") && line.contains("]: 192.0.2.7:51413 ["), "{line}");
}

#[test]
fn a_change_of_the_log_holds_for_connections_that_come_after_it() {
    let (echo, port, receiver) = (Backend::echo(), free_port(), Receiver::new());
    let on = |format: &str| {
        let log = format!("log = {{ format = \"{format}\", to = \"udp://{}\" }}", receiver.address());
        logged(port, echo.address, &log)
    };
    let off = logged(port, echo.address, "");
    let gateway = Gateway::start(&off);
    let mut before = Client::connect(v6(port));
    before.send("ping");
    assert_eq!(before.bytes(4), b"ping");
    gateway.change(&on("tcplog"));
    drop(before);
    gateway.counts("connections_open{listener=\"web\"}", 0);
    visit(port);
    assert!(receiver.next().ends_with(" 4 -- 1/1/0/0/0 0/0\n"), "the first line is of the second connection");
    gateway.change(&on("json"));
    visit(port);
    let line = receiver.next();
    assert!(line.contains("]: {\"time\":\""), "{line}");
    gateway.change(&off);
    visit(port);
    gateway.counts("connections_open{listener=\"web\"}", 0);
    gateway.change(&on("tcplog"));
    visit(port);
    assert!(receiver.next().ends_with(" 4 -- 1/1/0/0/0 0/0\n"), "the next line is of the last connection");
    gateway.counts("log_lines_total", 3);
}

#[test]
fn a_receiver_that_is_gone_costs_lines_and_comes_back() {
    let (echo, port) = (Backend::echo(), free_port());
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("log");
    let log =
        format!("log = {{ format = \"tcplog\", to = \"unix://{}\", facility = \"daemon\" }}", path.display());
    let mut gateway = Gateway::start(&logged(port, echo.address, &log));
    visit(port);
    gateway.counts("log_lost_total", 1);
    let is_told = || gateway.log().contains("lines about connections are lost");
    wait_for("the loss to be told", || is_told().then_some(()));
    let receiver = UnixDatagram::bind(&path).expect("a socket");
    receiver.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
    visit(port);
    let mut buffer = [0; 2000];
    let length = receiver.recv(&mut buffer).expect("a line comes");
    assert!(String::from_utf8_lossy(&buffer[..length]).starts_with("<30>"), "facility and severity");
    // The last line is written although the daemon ends with it.
    let mut last = Client::connect(v6(port));
    last.send("ping");
    assert_eq!(last.bytes(4), b"ping");
    gateway.terminate();
    wait_for("the listener to be gone", || Client::try_connect(v6(port)).is_err().then_some(()));
    drop(last);
    assert!(gateway.ended_well(), "{}", gateway.log());
    assert!(receiver.recv(&mut buffer).is_ok_and(|length| length > 0));
}
