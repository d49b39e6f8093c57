//! Which rules of a listener a request fits, and what becomes of it. Pure.
//!
//! Rules are compiled when a configuration is made. They are asked in the order of the file; the first that fits and
//! has an action ends the search. Conditions see the request as a member would get it: without the fields that end
//! here, and with the forwarding fields that are believed. Their paths are [plain](path); a request of whose path there
//! are two readings must fit the same rules by both.

mod condition;
mod edit;
mod path;
mod rewrite;
mod subject;
mod template;

pub(crate) use edit::{Filled, apply, forget, names_taken};
pub(crate) use rewrite::Unfit;
pub(crate) use subject::Subject;

use ::http::header::HeaderValue;
use ::http::{StatusCode, Uri};
use bytes::Bytes;
use condition::Condition;
use config::model;
use config::model::{RuleAction, Template};
use edit::Edit;

/// The rules of one listener. `P` is what stands for a pool.
#[derive(Debug)]
pub(crate) struct Rules<P> {
    rules: Vec<Rule<P>>,
    /// Whether a condition looks at the path.
    looks_at_paths: bool,
}

#[derive(Debug)]
struct Rule<P> {
    when: Condition,
    /// Of targets.
    target_edits: rewrite::Edits,
    /// Of requests.
    edits: Vec<Edit>,
    /// Of answers.
    answer_edits: Vec<Edit>,
    action: Option<Action<P>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Action<P> {
    /// It goes to this pool.
    Pool(P),
    /// Its client is sent elsewhere.
    Redirect(Redirect),
    /// It is refused.
    Deny(StatusCode),
    /// It gets this answer.
    Answer(Fixed),
}

/// Where clients are sent.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) status: StatusCode,
    to: Template,
}

/// An answer of the file.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    pub(crate) status: StatusCode,
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
}

/// What the rules say of a request.
#[derive(Debug)]
pub(crate) struct Decision<'a, P> {
    /// The places of the rules that it fits, in order.
    pub(crate) fitting: Vec<usize>,
    /// What becomes of it, if they say so.
    pub(crate) action: Option<&'a Action<P>>,
}

/// What rules change on the way of a request and of its answer.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The target that a member gets, if it is not the one that came.
    pub(crate) target: Option<Uri>,
    pub(crate) request: Vec<Filled>,
    pub(crate) answer: Vec<Filled>,
}

/// A rule would judge a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// It can be read in two ways.
    TwoPaths,
    /// There is none: `CONNECT` has a host and a port.
    NoPath,
}

impl<P> Default for Rules<P> {
    fn default() -> Self {
        Self { rules: Vec::new(), looks_at_paths: false }
    }
}

impl<P> Rules<P> {
    /// Compiles the rules of a listener; `pool` finds the pool of a name. A rule whose pool is not found has no action.
    pub(crate) fn new(rules: &[model::Rule], pool: impl Fn(&str) -> Option<P>) -> Self {
        let rule = |rule: &model::Rule| Rule {
            when: Condition::new(&rule.when),
            target_edits: rewrite::Edits::new(&rule.request_path, &rule.request_query),
            edits: Edit::all_of(&rule.request_headers),
            answer_edits: Edit::all_of(&rule.response_headers),
            action: rule.action.as_ref().and_then(|action| Action::new(action, &pool)),
        };
        let rules: Vec<_> = rules.iter().map(rule).collect();
        let looks_at_paths = rules.iter().any(|rule| rule.when.looks_at_path());
        Self { rules, looks_at_paths }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The pools that requests may go to, those of several rules as often.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &P> {
        self.rules.iter().filter_map(|rule| match &rule.action {
            Some(Action::Pool(pool)) => Some(pool),
            Some(Action::Redirect(_) | Action::Deny(_) | Action::Answer(_)) | None => None,
        })
    }

    /// What becomes of a request.
    pub(crate) fn decide(&self, subject: &Subject<'_>) -> Result<Decision<'_, P>, Undecided> {
        if !self.looks_at_paths {
            return self.judge(subject, &[]);
        }
        let plain = path::plain(subject.uri.path()).ok_or(Undecided::TwoPaths)?;
        let decision = self.judge(subject, &plain)?;
        if let Some(path) = path::without_parameters(&plain)
            && self.judge(subject, &path)?.fitting != decision.fitting
        {
            return Err(Undecided::TwoPaths);
        }
        Ok(decision)
    }

    /// The same, by one reading of the path; it is empty if there is none.
    fn judge(&self, subject: &Subject<'_>, path: &[u8]) -> Result<Decision<'_, P>, Undecided> {
        let host = subject.host_key();
        let mut fitting = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            if !rule.when.holds_beside_path(subject, &host) {
                continue;
            }
            if path.is_empty() && rule.when.looks_at_path() {
                return Err(Undecided::NoPath);
            }
            if !rule.when.takes_path(path) {
                continue;
            }
            fitting.push(place);
            if let Some(action) = &rule.action {
                return Ok(Decision { fitting, action: Some(action) });
            }
        }
        Ok(Decision { fitting, action: None })
    }

    /// What rules change, by what the request has.
    pub(crate) fn changes(&self, fitting: &[usize], subject: &Subject<'_>) -> Result<Changes, Unfit> {
        let rules = fitting.iter().map(|place| &self.rules[*place]);
        let fill = |of: fn(&Rule<P>) -> &[Edit]| {
            let edits = rules.clone().flat_map(of);
            edits.map(|edit| edit.fill(subject)).collect::<Result<Vec<_>, Unfit>>()
        };
        Ok(Changes {
            target: rewrite::edit(rules.clone().map(|rule| &rule.target_edits), subject)?,
            request: fill(|rule| &rule.edits)?,
            answer: fill(|rule| &rule.answer_edits)?,
        })
    }
}

impl<P> Action<P> {
    fn new(action: &RuleAction, pool: impl Fn(&str) -> Option<P>) -> Option<Self> {
        // The model holds only statuses of three digits.
        let status = |code: u16| StatusCode::from_u16(code).ok();
        Some(match action {
            RuleAction::Pool(name) => Self::Pool(pool(name)?),
            RuleAction::Deny(code) => Self::Deny(status(*code)?),
            RuleAction::Redirect(redirect) => {
                Self::Redirect(Redirect { status: status(redirect.status)?, to: redirect.to.clone() })
            }
            RuleAction::Answer(answer) => Self::Answer(Fixed {
                status: status(answer.status)?,
                content_type: template::header_value(answer.content_type.as_bytes()),
                body: Bytes::from(answer.body.clone()),
            }),
        })
    }
}

impl Redirect {
    /// The value of `Location` for a request.
    pub(crate) fn location(&self, subject: &Subject<'_>) -> HeaderValue {
        template::location(&self.to, subject)
    }
}

#[cfg(test)]
mod tests;
