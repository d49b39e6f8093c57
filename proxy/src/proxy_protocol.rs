//! The PROXY protocol, versions 1 and 2: who a client is, told before the first octet of its stream. Pure.
//!
//! ```text
//! "PROXY TCP6 2001:db8::1 2001:db8::80 51413 443\r\n" + payload     version 1, at most 107 octets
//! signature, command, family, length, addresses, TLVs + payload     version 2
//! ```
//!
//! Owns the header as a value, and reading and writing it; HAProxy's `doc/proxy-protocol.txt` §2 defines both versions.
//! Reading is strict: whatever the text of the protocol does not allow is refused with its place, since a header that
//! is half understood names the wrong client. Every prefix of a header gives "more" or the verdict of the whole.
//!
//! Addresses are folded on the way in (IPv4-mapped ones are IPv4), and of one family on the way out: where the two ends
//! differ, the IPv4 one is written mapped, as both versions have one family for both.
//!
//! Deliberately not here: from whom a header is awaited. Nobody looks for one in a stream that need not have it.

pub mod tlv;
mod v1;
mod v2;

use addr::fold_mapped_socket;
use std::net::{Ipv6Addr, SocketAddr};
pub use tlv::{Facts, Ssl};

/// The longest header that is read, in octets: version 2 with Unix addresses and 2048 octets of TLVs.
pub const LONGEST: usize = v2::LONGEST;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Whose connection it is.
    pub origin: Origin<'a>,
    /// What else is told of it; version 2 only, and nothing with [`Origin::Local`].
    pub facts: Facts<'a>,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The sender's own, such as a health check (version 2). The ends are those of the connection itself.
    Local,
    /// A client's whose address the sender does not know or may not tell.
    Unknown,
    /// A client's that came over IP.
    Inet {
        /// How it reached the sender. A query that came in a datagram may be passed on in a stream.
        transport: Transport,
        /// Its two ends.
        ends: Ends,
    },
    /// A client's that came through a Unix socket (version 2).
    Unix {
        /// How it reached the sender.
        transport: Transport,
        /// The path of the client's end: at most 108 octets, without zeros at its end, empty if it has none.
        source: &'a [u8],
        /// The path that it connected to, likewise.
        destination: &'a [u8],
    },
}

/// How a client reached the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, or a stream socket.
    Stream,
    /// UDP, or a datagram socket.
    Datagram,
}

/// The two ends of a client's connection, without zones and flow labels, IPv4-mapped addresses as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    source: SocketAddr,
    destination: SocketAddr,
}

impl Ends {
    /// The client's end, and the end that it connected to.
    pub const fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        Self { source: fold_mapped_socket(source), destination: fold_mapped_socket(destination) }
    }

    /// The client's end.
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// The end that the client connected to.
    pub const fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Whose connection it is when TCP lies between them.
    pub const fn over_tcp(self) -> Origin<'static> {
        Origin::Inet { transport: Transport::Stream, ends: self }
    }

    /// Both as a header writes them, with the ports: of one family.
    const fn in_one_family(&self) -> OneFamily {
        match (self.source, self.destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                OneFamily::V4([*source.ip(), *destination.ip()])
            }
            (source, destination) => OneFamily::V6([mapped(source), mapped(destination)]),
        }
    }
}

/// The addresses of two ends.
enum OneFamily {
    V4([std::net::Ipv4Addr; 2]),
    V6([Ipv6Addr; 2]),
}

const fn mapped(end: SocketAddr) -> Ipv6Addr {
    match end {
        SocketAddr::V4(end) => end.ip().to_ipv6_mapped(),
        SocketAddr::V6(end) => *end.ip(),
    }
}

/// Octets that are no header: the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {at}: {reason}")]
pub struct Malformed {
    /// The place, counted from 0.
    pub at: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Neither version begins so.
    #[error("this is no PROXY header")]
    NotProxy,
    /// Version 1 ends within 107 octets; of version 2, 2048 octets of TLVs are read at most.
    #[error("the header is too long")]
    TooLong,
    /// A line feed without its carriage return.
    #[error("the line ends without a carriage return")]
    BareLf,
    /// A carriage return without its line feed.
    #[error("a carriage return stands alone")]
    BareCr,
    /// Version 1: TCP4, TCP6 and UNKNOWN are all there are.
    #[error("the protocol is not TCP4, TCP6 or UNKNOWN")]
    Protocol,
    /// Version 1: not as many words as there must be, or not one space between two of them.
    #[error("not two addresses and two ports with one space before each")]
    Words,
    /// Version 1: not an address of the family that was announced.
    #[error("this is no address of the family that was announced")]
    Address,
    /// Version 1: not a decimal number up to 65535, or with leading zeros.
    #[error("this is no port: 0 to 65535 without leading zeros")]
    Port,
    /// Version 2: the version is another one.
    #[error("the version of a binary header is not 2")]
    Version,
    /// Version 2: neither LOCAL nor PROXY.
    #[error("the command is neither LOCAL nor PROXY")]
    Command,
    /// Version 2: no known pair of family and transport.
    #[error("the address family and transport are no known pair")]
    Family,
    /// Version 2: the length leaves no room for the addresses of the family.
    #[error("the length is too small for the addresses")]
    Length,
    /// A TLV, or one inside it, is longer than what holds it.
    #[error("a TLV is cut off")]
    TlvCut,
    /// A TLV of a fixed or limited length has another one.
    #[error("a TLV has a length that its type does not allow")]
    TlvLength,
    /// A TLV that there can be one of comes again.
    #[error("a TLV comes twice")]
    TlvTwice,
    /// A TLV whose value is text is no UTF-8.
    #[error("the text of a TLV is not UTF-8")]
    TlvText,
    /// The checksum over the header is another one.
    #[error("the checksum (CRC32C) is wrong")]
    Checksum,
}

/// A header that cannot be written: a path, a fact or all facts together are longer than the format holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PROXY header cannot hold this much")]
pub struct TooLong;

/// Reads the header that must stand at the beginning of `bytes`, and tells how many octets it takes; payload may follow.
/// None: all octets so far belong to a header that is not whole.
///
/// # Errors
/// Where and why the octets so far cannot become a header, whatever follows them.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(first) if *first == v1::SIGNATURE[0] => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

impl Origin<'_> {
    /// The header of version 1. What it has no words for (datagrams, Unix sockets) is UNKNOWN.
    pub fn to_v1(&self) -> Vec<u8> {
        v1::write(self)
    }
}

impl Header<'_> {
    /// The header of version 2.
    ///
    /// # Errors
    /// When a path, a fact or all facts together are longer than the format holds. Addresses alone never are.
    pub fn to_v2(&self) -> Result<Vec<u8>, TooLong> {
        v2::write(self)
    }
}

/// Whether `bytes` begin with `signature`, as far as there are any.
fn expect_signature(bytes: &[u8], signature: &[u8]) -> Result<(), Malformed> {
    match bytes.iter().zip(signature).position(|(byte, expected)| byte != expected) {
        Some(at) => Err(Malformed { at, reason: Reason::NotProxy }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
