//! Every case of both versions, and what holds of all of them. The crate `ppp` is the second opinion.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn inet(source: &str, destination: &str) -> Origin<'static> {
    let ends = Ends::new(source.parse().unwrap(), destination.parse().unwrap());
    Origin::Inet { transport: Transport::Stream, ends }
}

/// A header of version 2 with these parts and the length of the rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// 192.0.2.1:51413 to 198.51.100.1:443.
const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xc8, 0xd5, 1, 0xbb];

fn with_tlvs(tlvs: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&V4, tlvs].concat())
}

/// The header of octets that are one, with payload behind it in the same segment.
fn read(bytes: &[u8]) -> Header<'_> {
    match parse(bytes) {
        Ok(Some((header, length))) => {
            assert_eq!(length, bytes.len(), "the header takes all of {}", bytes.escape_ascii());
            header
        }
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

fn fault(bytes: &[u8]) -> (usize, Reason) {
    match parse(bytes) {
        Err(Malformed { at, reason }) => (at, reason),
        Ok(other) => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

#[test]
fn lines_of_version_1_are_read() {
    let check = |line: &str, expect: Origin<'_>| {
        assert_eq!(read(line.as_bytes()), Header { origin: expect, facts: Facts::default() }, "{line}");
    };
    check("PROXY TCP4 192.0.2.1 198.51.100.1 51413 443\r\n", inet("192.0.2.1:51413", "198.51.100.1:443"));
    check("PROXY TCP4 255.255.255.255 0.0.0.0 0 65535\r\n", inet("255.255.255.255:0", "0.0.0.0:65535"));
    check(
        "PROXY TCP6 2001:db8::1 2001:DB8:0000::80 51413 443\r\n",
        inet("[2001:db8::1]:51413", "[2001:db8::80]:443"),
    );
    check("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::80 1 2\r\n", inet("192.0.2.1:1", "[2001:db8::80]:2"));
    check("PROXY TCP6 ::ffff:c000:201 ::ffff:198.51.100.1 1 2\r\n", inet("192.0.2.1:1", "198.51.100.1:2"));
    check("PROXY UNKNOWN\r\n", Origin::Unknown);
    check("PROXY UNKNOWN whatever  stands here\r\n", Origin::Unknown);
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":"));
    assert_eq!(longest.len(), 107);
    check(&longest, Origin::Unknown);
    check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16)), Origin::Unknown);
}

#[test]
fn lines_of_version_1_are_refused_with_their_place() {
    let check = |line: &str, at: usize, reason: Reason| {
        assert_eq!(fault(line.as_bytes()), (at, reason), "{line:?}");
    };
    check("GET / HTTP/1.1\r\n", 0, Reason::NotProxy);
    check("POST / HTTP/1.1\r\n", 1, Reason::NotProxy);
    check("PROXX", 4, Reason::NotProxy);
    check("PROXY\tTCP4 ", 5, Reason::NotProxy);
    check("PROXY \r\n", 6, Reason::Protocol);
    check("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", 6, Reason::Protocol);
    check("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", 6, Reason::Protocol);
    check("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 6, Reason::Protocol);
    check("PROXY TCP4\r\n", 10, Reason::Words);
    check("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", 11, Reason::Words);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", 32, Reason::Words);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", 35, Reason::Words);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", 35, Reason::Words);
    check("PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n", 11, Reason::Address);
    check("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", 11, Reason::Address);
    check("PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n", 21, Reason::Address);
    check("PROXY TCP6 192.0.2.1 2001:db8::1 1 2\r\n", 11, Reason::Address);
    check("PROXY TCP6 fe80::1%eth0 2001:db8::1 1 2\r\n", 11, Reason::Address);
    check("PROXY TCP6 [2001:db8::1] 2001:db8::1 1 2\r\n", 11, Reason::Address);
    check("PROXY TCP4 192.0.2.\u{661} 192.0.2.2 1 2\r\n", 11, Reason::Address);
    for port in ["01", "00", "+1", "-1", "65536", "1a", "0x1"] {
        check(&format!("PROXY TCP4 192.0.2.1 192.0.2.2 {port} 2\r\n"), 31, Reason::Port);
        check(&format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 {port}\r\n"), 33, Reason::Port);
    }
    check("PROXY UNKNOWN\n", 13, Reason::BareLf);
    check("PROXY UNKNOWN\r \n", 13, Reason::BareCr);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", 34, Reason::BareLf);
    check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 15)), 106, Reason::TooLong);
    check(&format!("PROXY UNKNOWN {}", "x".repeat(200)), 106, Reason::TooLong);
}

#[test]
fn headers_of_version_2_are_read() {
    let check = |bytes: &[u8], expect: Origin<'_>| {
        assert_eq!(read(bytes), Header { origin: expect, facts: Facts::default() });
    };
    check(&binary(0x21, 0x11, &V4), inet("192.0.2.1:51413", "198.51.100.1:443"));
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    v6[15] = 1;
    v6[26..32].copy_from_slice(&[0xff, 0xff, 198, 51, 100, 1]);
    v6[32..].copy_from_slice(&[0xc8, 0xd5, 1, 0xbb]);
    check(&binary(0x21, 0x21, &v6), inet("[2001:db8::1]:51413", "198.51.100.1:443"));
    let Origin::Inet { ends, .. } = inet("192.0.2.1:51413", "198.51.100.1:443") else { unreachable!() };
    check(&binary(0x21, 0x12, &V4), Origin::Inet { transport: Transport::Datagram, ends });
    let mut paths = [0; 216];
    paths[..9].copy_from_slice(b"/run/a\0/b");
    paths[108..113].copy_from_slice(b"\0name");
    let (source, destination) = (&b"/run/a\0/b"[..], &b"\0name"[..]);
    check(&binary(0x21, 0x31, &paths), Origin::Unix { transport: Transport::Stream, source, destination });
    check(&binary(0x21, 0x00, &[]), Origin::Unknown);
    check(&binary(0x20, 0x00, &[]), Origin::Local);
    // What a LOCAL header holds is to be passed over, whatever it is.
    check(&binary(0x20, 0x11, &V4), Origin::Local);
    check(&binary(0x20, 0xff, b"anything"), Origin::Local);
}

#[test]
fn headers_of_version_2_are_refused_with_their_place() {
    let check = |bytes: &[u8], at: usize, reason: Reason| assert_eq!(fault(bytes), (at, reason));
    check(b"\r\n\r\n\0\r\nQUIT\r", 11, Reason::NotProxy);
    check(b"\r\n\r\nGET", 4, Reason::NotProxy);
    check(b"\0", 0, Reason::NotProxy);
    check(&binary(0x11, 0x11, &V4), 12, Reason::Version);
    check(&binary(0x31, 0x11, &V4), 12, Reason::Version);
    check(&binary(0x22, 0x11, &V4), 12, Reason::Command);
    for family in [0x01, 0x10, 0x13, 0x20, 0x23, 0x41, 0xff] {
        check(&binary(0x21, family, &V4), 13, Reason::Family);
    }
    check(&binary(0x21, 0x11, &V4[..11]), 14, Reason::Length);
    check(&binary(0x21, 0x21, &V4), 14, Reason::Length);
    check(&binary(0x21, 0x31, &[0; 215]), 14, Reason::Length);
    check(&binary(0x21, 0x11, &vec![0; LONGEST - 15]), 14, Reason::TooLong);
    // The announced length is enough to refuse.
    check(&[SIGNATURE, &[0x20, 0, 0xff, 0xff]].concat(), 14, Reason::TooLong);
}

#[test]
fn tlvs_are_read() {
    let tlvs = [
        &b"\x01\0\x02h2\x02\0\x09a.example\x04\0\x03\0\0\0\x05\0\x02id\x30\0\x02ns\xe0\0\x01x\x04\0\0"[..],
        &b"\x20\0\x14\x07\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x02cn"[..],
    ]
    .concat();
    let bytes = with_tlvs(&tlvs);
    let ssl = Ssl {
        encrypted: true,
        cert_on_connection: true,
        cert_on_session: true,
        version: Some("TLSv1.3"),
        common_name: Some("cn"),
        ..Ssl::default()
    };
    let expect = Facts {
        alpn: Some(b"h2"),
        authority: Some("a.example"),
        unique_id: Some(b"id"),
        ssl: Some(ssl),
        netns: Some("ns"),
        checksum: false,
    };
    assert_eq!(read(&bytes).facts, expect);
    assert_eq!(read(&binary(0x21, 0x00, b"\x02\0\x01a")).facts.authority, Some("a"));
}

#[test]
fn tlvs_are_refused_with_their_place() {
    let check = |tlvs: &[u8], at: usize, reason: Reason| {
        assert_eq!(fault(&with_tlvs(tlvs)), (at, reason), "{}", tlvs.escape_ascii());
    };
    check(b"\x01", 28, Reason::TlvCut);
    check(b"\x04\0\0\x01\0\x03h2", 31, Reason::TlvCut);
    check(b"\x01\0\0\x01\0\0", 34, Reason::TlvTwice);
    check(b"\x02\0\x01\xff", 31, Reason::TlvText);
    check(b"\x03\0\x03abc", 31, Reason::TlvLength);
    check(b"\x03\0\x04abcd", 31, Reason::Checksum);
    check(&[&b"\x05\0\x81"[..], &[0; 129]].concat(), 31, Reason::TlvLength);
    check(b"\x20\0\x04\0\0\0\0", 31, Reason::TlvLength);
    check(b"\x20\0\x06\0\0\0\0\0\x21", 36, Reason::TlvCut);
    check(b"\x20\0\x0b\0\0\0\0\0\x22\0\0\x22\0\0", 42, Reason::TlvTwice);
    check(b"\x20\0\x09\0\0\0\0\0\x22\0\x01\xff", 39, Reason::TlvText);
}

#[test]
fn a_checksum_is_that_of_the_protocols_polynomial() {
    // RFC 3720 B.4 has the CRC32C of 32 zeros; a header's own is held by the reading side above.
    let bytes = Header { origin: Origin::Unknown, facts: Facts { checksum: true, ..Facts::default() } };
    let bytes = bytes.to_v2().unwrap();
    assert!(read(&bytes).facts.checksum);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    assert_eq!(crc.checksum(&[0; 32]), 0x8a91_36aa);
    let mut zeroed = bytes.clone();
    let told = zeroed.split_off(bytes.len() - 4);
    zeroed.extend([0; 4]);
    assert_eq!(told, crc.checksum(&zeroed).to_be_bytes());
}

#[test]
fn a_flipped_bit_under_a_checksum_is_seen() {
    let facts = Facts { checksum: true, authority: Some("a.example"), ..Facts::default() };
    let bytes = Header { origin: inet("192.0.2.1:1", "192.0.2.2:2"), facts }.to_v2().unwrap();
    for at in 16..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        match parse(&damaged) {
            Err(_) => {}
            // The type of the checksum itself is no type that is read any more.
            Ok(Some((header, _))) => assert!(!header.facts.checksum, "octet {at}"),
            Ok(None) => panic!("octet {at}"),
        }
    }
}

#[test]
fn ends_of_two_families_are_written_as_one() {
    let origin = inet("[2001:db8::1]:51413", "198.51.100.1:443");
    assert_eq!(origin.to_v1(), b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.1 51413 443\r\n");
    let bytes = Header { origin, facts: Facts::default() }.to_v2().unwrap();
    assert_eq!((bytes[13], bytes.len()), (0x21, 16 + 36));
    assert_eq!(bytes[32..48], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1]);
    assert_eq!(read(&bytes).origin, origin);
}

#[test]
fn a_mapped_client_is_written_as_ipv4() {
    let origin = inet("[::ffff:192.0.2.1]:1", "[::ffff:198.51.100.1]:2");
    assert_eq!(origin.to_v1(), b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n");
}

#[test]
fn zones_are_told_to_nobody() {
    let client = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 7, 3);
    let ends = Ends::new(client.into(), "[2001:db8::80]:2".parse().unwrap());
    let origin = Origin::Inet { transport: Transport::Stream, ends };
    assert_eq!(origin.to_v1(), b"PROXY TCP6 fe80::1 2001:db8::80 1 2\r\n");
    assert_eq!(read(&origin.to_v1()).origin, origin);
}

#[test]
fn what_version_1_has_no_words_for_is_unknown() {
    let ends = Ends::new("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    let unix = Origin::Unix { transport: Transport::Stream, source: b"", destination: b"/run/x" };
    for origin in
        [Origin::Local, Origin::Unknown, unix, Origin::Inet { transport: Transport::Datagram, ends }]
    {
        assert_eq!(origin.to_v1(), b"PROXY UNKNOWN\r\n");
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let long = "a".repeat(2048);
    let check = |facts: Facts<'_>, expect: bool| {
        let header = Header { origin: inet("192.0.2.1:1", "192.0.2.2:2"), facts };
        assert_eq!(header.to_v2().is_ok(), expect);
    };
    check(Facts { authority: Some(&long[3..]), ..Facts::default() }, true);
    check(Facts { authority: Some(&long[2..]), ..Facts::default() }, false);
    check(Facts { netns: Some(&long[3..]), checksum: true, ..Facts::default() }, false);
    check(Facts { unique_id: Some(&[0; 128]), ..Facts::default() }, true);
    check(Facts { unique_id: Some(&[0; 129]), ..Facts::default() }, false);
    let huge = "a".repeat(1 << 16);
    check(Facts { ssl: Some(Ssl { cipher: Some(&huge), ..Ssl::default() }), ..Facts::default() }, false);
    let origin = Origin::Unix { transport: Transport::Stream, source: &[b'a'; 109], destination: b"" };
    assert_eq!(Header { origin, facts: Facts::default() }.to_v2(), Err(TooLong));
}

/// What a header is made of, owned.
#[derive(Clone, Debug)]
struct Parts {
    kind: u8,
    datagram: bool,
    ends: (SocketAddr, SocketAddr),
    paths: [Vec<u8>; 2],
    alpn: Option<Vec<u8>>,
    texts: [Option<String>; 7],
    id: Option<Vec<u8>>,
    ssl: Option<(bool, bool, bool, u32)>,
    checksum: bool,
}

impl Parts {
    fn header(&self) -> Header<'_> {
        let transport = if self.datagram { Transport::Datagram } else { Transport::Stream };
        let origin = match self.kind {
            0 => Origin::Local,
            1 => Origin::Unknown,
            2 => Origin::Unix { transport, source: &self.paths[0], destination: &self.paths[1] },
            _ => Origin::Inet { transport, ends: Ends::new(self.ends.0, self.ends.1) },
        };
        if origin == Origin::Local {
            return Header { origin, facts: Facts::default() };
        }
        let [authority, netns, version, common_name, cipher, signature, key] =
            self.texts.each_ref().map(Option::as_deref);
        let ssl = self.ssl.map(|(encrypted, cert_on_connection, cert_on_session, verify)| Ssl {
            encrypted,
            cert_on_connection,
            cert_on_session,
            verify,
            version,
            common_name,
            cipher,
            signature,
            key,
        });
        let (alpn, unique_id) = (self.alpn.as_deref(), self.id.as_deref());
        Header { origin, facts: Facts { alpn, authority, unique_id, ssl, netns, checksum: self.checksum } }
    }
}

/// Addresses of both families, mapped ones among them.
fn end() -> impl Strategy<Value = SocketAddr> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(std::net::IpAddr::from),
        any::<[u8; 16]>().prop_map(std::net::IpAddr::from),
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_ipv6_mapped().into()),
    ];
    (address, any::<u16>()).prop_map(SocketAddr::from)
}

fn parts() -> impl Strategy<Value = Parts> {
    let path = || {
        let path = vec(any::<u8>(), 0..=108);
        path.prop_filter("zeros at the end fill up", |path| path.last() != Some(&0))
    };
    let text = || option::of("\\PC{0,20}");
    let texts = [text(), text(), text(), text(), text(), text(), text()];
    let ssl = option::of(any::<(bool, bool, bool, u32)>());
    let blobs = (option::of(vec(any::<u8>(), 0..20)), option::of(vec(any::<u8>(), 0..=128)));
    (0..6_u8, any::<(bool, bool)>(), (end(), end()), [path(), path()], blobs, texts, ssl).prop_map(
        |(kind, (datagram, checksum), ends, paths, (alpn, id), texts, ssl)| Parts {
            kind,
            datagram,
            ends,
            paths,
            alpn,
            texts,
            id,
            ssl,
            checksum,
        },
    )
}

/// Octets near a header: one that is right, with some of them changed, and payload behind it.
fn near_header() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (parts(), any::<bool>(), changes, vec(any::<u8>(), 0..40)).prop_map(|(parts, text, changes, payload)| {
        let header = parts.header();
        let mut bytes = if text { header.origin.to_v1() } else { header.to_v2().unwrap() };
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        bytes.extend(payload);
        bytes
    })
}

/// What `ppp` makes of the ends of a TCP connection; none where it knows none.
fn ends_of_ppp(bytes: &[u8]) -> Result<Option<Ends>, String> {
    use ppp::{v1, v2};
    let ends = |source: (std::net::IpAddr, u16), to: (std::net::IpAddr, u16)| {
        Some(Ends::new(SocketAddr::from(source), SocketAddr::from(to)))
    };
    if bytes.starts_with(b"PROXY") {
        let header = v1::Header::try_from(bytes).map_err(|error| error.to_string())?;
        return Ok(match header.addresses {
            v1::Addresses::Unknown => None,
            v1::Addresses::Tcp4(ip) => ends(
                (ip.source_address.into(), ip.source_port),
                (ip.destination_address.into(), ip.destination_port),
            ),
            v1::Addresses::Tcp6(ip) => ends(
                (ip.source_address.into(), ip.source_port),
                (ip.destination_address.into(), ip.destination_port),
            ),
        });
    }
    let header = v2::Header::try_from(bytes).map_err(|error| error.to_string())?;
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    Ok(match header.addresses {
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        v2::Addresses::IPv4(ip) => ends(
            (ip.source_address.into(), ip.source_port),
            (ip.destination_address.into(), ip.destination_port),
        ),
        v2::Addresses::IPv6(ip) => ends(
            (ip.source_address.into(), ip.source_port),
            (ip.destination_address.into(), ip.destination_port),
        ),
    })
}

fn ends(header: &Header<'_>) -> Option<Ends> {
    match header.origin {
        Origin::Inet { ends, .. } => Some(ends),
        Origin::Local | Origin::Unknown | Origin::Unix { .. } => None,
    }
}

proptest! {
    #[test]
    fn what_version_2_writes_is_read_as_it_was(parts in parts()) {
        let header = parts.header();
        let bytes = header.to_v2().unwrap();
        prop_assert_eq!(read(&bytes), header);
    }

    #[test]
    fn what_version_1_writes_is_read_as_it_was(from in end(), to in end()) {
        let origin = Origin::Inet { transport: Transport::Stream, ends: Ends::new(from, to) };
        let bytes = origin.to_v1();
        prop_assert_eq!(read(&bytes).origin, origin);
        prop_assert!(bytes.len() <= 107);
    }

    #[test]
    fn every_prefix_asks_for_more_or_gives_the_verdict_of_the_whole(bytes in near_header()) {
        let whole = parse(&bytes);
        let taken = match whole {
            Ok(Some((_, length))) => length,
            Ok(None) | Err(_) => bytes.len(),
        };
        for end in 0..=bytes.len() {
            let progress = parse(&bytes[..end]);
            prop_assert!(progress == whole || (progress == Ok(None) && end < taken), "{} octets", end);
        }
    }

    #[test]
    fn another_reader_agrees_on_what_is_accepted(bytes in near_header()) {
        if let Ok(Some((header, length))) = parse(&bytes)
            // `ppp` looks at the family of LOCAL headers, which the protocol wants ignored.
            && header.origin != Origin::Local
        {
            prop_assert_eq!(ends_of_ppp(&bytes[..length]), Ok(ends(&header)));
        }
    }

    #[test]
    fn random_octets_are_judged(bytes in vec(any::<u8>(), 0..300), signature in 0..3_usize) {
        let all = [[&b""[..], &b"PROXY "[..], SIGNATURE][signature], &bytes].concat();
        if let Ok(Some((_, length))) = parse(&all) {
            prop_assert!(length <= all.len() && length <= LONGEST);
        }
    }
}
