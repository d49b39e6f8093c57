//! What a listener can be: one family or both, an interface's, an address that is not there yet.

use crate::backend::{Backend, field};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, wait_for};
use crate::namespace::within;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

/// An http listener bound as `bind` says, in a namespace where every port is free.
fn listening(bind: &str, lines: &str, backend: &Backend) -> Config {
    Config::new("").bound("web", "http", bind, "web", lines).pool("web", UNCHECKED, &[backend.address])
}

fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address with a port")
}

fn is_reached(address: &str) -> bool {
    Client::try_connect(at(address)).is_ok()
}

#[test]
fn one_socket_takes_both_families_and_a_reload_parts_them() {
    within(&[], || {
        let backend = Backend::http("a");
        let both = listening("\"[::]:80\"", "v6only = false", &backend);
        let gateway = Gateway::start(&both);
        let mut kept = Client::connect(at("127.0.0.1:80"));
        let head = kept.get("/head").text();
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"), "a mapped address is IPv4");
        assert_eq!(
            field(&Client::connect(at("[::1]:80")).get("/head").text(), "x-forwarded-for"),
            Some("::1")
        );
        gateway.change(&listening("\"[::]:80\"", "", &backend));
        wait_for("IPv4 to be refused", || (!is_reached("127.0.0.1:80")).then_some(()));
        assert_eq!(Client::connect(at("[::1]:80")).get("/").text(), "a");
        // Both families again, now by two sockets.
        gateway.change(&listening("\"[::]:80\", \"0.0.0.0:80\"", "", &backend));
        assert!(is_reached("127.0.0.1:80") && is_reached("[::1]:80"));
        gateway.change(&both);
        // What comes to the socket that goes, at the moment it goes, is reset.
        wait_for("the answer of the socket of both", || {
            let mut client = Client::try_connect(at("127.0.0.1:80")).ok()?;
            client.stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").ok()?;
            client.try_response(false).ok().filter(|answer| answer.text() == "a")
        });
        gateway.counts("failures_total{listener=\"web\",reason=\"panic\"}", 0);
    });
}

#[test]
fn a_listener_of_an_interface_takes_what_comes_in_there_alone() {
    let wires = [
        "link add one type veth peer name other",
        "address add 192.0.2.1/24 dev one",
        "link set one up",
        "link set other up",
    ];
    within(&wires, || {
        let backend = Backend::http("a");
        let start = |interface: &str| {
            listening("\"[::]:80\", \"0.0.0.0:80\"", &format!("interface = \"{interface}\""), &backend)
        };
        let gateway = Gateway::start(&start("lo"));
        // What a machine sends to an address of its own comes in at lo.
        assert_eq!(Client::connect(at("127.0.0.1:80")).get("/").text(), "a");
        assert_eq!(Client::connect(at("[::1]:80")).get("/").text(), "a");
        gateway.change(&start("one"));
        wait_for("lo to be left", || (!is_reached("127.0.0.1:80") && !is_reached("[::1]:80")).then_some(()));
        gateway.change(&start("lo"));
        assert_eq!(Client::connect(at("127.0.0.1:80")).get("/").text(), "a");

        let (status, body) = gateway.reload(&start("third"));
        assert!(status >= 400 && body.contains("no interface \\\"third\\\""), "{status} {body}");
        assert_eq!(Client::connect(at("127.0.0.1:80")).get("/").text(), "a", "the old one runs on");
    });
}

#[test]
fn an_address_may_come_after_the_listener() {
    within(&[], || {
        let backend = Backend::http("a");
        let bind = "\"[2001:db8::80]:80\", \"192.0.2.80:80\"";
        let gateway = Gateway::start(&listening(bind, "freebind = true", &backend));
        assert!(!is_reached("192.0.2.80:80"));
        for address in ["192.0.2.80/24", "2001:db8::80/64"] {
            // The loopback interface has no neighbours to ask and no carrier to wait for.
            let status = Command::new("ip").args(["address", "add", address, "dev", "lo"]).status();
            assert!(status.expect("ip of iproute2").success());
        }
        for address in ["192.0.2.80:80", "[2001:db8::80]:80"] {
            let mut client = wait_for("the address to be there", || Client::try_connect(at(address)).ok());
            assert_eq!(client.get("/").text(), "a");
        }
        // The sockets stand: nothing is bound anew.
        gateway.change(&listening(bind, "", &backend));
        let (status, body) = gateway.reload(&listening("\"[2001:db8::81]:80\"", "", &backend));
        assert!(status >= 400 && body.contains("freebind = true"), "{status} {body}");
    });
}
