use super::*;
use ::http::Request;

/// Judges `line` (method, target, version) with these `fields`.
fn verdict(line: &str, fields: &[(&str, &str)]) -> Result<(String, Option<String>), Refusal> {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut request = Request::builder().method(method).uri(target);
    request = request.version(match words.next() {
        Some("1.0") => Version::HTTP_10,
        _ => Version::HTTP_11,
    });
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    judge(&request.body(()).unwrap().into_parts().0, is_bare(target.as_bytes()))
        .map(|target| (target.uri.to_string(), target.host.map(|host| host.to_str().unwrap().to_owned())))
}

const HOST_A: (&str, &str) = ("host", "a.example");

#[test]
fn targets_are_forwarded_in_origin_form() {
    let check = |line: &str, uri: &str, host: Option<&str>| {
        assert_eq!(verdict(line, &[HOST_A]), Ok((uri.to_owned(), host.map(str::to_owned))), "{line}");
    };
    check("GET /", "/", None);
    check("GET /a/../b?c=d&e", "/a/../b?c=d&e", None);
    check("GET //b.example/c", "//b.example/c", None);
    check("OPTIONS *", "*", None);
    check("OPTIONS http://b.example", "*", Some("b.example"));
    check("OPTIONS http://b.example:8080", "*", Some("b.example:8080"));
    check("OPTIONS http://b.example/", "/", Some("b.example"));
    check("OPTIONS http://b.example?c", "/?c", Some("b.example"));
    check("OPTIONS http://b.example/c", "/c", Some("b.example"));
    check("GET http://b.example?c", "/?c", Some("b.example"));
    check("GET http://b.example/c?d", "/c?d", Some("b.example"));
    check("GET http://b.example", "/", Some("b.example"));
    check("CONNECT b.example:443", "b.example:443", Some("b.example:443"));
    check("CONNECT [2001:db8::1]:443", "[2001:db8::1]:443", Some("[2001:db8::1]:443"));
    check("GET HTTPS://[2001:db8::1]:8443/", "/", Some("[2001:db8::1]:8443"));
}

#[test]
fn requests_that_are_not_forwarded() {
    let check = |line: &str, fields: &[(&str, &str)], expect: Refusal| {
        assert_eq!(verdict(line, fields), Err(expect), "{line} {fields:?}");
    };
    check("GET / 1.1", &[], Refusal::NoHost);
    check("GET / 1.1", &[HOST_A, HOST_A], Refusal::TwoHosts);
    check("GET / 1.0", &[HOST_A, ("host", "b.example")], Refusal::TwoHosts);
    check("GET http://b.example/ 1.1", &[], Refusal::NoHost);
    check("GET * 1.1", &[HOST_A], Refusal::BadTarget);
    check("GET b.example:80 1.1", &[HOST_A], Refusal::BadTarget);
    check("GET ftp://b.example/ 1.1", &[HOST_A], Refusal::BadTarget);
    check("GET http://user@b.example/ 1.1", &[HOST_A], Refusal::BadHost);
    check("CONNECT b.example 1.1", &[HOST_A], Refusal::BadTarget);
    check("CONNECT b.example: 1.1", &[HOST_A], Refusal::BadTarget);
    check("CONNECT user@b.example:443 1.1", &[HOST_A], Refusal::BadTarget);
    check("CONNECT http://b.example:443/ 1.1", &[HOST_A], Refusal::BadTarget);
    check("CONNECT /a 1.1", &[HOST_A], Refusal::BadTarget);
    check("CONNECT b.example:443 1.1", &[HOST_A, ("content-length", "5")], Refusal::Content);
    check("CONNECT b.example:443 1.1", &[HOST_A, ("transfer-encoding", "chunked")], Refusal::Content);
    check("TRACE / 1.1", &[HOST_A], Refusal::Trace);
    check("TRACE / 1.1", &[HOST_A, ("max-forwards", "0")], Refusal::Trace);
}

#[test]
fn options_may_be_forwarded_so_many_times_and_no_more() {
    let check = |method: &str, values: &[&str], expect: Result<Option<&str>, Refusal>| {
        let mut request = Request::builder().method(method).uri("/").header("host", "a.example");
        for value in values {
            request = request.header("max-forwards", *value);
        }
        let judged = judge(&request.body(()).unwrap().into_parts().0, false);
        let left = judged.map(|target| target.max_forwards.map(|left| left.to_str().unwrap().to_owned()));
        assert_eq!(left, expect.map(|left| left.map(str::to_owned)), "{method} {values:?}");
    };
    check("OPTIONS", &[], Ok(None));
    check("OPTIONS", &["1"], Ok(Some("0")));
    check("OPTIONS", &["010"], Ok(Some("9")));
    check("OPTIONS", &["99999999999999999999999"], Ok(Some("4294967294")));
    check("OPTIONS", &["0"], Err(Refusal::LastHop));
    check("OPTIONS", &["00"], Err(Refusal::LastHop));
    for bad in ["", "-1", "+1", "1, 2", "1x"] {
        check("OPTIONS", &[bad], Err(Refusal::BadMaxForwards));
    }
    check("OPTIONS", &["1", "1"], Err(Refusal::BadMaxForwards));
    check("GET", &["0"], Ok(None));
}

#[test]
fn old_requests_need_no_host() {
    assert!(verdict("GET / 1.0", &[]).is_ok());
}

#[test]
fn hosts_are_names_or_addresses_with_an_optional_port() {
    for host in [
        "a.example",
        "a.example:80",
        "a.example:",
        "192.0.2.1",
        "192.0.2.1:8080",
        "[2001:db8::1]",
        "[::1]:65535",
        "xn--bcher-kva.example",
        "a_b",
        "%41.example",
        "a!$&'()*+,;=b",
    ] {
        assert!(verdict("GET / 1.1", &[("host", host)]).is_ok(), "{host}");
    }
    for host in [
        "",
        ":80",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "a@b",
        "a\\b",
        "a:b",
        "a:80:80",
        "a:65536",
        "a:+80",
        "[::1",
        "[::1]x",
        "[::1]80",
        "[]",
        "[fe80::1%25eth0]",
        "[192.0.2.1]",
        "2001:db8::1",
        "%4",
        "%zz",
        "\u{fc}.example",
        "a,b:x",
    ] {
        assert_eq!(verdict("GET / 1.1", &[("host", host)]), Err(Refusal::BadHost), "{host}");
    }
}

#[test]
fn responses_must_have_one_framing() {
    let check = |status: u16, fields: &[(&str, &str)], expect: bool| {
        let mut response = ::http::Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        assert_eq!(is_sound(&response.body(()).unwrap().into_parts().0), expect, "{status} {fields:?}");
    };
    let (length, chunked) = (("content-length", "5"), ("transfer-encoding", "chunked"));
    check(200, &[], true);
    check(200, &[length], true);
    check(200, &[chunked], true);
    check(200, &[("transfer-encoding", "Chunked")], true);
    check(200, &[length, chunked], false);
    check(304, &[length, chunked], false);
    check(200, &[length, length], false);
    check(200, &[("content-length", "5, 5")], false);
    check(200, &[("content-length", "+5")], false);
    check(200, &[chunked, chunked], false);
    check(200, &[("transfer-encoding", "gzip, chunked")], false);
    check(200, &[("transfer-encoding", "gzip")], false);
    check(101, &[], false);
}
