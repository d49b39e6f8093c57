//! What a check by HTTP asks for, and which answers are good. Pure: it sees heads and bodies, never sockets.

use crate::pool::health::Verdict;
use config::model::{CheckMethod, HttpCheck};
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use memchr::memmem;

/// Octets of a body that are looked at; as many as HAProxy's buffer has.
pub(super) const LOOKED_AT: usize = 16 << 10;

/// The request. `host` stands for a host that the file does not name.
pub(super) fn request(check: &HttpCheck, host: &str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = match check.method {
        CheckMethod::Get => Method::GET,
        CheckMethod::Head => Method::HEAD,
        CheckMethod::Options => Method::OPTIONS,
    };
    *request.uri_mut() = Uri::try_from(&check.path).expect("the reader of the file takes paths of URIs only");
    let value = |text: &str| {
        HeaderValue::from_str(text).expect("the reader of the file takes visible characters and blanks only")
    };
    let headers = request.headers_mut();
    headers.insert(HOST, value(check.host.as_deref().unwrap_or(host)));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for header in &check.headers {
        let name = HeaderName::try_from(&header.name).expect("the reader of the file takes tokens only");
        headers.append(name, value(&header.value));
    }
    request
}

/// The part of a body that has come so far, as far as it is looked at.
#[derive(Debug, Default)]
pub(super) struct Body {
    held: Vec<u8>,
    /// Where the text that is looked for may still begin.
    from: usize,
    found: bool,
}

impl Body {
    /// Takes in what came. True once no more is needed.
    pub(super) fn take(&mut self, part: &[u8], wanted: &str) -> bool {
        let room = LOOKED_AT - self.held.len();
        self.held.extend_from_slice(&part[..part.len().min(room)]);
        self.found |= memmem::find(&self.held[self.from..], wanted.as_bytes()).is_some();
        // Its beginning may lie in what is there.
        self.from = self.from.max((self.held.len() + 1).saturating_sub(wanted.len()));
        self.found || self.held.len() == LOOKED_AT
    }
}

/// What is wrong with an answer by its head alone.
pub(super) fn judge_status(check: &HttpCheck, status: StatusCode) -> Result<(), Verdict> {
    if check.expect_status.iter().any(|range| range.contains(status.as_u16())) {
        return Ok(());
    }
    let expected: Vec<_> = check.expect_status.iter().map(ToString::to_string).collect();
    Err(Verdict::bad(format!("{}, expected {}", phrase(status), expected.join(", "))))
}

/// What an answer of a good status comes to, with its body where one is expected.
pub(super) fn judge_body(status: StatusCode, expected: Option<(&str, &Body)>) -> Verdict {
    let status = phrase(status);
    match expected {
        None => Verdict::good(status),
        Some((text, body)) if body.found => Verdict::good(format!("{status} with {text:?} in the body")),
        Some((text, body)) if body.held.len() < LOOKED_AT => {
            let length = body.held.len();
            Verdict::bad(format!("{status}, but its body of {length} octets does not hold {text:?}"))
        }
        Some((text, _)) => Verdict::bad(format!(
            "{status}, but the first {LOOKED_AT} octets of its body do not hold {text:?}"
        )),
    }
}

/// A status with the phrase of the standard, not the server's.
fn phrase(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::health::Outcome;
    use config::model::{Header, StatusRange};
    use proptest::prelude::*;

    fn line(request: &Request<()>) -> String {
        let headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        format!("{} {} | {}", request.method(), request.uri(), headers.join(" | "))
    }

    #[test]
    fn a_request_says_what_the_file_says() {
        let plain = request(&HttpCheck::default(), "192.0.2.11:8080");
        assert_eq!(line(&plain), "GET / | host: 192.0.2.11:8080 | connection: close");
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
        let check = HttpCheck {
            method: CheckMethod::Head,
            path: "/health?full=1&a=[b]".to_owned(),
            host: Some("web.example:8080".to_owned()),
            headers: vec![header("X-Probe", "a"), header("X-Probe", "b c"), header("X-Empty", "")],
            ..HttpCheck::default()
        };
        assert_eq!(
            line(&request(&check, "192.0.2.11:8080")),
            "HEAD /health?full=1&a=[b] | host: web.example:8080 | connection: close | x-probe: a | x-probe: b c | x-empty: "
        );
    }

    #[test]
    fn every_path_that_the_file_takes_is_a_uri() {
        let mut taken = 0;
        for octet in 0x20..0x7f_u8 {
            let path = format!("/{}", char::from(octet));
            let file =
                format!("[[proxy.pool]]\nname = \"web\"\ncheck = {{ kind = \"http\", path = {path:?} }}\n");
            if let Ok(loaded) = config::parse(&file, "gateway.toml") {
                let pools = loaded.model.proxy.expect("a section").pool;
                assert_eq!(request(&pools[0].check.http, "a").uri().to_string(), path);
                taken += 1;
            }
        }
        assert_eq!(taken, 94 - 10);
    }

    fn check(expect: &[(u16, u16)], status: u16, body: Option<(&str, &str)>, outcome: Outcome, why: &str) {
        let expect_status = expect.iter().map(|(first, last)| StatusRange { first: *first, last: *last });
        let check = HttpCheck { expect_status: expect_status.collect(), ..HttpCheck::default() };
        let status = StatusCode::from_u16(status).unwrap();
        let verdict = judge_status(&check, status).map_or_else(
            |bad| bad,
            |()| {
                let Some((text, sent)) = body else { return judge_body(status, None) };
                let mut body = Body::default();
                body.take(sent.as_bytes(), text);
                judge_body(status, Some((text, &body)))
            },
        );
        assert_eq!(verdict, Verdict { outcome, why: why.to_owned() });
    }

    #[test]
    fn a_verdict_says_what_came_and_what_was_expected() {
        let usual = [(200, 399)];
        check(&usual, 200, None, Outcome::Good, "200 OK");
        check(&usual, 399, None, Outcome::Good, "399");
        check(&usual, 503, None, Outcome::Bad, "503 Service Unavailable, expected 200-399");
        check(
            &[(200, 200), (204, 206)],
            301,
            None,
            Outcome::Bad,
            "301 Moved Permanently, expected 200, 204-206",
        );
        check(&[(503, 503)], 503, None, Outcome::Good, "503 Service Unavailable");
        check(&usual, 200, Some(("ready", "is ready")), Outcome::Good, "200 OK with \"ready\" in the body");
        check(
            &usual,
            200,
            Some(("ready", "busy")),
            Outcome::Bad,
            "200 OK, but its body of 4 octets does not hold \"ready\"",
        );
        check(
            &usual,
            200,
            Some(("ready", &format!("{}ready", "x".repeat(LOOKED_AT - 4)))),
            Outcome::Bad,
            "200 OK, but the first 16384 octets of its body do not hold \"ready\"",
        );
    }

    proptest! {
        #[test]
        fn a_text_is_found_however_the_body_is_cut(
            body in "[ab]{0,40}", wanted in "[ab]{1,4}", cuts in prop::collection::vec(1_usize..6, 0..20),
        ) {
            let (mut seen, mut rest, mut done) = (Body::default(), body.as_bytes(), false);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (part, behind) = rest.split_at(cut.min(rest.len()));
                done |= seen.take(part, &wanted);
                rest = behind;
            }
            prop_assert_eq!(seen.found, body.contains(&wanted));
            prop_assert_eq!(done, seen.found);
        }
    }
}
