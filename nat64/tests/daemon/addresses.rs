//! Several prefixes, and routers that have no address on the other side.

use super::*;
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// An IPv4 host in a network that a prefix of its own carries.
const PRIVATE: &str = "10.9.9.9";
const PRIVATE_V6: &str = "2001:db8:a::10.9.9.9";
const OTHER_PREFIX: &str = "[[nat64.prefix]]\npref64 = \"2001:db8:a::/96\"\nipv4 = [\"10.0.0.0/8\"]";

fn add_address(address: &str, len: u8) {
    block_on(async {
        let handle = netlink();
        let lo = index(&handle, "lo").await.unwrap();
        handle.address().add(lo, address.parse().unwrap(), len).execute().await.unwrap();
    });
}

fn reload(gateway: &Gateway, more: &str) {
    gateway.configure(more);
    let answer = gateway.ask("POST", "/reload").unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

/// A connection through the main prefix, and its far end.
fn connect() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((REMOTE, 0)).unwrap();
    let remote: Ipv6Addr = REMOTE_V6.parse().unwrap();
    let near = TcpStream::connect((remote, listener.local_addr().unwrap().port())).unwrap();
    (near, listener.accept().unwrap().0)
}

fn exchange((near, far): &mut (TcpStream, TcpStream), word: [u8; 5]) {
    let mut buffer = [0; 5];
    near.write_all(&word).unwrap();
    far.read_exact(&mut buffer).unwrap();
    far.write_all(&buffer).unwrap();
    near.read_exact(&mut buffer).unwrap();
    assert_eq!(buffer, word);
}

#[test]
fn prefixes_come_and_go_while_other_flows_go_on() {
    in_namespace("prefixes_come_and_go_while_other_flows_go_on", || {
        let mut gateway = Gateway::new();
        add_address(PRIVATE, 32);
        gateway.start_and_wait();
        let mut flow = connect();
        exchange(&mut flow, *b"first");
        gateway.ping("2001:db8:64::10.9.9.9");
        assert!(!ping(PRIVATE_V6), "nothing leads there yet");

        reload(&gateway, OTHER_PREFIX);
        gateway.ping(PRIVATE_V6);
        gateway.ping(REMOTE_V6);
        assert!(!ping("2001:db8:64::10.9.9.9"), "the main prefix has lost it");
        let metrics = gateway.get("/metrics").unwrap();
        let refused = "icmp_errors_total{direction=\"v6_to_v4\",reason=\"wrong_prefix\"} 1\n";
        assert!(metrics.contains(refused), "{metrics}");
        exchange(&mut flow, *b"again");

        reload(&gateway, "");
        assert!(!ping(PRIVATE_V6), "nothing leads there any longer");
        gateway.ping("2001:db8:64::10.9.9.9");
        exchange(&mut flow, *b"still");
        assert!(gateway.get("/leases").unwrap().contains("\"total\":1"));
    });
}

/// The errors that routers on the IPv6 side would send about a packet from the IPv4 host to the client, and the
/// addresses that the IPv4 host sees them come from.
fn reporters(gateway: &Gateway, lease: Ipv4Addr, routers: &[Ipv6Addr]) -> Vec<Ipv4Addr> {
    let remote: Ipv6Addr = REMOTE_V6.parse().unwrap();
    let listener = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    listener.bind(&SocketAddr::new(REMOTE.parse().unwrap(), 0).into()).unwrap();
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
    let quoted =
        etherparse::PacketBuilder::ipv6(remote.octets(), CLIENT.parse::<Ipv6Addr>().unwrap().octets(), 1)
            .udp(33_434, 33_434);
    let mut about = Vec::new();
    quoted.write(&mut about, b"probe").unwrap();
    let hear = |router: &Ipv6Addr| {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
        socket.bind(&SocketAddr::new((*router).into(), 0).into()).unwrap();
        let expired = Icmpv6Type::TimeExceeded(etherparse::icmpv6::TimeExceededCode::HopLimitExceeded);
        let header = Icmpv6Header::with_checksum(expired, router.octets(), remote.octets(), &about).unwrap();
        let message = [&header.to_bytes()[..], &about].concat();
        socket.send_to(&message, &SocketAddr::new(remote.into(), 0).into()).unwrap();
        let mut buffer = [0; 2048];
        loop {
            let len =
                (&listener).read(&mut buffer).unwrap_or_else(|error| panic!("{error}\n{}", gateway.log()));
            // Time Exceeded about a packet to the lease.
            if buffer[20] == 11 && buffer.get(28 + 16..28 + 20) == Some(&lease.octets()) {
                assert!(len > 48);
                return Ipv4Addr::new(buffer[12], buffer[13], buffer[14], buffer[15]);
            }
        }
    };
    routers.iter().map(hear).collect()
}

#[test]
fn a_traceroute_from_ipv4_shows_each_router_as_a_hop_of_its_own() {
    in_namespace("a_traceroute_from_ipv4_shows_each_router_as_a_hop_of_its_own", || {
        let routers: Vec<Ipv6Addr> =
            (1..=6).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 7, n, 0, 0, 0, 0xfe)).collect();
        let mut gateway = Gateway::new();
        for router in &routers {
            add_address(&router.to_string(), 128);
        }
        gateway.start_and_wait();
        gateway.ping(REMOTE_V6);
        let leases = gateway.get("/leases").unwrap();
        let lease = leases.split("\"v4\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let lease = lease.unwrap_or_else(|| panic!("{leases}")).parse().unwrap();
        let own: Ipv4Addr = OWN_V4.parse().unwrap();
        assert_eq!(reporters(&gateway, lease, &routers), [own; 6], "all look alike without a pool");

        reload(&gateway, "icmp_source_v4 = \"192.0.2.64/29\"");
        let hops = reporters(&gateway, lease, &routers);
        let pool: ipnet::Ipv4Net = "192.0.2.64/29".parse().unwrap();
        assert!(hops.iter().all(|hop| pool.contains(hop)), "{hops:?}");
        assert_eq!(hops.iter().collect::<HashSet<_>>().len(), 6, "{hops:?}");
        gateway.ping(&hops[0].to_string());
        reload(&gateway, "icmp_source_v4 = \"192.0.2.64/29\"\nmtu = 1400");
        assert_eq!(reporters(&gateway, lease, &routers), hops, "other changes leave them");
        assert!(gateway.get("/leases").unwrap().contains("\"total\":1"), "routers get no lease");
    });
}
