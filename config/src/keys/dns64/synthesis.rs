//! The keys of `[dns64]` about the cases on which resolvers differ.

use super::super::Apply::Live;
use super::super::Default::Value;
use super::super::{Key, key};

pub(in super::super) const SYNTHESIS: &[Key] = &[
    key(
        "dns64.force",
        "array of domain names",
        Value("[]"),
        Live,
        "Unbound `dns64-ignore-aaaa`",
        "[\"v4.example\"]",
        "Names whose AAAA records are passed over where there are A records, with all names below them; `.` is every name.",
    ),
    key(
        "dns64.forbid",
        "array of domain names",
        Value("[]"),
        Live,
        "",
        "[\"dualstack.example\"]",
        "Names that addresses are never synthesized for, with all names below them; the longer of two names decides between this list and `dns64.force`.",
    ),
    key(
        "dns64.on_aaaa_error",
        "`\"synthesize\"` or `\"pass\"`",
        Value("\"synthesize\""),
        Live,
        "RFC 6147 §5.1.2, §5.1.3",
        "\"pass\"",
        "What an error other than NXDOMAIN, or silence, on the question for AAAA leads to: addresses made of A records, or that error.",
    ),
    key(
        "dns64.on_nxdomain",
        "`\"synthesize\"` or `\"pass\"`",
        Value("\"pass\""),
        Live,
        "RFC 6147 §5.1.2",
        "\"synthesize\"",
        "What NXDOMAIN on the question for AAAA leads to; `\"synthesize\"` is for servers that wrongly deny names which have A records.",
    ),
    key(
        "dns64.signed",
        "`\"synthesize\"` or `\"pass\"`",
        Value("\"synthesize\""),
        Live,
        "RFC 6147 §5.5, BIND `break-dnssec`",
        "\"pass\"",
        "What signed A records lead to for a client that asks for DNSSEC records: addresses that it cannot validate, or the answer that there are no AAAA records.",
    ),
    key(
        "dns64.trust_ad",
        "boolean",
        Value("false"),
        Live,
        "RFC 6840 §5.8",
        "true",
        "Passes the upstreams' AD bit on with answers that nobody changed; they must validate, and the way to them must be safe.",
    ),
    key(
        "dns64.reverse",
        "`\"cname\"`, `\"direct\"` or `\"off\"`",
        Value("\"cname\""),
        Live,
        "RFC 6147 §5.3.1",
        "\"direct\"",
        "How reverse names under a prefix are answered: by a CNAME to the name of the IPv4 address, by the PTR records that stand there, or by the upstreams.",
    ),
    key(
        "dns64.reverse_prefixes",
        "array of IPv6 prefixes, as `prefix.pref64`",
        Value("[]"),
        Live,
        "RFC 6147 §5.3.1",
        "[\"2001:db8:66::/96\"]",
        "Prefixes of other translators at this site: their reverse names are answered here too, and what stands in them is judged like what stands in the own prefixes.",
    ),
    key(
        "dns64.strip_ipv4hint",
        "boolean",
        Value("false"),
        Live,
        "RFC 9460 §7.3, §8",
        "true",
        "Leaves IPv4 hints out of SVCB and HTTPS records for clients that are synthesized for, unless the records are signed and the client asks for signatures.",
    ),
];
