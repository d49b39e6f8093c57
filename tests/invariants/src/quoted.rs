//! ICMP errors around any quote: the outer headers are always right, so that the fuzzer is past them at once.
//!
//! ```text
//!   choice 4 | kind 1 | code 1 | rest of the header 4 | the quote
//! ```
//!
//! Bit 7 of the kind says the family, and bit 6 that the quote is put together as it must be to cross: source and
//! destination are those of the packet that the error answers.

use crate::seeds::{icmpv4, icmpv6, ipv4, ipv6};
use crate::vnet::check_packet;
use crate::world::{CHOICE_LEN, CLIENT, LEASED, REMOTE, params};

const KINDS_V4: [u8; 5] = [3, 11, 12, 4, 5];
const KINDS_V6: [u8; 5] = [1, 2, 3, 4, 100];
/// Bytes before the quote.
const FRONT: usize = CHOICE_LEN + 6;

/// Judges an error.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((front, quote)) = input.split_first_chunk::<FRONT>() else { return };
    let [a, b, c, d, kind, code, rest @ ..] = *front;
    let (choice, index) = ([a, b, c, d], usize::from(kind & 0x3f) % KINDS_V4.len());
    let quote = &quote[..quote.len().min(60_000)];
    let params = params(choice);
    let Some(remote) = params.prefixes.of_v4(REMOTE).map(|prefix| prefix.embed(REMOTE)) else { return };
    let mut quote = quote.to_vec();
    let message = if kind & 0x80 == 0 {
        if kind & 0x40 != 0 && quote.len() >= 20 {
            quote[0] = 0x45;
            quote[12..16].copy_from_slice(&LEASED.octets());
            quote[16..20].copy_from_slice(&REMOTE.octets());
        }
        ipv4(REMOTE, LEASED, 1, &icmpv4(KINDS_V4[index], code, rest, &quote))
    } else {
        if kind & 0x40 != 0 && quote.len() >= 40 {
            quote[0] = 0x60;
            quote[8..24].copy_from_slice(&remote.octets());
            quote[24..40].copy_from_slice(&CLIENT.octets());
        }
        ipv6(CLIENT, remote, 58, &icmpv6(CLIENT, remote, KINDS_V6[index], code, rest, &quote))
    };
    check_packet(choice, &message);
}
