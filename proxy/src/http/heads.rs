//! The head of a request as a member gets it: what is judged, cleaned, told and edited, in the order in which requests
//! pass the parts that do it. Pure.
//!
//! The door of the fuzz targets: `forward` and `ruling` take the same steps with what only a connection
//! knows between them. Deliberately not here: what becomes of requests that end here.

use super::forwarded::{Known, Teller};
use super::rules::{Rules, Subject};
use super::{guard, headers, rules};
use crate::proxy_protocol::Ends;
use crate::translated::Translated;
use ::http::header::HOST;
use ::http::request::Parts;
use config::model::{Forwarding, Rule};
use std::cell::OnceCell;

/// Rules and forwarding fields of a listener.
#[derive(Debug)]
pub struct Passage {
    rules: Rules<()>,
    teller: Teller,
}

impl Passage {
    /// Compiles both.
    pub fn new(rules: &[Rule], forwarding: &Forwarding) -> Self {
        let rules = Rules::new(rules, |_| Some(()));
        Self { rules, teller: Teller::new(forwarding, &Translated::new([])) }
    }

    /// The head that goes on for this client; `None` if the request is refused.
    pub fn pass(&self, mut parts: Parts, ends: Ends) -> Option<Parts> {
        let target = guard::judge(&parts, false).ok()?;
        headers::strip(&mut parts.headers);
        if let Some(host) = target.host {
            parts.headers.insert(HOST, host);
        }
        let known = Known { ends: Some(ends), written: &OnceCell::new(), encrypted: false };
        self.teller.tell(&mut parts.headers, known);
        parts.uri = target.uri;
        let subject = Subject {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            client: Some(ends.source().ip()),
            sni: None,
            user: None,
            secure: false,
            port: Some(ends.destination().port()),
        };
        let decision = self.rules.decide(&subject).ok()?;
        let changes = self.rules.changes(&decision.fitting, &subject).ok()?;
        if let Some(target) = changes.target {
            parts.uri = target;
        }
        rules::forget(&rules::names_taken(&changes.request), &mut parts.headers);
        rules::apply(changes.request, &mut parts.headers);
        Some(parts)
    }
}
