//! The keys of `[[proxy.listener]]` about what members are told of the client.

use super::super::Apply::Live;
use super::super::Default::{Absent, Derived, Value};
use super::super::{Key, key};

pub(in crate::keys) const FORWARDING: &[Key] = &[
    key(
        "proxy.listener.forwarded_for",
        "`\"append\"`, `\"replace\"` or `\"off\"`",
        Derived("`\"append\"` with `mode = \"http\"`, otherwise `\"off\"`"),
        Live,
        "HAProxy `option forwardfor`",
        "\"replace\"",
        "What happens to X-Forwarded-For: the client's address is added behind what a trusted proxy sent, or alone, or the header is left as it came. Only with `mode = \"http\"`.",
    ),
    key(
        "proxy.listener.forwarded_for_header",
        "name of a header, 1 to 64 ASCII letters, digits and `-`",
        Value("\"X-Forwarded-For\""),
        Live,
        "HAProxy `option forwardfor header`",
        "\"X-Client\"",
        "The header that takes the place of X-Forwarded-For, in what is read and what is written.",
    ),
    key(
        "proxy.listener.forwarded_for_except",
        "array of networks",
        Value("[]"),
        Live,
        "HAProxy `option forwardfor except`",
        "[\"127.0.0.0/8\"]",
        "Clients whose address is not added: programs that have told of theirs already.",
    ),
    key(
        "proxy.listener.forwarded_for_if_none",
        "boolean",
        Value("false"),
        Live,
        "HAProxy `option forwardfor if-none`",
        "true",
        "Whether the list of a trusted proxy is left as it came. What nobody trusted has sent is replaced in any case.",
    ),
    key(
        "proxy.listener.forwarded_headers",
        "array of `\"proto\"`, `\"port\"`, `\"host\"`, `\"real-ip\"`, `\"forwarded\"` and `\"embedded-v4\"`",
        Derived("`[\"proto\"]` with `forwarded_for`, `[]` where that is `\"off\"`"),
        Live,
        "RFC 7239, HAProxy `option forwarded`",
        "[\"proto\", \"port\", \"forwarded\"]",
        "The headers beside X-Forwarded-For that tell of the client.",
    ),
    key(
        "proxy.listener.trusted_proxies",
        "array of networks",
        Value("[]"),
        Live,
        "",
        "[\"2001:db8:ff::/64\"]",
        "Clients whose forwarding headers are believed.",
    ),
    key(
        "proxy.listener.trusted_hops",
        "integer, 1 to 32",
        Absent,
        Live,
        "Envoy `xff_num_trusted_hops`",
        "2",
        "How many addresses at the end of a trusted proxy's list are believed; those before them are removed. Without it, all are kept.",
    ),
    key(
        "proxy.listener.client_certificate_headers",
        "boolean",
        Value("false"),
        Live,
        "RFC 9440, HAProxy `ssl_c_s_dn`",
        "true",
        "Whether headers tell members of the certificate that a client has shown; only with `tls` that asks for one.",
    ),
];
