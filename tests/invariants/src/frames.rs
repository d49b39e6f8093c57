//! What clients of HTTP/2 send, as the proxy judges it: the same however it is cut into pieces.

use crate::seeds::frames::frame;
use proxy::verdict::{self, Verdict};
use std::time::Instant;

/// Judges octets behind a preface; the first one says how they are cut.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((cut, octets)) = input.split_first() else { return };
    let finest = verdict(octets.chunks(1));
    if let Verdict::Breach { seen, .. } = finest {
        assert!(seen < octets.len(), "{finest:?} of {}", octets.len());
        let before = verdict([&octets[..seen]].into_iter());
        assert_eq!(before, Verdict::Good, "what goes on is good: {octets:02x?}");
    }
    for length in [2, 9, usize::from(*cut).max(1), octets.len().max(1)] {
        same(&finest, &verdict(octets.chunks(length)), octets);
    }
    same(&finest, &verdict(uneven(octets, *cut).into_iter()), octets);
}

/// Judges header blocks: each is so many octets as the one in front says, and this octet's first bit makes it one of
/// trailers, the next one has it cut by a continuation.
///
/// # Panics
/// When an invariant is broken.
pub fn check_blocks(input: &[u8]) {
    let Some((cut, mut rest)) = input.split_first() else { return };
    let mut octets = vec![*cut];
    let mut stream = 1_u32;
    while let [kind, behind @ ..] = rest {
        let (block, after) = behind.split_at(behind.len().min(usize::from(kind & 0x3f)));
        if kind & 0x80 != 0 {
            // A head that is good, whose stream goes on.
            octets.extend(frame(1, 4, stream, &[0x82]));
        }
        if kind & 0x40 == 0 {
            octets.extend(frame(1, 5, stream, block));
        } else {
            let (first, second) = block.split_at(block.len() / 2);
            octets.extend(frame(1, 1, stream, first));
            octets.extend(frame(9, 4, stream, second));
        }
        stream += 2;
        rest = after;
    }
    check(&octets);
}

/// Pieces of lengths that go up and down, empty ones among them.
fn uneven(mut octets: &[u8], cut: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut length = u32::from(cut);
    while !octets.is_empty() {
        length = (length * 5 + 3) % 31;
        let (piece, rest) = octets.split_at(octets.len().min(length as usize));
        pieces.push(piece);
        octets = rest;
    }
    pieces
}

fn verdict<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Verdict {
    verdict::verdict(pieces, Instant::now())
}

/// Asserts that octets in larger pieces have come to the same.
fn same(finest: &Verdict, cut: &Verdict, octets: &[u8]) {
    match (finest, cut) {
        (
            Verdict::Breach { what, code, seen: least },
            Verdict::Breach { what: same, code: same_code, seen },
        ) => {
            assert_eq!((what, code), (same, same_code), "{octets:02x?}");
            // Of a header block more may go on, but no frame that is at fault does so whole.
            assert!((*least..end_of_frame(octets, *least)).contains(seen), "{least} {seen}: {octets:02x?}");
        }
        (finest, cut) => assert_eq!(finest, cut, "{octets:02x?}"),
    }
}

/// The end of the frame that this octet is of.
fn end_of_frame(octets: &[u8], place: usize) -> usize {
    let mut end = 0;
    while let [high, middle, low, ..] = octets[end.min(octets.len())..] {
        end += 9 + u32::from_be_bytes([0, high, middle, low]) as usize;
        if end > place {
            return end;
        }
    }
    usize::MAX
}
