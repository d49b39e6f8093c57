//! `Cookie` and `Set-Cookie` fields as clients and servers write them, and targets with sessions.

use super::Seeds;

const FIELDS: [(&str, &[u8]); 12] = [
    ("one", b"SRV=s1"),
    ("among_others", b"a=1; SRV=s1; b=2"),
    ("prefixed", b"a=1; SRV=s1~abc~d; SRV=s2~e"),
    ("dated", b"SRV=s1|a0kxA|a0kxA; SRV=s1|AAAAB"),
    ("quoted", b"a=\"1; SRV=s1\"; SRV = \"s1\\\";\"; b"),
    ("unclosed", b"a=\"1; SRV=s1; b=\\\"2; SRV=s1"),
    ("attributes", b"$Version=1; SRV=s1; $Path=/, a=1; $Path=/b"),
    ("separators", b";;, =;SRV;SRV=;=SRV=,"),
    ("set", b"SRV=abc; Path=/; Expires=Thu, 01-Jan-1970 00:00:01 GMT"),
    ("path", b"/a;srv=abc/b;SRVX=abcdefghi?c"),
    ("query", b"/a?x=1&srv=abc&SRVX=abcdefghi"),
    ("long", b"SRV=0123456789012345678901234567890123456789; SRVAAAAAAAAAAAA=2"),
];

/// Seeds of the target `cookies`: each field with every choice of modes.
pub fn fields() -> Seeds {
    let seed = |choice: u8| {
        FIELDS.iter().map(move |(name, field)| (format!("{name}_{choice}"), [&[choice][..], *field].concat()))
    };
    [0, 2, 8, 10 + 1, 56 + 1, 112].into_iter().flat_map(seed).collect()
}
