//! Datagrams that go through the network stack as one and are cut apart behind it (`UDP_SEGMENT`), and those that came
//! out of it as one (`UDP_GRO`). Pure.
//!
//! All segments of a super-datagram have one length, but for the last, which may be shorter. The order of datagrams is
//! never changed.

/// Segments that the kernel cuts a super-datagram into at most.
const MOST: usize = 64;

/// Octets of payload that an IPv4 datagram holds at most.
pub(super) const LARGEST: usize = 65_507;

/// How many datagrams at the start of `lengths` can go as one: at least one, if there is any.
pub(super) fn run(lengths: impl Iterator<Item = usize>) -> usize {
    let (mut count, mut total, mut each) = (0, 0, None);
    for length in lengths.take(MOST) {
        let first = *each.get_or_insert(length);
        total += length;
        if count > 0 && (length > first || length == 0 || total > LARGEST) {
            break;
        }
        count += 1;
        if length < first || first == 0 {
            break;
        }
    }
    count
}

/// The datagrams in what was received as one; `segment` is the length of each, or nothing where it is one. An empty
/// datagram is one, too.
pub(super) fn cut(bytes: &[u8], segment: Option<usize>) -> impl Iterator<Item = &[u8]> {
    let each = segment.unwrap_or(bytes.len()).max(1);
    bytes.is_empty().then_some(bytes).into_iter().chain(bytes.chunks(each))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn datagrams_of_one_length_go_together_with_one_shorter_at_the_end() {
        let check = |lengths: &[usize], expect: usize| {
            assert_eq!(run(lengths.iter().copied()), expect, "{lengths:?}");
        };
        check(&[], 0);
        check(&[7], 1);
        check(&[7, 7, 7], 3);
        check(&[7, 7, 3, 3], 3);
        check(&[7, 8], 1);
        check(&[7, 3, 7], 2);
        check(&[0, 0], 1);
        check(&[7, 0], 1);
        check(&[1; 100], 64);
        check(&[65_507, 1], 1);
        check(&[32_000, 32_000, 1_507], 3);
        check(&[32_000, 32_000, 1_508], 2);
        check(&[70_000, 1], 1);
    }

    proptest! {
        #[test]
        fn what_was_cut_is_what_came(length in 0_usize..3000, segment in prop::option::of(1_usize..1500)) {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            let parts: Vec<&[u8]> = cut(&bytes, segment).collect();
            prop_assert_eq!(&parts.concat(), &bytes);
            let each = segment.unwrap_or(length).clamp(1, length.max(1));
            let (last, whole) = parts.split_last().expect("an empty datagram is one");
            prop_assert!(whole.iter().all(|part| part.len() == each), "{each}");
            prop_assert!(last.len() <= each && (!last.is_empty() || length == 0));
        }

        #[test]
        fn runs_hold_what_the_kernel_takes(lengths in prop::collection::vec(0_usize..2000, 1..200)) {
            let mut rest = &lengths[..];
            while !rest.is_empty() {
                let count = run(rest.iter().copied());
                prop_assert!((1..=64).contains(&count));
                let (run, later) = rest.split_at(count);
                prop_assert!(run.iter().sum::<usize>() <= LARGEST);
                if let [first, middle @ .., last] = run {
                    prop_assert!(middle.iter().all(|length| length == first));
                    prop_assert!(*last <= *first && *last > 0);
                }
                rest = later;
            }
        }
    }
}
