//! Numbers, sizes, names and addresses as Unbound writes them.

use super::reader::Attribute;
use crate::domain::{Domain, DomainError};
use addr::Prefix64;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// `yes` or `no`.
pub(super) fn boolean(one: &Attribute) -> Result<bool, String> {
    match one.value() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(one.spot.says("expected yes or no.")),
    }
}

/// A number.
pub(super) fn number(one: &Attribute) -> Result<u64, String> {
    one.value().parse().map_err(|_| one.spot.says("number expected"))
}

/// A port.
pub(super) fn port(one: &Attribute) -> Result<u16, String> {
    one.value().parse().ok().filter(|port| *port > 0).ok_or_else(|| one.spot.says("port number expected"))
}

/// A size in bytes: `4m`, `64k`, `1g`, or a plain number.
pub(super) fn size(one: &Attribute) -> Result<u64, String> {
    let refuse = || one.spot.says(format_args!("memory size expected, found '{}'", one.value()));
    let text = one.value();
    let (digits, factor) = match text.as_bytes().last().map(u8::to_ascii_lowercase) {
        Some(b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(refuse)
}

/// A name.
pub(super) fn name(one: &Attribute, what: &str) -> Result<Domain, String> {
    one.value().parse().map_err(|error: DomainError| {
        one.spot.says(format_args!("cannot parse {what} name '{}': {error}", one.value()))
    })
}

/// An address or a network. Bits beyond its length are dropped, as Unbound does.
pub(super) fn network(one: &Attribute) -> Result<IpNet, String> {
    let text = one.value();
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.map(|net| net.trunc()).ok_or_else(|| one.spot.says(format_args!("cannot parse ip address: '{text}'")))
}

/// `ADDRESS[@PORT]`.
pub(super) fn socket(text: &str, default: u16) -> Option<SocketAddr> {
    let (addr, port) = match text.split_once('@') {
        Some((addr, port)) => (addr, port.parse().ok().filter(|port| *port > 0)?),
        None => (text, default),
    };
    Some(SocketAddr::new(addr.parse().ok()?, port))
}

/// `dns64-prefix`. Unbound drops bits beyond the length and takes any bits 64 to 71; RFC 6052 §2.2 does not.
pub(super) fn prefix(one: &Attribute) -> Result<Prefix64, String> {
    let text = one.value();
    let refuse = |why: String| Err(one.spot.says(why));
    let Some((addr, len)) = text.split_once('/') else {
        return match text.parse::<IpAddr>() {
            Ok(_) => refuse(format!("dns64-prefix length is not 32, 40, 48, 56, 64 or 96: {text} has none")),
            Err(_) => refuse(format!("cannot parse dns64-prefix netblock: {text}")),
        };
    };
    let (Ok(addr), Ok(len)) = (addr.parse::<IpAddr>(), len.parse::<u8>()) else {
        return refuse(format!("cannot parse dns64-prefix netblock: {text}"));
    };
    let IpAddr::V6(addr) = addr else { return refuse(format!("dns64_prefix is not IPv6: {text}")) };
    if !Prefix64::LENGTHS.contains(&len) {
        return refuse(format!("dns64-prefix length is not 32, 40, 48, 56, 64 or 96: {text}"));
    }
    let kept = addr.to_bits() & (u128::MAX << (128 - u32::from(len)));
    Prefix64::new(kept.into(), len).or_else(|_| {
        refuse(format!("dns64-prefix: bits 64 to 71 of {text} must be zero (RFC 6052 section 2.2)"))
    })
}
