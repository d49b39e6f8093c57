//! Responses as members send them, and as those do who want to be read in two ways.

use super::Seeds;

const RESPONSES: [(&str, &[u8]); 14] = [
    ("length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: a\r\n\r\nabcde"),
    ("surplus", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n"),
    ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1F;x=\"y\"\r\n0123456789012345678901234567890\r\n0\r\n\r\n"),
    ("trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nX-B:\r\n\r\n"),
    ("overflow", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na\r\n10000000000000000\r\n"),
    ("until_close", b"HTTP/1.0 200 Fine\r\nConnection: keep-alive\r\n\r\nall there is"),
    ("interim", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    ("switch", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00"),
    ("two_lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("both", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bare", b"\r\nHTTP/1.1 200 OK\nContent-Length: 1\nA: b\n\na"),
    ("folded", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
    ("not_modified", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"\xfc\"\r\n\r\n"),
    ("other", b"220 mail.example ESMTP\r\n"),
];

/// Seeds of the target `response`: each to a `GET` in one piece, and to a `HEAD` in small ones.
pub fn all() -> Seeds {
    let seed = |choice: u8| {
        let name = move |name: &str| format!("{name}_{choice}");
        RESPONSES.iter().map(move |(of, octets)| (name(of), [&[choice][..], *octets].concat()))
    };
    [0, 3 * 5 + 1].into_iter().flat_map(seed).collect()
}
