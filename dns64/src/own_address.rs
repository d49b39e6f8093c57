//! Upstreams that are this host itself, where a listener at the wildcard address takes all that comes to its port.
//!
//! The file alone shows the upstreams that stand among the listeners or are loopback addresses; what other addresses
//! the host has only the system knows. A circle by way of other hosts shows only while serving: `loops`.

use crate::listen::{self, Endpoint, Protocols};
use config::Refusal;
use config::model::{Dns64, Upstream, UpstreamTransport};
use nix::ifaddrs::getifaddrs;
use std::net::IpAddr;

/// The upstreams that would send every question back here. None where the system does not tell its addresses.
pub(crate) fn refusals(dns64: &Dns64) -> Vec<Refusal> {
    let own: Vec<IpAddr> =
        getifaddrs().map(|all| all.filter_map(|one| address(&one.address?)).collect()).unwrap_or_default();
    circles(dns64, &own)
}

fn address(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn circles(dns64: &Dns64, own: &[IpAddr]) -> Vec<Refusal> {
    let wildcards: Vec<Endpoint> = listen::endpoints(dns64)
        .into_iter()
        .filter(|endpoint| endpoint.address.ip().is_unspecified())
        .collect();
    let refusal = |path: String, upstream: &Upstream| {
        let address = addr::fold_mapped_socket(upstream.address);
        let takes = |own: &&Endpoint| {
            own.address.port() == address.port()
                && own.address.is_ipv6() == address.is_ipv6()
                && own
                    .kind
                    .protocols()
                    .iter()
                    .any(|protocol| protocols(&upstream.transport).contains(protocol))
        };
        let Endpoint { address: listener, .. } =
            wildcards.iter().find(takes).filter(|_| own.contains(&address.ip()))?;
        Some(Refusal {
            path,
            message: format!("{address} is an address of this host, where dns64 itself listens ({listener})"),
            help: "give the address of another resolver: questions would go in a circle".to_owned(),
        })
    };
    let default = dns64.upstream.iter().enumerate();
    let default = default.filter_map(|(at, one)| refusal(format!("dns64.upstream[{at}]"), one));
    let forward = dns64.forward.iter().enumerate().flat_map(|(group, forward)| {
        let path = move |at| format!("dns64.forward[{group}].upstream[{at}]");
        forward.upstream.iter().enumerate().filter_map(move |(at, one)| refusal(path(at), one))
    });
    default.chain(forward).collect()
}

/// What questions travel over.
const fn protocols(transport: &UpstreamTransport) -> &'static [Protocols] {
    match transport {
        UpstreamTransport::Plain => &[Protocols::Udp, Protocols::Tcp],
        UpstreamTransport::Tcp | UpstreamTransport::Tls { .. } | UpstreamTransport::Https { .. } => {
            &[Protocols::Tcp]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(listen: &str, upstream: &str, more: &str) -> Vec<String> {
        let text = format!(
            "[prefix]\npref64 = \"64:ff9b::/96\"\n[dns64]\nlisten = [{listen}]\nupstream = [{upstream}]\n{more}"
        );
        let model = config::parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
        let own = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
        circles(&model.dns64.unwrap(), &own).into_iter().map(|refusal| refusal.path).collect()
    }

    #[test]
    fn an_address_of_this_host_is_refused_where_a_wildcard_takes_its_port() {
        let check = |listen: &str, upstream: &str, more: &str, expect: &[&str]| {
            assert_eq!(paths(listen, upstream, more), expect, "{listen} {upstream} {more}");
        };
        let tls = "listen_tls = [\"0.0.0.0\"]\ntls = { certificates = [\"/x.pem\"] }";
        check("\"0.0.0.0\"", "\"192.0.2.53\", \"192.0.2.1\"", "", &["dns64.upstream[1]"]);
        check("\"[::]\"", "\"tcp://[2001:db8::1]\"", "", &["dns64.upstream[0]"]);
        check("\"[::]\"", "\"192.0.2.1\"", "", &[]);
        check("\"0.0.0.0\"", "\"192.0.2.1:5353\"", "", &[]);
        check("\"192.0.2.9\"", "\"192.0.2.1\"", "", &[]);
        check("\"192.0.2.9\"", "\"tls://192.0.2.1#a.example\"", tls, &["dns64.upstream[0]"]);
        let quic =
            |address: &str| format!("listen_quic = [\"{address}\"]\ntls = {{ certificates = [\"/x.pem\"] }}");
        check("\"192.0.2.9\"", "\"tls://192.0.2.1#a.example\"", &quic("0.0.0.0"), &[]);
        check("\"192.0.2.9\"", "\"https://192.0.2.1/q#a.example\"", &quic("0.0.0.0:443"), &[]);
        check("\"192.0.2.9\"", "\"tcp://192.0.2.1:853\"", &quic("0.0.0.0"), &[]);
        check("\"192.0.2.9\"", "\"192.0.2.1:853\"", &quic("0.0.0.0"), &["dns64.upstream[0]"]);
        check("\"192.0.2.9\"", "\"192.0.2.1:853\"", tls, &["dns64.upstream[0]"]);
        let forward = "[[dns64.forward]]\ndomains = [\"a.example\"]\nupstream = [\"192.0.2.1\"]";
        check("\"0.0.0.0\"", "\"192.0.2.53\"", forward, &["dns64.forward[0].upstream[0]"]);
    }

    #[test]
    fn the_system_tells_its_addresses() {
        let own: Vec<_> = getifaddrs().unwrap().filter_map(|one| address(&one.address?)).collect();
        assert!(own.contains(&IpAddr::from([127, 0, 0, 1])), "{own:?}");
    }
}
