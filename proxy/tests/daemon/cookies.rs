//! Clients that come back to their member by cookies, of the proxy and of the application, and by their address.

use crate::backend::{Backend, field};
use crate::client::Response;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};
use crate::versions::{Asked, Page, Speaker, Way};

/// Answers with its name and the head that came, and the fields that the request's `X-Answer` asks for, `||` between them.
pub(crate) fn member(way: Way, name: &'static str) -> Backend {
    way.scripted(move |head| {
        let asked = field(head, "x-answer").unwrap_or("");
        let fields: Vec<_> = asked.split("||").filter(|field| !field.is_empty()).chain([""]).collect();
        Page::of(&fields.join("\r\n"), &format!("{name}\n{head}"))
    })
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Who answered.
    pub(crate) member: String,
    /// The `Cookie` fields that the member got.
    pub(crate) asked: Vec<String>,
    /// The `Set-Cookie` fields that the client got.
    pub(crate) set: Vec<String>,
    /// The `Cache-Control` fields that the client got.
    pub(crate) cached: Vec<String>,
}

impl Exchange {
    pub(crate) fn of(response: &Response) -> Self {
        let body = response.text();
        let (member, head) = body.split_once('\n').expect("the member's name stands first");
        Self {
            member: member.to_owned(),
            asked: fields(head, "cookie"),
            set: fields(&response.head, "set-cookie"),
            cached: fields(&response.head, "cache-control"),
        }
    }
}

fn fields(head: &str, name: &str) -> Vec<String> {
    let field = |line: &str| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    };
    head.lines().filter_map(field).collect()
}

/// Sends a request with these lines, each with its end.
pub(crate) fn ask(client: &mut Speaker, start: &str, lines: &str) -> Exchange {
    let (method, target) = start.split_once(' ').expect("a method and a target");
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    let lines = format!("{length}{lines}");
    Exchange::of(&client.ask(&Asked { method, ..Asked::get(target, &lines) }))
}

/// Who answers a request with this cookie.
fn who(client: &mut Speaker, cookie: &str) -> String {
    ask(client, "GET /", &format!("Cookie: {cookie}\r\n")).member
}

/// A request whose answer sets this cookie.
fn set(client: &mut Speaker, cookie: &str) -> Exchange {
    ask(client, "GET /", &format!("X-Answer: Set-Cookie: {cookie}\r\n"))
}

const NAMED: [&str; 3] = ["cookie = \"s1\"", "cookie = \"s2\"", "cookie = \"s3\""];

/// A listener in front of members that cookies name.
fn config(way: Way, port: u16, lines: &str, members: &[&Backend]) -> Config {
    let members: Vec<_> = members.iter().zip(NAMED).map(|(member, line)| (member.address, line)).collect();
    let lines = format!("{}\n{lines}", way.protocol());
    Config::new("workers = 1").listener("web", "http", port, "web", "").pool_of("web", &lines, &members)
}

const INSERT: &str = "check = { kind = \"off\" }\ncookie = { name = \"SRV\", indirect = true }";

#[test]
fn a_client_with_the_cookie_comes_back_through_changes_while_its_member_is_up() {
    Way::each(|way| {
        let (a, b) = (member(way, "a"), member(way, "b"));
        let port = free_port();
        let gateway = Gateway::start(&config(way, port, INSERT, &[&a, &b]));
        let mut client = way.client(port);
        let first = ask(&mut client, "GET /", "");
        assert_eq!(first.set, [format!("SRV={}; path=/", if first.member == "a" { "s1" } else { "s2" })]);
        for _ in 0..3 {
            let again = ask(&mut client, "GET /", "Cookie: x=1; SRV=s2; y=\"2; 3\"\r\n");
            assert_eq!((again.member.as_str(), again.set.len()), ("b", 0));
            assert_eq!(again.asked, ["x=1; y=\"2; 3\""]);
        }
        // Drained, it keeps its own; the other way round, by another name, and as another kind, as the file says at once.
        let (first, second) = (format!("{}\nstate = \"drain\"", NAMED[1]), NAMED[0]);
        let turned = Config::new("workers = 1").listener("web", "http", port, "web", "").pool_of(
            "web",
            &format!("{}\n{INSERT}", way.protocol()),
            &[(b.address, first.as_str()), (a.address, second)],
        );
        gateway.change(&turned);
        assert_eq!(who(&mut client, "SRV=s2"), "b");
        assert_eq!(ask(&mut client, "GET /", "").member, "a");
        gateway.change(&config(way, port, &INSERT.replace("SRV", "ROUTE"), &[&b, &a]));
        assert_eq!(who(&mut client, "SRV=s1; ROUTE=s1"), "b");
        gateway.change(&config(
            way,
            port,
            &INSERT.replace("indirect = true", "mode = \"prefix\""),
            &[&a, &b],
        ));
        let prefixed = ask(&mut client, "GET /", "Cookie: SRV=s2~abc\r\nX-Answer: Set-Cookie: SRV=x\r\n");
        assert_eq!(
            (prefixed.member.as_str(), prefixed.asked, prefixed.set),
            ("b", vec!["SRV=abc".to_owned()], vec!["SRV=s2~x".to_owned()])
        );
        gateway.change(&config(way, port, UNCHECKED, &[]));
        let none = client.ask(&Asked::get("/", "Cookie: SRV=s2\r\n"));
        assert_eq!((none.status, none.field("set-cookie")), (503, None));
    });
}

#[test]
fn a_client_whose_member_is_down_gets_another_and_its_cookie() {
    Way::each(|way| {
        let (a, mut b) = (member(way, "a"), member(way, "b"));
        let port = free_port();
        let lines = format!("{QUICK}\n{}", &INSERT[INSERT.find("cookie").unwrap()..]);
        let gateway = Gateway::start(&config(way, port, &lines, &[&a, &b]));
        wait_for("both members to be up", || {
            (gateway.state("web", "m0") == "up" && gateway.state("web", "m1") == "up").then_some(())
        });
        let mut client = way.client(port);
        assert_eq!(who(&mut client, "SRV=s2"), "b");
        b.stop();
        wait_for("the member to be down", || (gateway.state("web", "m1") == "down").then_some(()));
        let moved = ask(&mut client, "GET /", "Cookie: SRV=s2\r\n");
        assert_eq!(
            (moved.member.as_str(), moved.set.as_slice()),
            ("a", ["SRV=s1; path=/".to_owned()].as_slice())
        );
        b.start();
        wait_for("the member to be back", || (gateway.state("web", "m1") == "up").then_some(()));
        assert_eq!(who(&mut client, "SRV=s2"), "b");
    });
}

#[test]
fn a_member_that_refuses_loses_its_client_where_attempts_may_go_on() {
    Way::each(|way| {
        let (a, mut b) = (member(way, "a"), member(way, "b"));
        let port = free_port();
        let gateway = Gateway::start(&config(way, port, &format!("retries = 1\n{INSERT}"), &[&a, &b]));
        b.stop();
        let mut client = way.client(port);
        let moved = ask(&mut client, "GET /", "Cookie: SRV=s2\r\n");
        assert_eq!(
            (moved.member.as_str(), moved.set.as_slice()),
            ("a", ["SRV=s1; path=/".to_owned()].as_slice())
        );
        gateway.change(&config(way, port, &format!("retries = 0\nredispatch = false\n{INSERT}"), &[&a, &b]));
        let failed = client.ask(&Asked::get("/", "Cookie: SRV=s2\r\n"));
        assert_eq!((failed.status, failed.field("set-cookie")), (503, None));
    });
}

#[test]
fn a_cookie_that_the_application_sets_may_name_the_member_itself() {
    Way::each(|way| {
        let (a, b) = (member(way, "a"), member(way, "b"));
        let port = free_port();
        let lines = format!("{UNCHECKED}\ncookie = {{ name = \"SRV\", mode = \"passive\" }}");
        let gateway = Gateway::start(&config(way, port, &lines, &[&a, &b]));
        let mut client = way.client(port);
        assert_eq!(ask(&mut client, "GET /", "").set, Vec::<String>::new(), "the proxy sets none");
        let began = set(&mut client, "SRV=s2; Path=/; HttpOnly");
        assert_eq!(began.set, ["SRV=s2; Path=/; HttpOnly"]);
        for _ in 0..3 {
            let again = ask(&mut client, "GET /", "Cookie: x=1; SRV=s2\r\n");
            assert_eq!((again.member.as_str(), again.asked), ("b", vec!["x=1; SRV=s2".to_owned()]));
        }
        assert_eq!(who(&mut client, "SRV=s1"), "a");
        // As the file says at once, another way and back.
        gateway.change(&config(way, port, &lines.replace("passive", "rewrite"), &[&a, &b]));
        assert_eq!(
            ask(&mut client, "GET /", "Cookie: SRV=s2\r\nX-Answer: Set-Cookie: SRV=x\r\n").set,
            ["SRV=s2"]
        );
        gateway.change(&config(way, port, &lines, &[&a, &b]));
        assert_eq!(
            ask(&mut client, "GET /", "Cookie: SRV=s2\r\nX-Answer: Set-Cookie: SRV=x\r\n").set,
            ["SRV=x"]
        );
    });
}

#[test]
fn a_session_of_the_application_comes_back_to_who_began_it() {
    Way::each(|way| {
        let (a, b) = (member(way, "a"), member(way, "b"));
        let port = free_port();
        let lines = |more: &str| format!("{UNCHECKED}\napp_cookie = {{ name = \"SID\", length = 8{more} }}");
        let gateway = Gateway::start(&config_plain(way, port, &lines(""), &[&a, &b]));
        let mut client = way.client(port);
        let began = set(&mut client, "SID=one-long-value; Path=/");
        assert_eq!(began.set, ["SID=one-long-value; Path=/"]);
        let other = set(&mut client, "SID=two; Path=/");
        assert_ne!(began.member, other.member, "each in turn");
        gateway.counts("pool_sessions{pool=\"web\"}", 2);
        for _ in 0..3 {
            assert_eq!(who(&mut client, "x=1; SID=one-long-value"), began.member);
            assert_eq!(who(&mut client, "SID=one-longer"), began.member, "the first octets tell");
            assert_eq!(who(&mut client, "SID=two"), other.member);
        }
        // Sessions outlive a change of what else the file says.
        gateway.change(&config_plain(
            way,
            port,
            &lines(", request_learn = true, mode = \"path-parameters\""),
            &[&a, &b],
        ));
        assert_eq!(who(&mut client, "SID=one-long-value"), began.member);
        for _ in 0..2 {
            assert_eq!(ask(&mut client, "GET /x;sid=two/y?z", "").member, other.member);
        }
        let learnt = who(&mut client, "SID=three");
        for _ in 0..3 {
            assert_eq!(who(&mut client, "SID=three"), learnt);
        }
        gateway.change(&config_plain(way, port, UNCHECKED, &[&a, &b]));
        gateway.counts("pool_sessions{pool=\"web\"}", 0);
    });
}

fn config_plain(way: Way, port: u16, lines: &str, members: &[&Backend]) -> Config {
    let addresses: Vec<_> = members.iter().map(|member| member.address).collect();
    let lines = format!("{}\n{lines}", way.protocol());
    Config::new("workers = 1").listener("web", "http", port, "web", "").pool("web", &lines, &addresses)
}

#[test]
fn the_cookie_decides_before_the_session_and_that_before_the_address() {
    Way::each(|way| {
        let (a, b, c) = (member(way, "a"), member(way, "b"), member(way, "c"));
        let port = free_port();
        let lines = format!("{INSERT}\nstick = {{ size = 10 }}\napp_cookie = {{ name = \"SID\" }}");
        let _gateway = Gateway::start(&config(way, port, &lines, &[&a, &b, &c]));
        let mut client = way.client(port);
        let learn = |client: &mut Speaker, cookie: &str, value: &str| {
            let lines = format!("Cookie: SRV={cookie}\r\nX-Answer: Set-Cookie: SID={value}\r\n");
            ask(client, "GET /", &lines).member
        };
        assert_eq!(learn(&mut client, "s2", "of-b"), "b");
        assert_eq!(who(&mut client, "SRV=s3"), "c");
        // The address belongs to whoever served it last.
        assert_eq!(ask(&mut client, "GET /", "").member, "c");
        assert_eq!(who(&mut client, "SID=of-b"), "b");
        assert_eq!(who(&mut client, "SRV=s1; SID=of-b"), "a");
        // The session now belongs to the member that took it over.
        assert_eq!(who(&mut client, "SID=of-b"), "a");
        assert_eq!(who(&mut client, "SRV=none; SID=unknown"), "a");
    });
}

#[test]
fn addresses_stick_across_modes_and_as_trusted_proxies_tell_them() {
    Way::each(|way| {
        let (a, b) = (member(way, "a"), member(way, "b"));
        let (http, tcp) = (free_port(), free_port());
        let trusted = "trusted_proxies = [\"::1/128\"]";
        let config = |lines: &str| {
            Config::new("workers = 1")
                .listener("web", "http", http, "web", lines)
                .listener("raw", "tcp", tcp, "web", "")
                .pool("web", &format!("{}\nstick = {{ size = 100 }}", way.pool()), &[a.address, b.address])
        };
        let gateway = Gateway::start(&config(trusted));
        let four = ask(&mut Speaker::connect(way.front, v4(http)), "GET /", "").member;
        let other = if four == "a" { "b" } else { "a" };
        // The next in turn would be the other.
        assert_eq!(ask(&mut Speaker::connect(way.back, v4(tcp)), "GET /", "").member, four);
        let mut client = Speaker::connect(way.front, v6(http));
        let mut told =
            |address: &str| ask(&mut client, "GET /", &format!("X-Forwarded-For: {address}\r\n")).member;
        assert_eq!(told("192.0.2.1"), other, "a client of its own");
        assert_eq!(told("::ffff:127.0.0.1"), four, "an address that was seen, in another form");
        assert_eq!((told("192.0.2.1"), told("127.0.0.1, 192.0.2.1")), (other.to_owned(), other.to_owned()));
        gateway.counts("pool_stick_entries{pool=\"web\"}", 2);
        // Of anybody else nothing is believed.
        gateway.change(&config(""));
        let mine = ask(&mut client, "GET /", "X-Forwarded-For: 192.0.2.1\r\n").member;
        for address in ["192.0.2.1", "127.0.0.1"] {
            let again = ask(&mut client, "GET /", &format!("X-Forwarded-For: {address}\r\n")).member;
            assert_eq!(again, mine);
        }
        gateway.counts("pool_stick_entries{pool=\"web\"}", 3);
    });
}
