//! Targets of requests, and heads, as clients and those who want around rules write them.

use super::Seeds;

const TARGETS: [(&str, &[u8]); 10] = [
    ("root", b"/"),
    ("asterisk", b"*"),
    ("absolute", b"http://a.example/api/x1?debug=1&y2"),
    ("prefix", b"/api/admin/%61%2e%2e/b"),
    ("dots", b"/api/../admin/./b/.."),
    ("hidden", b"/a%2f..%2fadmin%5c"),
    ("parameters", b"/admin;v=1/b;c?x=%0d%0a"),
    ("slashes", b"//api///x.x./"),
    ("comma", b"/a%2Cb/c,d"),
    ("replaced", b"/x./x.?by=y&by=2001&debug"),
];

const FIELDS: &[u8] = b"\nHost: a.example\nConnection: x-a, close, x-forwarded-for\nX-A: aab\nX-Forwarded-For: 192.0.2.1\n\
X_Forwarded_For: 192.0.2.2\nTE: trailers\nTransfer-Encoding: chunked\nCookie: a=b\nUpgrade: x\nForwarded: for=_x";

/// Heads as trusted proxies send them, and such as want to be taken for theirs.
const HEADS: [(&str, &[u8]); 6] = [
    ("trusted", b"/\nHost: a.example\nX-Forwarded-For: 192.0.2.1, 2001:db8::9\nX-Forwarded-For: [2001:db8::8]\n\
        X-Real-IP: 192.0.2.1\nX-Forwarded-Proto: https\nForwarded: for=192.0.2.1;proto=https, for=\"[2001:db8::9]:5\""),
    ("length", b"/\nHost: a.example\nContent-Length: 0012"),
    ("lengths", b"/\nHost: a.example\nContent-Length: 1\nContent_Length: 2\nContent-Length: 1"),
    ("coding", b"/\nHost: a.example\nTransfer-Encoding: chunked\nTransfer_Encoding: x"),
    ("nominated", b"/\nHost: a.example\nConnection: X-Forwarded-For, Content-Length, Forwarded\nContent-Length: 3\n\
        X-Forwarded-For: 192.0.2.1\nForwarded: for=192.0.2.1"),
    ("quoted", b"/\nHost: a.example\nX-Forwarded-For: , 192.0.2.1:80,, ::ffff:192.0.2.2, unknown,\nForwarded: for=\"_a,b\"; x, ;"),
];

/// Seeds of the target `request_target`.
pub fn targets() -> Seeds {
    TARGETS.iter().map(|(name, target)| ((*name).to_owned(), target.to_vec())).collect()
}

/// Seeds of the target `header_rules`.
pub fn fields() -> Seeds {
    let targets = TARGETS.iter().map(|(name, target)| ((*name).to_owned(), [*target, FIELDS].concat()));
    targets.chain(HEADS.iter().map(|(name, head)| ((*name).to_owned(), head.to_vec()))).collect()
}
