//! Where dns64 listens: plain, and over TLS, HTTPS and QUIC with the certificates that these need.

use super::super::shared::{certificates, same_listener, twice};
use super::super::{Placed, Read, Table, Value, not_empty, unique, values};
use crate::defaults::{self, DNS_HTTPS_PORT, DNS_PORT, DNS_TLS_PORT};
use crate::model::UpstreamTransport;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The longest path that may stand in a URI template (RFC 9461 §5); far beyond what anybody types.
const LONGEST_PATH: usize = 255;

/// What the keys about listening say.
pub(super) struct Listening<'a> {
    /// `listen`.
    pub(super) plain: Vec<Placed<'a, SocketAddr>>,
    pub(super) tls: Vec<SocketAddr>,
    pub(super) https: Vec<SocketAddr>,
    pub(super) quic: Vec<SocketAddr>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) https_path: String,
}

impl Listening<'_> {
    /// Every address whose socket takes what goes over `transport`: QUIC has the port of UDP alone.
    pub(super) fn taking(&self, transport: &UpstreamTransport) -> impl Iterator<Item = SocketAddr> {
        let plain = self.plain.iter().map(|placed| placed.value);
        let quic = if transport.has_datagrams() { &self.quic[..] } else { &[] };
        plain.chain([&self.tls[..], &self.https, quic].into_iter().flatten().copied())
    }
}

/// A kind of listener that needs certificates.
struct Encrypted {
    key: &'static str,
    port: u16,
    /// It takes UDP, as against TCP.
    datagrams: bool,
}

const TLS: Encrypted = Encrypted { key: "listen_tls", port: DNS_TLS_PORT, datagrams: false };
const HTTPS: Encrypted = Encrypted { key: "listen_https", port: DNS_HTTPS_PORT, datagrams: false };
const QUIC: Encrypted = Encrypted { key: "listen_quic", port: DNS_TLS_PORT, datagrams: true };

pub(super) fn read<'a>(table: &Table<'a>) -> Read<Listening<'a>> {
    let plain = plain(table);
    let certificates = table.section("tls", certificates).map(Option::unwrap_or_default);
    let [tls, https, quic] = [TLS, HTTPS, QUIC].map(|kind| (encrypted(table, &kind), kind));
    let distinct = distinct(plain.as_deref().unwrap_or_default(), &[&tls, &https, &quic]);
    let https_path = table.or("https_path", defaults::HTTPS_PATH.to_owned(), path);
    Ok(Listening {
        plain: plain.and_then(|plain| distinct.map(|()| plain))?,
        tls: values(tls.0?),
        https: values(https.0?),
        quic: values(quic.0?),
        certificates: certificates?,
        https_path: https_path?,
    })
}

fn plain<'a>(table: &Table<'a>) -> Read<Vec<Placed<'a, SocketAddr>>> {
    let Some(list) = table.list("listen", |value| known_port(value, DNS_PORT))? else {
        return Ok(defaults::DNS_LISTEN.map(|addr| table.at.with(addr)).into());
    };
    not_empty(&table.spot("listen"), list, "address")
}

fn encrypted<'a>(table: &Table<'a>, kind: &Encrypted) -> Read<Vec<Placed<'a, SocketAddr>>> {
    let list = table.list(kind.key, |value| known_port(value, kind.port))?.unwrap_or_default();
    if list.is_empty() || table.value("tls").is_some() {
        return Ok(list);
    }
    if let Some(reported) = table.slip("tls") {
        return Err(reported);
    }
    Err(table.spot(kind.key).lacks(
        format!("{} needs a certificate, and there is no dns64.tls", kind.key),
        "add tls = { certificates = [\"/etc/causeway/dns.pem\"] } to [dns64], with a file that holds chain and key",
    ))
}

/// A listening address. Port 0 would be another port for each worker and for each of UDP and TCP.
fn known_port(value: &Value<'_>, default: u16) -> Read<SocketAddr> {
    let address = value.socket(Some(default))?;
    if address.port() == 0 {
        return Err(value.at.refuse(
            "clients cannot know which port the system would take for port 0",
            format!("give a port from 1 to 65535, or leave it out for {default}"),
        ));
    }
    Ok(address)
}

/// Refuses addresses that two listeners would have to share.
fn distinct(
    plain: &[Placed<'_, SocketAddr>],
    encrypted: &[&(Read<Vec<Placed<'_, SocketAddr>>>, Encrypted)],
) -> Read<()> {
    let over = |datagrams: bool| {
        let others = encrypted.iter().filter(|(_, kind)| kind.datagrams == datagrams);
        let others = others.flat_map(|(list, _)| list.as_deref().unwrap_or_default());
        let all: Vec<_> = plain.iter().chain(others).cloned().collect();
        unique(&all, same_listener, twice)
    };
    // A listener of `listen` that stands twice would be reported for each of UDP and TCP.
    unique(plain, same_listener, twice)?;
    over(false).and(over(true))
}

/// Whether `text` is the path of a URI, without query or fragment.
pub(super) fn is_path(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_graphic() && !b"?#{}\"<>\\^`|".contains(&b);
    text.len() <= LONGEST_PATH && text.starts_with('/') && text.bytes().all(legal)
}

/// The path of a URI, without query or fragment.
fn path(value: &Value<'_>) -> Read<String> {
    let expected = "the path of a URI such as \"/dns-query\"";
    let text = value.text(expected)?;
    if is_path(text) {
        return Ok(text.to_owned());
    }
    Err(value.mismatch_but(
        expected,
        format!(
            "begin with a slash; leave out spaces, queries and braces; at most {LONGEST_PATH} characters"
        ),
    ))
}
