//! `proxy.pool.check`: when members are asked, what, and which answers are good.

use super::super::{Read, Table, Value, all, not_empty, values};
use super::timeouts;
use crate::domain::Domain;
use crate::model::{
    Check, CheckKind, CheckMethod, Header, HttpCheck, HttpVersion, ProxyProtocol, StatusRange,
};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// More often than 20 times a second is load, not a check; rarer than hourly nobody would notice.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(3600);
const COUNT_RANGE: RangeInclusive<u32> = 1..=1000;
const PORT_RANGE: RangeInclusive<u16> = 1..=65535;
/// The classes of status codes (RFC 9110 §15).
const STATUS_RANGE: RangeInclusive<u16> = 100..=599;
/// What a check sends fits one packet, and what it looks for a buffer.
const LONGEST_TEXT: usize = 1024;

/// The keys of kind http.
const HTTP_KEYS: [&str; 7] =
    ["protocol", "method", "path", "host", "headers", "expect_status", "expect_body"];

/// Headers that a check sets itself, and what to do instead of giving them.
const OWN_HEADERS: [(&str, &str); 4] = [
    ("host", "give the name as host"),
    ("connection", "leave it out: a check closes its connection"),
    ("content-length", "leave it out: a check sends no body"),
    ("transfer-encoding", "leave it out: a check sends no body"),
];

/// What a check takes over from its pool.
pub(super) struct Usual {
    pub(super) proxy_protocol: ProxyProtocol,
    pub(super) protocol: HttpVersion,
    /// Members are spoken to over TLS.
    pub(super) speaks_tls: bool,
    /// The name that they are asked for.
    pub(super) server_name: Option<Domain>,
}

impl Usual {
    /// The check of a pool that says nothing of it.
    pub(super) fn check(&self) -> Check {
        Check { proxy_protocol: self.proxy_protocol, ..Check::default() }
    }
}

pub(super) fn read(table: &Table<'_>, usual: &Usual) -> Read<Check> {
    let default = Check::default();
    let kind = table.or("kind", default.kind, Value::choice);
    let interval = table.or("interval", default.interval, |value| value.duration(INTERVAL_RANGE));
    let longest = interval.unwrap_or(*INTERVAL_RANGE.end());
    let fast_interval =
        table.maybe("fast_interval", |value| value.duration(*INTERVAL_RANGE.start()..=longest));
    let timeout = table.maybe("timeout", |value| value.duration(*timeouts::RANGE.start()..=longest));
    let rise = table.or("rise", default.rise, |value| value.integer(COUNT_RANGE));
    let fall = table.or("fall", default.fall, |value| value.integer(COUNT_RANGE));
    let port = table.maybe("port", |value| value.integer(PORT_RANGE));
    let address = table.maybe("address", host);
    let proxy_protocol = table.maybe("proxy_protocol", Value::choice);
    let server_name = server_name(table, kind, usual);
    let http = http(table, kind, usual.protocol);
    let (interval, port, address) = (interval?, port?, address?);
    // Another address or port is most often that of a program that does not expect the header.
    let elsewhere = port.is_some() || address.is_some();
    let sent = if elsewhere { ProxyProtocol::Off } else { usual.proxy_protocol };
    Ok(Check {
        kind: kind?,
        interval,
        fast_interval: fast_interval?.unwrap_or(interval),
        timeout: timeout?.unwrap_or(interval),
        rise: rise?,
        fall: fall?,
        port,
        address,
        proxy_protocol: proxy_protocol?.unwrap_or(sent),
        server_name: server_name?,
        http: http?,
    })
}

fn host(value: &Value<'_>) -> Read<IpAddr> {
    let expected = "an address such as \"192.0.2.11\" or \"2001:db8::11\"";
    let address: IpAddr = value.address(expected)?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(value.at.refuse(format!("{address} is not the address of a host"), ""));
    }
    Ok(address)
}

fn server_name(table: &Table<'_>, kind: Read<CheckKind>, usual: &Usual) -> Read<Option<Domain>> {
    let given = table.maybe("server_name", Value::host_name)?;
    let speaks_tls = match kind {
        Ok(CheckKind::Tls) => true,
        Ok(CheckKind::Http) => usual.speaks_tls,
        Ok(CheckKind::Tcp | CheckKind::Off) => false,
        Err(reported) => return Err(reported),
    };
    match given {
        Some(_) if !speaks_tls => Err(table.spot("server_name").refuse(
            "this check does not speak TLS",
            "set kind = \"tls\", or kind = \"http\" in a pool with tls, or leave out server_name",
        )),
        None if speaks_tls => Ok(usual.server_name.clone()),
        given => Ok(given),
    }
}

fn http(table: &Table<'_>, kind: Read<CheckKind>, usual: HttpVersion) -> Read<HttpCheck> {
    let default = HttpCheck::default();
    if let Ok(CheckKind::Tcp | CheckKind::Tls | CheckKind::Off) = kind {
        return no_http(table).map(|()| default);
    }
    let protocol = table.or("protocol", usual, Value::choice);
    let method = table.or("method", default.method, Value::choice);
    let path = table.or("path", default.path, path);
    let host = table.maybe("host", host_header);
    let headers = table.list("headers", header).map(Option::unwrap_or_default);
    let expect_status = table.maybe("expect_status", |value| {
        let ranges = all(value.elements()?.map(|element| Ok(element.at.with(status(&element)?))))?;
        not_empty(&value.at, ranges, "status code").map(values)
    });
    let expect_body = table.maybe("expect_body", body);
    if let (Ok(CheckMethod::Head), Ok(Some(_))) = (method, &expect_body) {
        return Err(table
            .spot("expect_body")
            .refuse("a response to HEAD has no body", "set method = \"GET\", or leave out expect_body"));
    }
    Ok(HttpCheck {
        protocol: protocol?,
        method: method?,
        path: path?,
        host: host?,
        headers: values(headers?),
        expect_status: expect_status?.unwrap_or(default.expect_status),
        expect_body: expect_body?,
    })
}

/// Refuses the keys of a check that this one is not.
fn no_http(table: &Table<'_>) -> Read<()> {
    let mut outcome = Ok(());
    for key in HTTP_KEYS.into_iter().filter(|key| table.value(key).is_some()) {
        let help = format!("set kind = \"http\", or leave out {key}");
        outcome = Err(table.spot(key).refuse("only a check by HTTP sends a request", help));
    }
    outcome
}

fn path(value: &Value<'_>) -> Read<String> {
    let expected = "the path of a URI such as \"/health?full=1\"";
    let text = value.text(expected)?;
    // RFC 3986 §3.3 and §3.4, and the brackets that many write plainly.
    let legal = |b: u8| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b);
    if text.starts_with('/') && text.len() <= LONGEST_TEXT && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    let help =
        format!("begin with a slash; write other characters as %20; at most {LONGEST_TEXT} characters");
    Err(value.mismatch_but(expected, help))
}

fn host_header(value: &Value<'_>) -> Read<String> {
    let expected = "the name of a host such as \"web.example\" or \"web.example:8080\"";
    let text = value.text(expected)?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if (1..=255).contains(&text.len()) && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err(value.mismatch(expected))
}

fn header(value: &Value<'_>) -> Read<Header> {
    let expected = "a header such as \"X-Probe: causeway\"";
    let text = value.text(expected)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let visible = |b: u8| b.is_ascii_graphic() || b == b' ' || b == b'\t';
    let parts = text.split_once(':').map(|(name, rest)| (name, rest.trim_matches([' ', '\t'])));
    let Some((name, content)) = parts.filter(|(name, content)| {
        !name.is_empty()
            && text.len() <= LONGEST_TEXT
            && name.bytes().all(token)
            && content.bytes().all(visible)
    }) else {
        return Err(value.mismatch_but(expected, "write the name, a colon and the value, in ASCII"));
    };
    if let Some((_, help)) = OWN_HEADERS.iter().find(|(own, _)| name.eq_ignore_ascii_case(own)) {
        return Err(value.at.refuse(format!("a check sets the header {name} itself"), *help));
    }
    Ok(Header { name: name.to_owned(), value: content.to_owned() })
}

fn status(value: &Value<'_>) -> Read<StatusRange> {
    let expected = "a status code or a range in quotes, such as \"200\" or \"200-399\"";
    let text = value.text(expected)?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| STATUS_RANGE.contains(code));
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Ok(StatusRange { first, last }),
        (Some(first), Some(last)) => Err(value.mismatch_but(expected, format!("write \"{last}-{first}\""))),
        _ => Err(value.mismatch_but(expected, "status codes are numbers from 100 to 599")),
    }
}

fn body(value: &Value<'_>) -> Read<String> {
    let expected = format!("a text of 1 to {LONGEST_TEXT} bytes");
    let text = value.text(&expected)?;
    if (1..=LONGEST_TEXT).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(value.mismatch(&expected))
}
