//! The head of a response on its way to a client, and how its content is told from what follows it. Pure.
//!
//! RFC 9112 §4, §6 and §9.3. Fields stand in the order in which they were put together, with names in small letters. What
//! follows the head is the matter of [`crate::message::leaving`].

use crate::http::framing::Told;
use crate::http::framing::grammar::decimal;
use crate::message::leaving::{Framing, Leaving, announced, list, write_field};
use ::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, TRAILER, TRANSFER_ENCODING};
use ::http::response::Parts;
use ::http::{Method, StatusCode};
use std::io::Write;

/// What a response answers, as far as its form depends on that.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) told: Told,
    /// By `HEAD`: the length is of another response.
    pub(super) is_head: bool,
    /// By `CONNECT`: a success has no content.
    pub(super) is_connect: bool,
}

impl Asked {
    pub(super) fn new(told: Told, method: &Method) -> Self {
        Self { told, is_head: *method == Method::HEAD, is_connect: *method == Method::CONNECT }
    }
}

/// How much content there is to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Known(u64),
    Unknown,
}

/// Where the content of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// There can be none, and nothing says how much.
    Bare,
    /// There is none, and its length is that of another response, if the head has one.
    Head,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Form {
    fn of(asked: Asked, status: StatusCode, size: Size, headers: &HeaderMap) -> Self {
        let is_bare = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || (asked.is_connect && status.is_success());
        let length = || headers.get(CONTENT_LENGTH).and_then(|length| decimal(length.as_bytes()));
        match size {
            _ if is_bare => Self::Bare,
            _ if asked.is_head => Self::Head,
            Size::Known(length) => Self::Length(length),
            Size::Unknown => match length() {
                Some(length) => Self::Length(length),
                None if asked.told.is_old() => Self::UntilClose,
                None => Self::Chunked,
            },
        }
    }
}

/// What a head says beside what stands in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    /// How much content there is.
    pub(super) size: Size,
    /// What the status is called, if it is not what the standard calls it.
    pub(super) reason: Option<&'a [u8]>,
    /// What time it is, where no other is told.
    pub(super) date: &'a [u8],
}

/// Adds the head of a response. Returns whether the connection goes on behind it.
pub(super) fn begin(leaving: &mut Leaving, asked: Asked, head: &Parts, beside: Beside<'_>) -> bool {
    let Parts { status, headers, .. } = head;
    let Beside { size, reason, date } = beside;
    let form = Form::of(asked, *status, size, headers);
    let options = || headers.get_all(CONNECTION).iter().flat_map(list);
    let is_told = options().any(|option| option.eq_ignore_ascii_case(b"close"));
    let persists = asked.told.persists() && !is_told && form != Form::UntilClose;
    let framing = match form {
        Form::Bare | Form::Head | Form::Length(0) => Framing::Ended,
        Form::Length(length) => Framing::Length(length),
        Form::Chunked if asked.told.trailers => Framing::Chunked(announced(headers)),
        Form::Chunked => Framing::Chunked(Vec::new()),
        Form::UntilClose => Framing::UntilClose,
    };
    let out = leaving.begin(framing, 128 + 48 * headers.len());
    write_status(out, asked.told.is_old(), (*status, reason));
    let (mut has_date, mut has_length) = (false, form == Form::Bare);
    for (name, value) in headers {
        if name == CONTENT_LENGTH {
            let is_true = match form {
                Form::Head => true,
                Form::Length(length) => !has_length && decimal(value.as_bytes()) == Some(length),
                Form::Bare | Form::Chunked | Form::UntilClose => false,
            };
            if !is_true {
                continue;
            }
            has_length = true;
        } else if name == TRANSFER_ENCODING || (name == TRAILER && !may_trail(form, asked)) {
            continue;
        }
        has_date |= name == DATE;
        write_field(out, (name, value));
    }
    if status.is_informational() {
        // What the connection becomes has its own end.
    } else if persists && asked.told.is_old() {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    } else if !persists && !is_told && !asked.told.is_old() {
        out.extend_from_slice(b"connection: close\r\n");
    }
    match form {
        // Memory takes whatever is written.
        Form::Length(length) if !has_length => {
            let _ = write!(out, "content-length: {length}\r\n");
        }
        Form::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Form::Bare | Form::Head | Form::Length(_) | Form::UntilClose => {}
    }
    if !has_date {
        for part in [b"date: ", date, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    persists
}

/// Whether trailers may be announced.
fn may_trail(form: Form, asked: Asked) -> bool {
    match form {
        Form::Length(_) | Form::Chunked => !asked.told.is_old(),
        Form::Bare | Form::Head | Form::UntilClose => false,
    }
}

fn write_status(out: &mut Vec<u8>, old: bool, (status, reason): (StatusCode, Option<&[u8]>)) {
    out.extend_from_slice(if old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.unwrap_or_else(|| status.canonical_reason().unwrap_or("<none>").as_bytes()));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
