//! A record as a line of HAProxy's: `option tcplog`, `option httplog`, or the `log-format` of an operator. Pure.
//!
//! HAProxy's manual, sections 8.2.2 to 8.2.4 and 8.6; of a connection that was closed before it was served, 8.2.6.
//! What does not apply is `-`, or -1 of a time, and nothing between quotes.

use super::number::plain;
use super::{address, dates};
use crate::record::{Ended, Event, Record, RequestLine, Stamp};
use ::http::Version;
use config::model::{LogField, LogLine, LogPart, LogStyle};
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::BitOr;
use std::time::Duration;

/// What stands in the place of a request that never was one.
const BAD: &str = "<BADREQ>";
/// What stands in the place of a member that was never found.
const NOBODY: &str = "<NOSRV>";

/// Writes the record, without an end of line.
pub(super) fn write(line: &LogLine, record: &Record<'_>, out: &mut Vec<u8>) {
    let ended = match &record.event {
        Event::Ended(ended) => ended,
        Event::Refused(fault) => {
            client(record, out);
            out.extend_from_slice(b" [");
            dates::precise(&record.accepted, out);
            let (listener, socket) = (record.listener, record.socket);
            return format(out, format_args!("] {listener}/{socket}: {}", fault.text()));
        }
    };
    let mut writer = Writer { record, ended, out };
    // As if a space stood before the line.
    let mut spaced = true;
    for part in line.parts() {
        match part {
            LogPart::Space if spaced => {}
            LogPart::Space => {
                writer.out.push(b' ');
                spaced = true;
            }
            LogPart::Text(text) => {
                writer.out.extend_from_slice(text.as_bytes());
                spaced = false;
            }
            // No field is ever captured: HAProxy writes nothing of these, and no space.
            LogPart::Field(LogField::RequestFields | LogField::ResponseFields, _) => {}
            LogPart::Field(field, style) => {
                writer.field(*field, *style);
                spaced = false;
            }
        }
    }
}

/// The client's end, without brackets: the last colon parts the port.
fn client(record: &Record<'_>, out: &mut Vec<u8>) {
    match record.client {
        Some(client) => {
            address::write(client.ip(), out);
            out.push(b':');
            plain(client.port().into(), out);
        }
        None => format(out, format_args!("unix:{}", record.socket)),
    }
}

fn format(out: &mut Vec<u8>, value: impl Display) {
    std::io::Write::write_fmt(out, format_args!("{value}")).expect("memory takes it");
}

struct Writer<'a> {
    record: &'a Record<'a>,
    ended: &'a Ended<'a>,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm for each field, of one line each")]
    fn field(&mut self, field: LogField, style: LogStyle) {
        let (record, ended) = (self.record, self.ended);
        let request = ended.request.as_ref();
        let member = ended.member.as_ref();
        match field {
            LogField::ActiveTime => self.time(Some(ended.active())),
            LogField::BytesReceived => plain(ended.bytes.received, self.out),
            LogField::BytesSent => plain(ended.bytes.sent, self.out),
            LogField::ClientAddress => match record.client {
                Some(client) => self.address(Some(client.ip()), style),
                None => self.text(Some("unix"), style),
            },
            LogField::ClientPort => match record.client {
                Some(client) => plain(client.port().into(), self.out),
                None => plain(record.socket as u64, self.out),
            },
            LogField::ConnectTime => self.time(ended.course.connect),
            LogField::DataTime => self.time(data(ended)),
            LogField::Date => dates::precise(&record.accepted, self.out),
            LogField::FullState => {
                self.letters(ended.state.letters());
                self.letters(request.map(|request| request.cookies).unwrap_or_default().0);
            }
            LogField::GmtDate => dates::with_offset(&record.accepted.in_utc(), self.out),
            LogField::GmtRequestDate => dates::with_offset(&self.asked().in_utc(), self.out),
            LogField::HandshakeTime => self.time(Some(ended.handshake)),
            LogField::IdleTime => self.time(Some(ended.idle)),
            LogField::Listener => self.text(Some(record.listener), style),
            LogField::ListenerAddress => self.address(record.destination.map(|end| end.ip()), style),
            LogField::ListenerConnections => plain(ended.load.listener, self.out),
            LogField::ListenerPort => self.port(record.destination, style),
            LogField::ListenerTransport => {
                let mark = if record.is_tls { "~" } else { "" };
                self.texts(&[record.listener, mark], style);
            }
            LogField::LocalDate => dates::with_offset(&record.accepted, self.out),
            LogField::LocalRequestDate => dates::with_offset(&self.asked(), self.out),
            LogField::Member => self.text(Some(member.map_or(NOBODY, |member| member.name)), style),
            LogField::MemberAddress => self.address(member.map(|member| member.address.ip()), style),
            LogField::MemberConnections => plain(ended.load.member, self.out),
            LogField::MemberPort => self.port(member.map(|member| member.address), style),
            LogField::MemberQueue => plain(ended.course.ahead.of_member, self.out),
            LogField::Method => self.of_request(|line, out| out.write(line.method.as_str()), style),
            LogField::Milliseconds => dates::milliseconds(&record.accepted, self.out),
            LogField::OutgoingAddress => {
                self.address(member.and_then(|member| Some(member.local?.ip())), style);
            }
            LogField::OutgoingPort => self.port(member.and_then(|member| member.local), style),
            LogField::Path => self.of_request(without_query, style),
            LogField::Pool => self.text(Some(ended.pool.unwrap_or(record.listener)), style),
            LogField::PoolConnections => plain(ended.load.pool, self.out),
            LogField::PoolQueue => plain(ended.course.ahead.of_pool, self.out),
            LogField::Process => plain(std::process::id().into(), self.out),
            LogField::ProcessConnections => plain(ended.load.process, self.out),
            LogField::Query => self.of_request(query, style),
            LogField::QueueTime => self.time(ended.course.queue),
            LogField::ReceiveTime => self.time(request.and_then(|request| request.receive)),
            LogField::RequestCookie | LogField::ResponseCookie => self.text(None, style),
            LogField::RequestDate => dates::precise(&self.asked(), self.out),
            // Written by whoever knows of spaces.
            LogField::RequestFields | LogField::ResponseFields => {}
            LogField::RequestLine => self.of_request(whole, style),
            LogField::RequestTime => self.time(until_asked(ended)),
            LogField::ResponseTime => self.time(request.and_then(|request| request.response)),
            LogField::Retries => {
                let mark: &[u8] = if ended.course.redispatched { b"+" } else { b"" };
                self.out.extend_from_slice(mark);
                plain(ended.course.retries.into(), self.out);
            }
            LogField::State => self.letters(ended.state.letters()),
            LogField::Status => match request.and_then(|request| request.status) {
                Some(status) => plain(status.into(), self.out),
                None => self.out.extend_from_slice(b"-1"),
            },
            LogField::Target => self.of_request(target, style),
            LogField::Timestamp => format(self.out, record.accepted.seconds()),
            LogField::TlsCipher => self.text(ended.tls.map(|(_, cipher)| cipher), style),
            LogField::TlsVersion => self.text(ended.tls.map(|(version, _)| version), style),
            LogField::TotalTime => self.time(Some(ended.total)),
            LogField::Version => self.of_request(|line, out| out.write(version(line.version)), style),
        }
    }

    /// When the first octet of the request came.
    fn asked(&self) -> Stamp {
        self.record.accepted.later(self.ended.handshake + self.ended.idle)
    }

    /// Whole milliseconds.
    fn time(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => plain(millis(time), self.out),
            None => self.out.extend_from_slice(b"-1"),
        }
    }

    fn port(&mut self, end: Option<SocketAddr>, style: LogStyle) {
        match end {
            Some(end) => plain(end.port().into(), self.out),
            None => self.text(None, style),
        }
    }

    fn address(&mut self, end: Option<IpAddr>, style: LogStyle) {
        let Some(end) = end else { return self.text(None, style) };
        let quote = quote(style);
        self.out.extend_from_slice(quote);
        // Nothing in it needs an escape.
        address::write(end, self.out);
        self.out.extend_from_slice(quote);
    }

    fn letters(&mut self, letters: [char; 2]) {
        for letter in letters {
            self.out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// A text of this side.
    fn text(&mut self, text: Option<&str>, style: LogStyle) {
        match text {
            Some(text) => self.texts(&[text], style),
            None if style.quoted => self.out.extend_from_slice(b"\"\""),
            None => self.out.push(b'-'),
        }
    }

    /// A text of this side, in parts.
    fn texts(&mut self, parts: &[&str], style: LogStyle) {
        let quote = quote(style);
        self.out.extend_from_slice(quote);
        let mut escaping = Escaping { out: self.out, of_client: false, escaped: style.escaped };
        for part in parts {
            escaping.write(part);
        }
        self.out.extend_from_slice(quote);
    }

    /// A text of the client, who may write what would pass for another line or field.
    fn of_request(&mut self, write: fn(&RequestLine<'_>, &mut Escaping<'_>), style: LogStyle) {
        let Some(request) = &self.ended.request else { return self.text(None, style) };
        let quote = quote(style);
        self.out.extend_from_slice(quote);
        let mut escaping = Escaping { out: self.out, of_client: true, escaped: style.escaped };
        match &request.line {
            Some(line) => write(line, &mut escaping),
            None => escaping.write(BAD),
        }
        self.out.extend_from_slice(quote);
    }
}

const fn quote(style: LogStyle) -> &'static [u8] {
    if style.quoted { b"\"" } else { b"" }
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis().into())
}

/// Takes text and writes it so that it ends no field.
struct Escaping<'a> {
    out: &'a mut Vec<u8>,
    /// Characters beyond visible ASCII, `"` and `#` become `#` and two digits.
    of_client: bool,
    /// `"`, `\` and `]` have a backslash before them.
    escaped: bool,
}

impl Escaping<'_> {
    fn write(&mut self, text: &str) {
        // All are looked at, since that is many at a time.
        let changes = |byte: u8| u8::from(self.is_hidden(byte) || self.is_escaped(byte));
        if text.bytes().map(changes).fold(0, BitOr::bitor) == 0 {
            return self.out.extend_from_slice(text.as_bytes());
        }
        for byte in text.bytes() {
            self.put(byte);
        }
    }

    const fn is_hidden(&self, byte: u8) -> bool {
        self.of_client && (!matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'#'))
    }

    const fn is_escaped(&self, byte: u8) -> bool {
        self.escaped && matches!(byte, b'"' | b'\\' | b']')
    }

    fn put(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        if self.is_hidden(byte) {
            let digits = [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)]);
            self.out.push(b'#');
            self.out.extend_from_slice(&digits);
            return;
        }
        if self.is_escaped(byte) {
            self.out.push(b'\\');
        }
        self.out.push(byte);
    }
}

fn whole(line: &RequestLine<'_>, out: &mut Escaping<'_>) {
    out.write(line.method.as_str());
    out.write(" ");
    target(line, out);
    out.write(" ");
    out.write(version(line.version));
}

fn target(line: &RequestLine<'_>, out: &mut Escaping<'_>) {
    for part in line.target_parts() {
        out.write(part);
    }
}

fn without_query(line: &RequestLine<'_>, out: &mut Escaping<'_>) {
    for part in &line.target_parts()[..4] {
        out.write(part);
    }
}

fn query(line: &RequestLine<'_>, out: &mut Escaping<'_>) {
    for part in &line.target_parts()[4..] {
        out.write(part);
    }
}

/// As a request line has it.
pub(super) const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        // The library knows no other.
        _ => "HTTP/1.1",
    }
}

/// From the accept to the end of the request's head.
fn until_asked(ended: &Ended<'_>) -> Option<Duration> {
    let receive = ended.request?.receive?;
    Some(ended.handshake + ended.idle + receive)
}

/// From the head of the response to its end.
fn data(ended: &Ended<'_>) -> Option<Duration> {
    let response = ended.request?.response?;
    let before = until_asked(ended)? + ended.course.queue? + ended.course.connect? + response;
    Some(ended.total.saturating_sub(before))
}

#[cfg(test)]
mod tests;
