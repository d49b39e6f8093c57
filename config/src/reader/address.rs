//! Addresses, networks and sockets. Every refusal of a value that is almost right shows the corrected value.

use super::{Read, Value};
use crate::domain::Domain;
use crate::model::{MappedRule, ServerName};
use addr::{Prefix64, Prefix64Error};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// An address family as networks see it, so that one reader serves both and either.
pub(super) trait Net: FromStr + Display + Copy + PartialEq {
    type Addr: FromStr;
    const EXPECTED: &'static str;
    fn host(addr: Self::Addr) -> Self;
    fn truncated(self) -> Self;
}

impl Net for Ipv4Net {
    type Addr = Ipv4Addr;
    const EXPECTED: &'static str = "an IPv4 network such as \"192.0.2.0/24\"";
    fn host(addr: Ipv4Addr) -> Self {
        Self::from(addr)
    }
    fn truncated(self) -> Self {
        self.trunc()
    }
}

impl Net for Ipv6Net {
    type Addr = Ipv6Addr;
    const EXPECTED: &'static str = "an IPv6 network such as \"2001:db8::/64\"";
    fn host(addr: Ipv6Addr) -> Self {
        Self::from(addr)
    }
    fn truncated(self) -> Self {
        self.trunc()
    }
}

impl Net for IpNet {
    type Addr = IpAddr;
    const EXPECTED: &'static str = "a network such as \"2001:db8::/64\" or \"192.0.2.0/24\"";
    fn host(addr: IpAddr) -> Self {
        Self::from(addr)
    }
    fn truncated(self) -> Self {
        self.trunc()
    }
}

impl Value<'_> {
    /// An address without a length or a port.
    pub(super) fn address<A: FromStr>(&self, expected: &str) -> Read<A> {
        self.text(expected)?.parse().map_err(|_| self.mismatch(expected))
    }

    /// A network; a plain address is a network of its own.
    pub(super) fn network<N: Net>(&self) -> Read<N> {
        self.network_in(self.text(N::EXPECTED)?)
    }

    fn network_in<N: Net>(&self, text: &str) -> Read<N> {
        if let Ok(addr) = text.parse() {
            return Ok(N::host(addr));
        }
        let net: N = text.parse().map_err(|_| self.mismatch(N::EXPECTED))?;
        let truncated = net.truncated();
        if truncated != net {
            return Err(self.at.refuse(
                format!("{text:?} has bits set beyond its length"),
                format!(
                    "write {:?} for the network, or leave out the length for the one address",
                    truncated.to_string()
                ),
            ));
        }
        Ok(net)
    }

    /// A network of client addresses; sources are compared after IPv4-mapped ones were folded to IPv4.
    pub(super) fn client_network(&self) -> Read<IpNet> {
        let net = self.network()?;
        let IpNet::V6(v6) = net else { return Ok(net) };
        match (v6.network().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
            (Some(v4), Some(len)) => Err(self.at.refuse(
                format!("\"{net}\" never matches: IPv4-mapped addresses count as IPv4"),
                format!("write \"{v4}/{len}\""),
            )),
            _ => Ok(net),
        }
    }

    /// One element of a `mapped` list: an IPv4 network, refused if it begins with `!`.
    pub(super) fn mapped_rule(&self) -> Read<MappedRule> {
        let text = self.text(MAPPED_RULE)?;
        let (allow, net) = match text.strip_prefix('!') {
            Some(net) => (false, net),
            None => (true, text),
        };
        Ok(MappedRule { net: self.network_in(net)?, allow })
    }

    /// A translation prefix (RFC 6052 §2.2).
    pub(super) fn prefix64(&self) -> Read<Prefix64> {
        let text = self.text(PREFIX64)?;
        let prefix: Prefix64 = text
            .parse()
            .map_err(|error| self.at.refuse(format!("{text:?}: {error}"), prefix64_help(text, error)))?;
        if prefix.addr().segments()[0] == 0 || !addr::special::is_legal_source_v6(prefix.addr()) {
            return Err(self.at.refuse(
                format!("{text:?} is not a unicast prefix"),
                "take a prefix that is routed to this gateway, or 64:ff9b::/96",
            ));
        }
        Ok(prefix)
    }

    /// An address with its port; with `port` given, the address may stand alone.
    pub(super) fn socket(&self, port: Option<u16>) -> Read<SocketAddr> {
        let expected = match port {
            Some(_) => "an address, with or without a port, such as \"[::1]:53\" or \"127.0.0.1\"",
            None => "an address with a port, such as \"[2001:db8::80]:80\" or \"192.0.2.11:8080\"",
        };
        let text = self.text(expected)?;
        self.socket_in(text, port, expected)
    }

    /// [`Value::socket`] of a part of a string; `expected` says what the whole should have held.
    pub(super) fn socket_in(&self, text: &str, port: Option<u16>, expected: &str) -> Read<SocketAddr> {
        match (socket(text), port) {
            (Some(Socket::Whole(addr)), _) => Ok(addr),
            (Some(Socket::Address(ip)), Some(port)) => Ok(SocketAddr::new(ip, port)),
            (Some(Socket::Address(ip)), None) => {
                let example = SocketAddr::new(ip, 80).to_string();
                Err(self.mismatch_but(expected, format!("add a port: {example:?}")))
            }
            (None, _) => {
                Err(self.mismatch_but(expected, "names are not resolved here: give the address itself"))
            }
        }
    }

    /// [`Value::socket`] of something that is connected to: neither address nor port may be zero.
    pub(super) fn target(&self, port: Option<u16>) -> Read<SocketAddr> {
        self.connectable(self.socket(port)?)
    }

    /// A domain name; `.` is the root.
    pub(super) fn domain(&self) -> Read<Domain> {
        let text = self.text(DOMAIN)?;
        text.parse().map_err(|error| {
            self.at.refuse(format!("{text:?} is not a domain name: {error}"), ascii_form(text))
        })
    }

    /// A domain name below the root.
    pub(super) fn proper_domain(&self) -> Read<Domain> {
        let domain = self.domain()?;
        if domain.labels().next().is_none() {
            return Err(self.mismatch(DOMAIN));
        }
        Ok(domain)
    }

    /// A name that TLS clients ask for, or with `*.` in front all names below one.
    pub(super) fn server_name(&self) -> Read<ServerName> {
        let text = self.text(SERVER_NAME)?;
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if let Some(domain) = dns_name(name) {
            return Ok(ServerName { domain, wildcard });
        }
        let star = "a '*' stands for whole labels, in front: \"*.b.example\"";
        let help = if name.contains('*') { star } else { ascii_form(name) };
        Err(self.mismatch_but(SERVER_NAME, help))
    }

    /// The name of one host, as certificates have it.
    pub(super) fn host_name(&self) -> Read<Domain> {
        let text = self.text(HOST_NAME)?;
        if let Some(name) = dns_name(text).filter(|_| is_host_name(text)) {
            return Ok(name);
        }
        let help = if is_dns_name(text) { WHOLE_LABELS } else { ascii_form(text) };
        Err(self.mismatch_but(HOST_NAME, help))
    }

    /// Refuses what nothing can be connected to.
    pub(super) fn connectable(&self, address: SocketAddr) -> Read<SocketAddr> {
        if address.port() == 0 {
            return Err(self
                .at
                .refuse("nothing can be reached at port 0", "give the port that it listens on"));
        }
        if address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err(self.at.refuse(format!("{} is not the address of a host", address.ip()), ""));
        }
        Ok(address)
    }
}

const DOMAIN: &str = "a domain name such as \"vm1.lan\"";
const HOST_NAME: &str = "the name of a host such as \"web.example\"";
const WHOLE_LABELS: &str = "labels neither begin nor end with a hyphen, and the last one is no number";
const SERVER_NAME: &str = "the name of a server such as \"a.example\" or \"*.b.example\"";
const PREFIX64: &str = "an IPv6 prefix such as \"64:ff9b::/96\"";
const MAPPED_RULE: &str = "an IPv4 network such as \"192.0.2.0/24\" or \"!10.0.0.0/8\"";
/// Text that is an address, or an address with its port.
pub(super) enum Socket {
    Whole(SocketAddr),
    Address(IpAddr),
}

pub(super) fn socket(text: &str) -> Option<Socket> {
    if let Ok(whole) = text.parse() {
        return Some(Socket::Whole(whole));
    }
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match bracketed {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|v6| Socket::Address(v6.into())),
        None => text.parse().ok().map(Socket::Address),
    }
}

/// Whether TLS clients may ask for `name`: dot-separated labels of 1 to 63 characters (RFC 1035 §2.3.1).
pub(super) fn is_dns_name(name: &str) -> bool {
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(legal)
}

/// Whether certificates can be verified for `name`: an IPv4 address, or a name in which no label begins or ends with a
/// hyphen (RFC 1123 §2.1) and the last one is no number, which would look like an address.
pub(super) fn is_host_name(name: &str) -> bool {
    let is_whole = |label: &str| !label.starts_with('-') && !label.ends_with('-');
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    let is_name =
        is_dns_name(name) && name.split('.').all(is_whole) && !name.rsplit('.').next().is_some_and(is_number);
    is_name || name.parse::<Ipv4Addr>().is_ok()
}

/// [`is_dns_name`], folded.
fn dns_name(text: &str) -> Option<Domain> {
    text.parse().ok().filter(|_| is_dns_name(text))
}

/// The remedy for a name that is not ASCII; empty for others.
const fn ascii_form(name: &str) -> &'static str {
    if name.is_ascii() { "" } else { "write the name in its ASCII form, which begins with \"xn--\"" }
}

/// The remedy for what [`Prefix64`] refuses.
fn prefix64_help(text: &str, error: Prefix64Error) -> String {
    match error {
        Prefix64Error::Syntax => "write an IPv6 address, a slash and a length: \"64:ff9b::/96\"".to_owned(),
        Prefix64Error::Length(_) => "RFC 6052 §2.2 knows no others; /96 is the usual one".to_owned(),
        Prefix64Error::HostBits(_) | Prefix64Error::UOctet => corrected(text).map_or_else(
            || "RFC 6052 §2.2 has zeros there".to_owned(),
            |prefix| format!("RFC 6052 §2.2 has zeros there: write \"{prefix}\""),
        ),
    }
}

/// The prefix that `text` becomes when the bits that must be zero are cleared.
fn corrected(text: &str) -> Option<Prefix64> {
    let net: Ipv6Net = text.parse().ok()?;
    let mut octets = net.trunc().network().octets();
    octets[8] = 0;
    Prefix64::new(octets.into(), net.prefix_len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_with_and_without_a_port() {
        let whole = |text: &str| matches!(socket(text), Some(Socket::Whole(_)));
        let alone = |text: &str| matches!(socket(text), Some(Socket::Address(_)));
        assert!(whole("[::1]:53") && whole("192.0.2.53:5353"));
        assert!(alone("::1") && alone("[::1]") && alone("127.0.0.1"));
        for bad in
            ["", "localhost", "[127.0.0.1]", "::1:", "[::1]:", "192.0.2.53:", "192.0.2.53:70000", "[::1"]
        {
            assert!(socket(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn clients_ask_for_dns_names() {
        assert!(
            is_dns_name("dns.example") && is_dns_name("xn--bcher-kva.example") && is_dns_name("localhost")
        );
        for bad in ["", ".", "dns..example", "dns.example.", "a b", "ü.example", &"a".repeat(64)] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }

    #[test]
    fn certificates_are_verified_for_names_of_hosts() {
        for good in
            ["web", "a-b.example", "xn--bcher-kva.example", "_a.1.example", "1a", "web.1a", "192.0.2.1"]
        {
            assert!(is_host_name(good), "{good}");
        }
        for bad in
            ["", "web-", "-web.lan", "a-.lan", "web.lan-", "-", "web.1", "1", "192.0.2.256", "a.", "::1"]
        {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
