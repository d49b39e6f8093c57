//! The validated model of gateway.toml: plain, comparable values without a trace of the file they came from.
//!
//! One struct per section, one field per key, in the order of docs/configuration.md. A value of these types has
//! passed every check of [`crate::parse`]; daemons read it and never validate again.

mod admission;
mod cache;
mod names;
mod proxy;
mod synthesis;
mod upstream;

pub use admission::{Admission, Denied};
pub use cache::DnsCache;
pub use names::{Host, LocalNames, PrivateZones};
pub use proxy::{
    AdminState, AppCookie, AppCookieMode, Auth, Balance, Check, CheckKind, CheckMethod, ClientAuth, Coding,
    Conditions, ConnectionLog, Cookie, CookieMode, Endpoint, Facility, FixedAnswer, ForwardedField,
    ForwardedFor, Forwarding, Header, HeaderCondition, HeaderEdit, HostPattern, Hsts, HttpCheck, HttpReuse,
    HttpVersion, Listener, LogField, LogLine, LogLineError, LogPart, LogStyle, LogTarget, Member, Mode, Part,
    Passive, PathEdit, Pattern, PatternError, PerSource, Place, Pool, PoolTls, Proxy, ProxyLog,
    ProxyProtocol, ProxyTimeouts, QueryEdit, Rate, RateBy, Redirect, RequestLimits, Rule, RuleAction,
    SameSite, ServerName, SniRoute, SocketMode, StatusRange, Stick, Substitution, Template, TemplateError,
    Tls, TlsVersion, Wanted,
};
pub use synthesis::{ClientPrefix, DnsClient, MappedRule, ReverseNames, SynthesisRules, Treatment};
pub use upstream::{Forward, Upstream, UpstreamTransport};

use crate::defaults;
use crate::domain::Domain;
use addr::{ExplicitMap, Prefix64, RangedPrefix};
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// `[prefix]`. Present whenever `dns64` is; `nat64` may have explicit maps alone.
    pub prefix: Option<Prefix>,
    /// `[nat64]`.
    pub nat64: Option<Nat64>,
    /// `[dns64]`.
    pub dns64: Option<Dns64>,
    /// `[proxy]`.
    pub proxy: Option<Proxy>,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: Log,
}

/// The sections that belong to one daemon each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// `[nat64]`, of causeway-nat64.
    Nat64,
    /// `[dns64]`, of causeway-dns64.
    Dns64,
    /// `[proxy]`, of causeway-proxy.
    Proxy,
}

impl Section {
    /// The section's name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat64 => "nat64",
            Self::Dns64 => "dns64",
            Self::Proxy => "proxy",
        }
    }
}

/// `[prefix]`: the one translation prefix that every part derives from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// `pref64` (RFC 6052 §2.2).
    pub pref64: Prefix64,
    /// `allow_private_ipv4`: lifts RFC 6052 §3.1 from `64:ff9b::/96`.
    pub allow_private_ipv4: bool,
}

/// `[nat64]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat64 {
    /// `device`: the TUN device's name, at most 15 bytes.
    pub device: String,
    /// `ipv4_addr`: the translator's own IPv4 address.
    pub ipv4_addr: Ipv4Addr,
    /// `ipv6_addr`: the translator's own IPv6 address; outside the prefix, or what the prefix makes of `ipv4_addr`.
    pub ipv6_addr: Ipv6Addr,
    /// `dynamic_pool`: IPv4 addresses given to IPv6 hosts on demand.
    pub dynamic_pool: Option<Ipv4Net>,
    /// `state_dir`: where `dynamic.map` lives; `None` is `"none"`, leases that end with the process.
    pub state_dir: Option<PathBuf>,
    /// `workers`: queues and threads; 0 is one per core.
    pub workers: u16,
    /// `offload`.
    pub offload: Offload,
    /// `udp_zero_checksum`.
    pub udp_zero_checksum: UdpZeroChecksum,
    /// `ipv6_min_mtu` in bytes, 1280 to 65535: IPv4 packets without DF are fragmented to it (RFC 7915 §4.1).
    pub ipv6_min_mtu: u16,
    /// `mtu` in bytes, 1280 to 65535: the MTU of the TUN device.
    pub mtu: u16,
    /// `ipv4_mtu`: the MTU of the IPv4 side, at least 68 bytes; without it, `mtu`.
    pub ipv4_mtu: Option<NextHopMtu>,
    /// `ipv6_mtu`: the MTU of the IPv6 side, at least 1280 bytes; without it, `mtu`.
    pub ipv6_mtu: Option<NextHopMtu>,
    /// `tcp_mss_clamp`.
    pub tcp_mss_clamp: MssClamp,
    /// `tos` of packets that leave for IPv4 (RFC 7915 §5.1).
    pub tos: ClassOctet,
    /// `traffic_class` of packets that leave for IPv6 (RFC 7915 §4.1).
    pub traffic_class: ClassOctet,
    /// `icmp_error_rate`: ICMP errors a second, 0 to a million; 0 sends none.
    pub icmp_error_rate: u32,
    /// `configure_interface`: bring the device up and add its routes; it gets no address.
    pub configure_interface: bool,
    /// `drop_log`, 0 to 1000: log lines a second, at most, about packets that are not translated; 0 is none.
    pub drop_log: u16,
    /// `hairpin`.
    pub hairpin: Hairpin,
    /// `icmp_source_v4`: who speaks for IPv6 routers without an IPv4 address; empty is `ipv4_addr` (RFC 6791).
    pub icmp_source_v4: Vec<Ipv4Net>,
    /// `icmp_source_v6`, of length 96 or less: who speaks for IPv4 routers that no prefix may carry; `None` is
    /// `ipv6_addr`.
    pub icmp_source_v6: Option<Ipv6Net>,
    /// `[[nat64.prefix]]`: prefixes beside `prefix.pref64`; none overlaps another, and no network stands twice.
    pub prefix: Vec<RangedPrefix>,
    /// `[[nat64.map]]` (RFC 7757).
    pub map: Vec<ExplicitMap>,
}

/// `nat64.offload`: whether the kernel may hand over super-packets and partial checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// Whatever the kernel offers.
    Auto,
    /// Single segments with complete checksums.
    Off,
}

/// `nat64.udp_zero_checksum`: what becomes of an IPv4 UDP packet without a checksum (RFC 7915 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpZeroChecksum {
    /// Dropped and counted.
    Drop,
    /// The checksum is computed, where the whole packet is at hand.
    Calculate,
    /// Passed on without a checksum (RFC 6936).
    Forward,
}

/// `nat64.hairpin`: how an IPv6 host reaches another one by the IPv4 address that it is mapped to (RFC 7757 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hairpin {
    /// Translated twice in one step (RFC 7757 §4.2.2).
    Intrinsic,
    /// The kernel routes the IPv4 packet back, and its source becomes an address of the prefix (RFC 7757 §4.2.1).
    Simple,
    /// No care is taken.
    Off,
}

/// `nat64.ipv4_mtu` and `nat64.ipv6_mtu`: how much the way to a destination carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopMtu {
    /// What the host's routing table says of the destination.
    Route,
    /// So many bytes, whatever the destination.
    Bytes(u16),
}

/// `nat64.tcp_mss_clamp`: what the Maximum Segment Size of TCP connections is lowered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MssClamp {
    /// Nothing.
    Off,
    /// What fits the MTU of both sides.
    Mtu,
    /// So many bytes, 536 to 65495.
    Bytes(u16),
}

/// `nat64.tos` and `nat64.traffic_class`: the octet that the two IP versions call by these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOctet {
    /// As it arrived.
    Copy,
    /// Always this one, the ECN bits included.
    Octet(u8),
}

/// `[dns64]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns64 {
    /// `listen`: UDP and TCP addresses; port 53 where none is given.
    pub listen: Vec<SocketAddr>,
    /// `listen_tls`: addresses of DNS over TLS; port 853 where none is given.
    pub listen_tls: Vec<SocketAddr>,
    /// `listen_https`: addresses of DNS over HTTPS; port 443 where none is given.
    pub listen_https: Vec<SocketAddr>,
    /// `listen_quic`: addresses of DNS over QUIC; port 853 where none is given.
    pub listen_quic: Vec<SocketAddr>,
    /// `tls.certificates`: PEM bundles of chain and key; at least one where any of the three above is given.
    pub certificates: Vec<PathBuf>,
    /// `https_path`: begins with a slash and has neither query nor fragment.
    pub https_path: String,
    /// `upstream`, in order of preference; at least one.
    pub upstream: Vec<Upstream>,
    /// `upstream_ca`: certificates that are trusted beside the system's when upstreams are verified.
    pub upstream_ca: Option<PathBuf>,
    /// `exclude_aaaa`: AAAA records in these ranges count as absent (RFC 6147 §5.1.4). The default is among them
    /// unless the file took it out.
    pub exclude_aaaa: Vec<Ipv6Net>,
    /// `force`: of these names and those below, AAAA records are passed over where there are A records.
    pub force: Vec<Domain>,
    /// `forbid`: these names and those below are never synthesized for. None stands in `force` as well.
    pub forbid: Vec<Domain>,
    /// What becomes of the cases on which resolvers differ.
    pub rules: SynthesisRules,
    /// What is remembered.
    pub cache: DnsCache,
    /// `workers`: threads; 0 is one per core.
    pub workers: u16,
    /// `rebind_protection`: private addresses are taken out of upstreams' answers.
    pub rebind_protection: bool,
    /// `query_log`: one query in so many is logged, 0 to 1000000; 0 is none.
    pub query_log: u32,
    /// `private_domains`: of them and the names below, private addresses are believed.
    pub private_domains: Vec<Domain>,
    /// Who is answered, and how much.
    pub admission: Admission,
    /// The names that are served here.
    pub names: LocalNames,
    /// `[[dns64.forward]]`; no domain stands twice.
    pub forward: Vec<Forward>,
    /// `[[dns64.client]]`, first match wins. Empty: every client gets the prefix.
    pub client: Vec<DnsClient>,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `socket`: the directory that holds one unix socket per daemon.
    pub socket: PathBuf,
    /// `listen`: TCP addresses besides.
    pub listen: Vec<SocketAddr>,
    /// `token_file`: holds the bearer token that `listen` asks for.
    pub token_file: Option<PathBuf>,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// `level`.
    pub level: Level,
    /// `format`.
    pub format: LogFormat,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the field's own words")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line a message for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Gateway {
    /// Whether the file has the section that `section`'s daemon needs.
    pub const fn has(&self, section: Section) -> bool {
        match section {
            Section::Nat64 => self.nat64.is_some(),
            Section::Dns64 => self.dns64.is_some(),
            Section::Proxy => self.proxy.is_some(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { socket: PathBuf::from(defaults::ADMIN_SOCKET), listen: Vec::new(), token_file: None }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: defaults::LEVEL, format: defaults::FORMAT }
    }
}
