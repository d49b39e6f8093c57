//! What holds up the requests that a rule fits: its rate, and then whether their clients may pass.

use super::answer::{self, Turned};
use super::auth::{Books, Guard};
use super::exchange::Exchange;
use super::limiter::Limiter;
use crate::clock::now;
use config::model::Rule;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use std::sync::Arc;

/// Those of one rule.
#[derive(Debug)]
pub(crate) struct Gates {
    /// The rule's name, or its place.
    label: String,
    limiter: Option<Arc<Limiter>>,
    guard: Option<Guard>,
}

impl Gates {
    /// Those of all rules of a listener, in their order. Accounts go on under the same label while the rate is the same.
    pub(crate) fn all_of(rules: &[Rule], books: &Books, previous: &[Self]) -> Vec<Self> {
        let gates = rules.iter().enumerate().map(|(place, rule)| {
            let label = rule.name.clone().unwrap_or_else(|| (place + 1).to_string());
            let old = previous.iter().find(|old| old.label == label);
            let limiter = rule.rate.as_ref().map(|rate| {
                let old = old.and_then(|old| old.limiter.clone()).filter(|old| old.is_of(rate));
                old.unwrap_or_else(|| Arc::new(Limiter::new(rate)))
            });
            Self { label, limiter, guard: rule.auth.as_ref().map(|auth| books.guard(auth)) }
        });
        gates.collect()
    }

    /// Whether the password ends here.
    pub(super) fn keeps_password(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| !guard.forward)
    }

    /// Lets a request pass, with the name that its client has logged in with, if it had to.
    pub(super) async fn pass(
        &self,
        exchange: &Exchange,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<str>>, Turned> {
        let client = exchange.client.get().map(|client| exchange.route.translated.counted(client));
        if let Some(limiter) = &self.limiter {
            limiter.admit(client, headers, now()).map_err(|wait| {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let field = Some((RETRY_AFTER, HeaderValue::from(seconds.max(1))));
                Turned { answer: answer::too_many(limiter.status), field }
            })?;
        }
        match &self.guard {
            Some(guard) => guard.admit(client, headers, exchange.route.timeout.queue).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Takes the password out of a request.
pub(super) fn forget_password(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
}
