//! Every rule about where messages begin and end and what they ask for: octets in, verdict out, over real sockets.
//!
//! RFC 9112, RFC 9110 §5, §7.6. A row of a request says what the member gets, octet by octet, or how the client is
//! answered; a row of a response says what the client gets.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6};
use crate::recorder::{octets, puppet, recorder, text};

/// What becomes of a request.
enum Verdict {
    /// The member gets this, and the connection goes on.
    Sent(&'static str),
    /// The member gets this, and the connection ends behind the answer.
    Last(&'static str),
    /// The client is answered this, the connection ends, and no member hears of it: of one for `/broken`, not of the whole.
    Refused(u16),
}
use Verdict::{Last, Refused, Sent};

/// The rule, the request with one character for each octet, and what becomes of it.
type Request = (&'static str, &'static str, Verdict);

const REQUESTS: &[Request] = include!("framing/requests.rs");

/// A listener that adds nothing of its own.
fn start(backend: &Backend) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new("workers = 1")
        .listener("web", "http", port, "web", "forwarded_for = \"off\"")
        .pool("web", UNCHECKED, &[backend.address]);
    (Gateway::start(&config), port)
}

/// What follows a request that is refused, and must never be taken for one.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n";
/// What follows one that is forwarded.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n";
const NEXT_SEEN: &str = "GET /next HTTP/1.1\r\nhost: a.example\r\n\r\n";

fn failures(reason: &str) -> String {
    format!("failures_total{{listener=\"web\",reason=\"{reason}\"}}")
}

#[test]
fn a_request_goes_on_in_canonical_form_or_not_at_all() {
    let backend = recorder();
    let (gateway, port) = start(&backend);
    let (mut bad, mut unsupported) = (0, 0);
    // What was begun of broken ones may be noted late.
    let heard = || backend.heads().into_iter().filter(|head| !head.contains("/broken")).collect::<Vec<_>>();
    for (rule, request, verdict) in REQUESTS {
        let shown = format!("{rule}: {request:?}");
        let before = heard().len();
        let mut client = Client::connect(v6(port));
        let (expect, last) = match verdict {
            Sent(expect) => (expect, false),
            Last(expect) => (expect, true),
            Refused(status) => {
                // A client may be refused before it has said all.
                let _ = client.try_send(octets(&format!("{request}{HIDDEN}")));
                let response = client.response();
                assert_eq!(response.status, *status, "{shown}: {}", response.text());
                assert!(client.is_closed(), "{shown}: nothing follows");
                *(if *status == 501 { &mut unsupported } else { &mut bad }) += 1;
                assert!(backend.heads().iter().all(|head| !head.contains("/hidden")), "{shown}");
                assert_eq!(heard()[before..], [""; 0], "{shown}: no member hears of it");
                continue;
            }
        };
        client.send(octets(&format!("{request}{NEXT}")));
        let response = client.try_response(false).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(response.status, 200, "{shown}: {}", response.text());
        if last {
            assert!(client.is_closed(), "{shown}: the connection ends");
        } else {
            assert_eq!(client.response().text(), "ok", "{shown}: the next request is answered");
        }
        let expect: &[&str] = if last { &[expect] } else { &[expect, NEXT_SEEN] };
        assert_eq!(heard()[before..], *expect, "{shown}");
    }
    gateway.counts(&failures("bad_request"), bad);
    gateway.counts(&failures("unsupported"), unsupported);
}

/// What becomes of a response.
enum Fate {
    /// The client gets this, but for the `Date` that the proxy adds.
    Passed(&'static str),
    /// The client is answered 502.
    Bad,
    /// The client gets a part, and a reset so that it does not look whole.
    Cut,
}
use Fate::{Bad, Cut, Passed};

/// The rule, the method, the member's octets, and what becomes of them.
type Response = (&'static str, &'static str, &'static str, Fate);

const RESPONSES: &[Response] = include!("framing/responses.rs");

#[test]
fn a_response_comes_in_canonical_form_or_not_at_all() {
    let backend = puppet();
    let (gateway, port) = start(&backend);
    let mut bad = 0;
    for (rule, method, response, fate) in RESPONSES {
        let shown = format!("{rule}: {response:?}");
        let mut client = Client::connect(v6(port));
        let response = octets(response);
        client.send(format!(
            "{method} /end HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            response.len()
        ));
        client.send(&response);
        let all = client.read_all();
        if let Cut = fate {
            assert!(all.is_err(), "{shown}");
            continue;
        }
        let all = text(&all.unwrap_or_else(|error| panic!("{shown}: {error}")));
        if let Passed(expect) = fate {
            assert_eq!(without_date(&all), *expect, "{shown}");
        } else {
            bad += 1;
            assert!(all.starts_with("HTTP/1.1 502 "), "{shown}: {all}");
        }
    }
    gateway.counts(&failures("bad_response"), bad);
}

fn without_date(response: &str) -> String {
    let Some(at) = response.find("date: ") else { return response.to_owned() };
    let end = response[at..].find("\r\n").map_or(response.len(), |end| at + end + 2);
    [&response[..at], &response[end..]].concat()
}

#[test]
fn connection_cannot_take_out_what_this_proxy_says_of_the_client() {
    let backend = recorder();
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send(
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-Forwarded-For, x-forwarded-proto, host, close\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let heads = backend.heads();
    for line in ["host: a.example", "x-forwarded-for: ::1", "x-forwarded-proto: http"] {
        assert!(heads[0].contains(&format!("\r\n{line}\r\n")), "{line}: {heads:?}");
    }
}
