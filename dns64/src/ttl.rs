//! The TTLs of a message's records, read and rewritten where they stand (RFC 1035 §4.1.3, RFC 2181 §8).
//!
//! Knows records and sections, and neither what a TTL should be nor what a record means.

use crate::answer::Section;
use crate::wire::{self, RecordHead};

/// Octets between a record's TTL and its data.
const TTL_BEFORE_DATA: usize = 6;

/// A TTL as RFC 2181 §8 reads it: one with the top bit set is 0.
pub(crate) fn sane(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl }
}

/// Gives the record whose data starts at `data` of `message` another TTL.
pub(crate) fn set(message: &mut [u8], data: usize, ttl: u32) {
    let at = data - TTL_BEFORE_DATA;
    message[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
}

/// Gives each of the records that start at `start` of `message`, `counts` in each section, the TTL that `rewrite` makes of it.
/// Returns where the sections end; `None` where the records run past the end.
pub(crate) fn rewrite(
    message: &mut [u8],
    start: usize,
    counts: [u16; 3],
    mut rewrite: impl FnMut(usize, &RecordHead) -> u32,
) -> Option<[Section; 3]> {
    let mut at = start;
    let mut sections = [Section::default(); 3];
    for (index, count) in counts.into_iter().enumerate() {
        for _ in 0..count {
            let record = wire::record(message, at)?;
            let ttl = rewrite(index, &record);
            set(message, record.data.start, ttl);
            at = record.data.end;
        }
        sections[index] = Section { count, end: at };
    }
    Some(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of the root with `ttl` and two octets of data.
    fn record(ttl: u32) -> Vec<u8> {
        let mut octets = vec![0, 0, 1, 0, 1];
        octets.extend_from_slice(&ttl.to_be_bytes());
        octets.extend_from_slice(&[0, 2, 7, 7]);
        octets
    }

    #[test]
    fn every_ttl_is_rewritten_and_nothing_else() {
        let mut message: Vec<u8> = [vec![9; 3], record(300), record(60), record(5)].concat();
        let sections = rewrite(&mut message, 3, [2, 0, 1], |_, record| record.ttl / 5);
        assert_eq!(message, [vec![9; 3], record(60), record(12), record(1)].concat());
        let ends = sections.map(|sections| sections.map(|section| (section.count, section.end)));
        assert_eq!(ends, Some([(2, 29), (0, 29), (1, 42)]));
    }

    #[test]
    fn records_that_run_past_the_end_are_refused() {
        let mut message = record(300);
        assert_eq!(rewrite(&mut message, 0, [2, 0, 0], |_, record| record.ttl), None);
    }

    #[test]
    fn a_ttl_with_its_top_bit_set_is_zero() {
        assert_eq!([sane(0), sane(u32::MAX >> 1), sane(1 << 31)], [0, u32::MAX >> 1, 0]);
    }
}
