//! The head of a request as a member gets it: what is judged, cleaned, told and edited, in the order in which requests
//! pass the parts that do it. Pure.
//!
//! [`Passage`] is the door of the fuzz targets, which takes the steps of `forward` and `ruling`, but for what only a
//! connection knows between them. Deliberately not here: what becomes of requests that end here.

use super::forwarded::{Known, Teller};
use super::guard::Target;
use super::http1::request::Requests;
use super::rules::{Changes, Filled, Rules, Subject};
use super::upgrade::Asked;
use super::{certificate, guard, headers, http2, rules};
use crate::proxy_protocol::Ends;
use crate::translated::Translated;
use ::http::Uri;
use ::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, MAX_FORWARDS};
use ::http::request::Parts;
use bytes::Bytes;
use config::model::{Forwarding, RequestLimits, Rule};
use std::cell::OnceCell;
use std::net::IpAddr;

/// What is known of a request beside its head.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) known: Known<'a>,
    /// What its connection is to become.
    pub(super) asked: Option<&'a Asked>,
    /// What is told of the client's certificate, if anything is.
    pub(super) certificate: Option<&'a certificate::Fields>,
}

/// Makes these the fields that a member gets where no rule changes them. Returns the target and the client.
pub(super) fn settle(
    headers: &mut HeaderMap,
    target: Target,
    teller: &Teller,
    around: Around<'_>,
) -> (Uri, Option<IpAddr>) {
    let Around { known, asked, certificate } = around;
    let takes_trailers = headers::takes_trailers(headers);
    headers::strip(headers);
    if let Some(asked) = asked {
        asked.ask(headers);
    }
    if takes_trailers {
        headers::ask_for_trailers(headers);
    }
    if let Some(host) = target.host {
        headers.insert(HOST, host);
    } else if !headers.contains_key(HOST) {
        // Left out by a client of HTTP/1.0; RFC 9112 §3.3 lets the address stand for it, and where there is none the field
        // is empty (RFC 9110 §7.2).
        let host = known.ends.map_or_else(String::new, |ends| ends.destination().to_string());
        let host = HeaderValue::from_str(&host);
        headers.insert(HOST, host.expect("an address and a port are plain characters"));
    }
    let client = teller.client(headers, known.ends);
    teller.tell(headers, known);
    if let Some(fields) = certificate {
        certificate::tell(headers, fields);
    }
    if let Some(left) = target.max_forwards {
        headers.insert(MAX_FORWARDS, left);
    }
    (target.uri, client)
}

/// Makes the changes of rules. Returns the names that only rules give a value, and what changes in the answer.
pub(super) fn edit(
    changes: Changes,
    (uri, headers): (&mut Uri, &mut HeaderMap),
) -> (Vec<HeaderName>, Vec<Filled>) {
    if let Some(target) = changes.target {
        *uri = target;
    }
    let taken = rules::names_taken(&changes.request);
    rules::forget(&taken, headers);
    rules::apply(changes.request, headers);
    (taken, changes.answer)
}

/// Rules and forwarding fields of a listener.
#[derive(Debug)]
pub struct Passage {
    rules: Rules<()>,
    teller: Teller,
}

/// How a head came.
#[derive(Clone, Copy, Debug)]
pub enum Came<'a> {
    /// As these octets, which are all of it.
    Http1(&'a [u8]),
    /// As fields.
    Http2,
}

impl Came<'_> {
    /// Whether the target is an absolute one with neither path nor query; `None` if the head is refused for what it is in
    /// this version.
    fn bare(self, parts: &mut Parts) -> Option<bool> {
        let limits = RequestLimits::default();
        match self {
            Self::Http1(octets) => {
                let mut requests = Requests::new(limits);
                requests.push(Bytes::copy_from_slice(octets));
                requests.head().ok().flatten().map(|(_, told)| told.bare)
            }
            Self::Http2 => http2::head::settle(parts, limits).ok().map(|()| false),
        }
    }
}

impl Passage {
    /// Compiles both.
    pub fn new(rules: &[Rule], forwarding: &Forwarding) -> Self {
        let rules = Rules::new(rules, |_| Some(()));
        Self { rules, teller: Teller::new(forwarding, &Translated::new([])) }
    }

    /// The head that goes on for this client; `None` if the request is refused.
    pub fn pass(&self, mut parts: Parts, came: Came<'_>, ends: Ends) -> Option<Parts> {
        let bare = came.bare(&mut parts)?;
        let target = guard::judge(&parts, bare).ok()?;
        let known = Known { ends: Some(ends), written: &OnceCell::new(), encrypted: false };
        let around = Around { known, asked: None, certificate: None };
        let (uri, client) = settle(&mut parts.headers, target, &self.teller, around);
        parts.uri = uri;
        let subject = Subject {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            client,
            sni: None,
            user: None,
            secure: false,
            port: Some(ends.destination().port()),
        };
        let decision = self.rules.decide(&subject).ok()?;
        let changes = self.rules.changes(&decision.fitting, &subject).ok()?;
        edit(changes, (&mut parts.uri, &mut parts.headers));
        Some(parts)
    }
}
