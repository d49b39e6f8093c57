//! What is listened on, as one thing that is opened and closed whole. Pure.
//!
//! Two configurations have a site in common where nothing about its sockets differs that only a new socket could have:
//! such a one stays open over a change, and so do the connections that wait in it.

use addr::fold_mapped_socket;
use config::model::{Endpoint, Listener};
use std::fmt;
use std::net::SocketAddr;

/// An address with a port, and what of its sockets is settled when they are bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Site {
    /// IPv4-mapped addresses are IPv4.
    pub(crate) address: SocketAddr,
    /// Whether IPv4 comes to it as well, with IPv4-mapped addresses: only `[::]`.
    pub(crate) both_families: bool,
    /// The interface that connections come in at; all without it.
    pub(crate) interface: Option<String>,
}

impl Site {
    /// Every site of a listener.
    pub(crate) fn all_of(listener: &Listener) -> impl Iterator<Item = Self> + '_ {
        listener.bind.iter().flat_map(Endpoint::addresses).map(|address| {
            let address = fold_mapped_socket(address);
            let both_families = !listener.v6only && address.is_ipv6() && address.ip().is_unspecified();
            Self { address, both_families, interface: listener.interface.clone() }
        })
    }

    /// Whether some client could reach either: same port, and a family that both take.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let same_family = self.address.is_ipv6() == other.address.is_ipv6();
        self.address.port() == other.address.port()
            && (same_family || self.both_families || other.both_families)
    }
}

/// As the file writes it.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::model::Mode;

    fn sites(bind: &str, edit: impl Fn(&mut Listener)) -> Vec<Site> {
        let bind: SocketAddr = bind.parse().unwrap();
        let mut listener = Listener::new("web", vec![bind.into()], Mode::Tcp, "web");
        edit(&mut listener);
        Site::all_of(&listener).collect()
    }

    #[test]
    fn only_the_wildcard_takes_both_families() {
        let check = |bind: &str, v6only: bool, expect: bool| {
            let sites = sites(bind, |listener| listener.v6only = v6only);
            assert_eq!(sites.iter().map(|site| site.both_families).collect::<Vec<_>>(), [expect], "{bind}");
        };
        check("[::]:80", false, true);
        check("[::]:80", true, false);
        check("[2001:db8::80]:80", false, false);
        check("0.0.0.0:80", false, false);
    }

    #[test]
    fn what_only_a_new_socket_has_makes_another_site() {
        let plain = sites("[::]:80", |_| {});
        assert_ne!(sites("[::]:80", |listener| listener.v6only = false), plain);
        assert_ne!(sites("[::]:80", |listener| listener.interface = Some("eth1".into())), plain);
        assert_eq!(sites("[::]:80", |listener| listener.freebind = true), plain);
        assert_eq!(sites("[::ffff:192.0.2.1]:80", |_| {}), sites("192.0.2.1:80", |_| {}));
    }

    #[test]
    fn sites_of_one_port_meet_in_a_family_that_both_take() {
        let check = |one: &str, v6only: bool, other: &str, expect: bool| {
            let one = &sites(one, |listener| listener.v6only = v6only)[0];
            let other = &sites(other, |_| {})[0];
            assert_eq!((one.meets(other), other.meets(one)), (expect, expect), "{one} {other}");
        };
        check("[::]:80", true, "[2001:db8::80]:80", true);
        check("[::]:80", true, "[2001:db8::80]:81", false);
        check("[::]:80", true, "192.0.2.1:80", false);
        check("[::]:80", false, "192.0.2.1:80", true);
    }
}
