//! `[[proxy.pool.member]]`.

use super::super::Apply::Live;
use super::super::Default::{Absent, Required, Value};
use super::super::{Key, key, tables};
use super::NAME;

pub(in crate::keys) const MEMBER: &[Key] = &[
    tables("proxy.pool.member", Live, "A server of the pool."),
    key(
        "proxy.pool.member.name",
        NAME,
        Required,
        Live,
        "",
        "\"a\"",
        "The name in logs and metrics. No other member of the pool has the same.",
    ),
    key(
        "proxy.pool.member.address",
        "address with a port, of either family",
        Required,
        Live,
        "HAProxy `server`",
        "\"192.0.2.11:8080\"",
        "Where the member listens.",
    ),
    key(
        "proxy.pool.member.weight",
        "integer, 0 to 256",
        Value("100"),
        Live,
        "HAProxy `weight`",
        "50",
        "The member's share against the others' weights; 0 takes no new connections.",
    ),
    key(
        "proxy.pool.member.backup",
        "boolean",
        Value("false"),
        Live,
        "HAProxy `backup`",
        "true",
        "Whether the member is used only while no other can be.",
    ),
    key(
        "proxy.pool.member.max_connections",
        "integer, 1 to 10000000",
        Absent,
        Live,
        "HAProxy `maxconn`",
        "200",
        "Connections to the member at a time; then clients wait. Without it, any number.",
    ),
    key(
        "proxy.pool.member.state",
        "`\"ready\"`, `\"drain\"` or `\"maintenance\"`",
        Value("\"ready\""),
        Live,
        "HAProxy `set server state`, `disabled`",
        "\"drain\"",
        "What is wanted of the member: to take connections; to keep those it has, and take only clients that stick to it; to take none and not be checked.",
    ),
    key(
        "proxy.pool.member.cookie",
        "value of a cookie (RFC 6265 §4.1.1), 1 to 128 characters, no bar and no tilde",
        Absent,
        Live,
        "HAProxy `cookie`",
        "\"s1\"",
        "What names the member in the cookie of the pool. No other member of the pool has the same.",
    ),
];
