//! The known differences between HAProxy 2.6 and us.

use super::arrival::Arrival;

/// What became of what a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The final statuses that the client was answered.
    pub(super) statuses: Vec<u16>,
    /// The last line of the last answer: why nothing else came to the member.
    pub(super) reason: String,
    /// What came to the member.
    pub(super) came: Vec<Arrival>,
}

/// What we say of requests that HAProxy passes, in whatever form.
const STRICTER: &[&str] = &[
    "Content-Length is not one plain number.",
    "A line of the request head does not end in CR LF, or holds a CR or NUL.",
    "A header field is malformed.",
    "Content-Length and Transfer-Encoding contradict each other.",
    "This version of HTTP is not supported here.",
    "A chunk of the request body is malformed.",
    "The host is malformed.",
    "The Host field is missing.",
    "There is more than one Host field.",
    "The request target is malformed.",
    "The request line is malformed.",
    "HTTP/1.0 has no Transfer-Encoding.",
    // The HTTP library's own answer, to a target with octets that no URI has.
    "",
];

/// Whether a request that HAProxy refuses, or does not come to, goes on for this reason.
type Explains = fn(&str, &Outcome) -> bool;

const LAXER: &[(&str, Explains)] = &[
    // RFC 9112 §3.2.2 has a proxy take the host of the target.
    ("the host of an absolute target is another one than Host", |request, them| {
        request.contains("://") && them.statuses == [400]
    }),
    // What we send is HTTP/1.1, in which every server reads the content of any method.
    ("GET or DELETE of HTTP/1.0 with content", |request, them| {
        request.contains(" HTTP/1.0\r\n") && them.statuses == [413]
    }),
    // It may see the end of a client's octets before it has come to the last of them.
    ("a request behind another one, at the end of what the client sends", |_, them| {
        !them.came.is_empty() && them.statuses.iter().all(|status| *status == 200)
    }),
];

/// By what a difference is explained.
pub(super) fn explain(request: &str, us: &Outcome, them: &Outcome) -> Option<String> {
    let theirs: Vec<_> = them.came.iter().map(|arrival| arrival.as_we_would(request)).collect();
    let ours: Vec<_> = us.came.iter().map(Arrival::without_own_host).collect();
    let both = ours.len().min(theirs.len());
    if ours[..both] != theirs[..both] {
        return None;
    }
    if ours.len() == theirs.len() {
        return Some("the same, in canonical form; or refused, each in its own words".to_owned());
    }
    if ours.len() < theirs.len() {
        let known = STRICTER.iter().find(|reason| us.reason == **reason);
        return known.map(|reason| format!("stricter: {reason}"));
    }
    let known = LAXER.iter().find(|(_, explains)| explains(request, them));
    known.map(|(name, _)| format!("laxer: {name}"))
}
