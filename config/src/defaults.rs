//! The value of every key that may be left out, each with its reason.

use crate::model::{
    AdminState, Balance, CheckKind, CheckMethod, ClassOctet, ClientAuth, ConnectionLog, CookieMode, Denied,
    Facility, ForwardedField, ForwardedFor, Hairpin, HttpReuse, HttpVersion, Level, LogFormat, Mode,
    MssClamp, Offload, PrivateZones, ProxyProtocol, ReverseNames, SocketMode, StatusRange, TlsVersion,
    Treatment, UdpZeroChecksum,
};
use ipnet::Ipv6Net;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

/// `prefix.allow_private_ipv4`: RFC 6052 §3.1 forbids it, so the operator must say so.
pub const ALLOW_PRIVATE_IPV4: bool = false;

/// `nat64.device`: says what the device does in the output of `ip link`.
pub const DEVICE: &str = "nat64";
/// `nat64.state_dir`: where the Filesystem Hierarchy Standard keeps state that outlives a reboot.
pub const STATE_DIR: &str = "/var/lib/causeway";
/// `workers` of every daemon: 0 is one per core, since the data paths scale with cores and share nothing.
pub const WORKERS: u16 = 0;
/// `nat64.offload`: super-packets are the larger part of the translator's speed.
pub const OFFLOAD: Offload = Offload::Auto;
/// `nat64.udp_zero_checksum`: the cheaper of the two ways that RFC 7915 §4.5 names, and what Tayga does.
pub const UDP_ZERO_CHECKSUM: UdpZeroChecksum = UdpZeroChecksum::Drop;
/// `nat64.ipv6_min_mtu` in bytes: the least MTU of any IPv6 link (RFC 8200 §5), so fragments of it pass everywhere.
pub const IPV6_MIN_MTU: u16 = 1280;
/// `nat64.mtu` in bytes: Ethernet's, which almost every path has on both sides.
pub const MTU: u16 = 1500;
/// `nat64.tcp_mss_clamp`: path MTU discovery works across the translator, and a translator that touches less breaks
/// less.
pub const TCP_MSS_CLAMP: MssClamp = MssClamp::Off;
/// `nat64.tos` and `nat64.traffic_class`: the default of RFC 7915 §4.1 and §5.1.
pub const CLASS_OCTET: ClassOctet = ClassOctet::Copy;
/// `nat64.icmp_error_rate`: the traceroutes of many people pass, a flood does not.
pub const ICMP_ERROR_RATE: u32 = 1000;
/// `nat64.configure_interface`: the daemon works without other tools.
pub const CONFIGURE_INTERFACE: bool = true;
/// `nat64.drop_log` in lines a second: none, since the lines name clients, who must be asked for at the level `info`, and
/// since every host's router solicitations would be among them.
pub const DROP_LOG: u16 = 0;
/// `nat64.hairpin`: RFC 7757 §4.2 asks for it by default, and this way needs no second pass through the kernel.
pub const HAIRPIN: Hairpin = Hairpin::Intrinsic;

/// `dns64.listen`: only this host, since a resolver open to the world is a weapon; others must be asked for.
pub const DNS_LISTEN: [SocketAddr; 2] = [
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, DNS_PORT, 0, 0)),
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, DNS_PORT)),
];
/// The port of DNS over UDP and TCP where none is given (RFC 1035 §4.2).
pub const DNS_PORT: u16 = 53;
/// The port of DNS over TLS and over QUIC where none is given (RFC 7858 §3.1, RFC 9250 §4.1.1).
pub const DNS_TLS_PORT: u16 = 853;
/// The port of DNS over HTTPS where none is given.
pub const DNS_HTTPS_PORT: u16 = 443;
/// `dns64.https_path`: the path that RFC 8484 §4.1.1 takes as its example and nearly every server has.
pub const HTTPS_PATH: &str = "/dns-query";
/// `dns64.cache_size` in bytes: about a hundred thousand names, each with its A, its lack of AAAA and what is made of both.
pub const CACHE_SIZE: u64 = 32 << 20;
/// `dns64.cache_max_ttl`: what changes at its source is seen within a day, whatever its owner promised.
pub const CACHE_MAX_TTL: Duration = Duration::from_secs(86_400);
/// `dns64.cache_max_negative_ttl`: a name that comes into being is seen within an hour (RFC 2308 §5 suggests one to three).
pub const CACHE_MAX_NEGATIVE_TTL: Duration = Duration::from_secs(3600);
/// `dns64.serve_stale`: a day without upstreams is survived; RFC 8767 §5 suggests one to three.
pub const SERVE_STALE: Duration = Duration::from_secs(86_400);
/// `dns64.prefetch`: names in use are never waited for, at the cost of one question in ten at most.
pub const PREFETCH: bool = true;
/// `dns64.rebind_protection`: off, because guests legitimately live in private IPv4 networks.
pub const REBIND_PROTECTION: bool = false;
/// `dns64.query_log`: off, since what people look up is nobody's business.
pub const QUERY_LOG: u32 = 0;
/// `dns64.hosts_ttl`: a guest that moves is found again within a minute.
pub const HOSTS_TTL: Duration = Duration::from_secs(60);
/// `dns64.domain_needed`: a plain name means a host of this network, about which nobody outside can know anything.
pub const DOMAIN_NEEDED: bool = true;
/// `dns64.denied`: who asks at the wrong place should hear of it.
pub const DENIED: Denied = Denied::Refuse;
/// `dns64.response_rate`: off, since a resolver of one network has no strangers among its clients.
pub const RESPONSE_RATE: u16 = 0;
/// `dns64.cookies`: they cost nothing and help clients against forged answers.
pub const COOKIES: bool = true;

/// `dns64.private_zones`: a resolver with a private address often serves them; one on the Internet never does.
pub const PRIVATE_ZONES: PrivateZones = PrivateZones::Auto;
/// `dns64.client.synthesize`: what the daemon is for.
pub const SYNTHESIZE: bool = true;

/// `dns64.on_aaaa_error`: many servers answer AAAA with an error where they have A records alone (RFC 6147 §5.1.2).
pub const ON_AAAA_ERROR: Treatment = Treatment::Synthesize;
/// `dns64.on_nxdomain`: a name that does not exist has no A records either (RFC 6147 §5.1.2).
pub const ON_NXDOMAIN: Treatment = Treatment::Pass;
/// `dns64.signed`: a client that sets DO alone leaves validation to its resolver (RFC 6147 §5.5).
pub const SIGNED: Treatment = Treatment::Synthesize;
/// `dns64.trust_ad`: only the operator knows whether the way to the upstreams is safe (RFC 6840 §5.8).
pub const TRUST_AD: bool = false;
/// `dns64.reverse`: nothing is said that is not so, and one lookup tells both names.
pub const REVERSE: ReverseNames = ReverseNames::Cname;
/// `dns64.strip_ipv4hint`: RFC 6147 §5.3.3 has all other records unchanged.
pub const STRIP_IPV4HINT: bool = false;

/// `dns64.exclude_aaaa`: IPv4-mapped addresses are no use to an IPv6 host (RFC 6147 §5.1.4).
pub const EXCLUDE_AAAA: [Ipv6Net; 1] = [Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96)];

/// `proxy.listener.rule.auth.realm`: what Apache's examples say.
pub const REALM: &str = "Restricted";
/// `proxy.listener.rule.auth.forward`: members have no use for a password that is checked here.
pub const AUTH_FORWARD: bool = false;
/// `proxy.listener.rule.rate.per`: rates are thought of by the second.
pub const RATE_PER: Duration = Duration::from_secs(1);
/// `proxy.listener.rule.rate.status`: the one that RFC 6585 §4 has for it.
pub const RATE_STATUS: u16 = 429;

/// `proxy.timeout.connect`: lets two lost SYNs be sent again; a member that takes longer is as good as down.
pub const CONNECT: Duration = Duration::from_secs(5);
/// `proxy.timeout.client`: what router VMs have set in HAProxy for years.
pub const CLIENT: Duration = Duration::from_secs(50);
/// `proxy.timeout.server`: the same as for clients, so that neither end gives up first by configuration.
pub const SERVER: Duration = Duration::from_secs(50);
/// `proxy.timeout.request_head`: ample for any honest client, short for one that sends a byte a second.
pub const REQUEST_HEAD: Duration = Duration::from_secs(10);
/// `proxy.timeout.keep_alive`: a reader's pause between two pages.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// `proxy.timeout.tunnel`: a session that merely rests lives on, a forgotten one ends the same day.
pub const TUNNEL: Duration = Duration::from_secs(3600);
/// `proxy.timeout.client_fin` and `server_fin`: the other end has closed, and the rest is on its way or never comes.
pub const FIN: Duration = Duration::from_secs(30);
/// `proxy.timeout.handshake`: ample for three round trips by satellite, short for one that only holds a place.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// `proxy.timeout.udp`: what the kernel's connection tracking takes for a flow without a reply.
pub const UDP: Duration = Duration::from_secs(30);
/// `proxy.log.format`: the lines name clients, who must be asked for.
pub const CONNECTION_LOG: ConnectionLog = ConnectionLog::Off;
/// `proxy.log.facility`: what router VMs have set in HAProxy for years.
pub const FACILITY: Facility = Facility::Local0;
/// `proxy.log.tag`: the daemon's name, as its own log has it.
pub const TAG: &str = "causeway-proxy";
/// `proxy.listener.v6only`: `[::]:80` and `0.0.0.0:80` stand side by side, whatever the system's default.
pub const V6ONLY: bool = true;
/// `proxy.listener.freebind`: an address that is mistyped is heard of at once.
pub const FREEBIND: bool = false;
/// `proxy.listener.socket_mode`: its owner alone.
pub const SOCKET_MODE: SocketMode = SocketMode(0o600);
/// `prefix_v6` of sources: a host chooses its addresses freely from its own /64.
pub const SOURCE_PREFIX_V6: u8 = 64;
/// `prefix_v4` of sources: one host has one address.
pub const SOURCE_PREFIX_V4: u8 = 32;
/// `proxy.listener.tls.min_version`: what clients of the last ten years can do; TLS 1.2 is safe with the ciphers offered.
pub const MIN_TLS: TlsVersion = TlsVersion::V1_2;
/// `proxy.listener.mode`: relaying bytes is right for every protocol over TCP.
pub const MODE: Mode = Mode::Tcp;
/// `proxy.listener.tls.alpn` in http mode: the versions that causeway-proxy speaks, the newer one first.
pub const HTTP_ALPN: [&str; 2] = ["h2", "http/1.1"];
/// `proxy.listener.limits.head`: what HAProxy and most servers take.
pub const REQUEST_LIMIT_HEAD: u32 = 16 << 10;
/// `proxy.listener.limits.fields`: several times what browsers send.
pub const REQUEST_LIMIT_FIELDS: u16 = 100;
/// `proxy.listener.limits.streams`: what RFC 9113 §6.5.2 asks for at least, and HAProxy and browsers have.
pub const REQUEST_LIMIT_STREAMS: u16 = 100;
/// `proxy.listener.limits.line`: what most servers take; RFC 9112 §3 asks for 8000 octets of a request line at least.
pub const REQUEST_LIMIT_LINE: u32 = 8 << 10;
/// `proxy.listener.client_certificate_headers`: a whole certificate in each request is much to send unasked.
pub const CLIENT_CERTIFICATE_HEADERS: bool = false;
/// `proxy.listener.hsts.subdomains`: who has a certificate for one name need not serve all below it.
pub const HSTS_SUBDOMAINS: bool = false;
/// `proxy.listener.hsts.preload`: nobody comes off these lists soon.
pub const HSTS_PRELOAD: bool = false;
/// `proxy.listener.forwarded_for_header`: what every server knows.
pub const FORWARDED_FOR_HEADER: &str = "X-Forwarded-For";
/// `proxy.listener.forwarded_for_if_none`: a list without its last hop is not whole.
pub const FORWARDED_FOR_IF_NONE: bool = false;
/// `proxy.pool.check.kind`: a member that accepts connections is up, whatever it serves.
pub const CHECK_KIND: CheckKind = CheckKind::Tcp;
/// `proxy.pool.balance`: needs no knowledge of the members.
pub const BALANCE: Balance = Balance::Roundrobin;
/// `proxy.pool.source_prefix_v6`: each address is a client of its own, as with HAProxy.
pub const BALANCE_PREFIX_V6: u8 = 128;
/// `proxy.pool.retries`: HAProxy's.
pub const RETRIES: u32 = 3;
/// `proxy.pool.redispatch`: a member that just died should not cost a client its connection.
pub const REDISPATCH: bool = true;
/// `proxy.pool.max_queue`: a burst waits, a flood is told at once.
pub const MAX_QUEUE: u32 = 1024;
/// `proxy.pool.slow_start`: most servers take their share from the first moment.
pub const SLOW_START: Duration = Duration::ZERO;
/// `proxy.pool.proxy_protocol`: a member that does not expect the header takes it for data.
pub const PROXY_PROTOCOL: ProxyProtocol = ProxyProtocol::Off;
/// `proxy.pool.protocol`: what every server speaks.
pub const PROTOCOL: HttpVersion = HttpVersion::H1;
/// `proxy.pool.http_reuse`: HAProxy's; no request is lost that a client could not know to be at risk.
pub const HTTP_REUSE: HttpReuse = HttpReuse::Safe;
/// `proxy.pool.tls.verify`: TLS to nobody in particular hides nothing.
pub const VERIFY: bool = true;
/// `proxy.pool.stick.size`: what router VMs have set in HAProxy for years.
pub const STICK_SIZE: u32 = 200_000;
/// `proxy.pool.stick.expire`: the same.
pub const STICK_EXPIRE: Duration = Duration::from_secs(1800);
/// `proxy.pool.cookie.mode`: needs nothing of the members.
pub const COOKIE_MODE: CookieMode = CookieMode::Insert;
/// `proxy.pool.app_cookie.length`: what router VMs have set in HAProxy for years.
pub const APP_COOKIE_LENGTH: u16 = 52;
/// `proxy.pool.app_cookie.expire`: the same.
pub const APP_COOKIE_EXPIRE: Duration = Duration::from_secs(3 * 3600);
/// `proxy.pool.passive.failures`: Envoy's.
pub const PASSIVE_FAILURES: u32 = 5;
/// `proxy.pool.passive.window`: Envoy's.
pub const PASSIVE_WINDOW: Duration = Duration::from_secs(10);
/// `proxy.pool.passive.ejection`: Envoy's.
pub const PASSIVE_EJECTION: Duration = Duration::from_secs(30);
/// `proxy.pool.check.method`: what every server answers.
pub const CHECK_METHOD: CheckMethod = CheckMethod::Get;
/// `proxy.pool.check.path`: what every server has.
pub const CHECK_PATH: &str = "/";
/// `proxy.pool.check.expect_status`: HAProxy's; a redirect is an answer too.
pub const CHECK_STATUS: StatusRange = StatusRange { first: 200, last: 399 };
/// `proxy.pool.member.backup`: a member carries its share.
pub const BACKUP: bool = false;
/// `proxy.pool.member.state`: a member is named to be used.
pub const ADMIN_STATE: AdminState = AdminState::Ready;
/// `proxy.pool.check.interval`: HAProxy's.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// `proxy.pool.check.rise`: HAProxy's; one good check may be luck.
pub const CHECK_RISE: u32 = 2;
/// `proxy.pool.check.fall`: HAProxy's; one or two lost packets do not take a member out.
pub const CHECK_FALL: u32 = 3;
/// `proxy.pool.member.weight`: leaves room below it to turn a single member down, in percent.
pub const WEIGHT: u16 = 100;

/// `proxy.listener.rule.redirect.status`: keeps the method, and clients remember it.
pub const REDIRECT_STATUS: u16 = 308;
/// `proxy.listener.rule.answer.status`.
pub const ANSWER_STATUS: u16 = 200;
/// `proxy.listener.rule.answer.content_type`: what a text in a file is.
pub const ANSWER_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// `proxy.listener.forwarded_for`: members otherwise see only the gateway; without HTTP there is no header.
pub const fn forwarded_for(mode: Mode) -> ForwardedFor {
    match mode {
        Mode::Http => ForwardedFor::Append,
        Mode::Tcp | Mode::Udp => ForwardedFor::Off,
    }
}

/// `proxy.listener.forwarded_headers`: whether the client spoke TLS decides what links a member writes. Whoever wants one
/// header left alone wants the others so too.
pub const fn forwarded_headers(forwarded_for: ForwardedFor) -> &'static [ForwardedField] {
    match forwarded_for {
        ForwardedFor::Append | ForwardedFor::Replace => &[ForwardedField::Proto],
        ForwardedFor::Off => &[],
    }
}

/// `proxy.listener.tls.client_auth`: whoever names an authority wants to see what it has signed.
pub const fn client_auth(has_authority: bool) -> ClientAuth {
    if has_authority { ClientAuth::Required } else { ClientAuth::Off }
}

/// `admin.socket`: the directory that systemd's `RuntimeDirectory=causeway` makes.
pub const ADMIN_SOCKET: &str = "/run/causeway";

/// `log.level`: state changes that an operator sees, no traffic.
pub const LEVEL: Level = Level::Info;
/// `log.format`: people read it first.
pub const FORMAT: LogFormat = LogFormat::Text;
