//! What the rules of a listener make of a request: where it goes, or its answer.

use super::answer::{self, Turned};
use super::body::ResponseBody;
use super::exchange::Exchange;
use super::rules::{Action, Filled, Fixed, Subject, Undecided};
use super::{gates, heads};
use crate::pool::Pool;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use hyper::{Method, Response, StatusCode, Uri};
use std::sync::Arc;

/// What the rules say of a request.
pub(super) struct Ruling<'a> {
    pub(super) fate: Fate<'a>,
    /// Names that only rules give a value, in trailers too.
    pub(super) taken: Vec<HeaderName>,
    /// What changes in its answer.
    pub(super) answer_edits: Vec<Filled>,
}

/// What becomes of a request.
pub(super) enum Fate<'a> {
    /// It goes to this pool.
    Forward(&'a Arc<Pool>),
    /// It is answered here.
    Answer(Box<Response<ResponseBody>>),
}

/// Asks the rules, and makes their changes to the request. It is as a member would get it.
pub(super) async fn rule<'a>(
    exchange: &'a Exchange,
    (method, uri, headers): (&Method, &mut Uri, &mut HeaderMap),
) -> Result<Ruling<'a>, Turned> {
    let Exchange { route, connection, .. } = exchange;
    if route.rules.is_empty() {
        return Ok(Ruling { fate: Fate::Forward(&route.pool), taken: Vec::new(), answer_edits: Vec::new() });
    }
    let mut subject = Subject {
        method,
        uri,
        headers,
        client: exchange.client.get(),
        sni: connection.told.as_deref().and_then(|told| told.server_name()),
        user: None,
        secure: route.termination.is_some(),
        port: connection.ends.map(|ends| ends.destination().port()),
    };
    let decision = route.rules.decide(&subject).map_err(|undecided| match undecided {
        Undecided::TwoPaths => answer::DOUBTFUL_PATH,
        Undecided::NoPath => answer::NO_PATH,
    })?;
    for place in &decision.fitting {
        route.rule_counts[*place].fitted(connection.local.index());
    }
    let mut keeps_password = false;
    for gates in decision.fitting.iter().map(|place| &route.gates[*place]) {
        if let Some(user) = gates.pass(exchange, headers).await? {
            exchange.logged_in(user);
        }
        keeps_password |= gates.keeps_password();
    }
    subject.user = exchange.user();
    let fate = match decision.action {
        None => Fate::Forward(&route.pool),
        Some(Action::Pool(pool)) => Fate::Forward(pool),
        Some(Action::Deny(status)) => return Err(answer::denied(*status).into()),
        Some(Action::Redirect(redirect)) => {
            let mut response = respond(exchange, redirect.status, ResponseBody::text(""));
            response.headers_mut().insert(LOCATION, redirect.location(&subject));
            Fate::Answer(Box::new(response))
        }
        Some(Action::Answer(Fixed { status, content_type, body })) => {
            let mut response = respond(exchange, *status, ResponseBody::text(body.clone()));
            if !body.is_empty() {
                response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
            }
            Fate::Answer(Box::new(response))
        }
    };
    let changes = route.rules.changes(&decision.fitting, &subject).map_err(|_| answer::UNFIT)?;
    if keeps_password {
        gates::forget_password(headers);
    }
    let (taken, answer_edits) = heads::edit(changes, (uri, headers));
    Ok(Ruling { fate, taken, answer_edits })
}

/// An answer of our own. It ends the connection if a body is on its way that nobody will read.
fn respond(exchange: &Exchange, status: StatusCode, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if exchange.connection.is_unread() {
        exchange.connection.ends_behind(response.headers_mut());
    }
    response
}
