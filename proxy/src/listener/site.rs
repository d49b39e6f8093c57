//! What is listened on, as one thing that is opened and closed whole. Pure.
//!
//! Two configurations have a site in common where nothing about its sockets differs that only a new socket could have:
//! such a one stays open over a change, and so do the connections that wait in it.

use addr::fold_mapped_socket;
use config::model::{Endpoint, Listener, Mode};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Something that is listened on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Site {
    Inet(Inet),
    /// A Unix socket of this path.
    Unix(PathBuf),
    /// The sockets that the service manager hands over under this name.
    Inherited(String),
}

/// An address with a port, and what of its sockets is settled when they are bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Inet {
    /// Whether datagrams come to it, and not connections.
    pub(crate) datagrams: bool,
    /// IPv4-mapped addresses are IPv4.
    pub(crate) address: SocketAddr,
    /// Whether IPv4 comes to it as well, with IPv4-mapped addresses: only `[::]`.
    pub(crate) both_families: bool,
    /// The interface that connections come in at; all without it.
    pub(crate) interface: Option<String>,
}

impl Site {
    /// Whether datagrams come to it, and not connections.
    pub(crate) fn takes_datagrams(&self) -> bool {
        matches!(self, Self::Inet(inet) if inet.datagrams)
    }

    /// Every site of a listener.
    pub(crate) fn all_of(listener: &Listener) -> Vec<Self> {
        let inet = |address| Self::Inet(Inet::new(listener, address));
        let sites = |endpoint: &Endpoint| match endpoint {
            Endpoint::Address { .. } => endpoint.addresses().map(inet).collect(),
            Endpoint::Unix(path) => vec![Self::Unix(path.clone())],
            Endpoint::Inherited(name) => vec![Self::Inherited(name.clone())],
        };
        listener.bind.iter().flat_map(sites).collect()
    }

    /// Whether some client could reach either: same protocol and port, an address that both take, and an interface.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inet(one), Self::Inet(other)) => one.meets(other),
            (one, other) => one == other,
        }
    }
}

impl Inet {
    fn new(listener: &Listener, address: SocketAddr) -> Self {
        let address = fold_mapped_socket(address);
        let both_families = !listener.v6only && address.is_ipv6() && address.ip().is_unspecified();
        let datagrams = listener.mode == Mode::Udp;
        Self { datagrams, address, both_families, interface: listener.interface.clone() }
    }

    fn meets(&self, other: &Self) -> bool {
        let same_interface = match (&self.interface, &other.interface) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        };
        self.address.port() == other.address.port()
            && self.datagrams == other.datagrams
            && same_interface
            && (self.address.ip() == other.address.ip() || self.covers(other) || other.covers(self))
    }

    /// Whether it is the wildcard of a family that the other one is of.
    fn covers(&self, other: &Self) -> bool {
        let same_family = self.address.is_ipv6() == other.address.is_ipv6();
        self.address.ip().is_unspecified() && (same_family || self.both_families)
    }
}

/// Takes connections of one family, at any interface.
impl From<SocketAddr> for Inet {
    fn from(address: SocketAddr) -> Self {
        Self { datagrams: false, address, both_families: false, interface: None }
    }
}

/// As the file writes it.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(inet) => inet.address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inherited(name) => write!(f, "fd:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn site(bind: &str, edit: impl Fn(&mut Listener)) -> Site {
        let bind: SocketAddr = bind.parse().unwrap();
        let mut listener = Listener::new("web", vec![bind.into()], Mode::Tcp, "web");
        edit(&mut listener);
        let mut sites = Site::all_of(&listener);
        assert_eq!(sites.len(), 1, "{bind}");
        sites.remove(0)
    }

    #[test]
    fn only_the_wildcard_takes_both_families() {
        let check = |bind: &str, v6only: bool, expect: bool| {
            let site = site(bind, |listener| listener.v6only = v6only);
            assert!(matches!(site, Site::Inet(inet) if inet.both_families == expect), "{bind}");
        };
        check("[::]:80", false, true);
        check("[::]:80", true, false);
        check("[2001:db8::80]:80", false, false);
        check("0.0.0.0:80", false, false);
    }

    #[test]
    fn what_only_a_new_socket_has_makes_another_site() {
        let plain = site("[::]:80", |_| {});
        assert_ne!(site("[::]:80", |listener| listener.v6only = false), plain);
        assert_ne!(site("[::]:80", |listener| listener.interface = Some("eth1".into())), plain);
        assert_ne!(site("[::]:80", |listener| listener.mode = Mode::Udp), plain);
        assert_eq!(site("[::]:80", |listener| listener.mode = Mode::Http), plain);
        assert_eq!(site("[::]:80", |listener| listener.freebind = true), plain);
        assert_eq!(site("[::ffff:192.0.2.1]:80", |_| {}), site("192.0.2.1:80", |_| {}));
    }

    #[test]
    fn sites_of_one_port_meet_at_an_address_that_both_take() {
        let check = |one: &str, v6only: bool, other: &str, expect: bool| {
            let one = site(one, |listener| listener.v6only = v6only);
            let other = site(other, |_| {});
            assert_eq!((one.meets(&other), other.meets(&one)), (expect, expect), "{one} {other}");
        };
        check("[::]:80", true, "[2001:db8::80]:80", true);
        check("[::]:80", true, "[2001:db8::80]:81", false);
        check("[::]:80", true, "192.0.2.1:80", false);
        check("[::]:80", false, "192.0.2.1:80", true);
        check("[2001:db8::80]:80", true, "[2001:db8::80]:80", true);
        check("[2001:db8::80]:80", true, "[2001:db8::81]:80", false);
        check("0.0.0.0:80", true, "192.0.2.1:80", true);
        check("0.0.0.0:80", true, "[2001:db8::80]:80", false);
        check("192.0.2.2:80", true, "192.0.2.1:80", false);
        let at = |interface: Option<&str>| {
            site("[::]:80", |listener| listener.interface = interface.map(str::to_owned))
        };
        assert!(at(Some("eth1")).meets(&at(None)) && at(Some("eth1")).meets(&at(Some("eth1"))));
        assert!(!at(Some("eth1")).meets(&at(Some("eth2"))));
        let datagrams = site("[::]:80", |listener| listener.mode = Mode::Udp);
        assert!(!datagrams.meets(&site("[::]:80", |_| {})));
    }

    #[test]
    fn sites_are_written_as_in_the_file() {
        let bind = vec![Endpoint::Unix("/run/web.sock".into()), Endpoint::Inherited("web".into())];
        let listener = Listener::new("web", bind, Mode::Tcp, "web");
        let written: Vec<_> = Site::all_of(&listener).iter().map(ToString::to_string).collect();
        assert_eq!(written, ["unix:/run/web.sock", "fd:web"]);
    }
}
