//! Version 2: binary (`proxy-protocol.txt` §2.2).

use super::{
    Ends, Facts, Header, Malformed, OneFamily, Origin, Reason, TooLong, Transport, expect_signature, tlv,
};
use std::net::{IpAddr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const COMMAND_AT: usize = 12;
const FAMILY_AT: usize = 13;
const LENGTH_AT: usize = 14;
/// Where the addresses begin.
const FIXED: usize = 16;
const VERSION: u8 = 0x20;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
/// Octets of the path of a Unix socket.
const PATH: usize = 108;
/// Octets of TLVs that are read.
const TLVS: usize = 2048;
pub(super) const LONGEST: usize = FIXED + 2 * PATH + TLVS;

/// What the addresses are, and how many octets both take.
#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    V4(Transport),
    V6(Transport),
    Unix(Transport),
}

const FAMILIES: [Family; 7] = [
    Family::Unspecified,
    Family::V4(Transport::Stream),
    Family::V4(Transport::Datagram),
    Family::V6(Transport::Stream),
    Family::V6(Transport::Datagram),
    Family::Unix(Transport::Stream),
    Family::Unix(Transport::Datagram),
];

impl Family {
    const fn octets(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::V4(_) => 12,
            Self::V6(_) => 36,
            Self::Unix(_) => 2 * PATH,
        }
    }

    /// The family's octet.
    const fn code(self) -> u8 {
        let (high, transport) = match self {
            Self::Unspecified => return 0,
            Self::V4(transport) => (0x10, transport),
            Self::V6(transport) => (0x20, transport),
            Self::Unix(transport) => (0x30, transport),
        };
        high | match transport {
            Transport::Stream => 1,
            Transport::Datagram => 2,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Malformed> {
    expect_signature(bytes, SIGNATURE)?;
    let Some(command) = bytes.get(COMMAND_AT) else { return Ok(None) };
    if command & 0xf0 != VERSION {
        return fault(COMMAND_AT, Reason::Version);
    }
    let command = command & 0x0f;
    if command != LOCAL && command != PROXY {
        return fault(COMMAND_AT, Reason::Command);
    }
    let Some(code) = bytes.get(FAMILY_AT) else { return Ok(None) };
    let family = FAMILIES.into_iter().find(|family| family.code() == *code);
    // The family of a LOCAL header means nothing, and may be any.
    let family = match (command, family) {
        (LOCAL, _) => Family::Unspecified,
        (_, Some(family)) => family,
        (_, None) => return fault(FAMILY_AT, Reason::Family),
    };
    let Some(length) = bytes[LENGTH_AT..].first_chunk() else { return Ok(None) };
    let total = FIXED + usize::from(u16::from_be_bytes(*length));
    if total < FIXED + family.octets() {
        return fault(LENGTH_AT, Reason::Length);
    }
    if total > LONGEST {
        return fault(LENGTH_AT, Reason::TooLong);
    }
    let Some(whole) = bytes.get(..total) else { return Ok(None) };
    if command == LOCAL {
        return Ok(Some((Header { origin: Origin::Local, facts: Facts::default() }, total)));
    }
    let origin = origin(family, &whole[FIXED..]);
    let facts = tlv::parse(whole, FIXED + family.octets())?;
    Ok(Some((Header { origin, facts }, total)))
}

const fn fault<T>(at: usize, reason: Reason) -> Result<T, Malformed> {
    Err(Malformed { at, reason })
}

/// The meaning of an address block, which is there as a whole.
fn origin(family: Family, block: &[u8]) -> Origin<'_> {
    match family {
        Family::Unspecified => Origin::Unknown,
        Family::V4(transport) => Origin::Inet { transport, ends: ends::<4>(block) },
        Family::V6(transport) => Origin::Inet { transport, ends: ends::<16>(block) },
        Family::Unix(transport) => {
            let (source, destination) = block[..2 * PATH].split_at(PATH);
            Origin::Unix { transport, source: path(source), destination: path(destination) }
        }
    }
}

/// Two addresses of `N` octets, then two ports.
fn ends<const N: usize>(block: &[u8]) -> Ends
where
    IpAddr: From<[u8; N]>,
{
    let address = |at: usize| -> IpAddr {
        let octets: [u8; N] = *block[at..].first_chunk().expect("the family's octets are there");
        octets.into()
    };
    let port =
        |at: usize| u16::from_be_bytes(*block[at..].first_chunk().expect("the family's octets are there"));
    let source = SocketAddr::new(address(0), port(2 * N));
    Ends::new(source, SocketAddr::new(address(N), port(2 * N + 2)))
}

/// A path without what fills it up. One that begins with a zero is abstract.
fn path(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    &field[..end]
}

pub(super) fn write(header: &Header<'_>) -> Result<Vec<u8>, TooLong> {
    let mut out = SIGNATURE.to_vec();
    if header.origin == Origin::Local {
        out.extend([VERSION | LOCAL, Family::Unspecified.code(), 0, 0]);
        return Ok(out);
    }
    out.extend([VERSION | PROXY, 0, 0, 0]);
    let family = write_addresses(&mut out, &header.origin)?;
    out[FAMILY_AT] = family.code();
    let checksum = tlv::write(&mut out, &header.facts)?;
    let length = out.len() - FIXED;
    if length > family.octets() + TLVS {
        return Err(TooLong);
    }
    let length = u16::try_from(length).map_err(|_| TooLong)?;
    out[LENGTH_AT..FIXED].copy_from_slice(&length.to_be_bytes());
    tlv::seal(&mut out, checksum);
    Ok(out)
}

fn write_addresses(out: &mut Vec<u8>, origin: &Origin<'_>) -> Result<Family, TooLong> {
    match *origin {
        Origin::Local | Origin::Unknown => Ok(Family::Unspecified),
        Origin::Inet { transport, ends } => {
            let family = match ends.in_one_family() {
                OneFamily::V4(both) => {
                    out.extend(both.iter().flat_map(std::net::Ipv4Addr::octets));
                    Family::V4(transport)
                }
                OneFamily::V6(both) => {
                    out.extend(both.iter().flat_map(std::net::Ipv6Addr::octets));
                    Family::V6(transport)
                }
            };
            out.extend(ends.source().port().to_be_bytes());
            out.extend(ends.destination().port().to_be_bytes());
            Ok(family)
        }
        Origin::Unix { transport, source, destination } => {
            for path in [source, destination] {
                let room = PATH.checked_sub(path.len()).ok_or(TooLong)?;
                out.extend(path);
                out.resize(out.len() + room, 0);
            }
            Ok(Family::Unix(transport))
        }
    }
}
