//! Version 1: one line of text (`proxy-protocol.txt` §2.1).

use super::{Ends, Facts, Header, Malformed, OneFamily, Origin, Reason, Transport, expect_signature};
use memchr::memchr2;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// Octets of a line with its end.
const LONGEST: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Malformed> {
    expect_signature(bytes, SIGNATURE)?;
    let window = &bytes[..bytes.len().min(LONGEST - 1)];
    let Some(end) = memchr2(b'\r', b'\n', window) else {
        let full = window.len() == LONGEST - 1;
        return if full { fault(LONGEST - 1, Reason::TooLong) } else { Ok(None) };
    };
    if bytes[end] == b'\n' {
        return fault(end, Reason::BareLf);
    }
    match bytes.get(end + 1) {
        None => Ok(None),
        Some(b'\n') => {
            let origin = origin(&bytes[..end])?;
            Ok(Some((Header { origin, facts: Facts::default() }, end + 2)))
        }
        Some(_) => fault(end, Reason::BareCr),
    }
}

const fn fault<T>(at: usize, reason: Reason) -> Result<T, Malformed> {
    Err(Malformed { at, reason })
}

/// The meaning of a line without its end.
fn origin(line: &[u8]) -> Result<Origin<'static>, Malformed> {
    let start = SIGNATURE.len();
    let mut words = Words { line, next: start };
    match words.next(Reason::Protocol)?.1 {
        b"TCP4" => inet::<Ipv4Addr>(words),
        b"TCP6" => inet::<Ipv6Addr>(words),
        // Whatever follows is to be ignored.
        b"UNKNOWN" => Ok(Origin::Unknown),
        _ => fault(start, Reason::Protocol),
    }
}

fn inet<A: FromStr + Into<IpAddr>>(mut words: Words<'_>) -> Result<Origin<'static>, Malformed> {
    let source: A = words.parse(Reason::Address)?;
    let destination: A = words.parse(Reason::Address)?;
    let source = SocketAddr::new(source.into(), words.port()?);
    let destination = SocketAddr::new(destination.into(), words.port()?);
    match words.next(Reason::Words) {
        Ok((at, _)) => fault(at, Reason::Words),
        Err(_) => Ok(Origin::Inet { transport: Transport::Stream, ends: Ends::new(source, destination) }),
    }
}

/// The words of a line, each with its place.
struct Words<'a> {
    line: &'a [u8],
    /// Where the next one begins; beyond the line when there is none.
    next: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self, missing: Reason) -> Result<(usize, &'a [u8]), Malformed> {
        let at = self.next;
        let Some(rest) = self.line.get(at..) else {
            return fault(self.line.len(), missing);
        };
        let length = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        self.next = at + length + 1;
        Ok((at, &rest[..length]))
    }

    fn parse<T: FromStr>(&mut self, wrong: Reason) -> Result<T, Malformed> {
        let (at, word) = self.next(Reason::Words)?;
        if word.is_empty() {
            return fault(at, Reason::Words);
        }
        let parsed = str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        parsed.ok_or(Malformed { at, reason: wrong })
    }

    fn port(&mut self) -> Result<u16, Malformed> {
        let digit = self.next;
        let port: u16 = self.parse(Reason::Port)?;
        // The number alone would let a sign and leading zeros pass.
        let canonical = self.line[digit..self.next - 1] == *port.to_string().as_bytes();
        if canonical { Ok(port) } else { fault(digit, Reason::Port) }
    }
}

pub(super) fn write(origin: &Origin<'_>) -> Vec<u8> {
    let Origin::Inet { transport: Transport::Stream, ends } = origin else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let (source, destination) = (ends.source().port(), ends.destination().port());
    match ends.in_one_family() {
        OneFamily::V4([from, to]) => format!("PROXY TCP4 {from} {to} {source} {destination}\r\n"),
        OneFamily::V6([from, to]) => format!("PROXY TCP6 {from} {to} {source} {destination}\r\n"),
    }
    .into_bytes()
}
