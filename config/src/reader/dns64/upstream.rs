//! Whom dns64 asks: `upstream`, `upstream_ca`, and `[[dns64.forward]]` for some domains.

use super::super::address::{Socket, is_host_name, socket};
use super::super::{Read, Table, Value, all, listing, not_empty, shared::twice, unique, values};
use super::listen::{Listening, is_path};
use crate::defaults::{self, DNS_HTTPS_PORT, DNS_PORT, DNS_TLS_PORT};
use crate::model::{Forward, Upstream, UpstreamTransport};
use addr::fold_mapped_socket;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// More would never be asked within the patience of a client.
const MOST_UPSTREAMS: usize = 16;

/// What the keys about upstreams say.
pub(super) struct Upstreams {
    pub(super) upstream: Vec<Upstream>,
    pub(super) upstream_ca: Option<PathBuf>,
    pub(super) forward: Vec<Forward>,
}

pub(super) fn read(table: &Table<'_>, listening: Option<&Listening<'_>>) -> Read<Upstreams> {
    let upstream = list(table, listening);
    let upstream_ca = table.maybe("upstream_ca", Value::path);
    let forward = table.tables("forward").and_then(|tables| forward(&tables, listening));
    Ok(Upstreams { upstream: upstream?, upstream_ca: upstream_ca?, forward: forward? })
}

/// The key `upstream` of `[dns64]` or of a `[[dns64.forward]]`.
fn list(table: &Table<'_>, listening: Option<&Listening<'_>>) -> Read<Vec<Upstream>> {
    let list = table.need("upstream", |value| {
        all(value.elements()?.map(|element| Ok(element.at.with(upstream(&element)?))))
    })?;
    let at = table.spot("upstream");
    let list = not_empty(&at, list, "upstream resolver")?;
    if list.len() > MOST_UPSTREAMS {
        return Err(at.refuse(
            format!("expected at most {MOST_UPSTREAMS} upstream resolvers, found {}", list.len()),
            "name the best few: no client waits until all of them were asked",
        ));
    }
    let loops = list.iter().filter_map(|placed| {
        let Upstream { transport, address } = &placed.value;
        let own = listening?.taking(transport).find(|own| reaches(*address, *own))?;
        Some(Err(placed.at.refuse(
            format!("{address} is where dns64 itself listens ({own})"),
            "give the address of another resolver: questions would go in a circle",
        )))
    });
    let loops = all::<()>(loops);
    let repeated = unique(
        &list,
        |upstream| Some(upstream.clone()),
        |_, first| {
            (
                format!("the same upstream already stands at {}", first.at.place()),
                "remove one of the two".to_owned(),
            )
        },
    );
    loops.and(repeated)?;
    Ok(values(list))
}

fn forward(tables: &[Table<'_>], listening: Option<&Listening<'_>>) -> Read<Vec<Forward>> {
    let groups = all(tables.iter().map(|table| {
        let domains = table.need("domains", |value| {
            let domains = value.elements()?.map(|element| Ok(element.at.with(element.proper_domain()?)));
            not_empty(&value.at, all(domains)?, "domain")
        });
        let upstream = list(table, listening);
        Ok((domains?, upstream?))
    }))?;
    let domains: Vec<_> = groups.iter().flat_map(|(domains, _)| domains.iter().cloned()).collect();
    unique(&domains, |domain| Some(domain.clone()), twice)?;
    Ok(groups.into_iter().map(|(domains, upstream)| Forward { domains: values(domains), upstream }).collect())
}

/// Whether a packet to `target` surely arrives at the socket `own` of this host.
fn reaches(target: SocketAddr, own: SocketAddr) -> bool {
    let (target, own) = (fold_mapped_socket(target), fold_mapped_socket(own));
    // A socket at [::] takes IPv6 only.
    let wildcard = own.ip().is_unspecified() && own.is_ipv6() == target.is_ipv6();
    target.port() == own.port() && (target.ip() == own.ip() || wildcard && target.ip().is_loopback())
}

const UPSTREAM: &str = "an upstream such as \"192.0.2.53\", \"[2001:db8::53]:53\", \"tcp://192.0.2.53\", \
                        \"tls://192.0.2.54#dns.example\" or \"https://192.0.2.55/dns-query#dns.example\"";

/// The parts of an upstream's text, `SCHEME://ADDRESS/PATH#NAME`.
struct Parts<'a> {
    scheme: &'a str,
    address: &'a str,
    path: Option<&'a str>,
    name: Option<&'a str>,
}

fn parts(text: &str) -> Parts<'_> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (rest, name) = rest.split_once('#').map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let (address, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    Parts { scheme, address, path, name }
}

/// An entry of a list of upstreams.
fn upstream(value: &Value<'_>) -> Read<Upstream> {
    let parts = parts(value.text(UPSTREAM)?);
    let Parts { scheme, address, path, .. } = parts;
    if matches!(scheme, "tls" | "https") && address.parse::<IpAddr>().is_err() && is_host_name(address) {
        let path = path.unwrap_or_default();
        return Err(value.mismatch_but(
            UPSTREAM,
            format!("names are not resolved here: write the address, and the name behind it, \"{scheme}://ADDRESS{path}#{address}\""),
        ));
    }
    let (transport, port) = transport(value, &parts)?;
    let address = match socket(parts.address) {
        Some(Socket::Whole(address)) => address,
        Some(Socket::Address(ip)) => SocketAddr::new(ip, port),
        None => {
            return Err(value.mismatch_but(UPSTREAM, "names are not resolved here: give the address itself"));
        }
    };
    Ok(Upstream { transport, address: value.connectable(address)? })
}

/// How the upstream is spoken to, and the port where none is given.
fn transport(value: &Value<'_>, parts: &Parts<'_>) -> Read<(UpstreamTransport, u16)> {
    let Parts { scheme, address, path, name } = parts;
    let https = *scheme == "https";
    if path.is_some() && !https {
        return Err(value.mismatch_but(UPSTREAM, "leave out the path: only https:// has one"));
    }
    if matches!(*scheme, "" | "tcp") && name.is_some() {
        let help = format!("write \"tls://{address}#...\" to have the name verified, or leave out the \"#\"");
        return Err(value.mismatch_but(UPSTREAM, help));
    }
    let verified = || {
        name.filter(|name| is_host_name(name)).map(str::to_owned).ok_or_else(|| {
            value.mismatch_but(UPSTREAM, "end it with the name the certificate must carry: \"#dns.example\"")
        })
    };
    match *scheme {
        "" => Ok((UpstreamTransport::Plain, DNS_PORT)),
        "tcp" => Ok((UpstreamTransport::Tcp, DNS_PORT)),
        "tls" => Ok((UpstreamTransport::Tls { name: verified()? }, DNS_TLS_PORT)),
        "https" => {
            let path = path.unwrap_or(defaults::HTTPS_PATH);
            if !is_path(path) {
                return Err(value.mismatch_but(
                    UPSTREAM,
                    "leave out spaces, queries and braces, such as \"{?dns}\": questions are sent by POST",
                ));
            }
            Ok((UpstreamTransport::Https { name: verified()?, path: path.to_owned() }, DNS_HTTPS_PORT))
        }
        other => {
            let known = listing(["none", "\"tcp://\"", "\"tls://\"", "\"https://\""], "and");
            let help = format!("{:?} is not known here; known are {known}", format!("{other}://"));
            Err(value.mismatch_but(UPSTREAM, help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fall_into_their_parts() {
        let check = |text: &str, expect: (&str, &str, Option<&str>, Option<&str>)| {
            let Parts { scheme, address, path, name } = parts(text);
            assert_eq!((scheme, address, path, name), expect, "{text}");
        };
        check("192.0.2.53", ("", "192.0.2.53", None, None));
        check(
            "tls://[2001:db8::54]:8853#dns.example",
            ("tls", "[2001:db8::54]:8853", None, Some("dns.example")),
        );
        check(
            "https://192.0.2.55/dns-query#d.example",
            ("https", "192.0.2.55", Some("/dns-query"), Some("d.example")),
        );
        check("https://192.0.2.55#d.example", ("https", "192.0.2.55", None, Some("d.example")));
        check("https://192.0.2.55/a/b", ("https", "192.0.2.55", Some("/a/b"), None));
    }

    #[test]
    fn an_upstream_at_the_address_of_a_listener_is_another_server_where_they_share_no_protocol() {
        let check = |upstream: &str, listener: &str, expect: bool| {
            let text = format!(
                "[prefix]\npref64 = \"64:ff9b::/96\"\n[dns64]\nlisten = [\"127.0.0.1:5300\"]\n\
                 upstream = [\"{upstream}\"]\n{listener}\ntls = {{ certificates = [\"/x.pem\"] }}\n"
            );
            assert_eq!(crate::parse(&text, "gateway.toml").is_ok(), expect, "{upstream} {listener}");
        };
        let quic = "listen_quic = [\"192.0.2.1\", \"192.0.2.1:443\"]";
        check("tls://192.0.2.1#a.example", quic, true);
        check("https://192.0.2.1/q#a.example", quic, true);
        check("tcp://192.0.2.1:853", quic, true);
        check("192.0.2.1:853", quic, false);
        check("tls://192.0.2.1#a.example", "listen_tls = [\"192.0.2.1\"]", false);
        check("192.0.2.1:853", "listen_tls = [\"192.0.2.1\"]", false);
    }
}
