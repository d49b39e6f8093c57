//! The proxy's own answers: small plain texts that say what happened, and nothing of the inside.

use super::body::ResponseBody;
use super::framing::Fault;
use super::guard::Refusal;
use super::pages::Pages;
use crate::counts::Failure;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Response, StatusCode};

/// One kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What it is counted as; `None` if nothing has failed.
    pub(crate) failure: Option<Failure>,
    /// One sentence for the client, or empty for an answer without content.
    pub(crate) reason: &'static str,
}

/// An answer, and a field that belongs to it.
#[derive(Debug)]
pub(crate) struct Turned {
    pub(crate) answer: Answer,
    pub(crate) field: Option<(HeaderName, HeaderValue)>,
}

impl From<Answer> for Turned {
    fn from(answer: Answer) -> Self {
        Self { answer, field: None }
    }
}

const fn answer(status: StatusCode, failure: Failure, reason: &'static str) -> Answer {
    Answer { status, failure: Some(failure), reason }
}

pub(crate) const NO_MEMBER: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::NoMember,
    "No server behind this address is in service.",
);
pub(crate) const UNREACHABLE: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::Unreachable,
    "No server behind this address can be reached.",
);
pub(crate) const SHORTAGE: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::Shortage,
    "This gateway is short of what a connection to a server takes.",
);
pub(crate) const QUEUE_FULL: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::QueueFull,
    "The servers behind this address are busy, and too many wait for them.",
);
pub(crate) const QUEUE_TIMEOUT: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::QueueTimeout,
    "The servers behind this address were busy for too long.",
);
pub(crate) const NO_ROOM: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::NoRoom,
    "There are as many requests here as can be served at once.",
);
pub(crate) const UNKNOWN_PROTOCOL: Answer = answer(
    StatusCode::NOT_IMPLEMENTED,
    Failure::Unsupported,
    "Tunnels of this protocol are not served here.",
);
pub(crate) const MEMBER_GONE: Answer = answer(
    StatusCode::BAD_GATEWAY,
    Failure::MemberGone,
    "The server behind this address closed the connection before it answered.",
);
pub(crate) const BAD_RESPONSE: Answer = answer(
    StatusCode::BAD_GATEWAY,
    Failure::BadResponse,
    "The server behind this address did not answer in HTTP.",
);
pub(crate) const NO_WEBSOCKET: Answer = answer(
    StatusCode::BAD_GATEWAY,
    Failure::NoWebSocket,
    "The server behind this address is spoken to in HTTP/2 and allows no WebSockets there.",
);
/// The member does not look at it, so this side must.
pub(crate) const NO_KEY: Answer =
    answer(StatusCode::BAD_REQUEST, Failure::BadRequest, "Sec-WebSocket-Key is not one key of 16 octets.");
pub(crate) const MEMBER_SILENT: Answer = answer(
    StatusCode::GATEWAY_TIMEOUT,
    Failure::MemberTimeout,
    "The server behind this address did not answer in time.",
);
pub(crate) const CLIENT_SILENT: Answer =
    answer(StatusCode::REQUEST_TIMEOUT, Failure::ClientTimeout, "The request body did not arrive in time.");
pub(crate) const SLOW_HEAD: Answer =
    answer(StatusCode::REQUEST_TIMEOUT, Failure::SlowHead, "The request head did not arrive in time.");
pub(crate) const BROKEN_BODY: Answer =
    answer(StatusCode::BAD_REQUEST, Failure::ClientGone, "The request body broke off or is malformed.");

/// A rule looks at paths, and this one can be read in two ways.
pub(crate) const DOUBTFUL_PATH: Answer = answer(
    StatusCode::BAD_REQUEST,
    Failure::BadRequest,
    "The path of the request can be read in more than one way.",
);

/// A rule looks at paths, and a request for a tunnel has none.
pub(crate) const NO_PATH: Answer =
    answer(StatusCode::NOT_IMPLEMENTED, Failure::Unsupported, "CONNECT is not supported here.");

/// What rules make of this request is none that a member can be sent.
pub(crate) const UNFIT: Answer = answer(
    StatusCode::BAD_REQUEST,
    Failure::BadRequest,
    "The path or the host of the request cannot be rewritten as it is here.",
);

/// A rule asks who the client is.
pub(crate) const NO_CREDENTIALS: Answer = Answer {
    status: StatusCode::UNAUTHORIZED,
    failure: None,
    reason: "A name and a password are needed here.",
};
pub(crate) const BAD_CREDENTIALS: Answer =
    answer(StatusCode::UNAUTHORIZED, Failure::BadCredentials, "This is not the right name and password.");
pub(crate) const MANY_PASSWORDS: Answer = answer(
    StatusCode::TOO_MANY_REQUESTS,
    Failure::LoginsFull,
    "Too many passwords are being tried from your network.",
);
pub(crate) const BUSY_WITH_PASSWORDS: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    Failure::LoginsFull,
    "Too many passwords are being checked at the moment.",
);

/// What requests beyond the rate of a rule are refused with.
pub(crate) const fn too_many(status: StatusCode) -> Answer {
    answer(status, Failure::RateLimited, "More requests came than are let pass; try again later.")
}

/// What a rule refuses a request with.
pub(crate) const fn denied(status: StatusCode) -> Answer {
    Answer { status, failure: None, reason: "Requests of this kind are not served here." }
}

/// What a malformed head is answered with.
pub(crate) const fn to_fault(fault: Fault) -> Answer {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    let (status, reason) = match fault {
        Fault::LineEnd => (BAD, "A line of the request head does not end in CR LF, or holds a CR or NUL."),
        Fault::RequestLine => (BAD, "The request line is malformed."),
        Fault::Version => {
            (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "This version of HTTP is not supported here.")
        }
        Fault::Field => (BAD, "A header field is malformed."),
        Fault::Length => (BAD, "Content-Length is not one plain number."),
        Fault::Coding => (BAD, "Transfer-Encoding is not the one word chunked."),
        Fault::LengthAndCoding => (BAD, "Content-Length and Transfer-Encoding contradict each other."),
        Fault::OldCoding => (BAD, "HTTP/1.0 has no Transfer-Encoding."),
        Fault::LongTarget => (StatusCode::URI_TOO_LONG, "The request line is too long."),
        Fault::LargeHead => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request head is too large."),
        Fault::Chunk => (BAD, "A chunk of the request body is malformed."),
    };
    answer(status, Failure::BadRequest, reason)
}

/// What a request that is not forwarded is answered with.
pub(crate) const fn to_refusal(refusal: Refusal) -> Answer {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    const NOT: StatusCode = StatusCode::NOT_IMPLEMENTED;
    match refusal {
        Refusal::NoHost => answer(BAD, Failure::BadRequest, "The Host field is missing."),
        Refusal::TwoHosts => answer(BAD, Failure::BadRequest, "There is more than one Host field."),
        Refusal::OtherHost => answer(BAD, Failure::BadRequest, "The Host field contradicts the authority."),
        Refusal::BadHost => answer(BAD, Failure::BadRequest, "The host is malformed."),
        Refusal::BadTarget => answer(BAD, Failure::BadRequest, "The request target is malformed."),
        Refusal::Content => answer(BAD, Failure::BadRequest, "CONNECT must not have content."),
        // Not 405, which needs an `Allow` with the methods of a resource that only its server knows.
        Refusal::Trace => answer(NOT, Failure::Unsupported, "TRACE is not supported here."),
        Refusal::BadMaxForwards => answer(BAD, Failure::BadRequest, "Max-Forwards is not one plain number."),
        Refusal::LastHop => Answer { status: StatusCode::OK, failure: None, reason: "" },
    }
}

impl Answer {
    /// Whether a client that is answered so is not worth another request on its connection. Those who log in or wait are.
    pub(crate) fn ends_connection(self) -> bool {
        let asks = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS].contains(&self.status);
        self.status.is_client_error() && !asks
    }

    /// Whether it is the member that has failed the client.
    pub(crate) fn blames_member(self) -> bool {
        use Failure::{BadResponse, MemberGone, MemberTimeout};
        self.failure.is_some_and(|failure| [MemberGone, BadResponse, MemberTimeout].contains(&failure))
    }

    /// The body and what it is: the page of the listener for this status, or one of our own. `None` is no content.
    fn content(self, pages: &Pages) -> Option<(HeaderValue, Bytes)> {
        if self.reason.is_empty() {
            return None;
        }
        let own = || {
            let text = format!("{}\n{}\n", self.status, self.reason);
            (HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
        };
        let page = pages.get(&self.status).map(|page| (page.content_type.clone(), page.body.clone()));
        Some(page.unwrap_or_else(own))
    }

    /// The answer to a request.
    pub(crate) fn response(self, pages: &Pages) -> Response<ResponseBody> {
        let (head, content) = self.parts(pages);
        Response::from_parts(head, ResponseBody::text(content))
    }

    /// Its head and content.
    pub(crate) fn parts(self, pages: &Pages) -> (Parts, Bytes) {
        let (content_type, content) = self.content(pages).unzip();
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = self.status;
        head.headers.extend(content_type.map(|content_type| (CONTENT_TYPE, content_type)));
        (head, content.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_are_too_large_have_their_own_statuses() {
        assert_eq!(to_fault(Fault::LongTarget).status, 414);
        assert_eq!(to_fault(Fault::LargeHead).status, 431);
        assert_eq!(to_fault(Fault::LengthAndCoding).status, 400);
    }
}
