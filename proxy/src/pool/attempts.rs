//! What follows on an attempt at a member that failed. Pure: only connections that were never made are tried again.
//!
//! | | next attempt |
//! |---|---|
//! | `retries` used up | none |
//! | without `redispatch` | the same member |
//! | the client belongs to the member | the same member, the last one at another |
//! | else | another member, at once |
//!
//! The same member is tried again after a pause: it may be starting. HAProxy's `retries` and `option redispatch`.

use std::time::Duration;

/// Ahead of another attempt at the same member, or the connect timeout if that is shorter.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more.
    GiveUp,
    /// The same member, after a pause.
    Same,
    /// One that was not tried, or after a pause any.
    Another,
}

/// `made` attempts have failed, the last one at a member that the client belongs to if `own`.
pub(crate) const fn after(made: u32, own: bool, retries: u32, redispatch: bool) -> Next {
    if made > retries {
        Next::GiveUp
    } else if redispatch && (!own || made == retries) {
        Next::Another
    } else {
        Next::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attempts after the first: `s`ame, `a`nother.
    fn check(own: bool, retries: u32, redispatch: bool, expect: &str) {
        let course: String = (1..)
            .map(|made| after(made, own, retries, redispatch))
            .take_while(|next| *next != Next::GiveUp)
            .map(|next| if next == Next::Same { 's' } else { 'a' })
            .collect();
        assert_eq!(course, expect, "own {own}, retries {retries}, redispatch {redispatch}");
    }

    #[test]
    fn a_client_that_belongs_to_nobody_goes_on_to_others() {
        check(false, 3, true, "aaa");
        check(false, 3, false, "sss");
    }

    #[test]
    fn a_client_that_belongs_to_a_member_leaves_it_last() {
        check(true, 3, true, "ssa");
        check(true, 1, true, "a");
        check(true, 3, false, "sss");
    }

    #[test]
    fn without_retries_there_is_one_attempt() {
        check(false, 0, true, "");
        check(true, 0, true, "");
    }
}
