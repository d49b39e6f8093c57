//! udp mode: small servers that answer datagrams stand behind, clients speak datagram by datagram. Every test has a
//! network namespace of its own, where every port is free.

use crate::backend::noise;
use crate::datagrams::Server;
use crate::foreign::{Program, find};
use crate::gateway::{Config, Gateway, PATIENCE, UNCHECKED, wait_for};
use crate::namespace::within;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Where the proxy listens in most tests.
const FRONT: &str = "[::1]:5000";

fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address with a port")
}

/// A listener of mode udp at `bind`, in front of these members.
fn config(bind: &str, listener: &str, pool: &str, members: &[(SocketAddr, &str)]) -> Config {
    Config::new("workers = 2").bound("games", "udp", bind, "games", listener).pool_of("games", pool, members)
}

fn front(pool: &str, members: &[(SocketAddr, &str)]) -> Config {
    config(&format!("\"{FRONT}\""), "", &format!("{UNCHECKED}\n{pool}"), members)
}

/// A client that hears its server alone.
struct Client(UdpSocket);

impl Client {
    fn new(server: &str) -> Self {
        let server = at(server);
        let local = if server.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(local).expect("a free port");
        socket.connect(server).expect("a way to the listener");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(socket)
    }

    fn send(&self, payload: &[u8]) {
        assert_eq!(self.0.send(payload).expect("the datagram leaves"), payload.len());
    }

    fn hear(&self) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = self.0.recv(&mut buffer).expect("an answer");
        buffer.truncate(length);
        buffer
    }

    fn ask(&self, payload: &[u8]) -> Vec<u8> {
        self.send(payload);
        self.hear()
    }

    /// Asks again and again until somebody answers; what is on its way to a dead server is lost.
    fn ask_until_answered(&self, payload: &[u8]) -> Vec<u8> {
        self.0.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let answer = wait_for("an answer", || {
            self.send(payload);
            let mut buffer = [0; 256];
            let length = self.0.recv(&mut buffer).ok()?;
            Some(buffer[..length].to_vec())
        });
        // The answers to earlier questions are on their way, too.
        while self.0.recv(&mut [0; 256]).is_ok() {}
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        answer
    }

    /// The name of the server that answers.
    fn who(&self) -> String {
        String::from_utf8(self.ask(b"who")).expect("a name")
    }
}

fn lost(reason: &str) -> String {
    format!("datagrams_lost_total{{listener=\"games\",reason=\"{reason}\"}}")
}

const OPEN: &str = "connections_open{listener=\"games\"}";

#[test]
fn clients_of_ipv6_reach_members_of_ipv4_and_each_keeps_its_own() {
    within(&[], || {
        let (a, b) = (Server::start("127.0.0.1:7001", "a"), Server::start("127.0.0.1:7002", "b"));
        let gateway = Gateway::start(&front("", &[(a.address, ""), (b.address, "")]));
        let clients: Vec<Client> = (0..10).map(|_| Client::new(FRONT)).collect();
        let names: Vec<String> = clients.iter().map(Client::who).collect();
        assert_eq!(names.iter().filter(|name| *name == "a").count(), 5, "{names:?}");
        for (client, name) in clients.iter().zip(&names) {
            assert_eq!(client.ask(b"hello"), b"hello");
            assert_eq!(client.who(), *name);
        }
        assert_eq!(a.ports().len() + b.ports().len(), 10, "a member tells clients apart by their ports");
        gateway.counts(OPEN, 10);
        gateway.counts("datagrams_total{listener=\"games\",direction=\"received\"}", 30);
        gateway.counts("datagrams_total{listener=\"games\",direction=\"sent\"}", 30);
        gateway.counts("bytes_total{listener=\"games\",direction=\"received\"}", 10 * (3 + 5 + 3));
        gateway.counts("member_load{pool=\"games\",member=\"m0\"}", 5);
        gateway.counts("member_uses_total{pool=\"games\",member=\"m1\"}", 5);
        let view = &gateway.json("/listeners")[0];
        assert_eq!((view["mode"].as_str(), view["connections"].as_u64()), (Some("udp"), Some(10)));
        assert_eq!(view["datagrams"]["received"], 30);
        assert_eq!(view["datagrams"]["lost"], 0);
    });
}

#[test]
fn answers_leave_from_the_address_that_the_client_sent_to() {
    let addresses = ["address add 2001:db8::5/128 dev lo nodad", "address add 192.0.2.5/32 dev lo"];
    within(&addresses, || {
        let a = Server::start("127.0.0.1:7001", "a");
        let hear_from = |own: &str, to: &str| {
            let socket = UdpSocket::bind(at(own)).expect("an address of the namespace");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            socket.send_to(b"who", at(to)).expect("the datagram leaves");
            let mut name = [0; 8];
            let (length, from) = socket.recv_from(&mut name).expect("an answer");
            assert_eq!(&name[..length], b"a");
            from
        };
        let both = "\"[::]:5000\", \"0.0.0.0:5000\"";
        let gateway = Gateway::start(&config(both, "", UNCHECKED, &[(a.address, "")]));
        let check = || {
            for to in ["[2001:db8::5]:5000", "[::1]:5000"] {
                assert_eq!(hear_from("[::1]:0", to), at(to));
            }
            for to in ["192.0.2.5:5000", "127.0.0.1:5000", "127.8.0.1:5000"] {
                assert_eq!(hear_from("127.0.0.1:0", to), at(to));
            }
        };
        check();
        gateway.change(&config("\"[::]:5000\"", "v6only = false", UNCHECKED, &[(a.address, "")]));
        check();
        // One port of one client, which speaks to two addresses of ours: two flows.
        let client = UdpSocket::bind("[::1]:0").expect("a free port");
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        for to in ["[2001:db8::5]:5000", "[::1]:5000"] {
            client.send_to(b"who", at(to)).expect("the datagram leaves");
            assert_eq!(client.recv_from(&mut [0; 8]).expect("an answer").1, at(to));
        }
    });
}

#[test]
fn datagrams_of_every_length_pass_whole_in_both_directions() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let gateway = Gateway::start(&front("", &[(a.address, "")]));
        let client = Client::new(FRONT);
        let noise = noise(65_507);
        for length in [0, 1, 3, 512, 1452, 1453, 9000, 65_000, 65_506, 65_507] {
            assert!(client.ask(&noise[..length]) == noise[..length], "{length}");
        }
        // IPv6 carries 20 octets more than IPv4 does.
        client.send(&vec![7; 65_508]);
        gateway.counts(&lost("too_long"), 1);
        assert_eq!(client.who(), "a");
        gateway.counts("datagrams_total{listener=\"games\",direction=\"sent\"}", 11);
    });
}

#[test]
fn bursts_come_out_in_order_and_apart_as_they_went_in() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let _gateway = Gateway::start(&front("", &[(a.address, "")]));
        let client = Client::new(FRONT);
        for round in 0..20_u32 {
            // Runs of one length, a shorter one at the end of each, empty ones between.
            let sent: Vec<Vec<u8>> = (0..50_u32)
                .map(|number| {
                    let length = [40, 40, 40, 12, 0, 100, 100, 8][(number as usize + round as usize) % 8];
                    [round.to_be_bytes(), number.to_be_bytes()]
                        .concat()
                        .into_iter()
                        .cycle()
                        .take(length)
                        .collect()
                })
                .collect();
            for payload in &sent {
                client.send(payload);
            }
            let heard: Vec<Vec<u8>> = sent.iter().map(|_| client.hear()).collect();
            assert_eq!(heard, sent, "round {round}");
        }
        // The same from one that has the kernel cut a super-datagram apart.
        setsockopt(&client.0, sockopt::UdpGsoSegment, &700).expect("UDP_SEGMENT");
        let burst = noise(700 * 40 + 123);
        client.send(&burst);
        let heard: Vec<Vec<u8>> = (0..41).map(|_| client.hear()).collect();
        assert!(heard[..40].iter().all(|part| part.len() == 700));
        assert_eq!(heard.concat(), burst);
    });
}

#[test]
fn a_flow_leaves_a_member_that_is_killed_and_all_is_well_when_it_is_back() {
    within(&[], || {
        let (mut a, mut b) = (Server::start("127.0.0.1:7001", "a"), Server::start("127.0.0.1:7002", "b"));
        let gateway = Gateway::start(&front("", &[(a.address, ""), (b.address, "")]));
        let client = Client::new(FRONT);
        assert_eq!(client.who(), "a");
        a.stop();
        assert_eq!(client.ask_until_answered(b"who"), b"b");
        assert!(gateway.metric("member_connect_failures_total{pool=\"games\",member=\"m0\"}") > 0);
        gateway.counts("member_load{pool=\"games\",member=\"m0\"}", 0);
        b.stop();
        // Nobody is there: what is sent is lost, and the flow is not.
        wait_for("refusals", || {
            client.send(b"who");
            (gateway.metric("member_connect_failures_total{pool=\"games\",member=\"m1\"}") > 0).then_some(())
        });
        gateway.counts(OPEN, 1);
        a.begin();
        assert_eq!(client.ask_until_answered(b"who"), b"a");
        gateway.counts("failures_total{listener=\"games\",reason=\"panic\"}", 0);
    });
}

#[test]
fn refusals_eject_a_member_that_has_passive_checks() {
    within(&[], || {
        let b = Server::start("127.0.0.1:7002", "b");
        let passive = "passive = { failures = 2, window = \"1m\", ejection = \"1m\" }";
        let dead = at("127.0.0.1:7001");
        let gateway = Gateway::start(&front(passive, &[(dead, ""), (b.address, "")]));
        let names: Vec<_> = (0..6).map(|_| Client::new(FRONT).ask_until_answered(b"who")).collect();
        assert!(names.iter().all(|name| name == b"b"), "{names:?}");
        gateway.counts("member_ejections_total{pool=\"games\",member=\"m0\"}", 1);
        assert_eq!(gateway.json("/pools")[0]["members"][0]["ejected"], true);
        gateway.counts("member_load{pool=\"games\",member=\"m0\"}", 0);
    });
}

#[test]
fn without_redispatch_a_flow_stays_with_the_member_that_refuses() {
    within(&[], || {
        let b = Server::start("127.0.0.1:7002", "b");
        let gateway =
            Gateway::start(&front("redispatch = false", &[(at("127.0.0.1:7001"), ""), (b.address, "")]));
        let client = Client::new(FRONT);
        wait_for("refusals", || {
            client.send(b"who");
            (gateway.metric("member_connect_failures_total{pool=\"games\",member=\"m0\"}") > 3).then_some(())
        });
        gateway.counts("member_uses_total{pool=\"games\",member=\"m1\"}", 0);
        assert!(gateway.metric(&lost("unreachable")) > 3, "each refusal is of a datagram that is lost");
        let log = gateway.log();
        let warnings =
            log.lines().filter(|line| line.contains("WARN") && line.contains("takes no datagrams"));
        assert_eq!(warnings.count(), 1, "{log}");
        assert_eq!(Client::new(FRONT).who(), "b");
    });
}

#[test]
fn flows_follow_the_states_of_members_and_a_change_leaves_the_others_alone() {
    within(&[], || {
        let (a, b) = (Server::start("127.0.0.1:7001", "a"), Server::start("127.0.0.1:7002", "b"));
        let with = |of_a: &str| front("", &[(a.address, of_a), (b.address, "")]);
        let gateway = Gateway::start(&with(""));
        let (one, other) = (Client::new(FRONT), Client::new(FRONT));
        assert_eq!((one.who().as_str(), other.who().as_str()), ("a", "b"));

        gateway.change(&with("state = \"drain\""));
        assert_eq!(
            (one.who().as_str(), other.who().as_str()),
            ("a", "b"),
            "a drained member keeps its flows"
        );
        assert_eq!(Client::new(FRONT).who(), "b");
        gateway.change(&with("weight = 0"));
        assert_eq!(one.who(), "a", "so does one of weight 0");

        gateway.change(&with("state = \"maintenance\""));
        assert_eq!((one.who().as_str(), other.who().as_str()), ("b", "b"), "maintenance keeps nobody");
        gateway.change(&with(""));
        assert_eq!(one.who(), "b", "and nobody goes back by itself");

        gateway.change(&front("", &[(a.address, "")]));
        assert_eq!((one.who().as_str(), other.who().as_str()), ("a", "a"), "nor does a member that is gone");
        gateway.change(&front("", &[(a.address, "state = \"maintenance\"")]));
        one.send(b"who");
        gateway.counts(&lost("no_member"), 1);
        assert_eq!(b.ports().len(), 3, "the flow of the other client had one port throughout");
        gateway.counts(OPEN, 2);
    });
}

#[test]
fn flows_stick_and_hash_by_the_address_of_their_client() {
    within(&[], || {
        let (a, b) = (Server::start("127.0.0.1:7001", "a"), Server::start("127.0.0.1:7002", "b"));
        let members = [(a.address, ""), (b.address, "")];
        let gateway = Gateway::start(&front("stick = { size = 100 }", &members));
        let names: Vec<String> = (0..6).map(|_| Client::new(FRONT).who()).collect();
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
        gateway.counts("pool_stick_entries{pool=\"games\"}", 1);
        gateway.change(&front("balance = \"source\"", &members));
        let names: Vec<String> = (0..6).map(|_| Client::new(FRONT).who()).collect();
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    });
}

#[test]
fn places_at_members_are_flows_and_a_silent_flow_gives_its_own_back() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let short = config(
            &format!("\"{FRONT}\""),
            "timeout = { udp = \"200ms\" }",
            UNCHECKED,
            &[(a.address, "max_connections = 2")],
        );
        let gateway = Gateway::start(&short);
        let clients = [(); 3].map(|()| Client::new(FRONT));
        for client in &clients[..2] {
            // Conversations make no room.
            assert_eq!((client.who().as_str(), client.who().as_str()), ("a", "a"));
        }
        clients[2].send(b"who");
        wait_for("a loss or an end", || {
            (gateway.metric(&lost("members_full")) == 1 || gateway.metric(OPEN) < 2).then_some(())
        });
        gateway.counts(OPEN, 0);
        gateway.counts("member_load{pool=\"games\",member=\"m0\"}", 0);
        assert_eq!(clients[2].ask_until_answered(b"who"), b"a");
        gateway.counts(OPEN, 0);
        let before = a.ports().len();
        assert_eq!(clients[0].who(), "a");
        assert_eq!(a.ports().len(), before + 1, "a new flow has a new port");
    });
}

#[test]
fn each_datagram_tells_its_client_by_a_proxy_header() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let gateway = Gateway::start(&config(
            "\"[::]:5000\", \"127.0.0.1:5000\"",
            "",
            &format!("{UNCHECKED}\nproxy_protocol = \"v2\""),
            &[(a.address, "")],
        ));
        for to in [FRONT, "127.0.0.1:5000"] {
            let client = Client::new(to);
            let payloads: [&[u8]; 5] = [b"one", b"two", b"", b"three", b"four"];
            for payload in payloads {
                let heard = client.ask(payload);
                let (header, rest) = parse(&heard);
                assert_eq!(header, (client.0.local_addr().expect("it is bound"), at(to)));
                assert_eq!(rest, payload);
            }
            setsockopt(&client.0, sockopt::UdpGsoSegment, &100).expect("UDP_SEGMENT");
            let burst = noise(1050);
            client.send(&burst);
            let heard: Vec<Vec<u8>> = (0..11).map(|_| client.hear()).collect();
            let parts = heard.iter().flat_map(|datagram| parse(datagram).1.to_vec());
            assert_eq!(parts.collect::<Vec<_>>(), burst);
        }
        let client = Client::new(FRONT);
        let noise = noise(65_507);
        // A header between addresses of IPv6 has 52 octets.
        assert_eq!(client.ask(&noise[..65_455]).len(), 65_507);
        client.send(&noise[..65_456]);
        gateway.counts(&lost("too_long"), 1);
    });
}

/// What a header of version 2 over UDP says, and what follows it.
fn parse(datagram: &[u8]) -> ((SocketAddr, SocketAddr), &[u8]) {
    let header = ppp::v2::Header::try_from(datagram).expect("a header of version 2");
    assert_eq!(header.protocol, ppp::v2::Protocol::Datagram);
    let ends = match header.addresses {
        ppp::v2::Addresses::IPv4(ip) => (
            SocketAddr::new(ip.source_address.into(), ip.source_port),
            SocketAddr::new(ip.destination_address.into(), ip.destination_port),
        ),
        ppp::v2::Addresses::IPv6(ip) => (
            SocketAddr::new(ip.source_address.into(), ip.source_port),
            SocketAddr::new(ip.destination_address.into(), ip.destination_port),
        ),
        other => panic!("{other:?}"),
    };
    (ends, &datagram[header.len()..])
}

#[test]
fn when_there_is_no_room_conversations_stay_and_others_make_room() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let config = Config::new("workers = 1")
            .bound("games", "udp", &format!("\"{FRONT}\""), "games", "")
            .pool_of("games", UNCHECKED, &[(a.address, "")]);
        // 35 files are kept back, and a third of the others is for flows: 10 of them.
        let gateway = Gateway::start_with_files(&config, 65);
        let talk = Client::new(FRONT);
        for _ in 0..3 {
            assert_eq!(talk.who(), "a");
        }
        let crowd: Vec<Client> = (0..40).map(|_| Client::new(FRONT)).collect();
        for client in &crowd {
            assert_eq!(client.who(), "a", "everybody is answered");
        }
        gateway.counts(OPEN, 10);
        gateway.counts("flows_evicted_total{listener=\"games\"}", 31);
        let ports = a.ports().len();
        assert_eq!(talk.who(), "a");
        assert_eq!(a.ports().len(), ports, "the conversation has its flow still");
        // All others become conversations, too: then a new client is turned away.
        for client in &crowd[..9] {
            assert_eq!((client.who().as_str(), client.who().as_str()), ("a", "a"));
        }
        crowd[20].send(b"who");
        gateway.counts(&lost("flows_full"), 1);
        assert!(gateway.log().contains("as many flows as may be"));
        gateway.counts(OPEN, 10);
        assert_eq!(talk.who(), "a");
    });
}

#[test]
fn a_listener_that_goes_waits_for_the_answers_of_its_members() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let gateway = Gateway::start(&front("", &[(a.address, "")]));
        let client = Client::new(FRONT);
        client.send(b"late");
        wait_for("the question at the member", || a.has_one_waiting().then_some(()));
        let (admin, pool) = (Config::new("workers = 2"), UNCHECKED);
        gateway.change(&admin.pool_of("games", pool, &[(a.address, "")]));
        a.answer_late();
        assert_eq!(client.hear(), b"late");
        // The address is free again.
        gateway.change(&front("", &[(a.address, "")]));
        assert_eq!(client.who(), "a");
    });
}

#[test]
fn a_drain_waits_for_the_answers_of_members() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let mut gateway = Gateway::start(&front("", &[(a.address, "")]));
        let client = Client::new(FRONT);
        client.send(b"late");
        wait_for("the question at the member", || a.has_one_waiting().then_some(()));
        gateway.terminate();
        a.answer_late();
        assert_eq!(client.hear(), b"late");
        assert!(gateway.ended_well(), "{}", gateway.log());
    });
}

#[test]
fn streams_and_datagrams_have_one_port_and_turn_into_each_other() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let b = crate::backend::Backend::echo();
        let both = front("", &[(a.address, "")])
            .bound("raw", "tcp", &format!("\"{FRONT}\""), "raw", "")
            .pool("raw", UNCHECKED, &[b.address]);
        let gateway = Gateway::start(&both);
        let flow = Client::new(FRONT);
        let check = || {
            let mut stream = crate::client::Client::connect(at(FRONT));
            stream.send("ping");
            assert_eq!(stream.bytes(4), b"ping");
            assert_eq!(flow.who(), "a");
        };
        check();
        let port = a.ports();
        // Another listener comes and goes, and another mode takes the other address.
        let more = both.clone().bound("more", "udp", "\"[::1]:5001\"", "games", "");
        gateway.change(&more);
        assert_eq!(Client::new("[::1]:5001").who(), "a");
        gateway.change(&both.clone().bound("more", "tcp", "\"[::1]:5001\"", "raw", ""));
        assert!(std::net::TcpStream::connect(at("[::1]:5001")).is_ok());
        gateway.change(&both);
        check();
        assert_eq!(a.ports().len(), port.len() + 1, "the first flow has one port throughout");
    });
}

#[test]
fn an_address_that_another_program_holds_is_refused() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let gateway = Gateway::start(&front("", &[(a.address, "")]));
        let _held = UdpSocket::bind(at("[::1]:5001")).expect("a free port");
        let taken = config("\"[::1]:5000\", \"[::1]:5001\"", "", UNCHECKED, &[(a.address, "")]);
        let (status, body) = gateway.reload(&taken);
        assert_ne!(status, 200);
        assert!(body.contains("[::1]:5001") && body.contains("ss -lunp"), "{body}");
        assert_eq!(Client::new(FRONT).who(), "a");
    });
}

#[test]
fn garbage_disturbs_nobody() {
    within(&[], || {
        let a = Server::start("127.0.0.1:7001", "a");
        let gateway = Gateway::start(&front("", &[(a.address, "")]));
        let talk = Client::new(FRONT);
        assert_eq!(talk.who(), "a");
        let noise = noise(3000);
        for round in 0..300 {
            let client = Client::new(FRONT);
            client.send(&noise[..round * 7]);
            client.send(&[]);
            // A port that is closed by the time the answer comes.
            drop(client);
            assert_eq!(talk.who(), "a");
        }
        gateway.counts("datagrams_total{listener=\"games\",direction=\"received\"}", 1 + 300 * 3);
        gateway.counts("failures_total{listener=\"games\",reason=\"panic\"}", 0);
    });
}

#[test]
fn limits_of_a_listener_hold_for_flows() {
    within(&[], || {
        let server = Server::start("127.0.0.1:7001", "a");
        let bind = format!("\"{FRONT}\", \"127.0.0.1:5000\"");
        let limited = |lines: &str| config(&bind, lines, UNCHECKED, &[(server.address, "")]);
        let gateway =
            Gateway::start(&limited("allow_from = [\"::1/128\"]\nper_source = { connections = 2 }"));
        let clients = [Client::new(FRONT), Client::new(FRONT)];
        for client in &clients {
            assert_eq!(client.who(), "a");
        }
        Client::new(FRONT).send(b"who");
        gateway.counts(&lost("source_connections"), 1);
        Client::new("127.0.0.1:5000").send(b"who");
        gateway.counts(&lost("not_allowed"), 1);
        assert_eq!(clients[0].who(), "a", "flows that stand go on");
        // Two flows stand, in whose place no new one comes: their clients have spoken again after an answer.
        assert_eq!(clients[1].who(), "a");
        gateway.change(&limited("max_connections = 2"));
        Client::new(FRONT).send(b"who");
        gateway.counts(&lost("flows_full"), 1);
        assert_eq!(gateway.metric(OPEN), 2);
        gateway.change(&limited(""));
        assert_eq!(Client::new(FRONT).ask_until_answered(b"who"), b"a");
    });
}

/// A resolver that believes the client of each datagram, and answers one client alone.
const UNBOUND: &str = "server:
  interface: 127.0.0.1@7053
  proxy-protocol-port: 7053
  directory: DIR
  chroot: \"\"
  username: \"\"
  pidfile: \"\"
  use-syslog: no
  logfile: \"\"
  do-not-query-localhost: no
  access-control: 0.0.0.0/0 refuse
  access-control: ::0/0 refuse
  access-control: 2001:db8::7/128 allow
  local-zone: example. static
  local-data: \"a.example. A 192.0.2.1\"
remote-control:
  control-enable: no
";

#[test]
fn unbound_learns_the_client_of_each_datagram_from_us() {
    let addresses = ["address add 2001:db8::7/128 dev lo nodad", "address add 2001:db8::8/128 dev lo nodad"];
    within(&addresses, || {
        let Some(_unbound) = Program::start("unbound", UNBOUND, 7053) else { return };
        let Some(kdig) = find("kdig") else { return };
        let pool = format!("{UNCHECKED}\nproxy_protocol = \"v2\"");
        let _gateway =
            Gateway::start(&config(&format!("\"{FRONT}\""), "", &pool, &[(at("127.0.0.1:7053"), "")]));
        let ask = |client: &str| {
            let arguments = ["-b", client, "@::1", "-p", "5000", "a.example", "A"];
            let output = Command::new(&kdig).args(arguments).output().expect("kdig runs");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let answer = ask("2001:db8::7");
        assert!(answer.contains("192.0.2.1"), "{answer}");
        let answer = ask("2001:db8::8");
        assert!(answer.contains("REFUSED"), "{answer}");
    });
}
