//! `proxy.listener.hsts`.

use super::super::Apply::Live;
use super::super::Default::{Absent, Required, Value};
use super::super::{Key, key, table};

pub(in crate::keys) const HSTS: &[Key] = &[
    table(
        "proxy.listener.hsts",
        Absent,
        Live,
        "Has browsers come over TLS alone from then on; only with `mode = \"http\"` and `tls`.",
    ),
    key(
        "proxy.listener.hsts.max_age",
        "duration, 0 s to 10 years",
        Required,
        Live,
        "RFC 6797 §6.1.1",
        "\"365d\"",
        "How long browsers remember it; `\"0s\"` has them forget.",
    ),
    key(
        "proxy.listener.hsts.subdomains",
        "boolean",
        Value("false"),
        Live,
        "RFC 6797 §6.1.2",
        "true",
        "Whether it holds for all names below that of the host as well.",
    ),
    key(
        "proxy.listener.hsts.preload",
        "boolean",
        Value("false"),
        Live,
        "hstspreload.org",
        "true",
        "Whether makers of browsers may put the host on their lists; only with `subdomains` and a `max_age` of a year.",
    ),
];
