//! Where a listener takes connections.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One element of `proxy.listener.bind`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `"[2001:db8::1]:80"`, `"[2001:db8::1]:8000-8010"`.
    Address {
        /// The address with its first port, which is not 0.
        first: SocketAddr,
        /// The last port, not below the first.
        last_port: u16,
    },
    /// `"unix:/run/web.sock"`: an absolute path of at most 107 bytes.
    Unix(PathBuf),
    /// `"fd:web"`: the sockets of this name that the daemon inherits (`sd_listen_fds_with_names(3)`).
    Inherited(String),
}

impl Endpoint {
    /// Every address of it with its port; none of a unix socket or an inherited one.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let range = match self {
            Self::Address { first, last_port } => Some((*first, first.port()..=*last_port)),
            Self::Unix(_) | Self::Inherited(_) => None,
        };
        range.into_iter().flat_map(|(first, ports)| {
            ports.map(move |port| {
                let mut address = first;
                address.set_port(port);
                address
            })
        })
    }
}

/// `proxy.listener.socket_mode`: the permissions of a Unix socket's file, at most 0777. Who may write may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u16);

/// As the file writes it: `0660`.
impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Address { first: address, last_port: address.port() }
    }
}

/// As the file writes it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { first, last_port } if first.port() == *last_port => first.fmt(f),
            Self::Address { first, last_port } => write!(f, "{first}-{last_port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inherited(name) => write!(f, "fd:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_is_as_many_addresses() {
        let first: SocketAddr = "[2001:db8::1]:8000".parse().unwrap();
        let range = Endpoint::Address { first, last_port: 8002 };
        let ports: Vec<u16> = range.addresses().map(|address| address.port()).collect();
        assert_eq!(ports, [8000, 8001, 8002]);
        assert_eq!(range.to_string(), "[2001:db8::1]:8000-8002");
        assert_eq!(Endpoint::from(first).addresses().collect::<Vec<_>>(), [first]);
        assert_eq!(Endpoint::from(first).to_string(), "[2001:db8::1]:8000");
        assert_eq!(Endpoint::Unix("/run/web.sock".into()).addresses().count(), 0);
    }
}
