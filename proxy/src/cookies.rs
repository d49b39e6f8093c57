//! Cookies that bring clients back to their member: what they say in requests, and how both sides' fields change. Pure.
//!
//! ```text
//! Cookie     -> crumbs -> Told: which member, and is it young enough  -> the field as the member gets it
//! Set-Cookie -> crumbs -> Reply: of the member's own, what stays      -> the field as the client gets it, and ours
//! ```
//!
//! HAProxy's cookies, bit for bit, so that both can serve the same clients: `SRV=s1`, with dates `SRV=s1|last|first`
//! ([`dated`]), with a prefix `SRV=s1~value`. RFC 6265; fields are read as widely as clients write them ([`crumbs`]).
//! Of a field, only what is the proxy's own changes; all other octets stay as they came.
//!
//! Deliberately not here: which member a value stands for, where fields stand in a message, what time it is.

pub mod crumbs;
pub mod dated;
pub mod reply;
pub mod session;
pub mod state;
pub mod told;

use std::ops::Range;

/// What becomes of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays as it came.
    Keep,
    /// It has this value from here on.
    Replace(Vec<u8>),
    /// It goes.
    Remove,
}

/// Ends the member's name where something of the application follows.
const PREFIX_END: u8 = b'~';

/// The field with `with` in the place of `range`.
fn spliced(field: &[u8], range: Range<usize>, with: &[u8]) -> Vec<u8> {
    [&field[..range.start], with, &field[range.end..]].concat()
}

#[cfg(test)]
mod tests;
