//! PROXY headers and hellos of TLS, written by hand from the texts that define them.

use super::{FITS, Seeds};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 192.0.2.1:51413 to 198.51.100.1:443.
const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0xc8, 0xd5, 1, 0xbb];

fn sized(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect(FITS);
    [&length.to_be_bytes()[..], content].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &sized(value)].concat()
}

fn binary(command: u8, family: u8, rest: &[&[u8]]) -> Vec<u8> {
    [SIGNATURE, &[command, family], &sized(&rest.concat())].concat()
}

/// Seeds of the target `proxy_protocol`.
pub fn proxy_headers() -> Seeds {
    let v6 = [[0x20; 16], [0xfd; 16]].concat();
    let ssl =
        [&[7, 0, 0, 0, 0][..], &tlv(0x21, b"TLSv1.3"), &tlv(0x22, b"cn"), &tlv(0x23, b"cipher")].concat();
    let seeds = [
        ("v1_tcp4", b"PROXY TCP4 192.0.2.1 198.51.100.1 51413 443\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
        ("v1_tcp6", b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.1 51413 443\r\n".to_vec()),
        ("v1_unknown", b"PROXY UNKNOWN\r\n".to_vec()),
        ("v1_unknown_long", b"PROXY UNKNOWN 2001:db8::1 2001:db8::2 1 2\r\n".to_vec()),
        ("v1_bare_lf", b"PROXY UNKNOWN\n".to_vec()),
        ("v1_no_end", [&b"PROXY UNKNOWN "[..], &[b'x'; 120]].concat()),
        ("none", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec()),
        ("v2_tcp4", [binary(0x21, 0x11, &[V4]), b"payload".to_vec()].concat()),
        ("v2_udp4", binary(0x21, 0x12, &[V4])),
        ("v2_tcp6", binary(0x21, 0x21, &[&v6, &[0, 1, 0, 2]])),
        ("v2_unix", binary(0x21, 0x31, &[b"/run/a", &[0; 102], b"\0abstract", &[0; 99]])),
        ("v2_local", binary(0x20, 0x00, &[])),
        ("v2_unspecified", binary(0x21, 0x00, &[&tlv(0x02, b"a.example")])),
        ("v2_alpn", binary(0x21, 0x11, &[V4, &tlv(0x01, b"h2"), &tlv(0x04, &[0; 3])])),
        ("v2_crc32c", binary(0x21, 0x00, &[&tlv(0x03, &UNSPECIFIED_SUM)])),
        ("v2_ssl", binary(0x21, 0x11, &[V4, &tlv(0x20, &ssl)])),
        ("v2_id_netns", binary(0x21, 0x11, &[V4, &tlv(0x05, b"id"), &tlv(0x30, b"ns"), &tlv(0xe0, b"x")])),
        ("v2_cut_tlv", binary(0x21, 0x11, &[V4, &[1, 0, 9]])),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// The CRC32C of a header that names nobody and holds nothing but this.
const UNSPECIFIED_SUM: [u8; 4] = [0x3e, 0xc9, 0x89, 0x4e];

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &sized(data)].concat()
}

fn name(kind: u8, name: &[u8]) -> Vec<u8> {
    extension(0, &sized(&[&[kind][..], &sized(name)].concat()))
}

fn message(extensions: &[&[u8]]) -> Vec<u8> {
    let fields = [&[3, 3][..], &[7; 32], &[0], &sized(&[0x13, 1, 0x13, 2]), &[1, 0]].concat();
    let body = [fields, sized(&extensions.concat())].concat();
    let length = u16::try_from(body.len()).expect(FITS).to_be_bytes();
    [&[1, 0, length[0], length[1]][..], &body].concat()
}

fn records(message: &[u8], each: usize) -> Vec<u8> {
    let records = message.chunks(each).map(|fragment| [&[22, 3, 1][..], &sized(fragment)].concat());
    records.collect::<Vec<_>>().concat()
}

/// Seeds of the target `client_hello`.
pub fn client_hellos() -> Seeds {
    let named = name(0, b"a.example");
    let alpn = extension(16, &sized(b"\x02h2\x08http/1.1"));
    let grease = extension(0x4a4a, &[]);
    let whole = message(&[&grease, &named, &alpn, &extension(51, &[0; 36])]);
    let seeds = [
        ("named", records(&whole, 1 << 14)),
        ("in_records", records(&whole, 20)),
        ("in_octets", records(&message(&[&named]), 1)),
        ("unnamed", records(&message(&[&alpn]), 1 << 14)),
        (
            "no_extensions",
            records(&[&[1, 0, 0, 43, 3, 3][..], &[7; 32], &[0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]].concat(), 99),
        ),
        ("address", records(&message(&[&name(0, b"192.0.2.1")]), 1 << 14)),
        ("other_kind", records(&message(&[&name(1, b"?")]), 1 << 14)),
        ("twice", records(&message(&[&named, &named]), 1 << 14)),
        ("bad_name", records(&message(&[&name(0, b"a b")]), 1 << 14)),
        ("padded", records(&message(&[&named, &extension(21, &[0; 500])]), 1 << 14)),
        ("alert", [records(&whole[..9], 99), vec![21, 3, 3, 0, 2, 1, 0]].concat()),
        ("not_tls", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("ssl2", vec![0x80, 0x2e, 1, 3, 1, 0, 5, 0, 0, 0, 16]),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}
