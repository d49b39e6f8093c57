//! `[[dns64.forward]]`.

use super::super::Apply::Live;
use super::super::Default::Required;
use super::super::{Key, key, tables};

pub(in super::super) const FORWARD: &[Key] = &[
    tables(
        "dns64.forward",
        Live,
        "Upstreams of their own for some domains; they stand in for `dns64.upstream` there, and never beside it.",
    ),
    key(
        "dns64.forward.domains",
        "array of domain names, at least one",
        Required,
        Live,
        "Unbound `forward-zone`, dnsmasq `server=/domain/`",
        "[\"lan\", \"2.0.192.in-addr.arpa\"]",
        "The domains that are asked of these upstreams, with all names below; the longest one that holds a name decides.",
    ),
    key(
        "dns64.forward.upstream",
        "array as `dns64.upstream`, at least one",
        Required,
        Live,
        "Unbound `forward-addr`",
        "[\"192.0.2.1\"]",
        "The resolvers that are asked for these domains, in order of preference.",
    ),
];
