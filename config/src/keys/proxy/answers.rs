//! What a listener makes of answers: pages in the place of short texts, and compression.

use super::super::Apply::Live;
use super::super::Default::Value;
use super::super::{Key, key};

pub(in crate::keys) const ANSWERS: &[Key] = &[
    key(
        "proxy.listener.errors",
        "table of statuses, 400 to 599, each with the path of a file",
        Value("{}"),
        Live,
        "HAProxy `errorfile`",
        "{ \"503\" = \"/etc/causeway/503.html\" }",
        "Pages in the place of the short texts that the proxy itself answers with; only with `mode = \"http\"`.",
    ),
    key(
        "proxy.listener.compression",
        "array of `br`, `zstd`, `gzip`",
        Value("[]"),
        Live,
        "RFC 9110 §12.5.3, HAProxy `compression algo`",
        "[\"br\", \"zstd\", \"gzip\"]",
        "How answers are compressed for clients that take it, the best first; only with `mode = \"http\"`.",
    ),
];
