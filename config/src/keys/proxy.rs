//! `[proxy]`.

pub(super) mod answers;
pub(super) mod check;
pub(super) mod cookie;
pub(super) mod forwarding;
pub(super) mod gate;
pub(super) mod hsts;
pub(super) mod limits;
pub(super) mod listener;
pub(super) mod member;
pub(super) mod pool;
pub(super) mod rule;

use super::Apply::{Live, Restart};
use super::Default::{Absent, Derived, Value};
use super::{Key, key, table};

pub(super) const PROXY: &[Key] = &[
    table(
        "proxy",
        Absent,
        Restart,
        "The proxy from IPv6 listeners to pools of members of either family; causeway-proxy needs it.",
    ),
    key(
        "proxy.workers",
        "integer, 0 to 256",
        Value("0"),
        Restart,
        "HAProxy `nbthread`",
        "2",
        "Threads that carry connections; 0 is one per core.",
    ),
    table(
        "proxy.timeout",
        Derived("the defaults of its keys"),
        Live,
        "How long the proxy waits; each a duration from `\"1ms\"` to `\"24h\"`.",
    ),
    key(
        "proxy.timeout.connect",
        DURATION,
        Value("\"5s\""),
        Live,
        "HAProxy `timeout connect`",
        "\"3s\"",
        "For a connection to a member.",
    ),
    key(
        "proxy.timeout.queue",
        DURATION,
        Derived("that of `connect`"),
        Live,
        "HAProxy `timeout queue`",
        "\"10s\"",
        "For a place at a member that has as many connections as it may.",
    ),
    key(
        "proxy.timeout.client",
        DURATION,
        Value("\"50s\""),
        Live,
        "HAProxy `timeout client`",
        "\"2m\"",
        "For a client that is silent while bytes are expected of it.",
    ),
    key(
        "proxy.timeout.server",
        DURATION,
        Value("\"50s\""),
        Live,
        "HAProxy `timeout server`",
        "\"2m\"",
        "For a member that is silent while bytes are expected of it.",
    ),
    key(
        "proxy.timeout.tunnel",
        DURATION,
        Value("\"1h\""),
        Live,
        "HAProxy `timeout tunnel`",
        "\"2h\"",
        "For both ends together, once both have sent something; `client` and `server` are not in force then. Modes tcp, and http after an upgrade.",
    ),
    key(
        "proxy.timeout.client_fin",
        DURATION,
        Value("\"30s\""),
        Live,
        "HAProxy `timeout client-fin`",
        "\"10s\"",
        "For a client that has said all or was told all, from then on and from each byte it sends or takes. Modes tcp, and http after an upgrade.",
    ),
    key(
        "proxy.timeout.server_fin",
        DURATION,
        Value("\"30s\""),
        Live,
        "HAProxy `timeout server-fin`",
        "\"10s\"",
        "For a member that has said all or was told all, from then on and from each byte it sends or takes. Modes tcp, and http after an upgrade.",
    ),
    key(
        "proxy.timeout.handshake",
        DURATION,
        Value("\"10s\""),
        Live,
        "HAProxy `timeout client-hs`",
        "\"5s\"",
        "For all that a client says ahead of its data: the PROXY header and the TLS handshake.",
    ),
    key(
        "proxy.timeout.request_head",
        DURATION,
        Value("\"10s\""),
        Live,
        "HAProxy `timeout http-request`",
        "\"5s\"",
        "For the whole head of an HTTP request.",
    ),
    key(
        "proxy.timeout.keep_alive",
        DURATION,
        Value("\"1m\""),
        Live,
        "HAProxy `timeout http-keep-alive`",
        "\"15s\"",
        "For an HTTP client that keeps its connection open between two requests.",
    ),
    key(
        "proxy.timeout.udp",
        DURATION,
        Value("\"30s\""),
        Live,
        "",
        "\"1m\"",
        "For both ends of a flow of datagrams together.",
    ),
    table(
        "proxy.log",
        Derived("the defaults of its keys"),
        Live,
        "A line about each connection, request and flow of a client, apart from what the daemon says of itself.",
    ),
    key(
        "proxy.log.format",
        "`\"off\"`, `\"tcplog\"`, `\"httplog\"`, `\"json\"` or `\"custom:LINE\"`",
        Value("\"off\""),
        Live,
        "HAProxy `option tcplog`, `option httplog`, `log-format`",
        "\"httplog\"",
        "No lines, HAProxy's lines, one JSON object a line, or a line of your own.",
    ),
    key(
        "proxy.log.to",
        "`\"stdout\"`, `\"udp://ADDRESS\"` or `\"unix://PATH\"`",
        Value("\"stdout\""),
        Live,
        "HAProxy `log`",
        "\"udp://[2001:db8::514]:514\"",
        "Where the lines go: to standard output, or as syslog to an address, at port 514 if none is given, or to a socket such as `/dev/log`.",
    ),
    key(
        "proxy.log.facility",
        "name of a facility of syslog",
        Value("\"local0\""),
        Live,
        "RFC 5424 §6.2.1, HAProxy `log`",
        "\"local2\"",
        "The facility of the lines: `user`, `mail`, `daemon`, `auth`, `syslog`, `news`, `cron`, `authpriv`, `ftp`, or `local0` to `local7`; not with `\"stdout\"`.",
    ),
    key(
        "proxy.log.tag",
        "text of 1 to 48 visible ASCII characters without `:` and `[`",
        Value("\"causeway-proxy\""),
        Live,
        "RFC 5424 §6.2.5, HAProxy `log-tag`",
        "\"gw1\"",
        "The program that syslog is told; not with `\"stdout\"`.",
    ),
];

/// Of every timeout.
const DURATION: &str = "duration, `\"1ms\"` to `\"24h\"`";
const NAME: &str = "name, 1 to 128 ASCII letters, digits, `-`, `_`, `.` and `:`";
