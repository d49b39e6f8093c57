//! The sections that every daemon reads.

use super::Apply::{Live, Restart};
use super::Default::{Absent, Derived, Required, Value};
use super::{Key, key, table};

pub(super) const PREFIX: &[Key] = &[
    table(
        "prefix",
        Derived("required by `[nat64]` and `[dns64]`"),
        Live,
        "The one translation prefix that every part derives from.",
    ),
    key(
        "prefix.pref64",
        "IPv6 prefix of length 32, 40, 48, 56, 64 or 96 with bits 64 to 71 zero",
        Required,
        Live,
        "RFC 6052 §2.2",
        "\"2001:db8:64::/96\"",
        "The prefix that stands for all IPv4 addresses; NAT64 routes it and DNS64 synthesizes with it.",
    ),
    key(
        "prefix.allow_private_ipv4",
        "boolean",
        Value("false"),
        Live,
        "RFC 6052 §3.1",
        "true",
        "Lets non-global IPv4 addresses stand under the Well-Known Prefix `64:ff9b::/96`; other prefixes carry any address in any case.",
    ),
];

pub(super) const ADMIN: &[Key] = &[
    table("admin", Derived("the defaults of its keys"), Restart, "Where each daemon can be asked and told."),
    key(
        "admin.socket",
        "absolute path",
        Value("\"/run/causeway\""),
        Restart,
        "",
        "\"/run/causeway\"",
        "The directory that holds one unix socket per daemon, such as `causeway-nat64.sock`.",
    ),
    key(
        "admin.listen",
        "array of addresses with ports",
        Value("[]"),
        Restart,
        "",
        "[\"[::1]:9464\"]",
        "TCP addresses besides the socket; beyond loopback they need `token_file`.",
    ),
    key(
        "admin.token_file",
        "absolute path",
        Absent,
        Restart,
        "RFC 6750 §2.1",
        "\"/etc/causeway/token\"",
        "A file with the bearer token that requests over TCP must carry.",
    ),
];

pub(super) const LOG: &[Key] = &[
    table("log", Derived("the defaults of its keys"), Live, "What is logged, and how."),
    key(
        "log.level",
        "`\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`",
        Value("\"info\""),
        Live,
        "",
        "\"debug\"",
        "The least severity that is logged; only `debug` and `trace` name clients and domain names.",
    ),
    key(
        "log.format",
        "`\"text\"` or `\"json\"`",
        Value("\"text\""),
        Live,
        "",
        "\"json\"",
        "Lines for people, or one JSON object a line.",
    ),
];
