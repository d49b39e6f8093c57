//! From a request to a member's answer: a place at a member, a connection, the exchange, and another try where that is
//! safe.

mod http1;
mod http2;

pub(super) use http2::Pumping;

use super::answer::{self, Answer};
use super::body::{MemberBody, ResponseBody};
use super::bond::Bond;
use super::deadlines::Overdue;
use super::exchange::Exchange;
use super::outgoing::Outgoing;
use super::reply::Reply;
use super::upgrade::Asked;
use super::{guard, headers, login, tunnel};
use crate::clock::now;
use crate::dial::{Dial, First, NoMember};
use crate::identity;
use crate::pool::{Lease, MemberState, Pool};
use crate::turn;
use crate::upstream::{Refusals, Seeker, Upstream};
use config::model::HttpVersion;
use hyper::header::CONTENT_LENGTH;
use hyper::{Response, StatusCode, Version};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// Why an exchange brought no answer, with the request where it may go another way.
enum Lost<T = Box<Outgoing>> {
    /// The connection took it no more: nobody has acted on it, whatever it is.
    Unsent(T),
    /// The member is well and has left it alone: this connection takes no more.
    Leaving(T),
    /// The member is well and has left it alone: it takes others.
    Refused(T),
    /// The request may have been acted on. `heard`: the member had begun to answer.
    Failed { heard: bool, why: Why, failed: T },
    /// Somebody was silent for too long.
    Overdue(Overdue),
    /// It is not one that this member can be sent.
    Unfit(Answer),
}

#[derive(Clone, Copy)]
enum Why {
    /// The client broke off what it sent.
    Client,
    /// The member did not speak HTTP.
    Malformed,
    /// The member broke off.
    Gone,
}

/// So often members may leave a request alone before that counts as a failed attempt.
const REFUSALS: usize = 3;

/// Where a request goes next.
enum Again {
    /// To the same member.
    Here(Box<Outgoing>),
    /// To wherever the pool says.
    Elsewhere(Box<Outgoing>),
    /// To another connection, and better to another member.
    Aside(Box<Outgoing>),
}

/// Sends a request to a member of the pool, and to others where that is safe.
pub(super) async fn send(
    exchange: &Rc<Exchange>,
    pool: &Arc<Pool>,
    (outgoing, asked): (Box<Outgoing>, Option<Asked>),
    bond: &mut Bond,
) -> Result<Response<ResponseBody>, Answer> {
    let connection = &exchange.connection;
    let client = exchange.client.get().map(|client| exchange.route.translated.counted(client));
    let mut dial = Dial::new(&connection.local, pool, &exchange.route.timeout, client);
    let repeatable = outgoing.repeatable;
    if let Some(member) = connection.own.login().or(bond.own()) {
        dial.prefer(member);
    }
    let (mut outgoing, mut refusals) = (outgoing, Refusals::default());
    exchange.seeks(&dial, None);
    loop {
        let next = dial.next().await;
        exchange.seeks(&dial, Some(&next));
        let lease = next.map_err(to_none)?;
        let member = Arc::clone(lease.member());
        bond.goes_to(exchange, dial.pool(), &member);
        loop {
            let upstream = reach(exchange, &dial, (&member, repeatable), &refusals).await;
            let Some(upstream) = exchange.reaches(upstream) else { break };
            let (reused, blame) = (upstream.is_reused(), upstream.blame());
            let answered = match ask(exchange, upstream, (outgoing, asked.as_ref())).await {
                Ok(response) => respond(exchange, asked.as_ref(), response, lease),
                Err(lost) => match lost.again(reused) {
                    Ok(Again::Here(again)) => {
                        outgoing = again;
                        refusals.add(blame);
                        if refusals.count() > REFUSALS {
                            break;
                        }
                        exchange.dials_anew(&mut dial);
                        continue;
                    }
                    Ok(Again::Elsewhere(again)) => {
                        outgoing = again;
                        dial.blame(&member);
                        break;
                    }
                    Ok(Again::Aside(again)) => {
                        outgoing = again;
                        refusals.add(blame);
                        if refusals.count() <= REFUSALS {
                            dial.was_left_alone();
                        }
                        break;
                    }
                    Err(answer) => Err(answer),
                },
            };
            if answered.as_ref().is_err_and(|answer| answer.blames_member()) && blame.is_due() {
                dial.blame(&member);
            }
            return answered;
        }
    }
}

const fn to_none(none: NoMember) -> Answer {
    match none {
        NoMember::AllOut => answer::NO_MEMBER,
        NoMember::AllTried => answer::UNREACHABLE,
        NoMember::Shortage => answer::SHORTAGE,
        NoMember::QueueFull => answer::QUEUE_FULL,
        NoMember::QueueTimeout => answer::QUEUE_TIMEOUT,
    }
}

/// A connection to the member: one that may be used again, or a new one.
async fn reach(
    exchange: &Exchange,
    dial: &Dial<'_>,
    (member, repeatable): (&Arc<MemberState>, bool),
    refusals: &Refusals,
) -> io::Result<Upstream> {
    let connection = &exchange.connection;
    let upstreams = &connection.local.upstreams;
    let config = &dial.pool().config;
    let (version, reuse, told) = (config.protocol, config.http_reuse, config.proxy_protocol);
    if version == HttpVersion::H1 && !exchange.has_heard() {
        turn::all_is_heard().await;
    }
    let seeker = Seeker { version, reuse, told, repeatable, first: exchange.is_first };
    let secured = dial.secured(member).ok();
    let wanted = (&connection.own, seeker, refusals);
    if let Some(kept) = secured.and_then(|secured| upstreams.check_out(member, secured, wanted)) {
        dial.reached(member);
        return Ok(kept);
    }
    let header = identity::header(told, connection.told.as_deref(), || identity::origin(connection.ends));
    let first = First { header, ahead: Vec::new() };
    // Most requests find a connection, and every one would have its room.
    Box::pin(upstreams.open(dial, member, wanted, &first)).await
}

impl Lost<()> {
    /// The same of this request.
    fn of(self, outgoing: impl FnOnce() -> Box<Outgoing>) -> Lost {
        match self {
            Self::Unsent(()) => Lost::Unsent(outgoing()),
            Self::Leaving(()) => Lost::Leaving(outgoing()),
            Self::Refused(()) => Lost::Refused(outgoing()),
            Self::Failed { heard, why, failed: () } => Lost::Failed { heard, why, failed: outgoing() },
            Self::Overdue(overdue) => Lost::Overdue(overdue),
            Self::Unfit(answer) => Lost::Unfit(answer),
        }
    }
}

impl Lost {
    /// The request for a second try, where that is safe: nobody has acted on it, or it may be repeated and the connection
    /// had been idle, so that the member may just have closed it.
    fn again(self, reused: bool) -> Result<Again, Answer> {
        Err(match self {
            Self::Unsent(unsent) if reused => return Ok(Again::Here(unsent)),
            Self::Unsent(unsent) => return Ok(Again::Elsewhere(unsent)),
            Self::Leaving(left) => return Ok(Again::Here(left)),
            Self::Refused(left) => return Ok(Again::Aside(left)),
            Self::Failed { heard: false, why: Why::Gone, failed } if reused && failed.repeatable => {
                return Ok(Again::Here(failed));
            }
            Self::Failed { why: Why::Client, .. } => answer::BROKEN_BODY,
            Self::Failed { why: Why::Malformed, .. } => answer::BAD_RESPONSE,
            Self::Failed { why: Why::Gone, .. } => answer::MEMBER_GONE,
            Self::Overdue(Overdue::Body) => answer::CLIENT_SILENT,
            Self::Overdue(_) => answer::MEMBER_SILENT,
            Self::Unfit(answer) => answer,
        })
    }
}

/// Sends the request and waits for the head of the answer.
async fn ask(
    exchange: &Exchange,
    upstream: Upstream,
    (outgoing, asked): (Box<Outgoing>, Option<&Asked>),
) -> Result<Response<Reply>, Lost> {
    let answered = match upstream {
        Upstream::Http1(upstream) => http1::ask(exchange, upstream, outgoing).await,
        // Most pools speak HTTP/1.1, and every request would have its room.
        Upstream::Http2(stream) => {
            let connect = asked.and_then(|asked| asked.over_http2(&outgoing.head.method));
            Box::pin(http2::ask(exchange, stream, (outgoing, connect))).await
        }
    };
    exchange.waits.borrow_mut().end();
    answered
}

fn respond(
    exchange: &Rc<Exchange>,
    asked: Option<&Asked>,
    response: Response<Reply>,
    lease: Lease,
) -> Result<Response<ResponseBody>, Answer> {
    let (mut parts, mut reply) = response.into_parts();
    let granted = asked.filter(|asked| reply.grants(asked, &parts));
    if granted.is_none() && !guard::is_sound(&parts) {
        return Err(answer::BAD_RESPONSE);
    }
    exchange.progress.borrow_mut().answered(now());
    if let Some(asked) = granted {
        // A member that answers what it cannot have read whole has not ended the HTTP before it.
        let granting = reply.into_granting().ok_or(answer::BAD_RESPONSE)?;
        return Ok(tunnel::grant(exchange, asked, parts, granting, lease));
    }
    if login::is_asked(&parts) {
        reply.keep_for_client(&exchange.connection);
        exchange.connection.own.logs_in_at(lease.member().id);
    }
    parts.version = Version::HTTP_11;
    headers::strip(&mut parts.headers);
    if parts.status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6.
        parts.headers.remove(CONTENT_LENGTH);
    }
    let length = parts.headers.get(CONTENT_LENGTH);
    reply.expect(length.and_then(|length| length.to_str().ok()?.parse().ok()));
    let body = MemberBody::new(reply, Rc::clone(exchange), lease);
    Ok(Response::from_parts(parts, ResponseBody::member(body)))
}
