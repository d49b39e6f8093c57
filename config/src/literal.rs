//! Values as gateway.toml writes them, for [`crate::show()`] and for the texts of a [`crate::Change`].

use crate::defaults::EXCLUDE_AAAA;
use crate::domain::Domain;
use crate::model::{
    AdminState, AppCookieMode, Balance, CheckKind, CheckMethod, ClassOctet, ClientAuth, ClientPrefix, Coding,
    ConnectionLog, CookieMode, Denied, Endpoint, Facility, ForwardedField, ForwardedFor, Hairpin, Header,
    HeaderCondition, HeaderEdit, HostPattern, HttpReuse, HttpVersion, Level, LogFormat, LogTarget,
    MappedRule, Mode, MssClamp, NextHopMtu, Offload, PathEdit, Pattern, PrivateZones, ProxyProtocol,
    QueryEdit, RateBy, ReverseNames, SameSite, ServerName, SocketMode, StatusRange, Substitution, Template,
    TlsVersion, Treatment, UdpZeroChecksum, Upstream, UpstreamTransport, Wanted,
};
use crate::reader::{duration_text, size_text};
use crate::words::Word;
use addr::Prefix64;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A value that has a form in TOML.
pub(crate) trait Literal {
    /// The value as it stands behind `key = `.
    fn literal(&self) -> String;
}

/// A size in bytes, which the model holds as a plain number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Types that TOML writes as they print.
macro_rules! bare {
    ($($name:ty),+) => { $(impl Literal for $name {
        fn literal(&self) -> String { self.to_string() }
    })+ };
}

/// Types whose printed form TOML puts in quotes.
macro_rules! in_quotes {
    ($($name:ty),+) => { $(impl Literal for $name {
        fn literal(&self) -> String { quoted(&self.to_string()) }
    })+ };
}

/// Types whose values are words.
macro_rules! as_word {
    ($($name:ty),+) => { $(impl Literal for $name {
        fn literal(&self) -> String { quoted(self.word()) }
    })+ };
}

bare!(bool, u8, u16, u32);
in_quotes!(
    ConnectionLog,
    LogTarget,
    String,
    Domain,
    Endpoint,
    Header,
    HostPattern,
    Pattern,
    RateBy,
    ServerName,
    SocketMode,
    StatusRange,
    Template,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    Ipv4Net,
    Ipv6Net,
    IpNet,
    Prefix64
);
as_word!(
    Facility,
    PrivateZones,
    Denied,
    Hairpin,
    Offload,
    UdpZeroChecksum,
    Mode,
    ForwardedField,
    ForwardedFor,
    AdminState,
    Coding,
    HttpReuse,
    AppCookieMode,
    CookieMode,
    SameSite,
    HttpVersion,
    CheckMethod,
    ProxyProtocol,
    ClientAuth,
    TlsVersion,
    Balance,
    CheckKind,
    Level,
    LogFormat,
    ReverseNames,
    Treatment
);

impl Literal for PathBuf {
    fn literal(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

/// `nat64.state_dir` where leases are not kept.
pub(crate) const NO_STATE: &str = "none";

impl Literal for Option<PathBuf> {
    fn literal(&self) -> String {
        self.as_ref().map_or_else(|| quoted(NO_STATE), Literal::literal)
    }
}

impl Literal for Duration {
    fn literal(&self) -> String {
        quoted(&duration_text(*self))
    }
}

impl Literal for Size {
    fn literal(&self) -> String {
        quoted(&size_text(self.0))
    }
}

impl Literal for NextHopMtu {
    fn literal(&self) -> String {
        match self {
            Self::Route => quoted("route"),
            Self::Bytes(bytes) => bytes.literal(),
        }
    }
}

impl Literal for MssClamp {
    fn literal(&self) -> String {
        match self {
            Self::Off => quoted("off"),
            Self::Mtu => quoted("mtu"),
            Self::Bytes(bytes) => bytes.literal(),
        }
    }
}

impl Literal for ClassOctet {
    fn literal(&self) -> String {
        match self {
            Self::Copy => quoted("copy"),
            Self::Octet(octet) => octet.literal(),
        }
    }
}

impl<T: Literal> Literal for Vec<T> {
    fn literal(&self) -> String {
        format!("[{}]", self.iter().map(Literal::literal).collect::<Vec<_>>().join(", "))
    }
}

/// `proxy.listener.errors`.
impl Literal for BTreeMap<u16, PathBuf> {
    fn literal(&self) -> String {
        let page = |(status, file): (&u16, &PathBuf)| format!("\"{status}\" = {}", file.literal());
        match self.iter().map(page).collect::<Vec<_>>().join(", ") {
            pages if pages.is_empty() => "{}".to_owned(),
            pages => format!("{{ {pages} }}"),
        }
    }
}

/// `proxy.listener.rule.header`: names are unique, and so make a table.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeaderConditions(pub(crate) Vec<HeaderCondition>);

impl HeaderConditions {
    /// `None` where there is no condition.
    pub(crate) fn of(conditions: &[HeaderCondition]) -> Option<Self> {
        (!conditions.is_empty()).then(|| Self(conditions.to_vec()))
    }
}

impl Literal for HeaderConditions {
    fn literal(&self) -> String {
        let entry = |condition: &HeaderCondition| {
            let wanted = match &condition.wanted {
                Wanted::Presence(wanted) => wanted.literal(),
                Wanted::Value(value) => quoted(value),
                Wanted::Pattern(pattern) => format!("{{ regex = {} }}", pattern.literal()),
            };
            format!("{} = {wanted}", quoted(&condition.name))
        };
        format!("{{ {} }}", self.0.iter().map(entry).collect::<Vec<_>>().join(", "))
    }
}

/// One edit: a table of these keys.
fn edit(keys: &[(&str, String)]) -> String {
    let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", keys.join(", "))
}

fn substitution(replace: &Substitution) -> [(&'static str, String); 2] {
    [("regex", replace.pattern().literal()), ("with", quoted(&replace.with()))]
}

impl Literal for HeaderEdit {
    fn literal(&self) -> String {
        match self {
            Self::Set(name, value) => edit(&[("set", quoted(name)), ("value", value.literal())]),
            Self::Add(name, value) => edit(&[("add", quoted(name)), ("value", value.literal())]),
            Self::Delete(name) => edit(&[("delete", quoted(name))]),
            Self::Replace(name, replace) => {
                let [regex, with] = substitution(replace);
                edit(&[("replace", quoted(name)), regex, with])
            }
        }
    }
}

impl Literal for PathEdit {
    fn literal(&self) -> String {
        match self {
            Self::Set(path) => edit(&[("set", path.literal())]),
            Self::AddPrefix(path) => edit(&[("add_prefix", path.literal())]),
            Self::StripPrefix(path) => edit(&[("strip_prefix", path.literal())]),
            Self::Replace(replace) => edit(&substitution(replace)),
        }
    }
}

impl Literal for QueryEdit {
    fn literal(&self) -> String {
        match self {
            Self::Set(name, value) => edit(&[("set", quoted(name)), ("value", value.literal())]),
            Self::Add(name, value) => edit(&[("add", quoted(name)), ("value", value.literal())]),
            Self::Delete(name) => edit(&[("delete", quoted(name))]),
            Self::Replace(replace) => edit(&substitution(replace)),
        }
    }
}

impl Literal for MappedRule {
    fn literal(&self) -> String {
        quoted(&format!("{}{}", if self.allow { "" } else { "!" }, self.net))
    }
}

impl Literal for Upstream {
    fn literal(&self) -> String {
        quoted(&match &self.transport {
            UpstreamTransport::Plain => self.address.to_string(),
            UpstreamTransport::Tcp => format!("tcp://{}", self.address),
            UpstreamTransport::Tls { name } => format!("tls://{}#{name}", self.address),
            UpstreamTransport::Https { name, path } => format!("https://{}{path}#{name}", self.address),
        })
    }
}

impl Literal for ClientPrefix {
    fn literal(&self) -> String {
        let (prefix, suffix) = (self.prefix.literal(), self.suffix.literal());
        format!("{{ prefix = {prefix}, suffix = {suffix}, mapped = {} }}", self.mapped.literal())
    }
}

/// `exclude_aaaa`, where the default is taken out by name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExcludeAaaa(pub(crate) Vec<Ipv6Net>);

impl Literal for ExcludeAaaa {
    fn literal(&self) -> String {
        let missing = EXCLUDE_AAAA.iter().filter(|default| !self.0.iter().any(|net| net.contains(*default)));
        let taken_out = missing.map(|net| quoted(&format!("!{net}")));
        format!("[{}]", self.0.iter().map(Literal::literal).chain(taken_out).collect::<Vec<_>>().join(", "))
    }
}
