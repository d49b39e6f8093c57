//! A packet as a person writes it: its bytes in hexadecimal, or a short description from which the bytes are made.
//!
//! ```text
//! PACKET   = HEX | PROTOCOL END -> END [OPTION ...]
//! HEX      = digits; white space, colons, 0x and the offsets of tcpdump -x are passed over
//! PROTOCOL = tcp | udp | icmp | 0 to 255
//! END      = ADDRESS[#PORT]                            both of one family; ports for tcp and udp
//! OPTION   = ttl N | tos N | len BYTES | id N | df     of the IP header
//!          | offset BYTES | more                       a fragment
//!          | syn | ack | fin | rst | psh               tcp; ack without any
//!          | nosum                                     udp without a checksum
//!          | request | reply | type N | code N         icmp; an echo request without any
//!          | ptb MTU | unreachable | expired           icmp error about a UDP packet from the destination
//!          | about END                                 ... to this address and port, or else to the source
//! ```
//!
//! Errors name the column and the remedy. Does not judge packets: bytes that no host would send are packets too.

mod build;
mod scan;

use scan::{Scanner, Word};
use std::fmt;
use std::net::IpAddr;

/// The form of a text, for whoever prints help.
pub const GRAMMAR: &str = "\
PACKET is the packet's bytes in hexadecimal, from the IP header on (white space, colons,
0x and the offsets of tcpdump -x are passed over), or a description:

  PROTOCOL ADDRESS[#PORT] -> ADDRESS[#PORT] [OPTION ...]

  PROTOCOL   tcp, udp, icmp, or a number from 0 to 255
  OPTION     ttl N, tos N, len BYTES, id N, df      of the IP header; len is the whole packet's
             offset BYTES, more                     a fragment
             syn, ack, fin, rst, psh                tcp
             nosum                                  udp without a checksum
             request, reply, type N, code N         icmp; an echo request without any
             ptb MTU, unreachable, expired          icmp error about a packet of the destination
             about ADDRESS[#PORT]                   ... to this address, or else to the source

Quote it, since the shell takes > for itself:

  explain \"udp 2001:db8::1#5 -> 64:ff9b::c000:201#53\"
  explain \"tcp 203.0.113.9#443 -> 192.0.2.7#40000 len 1500 df\"
  explain \"icmp 2001:db8::fe -> 64:ff9b::c000:201 ptb 1280 about 2001:db8::1#5\"
  tcpdump -c 1 -x -i nat64 | tail -n +2 | explain -";

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SketchError {
    /// The line with the mistake.
    pub line: String,
    /// Its number, from 1.
    pub line_number: usize,
    /// Where in it the mistake begins, in characters from 1.
    pub column: usize,
    /// How many characters are wrong, at least 1.
    pub width: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub help: &'static str,
}

impl fmt::Display for SketchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line_number > 1 {
            write!(f, "line {}, ", self.line_number)?;
        }
        writeln!(f, "column {}: {}", self.column, self.problem)?;
        writeln!(f, "  | {}", self.line)?;
        writeln!(f, "  | {:skip$}{}", "", "^".repeat(self.width), skip = self.column - 1)?;
        write!(f, "  = help: {}", self.help)
    }
}

impl std::error::Error for SketchError {}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    address: IpAddr,
    port: Option<u16>,
}

/// The transport of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Other(u8),
}

/// A description, read.
#[derive(Clone, Debug)]
struct Sketch<'t> {
    protocol: Protocol,
    src: End,
    dst: End,
    ttl: u8,
    tos: u8,
    /// Length of the whole packet in bytes, and where it stands; without it, as short as can be.
    len: Option<(usize, Word<'t>)>,
    id: Option<u16>,
    dont_fragment: bool,
    /// Where a fragment begins in its packet, in bytes.
    offset: usize,
    more_fragments: bool,
    /// Flags of the TCP header.
    tcp_flags: u8,
    has_checksum: bool,
    icmp: Icmp,
}

/// An ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Icmp {
    /// An echo request, or a reply.
    Echo { is_reply: bool },
    /// A message of any type and code.
    Raw { kind: u8, code: u8 },
    /// An error about a packet to this end, or else to the source.
    Error { error: IcmpError, about: Option<End> },
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IcmpError {
    TooBig(u16),
    Unreachable,
    Expired,
}

/// The longest packet: an IPv6 header in front of 65 535 bytes.
const LONGEST: usize = 65_535 + 40;
const LONGEST_V4: usize = 65_535;

/// The bytes of the packet that `text` is or describes.
///
/// # Errors
/// Names the line, the column and the remedy.
pub fn parse(text: &str) -> Result<Vec<u8>, SketchError> {
    let mut scanner = Scanner::new(text);
    let first = scanner.peek();
    let is_description = text.contains("->")
        || first.is_some_and(|word| protocol(word.text).is_some_and(|it| !matches!(it, Protocol::Other(_))));
    if is_description { build::packet(&description(&mut scanner)?) } else { hex(&mut scanner) }
}

/// Packs digits into bytes.
fn hex(scanner: &mut Scanner<'_>) -> Result<Vec<u8>, SketchError> {
    const HELP: &str = "give the bytes of an IP packet in hexadecimal, or a description such as \"udp 2001:db8::1#5 -> 64:ff9b::c000:201#53\"";
    let mut bytes = Vec::new();
    let mut high = None;
    let mut last = scanner.end();
    while let Some(word) = scanner.next_word() {
        last = word;
        if is_offset(word, bytes.len()) && high.is_none() {
            continue;
        }
        let digits = word.text.strip_prefix("0x").or(word.text.strip_prefix("0X")).unwrap_or(word.text);
        let skipped = word.text.len() - digits.len();
        for (index, character) in digits.chars().enumerate().filter(|(_, character)| *character != ':') {
            let Some(digit) = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
                return Err(word
                    .part(skipped + index, 1)
                    .refuse(format!("{character:?} is no hexadecimal digit"), HELP));
            };
            match high.take() {
                None => high = Some(digit),
                Some(high) => bytes.push((high << 4) | digit),
            }
        }
    }
    if high.is_some() {
        return Err(last.refuse("the last byte has only one digit", "give two digits for each byte"));
    }
    if bytes.is_empty() {
        return Err(scanner.end().refuse("there is no packet", HELP));
    }
    if bytes.len() > LONGEST {
        let problem = format!("{} bytes are more than a packet has", bytes.len());
        return Err(last.refuse(problem, "give one packet of at most 65575 bytes"));
    }
    Ok(bytes)
}

/// Whether a word is the offset that `tcpdump -x` puts before each line.
fn is_offset(word: Word<'_>, bytes: usize) -> bool {
    let number = word.text.strip_prefix("0x").and_then(|text| text.strip_suffix(':'));
    word.is_first
        && number.is_some_and(|number| number.len() >= 4 && usize::from_str_radix(number, 16) == Ok(bytes))
}

fn protocol(text: &str) -> Option<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "icmp" | "icmpv6" | "icmp6" => Some(Protocol::Icmp),
        number => number.parse().ok().map(Protocol::Other),
    }
}

/// Reads a description.
fn description<'t>(scanner: &mut Scanner<'t>) -> Result<Sketch<'t>, SketchError> {
    let word = scanner.need("a protocol", "begin with tcp, udp, icmp or a protocol number")?;
    let protocol = protocol(word.text).ok_or_else(|| {
        word.refuse(
            format!("{:?} is no protocol", word.text),
            "begin with tcp, udp, icmp or a number from 0 to 255",
        )
    })?;
    let ported = matches!(protocol, Protocol::Tcp | Protocol::Udp);
    let src = end(scanner.need("the source", "write SOURCE -> DESTINATION")?, ported)?;
    let arrow = scanner
        .need("\"->\"", "write SOURCE -> DESTINATION, and quote all of it: the shell takes > for itself")?;
    if arrow.text != "->" {
        return Err(
            arrow.refuse(format!("expected \"->\", found {:?}", arrow.text), "write SOURCE -> DESTINATION")
        );
    }
    let target = scanner.need("the destination", "write SOURCE -> DESTINATION")?;
    let dst = end(target, ported)?;
    if src.address.is_ipv4() != dst.address.is_ipv4() {
        return Err(target.refuse(
            "the source and the destination are of different families",
            "write the packet as it arrives: IPv6 hosts see an IPv4 host as an address inside the prefix",
        ));
    }
    let mut sketch = Sketch {
        protocol,
        src,
        dst,
        ttl: 64,
        tos: 0,
        len: None,
        id: None,
        dont_fragment: false,
        offset: 0,
        more_fragments: false,
        tcp_flags: 0,
        has_checksum: true,
        icmp: Icmp::Echo { is_reply: false },
    };
    while let Some(word) = scanner.next_word() {
        option(&mut sketch, word, scanner)?;
    }
    Ok(sketch)
}

/// An address, and a port where there may be one.
fn end(word: Word<'_>, ported: bool) -> Result<End, SketchError> {
    let (address, port) = match word.text.split_once('#') {
        Some((address, port)) => (address, Some(port)),
        None => (word.text, None),
    };
    let place = word.part(0, address.chars().count());
    let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
    let address = bare.parse().map_err(|_| {
        place.refuse(
            format!("{address:?} is no IP address"),
            "write 192.0.2.1 or 2001:db8::1, and a port behind #: 2001:db8::1#53",
        )
    })?;
    let Some(port) = port else { return Ok(End { address, port: None }) };
    let place = word.part(place.width + 1, port.chars().count().max(1));
    if !ported {
        return Err(place.refuse("only tcp and udp have ports", "leave out # and what follows it"));
    }
    let port = port
        .parse()
        .map_err(|_| place.refuse(format!("{port:?} is no port"), "give a number from 0 to 65535"))?;
    Ok(End { address, port: Some(port) })
}

/// TCP flags by their names.
const TCP_FLAGS: [(&str, u8); 5] = [("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16)];

/// Reads one option into `sketch`.
fn option<'t>(sketch: &mut Sketch<'t>, word: Word<'t>, scanner: &mut Scanner<'t>) -> Result<(), SketchError> {
    let name = word.text.to_ascii_lowercase();
    let only = |wanted: bool, whose: &str| {
        if wanted {
            Ok(())
        } else {
            Err(word.refuse(
                format!("{:?} is an option of {whose}", word.text),
                "leave it out, or change the protocol or the family",
            ))
        }
    };
    let is_v4 = sketch.src.address.is_ipv4();
    if let Some((_, flag)) = TCP_FLAGS.iter().find(|(flag, _)| *flag == name) {
        only(sketch.protocol == Protocol::Tcp, "tcp")?;
        sketch.tcp_flags |= flag;
        return Ok(());
    }
    if ICMP_OPTIONS.contains(&name.as_str()) {
        only(sketch.protocol == Protocol::Icmp, "icmp")?;
        return icmp_option(sketch, &name, word, scanner);
    }
    match name.as_str() {
        "ttl" | "hoplimit" => sketch.ttl = scanner.number(word, 0..=255)?,
        "tos" | "class" => sketch.tos = scanner.number(word, 0..=255)?,
        "len" => {
            let longest = if is_v4 { LONGEST_V4 } else { LONGEST };
            let len = scanner.number(word, 20..=longest)?;
            sketch.len = Some((len, scanner.last));
        }
        "id" => sketch.id = Some(scanner.number(word, 0..=65_535)?),
        "df" => {
            only(is_v4, "IPv4 packets: IPv6 packets are never fragmented on their way")?;
            sketch.dont_fragment = true;
        }
        "offset" => {
            sketch.offset = scanner.number(word, 0..=65_528)?;
            if !sketch.offset.is_multiple_of(8) {
                return Err(scanner
                    .last
                    .refuse("a fragment begins at a multiple of 8", "give 0, 8, 16, ..."));
            }
        }
        "more" => sketch.more_fragments = true,
        "nosum" => {
            only(sketch.protocol == Protocol::Udp, "udp")?;
            sketch.has_checksum = false;
        }
        _ => {
            return Err(word.refuse(
                format!("{:?} is no option", word.text),
                "options are ttl, tos, len, id, df, offset, more; syn, ack, fin, rst, psh; nosum; request, reply, type, code, ptb, unreachable, expired, about",
            ));
        }
    }
    Ok(())
}

const ICMP_OPTIONS: [&str; 8] =
    ["request", "reply", "type", "code", "ptb", "unreachable", "expired", "about"];

/// Reads one of [`ICMP_OPTIONS`].
fn icmp_option(
    sketch: &mut Sketch<'_>,
    name: &str,
    word: Word<'_>,
    scanner: &mut Scanner<'_>,
) -> Result<(), SketchError> {
    let (kind, code) = match sketch.icmp {
        Icmp::Raw { kind, code } => (kind, code),
        Icmp::Echo { .. } | Icmp::Error { .. } => (0, 0),
    };
    let error = |error| Icmp::Error { error, about: None };
    sketch.icmp = match name {
        "request" => Icmp::Echo { is_reply: false },
        "reply" => Icmp::Echo { is_reply: true },
        "type" => Icmp::Raw { kind: scanner.number(word, 0..=255)?, code },
        "code" => {
            if !matches!(sketch.icmp, Icmp::Raw { .. }) {
                return Err(word.refuse("a code needs a type before it", "write type N code N"));
            }
            Icmp::Raw { kind, code: scanner.number(word, 0..=255)? }
        }
        "ptb" => error(IcmpError::TooBig(scanner.number(word, 0..=65_535)?)),
        "unreachable" => error(IcmpError::Unreachable),
        "expired" => error(IcmpError::Expired),
        _ => {
            let Icmp::Error { error, .. } = sketch.icmp else {
                return Err(word.refuse(
                    "only an error is about a packet",
                    "write ptb MTU, unreachable or expired before about",
                ));
            };
            let place = scanner.need("an address behind about", "write about ADDRESS#PORT")?;
            let about = end(place, true)?;
            if about.address.is_ipv4() != sketch.src.address.is_ipv4() {
                return Err(place.refuse(
                    "the address is of another family",
                    "an ICMP error quotes a packet of its own family",
                ));
            }
            Icmp::Error { error, about: Some(about) }
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests;
