//! The two extensions that are read: the server's name (RFC 6066 §3) and the protocols offered (RFC 7301 §3.1).

use super::octets::Octets;
use super::{ClientHello, Malformed, Reason};
use std::net::IpAddr;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const HOST_NAME: u8 = 0;
/// Characters of a name and of one label (RFC 1035 §2.3.4).
const NAME_LIMIT: usize = 253;
const LABEL_LIMIT: usize = 63;

pub(super) fn parse(mut extensions: Octets<'_>) -> Result<ClientHello, Malformed> {
    let (mut names, mut protocols) = (None, None);
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let data = extensions.long()?;
        let place = match kind {
            SERVER_NAME => &mut names,
            ALPN => &mut protocols,
            _ => continue,
        };
        if place.replace(data).is_some() {
            return Err(Reason::Twice.into());
        }
    }
    Ok(ClientHello {
        server_name: names.map(server_name).transpose()?.flatten(),
        alpn: protocols.map(alpn).transpose()?.unwrap_or_default(),
    })
}

/// The list that is all of an extension, and not empty.
fn list(mut data: Octets<'_>) -> Result<Octets<'_>, Malformed> {
    let list = data.long()?;
    if list.is_empty() || !data.is_empty() { Err(Reason::Fields.into()) } else { Ok(list) }
}

fn server_name(data: Octets<'_>) -> Result<Option<String>, Malformed> {
    let mut list = list(data)?;
    let mut host = None;
    while !list.is_empty() {
        let kind = list.u8()?;
        let name = list.long()?;
        if kind == HOST_NAME && host.replace(name).is_some() {
            return Err(Reason::Twice.into());
        }
    }
    host.map_or(Ok(None), |name| host_name(name.rest()))
}

/// The name as it is compared; none if it is an address.
fn host_name(name: &[u8]) -> Result<Option<String>, Malformed> {
    let name = str::from_utf8(name).map_err(|_| Reason::Name)?;
    if name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_host = name.len() <= NAME_LIMIT && name.split('.').all(is_label);
    if is_host { Ok(Some(name.to_ascii_lowercase())) } else { Err(Reason::Name.into()) }
}

/// Underscores stand in names that are in use, whatever the rules say.
fn is_label(label: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_LIMIT).contains(&label.len()) && label.bytes().all(is_plain)
}

fn alpn(data: Octets<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut list = list(data)?;
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let protocol = list.short()?;
        if protocol.is_empty() {
            return Err(Reason::Fields.into());
        }
        protocols.push(protocol.rest().to_vec());
    }
    Ok(protocols)
}
