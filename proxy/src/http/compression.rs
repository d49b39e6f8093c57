//! Whether an answer is compressed, and how (RFC 9110 §8.4, §12.5.3). Pure.
//!
//! Deliberately not here: what an answer says about a secret by its length (BREACH). Only whoever makes the page knows
//! whether it has one, and says so by `no-transform`.

mod packer;

pub(crate) use packer::Packer;

use ::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, VARY,
};
use ::http::response::Parts;
use ::http::{Method, StatusCode, Version};
use config::model::Coding;

/// Bodies that are known to be shorter gain nothing.
const SHORTEST: u64 = 256;
/// What is compressed beside `text/` and what ends in `+json`, `+xml` and `+text`.
const TYPES: [&str; 14] = [
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/ndjson",
    "application/rtf",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
];
/// Fields that would not be true of the compressed body.
const OF_OCTETS: [&str; 4] = ["content-md5", "content-digest", "digest", "repr-digest"];
/// Statuses whose answers have no content or a part of it.
const EXCEPT: [StatusCode; 3] =
    [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT];

/// What may become of the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What the client takes best; `None`: only that it might have been another matters.
    pub(crate) coding: Option<Coding>,
}

/// What a client wants, by the codings that are offered, the best first. `None` where nothing is ever compressed.
pub(crate) fn wish(
    offered: &[Coding],
    (method, version, headers): (&Method, Version, &HeaderMap),
) -> Option<Wish> {
    let never = offered.is_empty() || version < Version::HTTP_11 || *method == Method::CONNECT;
    // RFC 9111 §5.2.1.6.
    let as_it_is = || lists(headers, &CACHE_CONTROL, "no-transform");
    (!never).then(|| Wish { coding: chosen(offered, headers).filter(|_| !as_it_is()) })
}

/// The coding with the greatest weight, the first offered of several; `None` if the body as it is weighs more.
fn chosen(offered: &[Coding], headers: &HeaderMap) -> Option<Coding> {
    let mut any = None;
    let mut identity = None;
    let mut weights: Vec<(Coding, u16)> = Vec::new();
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for element in lines.flat_map(|line| line.split(',')) {
        let mut parts = element.split(';');
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let Some(weight) = weight(parts) else { continue };
        match name.as_str() {
            "br" => weights.push((Coding::Br, weight)),
            "zstd" => weights.push((Coding::Zstd, weight)),
            "gzip" | "x-gzip" => weights.push((Coding::Gzip, weight)),
            "identity" => identity = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    let weight_of = |coding: &Coding| {
        let own = weights.iter().find(|(known, _)| known == coding).map(|(_, weight)| *weight);
        own.or(any).unwrap_or_default()
    };
    let best = offered.iter().rev().max_by_key(|coding| weight_of(coding))?;
    let weight = weight_of(best);
    (weight > 0 && weight >= identity.unwrap_or_default()).then_some(*best)
}

/// A weight in thousandths (RFC 9110 §12.4.2); 1000 without one, and `None` if it is none.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("q") {
            continue;
        }
        let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
        let legal = part.len() <= 3 && part.bytes().all(|octet| octet.is_ascii_digit());
        let part: u16 = format!("{part:0<3}").parse().ok()?;
        return match whole {
            "0" if legal => Some(part),
            "1" if legal && part == 0 => Some(1000),
            _ => None,
        };
    }
    Some(1000)
}

/// Whether compressing an answer changes nothing but its size. `length` is that of its body, if it is known.
pub(crate) fn fits(parts: &Parts, length: Option<u64>) -> bool {
    let headers = &parts.headers;
    let status = parts.status;
    let has_content = (status.is_success() || status.is_client_error() || status.is_server_error())
        && !EXCEPT.contains(&status);
    let is_plain = !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !OF_OCTETS.iter().any(|name| headers.contains_key(*name));
    has_content
        && is_plain
        && length.is_none_or(|length| length >= SHORTEST)
        && !lists(headers, &CACHE_CONTROL, "no-transform")
        && headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_compressible)
}

fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || ["+json", "+xml", "+text"].iter().any(|suffix| essence.ends_with(suffix))
        || TYPES.contains(&essence.as_str())
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|element| element.trim().eq_ignore_ascii_case(wanted))
}

/// Says in the head that the answer depends on what the client takes, and how it is compressed.
pub(crate) fn tell(headers: &mut HeaderMap, coding: Option<Coding>) {
    if !lists(headers, &VARY, "accept-encoding") && !lists(headers, &VARY, "*") {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    let Some(coding) = coding else { return };
    let name = match coding {
        Coding::Br => "br",
        Coding::Zstd => "zstd",
        Coding::Gzip => "gzip",
    };
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    // Two bodies of one name would be taken for equal octet by octet (RFC 9110 §8.8.1).
    let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok())
    {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests;
