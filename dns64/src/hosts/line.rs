//! The lines of hosts files and of lease files.
//!
//! Hosts files are those of hosts(5): an address and its names, the first of which the address leads back to; `#`
//! begins a comment. Lease files are those that dnsmasq writes: expiry, hardware address, address, name and client
//! identifier, for IPv6 with an association identifier in the second place and behind a line that begins with `duid`.
//! A name without a dot is put below the domain that is given as well, the longer form first. `localhost` and the names
//! below are left out: they mean whoever asks (RFC 6761 §6.3). A line that cannot be read never takes another along.

use super::table::Builder;
use crate::name::WireName;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `ADDRESS NAME ...`
    Hosts,
    /// `EXPIRY MAC ADDRESS NAME CLIENT-ID`
    Leases,
}

/// Why a line, or one name of it, is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The address is none.
    #[error("the address is not one of IPv4 or IPv6")]
    Address,
    /// An address without a name.
    #[error("no name stands behind the address")]
    NoName,
    /// A character that host names do not have.
    #[error("a name has other characters than letters, digits, '-', '_' and dots")]
    Character,
    /// `*.example`.
    #[error("a name has a wildcard, which hosts files do not know")]
    Wildcard,
    /// A label or the whole is too long, or a label is empty.
    #[error(
        "a name is empty, has an empty label, a label of more than 63 characters, or more than 253 in all"
    )]
    Length,
    /// A lease without its five columns.
    #[error("a lease has five columns: expiry, hardware address, address, name, client identifier")]
    Columns,
    /// The expiry is no number.
    #[error("the expiry is not a number of seconds")]
    Expiry,
    /// No room.
    #[error("the name has more than 256 addresses, or there are too many names")]
    Full,
}

/// A line that is passed over, or one of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// What is wrong.
    pub fault: Fault,
    /// A number of the line's content, by which it is known again when it moves.
    pub digest: u64,
}

/// What is added to every file alike.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The domain of names without a dot.
    pub domain: Option<&'a WireName>,
    /// The TTL of what stands in hosts files, in seconds.
    pub ttl: u32,
}

/// Adds what stands in `text` to `table`, whose numbers are TTLs for hosts files and ends for leases. Gives the lines
/// that could not be read.
pub fn read(form: Form, text: &[u8], terms: Terms<'_>, table: &mut Builder) -> Vec<BadLine> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut bad = Vec::new();
    for (index, line) in text.split(|octet| *octet == b'\n').enumerate() {
        let mut fault = |fault| bad.push(BadLine { number: index + 1, fault, digest: digest(line) });
        match form {
            Form::Hosts => hosts(line, terms, table, &mut fault),
            Form::Leases => lease(line, terms, table, &mut fault),
        }
    }
    bad
}

fn digest(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}

fn hosts(line: &[u8], terms: Terms<'_>, table: &mut Builder, fault: &mut impl FnMut(Fault)) {
    let line = line.split(|octet| *octet == b'#').next().unwrap_or_default();
    let mut words = words(line);
    let Some(first) = words.next() else { return };
    let Some(address) = address(first) else { return fault(Fault::Address) };
    let mut named = false;
    for word in words {
        named = true;
        if let Err(reason) = name(word).and_then(|name| add(table, name, address, terms.ttl, terms.domain)) {
            fault(reason);
        }
    }
    if !named {
        fault(Fault::NoName);
    }
}

fn lease(line: &[u8], terms: Terms<'_>, table: &mut Builder, fault: &mut impl FnMut(Fault)) {
    let mut words = words(line);
    let Some(expiry) = words.next() else { return };
    if expiry == b"duid" {
        return;
    }
    let (Some(_hardware), Some(address_word), Some(name_word), Some(_client)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return fault(Fault::Columns);
    };
    let Some(expiry) = std::str::from_utf8(expiry).ok().and_then(|text| text.parse().ok()) else {
        return fault(Fault::Expiry);
    };
    let Some(address) = address(address_word) else { return fault(Fault::Address) };
    if name_word == b"*" {
        return;
    }
    // An end that has passed is no fault: the server keeps such leases until it looks at them.
    let Some(number) = table.lasting().number(expiry) else { return };
    if let Err(reason) = name(name_word).and_then(|name| add(table, name, address, number, terms.domain)) {
        fault(reason);
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

fn address(word: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(word).ok()?.parse().ok().map(addr::fold_mapped)
}

/// A host name; a final dot is left out.
fn name(word: &[u8]) -> Result<WireName, Fault> {
    let word = word.strip_suffix(b".").unwrap_or(word);
    for label in word.split(|octet| *octet == b'.') {
        if label == b"*" {
            return Err(Fault::Wildcard);
        }
        if !label.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(octet)) {
            return Err(Fault::Character);
        }
    }
    WireName::from_labels(word.split(|octet| *octet == b'.')).map_err(|_| Fault::Length)
}

fn add(
    table: &mut Builder,
    name: WireName,
    address: IpAddr,
    number: u32,
    domain: Option<&WireName>,
) -> Result<(), Fault> {
    if name.labels_below(b"\x09localhost\x00").is_some() {
        return Ok(());
    }
    let plain = name.labels().nth(1).is_none();
    if let Some(domain) = domain.filter(|_| plain) {
        let full = WireName::from_labels(name.labels().chain(domain.labels())).map_err(|_| Fault::Length)?;
        table.add(&full, address, number).map_err(|_| Fault::Full)?;
    }
    table.add(&name, address, number).map_err(|_| Fault::Full)
}
