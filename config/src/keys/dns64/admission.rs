//! The keys of `[dns64]` about who may ask, and how much.

use super::super::Apply::Live;
use super::super::Default::{Absent, Value};
use super::super::{Key, key};

pub(in super::super) const ADMISSION: &[Key] = &[
    key(
        "dns64.allow_from",
        "array of networks, at least one",
        Absent,
        Live,
        "BIND `allow-query`, Unbound `access-control`",
        "[\"2001:db8::/32\", \"192.0.2.0/24\"]",
        "The source addresses that are answered, over every transport; without it everyone is.",
    ),
    key(
        "dns64.denied",
        "`\"refuse\"` or `\"drop\"`",
        Value("\"refuse\""),
        Live,
        "Unbound `access-control`",
        "\"drop\"",
        "What becomes of questions from elsewhere than `dns64.allow_from`: they are answered REFUSED, or not at all.",
    ),
    key(
        "dns64.response_rate",
        "integer, 0 to 10000",
        Value("0"),
        Live,
        "BIND `rate-limit { responses-per-second }`",
        "20",
        "Responses of one kind a second to one network of clients over UDP; 0 is no limit.",
    ),
    key(
        "dns64.cookies",
        "boolean",
        Value("true"),
        Live,
        "RFC 7873, RFC 9018",
        "false",
        "Whether clients that send a DNS cookie get one back.",
    ),
    key(
        "dns64.nsid",
        "name of 1 to 128 ASCII letters, digits, `-`, `_`, `.` and `:`",
        Absent,
        Live,
        "RFC 5001, Unbound `nsid`",
        "\"gw1\"",
        "What clients are told that ask which server answers; without it they are told nothing.",
    ),
];
