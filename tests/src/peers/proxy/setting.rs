//! Under which circumstances proxies are measured: each runs once for every setting that a chosen row needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What all proxies of one kind of measurement have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, for folders and messages.
    pub name: &'static str,
    /// Its number in the addresses of proxies.
    number: u16,
    /// Client connections that a proxy may hold.
    pub room: u16,
    /// Whether TLS is spoken at [`SECURE`] and [`HTTPS`].
    pub tls: bool,
    /// The port of the one listener, where ours would keep room back for others.
    pub only: Option<u16>,
    /// What is written of each request.
    pub log: Log,
}

/// What a proxy writes of each request, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Nothing.
    Off,
    /// HAProxy's line, to standard output, which is a file.
    Httplog,
    /// An object of JSON, likewise.
    Json,
    /// HAProxy's line, to a receiver of syslog at [`SYSLOG`].
    Syslog,
}

/// Threads that a proxy serves with, and processors that it is held to.
pub const CORES: usize = 1;

/// Where the servers are.
pub const BEHIND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// The port of nginx, before the proxies and behind them.
pub const WEB: u16 = 80;

/// The port of TLS before the proxies, with nginx behind.
pub const SECURE: u16 = 443;

/// The port of iperf3, likewise.
pub const BULK: u16 = 5201;

/// The port of the server that sends datagrams back, likewise.
pub const ECHO: u16 = 5300;

/// The port of the server that grants upgrades, before the proxies and behind them, in mode tcp.
pub const TUNNEL: u16 = 5400;

/// The same in mode http.
pub const UPGRADE: u16 = 5480;

/// The port of a receiver of syslog that drops what it gets.
pub const SYSLOG: u16 = 514;

/// The port of a listener that is there after every other change.
pub const SOMETIMES: u16 = 8080;

/// The port of mode http before the proxies, with nginx behind, and that of the same over TLS.
pub const HTTP: u16 = 8000;
/// See [`HTTP`].
pub const HTTPS: u16 = 8443;

/// Connections that are open and silent.
pub const CROWD: u16 = 9000;

/// Open files of a proxy that holds them all: two for each, and some for itself.
pub const FILES: u64 = 19_500;

/// Most rows.
pub const USUAL: Setting =
    Setting { name: "usual", number: 1, room: 4000, tls: false, only: None, log: Log::Off };

/// Nothing but open connections.
pub const IDLE: Setting = Setting { name: "idle", number: 2, room: CROWD + 500, only: Some(WEB), ..USUAL };

/// The same in mode http.
pub const HTTP_IDLE: Setting = Setting { name: "http-idle", number: 5, only: Some(HTTP), ..IDLE };

/// A configuration that changes.
pub const CHANGING: Setting = Setting { name: "changing", number: 3, ..USUAL };

/// TLS, which ends at the proxy.
pub const TLS: Setting = Setting { name: "tls", number: 4, tls: true, ..USUAL };

/// One listener of mode http and no log.
pub const UNLOGGED: Setting = Setting { name: "unlogged", number: 6, only: Some(HTTP), ..USUAL };

/// The same with each kind of log.
pub const LOGGED: [Setting; 3] = [
    Setting { name: "httplog", number: 7, log: Log::Httplog, ..UNLOGGED },
    Setting { name: "json", number: 8, log: Log::Json, ..UNLOGGED },
    TO_SYSLOG,
];

/// With the log that HAProxy has as well.
pub const TO_SYSLOG: Setting = Setting { name: "syslog", number: 9, log: Log::Syslog, ..UNLOGGED };

/// What a proxy does with the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It passes them on.
    Tcp,
    /// It reads requests and responses.
    Http,
}

impl Mode {
    /// The word for it in the files of all proxies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
        }
    }
}

/// Where every proxy listens, and what is behind.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Its name.
    pub name: &'static str,
    /// Its port.
    pub front: u16,
    /// The port of the server behind.
    pub back: u16,
    /// What the proxy does.
    pub mode: Mode,
    /// Whether TLS ends there.
    pub tls: bool,
}

const LISTENERS: [Listener; 8] = {
    let web = Listener { name: "web", front: WEB, back: WEB, mode: Mode::Tcp, tls: false };
    [
        web,
        Listener { name: "bulk", front: BULK, back: BULK, ..web },
        Listener { name: "tunnel", front: TUNNEL, back: TUNNEL, ..web },
        Listener { name: "upgrade", front: UPGRADE, back: TUNNEL, mode: Mode::Http, ..web },
        Listener { name: "http", front: HTTP, mode: Mode::Http, ..web },
        Listener { name: "sometimes", front: SOMETIMES, ..web },
        Listener { name: "secure", front: SECURE, tls: true, ..web },
        Listener { name: "https", front: HTTPS, mode: Mode::Http, tls: true, ..web },
    ]
};

impl Setting {
    /// The listeners of the configuration with this number: every other one has [`SOMETIMES`].
    pub fn listeners(&self, number: u32) -> impl Iterator<Item = Listener> {
        let wanted = move |listener: &Listener| {
            (self.tls || !listener.tls)
                && (number % 2 == 1 || listener.front != SOMETIMES)
                && self.only.is_none_or(|only| only == listener.front)
        };
        LISTENERS.into_iter().filter(wanted)
    }

    /// The address of the proxy with this number.
    pub const fn address(&self, product: u16) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, self.number, product))
    }
}

/// What shares processors with what, on a machine with so many.
pub fn note(processors: usize) -> String {
    let shared = match processors.saturating_sub(CORES) {
        0 => "the proxy shares it with the load and the servers".to_owned(),
        rest => format!("the proxy has one alone; the load and the servers have {rest}"),
    };
    format!("Processors: {processors}. Each proxy has one thread; {shared}.\nIPv6 in front, IPv4 behind.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_says_what_is_shared() {
        assert!(note(2).contains("the proxy has one alone; the load and the servers have 1"));
        assert!(note(1).contains("the proxy shares it"));
    }

    #[test]
    fn no_two_share_an_address_or_a_folder() {
        let [httplog, json, syslog] = &LOGGED;
        let all = [&USUAL, &IDLE, &HTTP_IDLE, &CHANGING, &TLS, &UNLOGGED, httplog, json, syslog];
        for (place, one) in all.iter().enumerate() {
            for other in &all[..place] {
                assert_ne!(one.address(1), other.address(1));
                assert_ne!(one.name, other.name);
            }
        }
    }
}
