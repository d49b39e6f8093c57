//! Step by step, why a question is answered as it is. Pure: the stages of the way that a question takes are asked again
//! about what is known of it, and their reasons written down.

use crate::answer::{Answer, Outcome};
use crate::gate::{Reception, Terms};
use crate::hosts;
use crate::plan::{self, Known, Plan};
use crate::policy::{Policy, Synthesis, View};
use crate::question::{DropReason, Question};
use crate::synth::{self, Verdict};
use crate::{ipv4only, reverse, special};
use addr::fold_mapped;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record, RecordType};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// What it is about.
    pub(crate) topic: &'static str,
    pub(crate) text: String,
}

/// What is remembered of a question's upstream answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    /// The answer to the question itself, or why there is none; `None` where nothing is remembered.
    pub(crate) first: Option<Outcome>,
    /// That to the same question about A.
    pub(crate) a: Option<Outcome>,
}

/// Who asks what, and what is known.
pub(crate) struct Case<'a> {
    pub(crate) question: &'a Question,
    pub(crate) client: IpAddr,
    pub(crate) policy: &'a Policy,
    pub(crate) known: Known<'a>,
    pub(crate) remembered: &'a Remembered,
}

impl Case<'_> {
    /// All steps, in the order in which they are taken.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let view = self.policy.view(self.client);
        let mut steps = vec![step("client", self.whose(view))];
        match plan::plan(self.question, self.policy, view, &self.known) {
            Plan::Local(_) => steps.push(step("name", self.local(view).to_owned())),
            Plan::Forward => {
                steps.push(step("plan", self.forwarded(view)));
                steps.push(step("upstream", self.told(self.remembered.first.as_ref(), self.question.qtype)));
            }
            Plan::Strip => {
                steps.push(step("plan", "asked upstream, and passed on without IPv4 hints".to_owned()));
                steps.push(step("upstream", self.told(self.remembered.first.as_ref(), self.question.qtype)));
            }
            Plan::Reverse(chase) => {
                let text = format!(
                    "the name is an address under a prefix: {} {} is asked upstream",
                    chase.target(),
                    chase.qtype
                );
                steps.push(step("plan", text));
            }
            Plan::Synthesize(synthesis) => self.synthesis(&synthesis, &mut steps),
        }
        steps
    }

    /// Which entry the client has, and what that gives.
    fn whose(&self, view: &View) -> String {
        let client = self.client;
        let entry = match self.policy.entry(client) {
            Some(entry) => format!("{client} is in [[dns64.client]] number {}", entry + 1),
            None if self.policy.has_entries() => format!("{client} is in no [[dns64.client]]"),
            None => format!("{client} is answered as everyone is"),
        };
        match view.synthesis() {
            None => format!("{entry}: nothing is synthesized for it"),
            Some(synthesis) => {
                let prefixes: Vec<_> =
                    synthesis.prefixes.iter().map(|rule| rule.prefix.to_string()).collect();
                format!("{entry}: AAAA records are made with {}", prefixes.join(", "))
            }
        }
    }

    /// Who answers a name that is not asked upstream.
    fn local(&self, view: &View) -> &'static str {
        let (question, known) = (self.question, &self.known);
        if ipv4only::answer(question, view.synthesis().map(AsRef::as_ref)).is_some() {
            "answered here: it tells clients the prefix (RFC 8880)"
        } else if hosts::answer(question, known.hosts, None, known.now).is_some() {
            "answered here: it is in a hosts file, a lease or [[dns64.host]]"
        } else if reverse::find(question, self.policy.site()).is_some() {
            "answered here: it is the reverse name of an address under a prefix"
        } else if special::answer(question, known.special, known.hosts).is_some() {
            "answered here: it is a name that is not asked upstream"
        } else {
            "answered here, by rule"
        }
    }

    /// Why the question is forwarded plainly.
    fn forwarded(&self, view: &View) -> String {
        if self.question.qtype != RecordType::AAAA {
            return format!(
                "asked upstream and passed on: only AAAA is synthesized, not {}",
                self.question.qtype
            );
        }
        match plan::synthesis(self.question, view) {
            Err(why) => format!("asked upstream and passed on: {why}"),
            Ok(_) => "asked upstream and passed on".to_owned(),
        }
    }

    fn synthesis(&self, synthesis: &Synthesis, steps: &mut Vec<Step>) {
        steps.push(step("plan", "asked upstream for AAAA, and for A if there are none".to_owned()));
        let Remembered { first, a } = self.remembered;
        steps.push(step("AAAA", self.told(first.as_ref(), RecordType::AAAA)));
        let source = synthesis.source(&self.question.name);
        for address in addresses(first.as_ref()) {
            if let IpAddr::V6(v6) = address
                && let Err(why) = synthesis.judge_v6(v6, source)
            {
                steps.push(step("AAAA", format!("{v6} counts as absent: {why}")));
            }
        }
        let Some(outcome) = first else { return };
        let absent = match synth::judge(self.question, outcome.clone(), synthesis) {
            Verdict::Reply(_) => {
                steps.push(step("verdict", "that is the answer: nothing is synthesized".to_owned()));
                return;
            }
            Verdict::AskA(absent) => absent,
        };
        steps.push(step("verdict", format!("{}: A is needed", absent.reason())));
        steps.push(step("A", self.told(a.as_ref(), RecordType::A)));
        for address in addresses(a.as_ref()) {
            let IpAddr::V4(v4) = address else { continue };
            for (prefix, fate) in synthesis.judge_v4(v4, source) {
                let text = match fate {
                    Ok(v6) => format!("{v4} becomes {v6}"),
                    Err(why) => format!("{v4} does not go into {prefix}: {why}"),
                };
                steps.push(step("A", text));
            }
        }
    }

    /// What an upstream said.
    fn told(&self, outcome: Option<&Outcome>, qtype: RecordType) -> String {
        let name = &self.question.name;
        match outcome {
            None => {
                format!("nothing is remembered of {name} {qtype}: it may not be kept, or nobody answered")
            }
            Some(Err(failure)) => format!("{name} {qtype}: {failure}"),
            Some(Ok(answer)) => format!("{name} {qtype}: {}", said(answer)),
        }
    }
}

/// What the gate says to `client`, and the answer if it goes no further.
pub(crate) fn gate(terms: &Terms, client: SocketAddr) -> (Step, Option<String>) {
    let ip = fold_mapped(client.ip());
    let (text, answer) = match (terms.receive(client), &terms.allow_from) {
        (Ok(Reception::Welcome), None) => {
            ("let in: everyone may ask, without dns64.allow_from".to_owned(), None)
        }
        (Ok(Reception::Welcome), Some(allowed)) => {
            let own = allowed.iter().find(|net| net.contains(&ip));
            let own = own.map_or_else(|| ip.to_string(), ToString::to_string);
            (format!("let in: {own} is in dns64.allow_from"), None)
        }
        (Ok(Reception::Prohibited), _) => (
            format!("refused by dns64.allow_from: {ip} is in none of its networks"),
            Some(ResponseCode::Refused.to_string()),
        ),
        (Err(DropReason::Denied), _) => (
            format!(
                "dropped by dns64.allow_from: {ip} is in none of its networks, and dns64.denied is \"drop\""
            ),
            Some("nothing is sent".to_owned()),
        ),
        (Err(reason), _) => (format!("dropped: {}", reason.label()), Some("nothing is sent".to_owned())),
    };
    (step("gate", text), answer)
}

fn step(topic: &'static str, text: String) -> Step {
    Step { topic, text }
}

/// An answer in one line.
fn said(answer: &Answer) -> String {
    let records = answer.message().map(|message| message.answers).unwrap_or_default();
    let shown: Vec<_> = records.iter().map(shown).collect();
    let records = if shown.is_empty() { "no records".to_owned() } else { shown.join("; ") };
    let errors = answer
        .extended_errors()
        .iter()
        .map(|error| format!(" (extended error {}: {})", error.code, String::from_utf8_lossy(&error.text)));
    format!("{}, {records}{}", answer.rcode(), errors.collect::<Vec<_>>().concat())
}

/// A record in one line.
pub(crate) fn shown(record: &Record) -> String {
    format!("{} {} {} {}", record.name, record.ttl, record.record_type(), record.data)
}

fn addresses(outcome: Option<&Outcome>) -> Vec<IpAddr> {
    let Some(Ok(answer)) = outcome else { return Vec::new() };
    let records = answer.message().map(|message| message.answers).unwrap_or_default();
    let address = |record: &Record| match &record.data {
        RData::A(v4) => Some(IpAddr::V4(v4.0)),
        RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
        _ => None,
    };
    records.iter().filter_map(address).collect()
}
