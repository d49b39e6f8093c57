//! What becomes of the octets of an HTTP/2 client, in whatever pieces they come. Pure.
//!
//! The door of the fuzz targets: a connection takes the same steps, with its socket between them.

use super::http2::preface::PREFACE;
use super::http2::{Frames, Offence};
use std::time::Instant;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection goes on.
    Good,
    /// Too much of something has come.
    Flood(String),
    /// A frame may not be. The HTTP library sees so many octets behind the preface.
    Breach {
        /// Which rule it breaks.
        what: String,
        /// The error code that the client is told (RFC 9113 §7).
        code: u32,
        /// How many octets go on.
        seen: usize,
    },
}

/// Follows what comes behind the preface, all at one moment.
pub fn verdict<'a>(pieces: impl Iterator<Item = &'a [u8]>, now: Instant) -> Verdict {
    let mut frames = Frames::new(now);
    let mut seen = 0;
    frames.received(PREFACE, now);
    for piece in pieces {
        let (blocks, in_head) = (frames.blocks(), frames.in_head());
        seen += frames.received(piece, now);
        debug_assert!(frames.blocks() >= blocks && (!piece.is_empty() || frames.in_head() == in_head));
        if let Some(offence) = frames.offence() {
            // Nothing has been sent that it would interrupt. The code stands at its end.
            let farewell = frames.farewell().unwrap_or_default();
            let code = farewell[13..].iter().fold(0, |code, octet| code << 8 | u32::from(*octet));
            return match offence {
                Offence::Flood(flood) => Verdict::Flood(format!("{flood:?}")),
                Offence::Breach(breach) => Verdict::Breach { what: format!("{breach:?}"), code, seen },
            };
        }
    }
    Verdict::Good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_makes_it_keep_more() {
        assert!(!std::mem::needs_drop::<Frames>(), "it has memory of its own alone");
        assert!(size_of::<Frames>() <= 512, "{}", size_of::<Frames>());
    }

    #[test]
    fn a_frame_that_may_not_be_is_told_of_before_it_is_whole() {
        let push = [0, 0, 0, 5, 0, 0, 0, 0, 1];
        let expect = Verdict::Breach { what: "Push".to_owned(), code: 1, seen: 8 };
        assert_eq!(verdict([&push[..]].into_iter(), Instant::now()), expect);
        assert_eq!(verdict(push.chunks(1), Instant::now()), expect);
        assert_eq!(verdict(push[..8].chunks(3), Instant::now()), Verdict::Good);
    }
}
