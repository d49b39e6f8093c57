//! Walking a DNS message byte by byte (RFC 1035 §4.1), without building anything.
//!
//! Owns offsets and flag masks, and the two steps that every walk consists of: past a name, past a record. Does not
//! judge content; [`crate::question`] and [`crate::answer`] do.

use crate::name::WireName;
use std::ops::Range;

/// Octets of the header.
pub(crate) const HEADER: usize = 12;

/// Octets of a question behind its name: type and class.
pub(crate) const QUESTION_TAIL: usize = 4;

/// Octets of a record between its name and its data.
const RECORD_HEAD: usize = 10;

/// Header bits in octets 2 and 3, as one big-endian number.
pub(crate) mod flag {
    pub(crate) const RESPONSE: u16 = 0x8000;
    pub(crate) const OPCODE: u16 = 0x7800;
    pub(crate) const AUTHORITATIVE: u16 = 0x0400;
    pub(crate) const TRUNCATED: u16 = 0x0200;
    pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
    pub(crate) const RECURSION_AVAILABLE: u16 = 0x0080;
    pub(crate) const AUTHENTIC_DATA: u16 = 0x0020;
    pub(crate) const CHECKING_DISABLED: u16 = 0x0010;
    pub(crate) const RCODE: u16 = 0x000f;
    /// The DO bit in the low half of an OPT record's TTL (RFC 3225).
    pub(crate) const DNSSEC_OK: u16 = 0x8000;
}

/// Record type OPT (RFC 6891 §6.1.1).
pub(crate) const OPT: u16 = 41;

/// Octets of an EDNS option before its body (RFC 6891 §6.1.2).
pub(crate) const OPTION_HEAD: usize = 4;

/// EDNS option NSID (RFC 5001 §2.3).
pub(crate) const OPTION_NSID: u16 = 3;

/// EDNS option COOKIE (RFC 7873 §4).
pub(crate) const OPTION_COOKIE: u16 = 10;

/// EDNS option edns-tcp-keepalive (RFC 7828 §3.1).
pub(crate) const OPTION_KEEPALIVE: u16 = 11;

/// EDNS option Padding (RFC 7830 §3).
pub(crate) const OPTION_PADDING: u16 = 12;

/// EDNS option Extended DNS Error (RFC 8914 §2).
pub(crate) const OPTION_EDE: u16 = 15;

/// The big-endian number at `at`.
pub(crate) fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Where the name that starts at `at` ends: behind its root label or behind its compression pointer.
pub(crate) fn name_end(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length & 0xc0 {
            0x00 if length == 0 => return Some(at + 1),
            0x00 => at += 1 + usize::from(length),
            0xc0 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// Pointers that one name may have: as many as it may have labels, since a pointer to a pointer says nothing.
const MAX_POINTERS: usize = 127;

/// The name that starts at `at`, its compression pointers followed. They lead backwards only, so that this ends, and
/// are no more than [`MAX_POINTERS`].
pub(crate) fn name_at(message: &[u8], mut at: usize) -> Option<WireName> {
    let mut name = WireName::ROOT;
    let mut before = at;
    let mut pointers = 0;
    loop {
        let length = *message.get(at)?;
        match length & 0xc0 {
            0x00 if length == 0 => return Some(name),
            0x00 => {
                name.push(message.get(at + 1..at + 1 + usize::from(length))?).ok()?;
                at += 1 + usize::from(length);
            }
            0xc0 => {
                at = usize::from(u16_at(message, at)? & POINTED);
                pointers += 1;
                if at >= before || pointers > MAX_POINTERS {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
    }
}

/// What a pointer says.
const POINTED: u16 = 0x3fff;

/// How many pointers may lead to each other without a label between. One is what clumsy senders have.
const MAX_RUN: u8 = 16;

/// Whether following pointers through `message` may cost out of proportion to its length: some lead to each other and to
/// nothing else, one after the other. Looks at whatever could be a pointer, since names stand in the data of records too.
pub(crate) fn has_pointer_chain(message: &[u8]) -> bool {
    let mut runs = vec![0_u8; message.len().min(usize::from(POINTED) + 1)];
    for (at, octets) in message.windows(2).enumerate().skip(HEADER) {
        if octets[0] < 0xc0 {
            continue;
        }
        let target = usize::from(u16::from_be_bytes([octets[0], octets[1]]) & POINTED);
        let run = if target < at { runs[target] + 1 } else { 0 };
        if run > MAX_RUN {
            return true;
        }
        if let Some(known) = runs.get_mut(at) {
            *known = run;
        }
    }
    false
}

/// The fixed part of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordHead {
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// Its data; the next record starts behind it.
    pub(crate) data: Range<usize>,
}

/// The record that starts at `at`.
pub(crate) fn record(message: &[u8], at: usize) -> Option<RecordHead> {
    let name_end = name_end(message, at)?;
    let head = message.get(name_end..name_end + RECORD_HEAD)?;
    let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let start = name_end + RECORD_HEAD;
    message.get(start..start + length)?;
    Some(RecordHead {
        rtype: u16::from_be_bytes([head[0], head[1]]),
        class: u16::from_be_bytes([head[2], head[3]]),
        ttl: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        data: start..start + length,
    })
}

/// The options of an OPT record's data, as code and body; ends at the first that does not fit.
pub(crate) fn options(data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let code = u16_at(data, at)?;
        let length = usize::from(u16_at(data, at + 2)?);
        let body = data.get(at + 4..at + 4 + length)?;
        at += 4 + length;
        Some((code, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_behind_their_root_or_their_pointer() {
        let check =
            |message: &[u8], expect: Option<usize>| assert_eq!(name_end(message, 0), expect, "{message:?}");
        check(b"\x00", Some(1));
        check(b"\x01a\x00", Some(3));
        check(b"\x01a\xc0\x0c", Some(4));
        check(b"\x01a\xc0", None);
        check(b"\x05a", None);
        check(b"\x41a\x00", None);
        check(b"", None);
    }

    #[test]
    fn a_record_that_runs_past_the_end_is_none() {
        let record_bytes = b"\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
        let head = record(record_bytes, 0).unwrap();
        assert_eq!((head.rtype, head.class, head.ttl, head.data), (1, 1, 60, 11..15));
        for cut in 0..record_bytes.len() {
            assert_eq!(record(&record_bytes[..cut], 0), None, "{cut}");
        }
    }

    /// So many pointers, each to the one before, behind a header and a name.
    fn chain(pointers: u16) -> Vec<u8> {
        let mut message = [&[0; HEADER][..], b"\x01a\x00"].concat();
        let mut target = 12_u16;
        for _ in 0..pointers {
            let at = u16::try_from(message.len()).unwrap();
            message.extend_from_slice(&(0xc000 | target).to_be_bytes());
            target = at;
        }
        message
    }

    #[test]
    fn a_name_has_no_more_pointers_than_labels() {
        let last = |pointers: u16| {
            let message = chain(pointers);
            name_at(&message, message.len() - 2).map(|name| name.to_string())
        };
        assert_eq!((last(1), last(127)), (Some("a.".into()), Some("a.".into())));
        assert_eq!((last(128), last(8000)), (None, None));
    }

    #[test]
    fn the_longest_name_of_single_octets_and_pointers_is_read() {
        let mut message = vec![0; HEADER];
        message.extend_from_slice(b"\x01a\x00");
        let mut target = 12_u16;
        for _ in 1..127 {
            let at = u16::try_from(message.len()).unwrap();
            message.extend_from_slice(b"\x01a");
            message.extend_from_slice(&(0xc000 | target).to_be_bytes());
            target = at;
        }
        let name = name_at(&message, usize::from(target)).expect("127 labels");
        assert_eq!((name.labels().count(), name.as_bytes().len()), (127, 255));
        assert!(!has_pointer_chain(&message), "labels stand between");
    }

    #[test]
    fn pointers_that_lead_to_pointers_over_and_over_are_a_chain() {
        assert!(!has_pointer_chain(&[]) && !has_pointer_chain(&chain(0)));
        assert!(!has_pointer_chain(&chain(16)));
        assert!(has_pointer_chain(&chain(17)) && has_pointer_chain(&chain(8000)));
        // Far behind, where no pointer leads: the last of the run still counts.
        let mut far = chain(16);
        let last = u16::try_from(far.len() - 2).unwrap();
        far.resize(40_000, 1);
        assert!(!has_pointer_chain(&far));
        far.extend_from_slice(&(0xc000 | last).to_be_bytes());
        assert!(has_pointer_chain(&far));
        // Forwards and in circles leads nowhere.
        assert!(!has_pointer_chain(&vec![0xc0; 60_000]));
    }

    #[test]
    fn options_end_at_the_first_that_does_not_fit() {
        let data = b"\x00\x0f\x00\x02\x00\x16\x00\x0a\x00\x09\x01";
        assert_eq!(options(data).collect::<Vec<_>>(), [(15, &b"\x00\x16"[..])]);
    }
}
