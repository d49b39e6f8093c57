//! `proxy.listener.limits`.

use super::super::Apply::Live;
use super::super::Default::{Absent, Derived, Value};
use super::super::{Key, key, table};

pub(in crate::keys) const LIMITS: &[Key] = &[
    table(
        "proxy.listener.limits",
        Derived("the defaults of its keys"),
        Live,
        "How much of a request is taken; only with `mode = \"http\"`.",
    ),
    key(
        "proxy.listener.limits.head",
        "size, `\"1KiB\"` to `\"48KiB\"`",
        Value("\"16KiB\""),
        Live,
        "RFC 6585 §5, HAProxy `tune.bufsize`",
        "\"32KiB\"",
        "The request line with all header fields; more is answered 431.",
    ),
    key(
        "proxy.listener.limits.fields",
        "integer, 1 to 1000",
        Value("100"),
        Live,
        "RFC 6585 §5, HAProxy `tune.http.maxhdr`",
        "50",
        "Header fields of a request; more are answered 431.",
    ),
    key(
        "proxy.listener.limits.line",
        "size, `\"256B\"` to `\"48KiB\"`",
        Value("\"8KiB\""),
        Live,
        "RFC 9112 §3, nginx `large_client_header_buffers`",
        "\"4KiB\"",
        "The request line, which is answered 414 if it is longer, and each header field, which is answered 431.",
    ),
    key(
        "proxy.listener.limits.body_rate",
        "integer, 1 to 1000000000",
        Absent,
        Live,
        "Apache `RequestReadTimeout`",
        "500",
        "Octets of a request body in each second that they are waited for, after the first 10 s; a slower one is answered 408. Without it, `timeout.client` alone.",
    ),
    key(
        "proxy.listener.limits.streams",
        "integer, 1 to 1000",
        Value("100"),
        Live,
        "RFC 9113 §5.1.2, HAProxy `tune.h2.fe.max-concurrent-streams`",
        "50",
        "Requests at once on one connection of HTTP/2.",
    ),
];
