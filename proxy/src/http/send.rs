//! From a request to a member's answer: a place at a member, a connection, the exchange, and another try where that is
//! safe.

use super::answer::{self, Answer};
use super::body::{MemberBody, ResponseBody};
use super::bond::Bond;
use super::deadlines::Overdue;
use super::exchange::Exchange;
use super::outgoing::Outgoing;
use super::upgrade::Asked;
use super::{guard, headers, login, tunnel};
use crate::dial::{Dial, First, NoMember};
use crate::identity;
use crate::pool::{Lease, Pool};
use crate::upstream::{Seeker, Upstream, poll_with};
use hyper::body::Incoming;
use hyper::{Response, Version};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

/// Why an exchange brought no answer.
enum Lost {
    /// The request did not leave: it may go another way, whatever it is.
    Unsent(Box<Outgoing>),
    /// The request may have been acted on. `heard`: the member had begun to answer.
    Failed { heard: bool, error: hyper::Error },
    /// Somebody was silent for too long.
    Overdue(Overdue),
}

/// Sends a request to a member of the pool, and to others where that is safe.
pub(super) async fn send(
    exchange: &Rc<Exchange>,
    pool: &Arc<Pool>,
    (outgoing, asked): (Outgoing, Option<Asked>),
    bond: &mut Bond,
) -> Result<Response<ResponseBody>, Answer> {
    let connection = &exchange.connection;
    let mut dial = Dial::new(&connection.local, pool, &exchange.route.timeout, exchange.client.get());
    let told = connection.told.as_ref();
    let repeatable = outgoing.repeatable;
    if let Some(member) = connection.own.login().or(bond.own()) {
        dial.prefer(member);
    }
    let mut outgoing = outgoing;
    loop {
        let lease = dial.next().await.map_err(|none| match none {
            NoMember::AllOut => answer::NO_MEMBER,
            NoMember::AllTried => answer::UNREACHABLE,
            NoMember::Shortage => answer::SHORTAGE,
            NoMember::QueueFull => answer::QUEUE_FULL,
            NoMember::QueueTimeout => answer::QUEUE_TIMEOUT,
        })?;
        let member = Arc::clone(lease.member());
        bond.goes_to(exchange, dial.pool(), &member);
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
