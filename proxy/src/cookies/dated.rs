//! A member's name with the times of its client: `s1|last`, `s1|last|first`.
//!
//! Times are seconds since 1970, in steps of 4, as 30 bits: five characters of base64 (RFC 4648 §4), the highest first.
//! They reach to the year 2106.

const BAR: u8 = b'|';
/// Characters of a time.
const LENGTH: usize = 5;
const BITS: u32 = 30;
/// Seconds of a step, as a power of two.
const STEP_BITS: u32 = 2;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated<'a> {
    /// What names the member.
    pub member: &'a [u8],
    /// When its client was seen last; `None`: nobody knows.
    pub last: Option<u64>,
    /// When its client was seen first.
    pub first: Option<u64>,
}

/// Takes a value apart. What is no time is none.
#[must_use]
pub fn read(value: &[u8]) -> Dated<'_> {
    let mut parts = value.splitn(3, |byte| *byte == BAR);
    let member = parts.next().unwrap_or_default();
    let mut time = || time(parts.next()?);
    Dated { member, last: time(), first: time() }
}

/// Writes a time behind a name.
pub fn write(value: &mut Vec<u8>, time: u64) {
    value.push(BAR);
    let steps = time >> STEP_BITS;
    for place in (0..LENGTH).rev() {
        let [.., low] = (steps >> (6 * place)).to_be_bytes();
        value.push(ALPHABET[usize::from(low & 63)]);
    }
}

/// The time as it is read again once it was written: never before it, for it is the next step.
#[must_use]
pub const fn rounded(time: u64) -> u64 {
    let steps = time.div_ceil(1 << STEP_BITS);
    (steps & ((1 << BITS) - 1)) << STEP_BITS
}

fn time(part: &[u8]) -> Option<u64> {
    let digits = part.get(..LENGTH)?;
    let digit = |byte: &u8| ALPHABET.iter().position(|known| known == byte).map(|place| place as u64);
    let steps = digits.iter().try_fold(0, |steps, byte| Some(steps << 6 | digit(byte)?))?;
    (steps > 0).then_some(steps << STEP_BITS)
}
