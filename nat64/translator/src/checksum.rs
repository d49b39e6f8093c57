//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! In one's complement 0x0000 and 0xffff are both zero. A sum over bytes of which at least one is not zero folds to
//! 0x0001..=0xffff, so a computed checksum is 0x0000..=0xfffe; the update by RFC 1624 equation 3 keeps that form, while
//! equation 4 or plain subtraction would not. UDP alone sends a computed 0x0000 as 0xffff, since there 0x0000 says that
//! there is no checksum (RFC 768); see [`for_udp`]. An ICMP message may be zeros throughout; see [`for_icmpv4`].

use std::net::{Ipv4Addr, Ipv6Addr};

/// A one's complement sum of 16-bit words, not yet folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(u64);

impl Sum {
    /// The sum of `bytes` as 16-bit big-endian words; an odd last byte is padded with zero.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        // Words of 32 bits fold to the same sum as words of 16; 64 KiB of them cannot overflow 64 bits.
        let (words, tail) = bytes.as_chunks();
        let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        sum += u64::from(u32::from_be_bytes(last));
        Self(sum)
    }

    /// One word.
    pub(crate) fn word(word: u16) -> Self {
        Self(u64::from(word))
    }

    /// A length in bytes, as a pseudo-header holds it.
    pub(crate) const fn length(len: usize) -> Self {
        Self(len as u64)
    }

    /// Both sums. The sums of a few packets never overflow.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The sum in 16 bits, not complemented: what a checksum field holds when the kernel completes it.
    pub(crate) const fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        // The loop leaves nothing above the low 16 bits.
        (sum & 0xffff) as u16
    }

    /// The checksum of everything summed.
    pub(crate) const fn checksum(self) -> u16 {
        !self.folded()
    }
}

/// Source and destination of a packet, whose sum enters every pseudo-header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair<A> {
    /// Source.
    pub(crate) src: A,
    /// Destination.
    pub(crate) dst: A,
}

/// An address that takes part in a pseudo-header.
pub(crate) trait Summed: Copy {
    /// The sum of the address.
    fn sum(self) -> Sum;
}

impl Summed for Ipv4Addr {
    fn sum(self) -> Sum {
        Sum::of(&self.octets())
    }
}

impl Summed for Ipv6Addr {
    fn sum(self) -> Sum {
        Sum::of(&self.octets())
    }
}

impl<A: Summed> Pair<A> {
    /// The sum of both addresses.
    pub(crate) fn sum(self) -> Sum {
        self.src.sum().plus(self.dst.sum())
    }

    /// The sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1), which is the same in both families but for the
    /// addresses. `len` is the length of the upper layer in bytes.
    pub(crate) fn pseudo_header(self, protocol: u8, len: usize) -> Sum {
        self.sum().plus(Sum::word(protocol.into())).plus(Sum::length(len))
    }
}

/// What a checksum covered and covers: the words that leave and the words that come in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delta {
    /// Sum of the words that leave.
    pub(crate) removed: Sum,
    /// Sum of the words that come in.
    pub(crate) added: Sum,
}

impl Delta {
    /// The checksum after the change (RFC 1624 §3, equation 3). A wrong checksum stays wrong by the same amount.
    pub(crate) const fn apply(self, checksum: u16) -> u16 {
        !self.apply_partial(!checksum)
    }

    /// The same for a field that holds an uncomplemented sum which somebody else completes.
    pub(crate) const fn apply_partial(self, sum: u16) -> u16 {
        Sum(sum as u64 + !self.removed.folded() as u64 + self.added.0).folded()
    }
}

/// A checksum as UDP sends it.
pub(crate) const fn for_udp(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// The checksum of an ICMP `message` after an incremental update. ICMP has no pseudo-header, so that a message can be
/// zeros throughout (an echo reply of identifier and sequence 0): its checksum is all ones, which the update cannot tell
/// from zero.
pub(crate) fn for_icmpv4(checksum: u16, message: &[u8]) -> u16 {
    let (front, behind) = message.split_at_checked(ICMP_CHECKSUM.start).unwrap_or((message, &[]));
    let rest = behind.get(ICMP_CHECKSUM.len()..).unwrap_or_default();
    let is_zero = checksum == 0 && front.iter().chain(rest).all(|byte| *byte == 0);
    if is_zero { 0xffff } else { checksum }
}

/// Where the checksum stands in an ICMP message (RFC 792).
const ICMP_CHECKSUM: std::ops::Range<usize> = 2..4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 §3: the words 0001 f203 f4f5 f6f7 sum to ddf2.
    #[test]
    fn rfc_1071_example_sums() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::of(&bytes).folded(), 0xddf2);
        assert_eq!(Sum::of(&bytes).checksum(), 0x220d);
    }

    /// RFC 1624 §4: checksum dd2f, a word 5555 becomes 3285, the checksum becomes 0000 and not ffff.
    #[test]
    fn rfc_1624_example_gives_zero_not_all_ones() {
        let delta = Delta { removed: Sum::word(0x5555), added: Sum::word(0x3285) };
        assert_eq!(delta.apply(0xdd2f), 0x0000);
        assert_eq!(for_udp(0x0000), 0xffff);
        assert_eq!(for_udp(0x1234), 0x1234);
    }

    #[test]
    fn odd_lengths_are_padded_with_zero() {
        for len in 0..9 {
            let bytes = vec![0xab; len];
            let mut padded = bytes.clone();
            padded.resize(12, 0);
            assert_eq!(Sum::of(&bytes).folded(), Sum::of(&padded).folded(), "{len}");
        }
    }

    #[test]
    fn pseudo_headers_differ_only_in_the_addresses() {
        let v4 = Pair { src: Ipv4Addr::new(192, 0, 2, 1), dst: Ipv4Addr::new(198, 51, 100, 1) };
        let with = v4.pseudo_header(17, 70_000);
        assert_eq!(
            with.folded(),
            v4.sum().plus(Sum::word(17)).plus(Sum::word(1)).plus(Sum::word(4464)).folded()
        );
    }

    proptest! {
        #[test]
        fn incremental_update_equals_full_computation(
            mut words in prop::collection::vec(any::<u16>(), 2..100), at in any::<prop::sample::Index>(), new in any::<u16>()
        ) {
            // A packet is never all zeros: its first word here is a length.
            words[0] |= 1;
            let at = 1 + at.index(words.len() - 1);
            let sum = |words: &[u16]| Sum::of(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
            let before = sum(&words).checksum();
            let delta = Delta { removed: Sum::word(words[at]), added: Sum::word(new) };
            words[at] = new;
            prop_assert_eq!(delta.apply(before), sum(&words).checksum());
        }

        #[test]
        fn a_wrong_checksum_stays_wrong_by_the_same_amount(right in any::<u16>(), error in 1u16..0xffff, old: u16, new: u16) {
            let delta = Delta { removed: Sum::word(old), added: Sum::word(new) };
            let wrong = Sum::word(right).plus(Sum::word(error)).folded();
            let (right, wrong) = (delta.apply(right), delta.apply(wrong));
            prop_assert_eq!(Sum::word(right).plus(Sum::word(error)).folded() % 0xffff, wrong % 0xffff);
        }
    }
}
