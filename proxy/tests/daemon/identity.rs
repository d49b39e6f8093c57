//! Who the client is, as the member sees it, and what of the connection's own fields crosses.

use crate::backend::{Backend, field};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6};
use crate::versions::{Asked, Speaker, Version, Way, target};

/// A listener with these lines, and the head that a member sees of a request with these fields.
fn head_seen(way: Way, lines: &str, four: bool, fields: &str) -> String {
    let backend = way.member("a");
    let (_gateway, port) = way.start(lines, &backend);
    let mut client = Speaker::connect(way.front, if four { v4(port) } else { v6(port) });
    client.ask(&Asked::get("/head", fields)).text()
}

#[test]
fn an_ipv4_member_sees_the_address_of_an_ipv6_client() {
    Way::each(|way| {
        assert_eq!(field(&head_seen(way, "", false, ""), "x-forwarded-for"), Some("::1"));
        assert_eq!(field(&head_seen(way, "", true, ""), "x-forwarded-for"), Some("127.0.0.1"));
    });
}

#[test]
fn a_stranger_cannot_say_who_it_is() {
    Way::each(|way| {
        let head = head_seen(
            way,
            "",
            false,
            "X-Forwarded-For: 192.0.2.1\r\nX_Forwarded_For: 192.0.2.2\r\nX-Forwarded-Proto: https\r\n\
         Forwarded: for=192.0.2.3\r\nX-Real-IP: 192.0.2.4\r\n",
        );
        assert_eq!(field(&head, "x-forwarded-for"), Some("::1"));
        assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
        assert!(!head.contains("192.0.2."), "{head}");
    });
}

#[test]
fn a_trusted_proxy_is_believed() {
    Way::each(|way| {
        let trusted = "trusted_proxies = [\"::1/128\"]";
        let fields = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n";
        let head = head_seen(way, trusted, false, fields);
        assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.1, ::1"));
        assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
        let replaced = head_seen(way, &format!("{trusted}\nforwarded_for = \"replace\""), false, fields);
        assert_eq!(field(&replaced, "x-forwarded-for"), Some("::1"));
    });
}

#[test]
fn all_that_is_asked_for_is_told() {
    Way::each(|way| {
        let lines = "forwarded_headers = [\"proto\", \"port\", \"host\", \"real-ip\", \"forwarded\", \"embedded-v4\"]\n\
         trusted_proxies = [\"::1/128\"]\ntrusted_hops = 2\nforwarded_for_header = \"X-Client\"";
        let list =
            "X-Client: 192.0.2.66, 64:ff9b::c633:6407\r\nX_Client: 192.0.2.67\r\nX-Client: 192.0.2.2\r\n";
        let head = head_seen(way, lines, false, list);
        assert_eq!(field(&head, "x-client"), Some("64:ff9b::c633:6407, 192.0.2.2, ::1"));
        assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
        assert!(field(&head, "x-forwarded-port").is_some_and(|port| port.parse::<u16>().is_ok()), "{head}");
        assert_eq!(field(&head, "x-forwarded-host"), Some("a.example"));
        assert_eq!(field(&head, "x-real-ip"), Some("64:ff9b::c633:6407"));
        assert_eq!(field(&head, "x-forwarded-for-v4"), Some("198.51.100.7"));
        let forwarded = field(&head, "forwarded").unwrap_or_default();
        assert!(forwarded.starts_with("for=\"[::1]:"), "{head}");
        assert!(forwarded.ends_with(";host=a.example;proto=http"), "{head}");
        assert!(!head.contains("192.0.2.6"), "{head}");
    });
}

#[test]
fn turned_off_nothing_is_added_or_taken() {
    Way::each(|way| {
        let head = head_seen(way, "forwarded_for = \"off\"", false, "X-Forwarded-For: 192.0.2.1\r\n");
        assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.1"));
        assert_eq!(field(&head_seen(way, "forwarded_for = \"off\"", false, ""), "x-forwarded-for"), None);
    });
}

#[test]
fn fields_of_the_clients_connection_do_not_reach_the_member() {
    Way::each(|way| {
        if way.front == Version::Two {
            // It has no such fields.
            return;
        }
        let head = head_seen(
            way,
            "",
            false,
            "Connection: keep-alive, X-Secret, X-Forwarded-For, Host\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n\
         TE: gzip\r\nX-Secret: 1\r\nX-Public: 2\r\nUpgrade: h2c\r\n",
        );
        for name in ["connection", "keep-alive", "proxy-connection", "te", "x-secret", "upgrade"] {
            assert_eq!(field(&head, name), None, "{head}");
        }
        assert_eq!(field(&head, "x-public"), Some("2"));
        assert_eq!(field(&head, "x-forwarded-for"), Some("::1"), "nobody can name away what is added");
        assert_eq!(field(&head, "host"), Some("a.example"));
    });
}

#[test]
fn fields_of_the_members_connection_do_not_reach_the_client() {
    Way::each(|way| {
        let backend = way.member("a");
        let (_gateway, port) = way.start("", &backend);
        let response = way.client(port).get("/hops");
        for name in ["connection", "keep-alive", "x-inner"] {
            assert_eq!(response.field(name), None, "{}", response.head);
        }
        assert_eq!(response.field("x-outer"), Some("2"));
    });
}

#[test]
fn a_host_that_an_old_client_leaves_out_is_the_address_it_came_to() {
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send("GET /head HTTP/1.0\r\n\r\n");
    assert_eq!(field(&client.response().text(), "host"), Some(v6(port).to_string().as_str()));
}

#[test]
fn the_server_as_a_whole_may_be_asked() {
    Way::each(|way| {
        let backend = way.member("a");
        let (_gateway, port) = way.start("", &backend);
        let asked = Asked { method: "OPTIONS", ..Asked::get("*", "") };
        assert_eq!(way.client(port).ask(&asked).status, 200);
        assert!(backend.heads()[0].starts_with("OPTIONS * HTTP/"), "{:?}", backend.heads());
    });
}

#[test]
fn an_absolute_target_sets_the_host() {
    Way::each(|way| {
        let backend = way.member("a");
        let (_gateway, port) = way.start("", &backend);
        let response = way.client(port).get("http://b.example:81/head?x=y");
        assert_eq!(response.status, 200);
        let seen = backend.heads().remove(0);
        assert_eq!((target(&seen), field(&seen, "host")), ("/head?x=y", Some("b.example:81")));
    });
}
