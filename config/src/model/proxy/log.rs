//! `[proxy.log]`: a line about each connection, request and flow.

use super::LogLine;
use crate::defaults;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[proxy.log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLog {
    /// `format`.
    pub format: ConnectionLog,
    /// `to`.
    pub to: LogTarget,
    /// `facility`; the default where `to` is not syslog.
    pub facility: Facility,
    /// `tag`: 1 to 48 visible ASCII characters; the default where `to` is not syslog.
    pub tag: String,
}

impl Default for ProxyLog {
    fn default() -> Self {
        Self {
            format: defaults::CONNECTION_LOG,
            to: LogTarget::Stdout,
            facility: defaults::FACILITY,
            tag: defaults::TAG.to_owned(),
        }
    }
}

/// `proxy.log.format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionLog {
    /// No lines.
    Off,
    /// HAProxy's tcplog.
    Tcplog,
    /// HAProxy's httplog, and tcplog of what is no HTTP.
    Httplog,
    /// One JSON object a line.
    Json,
    /// Lines of the operator's own.
    Custom(LogLine),
}

impl ConnectionLog {
    /// What stands in front of a line of the operator's own.
    pub const CUSTOM: &str = "custom:";
    /// Those that a word stands for.
    pub const WORDS: [(&str, Self); 4] =
        [("off", Self::Off), ("tcplog", Self::Tcplog), ("httplog", Self::Httplog), ("json", Self::Json)];
}

/// As the file writes it.
impl fmt::Display for ConnectionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Custom(line) = self {
            return write!(f, "{}{line}", Self::CUSTOM);
        }
        let word = Self::WORDS.into_iter().find(|(_, format)| format == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

/// `proxy.log.to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output, one line each.
    Stdout,
    /// Syslog in datagrams to this address.
    Udp(SocketAddr),
    /// Syslog in datagrams to this socket; an absolute path of at most 107 bytes.
    Unix(PathBuf),
}

/// As the file writes it.
impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// `proxy.log.facility`, with its number (RFC 5424 §6.2.1). The kernel's own are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of syslog(3)")]
pub enum Facility {
    User = 1,
    Mail = 2,
    Daemon = 3,
    Auth = 4,
    Syslog = 5,
    News = 7,
    Cron = 9,
    Authpriv = 10,
    Ftp = 11,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

impl Facility {
    /// Its number, 1 to 23.
    pub const fn code(self) -> u8 {
        self as u8
    }
}
