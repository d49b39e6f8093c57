//! A DNS message as anyone reads it (RFC 1035 §4.1, RFC 6891 §6.1.2), by other code than the daemon's.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Record types by number.
pub const A: u16 = 1;
/// CNAME.
pub const CNAME: u16 = 5;
/// SOA.
pub const SOA: u16 = 6;
/// PTR.
pub const PTR: u16 = 12;
/// AAAA.
pub const AAAA: u16 = 28;
/// OPT.
pub const OPT: u16 = 41;
/// HTTPS.
pub const HTTPS: u16 = 65;

/// Class IN.
pub const IN: u16 = 1;

/// A message taken apart.
#[derive(Clone, Debug)]
pub struct View<'a> {
    message: &'a [u8],
    /// Its number.
    pub id: u16,
    /// Octets 2 and 3.
    pub flags: u16,
    /// Where its one question stands, if it has one.
    pub question: Option<Range<usize>>,
    /// Answer, authority and additional section, without OPT.
    pub sections: [Vec<Record>; 3],
    /// The OPT records.
    pub opts: Vec<Record>,
    /// Where the last record ends.
    pub end: usize,
}

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its owner in lower case without pointers; `None` where its pointers lead nowhere.
    pub owner: Option<Vec<u8>>,
    /// Its type.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its data.
    pub data: Vec<u8>,
}

/// QR.
pub const RESPONSE: u16 = 0x8000;
/// OPCODE.
pub const OPCODE: u16 = 0x7800;
/// TC.
pub const TRUNCATED: u16 = 0x0200;
/// RD.
pub const RECURSION_DESIRED: u16 = 0x0100;
/// RA.
pub const RECURSION_AVAILABLE: u16 = 0x0080;
/// The bit that must be zero.
pub const RESERVED: u16 = 0x0040;
/// AD.
pub const AUTHENTIC: u16 = 0x0020;
/// CD.
pub const CHECKING_DISABLED: u16 = 0x0010;

impl<'a> View<'a> {
    /// The message at the start of `message`; `None` where it is none, or has several questions.
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let word = |at: usize| u16_at(message, at);
        let (id, flags) = (word(0)?, word(2)?);
        let counts = [word(6)?, word(8)?, word(10)?];
        let mut at = 12;
        let question = match word(4)? {
            0 => None,
            1 => {
                at = name_end(message, at)? + 4;
                message.get(..at)?;
                Some(12..at)
            }
            _ => return None,
        };
        let mut view =
            Self { message, id, flags, question, sections: [vec![], vec![], vec![]], opts: vec![], end: at };
        for (section, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let (record, end) = record_at(message, view.end)?;
                view.end = end;
                if record.rtype == OPT && section == 2 {
                    view.opts.push(record);
                } else {
                    view.sections[section].push(record);
                }
            }
        }
        Some(view)
    }

    /// The octets of its question.
    pub fn question(&self) -> Option<&'a [u8]> {
        self.question.clone().map(|question| &self.message[question])
    }

    /// RCODE, with its extended bits.
    pub fn rcode(&self) -> u16 {
        let extended = self.opts.first().map_or(0, |opt| opt.ttl >> 24);
        self.flags & 0x000f | u16::try_from(extended << 4).unwrap_or_default()
    }

    /// All records but OPT.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.sections.iter().flatten()
    }
}

impl Record {
    /// The address of an A record.
    pub fn v4(&self) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.data.as_slice().try_into().ok().filter(|_| self.rtype == A)?;
        Some(octets.into())
    }

    /// The address of an AAAA record.
    pub fn v6(&self) -> Option<Ipv6Addr> {
        let octets: [u8; 16] = self.data.as_slice().try_into().ok().filter(|_| self.rtype == AAAA)?;
        Some(octets.into())
    }
}

fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

fn record_at(message: &[u8], at: usize) -> Option<(Record, usize)> {
    let head = name_end(message, at)?;
    let word = |index: usize| u16_at(message, head + 2 * index);
    let (rtype, class, high, low, length) = (word(0)?, word(1)?, word(2)?, word(3)?, word(4)?);
    let start = head + 10;
    let end = start + usize::from(length);
    let data = message.get(start..end)?.to_vec();
    let ttl = u32::from(high) << 16 | u32::from(low);
    Some((Record { owner: name(message, at), rtype, class, ttl, data }, end))
}

/// Where the name at `at` ends.
fn name_end(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192..=255 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// The name at `at` in lower case, its pointers followed.
fn name(message: &[u8], mut at: usize) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    // More pointers than labels fit into a name lead nowhere.
    for _ in 0..256 {
        match *message.get(at)? {
            0 => {
                name.push(0);
                return (name.len() <= 255).then_some(name);
            }
            length @ 1..=63 => {
                let end = at + 1 + usize::from(length);
                name.extend(message.get(at..end)?.iter().map(u8::to_ascii_lowercase));
                at = end;
            }
            192..=255 => at = usize::from(u16_at(message, at)? & 0x3fff),
            _ => return None,
        }
    }
    None
}
