//! `POST /explain`: what a client is answered, and why, step by step.
//!
//! The question goes the way that every question goes, and so the answer is the one that the client would have: from
//! the cache if it stands there, from the upstreams if not, and kept thereafter. A client that the gate turns away is
//! told why, and nothing is asked for it. The steps then say what was remembered on the way and what the rules made of it.

mod steps;
mod subject;

use crate::hosts::source::unix_time;
use crate::lookup;
use crate::metrics::Transport;
use crate::plan::Known;
use crate::query::{Edns, Query};
use crate::question::Question;
use crate::resolver::{Received, Shared};
use crate::wire::{HEADER, flag};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use serde::Serialize;
use service::{Explain, ExplainOption, accepts_json};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use steps::{Case, Remembered, Step, shown};
use subject::{GRAMMAR, Subject};

/// The command.
pub(crate) const COMMAND: Explain = Explain {
    subject: "NAME",
    about: "Ask the running daemon as a client would, and tell step by step why it answers as it does",
    grammar: GRAMMAR,
    options: &[ExplainOption {
        name: "client",
        value: "ADDRESS",
        about: "The client that asks; ::1 where it is left out",
    }],
};

/// The first of the ports that clients ask from.
const FIRST_PORT: u16 = 49_152;

/// The answer.
#[derive(Debug, Serialize)]
struct Explanation {
    name: String,
    #[serde(rename = "type")]
    qtype: String,
    client: IpAddr,
    /// Whether the answer was at hand before anyone was asked.
    at_hand: bool,
    steps: Vec<Step>,
    rcode: String,
    /// The answer section, a record a line.
    records: Vec<String>,
}

/// The route.
pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/explain", post(explain)).with_state(shared)
}

async fn explain(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let subject = match Subject::parse(&body) {
        Ok(subject) => subject,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let Some(explanation) = answer(&shared, &subject).await else {
        let why = "the daemon gave no answer that can be read\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, why).into_response();
    };
    if accepts_json(&headers) {
        Json(explanation).into_response()
    } else {
        ([(CONTENT_TYPE, "text/plain; charset=utf-8")], explanation.to_string()).into_response()
    }
}

/// Asks, and looks at what is remembered then.
async fn answer(shared: &Arc<Shared>, subject: &Subject) -> Option<Explanation> {
    let Subject { question, client } = subject;
    let mut out = Vec::new();
    // No listener's own: who asks from there is not answered.
    let is_free = |port: &u16| !shared.snapshot().terms.listen.iter().any(|own| own.port() == *port);
    let from = SocketAddr::new(*client, (FIRST_PORT..=u16::MAX).find(is_free)?);
    let (gate, turned_away) = steps::gate(&shared.snapshot().terms, from);
    if let Some(rcode) = turned_away {
        return Some(Explanation {
            name: question.name.to_string(),
            qtype: question.qtype.to_string(),
            client: *client,
            at_hand: true,
            steps: vec![gate],
            rcode,
            records: Vec::new(),
        });
    }
    let at_hand = match shared.receive(&encode(question), from, Transport::Tcp, &mut out) {
        Received::Nothing => return None,
        Received::Reply => true,
        Received::Job(job) => {
            job.run(&mut out).await;
            false
        }
    };
    let message = Message::from_vec(&out).ok()?;
    let (snapshot, hosts) = (shared.snapshot(), shared.hosts());
    let remembered = |qtype| {
        let query = Query::new(question, question.name, qtype);
        lookup::recall(shared, &snapshot, &query)
    };
    let a = (question.qtype == RecordType::AAAA).then(|| remembered(RecordType::A)).flatten();
    let remembered = Remembered { first: remembered(question.qtype), a };
    let known = Known { hosts: &hosts, special: &snapshot.special, now: unix_time() };
    let case = Case { question, client: *client, policy: &snapshot.policy, known, remembered: &remembered };
    Some(Explanation {
        name: question.name.to_string(),
        qtype: question.qtype.to_string(),
        client: *client,
        at_hand,
        steps: std::iter::once(gate).chain(case.steps()).collect(),
        rcode: message.metadata.response_code.to_string(),
        records: message.answers.iter().map(shown).collect(),
    })
}

/// The question as a client sends it.
fn encode(question: &Question) -> Vec<u8> {
    let query = Query::new(question, question.name, question.qtype);
    let mut message = Vec::new();
    query.encode(question.id, &question.name, Edns::Plain, &mut message);
    // Upstreams are asked with AD, clients ask without.
    message[..HEADER][3] &= !flag::AUTHENTIC_DATA.to_be_bytes()[1];
    message
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, qtype, client, at_hand, steps, rcode, records } = self;
        writeln!(f, "question     {name} {qtype} from {client}")?;
        for Step { topic, text } in steps {
            writeln!(f, "{topic:12} {text}")?;
        }
        let whence = if *at_hand { "at hand" } else { "asked upstream" };
        writeln!(f, "answer       {rcode}, {whence}")?;
        records.iter().try_for_each(|record| writeln!(f, "             {record}"))
    }
}
