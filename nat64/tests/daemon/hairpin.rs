//! Two IPv6 hosts that know each other by the IPv4 addresses that stand for them (RFC 7757 §4).

use super::*;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};

/// Another IPv6 host, with an explicit map.
const OTHER: &str = "2001:db8:1::2";
const OTHER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);

fn embedded(v4: Ipv4Addr) -> Ipv6Addr {
    let prefix: addr::Prefix64 = "2001:db8:64::/96".parse().unwrap();
    prefix.embed(v4)
}

/// A gateway with `hairpin` set so, on a machine that forwards IPv4, and a lease of [`CLIENT`].
fn gateway(hairpin: &str) -> (Gateway, Ipv4Addr) {
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    block_on(async {
        let handle = netlink();
        let lo = index(&handle, "lo").await.unwrap();
        handle.address().add(lo, OTHER.parse().unwrap(), 128).execute().await.unwrap();
    });
    let mut gateway = Gateway::new();
    gateway
        .configure(&format!("hairpin = \"{hairpin}\"\n[[nat64.map]]\nv4 = \"{OTHER_V4}\"\nv6 = \"{OTHER}\""));
    gateway.start_and_wait();
    gateway.ping(REMOTE_V6);
    let leases = gateway.get("/leases").unwrap();
    let lease = leases.split("\"v4\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let lease = lease.unwrap_or_else(|| panic!("{leases}")).parse().unwrap();
    (gateway, lease)
}

/// Sends a body from `host` to the echo server at `to`, whose clients must come from `seen_as`.
fn talk(host: &str, server: &str, to: Ipv6Addr, seen_as: Ipv6Addr) {
    let listener = TcpListener::bind((server, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let echo = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(&received).unwrap();
        peer.ip()
    });
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(host.parse().unwrap(), 0).into()).unwrap();
    socket.connect_timeout(&SocketAddr::new(to.into(), port).into(), PATIENCE).unwrap();
    let mut stream = TcpStream::from(socket);
    let body: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    stream.write_all(&body).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    assert!(echoed == body, "the bytes differ");
    assert_eq!(echo.join().unwrap(), IpAddr::V6(seen_as));
}

/// A datagram to a port where nobody listens: the kernel of the sender must know the error for its own.
fn hear_of_closed_port(host: &str, to: Ipv6Addr) {
    let socket = UdpSocket::bind((host, 0)).unwrap();
    socket.connect((to, 9)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(b"hello").unwrap();
    assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

fn hosts_reach_each_other(hairpin: &str) -> String {
    let (mut gateway, lease) = gateway(hairpin);
    talk(CLIENT, OTHER, embedded(OTHER_V4), embedded(lease));
    talk(OTHER, CLIENT, embedded(lease), embedded(OTHER_V4));
    talk(CLIENT, CLIENT, embedded(lease), embedded(lease));
    hear_of_closed_port(CLIENT, embedded(OTHER_V4));
    hear_of_closed_port(OTHER, embedded(lease));
    let metrics = gateway.get("/metrics").unwrap();
    assert_eq!(gateway.end(Signal::SIGTERM), Some(0));
    metrics
}

const TURNED_NONE: &str = "causeway_nat64_translated_packets_total{direction=\"v6_to_v6\"} 0\n";

#[test]
fn hosts_reach_each_other_in_one_step() {
    in_namespace("hosts_reach_each_other_in_one_step", || {
        let metrics = hosts_reach_each_other("intrinsic");
        assert!(!metrics.contains(TURNED_NONE), "{metrics}");
        for direction in ["v6_to_v4", "v4_to_v6"] {
            let only_the_ping = format!("translated_packets_total{{direction=\"{direction}\"}} 1\n");
            assert!(metrics.contains(&only_the_ping), "{metrics}");
        }
    });
}

#[test]
fn hosts_reach_each_other_by_way_of_the_kernels_ipv4_routes() {
    in_namespace("hosts_reach_each_other_by_way_of_the_kernels_ipv4_routes", || {
        let metrics = hosts_reach_each_other("simple");
        assert!(metrics.contains(TURNED_NONE), "{metrics}");
    });
}

/// The packet arrives, under the sender's own address: an answer would go past the translator.
#[test]
fn without_hairpinning_packets_arrive_from_an_address_that_was_not_spoken_to() {
    in_namespace("without_hairpinning_packets_arrive_from_an_address_that_was_not_spoken_to", || {
        let (mut gateway, _) = gateway("off");
        let server = UdpSocket::bind((OTHER, 0)).unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = UdpSocket::bind((CLIENT, 0)).unwrap();
        socket.send_to(b"hello", (embedded(OTHER_V4), server.local_addr().unwrap().port())).unwrap();
        let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from, socket.local_addr().unwrap());
        assert_eq!(gateway.end(Signal::SIGTERM), Some(0));
    });
}
