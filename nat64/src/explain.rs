//! `POST /explain`: what would happen to a packet on this daemon as it is now.
//!
//! The body is the packet as [`translator::GRAMMAR`] has it; the answer is text, or JSON for whoever accepts that. The
//! translator, the leases and the routes in force are asked and left as they are.

use crate::lease::Glance;
use crate::metrics::Sources;
use crate::next_hop::Routed;
use crate::worker::unix_time;
use arc_swap::ArcSwap;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use service::{Explain, accepts_json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;
use translator::{Explanation, Leaving, Step, Translator, hex};

/// The command.
pub const COMMAND: Explain = Explain {
    subject: "PACKET",
    about: "Tell step by step what the running daemon would do with a packet, without doing it",
    grammar: translator::GRAMMAR,
    options: &[],
};

/// What is asked.
#[derive(Clone)]
struct Asked {
    translator: Arc<ArcSwap<Translator>>,
    sources: Sources,
    /// The time counts from here, as it does for workers, which start together with this.
    started: Instant,
}

/// The answer for machines.
#[derive(Debug, Serialize)]
struct Answer {
    /// The packet that was explained, in hexadecimal.
    packet: String,
    /// `forward`, `split`, `echo_reply`, `icmp_error` or `drop`.
    outcome: &'static str,
    /// `v6_to_v4` or `v4_to_v6`, of a packet that is translated.
    direction: Option<&'static str>,
    /// The drop reason of a packet that is not, as the metrics name it.
    reason: Option<&'static str>,
    meaning: Option<&'static str>,
    remedy: Option<&'static str>,
    steps: Vec<StepAnswer>,
    /// The packets that leave.
    leaving: Vec<LeavingAnswer>,
    /// ICMP errors that may leave in a second.
    icmp_error_rate: u32,
    /// ICMP errors that did not leave because of that.
    suppressed_icmp_errors: u64,
}

#[derive(Debug, Serialize)]
struct StepAnswer {
    topic: &'static str,
    text: String,
    /// The drop reason, if the packet is refused here.
    refused: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct LeavingAnswer {
    text: String,
    hex: String,
}

/// The route.
pub fn routes(translator: Arc<ArcSwap<Translator>>, sources: Sources) -> Router {
    let asked = Asked { translator, sources, started: Instant::now() };
    Router::new().route("/explain", post(explain)).with_state(asked)
}

async fn explain(State(asked): State<Asked>, headers: HeaderMap, body: String) -> Response {
    let packet = match translator::parse_sketch(&body) {
        Ok(packet) => packet,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let pool = Glance { pool: &asked.sources.pool, now: unix_time() };
    let now = asked.started.elapsed();
    let explanation = asked.translator.load().explain(&packet, &pool, &mut Routed::default(), now);
    let suppressed = asked.sources.suppressed_icmp_errors();
    if accepts_json(&headers) {
        Json(Answer::new(&packet, explanation, suppressed)).into_response()
    } else {
        let mut text = explanation.to_string();
        if explanation.outcome() == "icmp_error" {
            writeln!(text, "so far       {suppressed} ICMP errors did not leave because of that limit")
                .expect("writing to a String cannot fail");
        }
        ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
    }
}

impl Answer {
    fn new(packet: &[u8], explanation: Explanation, suppressed_icmp_errors: u64) -> Self {
        let reason = explanation.reason();
        Self {
            packet: hex(packet),
            outcome: explanation.outcome(),
            direction: explanation.direction().map(translator::Direction::label),
            reason: reason.map(translator::DropReason::label),
            meaning: reason.map(translator::DropReason::meaning),
            remedy: reason.map(translator::DropReason::remedy),
            icmp_error_rate: explanation.icmp_error_rate,
            suppressed_icmp_errors,
            steps: explanation.steps.into_iter().map(StepAnswer::from).collect(),
            leaving: explanation.leaving.into_iter().map(LeavingAnswer::from).collect(),
        }
    }
}

impl From<Step> for StepAnswer {
    fn from(Step { topic, text, refused }: Step) -> Self {
        Self { topic, text, refused: refused.map(translator::DropReason::label) }
    }
}

impl From<Leaving> for LeavingAnswer {
    fn from(Leaving { text, bytes }: Leaving) -> Self {
        Self { text, hex: hex(&bytes) }
    }
}
