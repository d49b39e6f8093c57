use super::*;
use crate::record::tests::{ended, record, request};
use crate::record::{Cookies, Course, Ending, Fault, Request, State};
use ::http::Method;

fn text(line: &str, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    write(&line.parse().unwrap(), record, &mut out);
    String::from_utf8(out).unwrap()
}

fn check(record: &Record<'_>, expect: &str) {
    assert_eq!(text(LogLine::TCPLOG, record), expect);
}

/// The line of a request, with this of it.
fn check_request(line: &str, of_it: Request<'_>, expect: &str) {
    let ended = Ended {
        handshake: Duration::from_millis(2),
        idle: Duration::from_secs(1),
        total: Duration::from_millis(5_007),
        request: Some(of_it),
        ..ended()
    };
    assert_eq!(text(line, &record(Event::Ended(&ended))), expect, "{line}");
}

#[test]
fn a_connection_is_one_line() {
    let ended = ended();
    let record = record(Event::Ended(&ended));
    let rest = "[06/Feb/2026:12:12:51.443] fnt bck/srv1 1/0/5007 212 -- 9/8/7/6/3 4/5";
    check(&record, &format!("2001:db8::1:33313 {rest}"));
    let client = "192.0.2.1:33313".parse().ok();
    check(&Record { client, ..record }, &format!("192.0.2.1:33313 {rest}"));
    check(&Record { client: None, ..record }, &format!("unix:2 {rest}"));
    let rest = rest.replace("fnt", "fnt~");
    check(&Record { is_tls: true, ..record }, &format!("2001:db8::1:33313 {rest}"));
}

#[test]
fn what_never_came_is_minus_one_and_no_member_is_nosrv() {
    let ended = Ended { member: None, course: Course::default(), state: Ending::NoMember.state(), ..ended() };
    check(
        &record(Event::Ended(&ended)),
        "2001:db8::1:33313 [06/Feb/2026:12:12:51.443] fnt bck/<NOSRV> -1/-1/5007 212 SC 9/8/7/6/0 0/0",
    );
}

#[test]
fn a_plus_tells_of_another_member() {
    let mut ended = ended();
    ended.course.redispatched = true;
    let line = text(LogLine::TCPLOG, &record(Event::Ended(&ended)));
    assert!(line.ends_with(" 9/8/7/6/+3 4/5"), "{line}");
}

#[test]
fn a_connection_that_is_not_served_has_its_reason() {
    let record = record(Event::Refused(Fault::LateHeader));
    for line in [LogLine::TCPLOG, LogLine::HTTPLOG, "%ST"] {
        assert_eq!(
            text(line, &record),
            "2001:db8::1:33313 [06/Feb/2026:12:12:51.443] fnt/2: Timeout while waiting for PROXY protocol header"
        );
    }
}

#[test]
fn a_request_is_one_line() {
    let target = "/a?b=c".parse().unwrap();
    check_request(
        LogLine::HTTPLOG,
        request(&Method::GET, &target),
        "2001:db8::1:33313 [06/Feb/2026:12:12:52.445] fnt bck/srv1 20/1/0/30/4005 200 212 - - ---- 9/8/7/6/3 4/5 \"GET /a?b=c HTTP/1.1\"",
    );
    check_request(
        LogLine::TCPLOG,
        request(&Method::GET, &target),
        "2001:db8::1:33313 [06/Feb/2026:12:12:51.443] fnt bck/srv1 1/0/5007 212 -- 9/8/7/6/3 4/5",
    );
}

#[test]
fn what_never_was_a_request_is_badreq() {
    let ended = Ended {
        pool: None,
        member: None,
        course: Course::default(),
        request: Some(Request { line: None, status: Some(400), receive: None, response: None, ..bare() }),
        ..ended()
    };
    let record = record(Event::Ended(&ended));
    assert_eq!(
        text(LogLine::HTTPLOG, &record),
        "2001:db8::1:33313 [06/Feb/2026:12:12:51.443] fnt fnt/<NOSRV> -1/-1/-1/-1/5007 400 212 - - ---- 9/8/7/6/0 0/0 \"<BADREQ>\""
    );
}

fn bare() -> Request<'static> {
    Request { line: None, status: None, receive: None, response: None, cookies: Cookies::default() }
}

#[test]
fn requests_cannot_forge_what_stands_around_them() {
    let check = |target: &str, expect: &str| {
        let target = target.parse().unwrap();
        check_request("%{+Q}HU|%HU|%{+E}HU", request(&Method::GET, &target), expect);
    };
    check("/a\"b", "\"/a#22b\"|/a#22b|/a#22b");
    check("/a#b", "\"/a\"|/a|/a");
    check("/a]\\b", "\"/a]\\b\"|/a]\\b|/a\\]\\\\b");
    check("/\u{e9}", "\"/#C3#A9\"|/#C3#A9|/#C3#A9");
}

#[test]
fn every_field_says_what_haproxy_says() {
    let target = "https://web.example/a?b=c".parse().unwrap();
    let check = |line: &str, expect: &str| check_request(line, request(&Method::POST, &target), expect);
    check(
        "%ci %cp %fi %fp %bi %bp %si %sp",
        "2001:db8::1 33313 2001:db8::80 443 192.0.2.1 40000 192.0.2.7 80",
    );
    check("%t %tr", "06/Feb/2026:12:12:51.443 06/Feb/2026:12:12:52.445");
    check("%T %Tl", "06/Feb/2026:11:12:51 +0000 06/Feb/2026:12:12:51 +0100");
    check("%trg %trl", "06/Feb/2026:11:12:52 +0000 06/Feb/2026:12:12:52 +0100");
    check("%Ts.%ms", "1770376371.443");
    check("%ts %tsc %ft %f %b %s %ST %B %U", "-- ---- fnt fnt bck srv1 200 212 17");
    check("%HM %HU %HV", "POST https://web.example/a?b=c HTTP/1.1");
    check("%HP %HQ", "https://web.example/a ?b=c");
    check("%r", "POST https://web.example/a?b=c HTTP/1.1");
    check("%Th %Ti %TR %Tq %Tw %Tc %Tr %Td %Ta %Tt", "2 1000 20 1022 1 0 30 3953 4005 5007");
    check("%ac %fc %bc %sc %rc %sq %bq", "9 8 7 6 3 4 5");
    check("a %hr %hs b", "a b");
    check("%CC %{+Q}CS %sslv %{+Q}sslc", "- \"\" - \"\"");
    check("%pid", &std::process::id().to_string());
    check("%{+Q}b %{+Q}ST %{+Q}si", "\"bck\" 200 \"192.0.2.7\"");
}

#[test]
fn what_is_no_request_has_no_fields_of_one() {
    let line = text("%ST %TR %Tr %Tq %Td %r %{+Q}HM %tsc", &record(Event::Ended(&ended())));
    assert_eq!(line, "-1 -1 -1 -1 -1 - \"\" ----");
    let gone = Ended { member: None, state: State::WHOLE, ..ended() };
    let line = text("%si %sp %bi %{+Q}bp", &record(Event::Ended(&gone)));
    assert_eq!(line, "- - - \"\"");
}
