//! One request: judged, rewritten, sent to a member, answered.

use super::answer::{self, Answer, Turned};
use super::body::{Content, RequestBody, ResponseBody, Wait};
use super::bond::Bond;
use super::compression::{self, Packer, Wish};
use super::exchange::{Exchange, Underway};
use super::framing::Fault;
use super::heads::{self, Around};
use super::outgoing::{Head, Outgoing};
use super::ruling::{self, Fate, Ruling};
use super::send::send;
use super::upgrade::{self, Asked};
use super::{guard, http2, rules};
use crate::counts::Failure;
use crate::shortage::Shortage;
use crate::worker::Spare;
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, EXPECT, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::response;
use hyper::{Method, Request, Response, StatusCode, Version};
use std::rc::Rc;

/// Answers one request, whose target may be [bare](guard::is_bare), whatever happens. What takes no waiting is done at
/// once: whoever waits keeps little of the request.
pub(crate) fn forward(
    underway: Underway,
    request: Request<Content>,
    is_bare: bool,
) -> impl Future<Output = Response<ResponseBody>> {
    underway.asks(&request);
    let (method, version, fields) = (request.method(), request.version(), request.headers());
    let is_head = method == Method::HEAD;
    let wish = compression::wish(&underway.route.compression, (method, version, fields));
    let judged = prepare(&underway, request, is_bare);
    // RFC 9113 §8.1.1.
    let is_malformed = version == Version::HTTP_2
        && judged.as_ref().err().is_some_and(|refused| refused.status == StatusCode::BAD_REQUEST);
    async move {
        let answered = match judged {
            Ok(judged) => ruled(&underway, judged).await,
            Err(refused) => Err(refused.into()),
        };
        let mut response = answered.unwrap_or_else(|turned| refused(&underway, turned));
        if is_malformed {
            response = response.map(|body| body.reset_behind(&underway.connection));
        } else {
            response = packed(&underway, response, wish, is_head);
        }
        if is_head {
            without_content(&mut response);
        }
        finished(underway, response)
    }
}

/// What the client gets where nothing is to be forwarded, or nothing came of it.
fn refused(exchange: &Exchange, Turned { answer, field }: Turned) -> Response<ResponseBody> {
    let connection = &exchange.connection;
    // Whoever takes the body tells only that it broke off.
    let answer = if connection.is_body_lost() { answer::to_fault(Fault::Chunk) } else { answer };
    tracing::debug!(
        client = connection.client.map(display),
        listener = exchange.route.name,
        ?answer,
        "request is answered here"
    );
    match answer.failure {
        Some(failure) => exchange.failed(failure),
        None => exchange.progress.borrow_mut().answered_here(!answer.status.is_success()),
    }
    let mut response = answer.response(&exchange.route.pages);
    response.headers_mut().extend(field);
    if connection.is_unread() || answer.ends_connection() {
        connection.ends_behind(response.headers_mut());
    }
    response
}

/// The response as the client takes it best. What a member answers to a HEAD is told like what GET would bring.
fn packed(
    exchange: &Exchange,
    response: Response<ResponseBody>,
    wish: Option<Wish>,
    is_head: bool,
) -> Response<ResponseBody> {
    let Some(Wish { coding }) = wish else { return response };
    let (mut parts, body) = response.into_parts();
    let tells_alone = is_head && body.is_end_stream();
    let length = if tells_alone { told_length(&parts) } else { body.size_hint().exact() };
    if !compression::fits(&parts, length) {
        return Response::from_parts(parts, body);
    }
    if tells_alone {
        compression::tell(&mut parts.headers, coding);
        return Response::from_parts(parts, body);
    }
    // Without memory for it the response goes as it is.
    let packer = coding.and_then(|coding| {
        let local = &exchange.connection.local;
        let memory = Spare::take(local, Packer::size(coding)).or_else(|| {
            if let Some(more) = local.admit_shortage(Shortage::Compression) {
                tracing::warn!(more, "memory is short: an answer is not compressed");
            }
            None
        })?;
        Packer::new(coding).ok().zip(Some(memory))
    });
    compression::tell(&mut parts.headers, coding.filter(|_| packer.is_some()));
    Response::from_parts(parts, body.packed_by(packer))
}

/// What the head says of the length.
fn told_length(parts: &response::Parts) -> Option<u64> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The answer to a HEAD (RFC 9110 §9.3.2). A member's has no content, and says itself how much there would be.
fn without_content(response: &mut Response<ResponseBody>) {
    if let Some(octets) = response.body_mut().take_own() {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| octets.into());
    }
}

/// Every response passes here on its way to the client, whoever made it.
fn finished(underway: Underway, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let Exchange { connection, route, is_in_force, .. } = &**underway;
    let (upgrade, switched) = (underway.upgrade.take(), underway.take_switched());
    if upgrade.is_some() && switched.is_none() && response.status().is_success() {
        // Whoever asks for a tunnel would take it for one.
        underway.failed(Failure::BadResponse);
        response = answer::BAD_RESPONSE.response(&route.pages);
    }
    // A connection that becomes another has no next request.
    let has_next = switched.is_none() || upgrade.is_some();
    if has_next && (!is_in_force || connection.is_leaving()) {
        connection.leaves(response.headers_mut());
    }
    connection.keeps_to_tls(route, response.headers_mut());
    underway.responds(response.status());
    if underway.connection.is_http2() && !underway.is_left() {
        underway.sends(head_size(&response));
    }
    route.counts.answered(connection.local.index(), response.status());
    match (upgrade, switched) {
        (Some(upgrade), Some(switched)) => {
            let (connection, exchange) = (Rc::clone(connection), Rc::clone(&underway));
            // The task that sends what is written into the tunnel, which must end when that is broken off.
            connection.next_task_is_of(&exchange);
            connection.spawn(exchange, http2::connect::carry(underway, upgrade, *switched));
            return response;
        }
        (None, Some(switched)) => connection.switches(switched),
        (_, None) => {}
    }
    response.map(|body| body.until_end(underway))
}

/// Octets of a head as HTTP/1.1 writes it: the status line, the fields, and the empty line.
fn head_size<B>(response: &Response<B>) -> usize {
    const STATUS_LINE: usize = "HTTP/1.1 200 OK\r\n".len();
    let fields = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    STATUS_LINE + fields.sum::<usize>() + 2
}

/// Does with the request what the rules say.
async fn ruled(
    exchange: &Rc<Exchange>,
    (mut outgoing, asked): (Box<Outgoing>, Option<Asked>),
) -> Result<Response<ResponseBody>, Turned> {
    let Head { method, uri, headers } = &mut outgoing.head;
    let Ruling { fate, taken, answer_edits } = ruling::rule(exchange, (method, uri, headers)).await?;
    outgoing.body.withhold(taken);
    let (mut response, bond) = match fate {
        Fate::Forward(pool) => {
            let mut bond = Bond::of(exchange, pool, (method, uri, headers));
            (send(exchange, pool, (outgoing, asked), &mut bond).await?, Some(bond))
        }
        Fate::Answer(response) => {
            exchange.progress.borrow_mut().answered_here(false);
            (*response, None)
        }
    };
    rules::apply(answer_edits, response.headers_mut());
    if let Some(bond) = bond {
        bond.answered(exchange, response.headers_mut());
    }
    Ok(response)
}

fn prepare(
    exchange: &Rc<Exchange>,
    request: Request<Content>,
    is_bare: bool,
) -> Result<(Box<Outgoing>, Option<Asked>), Answer> {
    let Exchange { connection, route, .. } = &**exchange;
    let (mut parts, content) = request.into_parts();
    if !exchange.has_room {
        return Err(answer::NO_ROOM);
    }
    let mut asked = None;
    if parts.version == Version::HTTP_2 {
        http2::head::settle(&mut parts, route.limits).map_err(answer::to_fault)?;
        asked = http2::connect::receive(exchange, &mut parts)?;
    }
    let target = guard::judge(&parts, is_bare).map_err(answer::to_refusal)?;
    let asked = asked.or_else(|| upgrade::asked(&parts).filter(|_| content.is_none()));
    let Parts { method, version, mut headers, .. } = parts;
    if version == Version::HTTP_10 {
        // It means nothing there, and nobody would hear the answer (RFC 9110 §10.1.1).
        headers.remove(EXPECT);
    }
    let around = Around {
        known: connection.known(),
        asked: asked.as_ref(),
        certificate: route.teller.tells_certificate().then(|| connection.certificate()),
    };
    let (uri, client) = heads::settle(&mut headers, target, &route.teller, around);
    exchange.client.set(client);
    let body = if content.is_none() {
        RequestBody::Empty
    } else {
        if !headers.contains_key(CONTENT_LENGTH) {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let expects =
            headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let wait = expects.then(|| Box::new(Wait::new()));
        let withheld = Vec::from_iter(route.teller.withheld().cloned());
        RequestBody::Client { content, exchange: Rc::clone(exchange), wait, withheld }
    };
    let repeatable = method.is_idempotent() && matches!(body, RequestBody::Empty);
    let head = Head { method, uri, headers };
    Ok((Box::new(Outgoing { head, body, repeatable }), asked))
}
