//! Frames of HTTP/2 as clients send them, and as they may not.

use super::Seeds;

/// One frame (RFC 9113 §4.1).
///
/// # Panics
/// When the content is longer than any.
pub fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("seeds are small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// `GET / HTTP/2` of a.example with fields of each form (RFC 7541 §6): indexed, entering, not entering, coded.
const HEAD: &[u8] = b"\x82\x84\x86\x41\x09a.example\x40\x03x-a\x011\x00\x03x-b\x00\x10\x03x-c\x012\x00\x83\x1d\x72\x7f\x01b\xbe";

/// Seeds of the target `http2_frames`; the first octet says how they are cut.
///
/// # Panics
/// When there are many more of them.
pub fn streams() -> Seeds {
    let settings = frame(4, 0, 0, b"\0\x02\0\0\0\0\0\x04\0\x01\0\0");
    let ping = frame(6, 0, 0, &[7; 8]);
    let update = |stream, by: u32| frame(8, 0, stream, &by.to_be_bytes());
    let post = [frame(1, 4, 1, HEAD), frame(0, 9, 1, b"\x02body\0\0")].concat();
    let cut =
        [frame(1, 0x29, 1, &[&[1, 0, 0, 0, 0, 9], &HEAD[..9], &[0]].concat()), frame(9, 4, 1, &HEAD[9..])]
            .concat();
    let trailers = |block: &[u8]| [frame(1, 4, 1, HEAD), frame(1, 5, 1, block)].concat();
    let seeds: [(&str, Vec<u8>); 14] = [
        ("settings", [settings.clone(), frame(4, 1, 0, b"")].concat()),
        ("get", [settings.clone(), frame(1, 5, 1, HEAD), update(0, 9), ping.clone()].concat()),
        ("post", [post.clone(), update(1, 1), frame(3, 0, 1, &[0, 0, 0, 8])].concat()),
        ("cut", cut.clone()),
        ("trailers", trailers(b"\x40\x01t\x011")),
        ("pseudo_trailers", trailers(b"\x40\x02:t\x011")),
        ("interrupted", [frame(1, 0, 1, HEAD), ping].concat()),
        ("behind_end", [post.clone(), frame(0, 0, 1, b"more")].concat()),
        ("out_of_order", [frame(1, 5, 5, HEAD), frame(1, 5, 3, HEAD)].concat()),
        ("padding", frame(0, 8, 1, b"\x09body")),
        ("setting", frame(4, 0, 0, b"\0\x05\0\0\0\0")),
        ("no_update", [post, update(1, 0)].concat()),
        ("unknown", [settings, frame(0xfa, 0xff, 0xffff_ffff, b"any"), cut].concat()),
        (
            "resets",
            (0..120)
                .flat_map(|n| [frame(1, 4, 2 * n + 1, HEAD), frame(3, 0, 2 * n + 1, &[0; 4])].concat())
                .collect(),
        ),
    ];
    let cut = |(place, (name, octets)): (usize, (&str, Vec<u8>))| {
        let first = u8::try_from(place * 3 + 1).expect("they are few");
        (name.to_owned(), [vec![first], octets].concat())
    };
    seeds.into_iter().enumerate().map(cut).collect()
}

/// Seeds of the target `http2_blocks`: how they are cut, and then each block behind its length and kind.
///
/// # Panics
/// When one is longer than its length can say.
pub fn blocks() -> Seeds {
    let block = |kind: u8, block: &[u8]| {
        [&[kind | u8::try_from(block.len()).expect("seeds are small")], block].concat()
    };
    let seeds: [(&str, Vec<u8>); 11] = [
        ("head", block(0, HEAD)),
        ("cut", [block(0x40, HEAD), block(0x40, &HEAD[3..])].concat()),
        ("trailers", [block(0, HEAD), block(0x80, b"\xbe\x40\x01t\x011")].concat()),
        ("pseudo", [block(0, b"\x44\x02/a\xbe"), block(0xc0, b"\xbe")].concat()),
        ("coded_pseudo", block(0x80, b"\x40\x82\xb8\x83\x011")),
        ("sizes", [block(0, b"\x20\x3f\xe1\x1f\x82"), block(0, b"\x3f\x80\x80\x80\x01")].concat()),
        ("long", block(0, b"\x7f\x80\x80\x80\x80\x80\x01")),
        ("broken_off", block(0, b"\x40\x7f\x01")),
        ("empty", [block(0, b""), block(0x40, b""), block(0x80, b"")].concat()),
        ("no_entry", block(0, b"\xff\xff\x00")),
        ("zero", block(0x40, b"\x82\x80")),
    ];
    seeds.into_iter().map(|(name, octets)| (name.to_owned(), [vec![7], octets].concat())).collect()
}
