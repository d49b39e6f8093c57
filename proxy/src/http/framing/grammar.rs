//! The lines of a message, each by itself: request lines, field lines, the lines ahead of chunks. Pure.
//!
//! RFC 9112 §3, §5 and §7.1, as strict as they can be read.

use super::Fault;

/// Bytes of the line with a chunk's size, extensions included.
const MAX_CHUNK_LINE: usize = 16 + 256;

/// Method and target of a request line, and whether its version is 1.0.
pub(super) fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Fault> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::RequestLine);
    };
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Fault::Version);
        }
        _ => return Err(Fault::RequestLine),
    };
    let plain = |byte: &u8| matches!(byte, 0x21..=0x7e) && *byte != b'#';
    if !is_token(method) || target.is_empty() || !target.iter().all(plain) {
        return Err(Fault::RequestLine);
    }
    Ok((method, target, old))
}

/// Name and value of a field line, without the blanks around the value.
pub(crate) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let colon = memchr::memchr(b':', line).ok_or(Fault::Field)?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if !is_token(name) || value.iter().copied().any(is_control) {
        return Err(Fault::Field);
    }
    Ok((name, value))
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// RFC 9110 §8.6, within what a signed number of 64 bits holds.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: i64 = str::from_utf8(value).ok()?.parse().ok()?;
    u64::try_from(number).ok()
}

/// RFC 9112 §7.1. Extensions are passed over, if they could be read.
pub(crate) fn chunk_size(line: &[u8]) -> Option<u64> {
    if line.len() > MAX_CHUNK_LINE || line.iter().copied().any(is_control) {
        return None;
    }
    let (size, extensions) = line.split_at(memchr::memchr(b';', line).unwrap_or(line.len()));
    let digits = size.trim_ascii_end();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    if !ends_outside_quotes(extensions) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether every quoted string has its end (RFC 9110 §5.6.4).
fn ends_outside_quotes(text: &[u8]) -> bool {
    let (mut quoted, mut rest) = (false, text);
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'\\', [_, after @ ..]) if quoted => after,
            _ => after,
        };
        quoted ^= *byte == b'"';
    }
    !quoted
}

const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// Without the blanks around it: space and tab only (RFC 9110 §5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
