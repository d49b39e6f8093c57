//! Who the client is, told to the member in `X-Forwarded-For` and its kin, and in `Forwarded` (RFC 7239). Pure.
//!
//! | mode | from a trusted proxy | from anybody else |
//! |---|---|---|
//! | append | its list and its address in one line | its address; all forwarding fields it sent are removed |
//! | replace | its address | the same |
//! | off | all as it came | all as it came |
//!
//! The fields beside it are filled in where a trusted proxy has not set them. With mode off, those alone are looked at that
//! are asked for. Spellings with other marks for `-` are removed, whoever sent them: servers that turn fields into
//! variables (CGI) take both for one. Addresses are written as RFC 5952 has them, IPv4-mapped ones as IPv4.

mod element;

use crate::proxy_protocol::Ends;
use crate::snapshot::holds;
use crate::translated::Translated;
use ::http::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue};
use config::model::{ForwardedField, ForwardedFor, Forwarding};
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};

/// Names that tell of the client, in lower case with `-`; with `-` at the end, all that begin so.
const FORWARDING: [&str; 3] = ["forwarded", "x-real-ip", "x-forwarded-"];

/// What the list is called where the file has no other name for it.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a listener tells members.
#[derive(Debug)]
pub(crate) struct Teller {
    model: Forwarding,
    /// The field that lists addresses.
    list: HeaderName,
    /// The names of the other fields that are told.
    fields: Vec<(ForwardedField, HeaderName)>,
    translated: Translated,
}

/// What is known of a request's client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// `None`: it has no address.
    pub(crate) ends: Option<Ends>,
    /// Its address as members are told it, once one has been: writing it costs more than all else here.
    pub(crate) written: &'a OnceCell<HeaderValue>,
    /// Whether it speaks TLS to this proxy.
    pub(crate) encrypted: bool,
}

/// What came of a trusted proxy, or nothing of anybody else.
#[derive(Default)]
struct Believed {
    /// The list of addresses.
    list: Vec<Vec<u8>>,
    /// The elements of `Forwarded`.
    elements: Vec<Vec<u8>>,
}

impl Teller {
    /// `translated` are the prefixes within which an address holds one of IPv4.
    pub(crate) fn new(model: &Forwarding, translated: &Translated) -> Self {
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes());
        let fields = model.fields.iter().map(|field| {
            let name = name(field.name()).expect("the names of all fields are tokens, as a test has it");
            (*field, name)
        });
        Self {
            list: name(&model.header).expect("the model's name is a token"),
            fields: fields.collect(),
            translated: translated.clone(),
            model: model.clone(),
        }
    }

    /// Whether forwarding fields of this address are believed. IPv4-mapped addresses count as IPv4.
    pub(crate) fn trusts(&self, client: IpAddr) -> bool {
        holds(&self.model.trusted_proxies, client)
    }

    /// Whether members are told of certificates.
    pub(crate) const fn tells_certificate(&self) -> bool {
        self.model.certificate
    }

    /// A name of the file's that tells of the client, which no trailer may have either.
    pub(crate) fn withheld(&self) -> Option<&HeaderName> {
        Some(&self.list)
            .filter(|_| self.model.forwarded_for != ForwardedFor::Off && self.list != X_FORWARDED_FOR)
    }

    /// The client of a request: as a trusted proxy tells it, or the one that is connected. Call before [`Self::tell`].
    pub(crate) fn client(&self, headers: &HeaderMap, ends: Option<Ends>) -> Option<IpAddr> {
        let ends = ends?;
        let connected = ends.source().ip();
        let trusted = self.trusts(connected);
        Some(if trusted { self.origin(ends, &self.believed(headers).list) } else { connected })
    }

    /// Sets the forwarding fields of a request. A client without an address is told by none: nothing is invented for it.
    /// Call after hop-by-hop fields are gone, so that none of ours can be named among them, and once `Host` is there.
    pub(crate) fn tell(&self, headers: &mut HeaderMap, known: Known<'_>) {
        let mode = self.model.forwarded_for;
        if mode == ForwardedFor::Off && self.fields.is_empty() {
            return;
        }
        let client = known.ends.map(|ends| ends.source().ip());
        let trusted = client.is_some_and(|client| self.trusts(client));
        let believed = if trusted { self.believed(headers) } else { Believed::default() };
        self.remove(headers, trusted);
        if mode != ForwardedFor::Off {
            self.tell_list(headers, (client, known.written), &believed.list);
            if trusted && self.model.trusted_hops.is_some() && headers.contains_key(FORWARDED) {
                put(headers, &FORWARDED, &believed.elements);
            }
        }
        for (field, name) in &self.fields {
            let value = self.value(*field, headers, known, &believed);
            let Some(value) = value else { continue };
            if self.is_settled_here(*field, &believed) {
                headers.insert(name, value);
            } else {
                headers.entry(name).or_insert(value);
            }
        }
    }

    /// Whether a field is written anew even where a trusted proxy has set it.
    fn is_settled_here(&self, field: ForwardedField, believed: &Believed) -> bool {
        match field {
            ForwardedField::Forwarded => true,
            // The list tells more than one address that a proxy far away has set.
            ForwardedField::RealIp => self.starts_anew() || !believed.list.is_empty(),
            ForwardedField::Proto
            | ForwardedField::Port
            | ForwardedField::Host
            | ForwardedField::EmbeddedV4 => false,
        }
    }

    fn starts_anew(&self) -> bool {
        self.model.forwarded_for == ForwardedFor::Replace
    }

    /// What a trusted proxy tells, as far as it is believed.
    fn believed(&self, headers: &HeaderMap) -> Believed {
        let hops = self.model.trusted_hops.map_or(usize::MAX, usize::from);
        let nearest = |mut all: Vec<Vec<u8>>| all.split_off(all.len().saturating_sub(hops));
        let lines = headers.get_all(&self.list).iter().map(HeaderValue::as_bytes);
        let entries = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let list = entries.filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec).collect();
        let elements = headers.get_all(FORWARDED).iter().flat_map(|line| element::split(line.as_bytes()));
        Believed { list: nearest(list), elements: nearest(elements.collect()) }
    }

    /// Removes the fields that tell of the client: of a trusted sender only those spelt with other marks.
    fn remove(&self, headers: &mut HeaderMap, trusted: bool) {
        let doomed: Vec<HeaderName> = headers
            .keys()
            .filter(|name| self.is_told_in(name.as_str()) && !(trusted && is_spelt(name.as_str())))
            .cloned()
            .collect();
        for name in doomed {
            headers.remove(name);
        }
    }

    /// Whether a field of this name, or one that may be taken for it, is for this proxy to set.
    fn is_told_in(&self, name: &str) -> bool {
        if self.model.forwarded_for == ForwardedFor::Off {
            return self.fields.iter().any(|(_, known)| is_taken_for(name, known.as_str()));
        }
        FORWARDING.iter().any(|known| is_taken_for(name, known)) || is_taken_for(name, self.list.as_str())
    }

    fn tell_list(
        &self,
        headers: &mut HeaderMap,
        (client, written): (Option<IpAddr>, &OnceCell<HeaderValue>),
        list: &[Vec<u8>],
    ) {
        let excepted = client.is_none_or(|client| holds(&self.model.except, client));
        let kept = excepted || (self.model.if_none && !list.is_empty());
        let list = if kept || !self.starts_anew() { list } else { &[] };
        match client.filter(|_| !kept) {
            // Of nearly all clients.
            Some(client) if list.is_empty() => {
                let written = written.get_or_init(|| text(client.to_string()));
                headers.insert(&self.list, written.clone());
            }
            client => {
                let mut entries = list.to_vec();
                entries.extend(client.map(|client| client.to_string().into_bytes()));
                put(headers, &self.list, &entries);
            }
        }
    }

    fn value(
        &self,
        field: ForwardedField,
        headers: &HeaderMap,
        known: Known<'_>,
        believed: &Believed,
    ) -> Option<HeaderValue> {
        match field {
            ForwardedField::Proto => Some(HeaderValue::from_static(scheme(known.encrypted))),
            ForwardedField::Port => known.ends.map(|ends| ends.destination().port().into()),
            ForwardedField::Host => headers.get(HOST).cloned(),
            ForwardedField::RealIp => Some(text(self.origin(known.ends?, &believed.list).to_string())),
            ForwardedField::EmbeddedV4 => {
                let embedded = self.translated.embedded(self.origin(known.ends?, &believed.list))?;
                Some(text(embedded.to_string()))
            }
            ForwardedField::Forwarded => {
                let source = known.ends.map(|ends| ends.source());
                let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
                let mut elements = if self.starts_anew() { Vec::new() } else { believed.elements.clone() };
                elements.push(element::written(source, host, scheme(known.encrypted)));
                Some(joined(&elements))
            }
        }
    }

    /// The client's address: that of the first in the list who is no proxy, as far as the list is believed.
    fn origin(&self, ends: Ends, list: &[Vec<u8>]) -> IpAddr {
        let mut origin = ends.source().ip();
        if self.starts_anew() {
            return origin;
        }
        for entry in list.iter().rev() {
            let Some(address) = address(entry) else { break };
            origin = address;
            if self.model.trusted_hops.is_none() && !self.trusts(origin) {
                break;
            }
        }
        origin
    }
}

const fn scheme(encrypted: bool) -> &'static str {
    if encrypted { "https" } else { "http" }
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("addresses are plain characters")
}

/// Sets a field to this list; one with nothing in it goes.
fn put(headers: &mut HeaderMap, name: &HeaderName, entries: &[Vec<u8>]) {
    if entries.is_empty() {
        headers.remove(name);
    } else {
        headers.insert(name, joined(entries));
    }
}

fn joined(parts: &[Vec<u8>]) -> HeaderValue {
    HeaderValue::from_maybe_shared(bytes::Bytes::from(parts.join(&b", "[..])))
        .expect("parts of header values, separators and addresses make a header value")
}

/// An entry of the list; some proxies write the port behind it.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(addr::fold_mapped)
}

/// Whether some server may take the field `name` for `known`: any mark may stand for `-`.
pub(crate) fn is_taken_for(name: &str, known: &str) -> bool {
    let length = if known.ends_with('-') { known.len().min(name.len()) } else { name.len() };
    length == known.len()
        && name
            .bytes()
            .zip(known.bytes())
            .all(|(byte, known)| byte == known || (known == b'-' && !byte.is_ascii_alphanumeric()))
}

/// Whether a name has no other mark than `-`.
fn is_spelt(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
