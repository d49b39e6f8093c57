//! One request: judged, rewritten, sent to a member, answered.

use super::answer::{self, Answer};
use super::body::{MemberBody, RequestBody, ResponseBody, Wait};
use super::connection::Connection;
use super::deadlines::Overdue;
use super::exchange::{Exchange, Underway};
use super::forwarded::Known;
use super::framing::{Fault, Good};
use super::ruling::{self, Fate, Ruling};
use super::upgrade::{self, Asked};
use super::{certificate, guard, headers, login, rules, tunnel};
use crate::dial::{Dial, First, NoMember};
use crate::identity;
use crate::pool::{Lease, Pool};
use crate::upstream::{Seeker, Upstream, poll_with};
use hyper::body::{Body, Incoming};
use hyper::header::{
    CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, MAX_FORWARDS, STRICT_TRANSPORT_SECURITY,
    TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

/// Answers one request, whatever happens.
pub(crate) async fn forward(
    underway: Underway,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let expected = underway.connection.expects_request();
    let judged = expected.map_or(Err(answer::UNEXPECTED), |good| prepare(&underway, request, good));
    let answered = match judged {
        Ok((outgoing, asked)) => ruled(&underway, (outgoing, asked)).await,
        Err(refused) => Err(refused),
    };
    let response = answered.unwrap_or_else(|answer| refused(&underway, answer));
    Ok(finished(underway, response))
}

/// What the client gets where nothing is to be forwarded, or nothing came of it.
fn refused(exchange: &Exchange, answer: Answer) -> Response<ResponseBody> {
    let connection = &exchange.connection;
    // The HTTP library tells only that the body broke off.
    let answer = if connection.is_body_lost() { answer::to_fault(Fault::Chunk) } else { answer };
    tracing::debug!(
        client = connection.client.map(display),
        listener = exchange.route.name,
        ?answer,
        "request is answered here"
    );
    if let Some(failure) = answer.failure {
        exchange.failed(failure);
    }
    let mut response = answer.response();
    if connection.is_unread() || answer.status.is_client_error() {
        Connection::ends_behind(response.headers_mut());
    }
    response
}

/// Every response passes here on its way to the client, whoever made it.
fn finished(underway: Underway, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let Exchange { connection, route, is_in_force, .. } = &**underway;
    // A connection that becomes another has no next request.
    if !connection.is_switched() {
        connection.goes_on();
        if !is_in_force {
            Connection::ends_behind(response.headers_mut());
        }
    }
    if let (Some(hsts), true) = (&route.hsts, connection.is_encrypted()) {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    underway.responds();
    route.counts.answered(connection.local.index(), response.status());
    response.map(|body| body.until_end(underway))
}

/// Does with the request what the rules say.
async fn ruled(
    exchange: &Rc<Exchange>,
    (mut outgoing, asked): (Outgoing, Option<Asked>),
) -> Result<Response<ResponseBody>, Answer> {
    let Head { method, uri, headers } = &mut outgoing.head;
    let Ruling { fate, answer_edits } = ruling::rule(exchange, (method, uri, headers))?;
    let mut response = match fate {
        Fate::Forward(pool) => send(exchange, pool, (outgoing, asked)).await?,
        Fate::Answer(response) => response,
    };
    rules::apply(answer_edits, response.headers_mut());
    Ok(response)
}

/// A request as it is sent on.
struct Outgoing {
    head: Head,
    body: RequestBody,
    /// Whether it may be sent twice: nobody can tell whether a lost one was acted on (RFC 9110 §9.2.2).
    repeatable: bool,
}

#[derive(Clone)]
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Outgoing {
    /// The same request once more, if it may be sent twice.
    fn spare(&self) -> Option<Self> {
        let spare = || Self { head: self.head.clone(), body: RequestBody::Empty, repeatable: true };
        self.repeatable.then(spare)
    }

    fn into_request(self) -> Request<RequestBody> {
        let waits = self.body.waits();
        let mut request = Request::new(self.body);
        if let Some(asked) = waits {
            hyper::ext::on_informational(&mut request, move |response| {
                asked.fetch_or(response.status() == StatusCode::CONTINUE, Ordering::Relaxed);
            });
        }
        *request.method_mut() = self.head.method;
        *request.uri_mut() = self.head.uri;
        *request.headers_mut() = self.head.headers;
        request
    }

    fn from_request(request: Request<RequestBody>, repeatable: bool) -> Self {
        let (Parts { method, uri, headers, .. }, body) = request.into_parts();
        Self { head: Head { method, uri, headers }, body, repeatable }
    }
}

fn prepare(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    good: Good,
) -> Result<(Outgoing, Option<Asked>), Answer> {
    let Exchange { connection, route, .. } = &**exchange;
    let (parts, incoming) = request.into_parts();
    let target = guard::judge(&parts, good.bare).map_err(answer::to_refusal)?;
    let asked = upgrade::asked(&parts).filter(|_| incoming.is_end_stream());
    let Parts { method, mut headers, .. } = parts;
    let takes_trailers = headers::takes_trailers(&headers);
    headers::strip(&mut headers);
    if let Some(asked) = &asked {
        asked.ask(&mut headers);
    }
    if takes_trailers {
        headers::ask_for_trailers(&mut headers);
    }
    if let Some(host) = target.host {
        headers.insert(HOST, host);
    } else if !headers.contains_key(HOST) {
        // Left out by a client of HTTP/1.0; RFC 9112 §3.3 lets the address stand for it, and where there is none the field
        // is empty (RFC 9110 §7.2).
        let host = connection.ends.map_or_else(String::new, |ends| ends.destination().to_string());
        let host = HeaderValue::from_str(&host);
        headers.insert(HOST, host.expect("an address and a port are plain characters"));
    }
    route.teller.tell(&mut headers, Known { ends: connection.ends, encrypted: connection.is_encrypted() });
    if route.teller.tells_certificate() {
        certificate::tell(&mut headers, connection.certificate());
    }
    if let Some(left) = target.max_forwards {
        headers.insert(MAX_FORWARDS, left);
    }
    let body = if incoming.is_end_stream() {
        RequestBody::Empty
    } else {
        if !headers.contains_key(CONTENT_LENGTH) {
            // Without it the HTTP library takes a GET to have no body.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let expects =
            headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let wait = expects.then(|| Box::new(Wait::new()));
        RequestBody::Client { incoming, exchange: Rc::clone(exchange), wait }
    };
    let repeatable = method.is_idempotent() && matches!(body, RequestBody::Empty);
    Ok((Outgoing { head: Head { method, uri: target.uri, headers }, body, repeatable }, asked))
}

/// Why an exchange brought no answer.
enum Lost {
    /// The request did not leave: it may go another way, whatever it is.
    Unsent(Box<Outgoing>),
    /// The request may have been acted on. `heard`: the member had begun to answer.
    Failed { heard: bool, error: hyper::Error },
    /// Somebody was silent for too long.
    Overdue(Overdue),
}

async fn send(
    exchange: &Rc<Exchange>,
    pool: &Arc<Pool>,
    (outgoing, asked): (Outgoing, Option<Asked>),
) -> Result<Response<ResponseBody>, Answer> {
    let connection = &exchange.connection;
    let mut dial = Dial::new(&connection.local, pool, &exchange.route.timeout, connection.client);
    let told = connection.told.as_ref();
    let repeatable = outgoing.repeatable;
    if let Some(member) = connection.own.login() {
        dial.prefer(member);
    }
    let mut outgoing = outgoing;
    loop {
        let lease = dial.next().await.map_err(|none| match none {
            NoMember::AllOut => answer::NO_MEMBER,
            NoMember::AllTried => answer::UNREACHABLE,
            NoMember::QueueFull => answer::QUEUE_FULL,
            NoMember::QueueTimeout => answer::QUEUE_TIMEOUT,
        })?;
        let member = Arc::clone(lease.member());
        let config = &dial.pool().config;
        let (reuse, version) = (config.http_reuse, config.proxy_protocol);
        let seeker = Seeker { reuse, told: version, repeatable, first: exchange.is_first };
        let header = identity::header(version, told, || identity::origin(connection.ends));
        let first = First { header, ahead: Vec::new() };
        let kept =
            |secured| connection.local.upstreams.check_out(&member, secured, (&connection.own, seeker));
        let mut idle = dial.secured(&member).ok().and_then(kept);
        loop {
            let upstream = match idle.take() {
                Some(upstream) => {
                    dial.reached(&member);
                    Ok(upstream)
                }
                None => Upstream::open(&dial, Arc::clone(&member), (seeker, &first)).await,
            };
            let Ok(mut upstream) = upstream else { break };
            let reused = upstream.is_reused();
            let spare = if reused { outgoing.spare() } else { None };
            let answered = match ask(exchange, &mut upstream, outgoing).await {
                Ok(response) => respond(exchange, asked.as_ref(), response, upstream, lease),
                Err(lost) => match lost.again(reused, spare) {
                    Ok(again) => {
                        outgoing = again;
                        continue;
                    }
                    Err(answer) => Err(answer),
                },
            };
            if answered.as_ref().is_err_and(|answer| answer.blames_member()) {
                dial.blame(&member);
            }
            return answered;
        }
    }
}

impl Lost {
    /// The request for a second try on a fresh connection, where that is safe: the connection had been idle, so the
    /// member may just have closed it.
    fn again(self, reused: bool, spare: Option<Outgoing>) -> Result<Outgoing, Answer> {
        match (self, spare) {
            (Self::Unsent(unsent), _) if reused => Ok(*unsent),
            (Self::Failed { heard: false, error }, Some(spare)) if !error.is_user() && !error.is_parse() => {
                Ok(spare)
            }
            (lost, _) => Err(lost.answer()),
        }
    }

    fn answer(self) -> Answer {
        match self {
            Self::Overdue(Overdue::Body) => answer::CLIENT_SILENT,
            Self::Overdue(_) => answer::MEMBER_SILENT,
            Self::Failed { error, .. } if error.is_user() => answer::BROKEN_BODY,
            Self::Failed { error, .. } if error.is_parse() => answer::BAD_RESPONSE,
            Self::Unsent(_) | Self::Failed { .. } => answer::MEMBER_GONE,
        }
    }
}

/// Sends the request and waits for the head of the answer, driving the member's connection meanwhile.
async fn ask(
    exchange: &Exchange,
    upstream: &mut Upstream,
    outgoing: Outgoing,
) -> Result<Response<Incoming>, Lost> {
    let repeatable = outgoing.repeatable;
    upstream.heard.set(false);
    exchange.waits_for_member();
    let mut sending = pin!(upstream.sender.try_send_request(outgoing.into_request()));
    // The request lies ready in the connection: it leaves with the first drive.
    let answered = poll_fn(|cx| {
        if let Some(overdue) = exchange.take_overdue() {
            return Poll::Ready(Err(Lost::Overdue(overdue)));
        }
        let heard = upstream.heard.clone();
        poll_with(upstream, cx, |cx| sending.as_mut().poll(cx)).map_err(|mut error| {
            match error.take_message() {
                Some(request) => Lost::Unsent(Box::new(Outgoing::from_request(request, repeatable))),
                None => Lost::Failed { heard: heard.get(), error: error.into_error() },
            }
        })
    })
    .await;
    exchange.waits.borrow_mut().end();
    answered
}

fn respond(
    exchange: &Rc<Exchange>,
    asked: Option<&Asked>,
    response: Response<Incoming>,
    mut upstream: Box<Upstream>,
    lease: Lease,
) -> Result<Response<ResponseBody>, Answer> {
    let (mut parts, incoming) = response.into_parts();
    if let Some(asked) = asked.filter(|asked| asked.is_granted(&parts)) {
        // A member that answers what it cannot have read whole has not ended the HTTP before it.
        let ended = upstream.has_ended();
        return if ended {
            Ok(tunnel::grant(&exchange.connection, asked, parts, upstream, lease))
        } else {
            Err(answer::BAD_RESPONSE)
        };
    }
    if !guard::is_sound(&parts) {
        return Err(answer::BAD_RESPONSE);
    }
    if login::is_asked(&parts) {
        upstream.keep_for_client();
        exchange.connection.own.logs_in_at(lease.member().id);
    }
    parts.version = Version::HTTP_11;
    headers::strip(&mut parts.headers);
    let body = MemberBody::new(incoming, Rc::clone(exchange), upstream, lease);
    Ok(Response::from_parts(parts, ResponseBody::member(body)))
}
